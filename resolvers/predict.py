"""What an operation is going to call, found out by running it: its own resolvers, on rows that are made up.

A predictor stands where the upstream stands. What a call brought before, it brings again; a call that was never made
gets as many rows as the learnt figures say, filled with plausible values whose ids join as real ones do. So the
prediction cannot drift from the execution: there is no second way to plan.
"""

import copy
import datetime
import re
import types
import typing
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache, partial
from typing import Any

import msgspec

from resolvers import edges
from resolvers.edges import ReportEdge
from resolvers.join import Join
from resolvers.prices import Prices
from resolvers.session import Session
from resolvers.trace import Step
from resolvers.upstream_calls import UpstreamRoom
from resolvers.way import Way
from upstream.caching.cache import CachedShare
from upstream.call import Answer, Call
from upstream.interval import Interval
from upstream.reports import rows
from upstream.reports.request import checked

# Made-up ids lie where no system has got to, so that they are not taken for real ones.
MADE_UP = 7_000_000_000_000_000_000
_POOL = 10_000_000_000_000
# All rows that one prediction makes up: it has to stay cheaper than what it predicts.
MOST_MADE_UP = 20_000
# How many different entities made-up rows name, for each kind.
SPREAD = {"user": 25, "group": 5, "room": 3, "game": 25}
MANY = 4  # times as many rows as are likely, for the upper end of a range


Look = Callable[..., Awaitable[list[CachedShare]]]
_NOT_HELD = CachedShare(1, 0, 0, ())


class GuessedSize(Enum):
    """How many rows a call is taken to bring that was never made."""

    FEWEST = "fewest"
    LIKELY = "likely"
    MOST = "most"


@dataclass(frozen=True, slots=True)
class PredictedCalls:
    """Calls of a plan that are alike but for their keys. `calls` go to the upstream, `held` are answered at hand."""

    report: str
    type: str
    parameters: Mapping[str, Any]
    interval: Interval | None
    way: str
    calls: int
    held: int
    rows: int
    seconds: float
    fields: Sequence[str]
    rejected: Sequence[Way]

    def told(self) -> dict[str, Any]:
        """As `extensions.explain` has it."""
        told: dict[str, Any] = {"report": self.report, "type": self.type, "parameters": dict(self.parameters)}
        if self.interval is not None:
            told["from"], told["until"] = self.interval.start.isoformat(), self.interval.end.isoformat()
        return told | {
            "calls": self.calls,
            "held": self.held,
            "rows": self.rows,
            "seconds": round(self.seconds, 6),
            "way": self.way,
            "fields": list(self.fields),
            "rejected": [way.to_dict() for way in self.rejected],
        }


@dataclass(frozen=True, slots=True)
class PredictedPlan:
    """What an operation is likely to call. `fewest` and `most` differ where later calls depend on unknown rows."""

    parts: Sequence[PredictedCalls]
    fewest: int
    most: int

    @property
    def calls(self) -> int:
        """The calls that are likely to be made of the upstream."""
        return sum(part.calls for part in self.parts)

    @property
    def rows(self) -> int:
        """The rows that they are likely to bring, those at hand among them."""
        return sum(part.rows for part in self.parts)

    @property
    def depends(self) -> bool:
        """Whether the number of calls depends on rows that nobody has seen yet."""
        return self.fewest != self.most

    def told(self) -> dict[str, Any]:
        """As `extensions.explain` has it."""
        return {
            "calls": self.calls,
            "fewest": self.fewest,
            "most": self.most,
            "depends": self.depends,
            "held": sum(part.held for part in self.parts),
            "rows": self.rows,
            "seconds": round(sum(part.seconds for part in self.parts), 6),
            "plan": [part.told() for part in self.parts],
        }


