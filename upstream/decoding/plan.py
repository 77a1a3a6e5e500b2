"""Read from the annotations of a row struct which columns have to be decoded, and how."""

import operator
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from upstream.decoding.partial_row import PartialRow
from upstream.reports.rows import ColumnKind, Row


@dataclass(frozen=True, slots=True)
class ColumnDecoder:
    """Describe an open column: the kind of its values, and whether every row must have a value."""

    name: str
    kind: ColumnKind
    required: bool
    get: Callable[[Row], Any]


@dataclass(frozen=True, slots=True)
class NestedDecoder:
    """Describe a column that holds rows of its own: one (`single`), a list, or an object of them keyed by id."""

    name: str
    row: type[Row]
    get: Callable[[Row], Any]
    single: bool


@dataclass(frozen=True, slots=True)
class DecodingPlan:
    """Describe how the rows of one struct are decoded.

    `required` are the columns that every row must have. `open` are the columns, also nested ones, that have to be
    decoded.
    """

    columns: tuple[ColumnDecoder, ...]
    nests: tuple[NestedDecoder, ...]
    required: tuple[str, ...]
    open: frozenset[str]


@lru_cache(maxsize=512)
def decoding_plan(row: type[Row]) -> DecodingPlan:
    """Return the plan of a row struct."""
    hints = typing.get_type_hints(row, include_extras=True)
    columns, nests, required = [], [], []
    for field in msgspec.structs.fields(row):
        hint, get = hints[field.name], operator.attrgetter(field.name)
        if field.required:
            required.append(field.name)
        kinds = [kind for kind in getattr(hint, "__metadata__", ()) if isinstance(kind, ColumnKind)]
        columns += [ColumnDecoder(field.name, kind, field.required, get) for kind in kinds]
        nests += [NestedDecoder(field.name, inner, get, inner in typing.get_args(hint)) for inner in row_types(hint)]
    opened = frozenset([column.name for column in columns] + [nest.name for nest in nests])
    return DecodingPlan(tuple(columns), tuple(nests), tuple(required), opened)


def row_types(hint: Any) -> list[type[Row]]:
    """Return the row structs that an annotation names."""
    if isinstance(hint, type) and not typing.get_args(hint):
        return [hint] if issubclass(hint, Row) else []
    return list(dict.fromkeys(found for part in typing.get_args(hint) for found in row_types(part)))


@lru_cache(maxsize=512)
def fields_of(row: type[Row]) -> frozenset[str]:
    """Return the fields of a row struct."""
    return frozenset(row.__struct_fields__)


@lru_cache(maxsize=512)
def columns_of(kind: type[Row]) -> frozenset[str]:
    """Return the columns that can be read from rows of this type. The raw columns of partial rows count too."""
    found = fields_of(kind)
    return found.union(kind.forms) if issubclass(kind, PartialRow) else found
