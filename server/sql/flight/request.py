"""One call of Flight SQL as a request to `/sql` of the application, inside this process.

The server of Flight has threads of its own, and the requests run in the event loop. A thread that waits looks regularly
whether its client has cancelled.
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

import orjson
import pyarrow as pa
import pyarrow.flight as flight
from starlette.types import ASGIApp, Message

from server.http.request_facts import INTERFACE

T = TypeVar("T")

_AHEAD = 4  # chunks that wait for the client
LOOK_SECONDS = 0.1
# Clients in Go refuse messages of more than 16 MiB, and others of more than 4 MiB.
_MESSAGE_BYTES = 4 << 20
# pyarrow sends errors of other kinds with the place in the source code.
_ERRORS: Mapping[int, Callable[[str], Exception]] = {
    401: flight.FlightUnauthenticatedError,
    403: flight.FlightUnauthorizedError,
    429: flight.FlightUnavailableError,
    500: flight.FlightInternalError,
    503: flight.FlightUnavailableError,
}


class SqlRequest:
    """A request to `/sql`, made by a thread. Its answer is a stream of Arrow. `context` is the call of Flight."""

    def __init__(self, app: ASGIApp, loop: asyncio.AbstractEventLoop, text: str, credential: str, context: Any) -> None:
        self.credential = credential
        self._app = app
        self._loop = loop
        self._body = text.encode()
        self._context = context
        self._scope = _scope(credential, context.peer())
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(_AHEAD)
        self._status: Future[int] = Future()
        self._gone = asyncio.Event()
        self._left = False
        self._sent = False
        self._whole = False
        self._ended = False
        self._rest = b""
        self._reader: Any = None
        self._running = asyncio.run_coroutine_threadsafe(self._run(), loop)

    def begin(self) -> pa.Schema:
        """Return the columns of the answer. Raises the error of Flight for one that is refused."""
        status = self._wait(self._status)
        if status != 200:
            content = b"".join(iter(self._chunk, b""))
            raise _error(status, content)
        self._reader = pa.ipc.open_stream(pa.PythonFile(self, "r"))
        return self._reader.schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows. Raises the error of Flight if they end before their end."""
        fault: Exception | None = None
        try:
            for batch in self._reader:
                yield from _parts(batch)
        except (pa.ArrowInvalid, OSError) as error:
            fault = error
        while self._chunk():  # until the end of the answer, which says whether it is whole
            pass
        if not self._whole:
            raise flight.FlightInternalError(
                "The result ended before its end: ask for less, read it faster, or try again."
            )
        if fault is not None:
            raise fault

    def whole(self) -> pa.Table:
        """Return the whole answer."""
        schema = self.begin()
        try:
            return pa.Table.from_batches(list(self._reader), schema)
        finally:
            self.leave()

    def leave(self) -> None:
        """End the request, as a client that closes its connection."""
        self._left = True
        with suppress(RuntimeError):  # the loop has ended, and the request with it
            self._loop.call_soon_threadsafe(self._gone.set)
            # The application may wait for a place for its next chunk.
            self._loop.call_soon_threadsafe(self._running.cancel)

    @property
    def over(self) -> bool:
        """Return whether the application has answered, or the request was ended."""
        return self._left or self._running.done()

    # The parts of a file that pyarrow reads from.

    closed = False

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes of the answer."""
        parts = [self._rest]
        there = len(self._rest)
        while size < 0 or there < size:
            chunk = self._chunk()
            if not chunk:
                break
            parts.append(chunk)
            there += len(chunk)
        data = b"".join(parts)
        size = len(data) if size < 0 else size
        data, self._rest = data[:size], data[size:]
        return data

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """Do nothing: `leave` ends the request."""

    def _chunk(self) -> bytes:
        """Return the next chunk; nothing at the end."""
        if self._ended:
            return b""
        chunk = asyncio.run_coroutine_threadsafe(self._chunks.get(), self._loop)
        try:
            found = self._wait(chunk)
        except flight.FlightCancelledError:
            chunk.cancel()
            raise
        self._ended = found is None
        return found or b""

    def _wait(self, result: "Future[T]") -> T:
        """Return a result. Raises the error of Flight if the statement is cancelled."""
        while not self._left:
            with suppress(TimeoutError):
                return result.result(LOOK_SECONDS)
            if self._context.is_cancelled():
                self.leave()
        raise flight.FlightCancelledError("The statement was cancelled.")

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        except Exception:  # the application has logged it; the client sees a stream without its end
            pass
        finally:
            if not self._status.done():
                self._status.set_result(500)
            if not self._whole:  # nobody needs the chunks that wait
                while not self._chunks.empty():
                    self._chunks.get_nowait()
            await self._chunks.put(None)

    async def _receive(self) -> Message:
        if not self._sent:
            self._sent = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status.set_result(message["status"])
            return
        body = message.get("body", b"")
        if body:
            await self._chunks.put(body)
        if not message.get("more_body", False):
            self._whole = True


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a batch in batches that fit a message."""
    if batch.nbytes <= _MESSAGE_BYTES * 0.9 or batch.num_rows < 2:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _parts(batch.slice(0, half))
    yield from _parts(batch.slice(half))


def _scope(credential: str, peer: str) -> dict[str, Any]:
    """Return a request as ASGI describes it."""
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/sql"), (b"user-agent", b"flight-sql")]
    if credential:
        headers.append((b"authorization", credential.encode("latin-1", "replace")))
    address = re.sub(r"^ipv[46]:|:\d+$", "", peer).strip("[]").replace("%5B", "").replace("%5D", "")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/sql",
        "raw_path": b"/sql",
        "query_string": b"format=arrow",
        "root_path": "",
        "headers": headers,
        "client": (address, 0),
        "server": ("127.0.0.1", 0),
        "state": {},
        INTERFACE: "flight",
    }


def _error(status: int, content: bytes) -> Exception:
    try:
        error = orjson.loads(content)["errors"][0]
        message = f"{error['message']} ({error['extensions']['code']})"
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError):
        message = f"The request failed with the status {status}."
    kind: Callable[[str], Exception] = _ERRORS.get(status, flight.FlightServerError)
    return kind(message)