class Predictor:
    """Stands in for the upstream: makes up what calls bring, and calls nobody.

    `unsure` are the calls whose rows are a guess.
    """

    def __init__(self, upstream: UpstreamRoom, prices: Prices, guess: GuessedSize = GuessedSize.LIKELY) -> None:
        self.prices = prices
        self.guess = guess
        self.unsure: set[Call] = set()
        self.held_many = getattr(upstream, "held_many", None)
        if self.held_many is not None and prices.scope is not None:
            self.held_many = partial(self._held_many, self.held_many)
        self._left = MOST_MADE_UP

    async def fetch(self, call: Call, **_: Any) -> Answer[Any]:
        """The rows that a call is likely to bring. Raises what the upstream would: `BadParameter`, `NotFound`."""
        call = checked(call)
        if call.report.system in self.prices.buckets:
            self.prices.ahead[call.report.system] += await self._calls(call)
        known = self.prices.sample(call)
        if known is not None:
            if known.unknown is not None:
                raise known.unknown.with_traceback(None)
            if known.count == len(known.rows):
                return Answer(list(known.rows))
            return Answer(self._like(call, known.rows, known.count))
        self.unsure.add(call)
        count = self._count(call)
        like = self.prices.sample_like(call)
        found = self._like(call, like.rows, count) if like is not None and like.rows else self._made(call, count)
        return Answer(found, notes={"made_up": True})

    async def _calls(self, call: Call) -> int:
        """Return how many calls of the upstream this one is going to take."""
        return 1 if self.held_many is None else _calls_for((await self.held_many([call]))[0])

    async def _held_many(self, look: Look, calls: Sequence[Call], **fresh: Any) -> list[CachedShare]:
        """What is held, of calls that this caller has made before: what others have made is not for it to know."""
        own = [call for call in calls if self.prices.sample(call) is not None]
        held = dict(zip(own, await look(own, **fresh), strict=True))
        return [held.get(call, _NOT_HELD) for call in calls]

    def _count(self, call: Call) -> int:
        one = call.report.single or any(edge.one for edge in _edges_by(call))
        likely = self.prices.expected(call, _prior(call))
        if one:
            likely = 1
        elif self.guess is GuessedSize.MOST:
            likely = max(likely * MANY, MANY)
        if self.guess is GuessedSize.FEWEST:
            likely = 0
        count = min(round(likely), self._left)
        self._left -= count
        return count

    def _like(self, call: Call, sample: Sequence[rows.Row], count: int) -> list[rows.Row]:
        """So many rows after the likeness of others; what these do not reach for, gets ids of its own."""
        given = dict(_columns_given(call))
        kind = call.report.row
        key = _KEYS.get(kind)
        moment = call.report.moment
        moment = moment if moment in kind.__struct_fields__ else None
        found = []
        for number in range(count):
            row = copy.copy(sample[number % len(sample)])
            for name, value in given.items():
                setattr(row, name, value)
            if key is not None and key not in given and (number >= len(sample) or _NAMED.get((kind, key)) is None):
                setattr(row, key, _made_up(_NAMED.get((kind, key), "row"), number))
            if moment is not None and call.interval is not None:
                setattr(row, moment, _moment(call.interval, number, count))
            found.append(row)
        return found

    def _made(self, call: Call, count: int) -> list[rows.Row]:
        given = dict(_columns_given(call))
        found = []
        for number in range(count):
            row = _fill(call.report.row, number, call.interval, count, 2)
            for name, value in given.items():
                setattr(row, name, value)
            found.append(row)
        return found


class _Hopeful(Join):
    """The comparison as it stands, whose outcome is not noted: where it is still open, both reports will agree."""

    __slots__ = ()

    def settle(self, today: datetime.date, agrees: bool) -> bool:
        self._day, self._agrees = today, True
        return True


async def foresee(session: Session, run: Callable[[Session], Awaitable[Any]]) -> PredictedPlan:
    """What `run` is going to call with this session, which is not touched. Nothing is called, and nothing learnt."""
    likely = await _rehearse(session, run, GuessedSize.LIKELY)
    calls = sum(part.calls for part in likely.parts)
    if not likely.unsure:
        return PredictedPlan(likely.parts, calls, calls)
    counts = [calls]
    for guess in (GuessedSize.FEWEST, GuessedSize.MOST):
        other = await _rehearse(session, run, guess)
        counts.append(sum(part.calls for part in other.parts))
    return PredictedPlan(likely.parts, min(counts), max(counts))


@dataclass(slots=True)
class _Rehearsal:
    parts: list[PredictedCalls] = field(default_factory=list)
    unsure: bool = False


async def _rehearse(session: Session, run: Callable[[Session], Awaitable[Any]], guess: GuessedSize) -> _Rehearsal:
    prices = session.prices.still()
    predictor = Predictor(session.room, prices, guess)
    rehearsed = Session(
        predictor,
        session.zone,
        user_code_from=session.user_code_from,
        agent_of_group=session.agent_of_group,
        agents=session.every_agent,
        lookback_days=session.lookback_days,
        prices=prices,
        join=_hopeful(session),
        now=session.now,
        caller=session.caller,
        not_before=session.not_before,
        gamehub_zone=session.gamehub_zone,
        currencies=session.currencies,
        most_nodes=session.nodes.most,
    )
    rehearsed.rehearsal = True
    await run(rehearsed)
    return _Rehearsal(await _parts(rehearsed, predictor), bool(predictor.unsure))


