"""The text formats: CSV, NDJSON and JSON."""

import codecs
import re
from collections.abc import Collection
from typing import IO, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from server.tables.arrow import texts
from server.tables.table import Table, ValueKind
from server.tables.writers.formulas import APOSTROPHE, SIGNS

_CRLF, _EMPTY, _NULL, _QUOTE, _COMMA, _APOSTROPHE = texts(["\r\n", "", "null", '"', ",", APOSTROPHE])
_OPEN, _SHUT, _NO_TEXT = texts(["[", "]", None])
_ZERO = texts(["0"]).cast(pa.int32())

_RISKY = f"^[{re.escape(SIGNS)}]"

# Kinds that JSON writes without quotes, and of these the ones that are text in our JSON.
NUMBERS = frozenset({"decimal", "int64", "float64", "bool"})
QUOTED = frozenset({"decimal"})


class Csv:
    """CSV by RFC 4180: CRLF after every record, quotes where they are needed, one line of names."""

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
        """Do nothing: CSV has no end."""


class MarkedCsv(Csv):
    """CSV with a byte order mark, by which Excel knows that it is UTF-8."""

    def __init__(self, table: Table, sink: IO[bytes]) -> None:
        sink.write(codecs.BOM_UTF8)
        super().__init__(table, sink)


class JsonLines:
    """NDJSON: one object per line."""

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
        """Do nothing: NDJSON has no end."""


class Array(JsonLines):
    """JSON: an array of objects."""

    separator = b",\n"
    end = b",\n"

    def __init__(self, table: Table, sink: IO[bytes]) -> None:
        super().__init__(table, sink)
        sink.write(b"[\n")

    def close(self) -> None:
        self._sink.write(b"\n]\n")


def plain_texts(values: pa.Array, kind: ValueKind) -> pa.Array:
    """Return values as text formats write them, before quotes. The text of a value depends on nothing else."""
    match kind.name:
        case "timestamp":
            try:
                text = values.cast(pa.timestamp("s", "UTC")).cast(pa.string())
            except pa.ArrowInvalid:
                text = pc.replace_substring(values.cast(pa.string()), ".000000", "")
            return pc.utf8_replace_slice(text, 10, 11, "T")
        case "list":
            return json_texts(values, kind)
    return values.cast(pa.string())  # a decimal is a text already


def _cell(values: pa.Array, kind: ValueKind) -> pa.Array:
    text = plain_texts(values, kind)
    return _quoted(_harmless(text)) if kind.name in ("string", "list") else text


def _harmless(text: pa.Array) -> pa.Array:
    """Put an apostrophe before each text that a spreadsheet would run as a formula."""
    risky = pc.match_substring_regex(text, _RISKY)
    if not pc.any(risky).as_py():
        return text
    return pc.if_else(risky, pc.binary_join_element_wise(_APOSTROPHE, text, _EMPTY), text)


def _quoted(text: pa.Array) -> pa.Array:
    """Put quotes where RFC 4180 needs them, and around empty texts, which differ from null."""
    special = pc.match_substring_regex(text, '^$|[",\r\n]')
    if not pc.any(special).as_py():
        return text
    quoted = pc.binary_join_element_wise(_QUOTE, pc.replace_substring(text, '"', '""'), _QUOTE, _EMPTY)
    return pc.if_else(special, quoted, text)


def json_texts(values: pa.Array, kind: ValueKind, quoted: Collection[str] = QUOTED) -> pa.Array:
    """Return values as JSON. A null stays null. `quoted` names the kinds of numbers that are written as texts."""
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
    """Return the texts of an array as one."""
    # A filtered or sliced array is a part of its buffer.
    offsets = memoryview(text.buffers()[1]).cast("i")
    first, last = offsets[text.offset], offsets[text.offset + len(text)]
    return memoryview(text.buffers()[2])[first:last].tobytes()
