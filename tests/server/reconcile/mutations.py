"""Every column of every report, taken from the row structs, and one changed value of each in a real answer."""

import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from tests.server.changing_proxy import other
from upstream.call import Call
from upstream.reports.rows import Row
from upstream.reports.table import REPORTS, Report

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Mutation:
    """One column, and the place of one value of it in the answer to a call."""

    report: Report
    column: tuple[str, ...]
    call: Call
    place: Path

    def __str__(self) -> str:
        return f"{self.report.code} {'.'.join(self.column)}"

    @property
    def report_type(self) -> str:
        """Return the name of the report in an address, by which the proxy finds its answers."""
        return self.report.report_type

    def strike(self, request: dict[str, Any], rows: list[Any]) -> None:
        """Change the value."""
        *path, last = self.place
        found: Any = rows
        for step in path:
            found = found[step]
        found[last] = other(found.get(last) if isinstance(found, dict) else found[last])


def columns() -> list[tuple[Report, tuple[str, ...]]]:
    """Return every column of every report, those of nested rows as paths."""
    return [(report, path) for report in REPORTS for path in _columns(report.row)]


def _columns(row: type[Row]) -> Iterator[tuple[str, ...]]:
    hints = get_type_hints(row)
    for name in row.__struct_fields__:
        nested = list(_rows(hints[name]))
        assert len(nested) <= 1, (row, name)
        if nested:
            yield from ((name, *rest) for rest in _columns(nested[0]))
        else:
            yield (name,)


def _rows(hint: Any) -> Iterator[type[Row]]:
    """Return the kinds of rows that a type holds."""
    if isinstance(hint, type) and issubclass(hint, Row):
        yield hint
    elif get_origin(hint) in (list, dict, Union, types.UnionType):
        yield from dict.fromkeys(row for part in get_args(hint) for row in _rows(part))


def place_of(column: tuple[str, ...], rows: list[Any], start: Path, wanted: Callable[[Any], bool]) -> Path | None:
    """Return the place of the first value of a column that is wanted; without one, a place where it could be."""
    found: list[tuple[Any, Path]] = list(_places(column, rows, start))
    there = (place for value, place in found if value not in (None, "", 0, "0", []) and wanted(value))
    return next(there, found[0][1] if found else None)


def _places(column: tuple[str, ...], value: Any, path: Path) -> Iterator[tuple[Any, Path]]:
    """Return the values of a column below a value, each with its place. A part may be a list, or keyed by an id."""
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from _places(column, one, (*path, index))
    elif isinstance(value, dict):
        name, *rest = column
        if name not in value and value and all(isinstance(one, dict) for one in value.values()):
            for key, one in value.items():
                yield from _places(column, one, (*path, key))
        elif not rest:
            yield value.get(name), (*path, name)
        elif name in value:
            yield from _places(tuple(rest), value[name], (*path, name))
