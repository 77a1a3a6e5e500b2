"""Closed days change (C25): how long they are trusted, how they are checked, and what a change takes with it."""

import dataclasses
import datetime
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from resolvers.rules.coherence import Coherence
from resolvers.rules.join import Join, MovementJoin
from resolvers.session import Session
from schema.graph import schema
from server.execution.execution import Executor, Outcome
from server.execution.operation import Operation
from tests.strangers.stranger import Stranger
from tests.strangers.upstreams import connect
from tests.strangers.world import PRIZE, REFUND, WAGER, Daily, Log, Movement
from tests.upstream.ledger import Clock
from upstream.caching.cache import DayCache
from upstream.caching.store import MemoryStore, Store
from upstream.caching.trust import Trust
from upstream.call import Call
from upstream.reports.table import (
    DAILY_MOVEMENTS,
    FINANCIAL_MOVEMENTS,
    GAME_LOGS,
    GROUP_MOVEMENTS,
    USER_TRANSACTIONS,
    Report,
)
from upstream.values.interval import dates

UTC = ZoneInfo("UTC")
NOON = datetime.datetime(2022, 10, 31, 12, tzinfo=datetime.UTC)
DAYS = [datetime.date(2022, 10, 25) + datetime.timedelta(days=number) for number in range(6)]
YESTERDAY = DAYS[-1]
R1, R5, R7, R11 = "users_report", "api_retail_movements", "transaction_report", "api_movements_external_report"


@pytest.fixture(scope="module")
def _serving() -> Iterator[Stranger]:
    with Stranger() as stranger:
        yield stranger


class World:
    """Six closed days of group 382, whose daily totals are those of its movements; and the clock of the cache."""

    def __init__(self, stranger: Stranger) -> None:
        stranger.reset(zone=UTC, log_zone=UTC)
        self.stranger = stranger
        self.clock = Clock(NOON)
        ids = itertools.count(9000)
        stranger.world.movements = [
            Movement(next(ids), _at(day, hour), user, 382, kind, amount)
            for day in DAYS
            for hour, user, kind, amount in (
                (9, 60, WAGER, "-2.00"), (10, 61, WAGER, "-1.50"), (11, 60, PRIZE, "1.25"), (12, 61, REFUND, "0.50"),
            )
        ]  # fmt: skip
        stranger.world.logs = [
            Log(100 + number, _at(day, 9 + number % 3), 60 + number % 2, "1.00", "0.00", "5.00", "4.00")
            for number, day in enumerate(DAYS * 3)
        ]
        self.add_up()

    def add_up(self) -> None:
        """Make the daily totals those of the movements, as an upstream does at once."""
        found = []
        for day in DAYS:
            here = [each for each in self.stranger.world.movements if each.group == 382 and each.at.date() == day]
            sums = {
                kind: sum(float(each.amount) for each in here if each.type == kind) for kind in (WAGER, PRIZE, REFUND)
            }
            wagers, paid, refunds = -sums[WAGER], -sums[PRIZE], -sums[REFUND]
            found.append(
                Daily(
                    day,
                    382,
                    f"{wagers:.2f}",
                    "0.00",
                    f"{refunds:.2f}",
                    f"{paid:.2f}",
                    1,
                    f"{wagers + paid + refunds:.2f}",
                )
            )
        self.stranger.world.daily = found

    def book(self, day: datetime.date, user: int = 60, amount: str = "-7.00") -> None:
        """Book a movement late."""
        id = 9500 + len(self.stranger.world.movements)
        self.stranger.world.movements.append(Movement(id, _at(day, 15), user, 382, WAGER, amount))
        self.add_up()

    def calls(self) -> list[str]:
        """Return the requested reports since the last call of this method, each with its days."""
        found = []
        for request in self.stranger.requests:
            if request.frame is None:
                found.append(request.report)
                continue
            first, last = (end[5:10] for end in request.frame)
            found.append(f"{request.report} {first}/{last}")
        self.stranger.requests.clear()
        return sorted(found)


