"""One connection of a client. It adds time limits and size limits to the connection of uvicorn.

uvicorn limits only how long a connection stays idle after an answer. Here a request (headers and body) must be
complete some seconds after it could begin, an answer must be read at a minimum speed, and headers have a maximum size.
If all places are taken, the connection that has waited longest without a whole request is closed.
"""

import asyncio
import re
import socket
import struct
from dataclasses import dataclass, field
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from server.execution.limits import ClientTimeouts
from server.http.error_response import error_body
from server.http.request_error import error

_NOTHING_LEFT = struct.pack("ii", 1, 0)
_CONTINUE = b"HTTP/1.1 100"
_JOINED = 16_384  # up to this many bytes it is faster to copy than to send separately
_OFFER = re.compile(rb"\r\nupgrade:[ \t]*h2c", re.IGNORECASE)


@dataclass(slots=True)
class ConnectionSlots:
    """The connections of one server without a whole request, the longest waiting first."""

    patience: ClientTimeouts
    waiting: dict["ClientConnection", None] = field(default_factory=dict)

    def make_room(self, connections: int, newcomer: "ClientConnection") -> bool:
        """Return whether there is a place for a new connection. Close another connection if necessary."""
        if connections <= self.patience.connections:
            return True
        longest = next((one for one in self.waiting if one is not newcomer), None)
        if longest is None:
            return False
        self.waiting.pop(longest)
        longest.drop()
        return True


class ResponseWriting:
    """The writer of one answer. Its head waits for the first part of its body, so that both are sent together."""

    __slots__ = ("_head", "_transport", "is_closing")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None  # empty after it was sent
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Write the data, or store it if it is the head."""
        if self._head is None and not data.startswith(_CONTINUE):
            self._head = data
        elif self._head and len(data) <= _JOINED:
            self._transport.write(self._head + data)
            self._head = b""
        else:
            self._flush()
            self._transport.write(data)

    def close(self) -> None:
        """Close after everything is written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            self._transport.write(self._head)
            self._head = b""


