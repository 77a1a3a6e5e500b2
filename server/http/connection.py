"""One connection of a client. It adds time limits and size limits to the connection of uvicorn.

uvicorn limits only how long a connection stays idle after an answer. Here a request (headers and body) must be
complete some seconds after it could begin, an answer must be read at a minimum speed, and headers have a maximum size.
If all places are taken, the connection that has waited longest without a whole request is closed.
"""

import asyncio
import re
import select
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote

import httptools
from starlette.types import Scope
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from server.execution.limits import ClientTimeouts
from server.http.connection_counts import (
    IDLE,
    MADE_ROOM,
    NO_PLACE,
    NO_REQUEST,
    NOT_HTTP,
    NOT_READ,
    ConnectionCounts,
)
from server.http.cycle import RequestCycle
from server.http.error_response import error_response
from server.http.request_error import RequestError

# An IPv4 client of an IPv6 socket has its address behind this.
_MAPPED = "::ffff:"
_NOTHING_LEFT = struct.pack("ii", 1, 0)
# WebSockets are served here, for this subprotocol. A proxy may leave its prefix before it.
_SOCKET_PATH = "/graphql"
_SOCKET_END = -len(_SOCKET_PATH)
_SUBPROTOCOL = b"graphql-transport-ws"
_OFFER = re.compile(rb"\r\nupgrade:[ \t]*h2c", re.IGNORECASE)
# The addresses that many requests have.
_MOST_TARGETS = 100
_LONGEST_TARGET = 200
_MOST_NAMES = 200
_LONGEST_NAME = 40
# A time limit ends up to two ticks late.
TICK_SECONDS = 0.25
_TICKS = 8  # in the shortest time limit, at least


@dataclass(slots=True)
class ConnectionSlots:
    """The connections of one server, and one timer for the time limits of all of them.

    Each dictionary holds connections with a time limit, and the end of it. The end is None until the next tick.
    """

    patience: ClientTimeouts
    counts: ConnectionCounts = field(default_factory=ConnectionCounts)
    # Connections without a whole request, the longest waiting first. Each may be closed to make room.
    waiting: dict["ClientConnection", float | None] = field(default_factory=dict)
    # Connections without a whole request because this server does not read it.
    unread: dict["ClientConnection", float | None] = field(default_factory=dict)
    # Connections with an answer that the client should read.
    reading: dict["ClientConnection", float | None] = field(default_factory=dict)
    # The address of a request: the path, the raw path and the query.
    targets: dict[bytes, tuple[str, bytes, bytes]] = field(default_factory=dict)
    _timer: asyncio.TimerHandle | None = None

    def __post_init__(self) -> None:
        self.counts.most = self.patience.connections

    def make_room(self, connections: int, newcomer: "ClientConnection") -> bool:
        """Return whether there is a place for a new connection. Close another connection if necessary."""
        if connections <= self.patience.connections:
            return True
        longest = next((one for one in self.waiting if one is not newcomer), None)
        if longest is None:
            return False
        self.waiting.pop(longest)
        self.counts.closed[MADE_ROOM] += 1
        longest.drop()
        return True

    def watch(self, connections: set[Any], loop: asyncio.AbstractEventLoop) -> None:
        """Look at the time limits regularly while there are connections."""
        if self._timer is None:
            self.counts.open = connections
            shortest = min(self.patience.request_seconds, self.patience.idle_seconds)
            self._timer = loop.call_later(min(TICK_SECONDS, shortest / _TICKS), self._tick, connections, loop)

    def _tick(self, connections: set[Any], loop: asyncio.AbstractEventLoop) -> None:
        timer, self._timer, now = self._timer, None, loop.time()
        if timer is not None:
            late = now - timer.when()
            self.counts.late.note(late if late > 0 else 0.0)
        if connections:
            self.watch(connections, loop)
        patience = self.patience
        for limits in (self.waiting, self.unread):
            for one in _ended(limits, now, lambda one: patience.idle_seconds if one.idle else patience.request_seconds):
                one.end_waiting()
        for one in _ended(self.reading, now, lambda one: patience.request_seconds):
            one.check_reading()


