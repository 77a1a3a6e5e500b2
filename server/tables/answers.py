"""The answers that hold rows: streams, and files of the spool with all that clients want of a file."""

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

# Written into the key of every file: raise it when a format is written in another way.
VERSION = 2
# Once its first day is read, an answer waits so long for its first rows, so that a failure is told by its status.
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
    """The request of an address: a table, the variables, the window, and how many rows at most.

    No row may have been read before `not_before`.
    """

    table: Table
    variables: Mapping[str, Any]
    window: TableWindow | None
    limit: int | None
    caller: Caller
    not_before: datetime.datetime | None = None

    def batches(self, run: Run, shape: Shape, log: Log) -> AsyncGenerator[pa.RecordBatch]:
        """The rows in the shape of a format. Raises TableFailed."""

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
    """Answers requests for tables, with what runs an operation."""

    def __init__(self, run: Run, setup: TablesConfig) -> None:
        self._run = run
        self._setup = setup
        self.zone = setup.zone
        self.now = setup.now
        self.filter_seconds = setup.filter_seconds
        self.spool = Spool(setup.spool_folder, setup.spool_mebibytes << 20)

    def asked(self, table: Table, request: Request) -> TableRequest:
        """What a request asks for. Raises Refusal."""
        variables, said, limit = parameters.read(table, request.query_params.multi_items())
        found = window_of(table, said, self._setup.now(), self._setup.zone)
        return TableRequest(table, variables, found, limit, request.scope["caller"], self.not_before(request))

    def not_before(self, request: Request) -> datetime.datetime | None:
        """Return the moment before which no row may have been read; None if the request does not say."""
        age = max_age(RequestHeaders.of(request.scope))
        return None if age is None else self.now() - datetime.timedelta(seconds=age)

    def batches(self, asked: TableRequest, form: Format, log: Log) -> AsyncGenerator[pa.RecordBatch]:
        """The rows of what is asked for, as a format writes them. Raises TableFailed."""
        return asked.batches(self._run, form.shape, log)

    async def respond(self, table: Table, form: Format, request: Request) -> Response:
        """The answer in a format. Raises Refusal."""
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
                raise  # the connection is cut: no client takes this for the end
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
        # A client that names the file whose parts it has, goes on with it.
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
        """Return the file of what is asked for. Raises Refusal.

        With `reading`, a client goes on with a file that it began: with the one of this `tag`, if it says so.
        """
        setup, window = self._setup, asked.window
        key = key_of(
            VERSION,
            setup.origin(),
            # What a caller may see is a table of its own.
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
    """Return the moment until which a file of rows that were read so is served; None if it holds no upstream rows.

    Rows that are not trusted longer than those of an open day are served for the `least` time, or the file of a group
    would be written anew every few seconds. For this the `Age` of the file is right all the same.
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
    """Write rows into a file, and say how many there were. An error of the rows is raised, and the file is not whole.

    `freshness` tells when the rows were read, once they were.
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
        with suppress(Exception):  # whatever it holds open; what it wrote is thrown away
            writer.close()
        raise
    else:
        await asyncio.to_thread(writer.close)
    finally:
        await rows.aclose()
        try:
            await asyncio.to_thread(sink.close)  # before the file, into which it writes its end
        finally:
            file.close()
    return count


class Drawer:
    """Holds what was written until it is taken: the file that a stream is written into."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """All that was written since."""
        taken, self._parts = b"".join(self._parts), []
        return taken

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def flush(self) -> None:
        """It is at hand as it is."""

    def close(self) -> None:
        """What is in it stays until it is taken."""


class Served(FileResponse):
    """A file of the spool, which is not removed while it is sent. `parts` is the `Range` to send; None: the whole."""

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
        # Starlette reads the range again, and has other rules for an invalid one and for `If-Range`.
        others = [pair for pair in scope["headers"] if pair[0] not in (b"range", b"if-range")]
        scope = {**scope, "headers": [*others, (b"range", self._parts.encode())] if self._parts else others}
        self._snapshot.readers += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._snapshot.readers -= 1


def refusal(failed: TableFailed) -> RequestError:
    """What is told of a table that cannot be read to its end, when nothing of it was sent."""
    day = f" (on {failed.day})" if failed.day is not None and failed.code not in ("NOT_FOUND", "BAD_USER_INPUT") else ""
    return RequestError(STATUS.get(failed.code, _UPSTREAM), failed.code, failed.message + day)


def unkept(failure: OSError) -> RequestError:
    """Return the message for a client about a file that cannot be kept. The log has more: clients see no paths."""
    full = failure.errno in FULL
    why = "The disk for the files of tables is full." if full else "The files of tables cannot be written."
    log.error("a file of a table cannot be kept", why=failure.strerror or type(failure).__name__, path=failure.filename)
    return RequestError(
        507 if full else 503, "STORAGE_UNAVAILABLE",
        f"{why} Ask for ndjson, json or arrow, which need no file; or have the disk of TABLES_SPOOL_DIR put in order.",
    )  # fmt: skip


def encoding_of(request: Request) -> str | None:
    """The encoding that a client takes and we give, zstd before gzip."""
    offers: dict[str, float] = {}
    for part in request.headers.get("accept-encoding", "").split(","):
        name, _, weight = part.partition(";")
        try:
            offers[name.strip().lower()] = float(weight.partition("=")[2] or 1)
        except ValueError:
            continue
    return next((name for name in ENCODINGS if offers.get(name, 0) > 0), None)


def form_of(name: str) -> Format:
    """The format of that name. Raises Refusal."""
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
        # A kept copy is used only after this server was asked: it knows which days changed.
        "Cache-Control": keeping(request),
        "Vary": ", ".join(vary),
        "X-Content-Type-Options": "nosniff",
    }
    if encoding:
        headers["Content-Encoding"] = encoding
    return headers


def keeping(request: Request) -> str:
    """Return who may keep an answer with rows: everyone, or the client alone if it showed a credential."""
    return "private, no-cache" if carries(request.scope) else "no-cache"


def age(oldest: datetime.datetime, now: datetime.datetime) -> str:
    """Return the value of `Age` for rows of which the oldest was read at a moment."""
    return str(Freshness(oldest, oldest, oldest).age(now))


def _named(fields: RequestHeaders) -> str | None:
    """Return the hash of the file whose parts a client has, if the request names one."""
    match = _ONE_TAG.fullmatch(fields.get("if-range", fields.get("if-match", "")).strip())
    return match[1] if match else None


def _known(fields: RequestHeaders, tag: str, times: SpoolTimes) -> bool:
    """Return whether the client has this file. A date counts from the newest row: an older one may not be all of it."""
    if "if-none-match" in fields:
        return conditions.names(fields["if-none-match"], tag)
    moment = conditions.moment(fields.get("if-modified-since"))
    return moment is not None and not _changed_since(times, moment)


def _outdated(fields: RequestHeaders, tag: str, times: SpoolTimes) -> bool:
    """Return whether the client wants another file than this one, or none."""
    if "if-match" in fields:
        return not conditions.names(fields["if-match"], tag, strong=True)
    moment = conditions.moment(fields.get("if-unmodified-since"))
    return moment is not None and _changed_since(times, moment)


def _goes_on(fields: RequestHeaders, tag: str, modified: str, times: SpoolTimes) -> bool:
    """Return whether parts of this file may follow the parts that the client has."""
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
