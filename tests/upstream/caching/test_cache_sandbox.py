"""The days cache over the sandbox and real HTTP: exactly these upstream calls, and the rows it would answer itself."""

import datetime
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import structlog
from redis.asyncio import Redis

from tests.graph import Graph
from tests.stand import NOON, Sandbox
from tests.upstream.ledger import Clock
from tests.upstream.redis_server import RedisServer, redis_connection
from upstream.caching.cache import DayCache, open_store
from upstream.caching.store_redis import RedisStore
from upstream.call import Call
from upstream.errors import NotFound, UpstreamFailed
from upstream.reports.table import (
    GAME_DETAIL,
    GAME_LOGS,
    GAME_SUMMARY,
    GAMES_ON_SALE,
    GROUP_MOVEMENTS,
    GROUPS,
    PROGRESSIVE_JACKPOTS,
    REPORTS,
    ROOM_GAMES,
    USER_TRANSACTIONS,
    USERS,
    Report,
)
from upstream.values.interval import Interval, SentFrame, dates, resolve

UTC = ZoneInfo("UTC")
MADRID = ZoneInfo("Europe/Madrid")
# Values of parameters for which the sandbox has rows.
VALUES: dict[str, Any] = {"groupid": 382, "group_id": 382, "bs_room_id": 1, "user_id": 2001, "game_type": "slot"}
# The reports with closed days, each with its parameters.
PARAMS: dict[Report, dict[str, Any]] = {
    report: {name: VALUES[name] for name in report.parameters if name in VALUES}
    for report in REPORTS
    if report.frame is not None and not report.current
}
WHOLE = [
    Call.of(GROUPS),
    Call.of(USERS, fkgroup=382),
    Call.of(PROGRESSIVE_JACKPOTS),
]


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.datetime.fromisoformat(NOON))


@pytest.fixture
def cached(graph: Graph, clock: Clock) -> DayCache:
    return DayCache(graph.upstream, open_store("memory://"), UTC, now=clock)


def month(report: Report, zone: ZoneInfo = UTC) -> Call:
    now = datetime.datetime.fromisoformat(NOON)
    return Call.of(report, resolve(SentFrame.THIS_MONTH, now, zone), **PARAMS[report])


def days(report: Report, first: int, last: int, zone: ZoneInfo = UTC) -> Call:
    interval = dates(datetime.date(2026, 3, first), datetime.date(2026, 3, last), zone)
    return Call.of(report, interval, **PARAMS[report])


