"""One thing in several reports: its figures as data, and two ways to compare rows of it.

`compare` takes one row of each report. `match` takes two lists of rows that have no common key.
"""

import datetime
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import cached_property
from operator import attrgetter
from typing import Any

from upstream.reports.spelling import fold

WHOLE_ROW = "(row)"
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class Statement:
    """One value: the report, its column, and the text of the value."""

    report: str
    column: str
    value: str | None

    def __str__(self) -> str:
        return f"{self.report} {self.column} {'-' if self.value is None else self.value}"


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of one thing that should be the same in all reports, and is not."""

    compared: str
    key: str
    column: str
    statements: tuple[Statement, ...]

    def to_dict(self) -> "dict[str, Any]":
        """Return the difference with the names that it has in JSON."""
        return {
            "compared": self.compared,
            "key": self.key,
            "column": self.column,
            "told": [asdict(statement) for statement in self.statements],
        }


@dataclass(frozen=True, eq=False)
class Figure:
    """One figure of a thing: its column in each report, by name or by a function that reads it.

    A report may leave out an `optional` figure (C16). `loose` texts are compared as upstreams may compare them.
    """

    name: str
    columns: Mapping[str, "str | tuple[str, Callable[[Any], Any]]"]
    money: bool = False
    optional: bool = False
    time: bool = False
    loose: bool = False

    def of(self, report: str, row: Any) -> "tuple[str, Any]":
        """Return the name of the column and its value."""
        column = self.columns[report]
        return (column, getattr(row, column)) if isinstance(column, str) else (column[0], column[1](row))

    @cached_property
    def readers(self) -> Mapping[str, Callable[[Any], Any]]:
        """Return, by report, what reads the value in the form in which it is compared."""
        return {report: self._reader(column) for report, column in self.columns.items()}

    def _reader(self, column: "str | tuple[str, Callable[[Any], Any]]") -> Callable[[Any], Any]:
        read = attrgetter(column) if isinstance(column, str) else column[1]
        written = Decimal if self.money else loose if self.loose else None

        def reader(row: Any) -> Any:
            found = read(row)
            if found is None:
                return None
            if written is not None:
                return written(found)
            return tuple(found) if isinstance(found, list) else found

        return reader


def figure(
    name: str, *, money: bool = False, optional: bool = False, time: bool = False, loose: bool = False, **columns: Any
) -> Figure:  # fmt: skip
    """Make a figure from its columns by report."""
    return Figure(name, columns, money, optional, time, loose)


def loose(value: Any) -> str:
    """Return a text without what upstreams may ignore when they compare: case, accents and trailing blanks (C27)."""
    return fold(str(value))


def compare(compared: str, key: str, rows: Mapping[str, Any], figures: Iterable[Figure]) -> Iterable[Difference]:
    """Compare the rows of one thing, one row of each report."""
    for one in figures:
        readers = one.readers
        values = {report: readers[report](row) for report, row in rows.items() if report in readers}
        if one.optional:
            values = {report: value for report, value in values.items() if value is not None}
        if len(set(values.values())) > 1:
            statements = ((report, *one.of(report, rows[report])) for report in values)
            yield Difference(
                compared, key, one.name, tuple(Statement(r, c, text(value, one.time)) for r, c, value in statements)
            )


def match(
    compared: str, key: str, sides: Mapping[str, Sequence[Any]], figures: Sequence[Figure], what: str
) -> Iterable[Difference]:
    """Compare two lists of rows without a common key.

    Rows that are the same in every figure cancel out. Rows that are the same in all figures but one are a pair, and
    differ in that figure. Every other row is missing on the other side. The time grows with the number of rows alone.
    """
    (left, ours), (right, others) = sides.items()
    if not ours and not others:
        return
    # A figure that one side never has cannot be compared.
    had = [one for one in figures if not one.optional or all(_has(one, *side) for side in sides.items())]
    steps: list[tuple[Sequence[Figure], Figure | None]] = [(had, None)]
    steps += [(had, one) for one in sorted(had, key=lambda one: not one.optional)]
    for compared_by, skipped in steps:
        if not ours or not others:
            break
        mine, theirs = ([one.readers[side] for one in compared_by if one is not skipped] for side in (left, right))
        waiting: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
        for row in reversed(others):
            waiting[tuple([read(row) for read in theirs])].append(row)
        alone = []
        for row in ours:
            found = waiting.get(tuple([read(row) for read in mine]))
            if not found:
                alone.append(row)
            elif skipped is not None:
                name = f"{key}, {what} {_named(figures, left, row)}"
                yield from compare(compared, name, {left: row, right: found.pop()}, (skipped,))
            else:
                found.pop()
        ours, others = alone, [row for rows in waiting.values() for row in reversed(rows)]
    for row in ours:
        yield missing(compared, f"{key}, {what} {_named(figures, left, row)}", left, right)
    for row in others:
        yield missing(compared, f"{key}, {what} {_named(figures, right, row)}", right, left)


def missing(compared: str, key: str, there: str, absent: str) -> Difference:
    """Return the difference for a row that one report has and the other has not."""
    return Difference(compared, key, WHOLE_ROW, (Statement(there, "row", "told"), Statement(absent, "row", None)))


def money(value: Decimal) -> str:
    """Write a sum with at least two decimals, without a minus before zero."""
    written = f"{value:f}"
    whole, _, decimals = (written.removeprefix("-") if not value else written).partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}"


def text(value: Any, time: bool = False) -> str | None:
    """Write a value for people; `time` says that it is an instant in microseconds."""
    if value is None:
        return None
    if time:
        return (_EPOCH + datetime.timedelta(microseconds=value)).isoformat()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _has(one: Figure, report: str, rows: Sequence[Any]) -> bool:
    read = one.readers[report]
    return not rows or any(read(row) is not None for row in rows)


def _named(figures: Sequence[Figure], report: str, row: Any) -> str:
    first = figures[0]
    return text(first.of(report, row)[1], first.time) or "-"
