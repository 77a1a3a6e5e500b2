"""For all calls in any order, while rows arrive and calls fail, the cache gives the answers of the upstream."""

import asyncio
import datetime
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.effort import tries
from tests.upstream.ledger import LONG, Clock, Ledger, movement
from upstream.caching.cache import DayCache
from upstream.caching.store import MemoryStore
from upstream.call import Call
from upstream.errors import NotFound, Unavailable, UpstreamError, UpstreamFailed
from upstream.reports.table import GROUP_MOVEMENTS
from upstream.values import days
from upstream.values.interval import Interval

# Its days of 29 March and 25 October 2026 have 23 and 25 hours.
MADRID = ZoneInfo("Europe/Madrid")
UTC = datetime.UTC
BEGINS = [datetime.datetime(2026, 3, 26, 23, tzinfo=UTC), datetime.datetime(2026, 10, 22, 22, tzinfo=UTC)]
ERRORS: list[Callable[[], UpstreamError]] = [
    lambda: Unavailable("down"),
    lambda: UpstreamFailed("failed"),
    lambda: NotFound("no such group"),
]
ORDERS: dict[str, tuple[Callable[[Any], Any], bool]] = {
    "ascending": (lambda row: (row.timestamp, row.movement_id), False),
    "descending": (lambda row: (row.timestamp, row.movement_id), True),
    # Movements are numbered when they are begun and stamped when they are done.
    "by number": (lambda row: row.movement_id, False),
}

# Most queries are of whole days and overlap, most moves let today expire, and most arrivals are today's.
half_hours = st.integers(0, 48 * 6)
query = st.tuples(
    st.just("ask"),
    st.lists(
        st.tuples(
            st.one_of(st.integers(0, 5).map(lambda day: day * 48), half_hours),
            st.one_of(st.integers(1, 5).map(lambda day: day * 48), st.integers(1, 100)),
            st.sampled_from(["", "", "other"]),
        ),
        min_size=1,
        max_size=3,
    ),
)
STEPS: dict[str, st.SearchStrategy[Any]] = {
    "ask": query,
    "again": st.tuples(st.just("again"), st.integers(0, 3)),
    "move": st.tuples(st.just("move"), st.sampled_from([0, 1, 4, 5, 6, 600, 7200, 43200])),
    "arrive": st.tuples(st.just("arrive"), st.integers(0, 5)),
    "fail": st.tuples(st.just("fail"), st.sampled_from([0, 0, 1, 1, 2])),
    "forget": st.tuples(st.just("forget"), st.just(0)),
}


def scripts(**weights: int) -> st.SearchStrategy[list[Any]]:
    """Scripts of these steps, each so often."""
    kinds = [kind for kind, weight in weights.items() for _ in range(weight)]
    return st.lists(st.sampled_from(kinds).flatmap(STEPS.__getitem__), min_size=8, max_size=30)


def interval_of(begin: datetime.datetime, start: int, length: int) -> Interval:
    """So many half hours, as the business's clock shows them, from the first midnight."""
    wall = begin.astimezone(MADRID).replace(tzinfo=None)
    bounds = [wall + datetime.timedelta(minutes=30 * place) for place in (start, start + length)]
    first, last = (bound.replace(tzinfo=MADRID).astimezone(UTC) for bound in bounds)
    return Interval(first, max(last, first + datetime.timedelta(minutes=30)))


