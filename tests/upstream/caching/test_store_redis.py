"""The states that only Redis has: gone, hanging, full, and shared."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from redis.asyncio import Redis

from tests.upstream.redis_server import RedisServer, redis_connection
from upstream.caching.store import Pattern
from upstream.caching.store_redis import RedisStore
from upstream.redis.connection import RedisConnection

KEY = ("R5:f:o::group_id=5", "2026-03-01")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture
async def store(redis: RedisServer) -> AsyncIterator[RedisStore]:
    async with redis_connection(redis.url, timeout=0.3, pause=0.0) as connection:
        yield RedisStore(connection)


async def test_a_redis_that_is_gone_is_an_empty_one_and_one_line_in_the_log(
    redis: RedisServer, store: RedisStore
) -> None:
    await store.set_many([(KEY, b"rows")], 60)
    redis.stop()
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            assert await store.get_many([KEY]) == [None]
            assert await store.peek_many([KEY], 4) == [None]
            await store.set_many([(KEY, b"rows")], 60)
            await store.delete([KEY])
        assert (await store.stats()).down
    assert [line["event"] for line in lines] == ["redis.down"]
    redis.start()
    with structlog.testing.capture_logs() as lines:
        assert await store.get_many([KEY]) == [None]
        await store.set_many([(KEY, b"rows")], 60)
        assert await store.get_many([KEY]) == [b"rows"]
    assert [line["event"] for line in lines] == ["redis.up"]


async def test_nobody_is_told_that_a_correction_is_forgotten_when_redis_is_gone(
    redis: RedisServer, store: RedisStore
) -> None:
    redis.stop()
    with pytest.raises(ConnectionError, match="Redis does not answer"):
        await store.clear(Pattern())


async def test_days_in_memory_end_when_redis_is_back(redis: RedisServer) -> None:
    """Other processes did not see them, so none may stay in use."""
    other_key = (KEY[0], "2026-03-02")
    async with redis_connection(redis.url, timeout=0.3, pause=0.0) as connection:
        store = RedisStore(connection, local_bytes=1 << 20)
        for _ in range(2):
            await store.set_many([(KEY, b"rows of redis")], 60)
            redis.hang(True)
            assert await store.get_many([KEY]) == [None]
            await store.set_many([(KEY, b"rows of memory")], 60)
            assert await store.get_many([other_key, KEY]) == [None, b"rows of memory"]
            assert await store.peek_many([KEY, other_key], 4) == [b"rows of memory", None]
            await store.set_many([(other_key, b"others")], 60)
            await store.delete([KEY])
            assert await store.get_many([other_key, KEY]) == [b"others", None]
            with pytest.raises(ConnectionError):
                await store.clear(Pattern())
            assert await store.get_many([other_key]) == [None]
            await store.set_many([(KEY, b"rows of memory")], 60)
            redis.hang(False)
            assert await store.get_many([KEY]) == [b"rows of redis"]


async def test_a_redis_that_hangs_is_left_alone_for_a_while(redis: RedisServer) -> None:
    async with redis_connection(redis.url, timeout=0.2, pause=3600) as connection:
        store = RedisStore(connection)
        await store.set_many([(KEY, b"rows")], 60)
        redis.hang(True)
        assert await store.get_many([KEY]) == [None]
        redis.hang(False)
        # It would answer, but gets no request.
        assert await store.get_many([KEY]) == [None]


async def test_a_redis_that_is_full_can_still_be_read(redis: RedisServer, store: RedisStore) -> None:
    redis.stop()
    redis.start("--maxmemory", "3mb", "--maxmemory-policy", "noeviction")
    await store.set_many([(KEY, b"rows")], 60)
    big = [((KEY[0], f"2026-04-{day:02}"), bytes(500_000)) for day in range(1, 20)]
    with structlog.testing.capture_logs() as lines:
        for entry in big:
            await store.set_many([entry], 60)
    assert [line["event"] for line in lines] == ["redis.refused"]
    assert await store.get_many([KEY]) == [b"rows"]


async def test_clients_that_leave_do_not_get_each_other_s_answers(redis: RedisServer) -> None:
    # A generous deadline: the test is about answers, and a busy machine may be late.
    connection = RedisConnection(redis.url, timeout=30, pause=0.0)
    store = RedisStore(connection)
    keys = [(KEY[0], f"2026-03-{day:02}") for day in range(1, 29)]
    await store.set_many([(key, key[1].encode() * 2000) for key in keys], 60)

    async def ask(number: int) -> None:
        key = keys[number % len(keys)]
        assert await store.get_many([key]) == [key[1].encode() * 2000]

    for _ in range(5):
        tasks = [asyncio.create_task(ask(number)) for number in range(56)]
        await asyncio.sleep(0.001)
        for task in tasks[::2]:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(outcome is None or isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        assert all(outcome is None for outcome in outcomes[1::2])
    await connection.aclose()


async def test_closing_waits_for_the_commands_whose_callers_left(redis: RedisServer) -> None:
    """Otherwise a command would open a connection that nobody closes."""
    connection = RedisConnection(redis.url, timeout=30, pause=0.0)
    store = RedisStore(connection)
    tasks = [asyncio.create_task(store.set_many([(KEY, b"x" * 1_000_000)], 60)) for _ in range(10)]
    while not connection._round_trips._running:  # noqa: ASYNC110
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    under_way = set(connection._round_trips._tasks)
    assert under_way
    await connection.aclose()
    assert all(task.done() for task in under_way)
    async with Redis.from_url(redis.url) as other:
        assert len(await other.client_list()) == 1  # this one


OTHER = ("R5:f:o::group_id=6", "2026-03-01")


async def copied(raw: Any, one: bytes, other: bytes) -> None:
    await raw.set(other, await raw.get(one) or b"")


async def cut(raw: Any, one: bytes, other: bytes) -> None:
    await raw.set(other, (await raw.get(other) or b"")[:-1])


async def altered(raw: Any, one: bytes, other: bytes) -> None:
    value = await raw.get(other) or b""
    await raw.set(other, value[:-1] + bytes([value[-1] ^ 1]))


async def altered_head(raw: Any, one: bytes, other: bytes) -> None:
    value = await raw.get(other) or b""
    await raw.set(other, value[:36] + bytes([value[36] ^ 1]) + value[37:])


async def lengthened(raw: Any, one: bytes, other: bytes) -> None:
    await raw.set(other, (await raw.get(other) or b"") + b"x")


async def emptied(raw: Any, one: bytes, other: bytes) -> None:
    await raw.set(other, b"x")


@pytest.mark.parametrize("size", [8, 1000, 400_000])
@pytest.mark.parametrize("spoil", [copied, cut, altered, altered_head, lengthened, emptied])
async def test_a_value_that_does_not_fit_its_key_is_not_believed(
    spoil: Callable[[Redis, bytes, bytes], Awaitable[None]], size: int, redis: RedisServer, store: RedisStore
) -> None:
    value = b"1" * size
    await store.set_many([(KEY, b"2" * size), (OTHER, value)], 60)
    assert await store.get_many([OTHER]) == [value]
    raw = Redis.from_url(redis.url)
    one, other = sorted([name async for name in raw.scan_iter()])
    await spoil(raw, one, other)
    # What is read of the beginning alone is not believed either, if it is the beginning that was spoilt.
    if spoil in (copied, altered_head, emptied):
        assert await store.peek_many([KEY, OTHER], 50) == [(b"2" * size)[:64], None]
    with structlog.testing.capture_logs() as lines:
        assert await store.get_many([KEY, OTHER]) == [b"2" * size, None]
    assert [(line["event"], line["entries"]) for line in lines] == [("cache.spoilt", 1)]
    assert (await store.stats()).spoilt == 1
    # It is gone, and may be kept anew.
    assert await raw.exists(other) == 0
    await store.set_many([(OTHER, value)], 60)
    assert await store.get_many([OTHER]) == [value]
    await raw.aclose()


async def test_two_namespaces_share_a_redis_and_nothing_else(redis: RedisServer) -> None:
    async with redis_connection(redis.url) as connection:
        one, other = RedisStore(connection, "one"), RedisStore(connection, "other")
        await one.set_many([(KEY, b"rows")], 60)
        assert await other.get_many([KEY]) == [None]
        assert await other.clear(Pattern()) == 0
        assert await one.get_many([KEY]) == [b"rows"]
