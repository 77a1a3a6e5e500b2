"""The answers that hold rows: streams, and files of the spool with all that clients want of a file."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, cast

import orjson
import pyarrow as pa
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from resolvers.caller import Caller
from server.execution import Outcome
from server.operation import Operation
from server.refusal import Refusal, error
from server.tables import parameters
from server.tables.arrow import Shape
from server.tables.formats import FORMATS, Format
from server.tables.reading import Run, TableFailed, batches
from server.tables.setup import Setup
from server.tables.spool import Snapshot, Spool, key_of
from server.tables.table import Table
from server.tables.window import Window, window_of

# Written into the key of every file: raise it when a format is written in another way.
VERSION = 2
# So long an answer waits for its first rows, so that what fails at once is told by its status.
PATIENCE = 0.5
# Who reads a file in parts goes on with the file that was begun.
READING_SECONDS = 600.0
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

_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for: a table, the variables, the window, and how many rows at most."""

    table: Table
    variables: Mapping[str, Any]
    window: Window | None
    limit: int | None
    caller: Caller

    def batches(self, run: Run, shape: Shape) -> AsyncIterator[pa.RecordBatch]:
        """The rows in the shape of a format. Raises TableFailed."""

        async def signed(operation: Operation) -> Outcome:
            return await run(replace(operation, caller=self.caller))

        return batches(self.table, self.variables, self.window, signed, limit=self.limit, shape=shape)


class Answers:
    """Answers requests for tables, with what runs an operation."""

    def __init__(self, run: Run, setup: Setup) -> None:
        self._run = run
        self._setup = setup
        self.zone = setup.zone
        self.spool = Spool(setup.spool_folder, setup.spool_mebibytes << 20)

    def asked(self, table: Table, request: Request) -> Asked:
        """What a request asks for. Raises Refusal."""
        variables, said, limit = parameters.read(table, request.query_params.multi_items())
        found = window_of(table, said, self._setup.now(), self._setup.zone)
        return Asked(table, variables, found, limit, request.scope["caller"])

    def batches(self, asked: Asked, form: Format) -> AsyncIterator[pa.RecordBatch]:
        """The rows of what is asked for, as a format writes them. Raises TableFailed."""
        return asked.batches(self._run, form.shape)

    async def respond(self, table: Table, form: Format, request: Request) -> Response:
        """The answer in a format. Raises Refusal."""
        asked = self.asked(table, request)
        encoding = encoding_of(request) if form.compressible else None
        if form.snapshot:
            return await self._file(asked, form, None if "range" in request.headers else encoding, request)
        return await self._stream(asked, form, encoding, head=request.method == "HEAD")

    async def _stream(self, asked: Asked, form: Format, encoding: str | None, *, head: bool) -> Response:
        headers = _headers(form, encoding)
        if head:
            return Response(headers=headers, media_type=form.media_type)
        body = self._encoded(asked, form, encoding)
        first = asyncio.ensure_future(anext(body, b""))
        try:
            await asyncio.wait({first}, timeout=PATIENCE)
            if first.done():
                first.result()
        except TableFailed as failed:
            raise refusal(failed) from None
        except asyncio.CancelledError:
            first.cancel()
            raise

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

    async def _encoded(self, asked: Asked, form: Format, encoding: str | None) -> AsyncGenerator[bytes]:
        drawer = Drawer()
        sink = _compressed(drawer, encoding)
        rows = self.batches(asked, form)
        try:
            writer = form.writer(asked.table, sink)
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
            await cast(Any, rows).aclose()

    async def _file(self, asked: Asked, form: Format, encoding: str | None, request: Request) -> Response:
        snapshot = await self.snapshot(asked, form, encoding, reading="range" in request.headers)
        tag = f'"{snapshot.etag}"'
        headers = {**_headers(form, encoding), "ETag": tag}
        if _names(request.headers.get("if-none-match"), tag):
            return Response(status_code=304, headers=headers)
        if (match := request.headers.get("if-match")) is not None and not _names(match, tag):
            raise Refusal(412, "PRECONDITION_FAILED", "The table has been written anew: read it from its beginning.")
        if_range = request.headers.get("if-range")
        if if_range in (None, tag) and not _satisfiable(request.headers.get("range"), snapshot.size):
            message = f"The range lies outside the file, which has {snapshot.size} bytes."
            raise Refusal(416, "RANGE_NOT_SATISFIABLE", message, {"Content-Range": f"bytes */{snapshot.size}"})
        return Served(snapshot, headers, form.media_type, f"{asked.table.name}.{form.name}")

    async def snapshot(
        self, asked: Asked, form: Format, encoding: str | None = None, *, reading: bool = False
    ) -> Snapshot:
        """The file of what is asked for. Raises Refusal."""
        setup, window = self._setup, asked.window
        closed = window is not None and window.closed(setup.now())
        fresh_for = setup.closed_days * 86_400 if closed else setup.open_seconds
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

        async def write(path: Path) -> None:
            rows = self.batches(asked, form)
            await write_file(path, asked.table, form, rows, encoding)

        try:
            return await self.spool.get(
                key, form.name, max(fresh_for, READING_SECONDS) if reading else fresh_for, write
            )
        except TableFailed as failed:
            raise refusal(failed) from None


async def write_file(
    path: Path, table: Table, form: Format, rows: AsyncIterator[pa.RecordBatch], encoding: str | None = None
) -> int:
    """Write rows into a file, and say how many there were. What the rows raise is raised, and the file is not whole."""
    count = 0
    file = await asyncio.to_thread(path.open, "wb")
    sink = _compressed(file, encoding)
    writer = form.writer(table, sink)
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
        await cast(Any, rows).aclose()
        await asyncio.to_thread(sink.close)  # before the file, into which it writes its end
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
    """A file of the spool, which is not removed while it is sent."""

    chunk_size = 1 << 20

    def __init__(self, snapshot: Snapshot, headers: Mapping[str, str], media_type: str, name: str) -> None:
        super().__init__(
            snapshot.path, headers=headers, media_type=media_type, filename=name, stat_result=snapshot.path.stat()
        )
        self._snapshot = snapshot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._snapshot.readers += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._snapshot.readers -= 1


def refusal(failed: TableFailed) -> Refusal:
    """What is told of a table that cannot be read to its end, when nothing of it was sent."""
    day = f" (on {failed.day})" if failed.day is not None and failed.code not in ("NOT_FOUND", "BAD_USER_INPUT") else ""
    return Refusal(STATUS.get(failed.code, _UPSTREAM), failed.code, failed.message + day)


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
        raise Refusal(404, "NOT_FOUND", f"There is no format {name[:40]!r}; there are {', '.join(FORMATS)}.")
    return FORMATS[name]


def _compressed(sink: Any, encoding: str | None) -> IO[bytes]:
    if encoding is None:
        return cast(IO[bytes], sink)
    return cast(IO[bytes], pa.CompressedOutputStream(pa.PythonFile(sink, "w"), encoding))


def _headers(form: Format, encoding: str | None) -> dict[str, str]:
    headers = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    if form.compressible:
        headers["Vary"] = "Accept-Encoding"
    if encoding:
        headers["Content-Encoding"] = encoding
    return headers


def _names(header: str | None, tag: str) -> bool:
    return header is not None and any(part.strip().removeprefix("W/") in (tag, "*") for part in header.split(","))


def _satisfiable(header: str | None, size: int) -> bool:
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.group() == "bytes=-":
        return True
    first, last = match.groups()
    return int(first) < size if first else int(last) > 0 and size > 0
