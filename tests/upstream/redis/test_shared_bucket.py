"""Servers that share a Redis keep to one limit of requests per minute together."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.upstream.redis_server import RedisServer, ServedRedis, redis_connection, redis_of_kind
from upstream.redis.connection import RedisConnection
from upstream.redis.shared_bucket import SharedBucket
from upstream.resilience.queue import Queue

# A minute of these tests, in seconds.
MINUTE = 1.0


@pytest.fixture(scope="module", params=["single", "cluster"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRedis]:
    with redis_of_kind(request.param, tmp_path_factory.mktemp("redis")) as found:
        yield found


@pytest.fixture
async def connections(served: ServedRedis) -> AsyncIterator[list[RedisConnection]]:
    async with redis_connection(served.url) as one, redis_connection(served.url) as other:
        yield [one, other]


async def drained(queue: Queue, requests: int, seconds: float) -> list[float]:
    """Return when each of some requests began that were sent at the same time, as far as they began in time."""
    loop, began = asyncio.get_running_loop(), []

    async def send() -> None:
        async with queue:
            began.append(loop.time())

    tasks = [asyncio.create_task(send()) for _ in range(requests)]
    await asyncio.wait(tasks, timeout=seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return began


class NotingBucket(SharedBucket):
    """A bucket that notes when its tokens were taken."""

    def __init__(self, connection: RedisConnection) -> None:
        super().__init__(20, connection, "both", minute=MINUTE)
        self.moments: list[float] = []

    def take(self) -> bool:
        taken = super().take()
        if taken:
            self.moments.append(self._clock())
        return taken


async def test_no_minute_has_more_requests_than_the_limit(connections: list[RedisConnection]) -> None:
    buckets = [NotingBucket(each) for each in connections]
    queues = [Queue(100, bucket) for bucket in buckets]
    await asyncio.gather(*(drained(queue, 30, 60) for queue in queues))
    began = sorted([*buckets[0].moments, *buckets[1].moments])
    assert len(began) == 60  # all of them had their turn
    for place, first in enumerate(began[:-20]):
        assert began[place + 20] - first >= MINUTE


async def test_one_server_may_use_the_whole_limit(connections: list[RedisConnection]) -> None:
    busy, idle = (SharedBucket(40, each, "whole") for each in connections)
    # The idle one has a token at hand, which goes back.
    assert len(await drained(Queue(1, idle), 1, 5)) == 1
    await asyncio.sleep(1.2)
    assert len(await drained(Queue(100, busy), 39, 20)) == 39
    assert not busy.take()
    await asyncio.sleep(0.2)  # it asks Redis
    assert 50 < busy.wait() <= 61
    assert 50 < busy.wait(40) <= 121


async def test_without_redis_a_server_keeps_to_its_part(connections: list[RedisConnection]) -> None:
    buckets = [SharedBucket(20, each, "parts") for each in connections]
    for bucket in buckets:
        await drained(Queue(100, bucket), 2, 5)
    await asyncio.sleep(1.2)  # tokens that it has at hand go back
    await drained(Queue(100, buckets[0]), 2, 5)  # now it has learned of the other one
    connections[0]._rest_until = float("inf")
    found = 0
    while buckets[0].take():
        found += 1
    assert found == 20 // 2 - 4  # without those that it took before
    assert 50 < buckets[0].wait() <= 60


async def test_a_redis_that_is_gone_stops_no_request(tmp_path: object) -> None:
    assert hasattr(tmp_path, "mkdir")
    with RedisServer(tmp_path) as redis:  # type: ignore[arg-type]
        async with redis_connection(redis.url, pause=5.0) as connection:
            assert connection is not None
            queue = Queue(100, SharedBucket(10, connection, "gone"))
            assert len(await drained(queue, 2, 5)) == 2
            redis.stop()
            assert len(await drained(queue, 6, 5)) == 6
            assert connection.down