def _at(day: datetime.date, hour: int) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(hour), datetime.UTC)


@pytest.fixture
def world(_serving: Stranger) -> Iterator[World]:
    yield World(_serving)
    assert _serving.complaints == []


@pytest.fixture
def store(world: World) -> Store:
    return MemoryStore(clock=world.clock.seconds)


@pytest.fixture
async def cached(world: World, store: Store) -> AsyncIterator[DayCache]:
    async with connect(world.stranger) as upstream, DayCache(upstream, store, UTC, now=world.clock) as cached:
        yield cached


def call(report: Report, first: datetime.date = YESTERDAY, last: datetime.date = YESTERDAY, **more: Any) -> Call:
    """A call for whole days of group 382, or of its user 60."""
    params: dict[Report, dict[str, Any]] = {
        DAILY_MOVEMENTS: {"groupid": 382},
        GROUP_MOVEMENTS: {"group_id": 382},
        FINANCIAL_MOVEMENTS: {"group_id": 382},
        USER_TRANSACTIONS: {"user_id": 60},
        GAME_LOGS: {"game_type": "slot"},
    }
    return Call.of(report, dates(first, last, UTC), **{**params[report], **more})


@pytest.mark.parametrize(
    ("age", "empty", "seconds"),
    [
        (-1, False, 5), (0, False, 5), (5, False, 5), (6, False, 300), (24, False, 300), (25, False, 3600),
        (7 * 24, False, 3600), (7 * 24 + 1, False, 86_400), (31 * 24, False, 86_400), (31 * 24 + 1, False, 30 * 86_400),
        (-1, True, 5), (6, True, 120), (25, True, 120), (1000, True, 120),
    ],
)  # fmt: skip
def test_the_older_a_day_the_longer_it_is_trusted(age: int, empty: bool, seconds: float) -> None:
    assert Trust().seconds(NOON - datetime.timedelta(hours=age), NOON, empty=empty) == seconds


async def test_an_unchanged_day_is_trusted_again_after_a_look_at_its_totals(cached: DayCache, world: World) -> None:
    first = await cached.fetch(call(GROUP_MOVEMENTS))
    assert world.calls() == [f"{R5} 10-30/10-30"]
    world.clock.move(seconds=299)
    await cached.fetch(call(GROUP_MOVEMENTS))
    assert world.calls() == []
    world.clock.move(seconds=1)
    again = await cached.fetch(call(GROUP_MOVEMENTS))
    assert (again.rows, again.provenance.outcome) == (first.rows, "hit")
    assert world.calls() == [f"{R1} 10-30/10-30"]
    assert [reading.read_at for reading in again.readings] == [NOON]
    assert [reading.until for reading in again.readings] == [NOON + datetime.timedelta(seconds=600)]
    world.clock.move(seconds=299)
    await cached.fetch(call(GROUP_MOVEMENTS))
    assert world.calls() == []


async def test_days_of_different_ages_are_checked_together(cached: DayCache, world: World) -> None:
    await cached.fetch(call(GROUP_MOVEMENTS, DAYS[0]))
    world.clock.move(hours=1)
    world.calls()
    await cached.fetch(call(GROUP_MOVEMENTS, DAYS[0]))
    assert world.calls() == [f"{R1} 10-25/10-30"]


@pytest.mark.parametrize("report", [GROUP_MOVEMENTS, USER_TRANSACTIONS, DAILY_MOVEMENTS, GAME_LOGS], ids=repr)
async def test_a_correction_is_seen_when_trust_ends(cached: DayCache, world: World, report: Report) -> None:
    before = await cached.fetch(call(report, DAYS[0]))
    world.book(YESTERDAY)
    world.stranger.world.logs.append(Log(999, _at(YESTERDAY, 20), 60, "1.00", "0.00", "5.00", "4.00"))
    assert (await cached.fetch(call(report, DAYS[0]))).rows == before.rows
    world.clock.move(seconds=300)
    after = await cached.fetch(call(report, DAYS[0]))
    async with connect(world.stranger) as upstream:
        assert after.rows == (await upstream.fetch(call(report, DAYS[0]))).rows
    assert after.rows != before.rows


