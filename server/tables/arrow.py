"""Tables in Arrow: the types of columns, and the rows of an answer as columns.

This module and those that import it (`reading`, `formats`) import pyarrow. The first request for a table imports them.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, chain, repeat
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from server.tables.table import PRECISION, Table, TableColumn, ValueKind

TIMESTAMP = pa.timestamp("us", tz="UTC")

SCALARS = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": TIMESTAMP,
    "date": pa.date32(),
    "enum": pa.dictionary(pa.int32(), pa.string()),
}
CONVERSION_ERRORS = (pa.ArrowException, TypeError, ValueError, OverflowError)
_SHOWN = 60


# Converts rows as they are read to the rows of a format. Raises Unfit.
Shape = Callable[[Table, pa.RecordBatch], pa.RecordBatch]


class Unfit(ValueError):
    """A value does not fit its column. The text names the row and the column in one line."""


class Absent(LookupError):
    """The object with the rows is null. The text is its name in the document."""


def data_type(kind: ValueKind) -> pa.DataType:
    """Return the type of a column in typed formats."""
    if kind.of is not None:
        return pa.list_(data_type(kind.of))
    return pa.decimal128(PRECISION, kind.scale) if kind.name == "decimal" else SCALARS[kind.name]


def read_type(kind: ValueKind) -> pa.DataType:
    """Return the type of a column as it is read: a decimal is the text of the graph, without a scale."""
    if kind.of is not None:
        return pa.list_(read_type(kind.of))
    return pa.string() if kind.name == "decimal" else SCALARS[kind.name]


def arrow_schema(table: Table) -> pa.Schema:
    """Return the schema of a table, with the description and the graph type of each column."""
    return _schema(table, data_type)


def read_schema(table: Table) -> pa.Schema:
    """Return the schema of the rows of a table as they are read."""
    return _schema(table, read_type)


def _schema(table: Table, type_of: Callable[[ValueKind], pa.DataType]) -> pa.Schema:
    return pa.schema(
        [
            pa.field(
                column.name,
                type_of(column.kind),
                column.nullable,
                {"description": column.description, "graphql": column.graphql},
            )
            for column in table.columns
        ],
        {"table": table.name, "description": table.description},
    )


def as_read(table: Table, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows unchanged, for text formats."""
    return batch


