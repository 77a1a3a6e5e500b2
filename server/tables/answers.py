"""Answer requests for rows with streams, and with files of the spool (ranges, conditions, encodings)."""

import asyncio
import datetime
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pyarrow as pa
import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from resolvers.caller import Caller
from server.execution.execution import Outcome
from server.execution.freshness import Freshness
from server.execution.operation import Operation
from server.execution.request_options import max_age
from server.http import conditions, ranges
from server.http.compression import coding_of
from server.http.request_error import RequestError, error
from server.http.request_facts import RequestFacts, current, facts_of
from server.http.request_headers import RequestHeaders
from server.tables import parameters
from server.tables.arrow import Shape, Unfit, slices
from server.tables.config import FileCounts, TablesConfig
from server.tables.file_response import (
    ENCODINGS,
    SpoolFileResponse,
    age,
    continues,
    head_of_stream,
    headers_of,
    is_excluded,
    is_known,
    named_file,
    outside,
)
from server.tables.formats import FORMATS, MARKED_CSV, Format
from server.tables.reading import BATCH_ROWS, Log, RowOptions, Run, TableFailed, batches, foresee_day
from server.tables.spool.snapshot import Snapshot, SpoolTimes
from server.tables.spool.spool import FULL, ReadFile, Spool, Wanted, key_of
from server.tables.table import Table
from server.tables.totals import TableTotals
from server.tables.window import TableWindow, window_of
from server.tables.writing import StreamBuffer, compressed, write_file
from upstream.caching.trust import Trust
from upstream.call import Reading

# A part of the key of every file. Raise it when a format is written differently.
VERSION = 2
# After the first day, an answer waits this long for its first rows, so that its status can report a failure.
PATIENCE = 0.5
# So often a file is written again if it gives way to others before it is read.
TRIES = 3

STATUS = {
    "BAD_USER_INPUT": 400,
    "GRAPHQL_VALIDATION_FAILED": 400,
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "INTERNAL_SERVER_ERROR": 500,
}
_UPSTREAM = 502

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TableRequest:
    """A request for a table: the table, the variables, the window, and the limit of rows in the answer.

    No row may have been read before `not_before`. With `totals` the answer has the totals of all rows. With `mark`, CSV
    begins with a byte order mark.
    """

    table: Table
    variables: Mapping[str, Any]
    window: TableWindow | None
    limit: int | None
    caller: Caller
    not_before: datetime.datetime | None = None
    totals: TableTotals | None = None
    mark: bool = False

    @property
    def answer(self) -> Table:
        """Return the table that the answer has: the table itself, or its totals."""
        return self.table if self.totals is None else self.totals.table

    def signed(self, run: Run) -> Run:
        """Return what runs operations for the caller of the request."""

        async def signed(operation: Operation) -> Outcome:
            return await run(msgspec.structs.replace(operation, caller=self.caller))

        return signed

    def batches(self, run: Run, shape: Shape, log: Log) -> AsyncGenerator[pa.RecordBatch]:
        """Yield the rows of the answer in the form of a format. Raises TableFailed."""
        signed = self.signed(run)

        def rows(limit: int | None, shape: Shape) -> AsyncGenerator[pa.RecordBatch]:
            options = RowOptions(limit, shape, self.not_before)
            return batches(self.table, self.variables, self.window, signed, options, log)

        if self.totals is None:
            return rows(self.limit, shape)
        return _totalled(self.totals, rows(None, self.totals.prepared), self.limit, shape)


async def _totalled(
    totals: TableTotals, rows: AsyncGenerator[pa.RecordBatch], limit: int | None, shape: Shape
) -> AsyncGenerator[pa.RecordBatch]:
    """Yield the totals of prepared rows. Raises TableFailed, and RequestError for too many groups."""
    fold = totals.fold()
    async with aclosing(rows):
        async for batch in rows:
            await asyncio.to_thread(fold.add, batch)
    found = (await asyncio.to_thread(fold.rows)).slice(0, limit)
    try:
        shaped = shape(totals.table, found)
    except Unfit as unfit:
        raise TableFailed("BAD_USER_INPUT", f"{totals.table.name}: {unfit}.") from None
    for piece in slices(shaped, BATCH_ROWS):
        yield piece


