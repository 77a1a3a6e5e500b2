"""The days cache over an upstream in a few lines: its calls, what it says of them, whom a failure hits."""

import asyncio
import datetime
from dataclasses import replace
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from tests.upstream.ledger import LONG, START, Clock, Ledger, movement
from upstream.caching.cache import DayCache
from upstream.caching.store import MemoryStore
from upstream.call import Answer, Call, MadeCall, Provenance
from upstream.decoding.lazy_rows import LazyRows
from upstream.decoding.partial_row import PartialRow
from upstream.errors import Incomplete, Malformed, NotFound, Unauthenticated, Unavailable, UpstreamError, UpstreamFailed
from upstream.reports.request import BadParameter
from upstream.reports.rows import DailyMovementRow, GroupRow
from upstream.reports.table import DAILY_MOVEMENTS, GAMES_ON_SALE, GROUP_MOVEMENTS, GROUPS, Report
from upstream.values.interval import Interval, dates

UTC = ZoneInfo("UTC")
MADRID = ZoneInfo("Europe/Madrid")


@pytest.fixture
def clock() -> Clock:
    """Noon on the twentieth day."""
    return Clock(START + datetime.timedelta(days=19, hours=12))


@pytest.fixture
def ledger() -> Ledger:
    """A row at every hour of March until now, newest first."""
    found = Ledger(lambda row: row.movement_id, reverse=True)
    for hour in range(19 * 24 + 12):
        found.add(movement(hour, START + datetime.timedelta(hours=hour)))
    return found


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock=clock.seconds)


@pytest.fixture
def cached(ledger: Ledger, store: MemoryStore, clock: Clock) -> DayCache:
    return DayCache(ledger, store, UTC, now=clock, trust=LONG)


def march(first: int, last: int, group: int = 5, report: Report = GROUP_MOVEMENTS) -> Call:
    """Whole days of March."""
    interval = dates(datetime.date(2026, 3, first), datetime.date(2026, 3, last), UTC)
    params: dict[str, Any] = {"groupid" if report is DAILY_MOVEMENTS else "group_id": group}
    return Call.of(report, interval, **params)


def hours(first: int, last: int) -> Call:
    """From hour to hour of March."""
    start, end = (START + datetime.timedelta(hours=hour) for hour in (first, last))
    return Call.of(GROUP_MOVEMENTS, Interval(start, end), group_id=5)


async def test_held_days_are_not_asked_for_again(cached: DayCache, ledger: Ledger) -> None:
    first = await cached.fetch(march(1, 10))
    assert first.rows == ledger.listed(march(1, 10))
    assert ledger.spans == ["03-01T00 03-11T00"]
    again = await cached.fetch(march(1, 10))
    assert again.rows == first.rows
    assert ledger.spans == []
    assert (first.provenance.outcome, again.provenance.outcome) == ("miss", "hit")
    assert (first.requests, first.bytes, again.requests, again.bytes) == (1, 24_000, 0, 0)
    assert again.provenance == Provenance("hit", readings=again.readings, cached=("2026-03-01/2026-03-10",))


async def test_any_part_of_held_days_is_cut_out_of_them(cached: DayCache, ledger: Ledger) -> None:
    await cached.fetch(march(1, 10))
    ledger.calls.clear()
    for call in (march(3, 3), march(2, 9), hours(30, 31), hours(5, 200), hours(24, 49)):
        assert (await cached.fetch(call)).rows == ledger.listed(call)
    assert ledger.calls == []


