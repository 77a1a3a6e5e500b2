"""How good the planner's choices are: against always per key, always in bulk, and an oracle that knows the true costs.

    python benchmarks/planner_bench.py [--operations 200] [--seed 11] [--write docs/explanation/planner.md]

All four get the same operations over the same business, whose upstream is simulated in the process: a call waits for
one of its system's slots, then takes a latency and a share for each row. Clocks are virtual, so that an hour of
waiting takes no time. Prints the table, or writes it between the marks that a page has for it.
"""

import argparse
import asyncio
import datetime
import math
import random
import selectors
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from resolvers import edges
from resolvers.edges import ReportEdge
from resolvers.lookup import Lookup
from resolvers.plan import MOST_ROWS
from resolvers.prices import Prices
from resolvers.rules.join import Join
from resolvers.session import Session
from resolvers.way import Way
from schema.graph import schema
from upstream.call import Answer, CachedShare, Call, Provenance
from upstream.reports import rows
from upstream.reports.table import Report, System
from upstream.values.interval import Interval, SentFrame, resolve

UTC = ZoneInfo("UTC")
NOW = datetime.datetime(2026, 3, 15, 12, tzinfo=datetime.UTC)
TODAY, WEEK = resolve(SentFrame.TODAY, NOW, UTC), resolve(SentFrame.THIS_WEEK, NOW, UTC)
LATENCIES = (0.005, 0.05, 0.3)
SLOTS = {System.GAMEHUB: 16, System.GAMELOG: 8}
PAGE, PAGES_AT_ONCE = 10_000, 4
FRESH = 60.0  # seconds that an answer is kept, where any is
PAUSE = 2.0  # seconds between two operations

# The facts about the simulated upstream that the planner does not know: by how much a report's latency differs from the
# others', and the seconds that a row of it takes. A game with its tickets is one row, but a long one.
SLOWER = {"R2": 1.5, "R3": 1.2, "R5": 1.5, "R11": 1.3, "G1": 1.2}
A_ROW = {"R2": 60e-6, "R3": 2e-3, "R4": 100e-6, "R5": 8e-6, "R7": 10e-6, "R9": 6e-6, "R11": 8e-6, "G1": 7e-6}
JITTER = 0.15


@dataclass(slots=True)
class Member:
    """A user, and one row of a day of R7, R5 and the game log. It represents all rows, which are alike."""

    row: rows.UserRow
    moved: int
    played: int
    transaction: rows.UserTransactionRow
    movement: rows.GroupMovementRow
    log: rows.GameLogRow


class Business:
    """Groups of 3 to 2,000 users by Zipf's law, each livelier or quieter than others, and the games of a day."""

    def __init__(self, seed: int, groups: int = 60) -> None:
        dice = random.Random(seed)
        self.groups: dict[int, list[Member]] = {}
        self.users: dict[int, Member] = {}
        self.codes: dict[str, Member] = {}
        self.games = 300
        self.played: dict[int, int] = {}
        for rank in range(1, groups + 1):
            size = max(3, round(2_000 / rank**1.6))
            lively = dice.lognormvariate(0, 0.6)
            members = [self._member(dice, rank, rank * 10_000 + number, lively) for number in range(size)]
            self.groups[rank] = members
            self.played[rank] = min(self.games, 1 + round(size * dice.uniform(0.1, 1)))
            for member in members:
                self.users[member.row.id] = member
                self.codes[member.row.username or ""] = member

    @staticmethod
    def _member(dice: random.Random, group: int, id: int, lively: float) -> Member:
        moved = 0 if dice.random() < 0.3 else round(dice.expovariate(1 / (25 * lively)))
        return Member(
            rows.UserRow(id=id, username=f"u{id}", group_id=group, fkgroup=f"group {group}"),
            moved,
            moved // 8,
            rows.UserTransactionRow(
                movement_id=id, timestamp=0, movement_type="Bingo - Wager", currency_amount="-1.00", group_id=group
            ),
            rows.GroupMovementRow(
                movement_id=id, timestamp=0, type="Bingo - Wager", currency_amount="1.00", group_id=group, user_id=id
            ),
            rows.GameLogRow(
                history_id=id, agent_code="a", user_code=f"u{id}", provider_code="p", game_code="g", type="slot",
                bet_money="1.00", win_money="0.00", txn_id="t", txn_type="debit", created_at=0,
            ),
        )  # fmt: skip

    def rows(self, call: Call) -> list[Any]:
        """What a call brings."""
        params = dict(call.params)
        days = 1 if call.interval is None else round((call.interval.end - call.interval.start).total_seconds() / 86_400)
        match call.report.code:
            case "R2":
                return [rows.RoomGameRow(id=id, room_id=1, starts_at=0) for id in range(1, self.games * days + 1)]
            case "R3":
                return [rows.GameDetailRow(game_id=int(params["id"]), room_id=1)]
            case "R4":
                return [rows.GameSummaryRow(bs_game_id_main=int(params["id"]))]
            case "R5":
                members = self.groups[int(params["group_id"])]
                return [member.movement for member in members for _ in range(member.moved * days)]
            case "R7":
                member = self.users[int(params["user_id"])]
                return [member.transaction] * (member.moved * days)
            case "R9":
                if "id" in params:
                    return [self.users[int(params["id"])].row]
                listed = self.groups[int(params["fkgroup"])] if "fkgroup" in params else self.users.values()
                return [member.row for member in listed]
            case "R11":
                group = int(params["group_id"])
                return [
                    rows.FinancialMovementRow(timestamp=id, type=1, subtype=1, currency_amount="1.00", game_id=id)
                    for id in range(1, self.played[group] + 1)
                ]
            case "G1":
                users = [self.codes[str(params["user_code"])]] if "user_code" in params else self.users.values()
                return [member.log for member in users for _ in range(member.played * days)]
        raise AssertionError(call)


