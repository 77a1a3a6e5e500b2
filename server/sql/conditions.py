"""Find the days and keys for which a condition can be true, and those for which it can be false.

A region has a set for each column that the condition restricts: a set of days (`server.tables.days`) or of keys. None
is the region without rows. Sets may be too large, never too small. A column is restricted only if the condition is not
true (or not false) for a null in it. So the regions also hold for rows that an outer join has filled with nulls.
"""

import datetime
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from sqlglot import exp

from server.sql.constants import Moment, moment_of, unit_of
from server.tables import days as calendar

Kind = Literal["moment", "day", "key"]
# A set of days is a number, a set of keys a frozenset.
Values = int | frozenset[str]
Place = tuple[int, str]
Region = Mapping[Place, Values] | None

EVERYWHERE: Region = {}
NOWHERE: Region = None

_WORDS: dict[type[exp.Expr], str] = {
    exp.EQ: "eq", exp.NEQ: "ne", exp.LT: "lt", exp.LTE: "le", exp.GT: "gt", exp.GTE: "ge",
}  # fmt: skip
_INTEGERS = frozenset({exp.DType.INT, exp.DType.BIGINT, exp.DType.INT128})
_TEXTS = frozenset({exp.DType.TEXT, exp.DType.VARCHAR})
_NAIVE = frozenset({exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ, exp.DType.DATETIME})
_UNITS = frozenset({"week", "month", "quarter", "year", "hour", "minute", "second"})
_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ScanColumn:
    """A column of a source of a select: its place, and the kind of values that restrict what is read."""

    place: Place
    kind: Kind


@dataclass(frozen=True, slots=True)
class Truth:
    """The regions in which a condition can be true, and in which it can be false."""

    true: Region = None
    false: Region = None

    def __and__(self, other: "Truth") -> "Truth":
        return Truth(both(self.true, other.true), either(self.false, other.false))

    def __or__(self, other: "Truth") -> "Truth":
        return Truth(either(self.true, other.true), both(self.false, other.false))

    def __invert__(self) -> "Truth":
        return Truth(self.false, self.true)


UNKNOWN = Truth(EVERYWHERE, EVERYWHERE)
ALWAYS = Truth(EVERYWHERE, NOWHERE)
NEVER = Truth(NOWHERE, EVERYWHERE)
NULL = Truth(NOWHERE, NOWHERE)


def both(first: Region, second: Region) -> Region:
    """Return the intersection of two regions. A set of it may be empty: then no row of that source is needed."""
    if first is None or second is None:
        return None
    found = dict(first)
    for place, values in second.items():
        found[place] = intersection(found[place], values) if place in found else values
    return found


def either(first: Region, second: Region) -> Region:
    """Return a region that contains two regions."""
    if first is None or second is None:
        return second if first is None else first
    return {place: union(values, second[place]) for place, values in first.items() if place in second}


def intersection(first: Values, second: Values) -> Values:
    """Return the values of both sets."""
    if isinstance(first, int) and isinstance(second, int):
        return first & second
    assert isinstance(first, frozenset)
    assert isinstance(second, frozenset)
    return first & second


def union(first: Values, second: Values) -> Values:
    """Return the values of either set."""
    if isinstance(first, int) and isinstance(second, int):
        return first | second
    assert isinstance(first, frozenset)
    assert isinstance(second, frozenset)
    return first | second


