"""The table of formats. The writers are in `server.tables.writers`.

| format  | whole file, stored       | decimals                   | times              | null       |
|---------|--------------------------|----------------------------|--------------------|------------|
| csv     | yes                      | the graph's text           | ISO 8601 in UTC    | nothing    |
| ndjson  | streamed                 | the graph's text           | ISO 8601 in UTC    | null       |
| json    | streamed, an array       | the graph's text           | ISO 8601 in UTC    | null       |
| parquet | yes                      | decimal128(38, scale)      | microseconds, UTC  | null       |
| arrow   | streamed (IPC)           | decimal128(38, scale)      | microseconds, UTC  | null       |
| xlsx    | yes                      | numbers, or the text       | Excel's own, UTC   | empty cell |

A stream that fails ends without its end: no last bracket, no end of stream, no final chunk; NDJSON says why in a last
line `{"error": …}` before the connection is cut. A stored file does not exist until it is whole.

Rows are read with decimals as the graph's text. Formats of text write this text, so neither the other rows nor the
borders of batches change it. Typed formats make numbers of it, with the scale that the field in the schema declares.

CSV is RFC 4180 in UTF-8. A text that a spreadsheet would take for a formula has an apostrophe before it.
`bom=1` puts a byte order mark before it.
Excel has 15 digits, milliseconds, and no day before 1900-03-01 that all programs read alike: a number or a time that it
cannot hold is a text there. A text that is too long for a cell fails.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import IO, Protocol

import pyarrow as pa

from server.tables.arrow import Shape, as_read, checked, typed
from server.tables.table import Table
from server.tables.writers.columns import Ipc, Parquet, RowParquet
from server.tables.writers.text import Array, Csv, JsonLines, MarkedCsv
from server.tables.writers.workbook import Xlsx


class FormatWriter(Protocol):
    """Write batches of rows into a file."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Write the rows of a batch."""

    def close(self) -> None:
        """Write the end. Without it the file is incomplete."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its media type, whether it is stored as a file, its writer, and the form of its rows."""

    name: str
    media_type: str
    snapshot: bool
    writer: Callable[..., FormatWriter]
    title: str
    compressible: bool = True
    shape: Shape = as_read
    has_freshness: bool = False  # whether its metadata contain the reading times

    def open(self, table: Table, sink: IO[bytes], freshness: Callable[[], str]) -> FormatWriter:
        """Return the writer of a table. `freshness` returns the reading times that are known then, as JSON."""
        return self.writer(table, sink, freshness) if self.has_freshness else self.writer(table, sink)


FORMATS = {
    one.name: one
    for one in (
        Format("csv", "text/csv; charset=utf-8; header=present", True, Csv, "CSV"),
        Format("ndjson", "application/x-ndjson", False, JsonLines, "NDJSON: a JSON object a line"),
        Format("json", "application/json", False, Array, "JSON: an array of objects"),
        Format("parquet", "application/vnd.apache.parquet", True, Parquet, "Parquet", False, typed, has_freshness=True),
        Format(
            "arrow",
            "application/vnd.apache.arrow.stream",
            False,
            Ipc,
            "Arrow's IPC stream",
            shape=typed,
            has_freshness=True,
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
# CSV for `bom=1`.
MARKED_CSV = replace(FORMATS["csv"], writer=MarkedCsv)
# Stored in the spool for OData. Clients cannot request it.
ROWS_FORMAT = Format(
    "rows", "application/vnd.apache.parquet", True, RowParquet, "Rows as they are read", False, checked
)
