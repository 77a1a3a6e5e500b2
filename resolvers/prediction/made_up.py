"""Make up rows that represent the rows of a call that is only predicted. Their ids join as real ids do."""

import copy
import datetime
import re
import types
import typing
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import msgspec

from resolvers.edges import EDGES, ReportEdge
from upstream.call import Call
from upstream.reports import rows
from upstream.reports.table import ID_COLUMNS, REPORTS, EntityKind
from upstream.values.interval import Interval

# Made-up ids are larger than all real ids, so that they are not taken for real ones.
MADE_UP = 7_000_000_000_000_000_000
_POOL = 10_000_000_000_000
# So many different entities of each kind appear in made-up rows.
SPREAD = {"user": 25, "group": 5, "room": 3, "game": 25}


def rows_like(call: Call, sample: Sequence[rows.Row], count: int) -> list[rows.Row]:
    """Return rows that resemble those of a sample. Rows beyond the sample get ids of their own."""
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


def made_up_rows(call: Call, count: int) -> list[rows.Row]:
    """Return rows with plausible values, in which the parameters of the call are repeated."""
    given = dict(_columns_given(call))
    found = []
    for number in range(count):
        row = _fill(call.report.row, number, call.interval, count, 2)
        for name, value in given.items():
            setattr(row, name, value)
        found.append(row)
    return found


def is_made_up(value: str | int) -> bool:
    """Return whether a value contains a made-up id."""
    return any(int(digits) >= MADE_UP for digits in re.findall(r"\d{19}", str(value)))


def edges_by(call: Call) -> Iterator[ReportEdge]:
    """Yield the edges whose call for one key this call may be."""
    names = {name for name, _ in call.params}
    return (edge for edge in EDGES if edge.report is call.report and edge.by in names)


def expected_rows(call: Call) -> float:
    """Return how many rows a call returns per day, as its edge declares it. It counts until such a call was made."""
    per_key = [edge.rows for edge in edges_by(call)]
    bulk = [edge.bulk.rows for edge in EDGES if edge.bulk is not None and edge.bulk.report is call.report]
    return next(iter(per_key or bulk), 10.0)


def _columns_given(call: Call) -> Iterator[tuple[str, str | int]]:
    """Yield the columns that have the value of a parameter of the call."""
    # The parameter of R6 is the id of a room; the column of the same name holds the room's name.
    texts = {item.name for item in msgspec.structs.fields(call.report.row) if item.type in (str, str | None)}
    for name, value in call.params:
        column = call.report.echoes.get(name, name)
        if column in call.report.row.__struct_fields__ and (isinstance(value, str) or column not in texts):
            yield column, value


# The kinds of entity that columns identify. The same number of one kind is the same entity in every report.
_ENTITIES = {column: kind.value for column, kind in ID_COLUMNS.items()}
_NAMED: dict[tuple[type[rows.Row], str], str] = {
    (report.row, report.id): report.entity.value
    for report in REPORTS
    if report.id is not None and report.entity is not None
}
_KEYS: dict[type[rows.Row], str] = dict(_NAMED.keys())  # of each kind of row the column of its id
_POOLS = ("row", *(kind.value for kind in EntityKind))
_USER_NAMES = ("username", "user_name", "user_code")
_GROUP_NAMES = ("fkgroup", "group_name")


def _made_up(kind: str, number: int) -> int:
    return MADE_UP + _POOLS.index(kind) * _POOL + number


def _moment(interval: Interval, number: int, count: int) -> int:
    """Return the moment of one of `count` rows that are spread over an interval, in microseconds since 1970 UTC."""
    length = (interval.end - interval.start) / datetime.timedelta(microseconds=1)
    return round(interval.start.timestamp() * 1_000_000) + int(length * number / max(count, 1))


@cache
def _fields(kind: type[rows.Row]) -> tuple[tuple[str, Any, Any], ...]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return tuple((name, *_kind_of(hints[name])) for name in kind.__struct_fields__)


def _kind_of(hint: Any) -> tuple[Any, Any]:
    """Return what a column contains, a `ColumnKind`, a type or `list`, and the type of the items of a list."""
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
    """Return a made-up row. Rows of the same number name the same entities in every report."""
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