class SqlConditions:
    """Read the conditions of one select. `resolve` returns the place of a column; None for one of no interest."""

    def __init__(self, resolve: Callable[[exp.Column], ScanColumn | None], zone: ZoneInfo) -> None:
        self._resolve = resolve
        self._zone = zone

    def truth(self, node: exp.Expr) -> Truth:
        """Return the regions of a condition."""
        match node:
            case exp.Paren():
                return self.truth(node.this)
            case exp.And() | exp.Or():
                parts = [self.truth(part) for part in node.flatten()]
                joined = Truth.__and__ if isinstance(node, exp.And) else Truth.__or__
                return functools.reduce(joined, parts)
            case exp.Not():
                return ~self.truth(node.this)
            case exp.Boolean():
                return ALWAYS if node.this else NEVER
            case exp.Null():
                return NULL
            case exp.Between() if not node.args.get("symmetric"):
                low = self._compared("ge", node.this, node.args["low"])
                return low & self._compared("le", node.this, node.args["high"])
            case exp.In() if {name for name, value in node.args.items() if value} == {"this", "expressions"}:
                parts = [self._compared("eq", node.this, one) for one in node.expressions]
                return functools.reduce(Truth.__or__, parts)
            case exp.EQ() | exp.NEQ() | exp.LT() | exp.LTE() | exp.GT() | exp.GTE():
                return self._compared(_WORDS[type(node)], node.this, node.expression)
        return UNKNOWN

    def place(self, node: exp.Expr) -> ScanColumn | None:
        """Return the place of an expression that is a plain column, or the day of one."""
        found = self._aspect(node)
        if found is None or found[1] not in ("key", "moment", "day"):
            return None
        where, aspect = found
        if aspect == "day" and isinstance(node, exp.TimestampTrunc | exp.DateTrunc):
            return ScanColumn(where.place, "moment")  # midnight of the day
        return ScanColumn(where.place, aspect)  # type: ignore[arg-type]

    def _compared(self, word: str, left: exp.Expr, right: exp.Expr) -> Truth:
        if isinstance(left, exp.Literal) and isinstance(right, exp.Literal):
            return _of_literals(word, left, right)
        found = self._aspect(left)
        if found is None:
            found, right, word = self._aspect(right), left, calendar.TURNED[word]
        if found is None:
            return UNKNOWN
        where, aspect = found
        if where.kind == "key":
            return _of_key(where.place, aspect, word, right)
        if aspect == "year":
            if not isinstance(right, exp.Literal) or right.is_string:
                return UNKNOWN
            return _truth(where.place, calendar.when("year", word, Decimal(right.this), self._zone))
        value = moment_of(right, self._zone)
        if value is None:
            return UNKNOWN
        try:
            return _truth(where.place, self._days(aspect, word, value))
        except (OverflowError, ValueError):  # at an end of the calendar
            return UNKNOWN

    def _aspect(self, node: exp.Expr) -> tuple[ScanColumn, str] | None:
        """Return the column of one side of a comparison, and the aspect of it that is compared."""
        while isinstance(node, exp.Paren):
            node = node.this
        if isinstance(node, exp.Column):
            where = self._resolve(node)
            return None if where is None else (where, where.kind)
        inner = node.expression if isinstance(node, exp.Extract) else node.this
        if not isinstance(inner, exp.Column):
            return None
        where = self._resolve(inner)
        aspect = None if where is None else _aspect_of(node, where.kind)
        return None if where is None or aspect is None else (where, aspect)

    def _days(self, aspect: str, word: str, value: Moment) -> calendar.ODataDays:
        if aspect == "moment":
            return self._of_moment(word, value)
        if isinstance(value, datetime.datetime):
            value = value.astimezone(self._zone).replace(tzinfo=None) if value.tzinfo is not None else value
        day = value.date() if isinstance(value, datetime.datetime) else value
        if aspect == "day" and (not isinstance(value, datetime.datetime) or value.time() == datetime.time()):
            return calendar.when("day", word, day, self._zone)
        if aspect in ("day", "wall"):
            return _around(word, day, day)
        return _around(word, day, _last_of(aspect, day))

    def _of_moment(self, word: str, value: Moment) -> calendar.ODataDays:
        if not isinstance(value, datetime.datetime):
            value = datetime.datetime.combine(value, datetime.time())
        if value.tzinfo is not None:
            return calendar.when("moment", word, value.astimezone(datetime.UTC), self._zone)
        # A time that the clock shows twice can mean either moment.
        moments = {value.replace(tzinfo=self._zone, fold=fold).astimezone(datetime.UTC) for fold in (0, 1)}
        found = [calendar.when("moment", word, moment, self._zone) for moment in moments]
        return calendar.ODataDays(
            functools.reduce(int.__or__, (one.true for one in found)),
            functools.reduce(int.__or__, (one.false for one in found)),
        )