async def test_of_held_days_only_the_columns_are_read_that_are_needed(cached: DayCache, ledger: Ledger) -> None:
    call = replace(march(2, 9), columns=frozenset({"movement_id", "currency_amount", "type", "movement_type"}))
    first = await cached.fetch(call)
    whole = ledger.listed(call)
    assert first.rows == whole  # what is kept is whole
    ledger.calls.clear()
    again = await cached.fetch(call)
    assert again.provenance.outcome == "hit"
    assert isinstance(again.rows, LazyRows)
    excerpts = list(again.rows)
    (kind,) = set(map(type, excerpts))
    assert issubclass(kind, PartialRow)
    # The report's own moment and what it echoes are always there.
    assert kind.__struct_fields__ == ("movement_id", "timestamp", "group_id", "type", "currency_amount")
    for name in kind.__struct_fields__:
        assert [getattr(row, name) for row in excerpts] == [getattr(row, name) for row in whole]
    head = again.rows.head(3)
    head.read()
    assert list(head) == whole[:3]
    again.rows.read(call.columns)
    assert list(map(id, again.rows)) == list(map(id, excerpts))
    again.rows.read()
    assert again.rows == whole
    assert cast(Any, again.rows).whole(excerpts[5:7]) == whole[5:7]
    # A part of the days, and who joins with other columns.
    part = replace(hours(30, 200), columns=call.columns)
    some, all_columns = await asyncio.gather(cached.fetch(part), cached.fetch(hours(30, 200)))
    assert all_columns.rows == some.rows == ledger.listed(part)
    assert ledger.calls == []


async def test_only_missing_days_are_fetched_and_neighbours_in_one_call(cached: DayCache, ledger: Ledger) -> None:
    await cached.fetch(march(3, 4))
    await cached.fetch(march(8, 8))
    ledger.calls.clear()
    answer = await cached.fetch(march(1, 10))
    assert answer.rows == ledger.listed(march(1, 10))
    assert sorted(ledger.spans) == ["03-01T00 03-03T00", "03-05T00 03-08T00", "03-09T00 03-11T00"]
    assert answer.provenance.outcome == "partial"
    assert answer.provenance.cached == ("2026-03-03/2026-03-04", "2026-03-08")
    assert answer.provenance.missing == ("2026-03-01/2026-03-02", "2026-03-05/2026-03-07", "2026-03-09/2026-03-10")
    assert answer.requests == 3
    calls = answer.provenance.calls
    assert isinstance(calls, tuple)
    assert sorted(made.rows for made in calls) == [48, 48, 72]
    assert {made.seconds for made in calls} == {0.25}


async def test_runs_are_fetched_a_few_at_once(ledger: Ledger, store: MemoryStore, clock: Clock) -> None:
    cached = DayCache(ledger, store, UTC, now=clock, runs_at_once=2)
    await cached.fetch(march(1, 9))
    for day in range(1, 10, 2):
        await cached.forget(first_day=datetime.date(2026, 3, day), last_day=datetime.date(2026, 3, day))
    ledger.calls.clear()
    ledger.gate.clear()
    task = asyncio.create_task(cached.fetch(march(1, 9)))
    await settle()
    assert len(ledger.calls) == 2
    ledger.gate.set()
    assert (await task).rows == ledger.listed(march(1, 9))
    assert len(ledger.calls) == 5


async def test_a_part_of_a_day_that_is_not_held_is_asked_as_it_is_and_not_kept(
    cached: DayCache, ledger: Ledger
) -> None:
    for _ in range(2):
        assert (await cached.fetch(hours(5, 9))).rows == ledger.listed(hours(5, 9))
        assert ledger.spans == ["03-01T05 03-01T09"]
    # The days between are whole, and are kept; what stands before and after them is not.
    await cached.fetch(hours(5, 77))
    assert ledger.spans == ["03-01T05 03-04T05"]
    assert (await cached.fetch(hours(6, 78))).rows == ledger.listed(hours(6, 78))
    assert ledger.spans == ["03-01T06 03-02T00", "03-04T00 03-04T06"]


async def test_a_day_without_rows_is_held_as_well(cached: DayCache, ledger: Ledger) -> None:
    ledger.rows.clear()
    assert (await cached.fetch(march(1, 3))).rows == []
    assert (await cached.fetch(march(2, 2))).provenance.outcome == "hit"


