"""Write the result of a statement: JSON, NDJSON, CSV, Arrow's stream and Parquet.

Texts have all digits of a decimal, at least two after the point, as the graph writes them. Times are ISO 8601 in UTC.
Arrow and Parquet have the types of DuckDB.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import IO, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from server.execution.saved import SavedQuery
from server.http.request_error import RequestError
from server.sql.process import ResultColumn
from server.tables.arrow import texts
from server.tables.formats import FormatWriter
from server.tables.table import Table, TableColumn, ValueKind
from server.tables.writers.columns import ROW_GROUP
from server.tables.writers.text import Csv, JsonLines, joined, json_texts

_SCIENTIFIC = "E"
_ZEROS = r"(\.[0-9]{2}[0-9]*?)0+$"
_STRING = ValueKind("string")
_NULL, _COMMA, _OPEN, _SHUT, _EMPTY = texts(["null", ",", "[", "]", ""])


@dataclass(frozen=True, slots=True)
class SqlFormat:
    """A format of results: its media type and its writer."""

    name: str
    media_type: str
    writer: Callable[[Sequence[ResultColumn], pa.Schema, IO[bytes]], FormatWriter]
    compressible: bool = True

    def open(self, columns: Sequence[ResultColumn], schema: pa.Schema, sink: Any) -> FormatWriter:
        """Return the writer of a result. Raise `RequestError` if the format has no type for a column."""
        try:
            return self.writer(columns, schema, sink)
        except pa.ArrowNotImplementedError:
            message = f"The format {self.name} has no type for a column of the result: cast intervals to VARCHAR."
            raise RequestError(400, "SQL_INVALID", message) from None


class _Rows:
    """JSON: the columns with their names and types, and the rows as lists."""

    def __init__(self, columns: Sequence[ResultColumn], schema: pa.Schema, sink: IO[bytes]) -> None:
        self._kinds = [_kind(field.type) for field in schema]
        self._sink = sink
        self._any = False
        named = orjson.dumps([{"name": column.name, "type": column.type} for column in columns])
        sink.write(b'{"columns":' + named + b',"rows":[')

    def write(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        readable = _readable(batch, self._kinds)
        cells = [
            pc.fill_null(json_texts(values, kind), _NULL)
            for values, kind in zip(readable.columns, self._kinds, strict=True)
        ]
        lines = pc.binary_join_element_wise(_OPEN, pc.binary_join_element_wise(*cells, _COMMA), _SHUT, _EMPTY)
        self._sink.write(
            (b",\n" if self._any else b"\n")
            + joined(pc.binary_join_element_wise(lines, _EMPTY, texts([",\n"])[0]))[:-2]
        )
        self._any = True

    def close(self) -> None:
        self._sink.write(b"\n]}\n")


class _Readable:
    """Rows as a text format of the tables writes them."""

    def __init__(self, columns: Sequence[ResultColumn], schema: pa.Schema, sink: IO[bytes], kind: Any) -> None:
        self._kinds = [_kind(field.type) for field in schema]
        self._writer: FormatWriter = kind(_table([column.name for column in columns], self._kinds), sink)

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write(_readable(batch, self._kinds))

    def close(self) -> None:
        self._writer.close()


class _Arrow:
    """The stream of Arrow."""

    def __init__(self, columns: Sequence[ResultColumn], schema: pa.Schema, sink: IO[bytes]) -> None:
        self._writer = pa.ipc.new_stream(sink, schema)

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)

    def close(self) -> None:
        self._writer.close()


class _ParquetFile:
    """Parquet, compressed with zstd."""

    def __init__(self, columns: Sequence[ResultColumn], schema: pa.Schema, sink: IO[bytes]) -> None:
        self._writer = pq.ParquetWriter(sink, schema, compression="zstd")

    def write(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows:
            self._writer.write_batch(batch, ROW_GROUP)

    def close(self) -> None:
        self._writer.close()


def _csv(columns: Sequence[ResultColumn], schema: pa.Schema, sink: IO[bytes]) -> FormatWriter:
    return _Readable(columns, schema, sink, Csv)


def _lines(columns: Sequence[ResultColumn], schema: pa.Schema, sink: IO[bytes]) -> FormatWriter:
    return _Readable(columns, schema, sink, JsonLines)


SQL_FORMATS = {
    one.name: one
    for one in (
        SqlFormat("json", "application/json", _Rows),
        SqlFormat("ndjson", "application/x-ndjson", _lines),
        SqlFormat("csv", "text/csv; charset=utf-8; header=present", _csv),
        SqlFormat("arrow", "application/vnd.apache.arrow.stream", _Arrow),
        SqlFormat("parquet", "application/vnd.apache.parquet", _ParquetFile, compressible=False),
    )
}


def _table(names: Sequence[str], kinds: Sequence[ValueKind]) -> Table:
    """Return the description that the writers of tables need."""
    columns = tuple(TableColumn(name, kind, True, "", (name,), 0, "") for name, kind in zip(names, kinds, strict=True))
    return Table("sql", "", columns, (), False, None, (), "", SavedQuery("sql", "", ""))


def _kind(kind: pa.DataType) -> ValueKind:
    """Return the kind of a column of a result. All that has no kind of its own is a text."""
    types = pa.types
    if types.is_list(kind):
        inner = _kind(kind.value_type)
        return _STRING if inner.of is not None or inner.name == "timestamp" else ValueKind("list", of=inner)
    if types.is_decimal(kind):
        return ValueKind("decimal")
    if types.is_integer(kind):
        return ValueKind("int64")
    if types.is_floating(kind):
        return ValueKind("float64")
    if types.is_boolean(kind):
        return ValueKind("bool")
    if types.is_timestamp(kind) and kind.tz is not None:
        return ValueKind("timestamp")
    return ValueKind("date") if types.is_date32(kind) else _STRING


def _readable(batch: pa.RecordBatch, kinds: Sequence[ValueKind]) -> pa.RecordBatch:
    """Return the rows in the types that the writers of texts know."""
    arrays = [_as_text(values, kind) for values, kind in zip(batch.columns, kinds, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=[str(place) for place in range(len(arrays))])


def _as_text(values: pa.Array, kind: ValueKind) -> pa.Array:
    match kind.name:
        case "list":
            assert kind.of is not None
            return pa.ListArray.from_arrays(values.offsets, _as_text(values.values, kind.of), mask=values.is_null())
        case "decimal":
            return _digits(values)
        case "float64":
            return pc.if_else(pc.is_finite(values), values, pa.scalar(None, values.type))
        case "timestamp":
            return values.cast(pa.timestamp("us", "UTC"), safe=False)
        case "string":
            if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
                return _any_text(values)
            return values.cast(pa.string())
    return values


def _digits(values: pa.Array) -> pa.Array:
    """Return decimals as the graph writes them: without zeros at the end, and without an exponent."""
    text = values.cast(pa.string())
    if pc.any(pc.match_substring(text, _SCIENTIFIC)).as_py():
        text = texts([None if value is None else f"{value:f}" for value in values.to_pylist()])
    return pc.replace_substring_regex(text, pattern=_ZEROS, replacement=r"\1")


def _any_text(values: pa.Array) -> pa.Array:
    """Return values of rare types as texts: times without a zone, intervals, structs, and others."""
    if pa.types.is_timestamp(values.type):
        text = pc.replace_substring(values.cast(pa.timestamp("us")).cast(pa.string()), ".000000", "")
        return pc.utf8_replace_slice(text, 10, 11, "T")
    found = [None if value is None else _written(value) for value in values.to_pylist()]
    return texts(found)


def _written(value: Any) -> str:
    if isinstance(value, list | dict):
        return orjson.dumps(value, default=_written, option=orjson.OPT_NON_STR_KEYS).decode()
    if isinstance(value, pa.MonthDayNano):
        return _duration(value)
    if isinstance(value, bytes):
        return value.hex()
    return re.sub(r"[\x00-\x1f]", " ", str(value))


def _duration(value: pa.MonthDayNano) -> str:
    """Return an interval as a duration of ISO 8601, such as P1M2DT3.5S."""
    seconds = f"{Decimal(value.nanoseconds).scaleb(-9):f}"
    if "." in seconds:
        seconds = seconds.rstrip("0").rstrip(".")
    parts = (f"{value.months}M" if value.months else "", f"{value.days}D" if value.days else "")
    return "P" + "".join(parts) + (f"T{seconds}S" if value.nanoseconds or not any(parts) else "")
