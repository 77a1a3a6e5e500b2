"""The formats of tables: a line each, and how each writes batches of rows into a file or a stream.

| format  | whole file at once, kept | decimals                   | times              | null       |
|---------|--------------------------|----------------------------|--------------------|------------|
| csv     | yes                      | the graph's text           | ISO 8601 in UTC    | nothing    |
| ndjson  | streamed                 | the graph's text           | ISO 8601 in UTC    | null       |
| json    | streamed, an array       | the graph's text           | ISO 8601 in UTC    | null       |
| parquet | yes                      | decimal128(38, scale)      | microseconds, UTC  | null       |
| arrow   | streamed (IPC)           | decimal128(38, scale)      | microseconds, UTC  | null       |
| xlsx    | yes                      | numbers, or the text       | Excel's own, UTC   | empty cell |

A stream that fails ends without its end: no last bracket, no end of stream, no final chunk; NDJSON says why in a last
line `{"error": …}` before the connection is cut. What is kept as a file is not there at all until it is whole.

Rows are read with decimals as the graph's text. Formats of text write this text, so neither the other rows nor the
borders of batches change it. Typed formats make numbers of it, with the scale that the field in the schema declares.

CSV is RFC 4180 in UTF-8. A text that a spreadsheet would take for a formula has an apostrophe before it.
Excel has 15 digits, milliseconds, and no day before 1900-03-01 that all programs read alike: a number or a time that it
cannot hold is a text there. A text that is too long for a cell fails.
"""

import base64
import datetime
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import IO, Any, Protocol

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xlsxwriter
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.worksheet import Worksheet

from server.tables.arrow import Shape, as_read, checked, texts, typed
from server.tables.formulas import APOSTROPHE, SIGNS
from server.tables.reading import TableFailed
from server.tables.table import Table, ValueKind

# Neither more nor less than so many rows, whatever the days have: the same rows make the same row groups.
ROW_GROUP = 65_536
MOST_ROWS_OF_XLSX = 1_048_575
MOST_TEXT_OF_XLSX = 32_767
EXCEL_DIGITS = 15
# Excel has a 29th of February 1900. Programs that have none read the days before it one day off.
_FIRST_OF_XLSX = (1900, 3)
_CUT = -2

_EPOCH = datetime.datetime(2000, 1, 1)

_CRLF, _EMPTY, _NULL, _QUOTE, _COMMA, _APOSTROPHE = texts(["\r\n", "", "null", '"', ",", APOSTROPHE])
_OPEN, _SHUT, _NO_TEXT = texts(["[", "]", None])
_ZERO = texts(["0"]).cast(pa.int32())

_RISKY = f"^[{re.escape(SIGNS)}]"

# Kinds that JSON writes without quotes, and of these the ones that are text in our JSON.
NUMBERS = frozenset({"decimal", "int64", "float64", "bool"})
QUOTED = frozenset({"decimal"})

# Writes a value into a cell: the sheet, the row, the column, the value. Gives xlsxwriter's own result.
Put = Callable[[Any, int, int, Any], int]


class FormatLimit(TableFailed):
    """Rows that a format cannot hold, while another one can."""

    def __init__(self, message: str) -> None:
        super().__init__("BAD_USER_INPUT", message)


class FormatWriter(Protocol):
    """Writes batches into a file that it was made with."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Write the rows of a batch."""

    def close(self) -> None:
        """Write the end: without it, what was written is not whole."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its media type, whether it is kept as a file, what writes it, and the rows that it writes."""

    name: str
    media_type: str
    snapshot: bool
    writer: Callable[..., FormatWriter]
    title: str
    compressible: bool = True
    shape: Shape = as_read
    tells: bool = False  # whether it has metadata, which say when the rows were read

    def open(self, table: Table, sink: IO[bytes], freshness: Callable[[], str]) -> FormatWriter:
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


class JsonLines:
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


class Array(JsonLines):
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
        self._schema = self.schema(table)
        self._writer = pq.ParquetWriter(
            sink, self._schema, compression="zstd", write_page_index=True, store_schema=freshness is None
        )
        self._freshness = freshness
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0

    def schema(self, table: Table) -> pa.Schema:
        """The schema of the file."""
        return table.schema

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