async def test_a_change_drops_the_day_for_every_report(cached: DayCache, world: World) -> None:
    for report in (GROUP_MOVEMENTS, USER_TRANSACTIONS, DAILY_MOVEMENTS, GAME_LOGS):
        await cached.fetch(call(report, DAYS[0]))
    world.book(YESTERDAY)
    world.clock.move(seconds=1)
    world.calls()
    # R1 is read again, and shows that the day changed.
    await cached.fetch(call(DAILY_MOVEMENTS, DAYS[0]), not_before=world.clock.now)
    world.calls()
    for report, calls in (
        (GROUP_MOVEMENTS, f"{R5} 10-30/10-30"),
        (USER_TRANSACTIONS, f"{R7} 10-30/10-30"),
        (GAME_LOGS, "get_game_log 10-29/10-31"),  # with bounds that are a second wider (C26)
    ):
        await cached.fetch(call(report, DAYS[0]))
        assert world.calls() == [calls]
    stats = await cached.stats()
    assert stats.changed == 1


async def test_an_empty_closed_day_is_trusted_for_minutes_only(cached: DayCache, world: World) -> None:
    quiet = DAYS[0] - datetime.timedelta(days=60)
    assert (await cached.fetch(call(GROUP_MOVEMENTS, quiet, quiet))).rows == []
    world.clock.move(seconds=119)
    await cached.fetch(call(GROUP_MOVEMENTS, quiet, quiet))
    assert world.calls() == [f"{R5} 08-26/08-26"]
    world.clock.move(seconds=1)
    assert (await cached.fetch(call(GROUP_MOVEMENTS, quiet, quiet))).rows == []
    assert world.calls() == [f"{R1} 08-26/08-26"]
    world.stranger.world.movements.append(Movement(9900, _at(quiet, 3), 60, 382, WAGER, "-1.00"))
    world.stranger.world.daily.append(Daily(quiet, 382, "1.00", "0.00", "0.00", "0.00", 0, "1.00"))
    world.clock.move(seconds=120)
    assert len((await cached.fetch(call(GROUP_MOVEMENTS, quiet, quiet))).rows) == 1


async def test_totals_that_are_added_up_otherwise_still_show_a_change(cached: DayCache, world: World) -> None:
    world.stranger.world.movements.append(Movement(9800, _at(YESTERDAY, 20), 60, 382, "Manual Adjustment", "-7.50"))
    await cached.fetch(call(GROUP_MOVEMENTS))
    for expected in ([f"{R5} 10-30/10-30", f"{R1} 10-30/10-30"], [f"{R1} 10-30/10-30"], [f"{R1} 10-30/10-30"]):
        world.clock.move(seconds=300)
        world.calls()
        await cached.fetch(call(GROUP_MOVEMENTS))
        assert world.calls() == sorted(expected)
    assert (await cached.stats()).changed == 0
    world.book(YESTERDAY)
    world.clock.move(seconds=300)
    assert len((await cached.fetch(call(GROUP_MOVEMENTS))).rows) == 6
    assert (await cached.stats()).changed == 1


async def test_an_unchanged_log_is_trusted_again_after_its_rows_were_counted(cached: DayCache, world: World) -> None:
    users: list[dict[str, Any]] = [{}, {"user_code": "u1"}]
    for who in users:
        first = await cached.fetch(call(GAME_LOGS, DAYS[0], **who))
        world.clock.move(hours=1)
        world.calls()
        again = await cached.fetch(call(GAME_LOGS, DAYS[0], **who))
        assert again.rows == first.rows
        assert len(world.stranger.requests) == 1
        world.stranger.requests.clear()