def requests_of(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Return the requested periods since the last call of this function."""
    events = []
    for call in sandbox.calls():
        params = call["params"]
        if params.get("page"):
            continue  # a further page of one call
        bounds = [value for name, value in sorted(params.items()) if "range_from" in name or "range_to" in name]
        events.append(tuple(bounds or (params["start"], params["end"])))
    sandbox.reset()
    return events


def test_every_report_has_its_place_here() -> None:
    single_or_current = {report for report in REPORTS if report.single or report.current}
    missing = set(REPORTS) - {*PARAMS, *(call.report for call in WHOLE), *single_or_current}
    assert missing == set(), "add a call of the report to WHOLE"
    required = [(report, name) for report in PARAMS for name, each in report.parameters.items() if each.required]
    assert [each for each in required if each[1] not in VALUES] == [], "add a value of the parameter to VALUES"


@pytest.mark.parametrize("report", PARAMS, ids=lambda report: report.code)
async def test_a_month_asked_for_again_a_minute_later_fetches_today_alone(
    cached: DayCache, graph: Graph, sandbox: Sandbox, clock: Clock, report: Report
) -> None:
    uncached = (await graph.upstream.fetch(month(report))).rows
    assert uncached
    sandbox.reset()
    assert (await cached.fetch(month(report))).rows == uncached
    assert (await cached.fetch(month(report))).rows == uncached
    assert len(requests_of(sandbox)) == 1
    clock.move(minutes=1)
    answer = await cached.fetch(month(report))
    assert answer.rows == uncached
    assert answer.provenance.missing == ("2026-03-15",)
    ((first, last),) = requests_of(sandbox)
    # The log is requested with bounds that are a second wider (C26).
    day = ("2026-03-14", "2026-03-16") if report is GAME_LOGS else ("2026-03-15", "2026-03-15")
    assert (first[:10], last[:10]) == day


@pytest.mark.parametrize("report", PARAMS, ids=lambda report: report.code)
@pytest.mark.parametrize("zone", [UTC, MADRID], ids=str)
async def test_ranges_put_together_from_days_are_what_the_sandbox_answers(
    graph: Graph, sandbox: Sandbox, clock: Clock, report: Report, zone: ZoneInfo
) -> None:
    cached = DayCache(graph.upstream, open_store("memory://"), zone, day_zone=UTC, now=clock)
    start = dates(datetime.date(2026, 3, 1), datetime.date(2026, 3, 1), zone).start
    calls = [days(report, 3, 4, zone), days(report, 8, 8, zone), days(report, 2, 9, zone), days(report, 1, 12, zone)]
    for first, last in ((30, 31), (50, 200), (0, 400)):
        interval = Interval(start + datetime.timedelta(hours=first), start + datetime.timedelta(hours=last))
        calls.append(Call.of(report, interval, **PARAMS[report]))
    for call in calls:
        assert (await cached.fetch(call)).rows == (await graph.upstream.fetch(call)).rows


async def test_only_the_missing_days_go_over_the_wire(cached: DayCache, sandbox: Sandbox) -> None:
    sandbox.reset()
    await cached.fetch(days(USER_TRANSACTIONS, 5, 6))
    await cached.fetch(days(USER_TRANSACTIONS, 3, 9))
    assert sorted(requests_of(sandbox)) == [
        ("2026-03-03", "2026-03-04"),
        ("2026-03-05", "2026-03-06"),
        ("2026-03-07", "2026-03-09"),
    ]
    await cached.fetch(days(USER_TRANSACTIONS, 4, 8))
    assert requests_of(sandbox) == []


@pytest.mark.parametrize("call", WHOLE, ids=lambda call: call.report.code)
async def test_lists_are_kept_for_seconds(cached: DayCache, sandbox: Sandbox, clock: Clock, call: Call) -> None:
    sandbox.reset()
    first = (await cached.fetch(call)).rows
    assert first
    assert (await cached.fetch(call)).rows == first
    clock.move(seconds=5)
    assert (await cached.fetch(call)).rows == first
    assert len(sandbox.calls()) == 2


async def test_a_game_and_what_is_on_sale_are_kept_for_seconds(cached: DayCache, sandbox: Sandbox) -> None:
    game = (await cached.fetch(days(ROOM_GAMES, 3, 3))).rows[0].id
    now = datetime.datetime.fromisoformat(NOON)
    sandbox.reset()
    calls = [
        Call.of(GAME_DETAIL, id=game),
        Call.of(GAME_SUMMARY, id=game),
        Call.of(GAMES_ON_SALE, resolve(SentFrame.TODAY, now, UTC), bs_room_id=1),
    ]
    for call in calls:
        first = await cached.fetch(call)
        again = await cached.fetch(call)
        assert first.rows == again.rows
        assert again.provenance.outcome == "hit"
    assert len(sandbox.calls()) == 3


async def test_nobody_of_that_id_is_nobody_and_not_kept(cached: DayCache, sandbox: Sandbox) -> None:
    sandbox.reset()
    interval = days(GROUP_MOVEMENTS, 1, 2).interval
    for _ in range(2):
        with pytest.raises(NotFound):
            await cached.fetch(Call.of(GROUP_MOVEMENTS, interval, group_id=99999))
    assert len(sandbox.calls()) == 2


async def test_while_the_sandbox_is_away_the_month_is_stale_and_says_since_when(
    cached: DayCache, sandbox: Sandbox, clock: Clock
) -> None:
    since = clock.now
    fresh = await cached.fetch(month(GROUP_MOVEMENTS))
    clock.move(minutes=1)
    sandbox.fault("400")
    answer = await cached.fetch(month(GROUP_MOVEMENTS))
    assert answer.rows == fresh.rows
    assert answer.provenance.stale_since == since
    assert (await cached.fetch(days(GROUP_MOVEMENTS, 1, 14))).provenance.outcome == "hit"
    with pytest.raises(UpstreamFailed):
        await cached.fetch(days(USER_TRANSACTIONS, 1, 2))


@pytest.fixture
async def shared(graph: Graph, clock: Clock, tmp_path: Path) -> AsyncIterator[tuple[RedisServer, DayCache, DayCache]]:
    """Two gateways that share a Redis."""
    with RedisServer(tmp_path) as redis:
        async with redis_connection(redis.url) as one, redis_connection(redis.url) as other:
            both = [
                DayCache(graph.upstream, RedisStore(each, local_bytes=16 << 20), UTC, now=clock)
                for each in (one, other)
            ]
            async with both[0], both[1]:
                yield redis, both[0], both[1]


async def test_two_gateways_share_days_through_redis(
    shared: tuple[RedisServer, DayCache, DayCache], sandbox: Sandbox
) -> None:
    _, one, other = shared
    sandbox.reset()
    first = await one.fetch(days(GROUP_MOVEMENTS, 1, 9))
    second = await other.fetch(days(GROUP_MOVEMENTS, 1, 9))
    assert second.rows == first.rows
    assert second.provenance.outcome == "hit"
    assert (await other.cached_share(days(GROUP_MOVEMENTS, 1, 12))).missing == ("2026-03-10/2026-03-12",)
    await other.fetch(days(GROUP_MOVEMENTS, 1, 12))
    assert requests_of(sandbox) == [("2026-03-01", "2026-03-09"), ("2026-03-10", "2026-03-12")]
    assert await one.forget("R5", {"group_id": 382}, datetime.date(2026, 3, 9)) == 4
    assert (await other.cached_share(days(GROUP_MOVEMENTS, 1, 12))).cached == 8


async def test_a_day_that_was_copied_to_another_group_or_spoilt_is_read_again(
    shared: tuple[RedisServer, DayCache, DayCache], sandbox: Sandbox
) -> None:
    server, one, other = shared
    mine = days(GROUP_MOVEMENTS, 1, 2)
    theirs = Call.of(GROUP_MOVEMENTS, mine.interval, group_id=383)
    first, second = (await one.fetch(mine)).rows, (await one.fetch(theirs)).rows
    assert first != second
    redis = Redis.from_url(server.url)
    copied = [name async for name in redis.scan_iter(match="*R5:*383:2026-03-01")]
    cut = [name async for name in redis.scan_iter(match="*R5:*383:2026-03-02")]
    assert (len(copied), len(cut)) == (1, 1)
    await redis.set(copied[0], await redis.get(copied[0].replace(b"383:", b"382:")) or b"")
    await redis.set(cut[0], (await redis.get(cut[0]) or b"")[:-1])
    await redis.aclose()
    sandbox.reset()
    assert (await other.fetch(theirs)).rows == second
    assert (await other.fetch(mine)).rows == first
    assert requests_of(sandbox) == [("2026-03-01", "2026-03-02")]
    stats = (await other.stats()).store
    assert stats is not None
    assert stats.spoilt == 2


async def test_without_its_redis_the_gateway_goes_on_with_its_own_memory(
    shared: tuple[RedisServer, DayCache, DayCache], sandbox: Sandbox
) -> None:
    redis, one, _ = shared
    first = await one.fetch(days(GROUP_MOVEMENTS, 1, 9))
    redis.stop()
    sandbox.reset()
    with structlog.testing.capture_logs() as lines:
        for _ in range(2):
            assert (await one.fetch(days(GROUP_MOVEMENTS, 1, 9))).rows == first.rows
    assert [line["event"] for line in lines if line["log_level"] != "debug"] == ["redis.down"]
    assert len(sandbox.calls()) == 1
    with pytest.raises(ConnectionError):
        await one.forget()
    assert (await one.fetch(days(GROUP_MOVEMENTS, 1, 9))).provenance.outcome == "miss"