def typed(table: Table, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows with decimals as numbers of the scale of their column. Raises Unfit instead of rounding."""
    pairs = zip(table.columns, batch.columns, strict=True)
    return pa.RecordBatch.from_arrays([fitted(values, column) for column, values in pairs], schema=table.schema)


def checked(table: Table, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows unchanged if each decimal fits the type of its column. Raises Unfit."""
    typed(table, batch)
    return batch


def fitted(values: pa.Array, column: TableColumn) -> pa.Array:
    """Return the values of a column in its type in typed formats. Raises Unfit."""
    kind = data_type(column.kind)
    if values.type == kind:
        return values
    try:
        return values.cast(kind)
    except pa.ArrowInvalid as error:
        # A slice of lists still has the values of all lists, but `take` copies only its own.
        misfit = _misfit(values, lambda one: one.take(integers([0], pa.int64())).cast(kind))
        scale = (column.kind.of or column.kind).scale
        raise Unfit(
            f"row {misfit + 1}: the column {column.name} ({column.graphql}) cannot hold {_shown(values[misfit])}: it "
            f"has {PRECISION - scale} digits before its point and {scale} after it; csv, ndjson, json and xlsx hold "
            "every digit"
        ) from error


def _misfit(values: Any, convert: Callable[[Any], object]) -> int:
    """Return the place of the first value that cannot be converted."""
    for place in range(len(values)):
        try:
            convert(values[place : place + 1])
        except CONVERSION_ERRORS:
            return place
    return 0


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def record_batch(table: Table, data: Any) -> pa.RecordBatch:
    """Return the rows of one answer in its order. Raises Unfit or Absent."""
    _there(data, table.spine[0])
    levels, parents = _levels(data, table.spine)
    places = _places(parents)
    columns = []
    read: dict[tuple[int, tuple[str, ...]], list[Any]] = {}
    for column in table.columns:
        values = _values(levels[column.level], column, read)
        above = places[column.level] if column.level < len(places) else None
        found = _column(values, column, above)
        columns.append(found if above is None else found.take(above))
    return pa.RecordBatch.from_arrays(columns, schema=table.read_schema)


def _there(data: Any, path: tuple[str, ...]) -> None:
    """Raise Absent if the one object of all rows is null: this differs from an object without rows."""
    for key in path:
        data = data[key]
        if data is None:
            raise Absent(key)


def _levels(data: Any, spine: Sequence[tuple[str, ...]]) -> tuple[list[list[Any]], list[list[int]]]:
    """Return the items of each level, and the parent of each item in the level above."""
    levels: list[list[Any]] = [[data]]
    parents: list[list[int]] = []
    for path in spine:
        lists = [_dig(item, path) for item in levels[-1]]
        parents.append(list(chain.from_iterable(repeat(index, len(items)) for index, items in enumerate(lists))))
        levels.append(lists[0] if len(lists) == 1 else list(chain.from_iterable(lists)))
    return levels, parents


def _dig(item: Any, path: tuple[str, ...]) -> list[Any]:
    for key in path:
        if item is None:
            return []
        item = item[key]
    if item is None:
        return []
    return [one for one in item if one is not None] if None in item else item


def _places(parents: list[list[int]]) -> list[pa.Array]:
    """Return for every level above the rows the item that each row belongs to."""
    places: list[pa.Array] = []
    below = None
    for level in reversed(parents):
        here = integers(level, pa.int64())
        below = here if below is None else here.take(below)
        places.append(below)
    return list(reversed(places))


def _values(items: list[Any], column: TableColumn, read: dict[tuple[int, tuple[str, ...]], list[Any]]) -> list[Any]:
    """Return the values of a column. Each object on the way is looked up once for all its columns."""
    values = items
    for depth in range(1, len(column.path) + 1):
        place = (column.level, column.path[:depth])
        known = read.get(place)
        if known is None:
            get: Callable[[Any], Any] = itemgetter(column.path[depth - 1])
            if depth == 1:
                known = list(map(get, values))
            else:
                known = [None if value is None else get(value) for value in values]
            if depth < len(column.path):
                read[place] = known
        values = known
    return values


def _column(values: list[Any], column: TableColumn, above: pa.Array | None) -> pa.Array:
    """Return the values as an array. `above` maps rows to values, if the values belong to a level above the rows."""

    def row(place: int) -> str:
        if above is not None:
            place = pc.index(above, place).as_py()
        # An object above the rows may have no row.
        return f"row {place + 1}: " if place >= 0 else ""

    try:
        found = _of_kind(values, column.kind)
    except CONVERSION_ERRORS as error:
        misfit = _misfit(values, lambda one: _of_kind(one, column.kind))
        why = f"cannot hold {_shown(values[misfit])}: {error}"
        raise Unfit(f"{row(misfit)}the column {column.name} ({column.graphql}) {why}") from None
    if not column.nullable and found.null_count:
        raise Unfit(f"{row(values.index(None))}the column {column.name} ({column.graphql}) has a null")
    return found


def _of_kind(values: list[Any], kind: ValueKind) -> pa.Array:
    if kind.of is not None:
        inner = _of_kind(list(chain.from_iterable(value or () for value in values)), kind.of)
        offsets = accumulate((len(value or ()) for value in values), initial=0)
        mask = texts(["true" if value is None else "false" for value in values]).cast(pa.bool_())
        return pa.ListArray.from_arrays(integers(offsets, pa.int32()), inner, mask=mask)
    if kind.name == "enum":
        given, known = texts(values), texts(kind.values)
        indices = pc.index_in(given, value_set=known)
        if indices.null_count != given.null_count:
            raise ValueError("a value that the enum does not have")
        return pa.DictionaryArray.from_arrays(indices.cast(pa.int32()), known)
    given = texts(values)
    return given if kind.name in ("string", "decimal") else given.cast(SCALARS[kind.name])


def texts(values: Sequence[Any]) -> pa.Array:
    """Return texts as an array.

    Most values of the graph are texts, and Arrow reads decimals and times from them fast.
    """
    try:
        return pa.array(values, pa.string())
    except TypeError:  # numbers and truths, and ids that are numbers
        return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def integers(values: Iterable[int], kind: pa.DataType) -> pa.Array:
    """Return numbers of 32 or 64 bits as an array."""
    packed = array("q" if kind == pa.int64() else "i", values)
    return pa.Array.from_buffers(kind, len(packed), [None, pa.py_buffer(packed)])


def slices(batch: pa.RecordBatch, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the batch in pieces of at most this many rows."""
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)
