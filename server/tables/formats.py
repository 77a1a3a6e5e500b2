"""The formats of tables: a line each, and how each writes batches of rows into a file or a stream.

| format  | whole file at once, kept | decimals                     | times              | null       |
|---------|--------------------------|------------------------------|--------------------|------------|
| csv     | yes                      | plain, two decimals at least | ISO 8601 in UTC    | nothing    |
| ndjson  | streamed                 | text, as the graph has them  | ISO 8601 in UTC    | null       |
| json    | streamed, an array       | text, as the graph has them  | ISO 8601 in UTC    | null       |
| parquet | yes                      | decimal128(38, 10)           | microseconds, UTC  | null       |
| arrow   | streamed (IPC)           | decimal128(38, 10)           | microseconds, UTC  | null       |
| xlsx    | yes                      | numbers, if Excel holds them | Excel's own, UTC   | empty cell |

A stream that fails ends without its end: no last bracket, no end of stream, no final chunk; NDJSON says why in a last
line `{"error": …}` before the connection is cut. What is kept as a file is not there at all until it is whole.

CSV is RFC 4180 in UTF-8. A text that a spreadsheet would take for a formula has an apostrophe before it.
Excel has 15 digits: a decimal with more of them is a text there.
"""

import base64
import datetime
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import IO, Any, Protocol

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xlsxwriter

from server.tables.arrow import texts
from server.tables.table import Kind, Table

# Neither more nor less than so many rows, whatever the days have: the same rows make the same row groups.
ROW_GROUP = 65_536
MOST_ROWS_OF_XLSX = 1_048_575
EXCEL_DIGITS = 15

_EPOCH = datetime.datetime(2000, 1, 1)

_CRLF, _EMPTY, _NULL, _QUOTE, _COMMA, _APOSTROPHE = texts(["\r\n", "", "null", '"', ",", "'"])


class TooManyRows(ValueError):
    """More rows than a format holds."""


class Writer(Protocol):
    """Writes batches into a file that it was made with."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Write the rows of a batch."""

    def close(self) -> None:
        """Write the end: without it, what was written is not whole."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its media type, whether it is kept as a file, and what writes it."""

    name: str
    media_type: str
    snapshot: bool
    writer: Callable[..., Writer]
    title: str
    compressible: bool = True
    tells: bool = False  # whether it has metadata, which say when the rows were read

    def open(self, table: Table, sink: IO[bytes], freshness: Callable[[], str]) -> Writer:
        """Return what writes a table into a file. `freshness` tells what is known of its rows by then, as JSON."""
        return self.writer(table, sink, freshness) if self.tells else self.writer(table, sink)


