"""Answer requests for rows with streams, and with files of the spool (ranges, conditions, encodings)."""

import asyncio
import datetime
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, cast

import orjson
import pyarrow as pa
import structlog
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from resolvers.caller import Caller
from server.auth.credentials import VARY, carries
from server.execution.execution import Outcome
from server.execution.freshness import Freshness
from server.execution.operation import Operation
from server.execution.request_options import max_age
from server.http import conditions
from server.http.request_error import RequestError, error
from server.http.request_headers import RequestHeaders
from server.tables import parameters, ranges
from server.tables.arrow import Shape
from server.tables.formats import FORMATS, Format
from server.tables.reading import Log, Run, TableFailed, batches
from server.tables.setup import TablesConfig
from server.tables.spool import FULL, Snapshot, Spool, SpoolTimes, Wanted, key_of
from server.tables.table import Table
from server.tables.window import TableWindow, window_of
from upstream import private
from upstream.caching.trust import Trust
from upstream.call import Reading

# A part of the key of every file. Raise it when a format is written differently.
VERSION = 2
# After the first day, an answer waits this long for its first rows, so that its status can report a failure.
PATIENCE = 0.5
ENCODINGS = ("zstd", "gzip")

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

_ONE_TAG = re.compile(r'"(\w+)"', re.ASCII)


@dataclass(frozen=True, slots=True)
class TableRequest:
    """A request for a table: the table, the variables, the window, and the limit of rows.

    No row may have been read before `not_before`.
    """

    table: Table
    variables: Mapping[str, Any]
    window: TableWindow | None
    limit: int | None
    caller: Caller
    not_before: datetime.datetime | None = None

    def batches(self, run: Run, shape: Shape, log: Log) -> AsyncGenerator[pa.RecordBatch]:
        """Yield the rows in the form of a format. Raises TableFailed."""

        async def signed(operation: Operation) -> Outcome:
            return await run(replace(operation, caller=self.caller))

        return batches(
            self.table,
            self.variables,
            self.window,
            signed,
            limit=self.limit,
            shape=shape,
            not_before=self.not_before,
            log=log,
        )