@dataclass
class Truth:
    """What calls really cost: the planner's formula with the simulation's own figures."""

    business: Business
    latency: float
    _counts: dict[Call, int] = field(default_factory=dict)

    def rows(self, call: Call) -> int:
        """How many rows a call brings."""
        found = self._counts.get(call)
        if found is None:
            found = self._counts[call] = len(self.business.rows(call))
        return found

    def requests(self, call: Call) -> int:
        """How many requests a call takes: a page each in the game log."""
        return max(1, math.ceil(self.rows(call) / PAGE)) if call.report.system is System.GAMELOG else 1

    def of_one(self, report: Report) -> float:
        """Seconds to the first row."""
        return self.latency * SLOWER.get(report.code, 1.0)

    def price(self, calls: Collection[Call]) -> float:
        """Requests side by side, rows one after the other."""
        return sum(
            self.requests(call) * self.of_one(call.report) / SLOTS[call.report.system]
            + self.rows(call) * A_ROW[call.report.code]
            for call in calls
        )


class Simulated:
    """The upstream: bounded slots a system, latency and rows. `keeps` says whether answers stay at hand for a while."""

    def __init__(self, truth: Truth, seed: int, keeps: bool) -> None:
        self.truth = truth
        self.keeps = keeps
        self.requests = 0
        self.cost = 0.0
        self._dice = random.Random(seed)
        self._slots = {system: asyncio.Semaphore(slots) for system, slots in SLOTS.items()}
        self._cached: dict[Call, tuple[float, Answer[Any]]] = {}

    def holds(self, call: Call) -> bool:
        """Whether the answer is at hand."""
        cached = self._cached.get(call)
        return cached is not None and cached[0] > asyncio.get_running_loop().time()

    async def cached_shares(self, calls: Sequence[Call]) -> list[CachedShare]:
        """Return the same for many calls, as the days cache does."""
        return [CachedShare(1, int(self.holds(call)), 0, ()) for call in calls]

    async def fetch(self, call: Call) -> Answer[Any]:
        """The answer of a call."""
        if self.holds(call):
            answer = self._cached[call][1]
            return Answer(answer.rows, 0, provenance=Provenance("hit"))
        loop = asyncio.get_running_loop()
        began = loop.time()
        found, requests = self.truth.business.rows(call), self.truth.requests(call)
        latency = self.truth.of_one(call.report) * self._dice.lognormvariate(0, JITTER)
        # The pages after the first come a few at once.
        rounds = 1 + math.ceil((requests - 1) / PAGES_AT_ONCE)
        async with self._slots[call.report.system]:
            await asyncio.sleep(latency * rounds + len(found) * A_ROW[call.report.code])
        self.requests += requests
        self.cost += self.truth.price([call])
        # As in the real transport, the time includes the wait for a slot.
        answer = Answer(found, requests, 0, loop.time() - began, Provenance("miss"))
        if self.keeps:
            self._cached[call] = (loop.time() + FRESH, answer)
        return answer


class Ours(Session):
    """The planner as it is."""


class PerKey(Session):
    """Always one call a key, where a key can be called for."""

    @staticmethod
    def choose(ways: Sequence[Way], before: str | None = None) -> Way:
        return ways[0]

    def price(self, edge: ReportEdge, keys: Collection[Any], interval: Interval | None) -> float:
        return edge.rows * 1e-6 if edge.by else 1e6


