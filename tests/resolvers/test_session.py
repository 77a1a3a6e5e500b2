"""Every plan gives the answer of calls per key; and R5 replaces R7 only while both reports agree."""

import asyncio
import dataclasses
import datetime
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations, cycle
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolvers import edges
from resolvers.edges import ReportEdge
from resolvers.lookup import Lookup
from resolvers.plan import candidates, cheapest, trials
from resolvers.prices import Prices
from resolvers.rules.join import Join, MovementJoin
from resolvers.session import Session
from resolvers.way import Way
from schema.graph import schema
from tests.effort import tries
from tests.upstream.server import Reply, Server, serving
from upstream.call import Answer, Call
from upstream.client import GameHubConfig, Upstream
from upstream.errors import Incomplete, Malformed, NotFound, Unavailable, UpstreamError, UpstreamFailed
from upstream.reports import rows
from upstream.reports import table as reports
from upstream.transport.secret import Secret
from upstream.values.interval import Interval, dates

UTC = ZoneInfo("UTC")
NOW = datetime.datetime(2026, 3, 15, 12, tzinfo=datetime.UTC)
TODAY = dates(NOW.date(), NOW.date(), UTC)
HOME, AWAY = 1, 2
WAGER, PRIZE, STRANGE = "Bingo - Wager", "Bingo - Prize", "Bingo - Wager Cancelled"

Chooser = Callable[..., Way]


def first(ways: Sequence[Way], before: str | None = None) -> Way:
    """Choose one call for each key."""
    return ways[0]


def last(ways: Sequence[Way], before: str | None = None) -> Way:
    """Choose the bulk call where there is one."""
    return ways[-1]


def turning(turns: Sequence[bool]) -> Chooser:
    """Choose the two ways by turns."""
    left = cycle(turns)
    return lambda ways, before=None: ways[-1] if next(left) else ways[0]


@dataclass(frozen=True)
class Moved:
    """A movement as it really was; `nameless`, R5 does not say whose."""

    id: int
    user: int
    group: int = HOME
    type: str = WAGER
    amount: str = "1.00"
    at: int = 1_773_576_000_000_000
    nameless: bool = False

    def of_user(self) -> rows.UserTransactionRow:
        """As R7 has it, with the sign of the wallet."""
        sign = "-" if self.type == WAGER and self.amount.strip("0.") else ""
        return rows.UserTransactionRow(
            movement_id=self.id,
            timestamp=self.at,
            movement_type=self.type,
            currency_amount=sign + self.amount,
            group_id=self.group,
        )

    def of_group(self) -> rows.GroupMovementRow:
        """As R5 has it, without a sign."""
        return rows.GroupMovementRow(
            movement_id=self.id,
            timestamp=self.at,
            type=self.type,
            currency_amount=self.amount,
            group_id=self.group,
            user_id=None if self.nameless else self.user,
        )


