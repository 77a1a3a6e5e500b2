"""Servers that share a Redis make each upstream call once, whatever happens to the server that makes it."""

import asyncio
import datetime
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.graph import Graph
from tests.stand import NOON
from tests.upstream.caching.test_cache_sandbox import PARAMS, UTC, WHOLE, days
from tests.upstream.ledger import Clock
from tests.upstream.redis_server import RedisServer, redis_connection
from upstream.caching.cache import DayCache
from upstream.caching.store import MemoryStore
from upstream.caching.store_redis import RedisStore
from upstream.caching.trust import Trust
from upstream.call import Answer, Call
from upstream.client import Listener
from upstream.errors import NotFound, Overloaded, UpstreamError, UpstreamFailed
from upstream.redis.connection import RedisConnection
from upstream.redis.leases import Lease, Leases
from upstream.reports.table import DAILY_MOVEMENTS, GAME_LOGS, GROUP_MOVEMENTS, GROUPS, USERS, Report


@dataclass
class Gate:
    """The upstream, behind a gate. It counts the calls, and may fail."""

    upstream: Any
    calls: list[Call] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    error: UpstreamError | None = None

    async def fetch(self, call: Call, observe: Listener | None = None) -> Answer[Any]:
        self.calls.append(call)
        await self.open.wait()
        if self.error is not None:
            raise self.error
        answer: Answer[Any] = await self.upstream.fetch(call)
        return answer


@dataclass
class Replica:
    """A cache with a connection of its own. `clock` moves the clocks of both servers."""

    gate: Gate
    connection: RedisConnection
    leases: Leases
    cache: DayCache
    clock: Clock


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
async def both(request: pytest.FixtureRequest, graph: Graph, redis: RedisServer) -> AsyncIterator[list[Replica]]:
    """Two servers. A parameter says by how many seconds the clock of the first one is ahead."""
    clock = Clock(datetime.datetime.fromisoformat(NOON))
    ahead = datetime.timedelta(seconds=getattr(request, "param", 0))
    redis.say("FLUSHALL")
    async with redis_connection(redis.url) as one, redis_connection(redis.url) as other:
        found = []
        for connection, now in ((one, lambda: clock() + ahead), (other, clock)):
            gate, leases = Gate(graph.upstream), Leases(connection)
            cache = DayCache(gate, RedisStore(connection), UTC, now=now, leases=leases)
            found.append(Replica(gate, connection, leases, cache, clock))
        async with found[0].cache, found[1].cache:
            yield found


def calls(both: list[Replica]) -> list[int]:
    return [len(each.gate.calls) for each in both]


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not check():  # noqa: ASYNC110  # the state of Redis is waited for
            await asyncio.sleep(0.005)


def waiting(redis: RedisServer) -> Callable[[], bool]:
    """Return the check that two servers asked for a lease, and that one of them waits for the other since now.

    Each of them looks when it asks, and the one that waits looks again.
    """
    before = gets(redis)
    return lambda: gets(redis) >= before + 3


def gets(redis: RedisServer) -> int:
    stats = redis.say("INFO", "commandstats")
    return int(stats.partition("cmdstat_get:calls=")[2].partition(",")[0] or 0)


async def test_two_hundred_clients_of_two_servers_make_one_call(both: list[Replica], redis: RedisServer) -> None:
    seen = waiting(redis)
    asked = [asyncio.create_task(both[n % 2].cache.fetch(days(GROUP_MOVEMENTS, 1, 9))) for n in range(200)]
    await until(seen)
    for each in both:
        each.gate.open.set()
    answers = await asyncio.gather(*asked)
    assert sum(calls(both)) == 1
    assert len(answers[0].rows) > 5
    assert all(list(answer.rows) == list(answers[0].rows) for answer in answers)
    assert {answer.provenance.readings for answer in answers} == {answers[0].provenance.readings}
    # Who comes later finds the days in the cache.
    assert (await both[1].cache.fetch(days(GROUP_MOVEMENTS, 1, 9))).provenance.outcome == "hit"
    assert sum(calls(both)) == 1


@pytest.mark.parametrize("call", [days(report, 1, 3) for report in PARAMS] + WHOLE, ids=lambda call: call.report.code)
async def test_the_rows_of_every_report_are_those_of_an_own_call(
    call: Call, both: list[Replica], redis: RedisServer, graph: Graph
) -> None:
    seen = waiting(redis)
    asked = [asyncio.create_task(each.cache.fetch(call)) for each in both]
    await until(seen)
    for each in both:
        each.gate.open.set()
    one, other = await asyncio.gather(*asked)
    assert sum(calls(both)) == 1
    own = await graph.upstream.fetch(call)
    assert list(one.read(None)) == list(other.read(None)) == list(own.read(None))


