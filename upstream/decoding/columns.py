"""Make the values of a column canonical: the whole column at once, or value by value where that is not possible."""

import datetime
import re
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from upstream.decoding.plan import ColumnDecoder
from upstream.reports.rows import ColumnKind, Row
from upstream.values import clock, moment, money
from upstream.values.bad_value import BadValue, quoted
from upstream.values.code import NO_CODES, code_or_none
from upstream.values.money import AMOUNTS

# Notes a bad value: place of the row in the list, path inside the row, what is wrong. Returns the value for the row.
OnBadValue = Callable[[int, str, str], BadValue]


_ID = re.compile(r"-?[0-9]{1,40}")


def _id_or_none(value: int | str) -> int | None:
    """Return an id, or None for the ways to write "none". Raise ValueError."""
    if isinstance(value, str):
        if value == "":
            return None
        if _ID.fullmatch(value) is None:
            raise ValueError("is not an id")
        value = int(value)
    return value or None


_SCALARS = {int, str, types.NoneType}


_CONVERTERS: dict[ColumnKind, Callable[[Any], Any]] = {
    ColumnKind.NO_ID: _id_or_none,
    ColumnKind.CODE: code_or_none,
    ColumnKind.MONEY: money.amount,
}


_INTEGERS, _TEXTS, NUMBERS = {int}, {str}, {int, str}


_NO_IDS, _CODES = {int, types.NoneType}, {str, types.NoneType}


def decode_column(column: ColumnDecoder, zone: ZoneInfo, rows: Sequence[Row], on_bad_value: OnBadValue) -> None:
    """Make one column of the rows canonical."""
    values = list(map(column.get, rows))
    kinds = set(map(type, values))
    canonical = _decode_at_once(column.kind, column.required, values, kinds, zone) if kinds <= _SCALARS else None
    if canonical is None:
        _decode_one_by_one(column, rows, values, zone, on_bad_value)
    # Most values are canonical as they come.
    elif canonical is not values and canonical != values:
        name = column.name
        for each, old, new in zip(rows, values, canonical, strict=True):
            if new != old:
                setattr(each, name, new)


def _decode_one_by_one(
    column: ColumnDecoder, rows: Sequence[Row], values: list[Any], zone: ZoneInfo, on_bad_value: OnBadValue
) -> None:
    """Make a column canonical value by value, equal values once. `on_bad_value` returns what replaces a bad one."""
    name = column.name
    # Compared by type as well, because True equals 1 as a key.
    found, wrong = _convert_values(column, {value for value in values if type(value) in _SCALARS}, zone)
    good: list[Row] = []
    for place, (row, value) in enumerate(zip(rows, values, strict=True)):
        if type(value) not in _SCALARS:
            if type(value) is not BadValue:
                setattr(row, name, on_bad_value(place, name, f"{quoted(value)} is neither a number nor a text"))
        elif value in wrong:
            setattr(row, name, on_bad_value(place, name, f"{quoted(value)} {wrong[value]}"))
        else:
            good.append(row)
    if column.kind is ColumnKind.MOMENT and any(isinstance(time, datetime.datetime) for time in found.values()):
        _set_repeated_hour(column, good, found, zone)
        return
    for row in good:
        setattr(row, name, found[column.get(row)])


def _decode_at_once(
    kind: ColumnKind, required: bool, values: list[Any], kinds: set[type], zone: ZoneInfo
) -> list[Any] | None:
    """Return the canonical values if all values have one regular form; None if they have to be converted one by one."""
    if kind is ColumnKind.MONEY:
        if kinds <= NUMBERS:
            try:
                return list(map(AMOUNTS.__getitem__, values))
            except ValueError:
                return None
        return None
    if kind is ColumnKind.MOMENT:
        if kinds == _INTEGERS and 0 not in values and min(values) >= moment.FIRST and max(values) <= moment.LAST:
            return [value * 1_000_000 for value in values]
        if kinds == _TEXTS:
            try:
                return clock.reader(zone, values[0].endswith("Z")).read(values)
            except ValueError:
                return None
        return None
    if required and types.NoneType in kinds:
        return None
    if kind is ColumnKind.NO_ID:
        return values if kinds <= _NO_IDS and 0 not in values else None
    if kinds <= _CODES:
        if NO_CODES.isdisjoint(values):
            return values
        return None if required else [None if value in NO_CODES else value for value in values]
    return list(map(str, values)) if kinds == _INTEGERS and 0 not in values else None


def _convert_values(
    column: ColumnDecoder, values: Iterable[Any], zone: ZoneInfo
) -> tuple[dict[Any, Any], dict[Any, str]]:
    """Return the converted values, and a message for each value that cannot be converted."""
    found: dict[Any, Any] = {}
    wrong: dict[Any, str] = {}
    for value in values:
        try:
            found[value] = _decode_value(column.kind, value, zone)
        except ValueError as error:
            wrong[value] = str(error)
            continue
        if found[value] is None and column.required:
            wrong[value] = "must not be empty"
    return found, wrong


def _decode_value(kind: ColumnKind, value: Any, zone: ZoneInfo) -> Any:
    """Return the canonical value. Raise ValueError."""
    if value is None:
        return None
    if kind is ColumnKind.MOMENT:
        return None if moment.is_none(value) else moment.moment(value, zone)
    return _CONVERTERS[kind](value)


def _set_repeated_hour(column: ColumnDecoder, rows: Sequence[Row], found: dict[Any, Any], zone: ZoneInfo) -> None:
    """Set a column of times of which some occur twice on the clock (C29).

    Each of these is read as the first of the two, whatever the neighbouring rows say.
    """
    timed = [row for row in rows if found[column.get(row)] is not None]
    times = [found[column.get(row)] for row in timed]
    instants = [time if isinstance(time, int) else moment.local(time, zone) for time in times]
    for row in rows:
        if found[column.get(row)] is None:
            setattr(row, column.name, None)
    for row, instant in zip(timed, instants, strict=True):
        setattr(row, column.name, instant)
