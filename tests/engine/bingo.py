"""Both upstreams inside the process, made from a seed: rows whose ids join, with every possible fault in rows and
calls.

A row contains only what `upstream/decoding/` could have made: the engine trusts what the decoder has proved.
"""

import asyncio
import datetime
import random
import types
import typing
import zlib
from collections.abc import Callable, Collection
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from graphql import (
    ArgumentNode,
    DocumentNode,
    EnumValueNode,
    NameNode,
    ObjectFieldNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    visit,
)
from hypothesis import strategies as st
from hypothesis_graphql import nodes

from resolvers.edges import ReportEdge
from resolvers.prediction import made_up
from resolvers.session import Session
from schema.graph import schema
from schema.mapping.node import encode
from upstream.call import Answer, Call
from upstream.errors import (
    ContractBroken,
    Incomplete,
    Malformed,
    NotFound,
    Unauthenticated,
    Unavailable,
    UpstreamError,
    UpstreamFailed,
)
from upstream.reports import rows
from upstream.reports.request import checked
from upstream.reports.rows import ColumnKind
from upstream.values.interval import Interval

__all__ = ["SCALARS", "plausible", "schema", "session"]

UTC = ZoneInfo("UTC")
NOW = datetime.datetime(2026, 3, 15, 12, tzinfo=datetime.UTC)
NOON = int(NOW.timestamp()) * 1_000_000
FAULTS: tuple[type[UpstreamError], ...] = (
    Unauthenticated, ContractBroken, NotFound, Incomplete, UpstreamFailed, Unavailable, Malformed,
)  # fmt: skip
TYPES = ("Bingo - Wager", "Bingo - Prize", "Bingo - Something New")
BEYOND = 2**31
# The number of entities of each kind. An entity of one number is the same in every report.
POOL = 4

_ids = st.integers(1, POOL + 1)
_kinds = ("User", "Group", "Room", "Game", "Transaction", "GameLog")
SCALARS = {
    "DateTime": st.sampled_from(["2026-03-15T00:00:00Z", "2026-03-10T08:30:00+01:00"]).map(nodes.String),
    "Date": st.sampled_from(["2026-03-15", "2026-02-27"]).map(nodes.String),
    "Decimal": st.sampled_from(["1.00", "-2.5", "0", "12345678901234567890.125"]).map(nodes.String),
    "_Any": st.tuples(st.sampled_from((*_kinds, "Nothing")), _ids).map(
        lambda identity: nodes.Object([_field("__typename", identity[0]), _field("id", str(identity[1]))])
    ),
}


def _field(name: str, value: str) -> Any:
    return ObjectFieldNode(name=NameNode(value=name), value=nodes.String(value))


def _where(kind: str, chance: random.Random) -> Any:
    """Return conditions that some of the made-up items meet."""
    ids: list[Any] = [nodes.String(str(chance.randrange(POOL) + 1)) for _ in range(3)]
    id = nodes.Object([ObjectFieldNode(name=NameNode(value="in"), value=nodes.List(ids))])
    number = nodes.Object([_field(chance.choice(("gt", "lte")), chance.choice(("0", "1.00", "-5")))])
    text = nodes.Object([_field("startsWith", chance.choice(("", "Bingo", "a")))])
    some: Any = nodes.List([nodes.Int(chance.randrange(4)) for _ in range(3)])
    conditions: dict[str, list[tuple[str, Any]]] = {
        "TransactionWhere": [
            ("type", text), ("amount", number), ("user", id), ("group", id), ("ticket", id), ("currency", text),
        ],
        "GameLogWhere": [("provider", text), ("userCode", text), ("bet", number), ("win", number)],
        "GameWhere": [
            ("status", EnumValueNode(value=chance.choice(("PLAYED", "SELLING", "UNKNOWN")))), ("room", id),
            ("configuration", id), ("wagered", number),
        ],
        "FinancialMovementWhere": [("type", some), ("group", id), ("user", id), ("amount", number)],
    }  # fmt: skip
    chosen = chance.sample(conditions[kind], chance.choice((0, 1, 1, 2)))
    return nodes.Object([ObjectFieldNode(name=NameNode(value=name), value=value) for name, value in chosen])


class _Plausible(Visitor):
    def __init__(self, types: TypeInfo, chance: random.Random) -> None:
        super().__init__()
        self.types = types
        self.chance = chance

    def leave_argument(self, node: ArgumentNode, *_: Any) -> Any:
        argument, chance = self.types.get_argument(), self.chance
        if argument is None or chance.randrange(8) == 0:
            return None
        value: Any = None
        match node.name.value, get_named_type(argument.type).name:
            case "nodeId", _:
                kind = chance.choice(_kinds)
                rest = [chance.randrange(3), 1, NOON] if kind in ("Transaction", "GameLog") else []
                value = nodes.String(encode(kind, chance.randrange(POOL) + 1, *rest))
            case "ids", _:
                value = nodes.List([nodes.String(str(chance.randrange(POOL) + 1)) for _ in range(chance.randrange(4))])
            case _, "ID":
                value = nodes.String(str(chance.randrange(POOL + 1) + 1))
            case "first", _:
                value = nodes.Int(chance.randrange(4))
            case "after", _:
                value = nodes.Null
            case _, "Period":
                frame = ObjectFieldNode(name=NameNode(value="frame"), value=EnumValueNode(value="TODAY"))
                value = nodes.Object([frame])
            case "where", kind:
                value = _where(kind, chance)
        return None if value is None else ArgumentNode(name=node.name, value=value)