async def test_a_check_that_fails_leaves_the_rows_to_tell(cached: DayCache, world: World) -> None:
    first = await cached.fetch(call(GROUP_MOVEMENTS))
    world.clock.move(seconds=300)
    world.stranger.faults[R1] = "html"
    assert (await cached.fetch(call(GROUP_MOVEMENTS))).rows == first.rows
    assert f"{R5} 10-30/10-30" in world.calls()
    world.stranger.faults |= {R1: "500", R5: "500"}
    world.clock.move(seconds=300)
    assert (await cached.fetch(call(GROUP_MOVEMENTS))).provenance.outcome == "stale"


async def test_old_totals_are_no_check(cached: DayCache, world: World) -> None:
    await cached.fetch(call(DAILY_MOVEMENTS))
    await cached.fetch(call(GROUP_MOVEMENTS))
    world.clock.move(seconds=300)
    world.stranger.faults |= {R1: "500", R5: "500"}  # so the totals that are cached replace those of R1
    assert (await cached.fetch(call(GROUP_MOVEMENTS))).provenance.outcome == "stale"
    assert (await cached.stats()).renewed == 0


async def test_days_are_trusted_from_the_reading_that_checked_them(cached: DayCache, world: World) -> None:
    """Totals that were read a moment ago are a check, also those that another server has read."""
    await cached.fetch(call(GROUP_MOVEMENTS))
    world.clock.move(seconds=300)
    totals = world.clock.now
    await cached.fetch(call(DAILY_MOVEMENTS))
    world.clock.move(seconds=10)
    world.calls()
    again = await cached.fetch(call(GROUP_MOVEMENTS))
    assert world.calls() == []
    assert [reading.until for reading in again.readings] == [totals + datetime.timedelta(seconds=300)]


async def test_a_demand_for_fresh_rows_reads_them_once_for_all(cached: DayCache, world: World) -> None:
    await cached.fetch(call(GROUP_MOVEMENTS, DAYS[0]))
    world.calls()
    world.book(DAYS[2])
    world.clock.move(seconds=30)
    demand = world.clock.now
    fresh = await cached.fetch(call(GROUP_MOVEMENTS, DAYS[0]), not_before=demand)
    assert len(fresh.rows) == 25
    assert world.calls() == [f"{R5} 10-25/10-30"]
    # It is kept for everyone, and old enough for a milder demand.
    assert (await cached.fetch(call(GROUP_MOVEMENTS, DAYS[0]))).rows == fresh.rows
    await cached.fetch(call(GROUP_MOVEMENTS, DAYS[0]), not_before=demand)
    assert world.calls() == []
    assert all(reading.read_at == demand for reading in fresh.readings)


@pytest.mark.parametrize("zone", ["UTC", "America/Asuncion", "Europe/Madrid", "Asia/Kathmandu"])
async def test_a_business_day_is_checked_by_the_days_of_the_report_that_it_touches(
    world: World, store: Store, zone: str
) -> None:
    business = ZoneInfo(zone)
    interval = dates(DAYS[1], DAYS[2], business)
    call = Call.of(GROUP_MOVEMENTS, interval, group_id=382)
    async with connect(world.stranger) as upstream:
        cached = DayCache(upstream, store, business, day_zone=UTC, now=world.clock)
        for _ in range(3):
            await cached.fetch(call)
            world.clock.move(hours=1)
        world.calls()
        await cached.fetch(call)
        assert [line.split()[0] for line in world.calls()] == [R1]
        world.book(DAYS[2], amount="-3.00")
        world.clock.move(hours=1)
        found = (await cached.fetch(call)).rows
        assert found == (await upstream.fetch(call)).rows


# One answer never contradicts itself