@pytest.mark.parametrize("both", [300, 0.5], indirect=True)
@pytest.mark.parametrize("call", [days(report, 1, 16) for report in PARAMS] + WHOLE, ids=lambda call: call.report.code)
async def test_rows_of_a_server_whose_clock_is_ahead_are_not_trusted_for_longer(
    call: Call, both: list[Replica], redis: RedisServer, graph: Graph
) -> None:
    ahead, other = both
    asked = asyncio.create_task(ahead.cache.fetch(call))
    await until(lambda: calls(both) == [1, 0])
    seen = waiting(redis)
    asked_too = asyncio.create_task(other.cache.fetch(call))
    await until(seen)
    for each in both:
        each.gate.open.set()
    await asyncio.gather(asked, asked_too)
    assert calls(both) == [1, 0]
    alone = DayCache(graph.upstream, MemoryStore(), UTC, now=other.clock)
    assert (await asked_too).provenance.readings == (await alone.fetch(call)).provenance.readings


async def test_a_server_that_dies_is_replaced(both: list[Replica], redis: RedisServer) -> None:
    one, other = both
    name = ":".join(one.cache._cutter.whole_key(Call.of(GROUPS), ""))
    one.leases.seconds = 1.0
    lease = await one.leases.take(name, lambda: 0)
    assert isinstance(lease, Lease)
    assert lease._timer is not None
    lease._timer.cancel()  # it is dead: nothing renews its lease
    other.gate.open.set()
    answer = await other.cache.fetch(Call.of(GROUPS))
    assert (len(answer.rows), calls(both)) == (len(answer.rows), [0, 1])
    # Its late result does not count.
    await other.cache.aclose()
    held = redis.say("EXISTS", f"gamehub-graph:lease:1:{name}")
    one.leases.end(lease, b"R", 0, b"late", 60)
    await one.leases.aclose()
    assert "late" not in redis.say("GET", f"gamehub-graph:lease:1:{name}")
    assert held == ":1\r\n"


async def test_a_long_call_keeps_its_lease(both: list[Replica], redis: RedisServer) -> None:
    for each in both:
        each.leases.seconds = 1.0
    asked = [asyncio.create_task(each.cache.fetch(Call.of(GROUPS))) for each in both]
    await asyncio.sleep(2.0)  # longer than a lease lives without its holder
    for each in both:
        each.gate.open.set()
    await asyncio.gather(*asked)
    assert sum(calls(both)) == 1


@pytest.mark.parametrize(
    "error", [NotFound("no such group", report="R8", upstream_code="10011"), UpstreamFailed("it failed", status=500)]
)
async def test_a_failure_is_shared_with_those_who_wait_and_nobody_else(
    error: UpstreamError, both: list[Replica], redis: RedisServer
) -> None:
    seen = waiting(redis)
    asked = [asyncio.create_task(each.cache.fetch(Call.of(GROUPS))) for each in both]
    await until(seen)
    for each in both:
        each.gate.error = error
        each.gate.open.set()
    found: list[Any] = await asyncio.gather(*asked, return_exceptions=True)
    assert [(type(each), str(each), each.upstream_code, each.status) for each in found] == [
        (type(error), str(error), error.upstream_code, error.status)
    ] * 2
    assert sum(calls(both)) == 1
    for each in both:
        each.gate.error = None
    assert len((await both[0].cache.fetch(Call.of(GROUPS))).rows) > 1
    assert sum(calls(both)) == 2


async def test_a_limit_of_one_server_is_no_failure_of_the_other(both: list[Replica], redis: RedisServer) -> None:
    first = asyncio.create_task(both[0].cache.fetch(Call.of(GROUPS)))
    await until(lambda: calls(both) == [1, 0])
    seen = waiting(redis)
    second = asyncio.create_task(both[1].cache.fetch(Call.of(GROUPS)))
    await until(seen)
    both[0].gate.error = Overloaded("too many wait here")
    for each in both:
        each.gate.open.set()
    with pytest.raises(Overloaded):
        await first
    assert len((await second).rows) > 1
    assert calls(both) == [1, 1]


