"""The moments at which days changed: shared by servers of one Redis, and kept for the next process of the machine."""

import asyncio
import datetime
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.strangers.stranger import Stranger
from tests.strangers.upstreams import connect
from tests.upstream.ledger import Clock
from tests.upstream.redis_server import RedisServer, redis_connection
from upstream.caching import day_entry
from upstream.caching.cache import DayCache
from upstream.caching.changes import Changes
from upstream.caching.store import MemoryStore, Pattern
from upstream.caching.store_redis import RedisStore
from upstream.call import Call
from upstream.journal import Journal
from upstream.reports.table import GAME_LOGS, GROUP_MOVEMENTS
from upstream.values.days import microseconds
from upstream.values.interval import dates

UTC = ZoneInfo("UTC")
DAY = datetime.date(2022, 10, 30)
NEXT = datetime.date(2022, 10, 31)
NOON = datetime.datetime(2022, 10, 31, 12, tzinfo=datetime.UTC)
LATER = NOON + datetime.timedelta(hours=1)
REST = 0.1


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture
async def stores(redis: RedisServer) -> AsyncIterator[list[RedisStore]]:
    options = {"timeout": 0.2, "pause": REST}
    async with redis_connection(redis.url, **options) as one, redis_connection(redis.url) as other:
        yield [RedisStore(one), RedisStore(other)]


async def test_the_last_change_of_a_day_counts() -> None:
    changes = Changes(MemoryStore(), lambda: "origin")
    assert (changes.at(DAY), await changes.since(DAY, NEXT)) == (0, None)
    await changes.note([DAY], LATER)
    await changes.note([DAY], NOON)
    assert (changes.at(DAY), changes.at(NEXT)) == (microseconds(LATER), 0)
    assert await changes.since(DAY, NEXT) == LATER
    assert await changes.since(NEXT, NEXT) is None


async def test_what_concerns_files_alone_leaves_kept_rows() -> None:
    changes = Changes(MemoryStore(), lambda: "origin")
    await changes.note([DAY], NOON, rows=False)
    assert changes.at(DAY) == 0
    assert await changes.since(DAY, DAY) == NOON
    await changes.note(None, LATER, rows=False)
    assert await changes.since(NEXT, NEXT) == LATER
    assert await changes.since(None, None) == LATER


@pytest.mark.parametrize("rows", [True, False])
async def test_a_restart_forgets_no_change(tmp_path: Path, rows: bool) -> None:
    with Journal(tmp_path / "errors.sqlite") as journal:
        await Changes(None, lambda: "origin", journal).note([DAY], NOON, rows=rows)
        journal.flush()
        after, elsewhere = Changes(None, lambda: "origin", journal), Changes(None, lambda: "other", journal)
        for changes in (after, elsewhere):
            changes.load()
        assert await after.since(DAY, DAY) == NOON
        assert after.at(DAY) == (microseconds(NOON) if rows else 0)
        assert await elsewhere.since(DAY, DAY) is None


async def test_processes_of_one_machine_learn_of_each_others_changes(tmp_path: Path) -> None:
    with Journal(tmp_path / "errors.sqlite") as mine, Journal(tmp_path / "errors.sqlite") as theirs:
        one, other = Changes(None, lambda: "origin", mine), Changes(None, lambda: "origin", theirs)
        other.load()
        for day, at in ((DAY, NOON), (NEXT, LATER)):
            await one.note([day], at)
            mine.flush()
            other.load()
            assert other.at(day) == microseconds(at)
        count = other.count
        other.load()
        assert other.count == count


async def test_servers_that_share_a_redis_share_the_moments(stores: list[RedisStore]) -> None:
    one, other = (Changes(store, lambda: "origin", seconds=3600) for store in stores)
    await one.note([DAY], NOON)
    assert await other.since(DAY, NEXT) == NOON
    values = await stores[1].get_many(other.keys([DAY, NEXT]))
    fresh = Changes(stores[1], lambda: "origin", seconds=3600)
    fresh.take_in([DAY, NEXT], values)
    assert (fresh.at(DAY), fresh.at(NEXT)) == (microseconds(NOON), 0)


async def test_a_redis_that_was_out_of_reach_learns_what_changed_meanwhile(
    redis: RedisServer, stores: list[RedisStore]
) -> None:
    one, other = (Changes(store, lambda: "origin", seconds=3600) for store in stores)
    redis.hang(True)
    await one.note([DAY], NOON)
    await one.note([NEXT], NOON, rows=False)
    redis.hang(False)
    await asyncio.sleep(REST)
    await other.note([DAY], LATER)  # a later change is not replaced
    assert await other.since(NEXT, NEXT) is None
    await one.share()
    assert [await other.since(day, day) for day in (DAY, NEXT)] == [LATER, NOON]
    assert (one.at(DAY), one.at(NEXT)) == (microseconds(LATER), 0)


async def test_a_redis_that_lost_everything_gets_the_moments_back(redis: RedisServer, stores: list[RedisStore]) -> None:
    one, other = (Changes(store, lambda: "origin", seconds=3600) for store in stores)
    await one.note([DAY], NOON)
    await one.note([NEXT], LATER, rows=False)
    await one.share()
    redis.say("FLUSHALL")
    assert await other.since(DAY, NEXT) is None
    await one.share()
    assert [await other.since(day, day) for day in (DAY, NEXT)] == [NOON, LATER]
    assert other.at(DAY) == microseconds(NOON)
    before = redis.say("INFO", "commandstats")
    for changes in (one, other):
        await changes.share()
    assert sets_in(redis.say("INFO", "commandstats")) == sets_in(before)  # there is nothing to write


def sets_in(statistics: str) -> str:
    """Return the line about SET in the statistics of a Redis, up to the number of its calls."""
    (line,) = [line for line in statistics.splitlines() if line.startswith("cmdstat_set:")]
    return line.partition(",")[0]


async def test_the_moments_stay_when_rows_are_forgotten(stores: list[RedisStore]) -> None:
    """A request to forget may be carried out late: rows that were read since it came stay, and so do changes."""
    one, other = (Changes(store, lambda: "origin", seconds=3600) for store in stores)
    await one.note([DAY], LATER)
    assert await stores[0].clear(Pattern(None), partial(day_entry.read_since, microseconds(NOON))) == 0
    assert await stores[0].clear(Pattern(None, {}, DAY, DAY)) == 0
    assert await other.since(DAY, DAY) == LATER


async def test_a_day_that_changed_is_read_again_by_every_server_of_the_redis(stores: list[RedisStore]) -> None:
    clock = Clock(NOON)
    with Stranger() as stranger:
        stranger.reset(zone=UTC, log_zone=UTC)
        async with connect(stranger) as upstream:
            one, other = (DayCache(upstream, store, UTC, now=clock) for store in stores)
            movements = Call.of(GROUP_MOVEMENTS, dates(DAY, DAY, UTC), group_id=390)
            logs = Call.of(GAME_LOGS, dates(DAY, DAY, UTC), game_type="slot")
            for cached in (one, other):
                await cached.fetch(movements)
                await cached.fetch(logs)
            assert len(stranger.requests) == 2
            stranger.world.movements = [each for each in stranger.world.movements if each.id != 3497]
            clock.move(seconds=10)
            await one.fetch(movements, not_before=clock.now)
            stranger.requests.clear()
            # The other server uses neither its movements nor its log of that day.
            assert len((await other.fetch(movements)).rows) == 2
            await other.fetch(logs)
            assert [request.report for request in stranger.requests] == ["get_game_log"]
            assert await other.changed_since(DAY, DAY) == clock.now