async def play(begin: datetime.datetime, order: str, limit: int, seeds: list[int], script: list[Any]) -> None:
    key, reverse = ORDERS[order]
    ledger = Ledger(key, reverse)
    clock = Clock(begin + datetime.timedelta(days=4, hours=3))
    for number, seed in enumerate(sorted(seeds)):
        # In "by number" neighbours swap places, as writers that overtake each other do.
        shift = 40 * (number % 2) if order == "by number" else 0
        time = begin + datetime.timedelta(minutes=20 * seed, seconds=shift)
        if time <= clock.now:
            ledger.add(movement(number, time), begin)
    number = len(seeds)
    cached = DayCache(ledger, MemoryStore(limit, clock.seconds), MADRID, now=clock, trust=LONG)
    spans: list[list[tuple[Interval, str]]] = []
    for kind, value in script:
        if kind == "move":
            clock.move(seconds=value)
        elif kind == "forget":
            await cached.forget()
        elif kind == "fail":
            ledger.errors.append(ERRORS[value]())
        elif kind == "arrive":
            # No two states of the upstream at one instant: a time says which rows there were.
            clock.move(milliseconds=1)
            number += 1
            # Up to an hour short of the grace: yesterday's too, while yesterday is open.
            ledger.add(movement(number, clock.now - datetime.timedelta(hours=value)), clock.now)
        elif kind == "ask":
            spans.append([(interval_of(begin, *each[:2]), each[2]) for each in value])
            await check(cached, ledger, clock, spans[-1])
        elif spans:
            await check(cached, ledger, clock, spans[-1 - value % len(spans)])
    await cached.aclose()


async def check(cached: DayCache, ledger: Ledger, clock: Clock, spans: list[tuple[Interval, str]]) -> None:
    failing = bool(ledger.errors)
    calls = [(Call.of(GROUP_MOVEMENTS, interval, group_id=5), scope) for interval, scope in spans]
    answers = await asyncio.gather(*(cached.fetch(call, scope=scope) for call, scope in calls), return_exceptions=True)
    for (call, _), answer in zip(calls, answers, strict=True):
        if isinstance(answer, BaseException):
            assert failing
            assert isinstance(answer, UpstreamError)
            continue
        rows = answer.rows
        assert call.interval is not None
        oldest = clock.now - datetime.timedelta(seconds=5)
        if answer.provenance.outcome == "stale":
            assert failing
            since = answer.provenance.stale_since
            assert isinstance(since, datetime.datetime)
            assert since <= oldest
            oldest = since
        # Every row is the upstream's, and they stand in its order,
        assert rows == sorted(rows, key=ledger.order, reverse=ledger.reverse)
        assert rows == [row for row in ledger.listed(call) if row in rows]
        # and each day has exactly the rows that had arrived at one moment, not too long ago.
        moments = {oldest, clock.now, *(time for time in ledger.arrived.values() if oldest <= time <= clock.now)}
        for piece in days.pieces(call.interval, MADRID):
            of_day = Call.of(GROUP_MOVEMENTS, piece.interval, group_id=5)
            got = [row for row in ledger.listed(of_day) if row in rows]
            possible = [
                [row for row in ledger.listed(of_day) if ledger.arrived[row.movement_id] <= moment]
                for moment in moments
            ]
            assert got in possible
    if not failing:
        return
    ledger.errors.clear()


@pytest.mark.parametrize("order", ["ascending", "descending"])
@settings(max_examples=tries(75), deadline=None)
@given(
    begin=st.sampled_from(BEGINS),
    limit=st.sampled_from([0, 4000, 10_000, 1 << 20, 1 << 20]),
    seeds=st.lists(st.integers(0, 72 * 5), max_size=60),
    script=scripts(ask=5, again=8, move=6, arrive=5, fail=3, forget=1),
)
def test_any_sequence_of_queries_equals_the_uncached_answers(
    order: str, begin: datetime.datetime, limit: int, seeds: list[int], script: list[Any]
) -> None:
    asyncio.run(play(begin, order, limit, seeds, script))


@settings(max_examples=tries(75), deadline=None)
@given(
    begin=st.sampled_from(BEGINS),
    seeds=st.lists(st.integers(0, 72 * 5), min_size=20, max_size=40),
    script=scripts(ask=5, again=2, move=2, fail=1),
)
def test_an_order_by_number_is_kept_where_times_overtake_each_other(
    begin: datetime.datetime, seeds: list[int], script: list[Any]
) -> None:
    asyncio.run(play(begin, "by number", 1 << 20, seeds, script))