class InBulk(Session):
    """Always one call for all keys, where there is such a call within the cap on its rows."""

    @staticmethod
    def choose(ways: Sequence[Way], before: str | None = None) -> Way:
        return ways[-1] if ways[-1].rows <= MOST_ROWS else ways[0]

    def price(self, edge: ReportEdge, keys: Collection[Any], interval: Interval | None) -> float:
        return 1e-6 if edge.bulk else 1e6


class Oracle(Session):
    """Take the way that really is the cheapest. The operation gives the keys that it needs."""

    room: Simulated
    ways: dict[str, list[Call]]

    def choose(self, ways: Sequence[Way], before: str | None = None) -> Way:  # type: ignore[override]
        if len(ways) == 1:
            return ways[0]
        # The cap on a wide call's rows is a rule for it, too.
        truth, by_way = self.room.truth, self.ways
        allowed = [way for way in ways if way.name == "per_key" or truth.rows(by_way[way.name][0]) <= MOST_ROWS] or ways
        return allowed[0] if len(allowed) == 1 else min(allowed, key=lambda way: self._price(by_way[way.name]))

    def price(self, edge: ReportEdge, keys: Collection[Any], interval: Interval | None) -> float:
        if edge.report.code not in A_ROW:
            return math.inf  # R6, whose rooms and days are not known yet
        per_key = [Call.of(edge.report, interval, **{edge.by: key}) for key in keys] if edge.by else None
        bulk = [Call.of(edge.bulk.report, interval)] if edge.bulk else None
        return min(self._price(calls) for calls in (per_key, bulk) if calls is not None)

    def _price(self, calls: Sequence[Call]) -> float:
        return self.room.truth.price([call for call in calls if not self.room.holds(call)])


PLANNERS: dict[str, type[Session]] = {"ours": Ours, "per_key": PerKey, "bulk": InBulk, "oracle": Oracle}


@dataclass(frozen=True, slots=True)
class Operation:
    """What a client asks: the rows of so many keys of an edge, or the games that a group's movements name."""

    edge: ReportEdge | None
    keys: Sequence[Hashable]
    interval: Interval | None = None
    fixed: tuple[tuple[str, Any], ...] = ()

    def ways(self) -> dict[str, list[Call]]:
        """The calls of each way."""
        edge = self.edge
        assert edge is not None
        assert edge.bulk is not None
        fixed = dict(self.fixed)
        sent = {name: value for name, value in fixed.items() if name in edge.report.parameters}
        shared = {name: value for name, value in fixed.items() if name in edge.bulk.report.parameters}
        shared |= {name: fixed[source] for name, source in edge.bulk.params.items()}
        per_key = [Call.of(edge.report, self.interval, **sent, **{str(edge.by): key}) for key in self.keys]  # type: ignore[arg-type]
        return {"per_key": per_key, "bulk": [Call.of(edge.bulk.report, self.interval, **shared)]}

    async def run(self, session: Session) -> None:
        """Ask it."""
        if self.edge is None:
            found = await schema.execute(GAMES, variable_values={"id": str(self.keys[0])}, context_value=session)
            assert not found.errors, found.errors
            return
        if isinstance(session, Oracle):
            session.ways = self.ways()
        fixed = dict(self.fixed)
        if "group" in fixed:
            # A client finds the users of a group by way of that group.
            await session.rows(Lookup(edges.USERS_OF_GROUP), fixed["group"])
        lookup = Lookup.of(self.edge, self.interval, exact=False, **fixed)
        await asyncio.gather(*(session.rows(lookup, key) for key in self.keys))


GAMES = "query ($id: ID) { financialMovements(groupId: $id) { nodes { amount game { id room { id } } } } }"


def operations(business: Business, seed: int, count: int) -> Iterator[Operation]:
    """A mixed load: big groups are requested more often, all of a group as often as a part of it."""
    dice = random.Random(seed)
    ranks = list(business.groups)
    popular = [1 / rank**0.7 for rank in ranks]
    for _ in range(count):
        group = dice.choices(ranks, popular)[0]
        members = business.groups[group]
        size = len(members)
        count = size if dice.random() < 0.4 else max(1, min(size, round(math.exp(dice.uniform(0, math.log(size))))))
        some = dice.sample(members, count)
        interval = WEEK if dice.random() < 0.15 else TODAY
        match dice.choices(("movements", "logs", "users", "games", "groups"), (40, 25, 15, 12, 8))[0]:
            case "movements":
                keys = [member.row.id for member in some]
                yield Operation(edges.TRANSACTIONS_IN_GROUP, keys, interval, (("group", group),))
            case "logs":
                codes = [member.row.username for member in some]
                yield Operation(edges.LOGS_OF_USER, codes, interval, (("game_type", "slot"),))
            case "users":
                # Users by id come from anywhere: a client's list, or the rows of another report.
                found = dice.sample(list(business.users), min(count, 100))
                yield Operation(edges.USER_BY_ID, found)
            case "games":
                yield Operation(None, [group])
            case "groups":
                yield Operation(edges.USERS_OF_GROUP, dice.sample(ranks, dice.randint(1, len(ranks))))