@dataclass
class Simulated:
    """An upstream in the process: users 1 to `users` of one group, their movements and their logs.

    `broken` maps a report's code and its key, None for the wide call, to what such a call raises. `retold` changes a
    movement on its way into R5. `loud` users have their codes in capitals.
    """

    users: int = 3
    moved: Sequence[Moved] = ()
    logs: Sequence[int] = ()
    loud: frozenset[int] = frozenset()
    broken: dict[tuple[str, Any], UpstreamError] = field(default_factory=dict)
    retold: Callable[[Moved], Moved] = lambda moved: moved
    calls: list[str] = field(default_factory=list)

    async def fetch(self, call: Call) -> Answer[Any]:
        """The answer of a call."""
        params = dict(call.params)
        key = params.get("user_id") or params.get("user_code") or params.get("id") or params.get("bs_room_id")
        self.calls.append(call.report.code)
        await asyncio.sleep(0)
        if (error := self.broken.get((call.report.code, key))) is not None:
            raise error
        return Answer(list(self._rows(call.report.code, params)), seconds=0.01)

    def _rows(self, code: str, params: dict[str, Any]) -> Any:
        match code:
            case "R8":
                return [rows.GroupRow(id=HOME, name="home")]
            case "R9":
                found = range(1, self.users + 1)
                return [self.user(id) for id in found if params.get("id", id) == id]
            case "R5":
                return [self.retold(moved).of_group() for moved in self.moved if moved.group == params["group_id"]]
            case "R7":
                if not 1 <= params["user_id"] <= self.users:
                    raise NotFound("no such user")
                return [moved.of_user() for moved in self.moved if moved.user == params["user_id"]]
            case "R2":
                # Every room has the games of its movements; where these are nameless, a row does not name the room.
                return [
                    rows.RoomGameRow(id=moved.id, room_id=None if moved.nameless else moved.user)
                    for moved in self.moved
                    if params.get("bs_room_id", moved.user) == moved.user
                ]
            case "G1":
                code = params.get("user_code")
                if code is not None and int(code[1:]) not in self.logs:
                    raise NotFound("no such user")
                return [self.log(*pair) for pair in enumerate(self.logs) if code in (None, f"u{pair[1]}")]
        raise AssertionError(code)

    def user(self, id: int) -> rows.UserRow:
        """A row of R9."""
        return rows.UserRow(id=id, username=f"u{id}", group_id=HOME, fkgroup="home")

    def log(self, number: int, user: int) -> rows.GameLogRow:
        """A row of the game log."""
        code = f"U{user}" if user in self.loud else f"u{user}"
        return rows.GameLogRow(
            history_id=number,
            agent_code="a",
            user_code=code,
            provider_code="p",
            game_code="g",
            type="slot",
            bet_money="1.00",
            win_money="0.00",
            txn_id="t",
            txn_type="debit",
            created_at=0,
        )


def session(upstream: Simulated, choose: Chooser, join: Join | None = None, **options: Any) -> Session:
    """A session whose ways are picked by `choose`."""
    made = Session(upstream, UTC, join=join, **{"now": NOW} | options)
    made.choose = choose
    return made


async def read(
    made: Session, edge: ReportEdge, keys: Sequence[Any], interval: Interval | None = TODAY, **fixed: Any
) -> Any:
    """The rows of each key, or its error."""
    return await asyncio.gather(
        *(made.rows(Lookup.of(edge, interval, exact=False, **fixed), key) for key in keys), return_exceptions=True
    )


def values_of(found: Sequence[Any]) -> list[Any]:
    """Return the values of a list of answers: errors by their code, movements by the columns of both reports."""
    return [type(answer) if isinstance(answer, Exception) else [_movement(row) for row in answer] for answer in found]


def _movement(row: Any) -> Any:
    match row:
        case rows.UserTransactionRow():
            return row.movement_id, row.timestamp, row.movement_type, row.currency_amount.lstrip("-")
        case rows.GroupMovementRow():
            return row.movement_id, row.timestamp, row.type, row.currency_amount
    return row


USERS = st.integers(1, 6)
MOVED = st.lists(
    st.builds(
        Moved,
        id=st.integers(1, 10**6),
        user=USERS,
        group=st.sampled_from([HOME, HOME, HOME, AWAY]),
        type=st.sampled_from([WAGER, PRIZE, STRANGE]),
        amount=st.sampled_from(["1.00", "0.00", "12.345"]),
        at=st.integers(0, 9).map(lambda minute: 1_773_576_000_000_000 + minute * 60_000_000),
        nameless=st.sampled_from([False] * 9 + [True]),
    ),
    max_size=12,
    unique_by=lambda moved: moved.id,
)
BROKEN = st.sampled_from([None, Incomplete("cut short"), UpstreamFailed("no"), Malformed("a row"), Unavailable("slow")])
KEYS = st.lists(st.integers(1, 8), min_size=1, max_size=8, unique=True)
CHOOSERS = st.lists(st.booleans(), min_size=1, max_size=4).map(turning)
BOUNDED = settings(max_examples=tries(40), deadline=None)