def _hopeful(session: Session) -> Join:
    join = session.join
    settled = join.settled(session.now.astimezone(session.zone).date())
    hopeful = _Hopeful(join.mode)
    if settled is not None:
        hopeful._day, hopeful._agrees = session.now.astimezone(session.zone).date(), settled
    return hopeful


async def _parts(session: Session, predictor: Predictor) -> list[PredictedCalls]:
    steps = session.steps
    if predictor.held_many is not None:
        held = await predictor.held_many([step.call for step in steps], **session.options)
        wanted = list(map(_calls_for, held))
    else:
        wanted = [1] * len(steps)
    alike: dict[object, list[tuple[Step, int]]] = {}
    for step, calls in zip(steps, wanted, strict=True):
        call = step.call
        place = (
            call.report.code,
            tuple(name for name, _ in call.params),
            call.interval,
            step.way,
            *sorted(step.fields),
        )
        alike.setdefault(place, []).append((step, calls))
    parts, prices = [], predictor.prices.still()
    for members in alike.values():
        first = members[0][0]
        calls = sum(calls for _, calls in members)
        count = sum(step.rows for step, _ in members)
        # What is at hand costs no call, and its rows are decoded already.
        rows_to_read = sum(step.rows for step, calls in members if calls)
        parts.append(
            PredictedCalls(
                first.call.report.code,
                first.call.report.report_type,
                _parameters([step.call for step, _ in members]),
                first.call.interval,
                first.way,
                calls,
                sum(not calls for _, calls in members),
                count,
                prices.seconds(first.call.report, calls, rows_to_read) if calls else 0.0,
                sorted(set().union(*(step.fields for step, _ in members))),
                () if first.scoped else first.rejected,
            )
        )
        prices.ahead[first.call.report.system] += calls
    return parts


def _calls_for(held: CachedShare) -> int:
    """Return how many calls bring what is not at hand."""
    return 0 if held.fraction >= 1 else max(1, len(held.missing))


