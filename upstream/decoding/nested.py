"""Make the columns of objects inside rows canonical."""

from collections.abc import Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from upstream.decoding.columns import OnBadValue, decode_column
from upstream.decoding.plan import NestedDecoder, decoding_plan
from upstream.reports.rows import Row
from upstream.values.bad_value import BadValue


def decode_nested(nest: NestedDecoder, zone: ZoneInfo, rows: Sequence[Row], on_bad_value: OnBadValue) -> None:
    """Make one nested column of the rows canonical."""
    if nest.single:
        _take_single_objects(nest, rows, on_bad_value)

    def on_bad_value_inside(place: int, path: str, what: str) -> BadValue:
        # Computed only here, because bad values are rare: the row and the path of a place in the list of all objects.
        for number, value in enumerate(map(nest.get, rows)):
            inside = list(_paths_of_objects(nest.name, value, nest.row))
            if place < len(inside):
                return on_bad_value(number, f"{inside[place]}.{path}", what)
            place -= len(inside)
        raise IndexError(place)

    _decode_rows(list(_objects(map(nest.get, rows), nest.row)), nest.row, zone, on_bad_value_inside)


def _decode_rows(rows: Sequence[Row], row: type[Row], zone: ZoneInfo, on_bad_value: OnBadValue) -> None:
    """Make all open columns of the rows canonical, in place, and those of the objects inside them."""
    if not rows:
        return
    plan = decoding_plan(row)
    for column in plan.columns:
        decode_column(column, zone, rows, on_bad_value)
    for nest in plan.nests:
        decode_nested(nest, zone, rows, on_bad_value)


def _take_single_objects(nest: NestedDecoder, rows: Sequence[Row], on_bad_value: OnBadValue) -> None:
    """Take the single object out of its list. PHP writes an empty object as an empty list (C39)."""
    for place, row in enumerate(rows):
        value = nest.get(row)
        if isinstance(value, list):
            many = len(value) > 1
            one = (
                on_bad_value(place, nest.name, f"lists {len(value)} objects, not one") if many else (value or [None])[0]
            )
            setattr(row, nest.name, one)


def _paths_of_objects(name: str, value: Any, row: type[Row]) -> Iterable[str]:
    """Yield the paths of the objects that `_objects` yields."""
    if isinstance(value, row):
        yield name
    elif isinstance(value, list):
        yield from (f"{name}[{place}]" for place, each in enumerate(value) if isinstance(each, row))
    elif isinstance(value, dict):
        yield from (f"{name}[{key}]" for key, each in value.items() if isinstance(each, row))


def _objects(values: Iterable[Any], row: type[Row]) -> Iterable[Row]:
    """Yield the objects inside these values."""
    for value in values:
        if isinstance(value, row):
            yield value
        elif isinstance(value, list):
            yield from (each for each in value if isinstance(each, row))
        elif isinstance(value, dict):
            yield from (each for each in value.values() if isinstance(each, row))