@BOUNDED
@given(
    users=USERS, moved=MOVED, logs=st.lists(USERS, max_size=9), loud=st.frozensets(USERS), keys=KEYS, broken=BROKEN,
    failing=st.frozensets(st.integers(1, 6)), which=st.sampled_from(["R2", "R5", "R9", "G1"]),
    pick=CHOOSERS, mode=st.sampled_from(MovementJoin),
)  # fmt: skip
async def test_any_plan_tells_what_narrow_calls_tell(
    users: int, moved: list[Moved], logs: list[int], loud: frozenset[int], keys: list[int],
    broken: UpstreamError | None, failing: frozenset[int], which: str, pick: Chooser, mode: MovementJoin,
) -> None:  # fmt: skip
    upstream = Simulated(users, moved, logs, loud)
    if broken is not None:
        upstream.broken[which, None] = broken
    if not isinstance(broken, Unavailable):
        # Where a whole system does not answer, one more request is enough to see it.
        upstream.broken |= {("R7", key): UpstreamFailed("this one") for key in failing}
    lookups: tuple[Any, ...] = (
        (edges.USER_BY_ID, keys, None, {}),
        (edges.GAMES_OF_ROOM, keys, TODAY, {}),
        (edges.LOGS_OF_USER, [f"u{key}" for key in keys], TODAY, {"game_type": "slot"}),
        (edges.TRANSACTIONS_IN_GROUP, [key for key in keys if key <= users], TODAY, {"group": HOME}),
    )
    join = Join(mode)
    for edge, some, interval, fixed in lookups:
        per_key = await read(session(upstream, first), edge, some, interval, **fixed)
        found = await read(session(upstream, pick, join), edge, some, interval, **fixed)
        # A wide answer has the rows even of a key whose own call would fail.
        alone, together = values_of(per_key), values_of(found)
        # After a failed wide call, some keys are tried alone. If all of them fail, the others have that call's error.
        tried = [] if broken is None else alone[: trials(broken)]
        given_up = type(broken) if tried and all(one is UpstreamFailed for one in tried) else None
        pairs = zip(alone, together, strict=True)
        assert all(one == other or one is UpstreamFailed or other is given_up for one, other in pairs), edge.report


WALK = """{ group(id: "1") { users { nodes { id transactions(inGroup: "1") {
  nodes { id timestamp type amount } } } } } }"""


@settings(max_examples=tries(20), deadline=None)
@given(users=st.integers(2, 6), moved=MOVED, broken=BROKEN, pick=CHOOSERS, mode=st.sampled_from(MovementJoin))
async def test_any_plan_gives_the_graph_the_same_answer(
    users: int, moved: list[Moved], broken: UpstreamError | None, pick: Chooser, mode: MovementJoin
) -> None:
    upstream = Simulated(users, moved)
    per_key = await schema.execute(WALK, context_value=session(upstream, first, Join(MovementJoin.NEVER)))
    if broken is not None:
        upstream.broken["R5", None] = broken
    found = await schema.execute(WALK, context_value=session(upstream, pick, Join(mode)))
    assert per_key.errors is None
    assert found.errors is None
    assert found.data == per_key.data


@BOUNDED
@given(
    keys=st.integers(4, 8),
    members=st.integers(1, 3_000),
    seen=st.lists(
        st.tuples(st.sampled_from(["R5", "R7", "R9"]), st.integers(0, 40_000), st.floats(0.001, 2)), max_size=12
    ),
)
def test_what_is_chosen_equals_brute_force_over_all_covers(
    keys: int, members: int, seen: list[tuple[str, int, float]]
) -> None:
    """Each key is read by its own call, or by the wide one, which is paid once."""
    prices = Prices()
    prices.learn(Call.of(reports.USERS, fkgroup=HOME), members, 0.05)
    for code, count, seconds in seen:
        report = next(report for report in reports.REPORTS if report.code == code)
        params: dict[str, Any] = {"R5": {"group_id": HOME}, "R7": {"user_id": 99}, "R9": {"id": 99}}[code]
        prices.learn(Call.of(report, TODAY if report.frame else None, **params), count, seconds)
    made = Session(Simulated(), UTC, prices=prices, now=NOW)
    lookups = (Lookup(edges.USER_BY_ID), Lookup.of(edges.TRANSACTIONS_IN_GROUP, TODAY, exact=False, group=HOME))
    for lookup in lookups:
        some = list(range(keys))
        per_key, bulk = ways = candidates(lookup, some, made.loader.known(lookup, some))
        alone = per_key.price / keys
        subsets = chain.from_iterable(combinations(range(keys), size) for size in range(keys + 1))
        covers = [len(subset) * alone + (bulk.price if len(subset) < keys else 0.0) for subset in subsets]
        assert cheapest(ways).price == pytest.approx(min(covers))


