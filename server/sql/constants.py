"""Evaluate the constants of a statement that are compared with times: literals, casts, today, and intervals.

A result is a date or a date-time. A date-time without an offset is in the business time zone. An expression that is not
known here has no value: then it restricts nothing.
"""

import calendar
import datetime
import re
from zoneinfo import ZoneInfo

from sqlglot import exp

Moment = datetime.date | datetime.datetime

_TEXT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(Z|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
_DATES = (exp.DType.DATE,)
_NAIVE = (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ, exp.DType.DATETIME)
_AWARE = (exp.DType.TIMESTAMPTZ,)
_CLOCKS = (exp.CurrentTimestamp, exp.CurrentDatetime)
_NOW = frozenset({"now", "get_current_timestamp", "transaction_timestamp"})
_MOST = 100_000


def with_clock(statement: exp.Expr, now: datetime.datetime, zone: ZoneInfo) -> exp.Expr:
    """Return the statement with the given moment in place of `now()`, and its day in place of `current_date`.

    So the days that are read and the days that the statement compares with are the same, also at midnight.
    """
    local = now.astimezone(zone)

    def fixed(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.CurrentDate):
            return exp.cast(exp.Literal.string(local.date().isoformat()), "DATE")
        named = node.name.lower() if isinstance(node, exp.Anonymous) and not node.expressions else ""
        if isinstance(node, _CLOCKS) or named in _NOW or type(node).__name__ == "Now":
            return exp.cast(exp.Literal.string(local.isoformat(" ", "microseconds")), "TIMESTAMPTZ")
        if named == "today":
            return exp.cast(exp.Literal.string(local.date().isoformat()), "DATE")
        return node

    return statement.transform(fixed)


def moment_of(node: exp.Expr, zone: ZoneInfo) -> Moment | None:
    """Return the value of a constant; None if it is not known."""
    try:
        return _value(node, zone)
    except (ValueError, OverflowError):
        return None


def _value(node: exp.Expr, zone: ZoneInfo) -> Moment | None:
    if isinstance(node, exp.Paren):
        return _value(node.this, zone)
    if isinstance(node, exp.Literal) and node.is_string:
        return _of_text(node.this)
    if isinstance(node, exp.Cast):
        return _as(_value(node.this, zone), node, zone)
    if isinstance(node, exp.Date) and not node.expressions and node.args.get("zone") is None:
        return _day(_value(node.this, zone), zone)
    if isinstance(node, exp.Add | exp.Sub):
        return _moved(node, zone)
    if isinstance(node, exp.TimestampTrunc | exp.DateTrunc):
        return _truncated(_value(node.this, zone), unit_of(node.args.get("unit")), zone)
    return None


def _of_text(text: str) -> Moment | None:
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        return None
    day, time, offset = found.groups()
    if time is None:
        return datetime.date.fromisoformat(day)
    if offset is not None and len(time) == 5:
        return None  # DuckDB wants the seconds
    return datetime.datetime.fromisoformat(f"{day}T{time}{offset or ''}")


def _as(value: Moment | None, node: exp.Cast, zone: ZoneInfo) -> Moment | None:
    kind = node.to.this
    if value is None:
        return None
    if kind in _DATES:
        return _day(value, zone)
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime.combine(value, datetime.time())
    if kind in _AWARE:
        return value if value.tzinfo is not None else value.replace(tzinfo=zone)
    if kind in _NAIVE:
        if value.tzinfo is not None and isinstance(node.this, exp.Literal):
            return None
        return value if value.tzinfo is None else value.astimezone(zone).replace(tzinfo=None)
    return None


def _day(value: Moment | None, zone: ZoneInfo) -> datetime.date | None:
    if isinstance(value, datetime.datetime):
        return (value.astimezone(zone) if value.tzinfo is not None else value).date()
    return value


def _moved(node: exp.Add | exp.Sub, zone: ZoneInfo) -> Moment | None:
    """Return a moment plus or minus an interval, or a date plus or minus a number of days."""
    left, right = node.this, node.expression
    if isinstance(node, exp.Add) and isinstance(left, exp.Interval):
        left, right = right, left
    # A text has a type of its own only with a cast.
    if isinstance(left, exp.Literal):
        return None
    value = _value(left, zone)
    if value is None:
        return None
    sign = 1 if isinstance(node, exp.Add) else -1
    if isinstance(right, exp.Literal) and right.is_int and not isinstance(value, datetime.datetime):
        return value + datetime.timedelta(days=sign * _bounded(int(right.this)))
    if not isinstance(right, exp.Interval) or right.this is None:
        return None
    text = right.this.this if isinstance(right.this, exp.Literal) else ""
    if not re.fullmatch(r"-?\d{1,6}", str(text), re.ASCII):
        return None
    number = sign * _bounded(int(text))
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime.combine(value, datetime.time())
    return _shifted(value, number, unit_of(right.args.get("unit")), zone)


def _bounded(number: int) -> int:
    if abs(number) > _MOST:
        raise ValueError("out of the calendar")
    return number


def _shifted(value: datetime.datetime, number: int, unit: str, zone: ZoneInfo) -> datetime.datetime | None:
    local = value.astimezone(zone) if value.tzinfo is not None else value
    months = {"month": 1, "quarter": 3, "year": 12}.get(unit)
    if months is not None:
        place = local.year * 12 + local.month - 1 + number * months
        year, month = divmod(place, 12)
        day = min(local.day, calendar.monthrange(year, month + 1)[1])
        return local.replace(year=year, month=month + 1, day=day)
    if unit in ("day", "week"):
        return local + datetime.timedelta(days=number * (7 if unit == "week" else 1))  # on the clock of the zone
    if unit in ("hour", "minute", "second"):
        moved = datetime.timedelta(**{f"{unit}s": number})
        return value + moved if value.tzinfo is None else (value.astimezone(datetime.UTC) + moved)
    return None


def _truncated(value: Moment | None, unit: str, zone: ZoneInfo) -> Moment | None:
    """Return the beginning of the unit of days that a moment lies in."""
    if value is None:
        return None
    day = _day(value, zone)
    assert day is not None
    match unit:
        case "day":
            first = day
        case "week":
            first = day - datetime.timedelta(days=day.weekday())
        case "month":
            first = day.replace(day=1)
        case "quarter":
            first = day.replace(month=day.month - (day.month - 1) % 3, day=1)
        case "year":
            first = day.replace(month=1, day=1)
        case _:
            return None
    if not isinstance(value, datetime.datetime):
        return first
    begin = datetime.datetime.combine(first, datetime.time())
    return begin.replace(tzinfo=zone) if value.tzinfo is not None else begin


def unit_of(node: exp.Expr | None) -> str:
    """Return the name of a unit of time in the singular."""
    return "" if node is None else node.name.lower().removesuffix("s")