async def test_today_stays_for_seconds_and_yesterday_until_its_grace_is_over(
    cached: DayCache, ledger: Ledger, clock: Clock
) -> None:
    await cached.fetch(march(1, 20))
    clock.move(seconds=4.9)
    assert (await cached.fetch(march(1, 20))).provenance.outcome == "hit"
    clock.move(seconds=0.1)
    ledger.calls.clear()
    ledger.add(movement(10_000, clock.now))
    answer = await cached.fetch(march(1, 20))
    assert answer.rows == ledger.listed(march(1, 20))
    assert ledger.spans == ["03-20T00 03-21T00"]
    clock.move(hours=14)  # 02:00 of the next day
    await cached.fetch(march(1, 21))
    assert ledger.spans == ["03-20T00 03-22T00"]
    clock.move(hours=3, minutes=59, seconds=54)
    await cached.fetch(march(20, 20))
    assert ledger.spans == ["03-20T00 03-21T00"]
    clock.move(seconds=6)
    await cached.fetch(march(20, 20))
    assert ledger.spans == ["03-20T00 03-21T00"]
    clock.move(days=29)
    await cached.fetch(march(20, 20))
    assert ledger.spans == []


async def test_an_open_day_is_not_kept_where_it_is_to_be_fresh_for_no_time(
    ledger: Ledger, store: MemoryStore, clock: Clock
) -> None:
    cached = DayCache(ledger, store, UTC, now=clock, trust=replace(LONG, open=0.0))
    await cached.fetch(march(19, 20))
    await cached.fetch(march(19, 20))
    assert ledger.spans == ["03-19T00 03-21T00", "03-20T00 03-21T00"]
    assert (await store.stats()).entries == 1


async def test_days_are_those_of_the_business_time_zone(ledger: Ledger, store: MemoryStore, clock: Clock) -> None:
    cached = DayCache(ledger, store, MADRID, now=clock)
    clock.move(days=20)
    call = Call.of(GROUP_MOVEMENTS, dates(datetime.date(2026, 3, 28), datetime.date(2026, 3, 30), MADRID), group_id=5)
    await cached.fetch(call)
    assert ledger.spans == ["03-27T23 03-30T22"]
    day = Call.of(GROUP_MOVEMENTS, dates(datetime.date(2026, 3, 29), datetime.date(2026, 3, 29), MADRID), group_id=5)
    assert (await cached.fetch(day)).rows == ledger.listed(day)
    assert ledger.spans == []
    # The same dates of another zone are other days.
    elsewhere = DayCache(ledger, store, UTC, now=clock)
    await elsewhere.fetch(march(29, 29))
    assert ledger.spans == ["03-29T00 03-30T00"]


# Whose rows


async def test_rows_of_another_caller_origin_or_parameter_are_never_served(
    cached: DayCache, ledger: Ledger, store: MemoryStore, clock: Clock
) -> None:
    await cached.fetch(march(1, 2))
    other = DayCache(ledger, store, UTC, now=clock, origin=lambda: "https://staging.example/")
    ledger.calls.clear()
    for outcome in ("miss", "hit"):
        assert (await cached.fetch(march(1, 2), scope="user 60")).provenance.outcome == outcome
        assert (await cached.fetch(march(1, 2, group=6))).provenance.outcome == outcome
        assert (await other.fetch(march(1, 2))).provenance.outcome == outcome
    assert len(ledger.calls) == 3


async def test_a_bad_parameter_is_refused_before_the_cache(cached: DayCache, ledger: Ledger) -> None:
    with pytest.raises(BadParameter):
        await cached.fetch(Call.of(GROUP_MOVEMENTS, march(1, 1).interval))
    assert ledger.calls == []


# Order


@pytest.mark.parametrize("reverse", [False, True])
async def test_lone_rows_say_nothing_of_the_order_so_the_whole_period_is_asked_for_once(
    ledger: Ledger, cached: DayCache, reverse: bool
) -> None:
    ledger.reverse = reverse
    ledger.rows[:] = [movement(day, START + datetime.timedelta(days=day)) for day in range(3)]
    for day in (1, 2, 3):
        await cached.fetch(march(day, day))
    ledger.calls.clear()
    assert (await cached.fetch(march(1, 3))).rows == ledger.listed(march(1, 3))
    assert ledger.spans == ["03-01T00 03-04T00"]
    assert (await cached.fetch(march(1, 2))).rows == ledger.listed(march(1, 2))
    assert ledger.spans == []