class Asking:
    """Runs operations on the whole graph over a cache."""

    def __init__(self, cached: DayCache, world: World, compiled: bool, join: MovementJoin = MovementJoin.NEVER) -> None:
        self.cached = cached
        self.world = world
        self.coherence = Coherence(cached, UTC, True)
        self.join = Join(join)
        self.runs = 0
        self.executor = Executor(schema, self.session, settled=self.settled, compiled=compiled)

    def session(self, operation: Operation) -> Session:
        self.runs += 1
        return Session(self.cached, UTC, now=self.world.clock.now, join=self.join)

    async def settled(self, session: Session) -> bool:
        return await self.coherence.settled(session.reads, session.readings)

    async def ask(self, query: str) -> Any:
        outcome: Outcome = await self.executor.run(Operation(query))
        assert outcome.errors == []
        return outcome.data


DURING = 'during: {dates: {from: "2022-10-25", to: "2022-10-30"}}'
MOVEMENTS = f'{{group(id: "382") {{transactions({DURING}) {{nodes {{id type amount}}}}}}}}'
BOTH = (
    f'{{group(id: "382") {{dailyMovements({DURING}) {{date totalWagers}} '
    f"transactions({DURING}) {{nodes {{id type amount timestamp}}}}}}}}"
)
DAILY = f'{{group(id: "382") {{dailyMovements({DURING}) {{date totalWagers}}}}}}'


def wagers(data: Any) -> tuple[float, float]:
    """The wagers of all days by R1 and by R5."""
    daily = sum(float(each["totalWagers"]) for each in data["group"]["dailyMovements"])
    nodes = data["group"]["transactions"]["nodes"]
    return round(daily, 2), round(-sum(float(each["amount"]) for each in nodes if each["type"] == WAGER), 2)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("kept", [MOVEMENTS, DAILY])
async def test_totals_and_movements_of_a_day_never_contradict_each_other(
    cached: DayCache, world: World, compiled: bool, kept: str
) -> None:
    asking = Asking(cached, world, compiled)
    await asking.ask(kept)
    world.book(YESTERDAY)
    world.clock.move(seconds=60)
    one, other = wagers(await asking.ask(BOTH))
    assert one == other == 28.0
    runs = asking.runs
    assert wagers(await asking.ask(BOTH)) == (28.0, 28.0)
    assert asking.runs == runs + 1


@pytest.mark.parametrize("compiled", [True, False])
async def test_an_upstream_that_contradicts_itself_is_answered_without_end(
    cached: DayCache, world: World, compiled: bool
) -> None:
    world.stranger.world.daily = [dataclasses.replace(each, wagers="99.00") for each in world.stranger.world.daily]
    asking = Asking(cached, world, compiled)
    await asking.ask(MOVEMENTS)
    world.clock.move(seconds=60)
    assert wagers(await asking.ask(BOTH)) == (594.0, 21.0)
    runs = asking.runs
    world.calls()
    assert wagers(await asking.ask(BOTH)) == (594.0, 21.0)
    assert (asking.runs, world.calls()) == (runs + 1, [])


@pytest.mark.parametrize("compiled", [True, False])
async def test_the_movements_of_a_user_are_those_of_the_group(cached: DayCache, world: World, compiled: bool) -> None:
    asking = Asking(cached, world, compiled)
    user = f'{{user(id: "60") {{transactions({DURING}) {{nodes {{id}}}}}}}}'
    await asking.ask(user)
    world.book(YESTERDAY)
    world.clock.move(seconds=60)
    data = await asking.ask(
        f'{{user(id: "60") {{transactions({DURING}) {{nodes {{id}}}}}} '
        f'group(id: "382") {{transactions({DURING}) {{nodes {{id user {{id}}}}}}}}}}'
    )
    of_user = {each["id"] for each in data["user"]["transactions"]["nodes"]}
    of_group = {each["id"] for each in data["group"]["transactions"]["nodes"] if each["user"]["id"] == "60"}
    assert of_user == of_group
    assert len(of_user) == 13