def _parameters(calls: Sequence[Call]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, _ in calls[0].params:
        values = {dict(call.params)[name] for call in calls}
        value = next(iter(values))
        told[name] = {"distinct": len(values)} if len(values) > 1 or _is_made_up(value) else value
    return told


def _is_made_up(value: str | int) -> bool:
    return any(int(digits) >= MADE_UP for digits in re.findall(r"\d{19}", str(value)))


# What the edges say of the reports


@cache
def _all_edges() -> tuple[ReportEdge, ...]:
    return tuple(value for value in vars(edges).values() if isinstance(value, ReportEdge))


def _edges_by(call: Call) -> Iterator[ReportEdge]:
    """The edges that this call may be a narrow call of."""
    names = {name for name, _ in call.params}
    return (edge for edge in _all_edges() if edge.report is call.report and edge.by in names)


def _prior(call: Call) -> float:
    """How many rows such a call brings a day before one was ever made."""
    narrow = [edge.rows for edge in _edges_by(call)]
    wide = [edge.bulk.rows for edge in _all_edges() if edge.bulk is not None and edge.bulk.report is call.report]
    return next(iter(narrow or wide), 10.0)


def _columns_given(call: Call) -> Iterator[tuple[str, str | int]]:
    """The columns whose value the call's parameters name."""
    columns = {edge.by: edge.column for edge in _edges_by(call)}
    # R6 has the room's name where the edge has its id: a number is no name.
    texts = {item.name for item in msgspec.structs.fields(call.report.row) if item.type in (str, str | None)}
    for name, value in call.params:
        column = columns.get(name, name)
        if column in call.report.row.__struct_fields__ and (isinstance(value, str) or column not in texts):
            yield column, value


# Rows that are made up

# The kinds of entity that columns name: the same number of one kind is the same entity, whatever report tells it.
_ENTITIES = {
    "user_id": "user",
    "group_id": "group",
    "seller_group_id": "group",
    "room_id": "room",
    "game_id": "game",
    "bs_game_id_main": "game",
    "movement_id": "movement",
    "history_id": "log",
}
_NAMED: dict[tuple[type[rows.Row], str], str] = {
    (rows.UserRow, "id"): "user",
    (rows.GroupRow, "id"): "group",
    (rows.RoomGameRow, "id"): "game",
    (rows.GameOnSaleRow, "id"): "game",
    (rows.GameDetailRow, "game_id"): "game",
    (rows.GameSummaryRow, "bs_game_id_main"): "game",
    (rows.GroupMovementRow, "movement_id"): "movement",
    (rows.UserTransactionRow, "movement_id"): "movement",
    (rows.GameLogRow, "history_id"): "log",
}
_KEYS: dict[type[rows.Row], str] = dict(_NAMED.keys())  # of each kind of row the column of its id
_POOLS = ("row", "user", "group", "room", "game", "movement", "log")
_USER_NAMES = ("username", "user_name", "user_code")
_GROUP_NAMES = ("fkgroup", "group_name")


def _made_up(kind: str, number: int) -> int:
    return MADE_UP + _POOLS.index(kind) * _POOL + number


def _moment(interval: Interval, number: int, count: int) -> int:
    """Moments spread over an interval, the first rows first."""
    length = (interval.end - interval.start) / datetime.timedelta(microseconds=1)
    return round(interval.start.timestamp() * 1_000_000) + int(length * number / max(count, 1))


@cache
def _fields(kind: type[rows.Row]) -> tuple[tuple[str, Any, Any], ...]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return tuple((name, *_kind_of(hints[name])) for name in kind.__struct_fields__)


def _kind_of(hint: Any) -> tuple[Any, Any]:
    """What a column holds: a `Kind`, a type or `list`; and the type of what is inside a list."""
    if typing.get_origin(hint) is typing.Annotated:
        plain, kind = typing.get_args(hint)
        return (kind if isinstance(kind, rows.ColumnKind) else plain), None
    for option in typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,):
        if typing.get_origin(option) is typing.Annotated:
            return _kind_of(option)
        if option is type(None) or option is bool:
            continue
        if typing.get_origin(option) is list:
            return list, _kind_of(typing.get_args(option)[0])[0]
        if typing.get_origin(option) is dict:
            continue
        return option, None
    return type(None), None


def _fill(kind: type[rows.Row], number: int, interval: Interval | None, count: int, depth: int) -> rows.Row:
    """A row of a kind, made up: the columns of one number name the same entities in every report."""
    values: dict[str, Any] = {}
    for name, what, inner in _fields(kind):
        entity = _NAMED.get((kind, name)) or _ENTITIES.get(name)
        if entity is not None:
            spread = None if (kind, name) in _NAMED else SPREAD.get(entity)
            values[name] = _made_up(entity, number % spread if spread else number)
        elif name in _USER_NAMES:
            spread = number if kind is rows.UserRow else number % SPREAD["user"]
            values[name] = f"user{_made_up('user', spread)}"
        elif name in _GROUP_NAMES:
            values[name] = f"group{_made_up('group', number % SPREAD['group'])}"
        elif name in ("status", "status_id"):
            # Most games are over; a game that is not is read from more reports.
            values[name] = 1 if kind is rows.GameOnSaleRow else 3
        elif name in ("type", "movement_type") and what is str:
            values[name] = "Bingo - Prize"
        elif what is list:
            values[name] = [_inner(inner, number, interval, count, depth)] if depth and inner is not int else []
        else:
            values[name] = _value(what, number, interval, count, depth)
    return kind(**values)


def _inner(kind: Any, number: int, interval: Interval | None, count: int, depth: int) -> Any:
    return _fill(kind, number, interval, count, depth - 1)


def _value(what: Any, number: int, interval: Interval | None, count: int, depth: int) -> Any:
    if what is rows.ColumnKind.MONEY:
        return "1.00"
    if what is rows.ColumnKind.MOMENT:
        return 0 if interval is None else _moment(interval, number, count)
    if what is rows.ColumnKind.CODE:
        return str(number + 1)
    if what is datetime.date:
        start = datetime.date(2000, 1, 1) if interval is None else interval.start.date()
        return start + datetime.timedelta(days=number)
    if what is int or what is rows.ColumnKind.NO_ID:
        return number + 1
    if what is str:
        return f"made up {number + 1}"
    if isinstance(what, type) and issubclass(what, rows.Row):
        return _fill(what, number, interval, count, depth - 1) if depth else None
    return None