async def test_an_upstream_that_lists_by_user_is_answered_in_its_order(
    ledger: Ledger, cached: DayCache, clock: Clock
) -> None:
    ledger.order, ledger.reverse = (lambda row: (row.user_id, row.timestamp)), False
    for row in ledger.rows:
        row.user_id = 1 + row.movement_id % 3
    for call in (march(1, 10), march(2, 9), hours(30, 90), march(1, 10)):
        assert (await cached.fetch(call)).rows == ledger.listed(call)
    assert ledger.spans == ["03-01T00 03-11T00"]
    # Days of two fetches cannot be put together: the period is requested as a whole, once.
    for call in (march(9, 12), march(9, 12), march(10, 11)):
        assert (await cached.fetch(call)).rows == ledger.listed(call)
    assert ledger.spans == ["03-09T00 03-13T00"]


async def test_a_row_that_does_not_tell_its_day_is_passed_on_and_nothing_is_kept(
    cached: DayCache, ledger: Ledger
) -> None:
    await cached.fetch(march(1, 2))
    stray = movement(99_999, START)
    ledger.listed = lambda call: [stray]  # type: ignore[method-assign]
    ledger.calls.clear()
    for _ in range(2):
        assert (await cached.fetch(march(2, 3))).rows == [stray]
    assert set(ledger.spans) == {"03-03T00 03-04T00", "03-02T00 03-04T00"}


# Waiting together, and leaving


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_one_fetch_runs_for_all_who_wait(cached: DayCache, ledger: Ledger) -> None:
    ledger.gate.clear()
    tasks = [asyncio.create_task(cached.fetch(march(1, 10)))]
    await settle()
    tasks += [
        asyncio.create_task(cached.fetch(call)) for call in (march(1, 10), march(2, 3), march(9, 12), hours(4, 9))
    ]
    await settle()
    assert ledger.spans == ["03-01T00 03-11T00", "03-11T00 03-13T00"]
    ledger.gate.set()
    answers = await asyncio.gather(*tasks)
    for answer, call in zip(answers, (march(1, 10), march(1, 10), march(2, 3), march(9, 12), hours(4, 9)), strict=True):
        assert answer.rows == ledger.listed(call)
    assert ledger.calls == []
    joined = answers[2].provenance.calls
    assert isinstance(joined, tuple)
    assert [(made.joined, made.rows) for made in joined] == [(True, 240)]
    assert answers[2].requests == 0


async def test_callers_of_other_scopes_do_not_wait_for_each_other_s_rows(cached: DayCache, ledger: Ledger) -> None:
    await asyncio.gather(*(cached.fetch(march(1, 2), scope=scope) for scope in ("", "a", "b", "a")))
    assert len(ledger.calls) == 3


async def test_a_part_of_a_day_under_way_is_not_taken_for_the_day(cached: DayCache, ledger: Ledger) -> None:
    calls = (hours(5, 77), march(1, 1), march(4, 4), march(2, 3))
    for call, answer in zip(calls, await asyncio.gather(*map(cached.fetch, calls)), strict=True):
        assert answer.rows == ledger.listed(call)


async def test_who_leaves_disturbs_nobody(cached: DayCache, ledger: Ledger) -> None:
    ledger.gate.clear()
    first = asyncio.create_task(cached.fetch(march(1, 10)))
    await settle()
    second = asyncio.create_task(cached.fetch(march(5, 6)))
    third = asyncio.create_task(cached.fetch(march(1, 10)))
    await settle()
    first.cancel()
    third.cancel()
    await asyncio.gather(first, third, return_exceptions=True)
    assert first.cancelled()
    ledger.gate.set()
    assert (await second).rows == ledger.listed(march(5, 6))
    assert (await cached.fetch(march(1, 10))).provenance.outcome == "hit"
    assert ledger.spans == ["03-01T00 03-11T00"]


async def test_when_all_have_left_the_days_are_still_kept(cached: DayCache, ledger: Ledger) -> None:
    ledger.gate.clear()
    task = asyncio.create_task(cached.fetch(march(1, 2)))
    await settle()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    ledger.gate.set()
    await settle()
    assert (await cached.fetch(march(1, 2))).provenance.outcome == "hit"