class RowParquet(Parquet):
    """Parquet of the rows as they are read: OData's pages are made from it."""

    def schema(self, table: Table) -> pa.Schema:
        return table.read_schema


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


class _WorksheetWriter(Worksheet):  # type: ignore[misc]
    """A sheet that writes each value as it is.

    xlsxwriter itself takes a text like `<r>…</r>` for XML of its own, and writes 16 digits of a float, which has 17.
    """

    def _xml_rich_inline_string(self, string: str, attributes: Sequence[Any] = ()) -> None:
        self._xml_inline_string(string, False, attributes)

    def _xml_number_element(self, number: float, attributes: Sequence[tuple[str, Any]] = ()) -> None:
        named = "".join(f' {name}="{value}"' for name, value in attributes)
        self.fh.write(f"<c{named}><v>{number!r}</v></c>")


class Xlsx:
    """An Excel workbook of one sheet, with a bold line of names that stays in sight."""

    def __init__(self, table: Table, sink: IO[bytes]) -> None:
        # Dates of the file itself would make two readings differ.
        self._book = xlsxwriter.Workbook(
            sink, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        )
        self._book.set_properties({"title": table.name, "comments": table.description, "created": _EPOCH})
        self._sheet = self._book.add_worksheet(table.name[:31], _WorksheetWriter)
        self._sheet.freeze_panes(1, 0)
        bold = self._book.add_format({"bold": True})
        self._columns = table.columns
        self._put = [self._putter(column.kind) for column in table.columns]
        for index, column in enumerate(table.columns):
            self._sheet.set_column(index, index, max(12, len(column.name) + 2))
            self._sheet.write_string(0, index, column.name, bold)
        self._row = 0

    def _putter(self, kind: ValueKind) -> Put:
        """What writes the values of a kind, with the number format that shows all of them."""
        match kind.name:
            case "decimal":
                return _Decimals(self._book, kind)
            case "int64":
                return _Integers(self._book)
            case "timestamp" | "date":
                return _TimeCells(self._book, kind)
        return {"float64": _put_float, "bool": _put_truth}.get(kind.name, _put_text)

    def write(self, batch: pa.RecordBatch) -> None:
        if self._row + batch.num_rows > MOST_ROWS_OF_XLSX:
            raise FormatLimit(
                f"An Excel sheet has {MOST_ROWS_OF_XLSX:,} rows at most, and this table has more: take a shorter "
                "window, a limit, or the format parquet or csv."
            )
        columns = [
            (json_texts(values, column.kind) if column.kind.of is not None else values).to_pylist()
            for column, values in zip(self._columns, batch.columns, strict=True)
        ]
        for values in zip(*columns, strict=True):
            self._row += 1
            for index, value in enumerate(values):
                # -2: xlsxwriter has cut a text.
                if value is not None and self._put[index](self._sheet, self._row, index, value) == _CUT:
                    raise FormatLimit(
                        f"Row {self._row}: the column {self._columns[index].name} has a text that is longer than the "
                        f"{MOST_TEXT_OF_XLSX:,} characters of a cell in Excel: take the format csv or parquet."
                    )

    def close(self) -> None:
        try:
            self._book.close()
        except FileCreateError as error:
            # It wraps what the system said.
            raise next((cause for cause in error.args if isinstance(cause, OSError)), error) from None


def _with_freshness(schema: pa.Schema, text: str) -> pa.Schema:
    return schema.with_metadata({**schema.metadata, b"freshness": text.encode()})


def _put_text(sheet: Any, row: int, column: int, value: str) -> int:
    return int(sheet.write_string(row, column, value))


def _put_float(sheet: Any, row: int, column: int, value: float) -> int:
    return int(sheet.write_number(row, column, value))


def _put_truth(sheet: Any, row: int, column: int, value: bool) -> int:
    return int(sheet.write_boolean(row, column, value))


class _Decimals:
    """Numbers of at most 15 digits; others stay the graph's text."""

    def __init__(self, book: Any, kind: ValueKind) -> None:
        self._form = book.add_format({"num_format": "#,##0.00" + "#" * (kind.scale - 2)})

    def __call__(self, sheet: Any, row: int, column: int, value: str) -> int:
        if len(value.strip("-0.").replace(".", "")) > EXCEL_DIGITS:
            return int(sheet.write_string(row, column, value))
        return int(sheet.write_number(row, column, float(value), self._form))


