"""One request and its answer on a connection: the `receive` and `send` of ASGI for the server.

The head of an answer waits for the first part of its body, so that both are sent together. The lines of response
headers that many answers have are checked and written once.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from starlette.types import ASGIApp, Message, Scope
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

_JOINED = 16_384  # up to this many bytes it is faster to copy than to send separately
_MOST_LINES = 500
_LONGEST_LINE = 500
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class HeaderLines(dict[tuple[bytes, bytes], bytes]):
    """The lines of response headers, by name and value. The names are in lower case, as ASGI demands."""

    def __missing__(self, header: tuple[bytes, bytes]) -> bytes:
        """Return the line of a header, and remember it. Raises RuntimeError for a header that would break the head."""
        name, value = header
        if name not in _names:
            if HEADER_RE.search(name) or name != name.lower():
                raise RuntimeError("Invalid HTTP header name.")
            if len(_names) < _MOST_LINES:
                _names.add(name)
        if HEADER_VALUE_RE.search(value):
            raise RuntimeError("Invalid HTTP header value.")
        line = b"%b: %b\r\n" % header
        if len(line) <= _LONGEST_LINE:
            if len(self) >= _MOST_LINES:
                self.clear()
            self[header] = line
        return line


_names: set[bytes] = set()  # valid names
_line_of = HeaderLines().__getitem__


class RequestCycle(RequestResponseCycle):
    """The cycle of uvicorn, with fewer steps for each request."""

    def __init__(self, scope: Scope, connection: HttpToolsProtocol, *, keep_alive: bool) -> None:
        self.scope = scope  # type: ignore[assignment]  # uvicorn describes the same dictionary
        self.transport = connection.transport
        self.flow: FlowControl = connection.flow
        self.logger = connection.logger
        self.default_headers = connection.server_state.default_headers
        self.on_response: Callable[[], None] = connection.on_response_complete
        self.task: asyncio.Task[None] | None = None
        self.tasks = connection.tasks
        self.disconnected = False
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = connection.expect_100_continue
        self.body = bytearray()
        self.more_body = True
        self.response_started = False
        self.response_complete = False
        self.chunked_encoding: bool | None = None
        self.expected_content_length = 0
        self.waiting: asyncio.Event | None = None  # set when `receive` should look again
        self._received = False  # whether `receive` has returned the end of the request
        self._start: Message | None = None  # the start of the answer, until its head is written

    async def run_asgi(self, app: ASGIApp) -> None:  # type: ignore[override]  # starlette describes the same function
        """Run the application. Log what it raises, and end a connection whose answer is not whole."""
        try:
            await app(self.scope, self.receive, self.send)  # type: ignore[arg-type]
        except BaseException as error:
            self.logger.error("Exception in ASGI application\n", exc_info=error)
            await self._fail()
        else:
            if not self.response_complete and not self.disconnected:
                what = "completing" if self.response_started else "starting"
                self.logger.error(f"ASGI callable returned without {what} response.")
                await self._fail()
        finally:
            self.on_response = _nothing
            self.tasks.discard(self.task)
            self.task = None

    async def _fail(self) -> None:
        if not self.response_started:
            await self.send_500_response()
            return
        if self._start is not None:
            with suppress(RuntimeError):  # the head itself is invalid
                self.transport.write(self._head(self._start))
        self.transport.close()

    async def send(self, message: Message) -> None:  # type: ignore[override]
        """Send a part of the answer."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if not self.response_started:
            if kind != "http.response.start":
                raise RuntimeError(f"Expected ASGI message 'http.response.start', but got '{kind}'.")
            self.response_started = True
            self.waiting_for_100_continue = False
            self._start = message
            return
        if self.response_complete:
            raise RuntimeError(f"Unexpected ASGI message '{kind}' sent, after response already completed.")
        if kind != "http.response.body":
            raise RuntimeError(f"Expected ASGI message 'http.response.body', but got '{kind}'.")
        more = "more_body" in message and message["more_body"]
        start, self._start = self._start, None
        head = b"" if start is None else self._head(start)
        part = self._framed(message.get("body", b""), more)
        if head and len(part) > _JOINED:
            self.transport.write(head)
            head = b""
        self.transport.write(head + part if head else part)
        if not more:
            self.response_complete = True
            if self.waiting is not None:
                self.waiting.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()

    def _head(self, start: Message) -> bytes:
        """Return the head of the answer. Raises RuntimeError for an invalid header."""
        status, headers = start["status"], [*self.default_headers, *start.get("headers", ())]
        content = [STATUS_LINE[status], *map(_line_of, headers)]
        values = dict(headers)
        if b"content-length" in values:
            self.expected_content_length = int(values[b"content-length"])
            self.chunked_encoding = False
        elif b"transfer-encoding" in values:
            self.chunked_encoding = values[b"transfer-encoding"].lower() == b"chunked"
        elif self.scope["method"] != "HEAD" and status not in (204, 304):
            self.chunked_encoding = True
            content.append(b"transfer-encoding: chunked\r\n")
        closing = b"connection" in values and any(
            b"close" in [token.strip() for token in value.lower().split(b",")]
            for name, value in headers
            if name == b"connection"
        )
        if closing:
            self.keep_alive = False
        elif not self.keep_alive:
            content.append(b"connection: close\r\n")
        content.append(b"\r\n")
        return b"".join(content)

    def _framed(self, body: bytes, more: bool) -> bytes:
        """Return the bytes of a part of the body. Raises RuntimeError if it does not fit the length of the head."""
        if self.scope["method"] == "HEAD":
            self.expected_content_length = 0
            return b""
        if self.chunked_encoding:
            end = b"" if more else b"0\r\n\r\n"
            return b"%x\r\n%b\r\n%b" % (len(body), body, end) if body else end
        left = self.expected_content_length - len(body)
        if left < 0:
            raise RuntimeError("Response content longer than Content-Length")
        if left and not more:
            raise RuntimeError("Response content shorter than Content-Length")
        self.expected_content_length = left
        return body

    async def receive(self) -> Any:
        """Return the next part of the request, or that the client has gone."""
        if self.waiting_for_100_continue and not self.transport.is_closing():
            self.transport.write(_CONTINUE)
            self.waiting_for_100_continue = False
        while not self.disconnected and not self.response_complete:
            if self.flow.read_paused:
                self.flow.resume_reading()
            if self.body or not (self.more_body or self._received):
                self._received = not self.more_body
                body, self.body = self.body, bytearray()
                return {"type": "http.request", "body": bytes(body), "more_body": self.more_body}
            if self.waiting is None:
                self.waiting = asyncio.Event()
            await self.waiting.wait()
            self.waiting.clear()
        return {"type": "http.disconnect"}


def _nothing() -> None:
    """Do nothing at the end of an answer that has no connection."""