async def test_closing_lets_what_is_under_way_end(ledger: Ledger, store: MemoryStore, clock: Clock) -> None:
    async with DayCache(ledger, store, UTC, now=clock) as cached:
        ledger.gate.clear()
        task = asyncio.create_task(cached.fetch(march(1, 2)))
        await settle()
        ledger.gate.set()
    assert task.done()
    assert (await task).rows == ledger.listed(march(1, 2))


async def test_an_observer_is_told_of_the_call_as_it_was_asked(cached: DayCache, ledger: Ledger) -> None:
    outcomes: list[tuple[Call, Answer[Any] | UpstreamError]] = []

    def observe(call: Call, outcome: Answer[Any] | UpstreamError, started: float, ended: float) -> None:
        assert started <= ended
        outcomes.append((call, outcome))
        raise RuntimeError("an observer's own failure is nobody else's")

    answer = await cached.fetch(march(1, 3), observe)
    error = ledger.error = NotFound("no such group")
    with pytest.raises(NotFound):
        await cached.fetch(march(1, 4), observe)
    assert outcomes == [(march(1, 3), answer), (march(1, 4), error)]


# Failures


ERRORS: list[UpstreamError] = [
    Unavailable("down"),
    UpstreamFailed("failed"),
    NotFound("no such group"),
    Unauthenticated("no"),
    Incomplete("cut"),
    Malformed("?"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_a_failure_reaches_all_who_wait_unchanged_and_is_not_kept(
    cached: DayCache, ledger: Ledger, store: MemoryStore, error: UpstreamError
) -> None:
    ledger.errors.append(error)
    outcomes = await asyncio.gather(*(cached.fetch(march(1, 2)) for _ in range(3)), return_exceptions=True)
    assert outcomes == [error] * 3
    assert (await store.stats()).entries == 0
    assert (await cached.fetch(march(1, 2))).rows == ledger.listed(march(1, 2))


async def test_a_failed_run_fails_the_answer_and_the_other_runs_are_kept(cached: DayCache, ledger: Ledger) -> None:
    await cached.fetch(march(2, 2))
    ledger.calls.clear()
    ledger.errors.append(Unavailable("down"))
    with pytest.raises(Unavailable):
        await cached.fetch(march(1, 3))
    ledger.calls.clear()
    await cached.fetch(march(1, 3))
    assert ledger.spans == ["03-01T00 03-02T00"]


async def test_a_defect_is_raised_and_not_kept(cached: DayCache, ledger: Ledger) -> None:
    ledger.order = lambda row: 1 / 0
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await cached.fetch(march(1, 2))
    assert len(ledger.calls) == 2


@pytest.mark.parametrize("error", ERRORS[:2], ids=lambda error: type(error).__name__)
async def test_days_past_their_time_stand_in_while_the_upstream_is_away_and_are_marked(
    cached: DayCache, ledger: Ledger, clock: Clock, error: UpstreamError
) -> None:
    since = clock.now
    fresh = await cached.fetch(march(18, 20))
    clock.move(hours=1)
    ledger.add(movement(10_000, clock.now))
    ledger.error = error
    answer = await cached.fetch(march(18, 20))
    assert answer.rows == fresh.rows
    assert answer.provenance.outcome == "stale"
    assert answer.provenance.stale_since == since
    assert answer.provenance.cached == ("2026-03-18/2026-03-19",)
    calls = answer.provenance.calls
    assert isinstance(calls, tuple)
    assert [made.error for made in calls] == [error.code]
    assert (await cached.fetch(hours(19 * 24 + 3, 19 * 24 + 5))).provenance.stale_since == since
    ledger.error = None
    assert (await cached.fetch(march(18, 20))).rows == ledger.listed(march(18, 20))


@pytest.mark.parametrize("error", ERRORS[2:], ids=lambda error: type(error).__name__)
async def test_other_failures_are_news_that_no_stale_answer_hides(
    cached: DayCache, ledger: Ledger, clock: Clock, error: UpstreamError
) -> None:
    await cached.fetch(march(20, 20))
    clock.move(hours=1)
    ledger.error = error
    with pytest.raises(type(error)):
        await cached.fetch(march(20, 20))


async def test_a_day_stands_in_for_a_day_at_most(cached: DayCache, ledger: Ledger, clock: Clock) -> None:
    await cached.fetch(march(20, 20))
    ledger.error = Unavailable("down")
    clock.move(seconds=5 + 86400 - 1)
    assert (await cached.fetch(march(20, 20))).provenance.outcome == "stale"
    clock.move(seconds=1)
    with pytest.raises(Unavailable):
        await cached.fetch(march(20, 20))


async def test_nothing_stands_in_where_a_day_is_not_there_at_all(
    cached: DayCache, ledger: Ledger, clock: Clock
) -> None:
    await cached.fetch(march(20, 20))
    clock.move(hours=1)
    ledger.error = Unavailable("down")
    with pytest.raises(Unavailable):
        await cached.fetch(march(19, 20))


async def test_one_failed_run_is_stood_in_for_and_the_rest_is_fresh(
    cached: DayCache, ledger: Ledger, clock: Clock
) -> None:
    await cached.fetch(march(17, 17))
    await cached.fetch(march(18, 20))
    await cached.forget(first_day=datetime.date(2026, 3, 18), last_day=datetime.date(2026, 3, 18))
    clock.move(hours=1)
    ledger.errors = []
    calls_before = len(ledger.calls)
    original = ledger.fetch

    async def fail_today(call: Call, observe: Any = None) -> Answer[Any]:
        if call.interval is not None and call.interval.start.day == 20:
            raise Unavailable("down")
        return await original(call)

    ledger.fetch = fail_today  # type: ignore[method-assign]
    answer = await cached.fetch(march(17, 20))
    assert answer.provenance.outcome == "stale"
    assert answer.rows == ledger.listed(march(17, 20))
    assert len(ledger.calls) == calls_before + 1


async def test_bytes_that_cannot_be_read_are_fetched_anew(
    cached: DayCache, ledger: Ledger, store: MemoryStore, clock: Clock
) -> None:
    await cached.fetch(march(1, 3))
    for key in list(store._entries):
        value, until, number = store._entries[key]
        store._entries[key] = (b"?" if key[1].endswith("01") else value[:-3]), until, number
    assert (await cached.fetch(march(1, 3))).rows == ledger.listed(march(1, 3))
    assert (await cached.fetch(march(1, 3))).provenance.outcome == "hit"


async def test_an_id_that_no_bytes_can_hold_is_answered_and_not_kept(cached: DayCache, ledger: Ledger) -> None:
    ledger.add(movement(2**70, START + datetime.timedelta(hours=47, minutes=30)))
    for _ in range(2):
        assert (await cached.fetch(march(1, 2))).rows == ledger.listed(march(1, 2))
    assert ledger.spans == ["03-01T00 03-03T00", "03-02T00 03-03T00"]


# What has no days


class Lists:
    """Answers every call with one row, which counts the calls."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.error: UpstreamError | None = None

    async def fetch(self, call: Call, observe: Any = None) -> Answer[Any]:
        self.calls.append(call)
        if self.error is not None:
            raise self.error
        return Answer([GroupRow(id=len(self.calls))])


def on_sale(first: int) -> Call:
    return Call.of(GAMES_ON_SALE, dates(datetime.date(2026, 3, first), datetime.date(2026, 3, 20), UTC), bs_room_id=1)


@pytest.mark.parametrize("call", [Call.of(GROUPS), Call.of(GROUPS, id=3)], ids=["all", "one"])
async def test_what_has_no_days_is_kept_for_seconds(clock: Clock, store: MemoryStore, call: Call) -> None:
    upstream = Lists()
    cached = DayCache(upstream, store, UTC, now=clock)
    outcomes = []
    for seconds in (0, 4, 1, 1):
        clock.move(seconds=seconds)
        answer = await cached.fetch(call)
        outcomes.append((answer.provenance.outcome, answer.rows[0].id))
    assert outcomes == [("miss", 1), ("hit", 1), ("miss", 2), ("hit", 2)]
    upstream.error = Unavailable("down")
    clock.move(hours=1)
    stale = await cached.fetch(call)
    assert (stale.provenance.outcome, stale.rows[0].id) == ("stale", 2)
    assert stale.provenance.stale_since == clock.now - datetime.timedelta(hours=1, seconds=1)
    assert (await cached.forget("R8")) == 1
    with pytest.raises(Unavailable):
        await cached.fetch(call)


async def test_games_on_sale_are_of_this_moment_whatever_the_day(clock: Clock, store: MemoryStore) -> None:
    ledger = Ledger(lambda row: row.movement_id)
    cached = DayCache(ledger, store, UTC, now=clock)
    for call in (on_sale(1), on_sale(1), on_sale(2)):
        await cached.fetch(call)
    clock.move(seconds=5)
    await cached.fetch(on_sale(1))
    assert ledger.spans == ["03-01T00 03-21T00", "03-02T00 03-21T00", "03-01T00 03-21T00"]


async def test_what_has_no_days_is_not_kept_where_it_is_to_be_fresh_for_no_time(
    clock: Clock, store: MemoryStore
) -> None:
    upstream = Lists()
    cached = DayCache(upstream, store, UTC, now=clock, trust=replace(LONG, open=0.0))
    assert [(await cached.fetch(Call.of(GROUPS))).rows[0].id for _ in range(2)] == [1, 2]


class Daily:
    """R1: a row for each requested date."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []

    async def fetch(self, call: Call, observe: Any = None) -> Answer[Any]:
        assert call.interval is not None
        assert call.interval.days is not None
        first, last = call.interval.days
        self.requests.append((first.isoformat(), last.isoformat()))
        money = dict.fromkeys(("total_wagers_real", "total_wins_real", "total_refunds_real", "total_paid", "net"), "0")
        found = [first + datetime.timedelta(days=number) for number in range((last - first).days + 1)]
        return Answer([DailyMovementRow(timestamp=date, total_paid_tickets=0, **money) for date in found])


@pytest.mark.parametrize("day_zone", [UTC, MADRID])
async def test_a_report_of_days_goes_by_the_days_an_interval_was_made_of(
    clock: Clock, store: MemoryStore, day_zone: ZoneInfo
) -> None:
    upstream = Daily()
    cached = DayCache(upstream, store, UTC, now=clock, day_zone=day_zone)
    for first, last in ((3, 4), (1, 5), (2, 4)):
        answer = await cached.fetch(march(first, last, report=DAILY_MOVEMENTS))
        assert [row.timestamp.day for row in answer.rows] == list(range(first, last + 1))
    assert upstream.requests == [
        ("2026-03-03", "2026-03-04"),
        ("2026-03-01", "2026-03-02"),
        ("2026-03-05", "2026-03-05"),
    ]


# Forgetting, looking ahead, counting


async def test_what_is_forgotten_is_fetched_anew(cached: DayCache, ledger: Ledger) -> None:
    await cached.fetch(march(1, 4))
    await cached.fetch(march(1, 4, group=6))
    ledger.calls.clear()
    day = datetime.date(2026, 3, 2)
    assert await cached.forget("R5", {"group_id": 5}, day, day) == 1
    assert await cached.forget("R7") == 0
    await cached.fetch(march(1, 4))
    await cached.fetch(march(1, 4, group=6))
    assert ledger.spans == ["03-02T00 03-03T00"]
    assert await cached.forget() == 8


async def test_what_is_under_way_when_all_is_forgotten_is_answered_and_not_kept(
    cached: DayCache, ledger: Ledger, store: MemoryStore
) -> None:
    ledger.gate.clear()
    before = asyncio.create_task(cached.fetch(march(1, 2)))
    await settle()
    await cached.forget()
    after = asyncio.create_task(cached.fetch(march(1, 2)))
    await settle()
    # A request after the correction does not wait for a call that began before it.
    assert len(ledger.calls) == 2
    ledger.gate.set()
    await asyncio.gather(before, after)
    assert (await store.stats()).entries == 2
    await cached.fetch(march(1, 2))
    assert len(ledger.calls) == 2


async def test_what_is_on_its_way_into_the_store_when_all_is_forgotten_does_not_stay(
    ledger: Ledger, clock: Clock
) -> None:
    class Slow(MemoryStore):
        async def set_many(self, entries: Any, seconds: float) -> None:
            await super().set_many(entries, seconds)
            await cached.forget()
            # As in a Redis that one connection orders to forget, and another to store.
            await super().set_many(entries, seconds)
            written.append(seconds)

    written: list[float] = []
    store = Slow(clock=clock.seconds)
    cached = DayCache(ledger, store, UTC, now=clock)
    await cached.fetch(march(19, 20))
    assert (await store.stats()).entries == 0
    # Days that are fresh for another time are written after those, and are not written any more.
    assert len(written) == 1


async def test_looking_ahead_says_what_is_at_hand_and_fetches_nothing(
    cached: DayCache, ledger: Ledger, clock: Clock
) -> None:
    await cached.fetch(march(3, 4))
    await cached.fetch(march(20, 20))
    ledger.calls.clear()
    found = await cached.cached_share(march(1, 5))
    assert (found.days, found.cached, found.in_flight) == (5, 2, 0)
    assert found.missing == ("2026-03-01/2026-03-02", "2026-03-05")
    assert found.fraction == pytest.approx(0.4)
    many = await cached.cached_shares([march(20, 20), hours(50, 51), Call.of(GROUPS), march(3, 4, group=6)])
    assert [each.fraction for each in many] == [1, 1, 0, 0]
    assert (await cached.cached_share(march(3, 4), scope="user 60")).cached == 0
    clock.move(seconds=5)
    assert (await cached.cached_share(march(20, 20))).missing == ("2026-03-20",)
    assert ledger.calls == []
    ledger.gate.clear()
    task = asyncio.create_task(cached.fetch(march(1, 2)))
    await settle()
    flying = await cached.cached_share(march(1, 5))
    assert (flying.cached, flying.in_flight, flying.missing) == (2, 2, ("2026-03-05",))
    ledger.gate.set()
    await task


async def test_the_stats_count_days_and_answers(cached: DayCache, ledger: Ledger, clock: Clock) -> None:
    await cached.fetch(march(19, 20))
    await cached.fetch(march(18, 20))
    clock.move(seconds=5)
    ledger.error = Unavailable("down")
    await cached.fetch(march(20, 20))
    with pytest.raises(Unavailable):
        await cached.fetch(march(1, 1))
    stats = await cached.stats()
    assert (stats.hits, stats.misses, stats.stale) == (2, 4, 1)
    assert stats.calls == {"miss": 1, "partial": 1, "stale": 1, "error": 1}
    assert stats.store is not None
    assert stats.store.entries == 3


async def test_without_a_store_every_call_goes_out_as_it_is(ledger: Ledger, clock: Clock) -> None:
    cached = DayCache(ledger, None, UTC, now=clock)
    for _ in range(2):
        answer = await cached.fetch(march(1, 2))
        assert answer.rows == ledger.listed(march(1, 2))
        assert answer.provenance == Provenance(
            "off", readings=answer.readings, calls=(MadeCall(march(1, 2), 1, 48, 4800, 0.25),)
        )
    assert await cached.forget() == 0
    assert (await cached.cached_share(march(1, 2))).fraction == 0
    assert (await cached.stats()).store is None
    await cached.aclose()


async def test_a_period_of_many_years_passes_by(cached: DayCache, ledger: Ledger, store: MemoryStore) -> None:
    interval = dates(datetime.date(1990, 1, 1), datetime.date(2026, 3, 20), UTC)
    answer = await cached.fetch(Call.of(GROUP_MOVEMENTS, interval, group_id=5))
    assert answer.provenance.outcome == "off"
    assert (await store.stats()).entries == 0


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have everything cut up and read in threads."""
    monkeypatch.setattr("upstream.caching.day_reader._MANY_ROWS", 0)
    monkeypatch.setattr("upstream.caching.cached_days._MANY_BYTES", 0)


@pytest.mark.usefixtures("small_batches")
async def test_large_answers_are_cut_up_in_threads(cached: DayCache, ledger: Ledger) -> None:
    for call in (march(1, 10), march(2, 5), hours(30, 40)):
        assert (await cached.fetch(call)).rows == ledger.listed(call)
    assert len(ledger.calls) == 1
