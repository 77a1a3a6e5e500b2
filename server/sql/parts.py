"""Cut what a statement needs of a table into parts: one for each day and each combination of keys.

A part is one file of the spool, so statements with other windows share it.
"""

import datetime
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from zoneinfo import ZoneInfo

from server.http.request_error import RequestError
from server.sql.table import SqlSource, SqlTable
from server.sql.windows import Scan
from server.tables import days as calendar
from server.tables.window import MOST_DAYS, TableWindow, cut
from upstream.values import interval

MOST_PARTS = 5_000
# Up to this many values, a narrow way is read once for each of them, although another way reads all at once.
FEW_KEYS = 10
_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SqlPart:
    """A part of a table: the variables of its document, and its days. `keys` are the values of its key columns."""

    variables: Mapping[str, str]
    window: TableWindow | None
    keys: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TableParts:
    """The parts of one scan, and the way to read them."""

    table: SqlTable
    source: SqlSource
    parts: Sequence[SqlPart]


def parts_of(scan: Scan, table: SqlTable, now: datetime.datetime, zone: ZoneInfo) -> TableParts:
    """Return the parts that a statement needs. Raises RequestError if it does not say which days or keys."""
    needed = scan.needed
    if needed is None or any(not values for values in needed.values()):
        return TableParts(table, table.sources[-1], ())
    named = {name: values for name, values in needed.items() if isinstance(values, frozenset)}
    source, keys = _way(table, named)
    windows = _windows(table, needed, now, zone)
    count = len(windows) * math.prod(len(named[key]) for key in keys)
    if count > MOST_PARTS:
        raise _unbounded(
            f"{table.shown} would be read in {count:,} parts, and {MOST_PARTS:,} are allowed: name fewer days or keys."
        )
    combined = [dict(zip(keys, values, strict=True)) for values in product(*(sorted(named[key]) for key in keys))]
    parts = [
        SqlPart(
            {source.keys[name].name: value for name, value in values.items()},
            window,
            {**_same(table, source, window), **values},
        )
        for window in windows
        for values in combined
    ]
    return TableParts(table, source, parts)


def _same(table: SqlTable, source: SqlSource, window: TableWindow | None) -> dict[str, str]:
    """Return the values that all rows of a part have, beside those that the statement names."""
    found = {name.lower(): key.default for name, key in source.keys.items() if isinstance(key.default, str)}
    if table.of_part and table.time is not None and window is not None:
        found[table.time.name] = str(window.pieces[0].day)
    return found


def _way(table: SqlTable, named: Mapping[str, frozenset[str]]) -> tuple[SqlSource, list[str]]:
    """Return the way to read a table, and the keys with which it is read."""
    able = [source for source in table.sources if all(name.lower() in named for name in source.required)]
    if not able:
        demands = " or ".join(dict.fromkeys(name for source in table.sources for name in source.required))
        name = table.sources[-1].required[0]
        raise _unbounded(
            f"{table.shown} is read by {demands}: say which, for example WHERE {name} = {_example(table, name)!r}."
        )
    for source in able:
        keys = [name for name in source.keys if name.lower() in named]
        few = all(len(named[name.lower()]) <= FEW_KEYS for name in keys)
        if few or source is able[-1]:
            # Without the value of an optional key, all rows are read and the statement chooses. A default is not all.
            used = keys if few else [name for name in keys if source.chooses(name)]
            return source, [name.lower() for name in used]
    raise AssertionError("the last way is always taken")


def _example(table: SqlTable, name: str) -> str:
    for source in table.sources:
        variable = source.keys.get(name)
        found = source.saved.variables.get(variable.name) if variable is not None else None
        if isinstance(found, str) and not found.startswith("@"):
            return found
    return "1"


def _windows(
    table: SqlTable, needed: Mapping[str, object], now: datetime.datetime, zone: ZoneInfo
) -> Sequence[TableWindow | None]:
    """Return the days to read, each as a window of its own; None for a table without time."""
    if table.time is None:
        return [None]
    days = needed.get(table.time.name.lower(), calendar.ALL)
    assert isinstance(days, int)
    left = _bounded(table, days, now, zone)
    if calendar.count(left) > MOST_DAYS:
        raise _unbounded(
            f"{table.shown} would be read for {calendar.count(left):,} days, and {MOST_DAYS:,} are allowed: bound "
            f"{table.time.name} closer."
        )
    return [
        cut(interval.dates(piece.day, piece.day, zone), zone)
        for first, last in calendar.runs(left)
        for piece in cut(interval.dates(first, last, zone), zone).pieces
    ]


def _bounded(table: SqlTable, days: int, now: datetime.datetime, zone: ZoneInfo) -> int:
    """Return the days to read, if their number is limited on both sides."""
    assert table.time is not None
    today = now.astimezone(zone).date()
    name, yesterday = _quoted(table.time.name), today - _DAY
    example = f"{name} >= '{yesterday}' AND {name} < '{today}'"
    if days & calendar.EARLIER:
        missing = "the first day" if not days & calendar.LATER else "the days"
        raise _unbounded(
            f"The statement does not say {missing} to read of {table.shown}: bound its time, for example "
            f"WHERE {example}."
        )
    if table.ahead:
        if days & calendar.LATER:
            raise _unbounded(
                f"The statement does not say the last day to read of {table.shown}, and its rows may lie ahead: bound "
                f"its time, for example WHERE {example}."
            )
        return days
    return days & calendar.until(today)  # no row lies in the future


def _quoted(name: str) -> str:
    return name if name.islower() else f'"{name}"'


def _unbounded(message: str) -> RequestError:
    return RequestError(400, "SQL_UNBOUNDED", message)