class Csv:
    """RFC 4180: CRLF after every record, quotes where they are needed, one line of names."""

    def __init__(self, table: Table, sink: IO[bytes]) -> None:
        self._sink = sink
        self._kinds = [column.kind for column in table.columns]
        names = texts([column.name for column in table.columns])
        sink.write((",".join(_quoted(names).to_pylist()) + "\r\n").encode())

    def write(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        cells = [_cell(batch.column(index), kind) for index, kind in enumerate(self._kinds)]
        lines = pc.binary_join_element_wise(*cells, _COMMA, null_handling="replace", null_replacement="")
        self._sink.write(joined(pc.binary_join_element_wise(lines, _EMPTY, _CRLF)))

    def close(self) -> None:
        """CSV has no end of its own."""


class Lines:
    """NDJSON: an object a line."""

    separator = b""
    end = b"\n"

    def __init__(self, table: Table, sink: IO[bytes]) -> None:
        self._sink = sink
        self._kinds = [column.kind for column in table.columns]
        marks = ["," if index else "{" for index in range(len(table.columns))]
        self._names = [
            texts([mark + orjson.dumps(column.name).decode() + ":"])[0]
            for mark, column in zip(marks, table.columns, strict=True)
        ]
        self._any = False

    def write(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        parts: list[Any] = []
        for index, kind in enumerate(self._kinds):
            parts += [self._names[index], pc.fill_null(json_texts(batch.column(index), kind), _NULL)]
        text = pc.binary_join_element_wise(*parts, texts(["}" + self.end.decode()])[0], _EMPTY)
        body = joined(text)
        if self.separator:  # between objects, not after the last one
            body = body[: -len(self.end)] if self.end else body
            self._sink.write(self.separator if self._any else b"")
        self._sink.write(body)
        self._any = True

    def close(self) -> None:
        """NDJSON has no end of its own."""


class Array(Lines):
    """JSON: an array of objects."""

    separator = b",\n"
    end = b",\n"

    def __init__(self, table: Table, sink: IO[bytes]) -> None:
        super().__init__(table, sink)
        sink.write(b"[\n")

    def close(self) -> None:
        self._sink.write(b"\n]\n")


class Parquet:
    """Parquet, compressed by zstd, in row groups of one size.

    The metadata of its schema are written last, when it is known when the rows were read.
    """

    def __init__(self, table: Table, sink: IO[bytes], freshness: Callable[[], str] | None = None) -> None:
        self._writer = pq.ParquetWriter(
            sink, table.schema, compression="zstd", write_page_index=True, store_schema=freshness is None
        )
        self._schema = table.schema
        self._freshness = freshness
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        self._waiting.append(batch)
        self._rows += batch.num_rows
        while self._rows >= ROW_GROUP:
            rows = pa.Table.from_batches(self._waiting, self._schema)
            self._writer.write_table(rows.slice(0, ROW_GROUP), ROW_GROUP)
            rest = rows.slice(ROW_GROUP)
            self._waiting, self._rows = rest.to_batches(), rest.num_rows

    def close(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema), ROW_GROUP)
        if self._freshness is not None:
            schema = _with_freshness(self._schema, self._freshness())
            told = {name.decode(): value.decode() for name, value in schema.metadata.items()}
            # As Arrow itself stores a schema in Parquet.
            arrow = base64.b64encode(schema.serialize().to_pybytes()).decode()
            self._writer.add_key_value_metadata({**told, "ARROW:schema": arrow})
        self._writer.close()


class Ipc:
    """Arrow's streaming format. Its schema comes first, so it tells what is known when the first rows are written."""

    def __init__(self, table: Table, sink: IO[bytes], freshness: Callable[[], str]) -> None:
        self._schema = table.schema
        self._sink = sink
        self._freshness = freshness
        self._writer: Any = None

    def write(self, batch: pa.RecordBatch) -> None:
        self._begun().write_batch(batch)

    def close(self) -> None:
        self._begun().close()

    def _begun(self) -> Any:
        if self._writer is None:
            self._writer = pa.ipc.new_stream(self._sink, _with_freshness(self._schema, self._freshness()))
        return self._writer


class Xlsx:
    """An Excel workbook of one sheet, with a bold line of names that stays in sight."""

    def __init__(self, table: Table, sink: IO[bytes]) -> None:
        # Dates of the file itself would make two readings differ.
        self._book = xlsxwriter.Workbook(
            sink, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        )
        self._book.set_properties({"title": table.name, "comments": table.description, "created": _EPOCH})
        self._sheet = self._book.add_worksheet(table.name[:31])
        self._sheet.freeze_panes(1, 0)
        bold = self._book.add_format({"bold": True})
        formats = {name: self._book.add_format({"num_format": form}) for name, form in _EXCEL_FORMATS.items()}
        self._put = [_PUTS.get(column.kind.name, _put_text) for column in table.columns]
        self._formats = [formats.get(column.kind.name) for column in table.columns]
        for index, column in enumerate(table.columns):
            self._sheet.set_column(index, index, max(12, len(column.name) + 2))
            self._sheet.write_string(0, index, column.name, bold)
        self._row = 0

    def write(self, batch: pa.RecordBatch) -> None:
        if self._row + batch.num_rows > MOST_ROWS_OF_XLSX:
            raise TooManyRows(
                f"An Excel sheet has {MOST_ROWS_OF_XLSX:,} rows at most, and this table has more: take a shorter "
                "window, a limit, or the format parquet or csv."
            )
        columns = [column.to_pylist() for column in batch.columns]
        for values in zip(*columns, strict=True):
            self._row += 1
            for index, value in enumerate(values):
                if value is not None:
                    self._put[index](self._sheet, self._row, index, value, self._formats[index])

    def close(self) -> None:
        self._book.close()


def _with_freshness(schema: pa.Schema, text: str) -> pa.Schema:
    return schema.with_metadata({**schema.metadata, b"freshness": text.encode()})


def _put_text(sheet: Any, row: int, column: int, value: Any, form: Any) -> None:
    sheet.write_string(row, column, value if isinstance(value, str) else orjson.dumps(value, default=str).decode())


def _put_number(sheet: Any, row: int, column: int, value: Any, form: Any) -> None:
    sheet.write_number(row, column, value, form)


def _put_decimal(sheet: Any, row: int, column: int, value: Decimal, form: Any) -> None:
    digits = len(value.normalize().as_tuple().digits)
    if digits <= EXCEL_DIGITS:
        sheet.write_number(row, column, float(value), form)
    else:
        sheet.write_string(row, column, f"{value.normalize():f}")


def _put_time(sheet: Any, row: int, column: int, value: Any, form: Any) -> None:
    sheet.write_datetime(row, column, value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value, form)


def _put_truth(sheet: Any, row: int, column: int, value: Any, form: Any) -> None:
    sheet.write_boolean(row, column, value)


_PUTS = {
    "decimal": _put_decimal,
    "int64": _put_number,
    "float64": _put_number,
    "timestamp": _put_time,
    "date": _put_time,
    "bool": _put_truth,
}
_EXCEL_FORMATS = {
    "decimal": "#,##0.00########",
    "int64": "0",
    "timestamp": "yyyy-mm-dd hh:mm:ss",
    "date": "yyyy-mm-dd",
}


def plain_texts(values: pa.Array, kind: Kind) -> pa.Array:
    """Values as they are written in text formats, before quotes. Each is written alike whatever stands beside it."""
    match kind.name:
        case "decimal":
            try:  # money has two decimals, but for some
                return values.cast(pa.decimal128(38, 2)).cast(pa.string())
            except pa.ArrowInvalid:
                return pc.replace_substring_regex(values.cast(pa.string()), r"(\.\d\d\d*?)0+$", r"\1")
        case "timestamp":
            try:
                text = values.cast(pa.timestamp("s", "UTC")).cast(pa.string())
            except pa.ArrowInvalid:
                text = pc.replace_substring(values.cast(pa.string()), ".000000", "")
            return pc.utf8_replace_slice(text, 10, 11, "T")
        case "list":
            lists = values.to_pylist()
            return texts([None if value is None else orjson.dumps(value, default=str).decode() for value in lists])
    return values.cast(pa.string())


def _cell(values: pa.Array, kind: Kind) -> pa.Array:
    text = plain_texts(values, kind)
    return _quoted(_harmless(text)) if kind.name in ("string", "list") else text


def _harmless(text: pa.Array) -> pa.Array:
    """With an apostrophe before whatever a spreadsheet would run as a formula."""
    risky = pc.match_substring_regex(text, r"^[=+\-@\t\r]")
    if not pc.any(risky).as_py():
        return text
    return pc.if_else(risky, pc.binary_join_element_wise(_APOSTROPHE, text, _EMPTY), text)


def _quoted(text: pa.Array) -> pa.Array:
    """In quotes where RFC 4180 wants them, and where a text is empty, to tell it from a null."""
    special = pc.match_substring_regex(text, '^$|[",\r\n]')
    if not pc.any(special).as_py():
        return text
    quoted = pc.binary_join_element_wise(_QUOTE, pc.replace_substring(text, '"', '""'), _QUOTE, _EMPTY)
    return pc.if_else(special, quoted, text)


def json_texts(values: pa.Array, kind: Kind) -> pa.Array:
    text = plain_texts(values, kind)
    if kind.name in ("int64", "float64", "bool", "list"):
        return text
    if kind.name in ("string", "enum"):
        special = pc.match_substring_regex(text, r'[\x00-\x1f"\\]')
        if pc.any(special).as_py():
            found = [None if value is None else orjson.dumps(value).decode() for value in text.to_pylist()]
            return texts(found)
    return pc.binary_join_element_wise(_QUOTE, text, _QUOTE, _EMPTY)


def joined(text: pa.Array) -> bytes:
    """The texts of an array one after another."""
    # A filtered or sliced array stands somewhere in its buffer.
    offsets = memoryview(text.buffers()[1]).cast("i")
    first, last = offsets[text.offset], offsets[text.offset + len(text)]
    return memoryview(text.buffers()[2])[first:last].tobytes()


FORMATS = {
    one.name: one
    for one in (
        Format("csv", "text/csv; charset=utf-8; header=present", True, Csv, "CSV"),
        Format("ndjson", "application/x-ndjson", False, Lines, "NDJSON: a JSON object a line"),
        Format("json", "application/json", False, Array, "JSON: an array of objects"),
        Format("parquet", "application/vnd.apache.parquet", True, Parquet, "Parquet", compressible=False, tells=True),
        Format("arrow", "application/vnd.apache.arrow.stream", False, Ipc, "Arrow's IPC stream", tells=True),
        Format(
            "xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            True,
            Xlsx,
            "Excel",
            compressible=False,
        ),
    )
}