class _Integers:
    """Numbers of at most 15 digits; others are texts."""

    def __init__(self, book: Any) -> None:
        self._form = book.add_format({"num_format": "0"})

    def __call__(self, sheet: Any, row: int, column: int, value: int) -> int:
        if abs(value) >= 10**EXCEL_DIGITS:
            return int(sheet.write_string(row, column, str(value)))
        return int(sheet.write_number(row, column, value, self._form))


class _TimeCells:
    """Excel's own dates and times. One that Excel cannot hold is a text, as ISO 8601 writes it."""

    def __init__(self, book: Any, kind: ValueKind) -> None:
        whole = "yyyy-mm-dd" if kind.name == "date" else "yyyy-mm-dd hh:mm:ss"
        self._whole = book.add_format({"num_format": whole})
        self._fine = book.add_format({"num_format": whole + ".000"})

    def __call__(self, sheet: Any, row: int, column: int, value: datetime.date) -> int:
        microsecond = value.microsecond if isinstance(value, datetime.datetime) else 0
        if (value.year, value.month) < _FIRST_OF_XLSX or microsecond % 1000:
            return int(sheet.write_string(row, column, value.isoformat().replace("+00:00", "Z")))
        naive = value.replace(tzinfo=None) if isinstance(value, datetime.datetime) else value
        return int(sheet.write_datetime(row, column, naive, self._fine if microsecond else self._whole))


def plain_texts(values: pa.Array, kind: ValueKind) -> pa.Array:
    """Values as they are written in text formats, before quotes. Each is written alike whatever stands beside it."""
    match kind.name:
        case "timestamp":
            try:
                text = values.cast(pa.timestamp("s", "UTC")).cast(pa.string())
            except pa.ArrowInvalid:
                text = pc.replace_substring(values.cast(pa.string()), ".000000", "")
            return pc.utf8_replace_slice(text, 10, 11, "T")
        case "list":
            return json_texts(values, kind)
    return values.cast(pa.string())  # a decimal is a text as it is


def _cell(values: pa.Array, kind: ValueKind) -> pa.Array:
    text = plain_texts(values, kind)
    return _quoted(_harmless(text)) if kind.name in ("string", "list") else text


def _harmless(text: pa.Array) -> pa.Array:
    """With an apostrophe before whatever a spreadsheet would run as a formula."""
    risky = pc.match_substring_regex(text, _RISKY)
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


def json_texts(values: pa.Array, kind: ValueKind, quoted: Collection[str] = QUOTED) -> pa.Array:
    """Values as JSON; null where a value is. `quoted` names the kinds of number that are written as text."""
    if kind.of is not None:
        inner = pc.fill_null(json_texts(values.flatten(), kind.of, quoted), _NULL)
        lengths = pc.fill_null(pc.list_value_length(values), _ZERO[0])
        offsets = pc.cumulative_sum(pa.concat_arrays([_ZERO, lengths])).cast(pa.int32())
        joined = pc.binary_join(pa.ListArray.from_arrays(offsets, inner), _COMMA)
        shown = pc.binary_join_element_wise(_OPEN, joined, _SHUT, _EMPTY)
        return pc.if_else(pc.is_valid(values), shown, _NO_TEXT)
    text = plain_texts(values, kind)
    if kind.name in NUMBERS and kind.name not in quoted:
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
        Format("ndjson", "application/x-ndjson", False, JsonLines, "NDJSON: a JSON object a line"),
        Format("json", "application/json", False, Array, "JSON: an array of objects"),
        Format("parquet", "application/vnd.apache.parquet", True, Parquet, "Parquet", False, typed, tells=True),
        Format(
            "arrow", "application/vnd.apache.arrow.stream", False, Ipc, "Arrow's IPC stream", shape=typed, tells=True
        ),
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
# Kept in the spool for OData; not a format that a client can name.
KEPT = Format("rows", "application/vnd.apache.parquet", True, RowParquet, "Rows as they are read", False, checked)
