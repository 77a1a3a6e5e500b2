"""`POST /explorer/answer/xlsx` and `/parquet`: write rows that a page has as a file, in the formats of tables.

The body is NDJSON. Its first line has the name and the columns, such as
`{"name": "Games", "columns": [{"name": "paid", "kind": "decimal"}]}`, and each other line has the cells of one row in
the order of the columns. Decimals are texts, so that they keep their digits. Some rows at a time are in memory, and
the file has no name on the disk.
"""

import asyncio
import re
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from server.execution.saved import SavedQuery
from server.http.error_response import error_response
from server.http.request_error import RequestError
from server.tables.routes import TablesEndpoint
from server.tables.table import SCALARS, Table, TableColumn, ValueKind

if TYPE_CHECKING:  # imports pyarrow: see `server.tables.routes`
    from server.tables.formats import Format

MEDIA_TYPE = "application/x-ndjson"
FORMATS = ("xlsx", "parquet")
MOST_BYTES = 64 << 20
MOST_COLUMNS = 1000

_BATCH_ROWS = 16_384
_BATCH_BYTES = 4 << 20
_CHUNK = 1 << 20
_NAME = re.compile(r"[A-Za-z_]\w{0,99}", re.ASCII)
_KINDS = {**{name: ValueKind(name) for name in SCALARS.values()}, "list": ValueKind("list", of=ValueKind("string"))}
_LONGEST_NAME = 300


def answer_routes(tables: TablesEndpoint) -> list[BaseRoute]:
    """Return the route that writes files. It needs what tables need."""

    async def write(request: Request) -> Response:
        try:
            return await _file(tables, request)
        except RequestError as refusal:
            return error_response(refusal)

    return [Route("/explorer/answer/{form}", write, methods=["POST"])]


async def _file(tables: TablesEndpoint, request: Request) -> Response:
    await tables.answers()
    from server.tables.formats import FORMATS as KNOWN  # pyarrow is imported by now

    name = request.path_params["form"]
    if name not in FORMATS:
        raise RequestError(404, "NOT_FOUND", f"There is no format {name[:40]!r} here; there are {', '.join(FORMATS)}.")
    # Pages of other origins may send some media types without being asked. This is not one of them.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise RequestError(415, "BAD_REQUEST", f"The rows are {MEDIA_TYPE}: say so in Content-Type.")
    form = KNOWN[name]
    file = await asyncio.to_thread(tempfile.TemporaryFile)
    try:
        table = await _written(file, form, request)
        size = await asyncio.to_thread(file.tell)
        await asyncio.to_thread(file.seek, 0)
    except BaseException as failure:
        file.close()
        if isinstance(failure, OSError):
            from server.tables.answers import unkept

            raise unkept(failure) from None
        raise
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{table.name}.{form.name}"',
        "Content-Length": str(size),
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(_chunks(file), headers=headers, media_type=form.media_type)


async def _chunks(file: IO[bytes]) -> AsyncGenerator[bytes]:
    try:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk
    finally:
        file.close()


async def _written(file: IO[bytes], form: "Format", request: Request) -> Table:
    """Write the rows of a request into a file, and return their table. Raises RequestError."""
    from server.tables.answers import refusal
    from server.tables.reading import TableFailed

    rows: _RowsFile | None = None
    try:
        async for lines in _lines(request):
            if rows is None:
                rows = _RowsFile(_table(lines[0]), form, file)
                lines = lines[1:]
            await asyncio.to_thread(rows.write, lines)
        if rows is None:
            raise _bad("The first line, with the name and the columns, is missing.")
        await asyncio.to_thread(rows.close)
    except BaseException as failure:
        if rows is not None:
            with suppress(Exception):  # close it; its output is dropped
                await asyncio.to_thread(rows.close)
        if isinstance(failure, TableFailed):
            raise refusal(failure) from None
        raise
    return rows.table


async def _lines(request: Request) -> AsyncGenerator[list[bytes]]:
    """Yield the lines of the body, many at a time. Raises RequestError."""
    parts: list[bytes] = []
    size = waiting = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > MOST_BYTES:
                message = f"The rows are larger than {MOST_BYTES >> 20} MiB: take the table of the query, or csv."
                raise RequestError(413, "PAYLOAD_TOO_LARGE", message, {"Connection": "close"})
            parts.append(part)
            waiting += len(part)
            if waiting < _BATCH_BYTES:
                continue
            *whole, rest = b"".join(parts).split(b"\n")
            parts, waiting = [rest], 0
            if whole:
                yield whole
    except ClientDisconnect:
        raise _bad("The client went away before the last row.") from None
    if whole := [line for line in b"".join(parts).split(b"\n") if line]:
        yield whole


@dataclass
class _RowsFile:
    """The rows of a table, written in a format. Raises TableFailed and RequestError."""

    table: Table
    form: "Format"
    file: IO[bytes]
    count: int = 0

    def __post_init__(self) -> None:
        self._writer = self.form.open(self.table, self.file, lambda: "[]")
        self._names = [column.name for column in self.table.columns]

    def write(self, lines: Sequence[bytes]) -> None:
        """Write the rows of some lines."""
        for start in range(0, len(lines), _BATCH_ROWS):
            self._write(lines[start : start + _BATCH_ROWS])

    def _write(self, lines: Sequence[bytes]) -> None:
        from server.tables.arrow import Unfit, record_batch

        try:
            rows = [dict(zip(self._names, orjson.loads(line), strict=True)) for line in lines]
        except (ValueError, TypeError):
            raise _bad(f"A line after row {self.count:,} is not the cells of a row as JSON.") from None
        try:
            self._writer.write(self.form.shape(self.table, record_batch(self.table, {"rows": rows})))
        except Unfit as unfit:
            raise _bad(f"Of the rows after row {self.count:,}, {unfit}.") from None
        self.count += len(rows)

    def close(self) -> None:
        """Write the end."""
        self._writer.close()


def _table(line: bytes) -> Table:
    """Return the table that a first line describes. Raises RequestError."""
    try:
        head = orjson.loads(line)
        name, columns = head["name"], [_column(one) for one in head["columns"]]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _bad(f"The first line names the columns, whose kinds are {', '.join(_KINDS)}.") from None
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _bad("The name is not the name of an operation.")
    if not 0 < len(columns) <= MOST_COLUMNS or len({column.name.lower() for column in columns}) < len(columns):
        raise _bad(f"There must be from 1 to {MOST_COLUMNS} columns, each with a name of its own.")
    saved = SavedQuery(name, "", "", {}, Path(f"{name}.graphql"))
    return Table(name, "", tuple(columns), (), False, None, (("rows",),), "", saved)


def _column(said: Any) -> TableColumn:
    name, kind = said["name"], said["kind"]
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
        raise ValueError(name)
    return TableColumn(name, _KINDS[kind], True, "", (name,), 1, kind)


def _bad(message: str) -> RequestError:
    return RequestError(400, "BAD_USER_INPUT", message)