@dataclass(frozen=True, slots=True)
class Result:
    """What one planner made of one load: seconds, upstream requests and their true cost, an operation each."""

    seconds: list[float]
    requests: int
    cost: float
    costs: list[tuple[Operation, float]]

    @property
    def p95(self) -> float:
        """The time within which 95 of 100 operations end."""
        return sorted(self.seconds)[math.ceil(len(self.seconds) * 0.95) - 1]


class Jump(selectors.DefaultSelector):
    """Does not wait: the clock jumps to the moment that would be waited for."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is not None and timeout > 0:
            self.now += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time."""

    def __init__(self) -> None:
        self._jump = Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


async def measure(
    business: Business, latency: float, warm: bool, planner: type[Session], seed: int, count: int
) -> Result:
    """One planner under one load. Warm, it has had a load like it before, of which the last minute is at hand."""
    prices, join = Prices(), Join()
    upstream = Simulated(Truth(business, latency), seed, keeps=warm)
    loop = asyncio.get_running_loop()
    before = list(operations(business, seed + 1, count)) if warm else []
    measured = list(operations(business, seed, count))
    seconds: list[float] = []
    costs = []
    first = (0, 0.0)
    for number, operation in enumerate(before + measured):
        if number == len(before):
            first = (upstream.requests, upstream.cost)
        began, paid = loop.time(), upstream.cost
        await operation.run(planner(upstream, UTC, prices=prices, join=join, now=NOW))
        if number >= len(before):
            seconds.append(loop.time() - began)
            costs.append((operation, upstream.cost - paid))
        await asyncio.sleep(PAUSE)
    return Result(seconds, upstream.requests - first[0], upstream.cost - first[1], costs)


def run(make: Callable[[], Any]) -> Any:
    """Run a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(make())


def table(results: dict[tuple[float, bool], dict[str, Result]]) -> str:
    """The results as Markdown."""
    lines = [
        "| latency | start | figure | ours | always per key | always in bulk | oracle | ours / oracle |",
        "|---:|---|---|---:|---:|---:|---:|---:|",
    ]
    for (latency, warm), found in results.items():
        ours, oracle = found["ours"], found["oracle"]
        head = f"| {latency * 1000:.0f} ms | {'warm' if warm else 'cold'} |"
        for name, read, show in (
            ("p95, ms", lambda result: result.p95 * 1000, "{:,.0f}"),
            ("cost, s", lambda result: result.cost, "{:,.2f}"),
            ("calls", lambda result: result.requests, "{:,}"),
        ):
            values = " | ".join(show.format(read(result)) for result in found.values())
            ratio = f"{read(ours) / read(oracle):.2f}" if read(oracle) else ""
            lines.append(f"{head} {name} | {values} | {ratio} |")
            head = "| | |"
    return "\n".join(lines)


def detail(found: dict[str, Result]) -> str:
    """Where ours paid more than the oracle, by edge."""
    paid: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for place, name in enumerate(("ours", "oracle")):
        for operation, cost in found[name].costs:
            paid[repr(operation.edge.report) + str(operation.edge.by) if operation.edge else "games"][place] += cost
    return "; ".join(f"{name} {ours:.2f}/{oracle:.2f}" for name, (ours, oracle) in paid.items())


def main() -> None:
    """Measure, and print or write the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--operations", type=int, default=200)
    options.add_argument("--seed", type=int, default=11)
    options.add_argument("--write", type=Path, metavar="PAGE")
    options.add_argument("--detail", action="store_true", help="where ours paid more than the oracle")
    arguments = options.parse_args()
    began = time.perf_counter()
    business = Business(arguments.seed)
    results: dict[tuple[float, bool], dict[str, Result]] = {}
    for latency in LATENCIES:
        for warm in (False, True):
            found = {
                name: run(lambda: measure(business, latency, warm, planner, arguments.seed, arguments.operations))  # noqa: B023
                for name, planner in PLANNERS.items()
            }
            results[latency, warm] = found
            if arguments.detail:
                sys.stdout.write(f"{latency} {warm}: {detail(found)}\n")
    lines = table(results)
    sys.stdout.write(f"{lines}\n{time.perf_counter() - began:.0f} s\n")
    if arguments.write is not None:
        page = arguments.write.read_text()
        head, _, rest = page.partition("<!-- bench -->")
        _, _, tail = rest.partition("<!-- /bench -->")
        arguments.write.write_text(f"{head}<!-- bench -->\n{lines}\n<!-- /bench -->{tail}")


if __name__ == "__main__":
    main()