def _aspect_of(node: exp.Expr, kind: Kind) -> str | None:
    """Return the aspect of a column that a function of it gives."""
    if isinstance(node, exp.Cast) and not isinstance(node, exp.TryCast):
        return _aspect_of_cast(node.to.this, kind)
    if kind == "key":
        return None
    if isinstance(node, exp.Date) and not node.expressions and node.args.get("zone") is None:
        return "day"
    if isinstance(node, exp.TsOrDsToDate):
        return "day"
    if isinstance(node, exp.TimestampTrunc | exp.DateTrunc):
        unit = unit_of(node.args.get("unit"))
        return "day" if unit == "day" else unit if unit in _UNITS else None
    if isinstance(node, exp.Year) or (isinstance(node, exp.Extract) and node.name.lower() == "year"):
        return "year"
    return None


def _aspect_of_cast(target: exp.DType, kind: Kind) -> str | None:
    if kind == "key":
        return "number" if target in _INTEGERS else "key" if target in _TEXTS else None
    if target == exp.DType.DATE:
        return "day"
    if target in _NAIVE:
        return "wall"  # the time on the clock of the zone
    return kind if target == exp.DType.TIMESTAMPTZ and kind == "moment" else None


def _of_literals(word: str, left: exp.Literal, right: exp.Literal) -> Truth:
    """Return the truth of a comparison of two literals, such as 1 = 0."""
    if word not in ("eq", "ne") or not (left.is_int and right.is_int):
        return UNKNOWN
    return ALWAYS if (int(left.this) == int(right.this)) is (word == "eq") else NEVER


def _of_key(place: Place, aspect: str, word: str, right: exp.Expr) -> Truth:
    while isinstance(right, exp.Paren):
        right = right.this
    if word not in ("eq", "ne") or not isinstance(right, exp.Literal):
        return UNKNOWN
    if not right.is_string and not right.is_int:
        return UNKNOWN
    if aspect == "number" and right.is_string and not right.this.isdecimal():
        return UNKNOWN
    value = str(int(right.this)) if aspect == "number" or not right.is_string else right.this
    found = Truth({place: frozenset({value})}, EVERYWHERE)
    return found if word == "eq" else ~found


def _truth(place: Place, days: calendar.ODataDays) -> Truth:
    # Not every comparison is false for a null; but none is true or false.
    return Truth(_region(place, days.true), _region(place, days.false))


def _region(place: Place, days: int) -> Region:
    return None if days == calendar.NONE else {place: days}


def _last_of(unit: str, day: datetime.date) -> datetime.date:
    """Return the last day of the unit that contains a day."""
    match unit:
        case "week":
            return day + (6 - day.weekday()) * _DAY
        case "month" | "quarter":
            months = 1 if unit == "month" else 3
            year, month = divmod(day.year * 12 + (day.month - 1) // months * months + months, 12)
            return datetime.date(year, month + 1, 1) - _DAY
        case "year":
            return day.replace(month=12, day=31)
    return day + _DAY


def _around(word: str, first: datetime.date, last: datetime.date) -> calendar.ODataDays:
    """Return the days of a comparison of the beginning of a unit with a value.

    The value lies on the first day. The unit that contains it ends on the last, or before it.
    """
    later, earlier = calendar.since(first), calendar.until(last)
    match word:
        case "eq":
            return calendar.ODataDays(calendar.between(first, last), calendar.ALL)
        case "ne":
            return calendar.ODataDays(calendar.ALL, calendar.between(first, last))
        case "ge" | "gt":
            return calendar.ODataDays(later, earlier)
    return calendar.ODataDays(earlier, later)