async def test_a_client_that_leaves_gives_the_call_to_the_other_server(both: list[Replica], redis: RedisServer) -> None:
    first = asyncio.create_task(both[0].cache.fetch(Call.of(GROUPS)))
    await until(lambda: calls(both) == [1, 0])
    seen = waiting(redis)
    second = asyncio.create_task(both[1].cache.fetch(Call.of(GROUPS)))
    await until(seen)
    first.cancel()
    both[1].gate.open.set()
    assert len((await second).rows) > 1
    assert calls(both) == [1, 1]
    both[0].gate.open.set()


async def test_a_reading_that_began_too_early_is_not_shared(both: list[Replica]) -> None:
    call, now = Call.of(GROUPS), both[0].cache._now()
    first = asyncio.create_task(both[0].cache.fetch(call))
    await until(lambda: calls(both) == [1, 0])
    second = asyncio.create_task(both[1].cache.fetch(call, not_before=now + datetime.timedelta(seconds=1)))
    await until(lambda: calls(both) == [1, 1])
    third = asyncio.create_task(both[1].cache.fetch(Call.of(USERS, fkgroup=382), not_before=now))
    await until(lambda: calls(both) == [1, 2])
    for each in both:
        each.gate.open.set()
    await asyncio.gather(first, second, third)
    # A reading that is kept satisfies who demands no newer one, long after it was made.
    await both[0].cache.fetch(Call.of(USERS, fkgroup=382), not_before=now, keep=60)
    assert calls(both) == [1, 2]


@pytest.mark.parametrize("both", [0, 300], indirect=True)
@pytest.mark.parametrize(("report", "check"), [(GROUP_MOVEMENTS, DAILY_MOVEMENTS), (GAME_LOGS, GAME_LOGS)])
async def test_servers_that_check_the_same_days_make_one_call(
    report: Report, check: Report, both: list[Replica], redis: RedisServer
) -> None:
    for each in both:
        each.gate.open.set()
    before = await both[0].cache.fetch(days(report, 1, 3))
    clock = both[0].clock
    clock.move(days=31)
    for each in both:
        each.gate.open.clear()
        each.gate.calls.clear()
    asked = [asyncio.create_task(both[0].cache.fetch(days(report, 1, 3)))]
    await until(lambda: calls(both) == [1, 0])
    clock.move(seconds=3)
    seen = waiting(redis)
    asked.append(asyncio.create_task(both[1].cache.fetch(days(report, 1, 3))))
    await until(seen)
    for each in both:
        each.gate.open.set()
    answers = await asyncio.gather(*asked)
    (made,) = (call for each in both for call in each.gate.calls)
    assert (made.report, made.counting) == (check, check is GAME_LOGS)
    assert [answer.provenance.outcome for answer in answers] == ["hit", "hit"]
    assert [list(answer.rows) for answer in answers] == [list(before.rows)] * 2
    assert [(await each.cache.stats()).renewed for each in both] == [3, 3]
    # A check of the first server, whose clock may be ahead, is no check in the future for the other one.
    latest = clock() + datetime.timedelta(seconds=Trust().longest)
    assert max(reading.until for reading in answers[1].provenance.readings) <= latest


def stop(redis: RedisServer) -> None:
    redis.stop()


def hang(redis: RedisServer) -> None:
    redis.hang(True)


@pytest.mark.parametrize("fail", [stop, hang])
async def test_without_redis_each_server_makes_the_call(
    fail: Callable[[RedisServer], None], graph: Graph, tmp_path: Any
) -> None:
    with RedisServer(tmp_path) as redis:
        async with (
            redis_connection(redis.url, timeout=0.2) as one,
            redis_connection(redis.url, timeout=0.2) as other,
        ):
            gates, caches = [], []
            for connection in (one, other):
                assert connection is not None
                gates.append(Gate(graph.upstream))
                caches.append(DayCache(gates[-1], RedisStore(connection), UTC, leases=Leases(connection)))
            async with caches[0], caches[1]:
                seen = waiting(redis)
                asked = [asyncio.create_task(caches[n % 2].fetch(Call.of(GROUPS))) for n in range(20)]
                await until(seen)
                fail(redis)
                await until(lambda: [len(gate.calls) for gate in gates] == [1, 1])
                for gate in gates:
                    gate.open.set()
                answers = await asyncio.gather(*asked)
                assert all(list(answer.rows) == list(answers[0].rows) for answer in answers)
                assert [len(gate.calls) for gate in gates] == [1, 1]
                redis.hang(False) if fail is hang else redis.start()