class TableAnswers:
    """Answer requests for tables. `run` runs an operation."""

    def __init__(self, run: Run, config: TablesConfig, files: FileCounts | None = None) -> None:
        self._run = run
        self._config = config
        self.zone = config.zone
        self.now = config.now
        self.filter_seconds = config.filter_seconds
        self.spool = Spool(config.spool_folder, config.spool_mebibytes << 20, config.store(), files)

    def requested(self, table: Table, request: Request) -> TableRequest:
        """Read a request. Raises RequestError."""
        pairs, of_answer = parameters.split(table, request.query_params.multi_items())
        variables, said, limit = parameters.read(table, pairs)
        return TableRequest(
            table,
            variables,
            window_of(table, said, self._config.now(), self._config.zone),
            limit,
            request.scope["caller"],
            self.not_before(request),
            of_answer.totals_of(table, self._config.zone),
            of_answer.mark,
        )

    def not_before(self, request: Request) -> datetime.datetime | None:
        """Return the earliest allowed reading time of a row; None if the request has no limit."""
        age = max_age(RequestHeaders.of(request.scope))
        return None if age is None else self.now() - datetime.timedelta(seconds=age)

    def batches(self, requested: TableRequest, form: Format, log: Log) -> AsyncGenerator[pa.RecordBatch]:
        """Yield the requested rows as a format writes them. Raises TableFailed."""
        rows, facts = requested.batches(self._run, form.shape, log), current()
        return rows if facts is None else _counted(rows, facts)

    async def respond(self, table: Table, form: Format, request: Request) -> Response:
        """Return the answer in a format. Raises RequestError."""
        facts_of(request.scope).line |= {"table": table.name, "format": form.name}
        requested = self.requested(table, request)
        if requested.mark:
            form = _marked(form)
        encoding = coding_of(request.headers.get("accept-encoding"), ENCODINGS) if form.compressible else None
        headers = headers_of(form, encoding, request)
        # Totals are complete before they are sent, so they are a file in every format.
        if form.snapshot or requested.totals is not None:
            for _ in range(TRIES):
                with suppress(FileNotFoundError):
                    return await self._file(requested, form, encoding, request)
            raise crowded()
        if request.method == "HEAD":
            return head_of_stream(headers, form.media_type)
        return await self._stream(requested, form, encoding, headers)

    async def _stream(
        self, requested: TableRequest, form: Format, encoding: str | None, headers: dict[str, str]
    ) -> StreamingResponse:
        log = Log(self._config.cached_since)
        body = self._encoded(requested, form, encoding, log)
        first, known = asyncio.ensure_future(anext(body, b"")), asyncio.ensure_future(log.known.wait())
        try:
            await asyncio.wait({first, known}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({first}, timeout=PATIENCE)
            if first.done():
                first.result()
        except TableFailed as failed:
            raise refusal(failed) from None
        except asyncio.CancelledError:
            first.cancel()
            raise
        finally:
            known.cancel()
        if log.oldest is not None:
            headers["Age"] = age(log.oldest, self.now())

        async def chunks() -> AsyncIterator[bytes]:
            try:
                yield await first
                async for chunk in body:
                    yield chunk
            except TableFailed as failed:
                if form.name == "ndjson" and encoding is None:
                    yield orjson.dumps({"error": error(failed.message, failed.code)}) + b"\n"
                raise  # the connection is cut, so that no client takes this as the end
            finally:
                first.cancel()
                with suppress(asyncio.CancelledError, TableFailed):
                    await first
                await body.aclose()

        return StreamingResponse(chunks(), headers=headers, media_type=form.media_type)

    async def _encoded(
        self, requested: TableRequest, form: Format, encoding: str | None, log: Log
    ) -> AsyncGenerator[bytes]:
        buffer = StreamBuffer()
        sink = compressed(buffer, encoding)
        rows = self.batches(requested, form, log)
        try:
            writer = form.open(requested.answer, sink, log.text)
            async for batch in rows:
                await asyncio.to_thread(writer.write, batch)
                sink.flush()
                if chunk := buffer.take():
                    yield chunk
            writer.close()
            if encoding:
                sink.close()
            if chunk := buffer.take():
                yield chunk
        finally:
            await rows.aclose()

    async def _file(self, requested: TableRequest, form: Format, encoding: str | None, request: Request) -> Response:
        """Return the answer with a file. Raises FileNotFoundError if it gave way to another file a moment ago."""
        fields = RequestHeaders.of(request.scope)
        wanted_parts = ranges.read(fields.get("range")) if request.method == "GET" else None
        reading, tag = wanted_parts is not None, named_file(fields)
        if reading:
            encoding = None
        # A client that names the file it has parts of continues with it.
        wanted = replace(requested, not_before=None) if reading and tag else requested
        snapshot = await self.snapshot(wanted, form, encoding, reading=reading, tag=tag if reading else None)
        times, tag, modified = snapshot.times, f'"{snapshot.etag}"', snapshot.modified
        headers = {
            **headers_of(form, encoding, request),
            "ETag": tag,
            "Last-Modified": conditions.date(min(modified, self.now())),
        }
        if times.rows is not None:
            headers["Age"] = age(times.oldest, self.now())
        if is_excluded(fields, tag, modified):
            raise RequestError(
                412, "PRECONDITION_FAILED", "The table has been written anew: read it from its beginning."
            )
        if is_known(fields, tag, modified):
            return Response(status_code=304, headers=headers)
        parts = None
        if wanted_parts is not None and continues(fields, tag, modified):
            parts = ranges.written(wanted_parts, snapshot.size)
            if parts is None:
                raise outside(snapshot)
        return SpoolFileResponse(snapshot, headers, form.media_type, f"{requested.table.name}.{form.name}", parts)

    async def snapshot(
        self,
        requested: TableRequest,
        form: Format,
        encoding: str | None = None,
        *,
        reading: bool = False,
        tag: str | None = None,
    ) -> Snapshot:
        """Return the file of a request. Raises RequestError.

        With `reading`, a client continues with a file that it has parts of: see `Wanted`.
        """
        config = self._config
        key, wanted = await self._place(requested, form, encoding)
        wanted = replace(wanted, reading=reading, tag=tag)
        now = wanted.now

        async def write(path: Path) -> SpoolTimes:
            log = Log()
            await write_file(path, requested.answer, form, self.batches(requested, form, log), encoding, log.text)
            until = trusted_until(log.readings, config.trust, datetime.timedelta(seconds=config.open_seconds))
            least = now + datetime.timedelta(seconds=config.open_seconds)
            return SpoolTimes(now, Freshness.of(log.readings), until or least, log.cost)

        try:
            return await self.spool.get(key, form.name, wanted, write)
        except TableFailed as failed:
            raise refusal(failed) from None
        except OSError as failure:
            raise unkept(failure) from None

    async def foresee(self, requested: TableRequest, form: Format) -> Sequence[Mapping[str, Any]] | None:
        """Return the upstream calls of each day of a file that is not there; None if it is there. Raises RequestError.

        Nothing is called. The calls have the form of `extensions.explain`.
        """
        key, wanted = await self._place(requested, form)
        try:
            if await self.spool.look(key, wanted) is not None:
                return None
        except OSError as failure:
            raise unkept(failure) from None
        days = (None,) if requested.window is None else requested.window.pieces
        run, not_before = requested.signed(self._run), requested.not_before
        try:
            return [await foresee_day(requested.table, requested.variables, day, run, not_before) for day in days]
        except TableFailed as failed:
            raise refusal(failed) from None

    async def _place(
        self,
        requested: TableRequest,
        form: Format,
        encoding: str | None = None,
    ) -> tuple[str, Wanted]:
        """Return the key of the file of a request, and the conditions that the file must meet."""
        config, window = self._config, requested.window
        key = key_of(
            VERSION,
            config.origin(),
            # Callers that see different groups have different files.
            None if requested.caller.groups is None else sorted(requested.caller.groups),
            requested.table.document,
            str(requested.table.schema),
            sorted(requested.variables.items()),
            None if window is None else (window.text, str(window.zone)),
            requested.limit,
            form.name,
            encoding,
            *([] if requested.totals is None else [requested.totals.text]),
            *(["bom"] if form is MARKED_CSV else []),
        )
        days = (None, None) if window is None else (window.pieces[0].day, window.pieces[-1].day)
        return key, Wanted(config.now(), requested.not_before, await config.changed(*days))

    async def would_read(self, file: ReadFile, not_before: datetime.datetime | None) -> Snapshot | None:
        """Return the file that would be read in place of one that an answer read; None if it would be written."""
        changed = await self._config.changed(*file.days)
        wanted = Wanted(self._config.now(), not_before, changed, file.reading, file.tag)
        return self.spool.find(file.key, wanted)


async def _counted(rows: AsyncGenerator[pa.RecordBatch], facts: RequestFacts) -> AsyncGenerator[pa.RecordBatch]:
    """Yield the rows of a table, and count them for the line of the request."""
    async with aclosing(rows):
        async for batch in rows:
            facts.line["rows"] = facts.line.get("rows", 0) + batch.num_rows
            yield batch


def trusted_until(readings: Sequence[Reading], trust: Trust, least: datetime.timedelta) -> datetime.datetime | None:
    """Return until when a file with these readings is served; None if it has no upstream rows.

    Rows with no more trust than those of an open day are served for the `least` time. Otherwise the file of a group
    would be written again every few seconds. The `Age` of the file stays right.
    """
    found = [
        max(reading.until, reading.read_at + least)
        if (reading.until - reading.read_at).total_seconds() <= trust.open
        else reading.until
        for reading in readings
    ]
    return min(found, default=None)


def refusal(failed: TableFailed) -> RequestError:
    """Return the error for a table that cannot be read, if nothing of it was sent yet."""
    day = f" (on {failed.day})" if failed.day is not None and failed.code not in ("NOT_FOUND", "BAD_USER_INPUT") else ""
    return RequestError(STATUS.get(failed.code, _UPSTREAM), failed.code, failed.message + day)


def unkept(failure: OSError) -> RequestError:
    """Return the message for a client about a file that cannot be stored. Only the log has the path."""
    full = failure.errno in FULL
    why = "The disk for the files of tables is full." if full else "The files of tables cannot be written."
    log.error("a file of a table cannot be kept", why=failure.strerror or type(failure).__name__, path=failure.filename)
    return RequestError(
        507 if full else 503, "STORAGE_UNAVAILABLE",
        f"{why} Ask for ndjson, json or arrow, which need no file; or have the disk of TABLES_SPOOL_DIR put in order.",
    )  # fmt: skip


def crowded() -> RequestError:
    """Return the error for files that are removed before they are read."""
    return RequestError(
        503,
        "STORAGE_UNAVAILABLE",
        "The files of tables give way too fast: raise the limit of TABLES_SPOOL_MEBIBYTES.",
    )


def _marked(form: Format) -> Format:
    """Return CSV with a byte order mark. Raises RequestError for other formats."""
    if form is not FORMATS["csv"]:
        raise RequestError(400, "BAD_USER_INPUT", f"bom=1 is for csv; the format {form.name} has no byte order mark.")
    return MARKED_CSV


def form_of(name: str) -> Format:
    """Return the format of a name. Raises RequestError."""
    if name not in FORMATS:
        raise RequestError(404, "NOT_FOUND", f"There is no format {name[:40]!r}; there are {', '.join(FORMATS)}.")
    return FORMATS[name]