class ClientConnection(HttpToolsProtocol):
    """The connection of uvicorn, with limits."""

    def __init__(self, places: ConnectionSlots, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._places = places
        self._patience = places.patience
        self._request: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._unread = 0
        self._came = 0  # bytes, while the head is not whole
        self._headers = 0  # bytes of the headers in it
        self._in_head = True
        self._whole = False  # whether what came last was the end of a request
        self._in_body = False  # whether headers that come are trailers

    # Callbacks of the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if not self._places.make_room(len(self.connections), self):
            self._refuse(503, "This server has no place for another connection.", "OVERLOADED", b"retry-after: 1\r\n")
            return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._places.waiting.pop(self, None)
        for timer in (self._request, self._reading):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._whole = False
        if self._in_head:
            self._came += len(data)
            data = _without_offer(data)
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # the following bytes belong to a protocol that is not supported; the connection ends with the answer
        except httptools.HttpParserError:
            self.send_400_response("")
        if self.transport.is_closing():
            return
        if self._in_head and self._came > self._patience.head_bytes:
            self.send_400_response("")
        elif not self._whole and self._request is None:
            self._wait()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._reading is None:
            self._watch_reading()

    # Callbacks of the parser

    def on_message_begin(self) -> None:
        self._headers = 0
        self._whole = False
        self._in_body = False
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._measure(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._measure(len(name) + len(value) + len(": \r\n"))
        if not self._in_body:  # count and drop a trailer: it must not become a header (RFC 9110, 6.5.1)
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._in_body = True
        self._came = 0
        self._check_host()
        upgrades = self.parser.should_upgrade()
        super().on_headers_complete()
        if upgrades:  # the parser treats the following bytes as another protocol
            self.cycle.keep_alive = False
        if self.scope["method"] != "HEAD":  # the answer to HEAD has no body
            self.cycle.transport = ResponseWriting(self.transport)  # type: ignore[assignment]  # all of it that a cycle uses

    def on_message_complete(self) -> None:
        if self._request is not None:
            self._request.cancel()
            self._request = None
        self._places.waiting.pop(self, None)
        self._in_head = True
        self._whole = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._see_it_closed()
        else:
            self._places.waiting[self] = None

    def _check_host(self) -> None:
        """Require exactly one `Host`. The host of an absolute address takes its place (RFC 9112, section 3.2).

        Raises ValueError. The parser then reports a request that is not HTTP.
        """
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            raise ValueError("not one Host")
        if not self.url.startswith(b"/") and b"://" in self.url:
            authority = self.url.partition(b"://")[2].partition(b"?")[0].partition(b"/")[0].rpartition(b"@")[2]
            self.headers[:] = [(name, value) for name, value in self.headers if name != b"host"]
            self.headers.append((b"host", authority))

    # Results

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._see_it_closed()

    def send_400_response(self, msg: str) -> None:
        """Answer a request that is not HTTP, or that has too large a head."""
        if max(self._came, self._headers) > self._patience.head_bytes:
            most = self._patience.head_bytes
            self._refuse(431, f"The request's address and headers are larger than {most} bytes.", "HEADERS_TOO_LARGE")
        else:
            self._refuse(400, "The request is not HTTP.", "BAD_REQUEST")

    def drop(self) -> None:
        """End the connection at once, and drop unsent data."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NOTHING_LEFT)
        self.transport.abort()

    def _measure(self, size: int) -> None:
        self._headers += size
        if self._headers > self._patience.head_bytes:
            raise ValueError("too large a head")  # the parser then reports a request that is not HTTP

    def _wait(self) -> None:
        self._places.waiting[self] = None
        self._request = self.loop.call_later(self._patience.request_seconds, self._too_slow)

    def _too_slow(self) -> None:
        self._request = None
        if self.transport.is_closing():
            return
        cycle = self.cycle
        answering = cycle is not None and not cycle.response_complete
        if answering and (not cycle.more_body or self.flow.read_paused):
            self._wait()  # this server is slow, not the client
            self._places.waiting.pop(self, None)
        elif (answering and cycle.response_started) or (self._in_head and self._came == 0):
            self.transport.close()
            self._see_it_closed()
        else:
            seconds = self._patience.request_seconds
            self._refuse(408, f"The request was not complete after {seconds:g} seconds.", "REQUEST_TIMEOUT")

    def _watch_reading(self) -> None:
        self._unread = self.transport.get_write_buffer_size()
        self._reading = self.loop.call_later(self._patience.request_seconds, self._check_reading)

    def _check_reading(self) -> None:
        self._reading = None
        left = self.transport.get_write_buffer_size()
        if left == 0:
            return
        # While an answer is streamed, more is written as soon as some of it is read: then it is not paused any longer.
        if self.flow.write_paused and left > self._unread - self._patience.least_read:
            self.drop()
        else:
            self._watch_reading()

    def _see_it_closed(self) -> None:
        """Limit how long a closing connection waits until its last bytes are read."""
        if self._reading is None and self.transport.get_write_buffer_size() > 0:
            self._reading = self.loop.call_later(self._patience.request_seconds, self.drop)

    def _refuse(self, status: int, message: str, code: str, extra: bytes = b"") -> None:
        body = error_body([error(message, code)])
        self.transport.write(
            STATUS_LINE[status]
            + b"content-type: application/json; charset=utf-8\r\ncache-control: no-store\r\n"
            + b"x-content-type-options: nosniff\r\nconnection: close\r\n"
            + extra
            + b"content-length: %d\r\n\r\n%b" % (len(body), body)
        )
        self.transport.close()
        self._see_it_closed()


def _without_offer(data: bytes) -> bytes:
    """Remove the offer to continue in HTTP/2, which Java's client sends: the parser would skip the body."""
    if b"h2c" not in data:
        return data
    head, end, rest = data.partition(b"\r\n\r\n")
    return _OFFER.sub(b"\r\nx-offer: h2c", head) + end + rest if b"h2c" in head else data