async def test_a_failed_narrow_call_fails_its_own_key_and_no_other() -> None:
    upstream = Simulated(3, [Moved(1, 1), Moved(2, 2), Moved(3, 3)], broken={("R7", 2): UpstreamFailed("no")})
    found = await read(session(upstream, first), edges.TRANSACTIONS_IN_GROUP, [1, 2, 3], group=HOME)
    assert isinstance(found[1], UpstreamFailed)
    assert [row.movement_id for answer in (found[0], found[2]) for row in answer] == [1, 3]


async def test_a_system_that_is_down_is_not_asked_once_a_key() -> None:
    down = Unavailable("down")
    upstream = Simulated(6, broken={("R9", key): down for key in (None, 1, 2, 3, 4, 5, 6)})
    found = await read(session(upstream, last), edges.USER_BY_ID, [1, 2, 3, 4, 5, 6], None)
    assert all(isinstance(answer, Unavailable) for answer in found)
    assert upstream.calls == ["R9", "R9"]


class Notes:
    """A ledger in memory."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str]] = []

    def noted(self, name: str) -> str | None:
        """Return the note of the last comparison."""
        return next((text for at, text in reversed(self.written) if at == name), None)

    def note(self, name: str, text: str) -> None:
        """Note it."""
        self.written.append((name, text))


HISTORY = [
    Moved(10 * user + number, user, type=kind) for user in (1, 2, 3, 4) for number, kind in enumerate((WAGER, PRIZE))
]
RETOLD: dict[str, Callable[[Moved], Moved]] = {
    "a digit": lambda moved: dataclasses.replace(moved, amount="1.01") if moved.id == 20 else moved,
    "an id": lambda moved: dataclasses.replace(moved, id=99) if moved.id == 20 else moved,
    "a time": lambda moved: dataclasses.replace(moved, at=moved.at + 1_000_000) if moved.id == 20 else moved,
}


async def transactions(upstream: Simulated, join: Join, now: datetime.datetime = NOW) -> list[str]:
    """Read the transactions of four users, R5 preferred; the calls that it took."""
    upstream.calls.clear()
    found = await read(session(upstream, last, join, now=now), edges.TRANSACTIONS_IN_GROUP, [1, 2, 3, 4], group=HOME)
    assert values_of(found) == [
        [_movement(moved.of_user()) for moved in HISTORY if moved.user == user] for user in (1, 2, 3, 4)
    ]
    return sorted(upstream.calls)


@pytest.mark.parametrize("what", list(RETOLD))
async def test_one_difference_sends_all_to_r7_for_the_day(what: str) -> None:
    notes = Notes()
    join = Join(MovementJoin.VERIFY, notes, "here")
    upstream = Simulated(4, HISTORY, retold=RETOLD[what])
    assert await transactions(upstream, join) == ["R5", "R7", "R7", "R7", "R7"]
    assert notes.written == [("movement join here", "2026-03-15 differs")]
    assert await transactions(upstream, join) == ["R7", "R7", "R7", "R7"]
    # A restart knows it, too.
    assert await transactions(upstream, Join(MovementJoin.VERIFY, notes, "here")) == ["R7", "R7", "R7", "R7"]


async def test_they_are_compared_once_a_day() -> None:
    notes = Notes()
    join = Join(MovementJoin.VERIFY, notes)
    upstream = Simulated(4, HISTORY)
    compared, agreed = ["R5", "R7", "R7", "R7"], ["R5"]
    assert await transactions(upstream, join) == compared
    assert await transactions(upstream, join) == agreed
    assert await transactions(upstream, join, NOW + datetime.timedelta(days=1)) == compared
    assert await transactions(upstream, join, NOW + datetime.timedelta(days=1, hours=2)) == agreed
    assert [text for _, text in notes.written] == ["2026-03-15 agrees", "2026-03-16 agrees"]


async def test_never_does_not_call_r5_and_trust_does_not_compare() -> None:
    upstream = Simulated(4, HISTORY)
    assert await transactions(upstream, Join(MovementJoin.NEVER)) == ["R7", "R7", "R7", "R7"]
    assert await transactions(upstream, Join(MovementJoin.TRUST)) == ["R5"]


@pytest.fixture
async def asked_slowly() -> AsyncIterator[tuple[Server, Session]]:
    """A server that takes a while over each user, and a session that asks it."""
    async with serving() as server:
        server.reply = lambda request: Reply({"error": False, "report": [{"id": int(request.query["id"])}]}, delay=0.1)
        async with Upstream(GameHubConfig(lambda: server.url, Secret("token"), UTC), None) as upstream:
            yield server, Session(upstream, UTC, now=NOW)


def user(made: Session, id: int) -> "asyncio.Task[Any]":
    """Return a task that requests a user."""
    return asyncio.create_task(made.rows(Lookup(edges.USER_BY_ID), id))


async def test_who_began_a_call_and_gave_up_leaves_it_to_the_others(
    asked_slowly: tuple[Server, Session],
) -> None:
    server, made = asked_slowly
    call = Call.of(reports.USERS, id=7)
    first, second, third = (asyncio.create_task(made.fetch(call, (name,))) for name in ("a", "b", "c"))
    await asyncio.sleep(0.03)
    first.cancel()
    await asyncio.sleep(0.03)
    second.cancel()
    answer = await third
    assert [row.id for row in answer.rows] == [7]
    assert [type(each) for each in await asyncio.gather(first, second, return_exceptions=True)] == (
        [asyncio.CancelledError] * 2
    )
    assert len(server.requests) == 1
    assert [(step.fields, step.rows, step.requests) for step in made.steps] == [({"a", "b", "c"}, 1, 1)]


async def test_keys_of_one_tick_and_the_next_make_one_round(asked_slowly: tuple[Server, Session]) -> None:
    server, made = asked_slowly
    tasks = [user(made, 1), user(made, 2)]
    await asyncio.sleep(0)
    tasks += [user(made, 3), user(made, 1)]
    await asyncio.sleep(0.03)
    tasks[1].cancel()
    later = user(made, 4)
    found = await asyncio.gather(*tasks, later, return_exceptions=True)
    assert [None if isinstance(each, BaseException) else each[0].id for each in found] == [1, None, 3, 1, 4]
    assert [(step.call.params[0][1], step.keys) for step in made.steps] == [(1, 3), (2, 3), (3, 3), (4, 1)]
    assert len(server.requests) == 4


async def test_a_closed_session_waits_for_nothing_and_asks_nothing(asked_slowly: tuple[Server, Session]) -> None:
    server, made = asked_slowly
    call = Call.of(reports.USERS, id=7)
    tasks = [asyncio.create_task(made.fetch(call)), asyncio.create_task(made.fetch(call)), user(made, 8)]
    await asyncio.sleep(0.03)
    late = user(made, 9)
    made.close()
    found = await asyncio.wait_for(asyncio.gather(*tasks, late, return_exceptions=True), 0.05)
    assert [type(each) for each in found] == [asyncio.CancelledError] * 4
    assert sorted(request.query["id"] for request in server.requests) == ["7", "8"]