def plausible(document: DocumentNode, seed: int) -> DocumentNode:
    """Return the query with arguments that mostly lead to something. Generated arguments are mostly malformed ids."""
    types = TypeInfo(schema._schema)
    changed: DocumentNode = visit(document, TypeInfoVisitor(types, _Plausible(types, random.Random(seed))))
    return changed


class FirstWaySession(Session):
    """A session whose plans depend only on the request, not on other requests at the same moment.

    The reports of these worlds do not agree with each other, and the planner is not what is compared.
    """

    choose = staticmethod(lambda ways, before=None: ways[0])

    def price(self, edge: ReportEdge, keys: Collection[Any], interval: Interval | None) -> float:
        return float(edge.report.code[1:])


def session(seed: int) -> Session:
    """Return a session over the world of a seed. One of three worlds has no faults in its calls."""
    return FirstWaySession(World(seed, (0, 4, 15)[seed % 3]), UTC, now=NOW)


class World:
    """The upstreams. `rate` is the percentage of calls that fail."""

    def __init__(self, seed: int, rate: int) -> None:
        self.seed = seed
        self.rate = rate

    async def fetch(self, call: Call) -> Answer[Any]:
        """Return the answer of a call. It is the same every time."""
        call = checked(call)
        await asyncio.sleep(0)
        chance = random.Random(zlib.crc32(repr((self.seed, call.report.code, call.params)).encode()))
        if chance.randrange(100) < self.rate:
            raise chance.choice(FAULTS)(f"{call.report.code} fails", report=call.report.code, correlation_id="c1")
        given = dict(made_up._columns_given(call))
        single = call.report.single or "id" in dict(call.params)
        count = 1 if single else chance.choice([0, 1, 3, 4])
        found = []
        for number in range(count):
            row = _row(call.report.row, chance, number)
            for name, value in given.items():
                setattr(row, name, value)
            found.append(row)
            if not single and chance.randrange(12) == 0:
                found.append(row)
        return Answer(found, seconds=0.01)


@cache
def _columns(kind: type[rows.Row]) -> list[tuple[str, Any, bool]]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return [(field.name, hints[field.name], field.required) for field in msgspec.structs.fields(kind)]


def _row(kind: type[rows.Row], chance: random.Random, number: int) -> rows.Row:
    values: dict[str, Any] = {}
    for name, hint, required in _columns(kind):
        if not required and chance.randrange(5) == 0:
            continue
        if (kind, name) in made_up._NAMED:
            values[name] = number + 1
        elif name in made_up._ENTITIES:
            values[name] = chance.randrange(POOL) + 1
        elif name in made_up._USER_NAMES:
            values[name] = f"user{chance.randrange(POOL) + 1}"
        elif name in ("type", "movement_type") and hint is str:
            values[name] = chance.choice(TYPES)
        else:
            values[name] = _value(hint, chance)
    return kind(**values)


def _value(hint: Any, chance: random.Random) -> Any:
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        value = _annotated(typing.get_args(hint)[1], chance)
        return _value(typing.get_args(hint)[0], chance) if value is None else value
    if origin in (types.UnionType, typing.Union):
        options = typing.get_args(hint)
        if any(isinstance(option, type) and issubclass(option, rows.Row) for option in options):
            # The decoder has taken the only object out of its list.
            options = tuple(option for option in options if typing.get_origin(option) is not list)
        return _value(chance.choice(options), chance)
    if hint is type(None):
        return None
    if origin is list:
        (inner,) = typing.get_args(hint)
        return [_value(inner, chance) for _ in range(chance.randrange(3))]
    if origin is dict:
        inner = typing.get_args(hint)[1]
        return {str(number): _value(inner, chance) for number in range(chance.randrange(3))}
    if hint in _PLAIN:
        return _PLAIN[hint](chance)
    assert issubclass(hint, rows.Row), hint
    return _row(hint, chance, chance.randrange(POOL))


def _annotated(kind: Any, chance: random.Random) -> Any:
    """Return a value of a kind of column, None for a kind without values of its own."""
    match kind:
        case ColumnKind.NO_ID:
            return chance.choice([1, 2, BEYOND])
        case ColumnKind.CODE:
            return chance.choice(["7", "x8"])
        case ColumnKind.MONEY:
            return chance.choice(["1.00", "-0.50", "12.345"])
        case ColumnKind.MOMENT:
            return NOON - chance.randrange(3) * 3_600_000_000
        case msgspec.Meta():
            return chance.choice([0, 3, 8, BEYOND - 1])
    return None


_PLAIN: dict[Any, Callable[[random.Random], Any]] = {
    int: lambda chance: chance.choice([0, 3, 8, BEYOND - 1, BEYOND]),
    str: lambda chance: chance.choice(["", "name", "né"]),
    bool: lambda chance: chance.choice([True, False]),
    datetime.date: lambda chance: datetime.date(2026, 3, 1 + chance.randrange(20)),
}