def _ended(
    limits: dict["ClientConnection", float | None], now: float, seconds: Callable[["ClientConnection"], float]
) -> "list[ClientConnection]":
    """Return the connections whose time is over, and remove them. Set the end of the new ones."""
    ended = []
    for one, end in limits.items():
        if end is None:
            limits[one] = now + seconds(one)
        elif end <= now:
            ended.append(one)
    for one in ended:
        del limits[one]
    return ended


class HeaderNames(dict[bytes, bytes]):
    """The names of request headers in lower case, by the names as clients write them."""

    def __missing__(self, name: bytes) -> bytes:
        """Return a name in lower case. Remember it if there is room."""
        lower = name.lower()
        if len(self) < _MOST_NAMES and len(name) <= _LONGEST_NAME:
            self[name] = lower
        return lower


_NAMES = HeaderNames()


class ClientConnection(HttpToolsProtocol):
    """The connection of uvicorn, with limits."""

    cycle: RequestCycle  # None before the first request, as in uvicorn

    def __init__(self, places: ConnectionSlots, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._places = places
        self._patience = places.patience
        self.idle = False  # whether it waits for the first bytes of a request after an answer
        self._unread: int | None = None  # bytes of an answer, at the last look; None for a closing connection
        self._came = 0  # bytes, while the head is not whole
        self._headers = 0  # bytes of the headers in it, as far as they are measured
        self._hosts = 0
        self._measuring = False  # whether the headers that come may be too large
        self._in_head = True
        self._whole = False  # whether what came last was the end of a request
        self._in_body = False  # whether headers that come are trailers
        self._upgrades = False  # whether a WebSocket begins
        self.url = b""

    # Callbacks of the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.client is not None and self.client[0].startswith(_MAPPED):
            self.client = (self.client[0].removeprefix(_MAPPED), self.client[1])
            if self.server is not None:
                self.server = (self.server[0].removeprefix(_MAPPED), self.server[1])
        self._places.watch(self.connections, self.loop)
        if not self._places.make_room(len(self.connections), self):
            self._places.counts.closed[NO_PLACE] += 1
            self._refuse(503, "This server has no place for another connection.", "OVERLOADED", b"retry-after: 1\r\n")
            return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        for limits in (self._places.waiting, self._places.unread, self._places.reading):
            limits.pop(self, None)
        self.connections.discard(self)
        cycle = self.cycle
        if cycle is not None:
            if not cycle.response_complete:
                cycle.disconnected = True
            if cycle.waiting is not None:
                cycle.waiting.set()
        self.flow.resume_writing()
        if exc is None:
            self.transport.close()
        self.parser = None  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._whole = False
        most = self._patience.head_bytes
        if self._in_head:
            self._came += len(data)
            if b"h2c" in data:
                data = _without_offer(data)
        if not self._in_head or self._came + self._headers > most:
            self._measuring = True
            if self._in_head or not self._headers:
                self._headers = len(self.url) + sum(map(_size, self.headers or ()))
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._upgrades:
                self._begin_socket()
                return
            # the following bytes belong to a protocol that is not supported; the connection ends with the answer
        except httptools.HttpParserError:
            self.send_400_response("")
        self._measuring = False
        if self._whole or self.transport.is_closing():
            return
        if self._in_head and self._came > most:
            self.send_400_response("")
        elif self.idle:
            self._wait()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self not in self._places.reading:
            self._watch_reading()

    # Callbacks of the parser

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._headers = 0
        self._hosts = 0
        self._whole = False
        self._in_body = False

    def on_url(self, url: bytes) -> None:
        self.url += url
        if self._measuring:
            self._measure(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._measuring:
            self._measure(_size((name, value)))
        if self._in_body:  # count and drop a trailer: it must not become a header (RFC 9110, 6.5.1)
            return
        name = _NAMES[name]
        if name == b"host":
            self._hosts += 1
        elif name == b"expect":
            self.expect_100_continue = value.lower() == b"100-continue" or self.expect_100_continue
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._in_body = True
        self._came = 0
        parser = self.parser
        version = parser.get_http_version()
        if self._hosts != 1 or self.url[:1] != b"/":
            self._check_host(version)
        targets = self._places.targets
        path, raw_path, query = targets[self.url] if self.url in targets else self._target(self.url)
        scope: Scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": self.root_path,
            "headers": self.headers,
            "state": {**self.app_state},
            "method": str(parser.get_method(), "ascii"),
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
        }
        if path[_SOCKET_END:] == _SOCKET_PATH and parser.should_upgrade() and _opens_socket(scope):
            self.scope = scope  # type: ignore[assignment]  # uvicorn describes the same dictionary
            self._upgrades = True
            return
        # After an upgrade the parser treats the following bytes as another protocol.
        stays = version != "1.0" and parser.should_keep_alive() and not parser.should_upgrade()
        before, self.cycle = self.cycle, RequestCycle(scope, self, keep_alive=stays)
        if before is None or before.response_complete:
            self._begin(self.cycle)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_body(self, body: bytes) -> None:
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        if cycle.waiting is not None:
            cycle.waiting.set()

    def on_message_complete(self) -> None:
        if self._upgrades:
            return
        self.idle = True
        self._in_head = True
        self._whole = True
        cycle = self.cycle
        cycle.more_body = False
        if cycle.response_complete:  # the answer did not need the body
            self._places.waiting[self] = None
        else:
            self._places.waiting.pop(self, None)
        if self._places.unread:
            self._places.unread.pop(self, None)
        if cycle.waiting is not None:
            cycle.waiting.set()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._see_it_closed()
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            cycle, _ = self.pipeline.pop()
            self._begin(cast(RequestCycle, cycle))
        elif self.idle:
            self._places.waiting[self] = None

    def _begin(self, cycle: RequestCycle) -> None:
        """Run the application for a request."""
        cycle.task = self.loop.create_task(cycle.run_asgi(self.app))
        self.tasks.add(cycle.task)

    def _begin_socket(self) -> None:
        """Give the connection to the protocol of WebSockets."""
        # Imported by the first of them: the library takes 60 ms, and many servers have no subscribers.
        from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

        for limits in (self._places.waiting, self._places.unread, self._places.reading):
            limits.pop(self, None)
        self.ws_protocol_class = WebSocketsSansIOProtocol
        self.handle_websocket_upgrade()

    def _target(self, url: bytes) -> tuple[str, bytes, bytes]:
        """Return the path, the raw path and the query of the address of a request. Raises ValueError."""
        parsed = httptools.parse_url(url)
        path = parsed.path.decode("ascii")
        found = (
            self.root_path + (unquote(path) if "%" in path else path),
            self.root_path.encode("ascii") + parsed.path,
            parsed.query or b"",
        )
        targets = self._places.targets
        if len(url) <= _LONGEST_TARGET:
            if len(targets) >= _MOST_TARGETS:
                targets.clear()
            targets[url] = found
        return found

    def _check_host(self, version: str) -> None:
        """Require exactly one `Host`. The host of an absolute address takes its place (RFC 9112, section 3.2).

        Raises ValueError. The parser then reports a request that is not HTTP.
        """
        if self._hosts > 1 or (not self._hosts and version == "1.1"):
            raise ValueError("not one Host")
        if not self.url.startswith(b"/") and b"://" in self.url:
            authority = self.url.partition(b"://")[2].partition(b"?")[0].partition(b"/")[0].rpartition(b"@")[2]
            self.headers[:] = [(name, value) for name, value in self.headers if name != b"host"]
            self.headers.append((b"host", authority))

    # Results

    def send_400_response(self, msg: str) -> None:
        """Answer a request that is not HTTP, or that has too large a head."""
        self._places.counts.closed[NOT_HTTP] += 1
        if max(self._came, self._headers) > self._patience.head_bytes:
            most, longest = self._patience.head_bytes, self._patience.address_bytes
            if len(self.url) > longest:
                self._refuse(414, f"The request's address is longer than {longest} bytes.", "URI_TOO_LONG")
                return
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
        self.idle = False
        self._places.waiting[self] = None

    def stop(self, *, quiet: bool) -> None:
        """End the connection with its answer, or if it was quiet: without a request, and nothing of one has come."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.keep_alive = False
        elif quiet and self._in_head and self._came == 0 and not self.transport.is_closing():
            # Bytes that wait in the system are a request that this server has to answer.
            poll = select.poll()
            poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
            if not poll.poll(0):
                self.transport.close()
                self._see_it_closed()

    def end_waiting(self) -> None:
        """End the connection: its request did not come in time."""
        if self.transport.is_closing():
            return
        cycle = self.cycle
        answering = cycle is not None and not cycle.response_complete
        if answering and (not cycle.more_body or self.flow.read_paused):
            self._places.unread[self] = None  # this server is slow, not the client
        elif (answering and cycle.response_started) or (self._in_head and self._came == 0):
            self._places.counts.closed[IDLE if self._in_head else NO_REQUEST] += 1
            self.transport.close()
            self._see_it_closed()
        else:
            self._places.counts.closed[NO_REQUEST] += 1
            seconds = self._patience.request_seconds
            self._refuse(408, f"The request was not complete after {seconds:g} seconds.", "REQUEST_TIMEOUT")

    def _watch_reading(self) -> None:
        self._unread = self.transport.get_write_buffer_size()
        self._places.reading[self] = None

    def check_reading(self) -> None:
        """End the connection if its client does not read the answer, or not fast enough."""
        if self._unread is None:
            self._places.counts.closed[NOT_READ] += 1
            self.drop()
            return
        left = self.transport.get_write_buffer_size()
        if left == 0:
            return
        # While an answer is streamed, more is written as soon as some of it is read: then it is not paused any longer.
        if self.flow.write_paused and left > self._unread - self._patience.least_read:
            self._places.counts.closed[NOT_READ] += 1
            self.drop()
        else:
            self._watch_reading()

    def _see_it_closed(self) -> None:
        """Limit how long a closing connection waits until its last bytes are read."""
        if self not in self._places.reading and self.transport.get_write_buffer_size() > 0:
            self._unread = None
            self._places.reading[self] = None

    def _refuse(self, status: int, message: str, code: str, extra: bytes = b"") -> None:
        response = error_response(RequestError(status, code, message), _path(self.url))
        headers = [(name, value) for name, value in response.raw_headers if name != b"content-length"]
        self.transport.write(
            STATUS_LINE[status]
            + b"".join(b"%b: %b\r\n" % header for header in headers)
            + b"connection: close\r\n"
            + extra
            + b"content-length: %d\r\n\r\n%b" % (len(response.body), bytes(response.body))
        )
        self.transport.close()
        self._see_it_closed()


def _path(url: bytes) -> str:
    """Return the path of a request target, of which only the beginning may have come."""
    return unquote(url.partition(b"?")[0].partition(b"#")[0].decode("latin-1"))


def _opens_socket(scope: Scope) -> bool:
    """Return whether a request opens a WebSocket of GraphQL. Other offers to upgrade are declined."""
    headers = scope["headers"] if scope["method"] == "GET" else ()
    upgrade = any(name == b"upgrade" and value.lower() == b"websocket" for name, value in headers)
    return upgrade and any(name == b"sec-websocket-protocol" and _SUBPROTOCOL in value for name, value in headers)


def _size(header: tuple[bytes, bytes]) -> int:
    """Return the bytes of a header in the head of a request."""
    name, value = header
    return len(name) + len(value) + len(": \r\n")


def _without_offer(data: bytes) -> bytes:
    """Remove the offer to continue in HTTP/2, which Java's client sends: the parser would skip the body."""
    if b"h2c" not in data:
        return data
    head, end, rest = data.partition(b"\r\n\r\n")
    return _OFFER.sub(b"\r\nx-offer: h2c", head) + end + rest if b"h2c" in head else data