class TableAnswers:
    """Answer requests for tables. `run` runs an operation."""

    def __init__(self, run: Run, setup: TablesConfig) -> None:
        self._run = run
        self._setup = setup
        self.zone = setup.zone
        self.now = setup.now
        self.filter_seconds = setup.filter_seconds
        self.spool = Spool(setup.spool_folder, setup.spool_mebibytes << 20)

    def asked(self, table: Table, request: Request) -> TableRequest:
        """Read a request. Raises RequestError."""
        variables, said, limit = parameters.read(table, request.query_params.multi_items())
        found = window_of(table, said, self._setup.now(), self._setup.zone)
        return TableRequest(table, variables, found, limit, request.scope["caller"], self.not_before(request))

    def not_before(self, request: Request) -> datetime.datetime | None:
        """Return the earliest allowed reading time of a row; None if the request has no limit."""
        age = max_age(RequestHeaders.of(request.scope))
        return None if age is None else self.now() - datetime.timedelta(seconds=age)

    def batches(self, asked: TableRequest, form: Format, log: Log) -> AsyncGenerator[pa.RecordBatch]:
        """Yield the requested rows as a format writes them. Raises TableFailed."""
        return asked.batches(self._run, form.shape, log)

    async def respond(self, table: Table, form: Format, request: Request) -> Response:
        """Return the answer in a format. Raises RequestError."""
        asked = self.asked(table, request)
        encoding = encoding_of(request) if form.compressible else None
        headers = _headers(form, encoding, request)
        if form.snapshot:
            return await self._file(asked, form, encoding, request)
        if request.method == "HEAD":
            return Response(headers=headers, media_type=form.media_type)
        return await self._stream(asked, form, encoding, headers)

    async def _stream(
        self, asked: TableRequest, form: Format, encoding: str | None, headers: dict[str, str]
    ) -> StreamingResponse:
        log = Log(self._setup.kept)
        body = self._encoded(asked, form, encoding, log)
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
        self, asked: TableRequest, form: Format, encoding: str | None, log: Log
    ) -> AsyncGenerator[bytes]:
        drawer = Drawer()
        sink = _compressed(drawer, encoding)
        rows = self.batches(asked, form, log)
        try:
            writer = form.open(asked.table, sink, log.text)
            async for batch in rows:
                await asyncio.to_thread(writer.write, batch)
                sink.flush()
                if chunk := drawer.take():
                    yield chunk
            writer.close()
            if encoding:
                sink.close()
            if chunk := drawer.take():
                yield chunk
        finally:
            await rows.aclose()

    async def _file(self, asked: TableRequest, form: Format, encoding: str | None, request: Request) -> Response:
        fields = RequestHeaders.of(request.scope)
        wanted_parts = ranges.read(fields.get("range"))
        reading, tag = wanted_parts is not None, _named(fields)
        if reading:
            encoding = None
        # A client that names the file it has parts of continues with it.
        wanted = replace(asked, not_before=None) if reading and tag else asked
        snapshot = await self.snapshot(wanted, form, encoding, reading=reading, tag=tag if reading else None)
        times, tag = snapshot.times, f'"{snapshot.etag}"'
        headers = {**_headers(form, encoding, request), "ETag": tag, "Last-Modified": conditions.date(times.oldest)}
        if times.rows is not None:
            headers["Age"] = age(times.oldest, self.now())
        if _known(fields, tag, times):
            return Response(status_code=304, headers=headers)
        if _outdated(fields, tag, times):
            raise RequestError(
                412, "PRECONDITION_FAILED", "The table has been written anew: read it from its beginning."
            )
        parts = None
        if wanted_parts is not None and _goes_on(fields, tag, headers["Last-Modified"], times):
            parts = ranges.written(wanted_parts, snapshot.size)
            if parts is None:
                raise _outside(snapshot)
        return Served(snapshot, headers, form.media_type, f"{asked.table.name}.{form.name}", parts)

    async def snapshot(
        self,
        asked: TableRequest,
        form: Format,
        encoding: str | None = None,
        *,
        reading: bool = False,
        tag: str | None = None,
    ) -> Snapshot:
        """Return the file of a request. Raises RequestError.

        With `reading`, a client continues with a file that it has parts of: the file of `tag`, if it names one.
        """
        setup, window = self._setup, asked.window
        key = key_of(
            VERSION,
            setup.origin(),
            # Callers that see different groups have different files.
            None if asked.caller.groups is None else sorted(asked.caller.groups),
            asked.table.document,
            str(asked.table.schema),
            sorted(asked.variables.items()),
            None if window is None else (window.text, str(window.zone)),
            asked.limit,
            form.name,
            encoding,
        )
        days = (None, None) if window is None else (window.pieces[0].day, window.pieces[-1].day)
        now = setup.now()
        wanted = Wanted(now, asked.not_before, await setup.changed(*days), reading, tag)

        async def write(path: Path) -> SpoolTimes:
            log = Log()
            await write_file(path, asked.table, form, self.batches(asked, form, log), encoding, log.text)
            until = trusted_until(log.readings, setup.trust, datetime.timedelta(seconds=setup.open_seconds))
            least = now + datetime.timedelta(seconds=setup.open_seconds)
            return SpoolTimes(now, Freshness.of(log.readings), until or least)

        try:
            return await self.spool.get(key, form.name, wanted, write)
        except TableFailed as failed:
            raise refusal(failed) from None
        except OSError as failure:
            raise unkept(failure) from None


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


async def write_file(
    path: Path,
    table: Table,
    form: Format,
    rows: AsyncGenerator[pa.RecordBatch],
    encoding: str | None = None,
    freshness: Callable[[], str] = lambda: "[]",
) -> int:
    """Write rows into a file and return their number. An error of the rows is raised, and the file is incomplete.

    `freshness` returns the reading times after the rows were read.
    """
    count = 0
    file = await asyncio.to_thread(open, path, "wb", opener=private.opener)
    sink = _compressed(file, encoding)
    try:
        writer = form.open(table, sink, freshness)
    except BaseException:
        file.close()
        await rows.aclose()
        raise
    try:
        async for batch in rows:
            await asyncio.to_thread(writer.write, batch)
            count += batch.num_rows
    except BaseException:
        with suppress(Exception):  # close it; its output is dropped
            writer.close()
        raise
    else:
        await asyncio.to_thread(writer.close)
    finally:
        await rows.aclose()
        try:
            await asyncio.to_thread(sink.close)  # before the file, because the writer writes its end into it
        finally:
            file.close()
    return count


class Drawer:
    """The file of a stream: it stores what was written until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Return everything that was written since the last call."""
        taken, self._parts = b"".join(self._parts), []
        return taken

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def flush(self) -> None:
        """Do nothing: there is no buffer."""

    def close(self) -> None:
        """Do nothing: the content stays until it is taken."""


class Served(FileResponse):
    """Send a file of the spool, which is not removed meanwhile. `parts` is the `Range` to send; None sends all."""

    chunk_size = 1 << 20

    def __init__(
        self, snapshot: Snapshot, headers: Mapping[str, str], media_type: str, name: str, parts: str | None
    ) -> None:
        super().__init__(
            snapshot.path, headers=headers, media_type=media_type, filename=name, stat_result=snapshot.path.stat()
        )
        self._snapshot = snapshot
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Starlette would read the range again, with other rules for invalid ranges and for `If-Range`.
        others = [pair for pair in scope["headers"] if pair[0] not in (b"range", b"if-range")]
        scope = {**scope, "headers": [*others, (b"range", self._parts.encode())] if self._parts else others}
        self._snapshot.readers += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._snapshot.readers -= 1


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


def encoding_of(request: Request) -> str | None:
    """Return the encoding for a client: zstd before gzip; None for neither."""
    offers: dict[str, float] = {}
    for part in request.headers.get("accept-encoding", "").split(","):
        name, _, weight = part.partition(";")
        try:
            offers[name.strip().lower()] = float(weight.partition("=")[2] or 1)
        except ValueError:
            continue
    return next((name for name in ENCODINGS if offers.get(name, 0) > 0), None)


def form_of(name: str) -> Format:
    """Return the format of a name. Raises RequestError."""
    if name not in FORMATS:
        raise RequestError(404, "NOT_FOUND", f"There is no format {name[:40]!r}; there are {', '.join(FORMATS)}.")
    return FORMATS[name]


def _compressed(sink: Any, encoding: str | None) -> IO[bytes]:
    if encoding is None:
        return cast(IO[bytes], sink)
    return cast(IO[bytes], pa.CompressedOutputStream(pa.PythonFile(sink, "w"), encoding))


def _headers(form: Format, encoding: str | None, request: Request) -> dict[str, str]:
    vary = ("Accept-Encoding", VARY) if form.compressible else (VARY,)
    headers = {
        # Clients must ask this server before they use a cached copy: it knows which days changed.
        "Cache-Control": keeping(request),
        "Vary": ", ".join(vary),
        "X-Content-Type-Options": "nosniff",
    }
    if encoding:
        headers["Content-Encoding"] = encoding
    return headers


def keeping(request: Request) -> str:
    """Return the cache directive of an answer with rows: private if the request had a credential."""
    return "private, no-cache" if carries(request.scope) else "no-cache"


def age(oldest: datetime.datetime, now: datetime.datetime) -> str:
    """Return the value of `Age` if the oldest row was read at this moment."""
    return str(Freshness(oldest, oldest, oldest).age(now))


def _named(fields: RequestHeaders) -> str | None:
    """Return the hash of the file that a client has parts of, if the request names it."""
    match = _ONE_TAG.fullmatch(fields.get("if-range", fields.get("if-match", "")).strip())
    return match[1] if match else None


def _known(fields: RequestHeaders, tag: str, times: SpoolTimes) -> bool:
    """Return whether the client has this file. A date is compared with the newest row."""
    if "if-none-match" in fields:
        return conditions.names(fields["if-none-match"], tag)
    moment = conditions.moment(fields.get("if-modified-since"))
    return moment is not None and not _changed_since(times, moment)


def _outdated(fields: RequestHeaders, tag: str, times: SpoolTimes) -> bool:
    """Return whether the conditions of the request exclude this file."""
    if "if-match" in fields:
        return not conditions.names(fields["if-match"], tag, strong=True)
    moment = conditions.moment(fields.get("if-unmodified-since"))
    return moment is not None and _changed_since(times, moment)


def _goes_on(fields: RequestHeaders, tag: str, modified: str, times: SpoolTimes) -> bool:
    """Return whether parts of this file fit the parts that the client has."""
    said = fields.get("if-range", tag).strip()
    if said == modified:
        moment = conditions.moment(said)
        return moment is not None and not _changed_since(times, moment)
    return said == tag


def _changed_since(times: SpoolTimes, moment: datetime.datetime) -> bool:
    return times.newest.replace(microsecond=0) > moment


def _outside(snapshot: Snapshot) -> RequestError:
    message = f"The range lies outside the file, which has {snapshot.size} bytes."
    return RequestError(416, "RANGE_NOT_SATISFIABLE", message, {"Content-Range": f"bytes */{snapshot.size}"})
