"""A client that is slow, silent, wordy or one too many: over real sockets, with short patience."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from server.execution.limits import ClientTimeouts
from tests.hostile.wire import connect, read, send
from tests.server.serving import serving

PATIENCE = ClientTimeouts(
    request_seconds=0.4, idle_seconds=0.4, least_read=16 * 1024, head_bytes=4096, connections=20, address_bytes=2048
)
SOON = 3.0
GET = b"GET / HTTP/1.1\r\nHost: graph.test\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: graph.test\r\nContent-Length: 10\r\n"

pytestmark = pytest.mark.alone


async def echo(request: Request) -> Response:
    return PlainTextResponse((await request.body()).decode() or "well")


async def early(request: Request) -> Response:
    return PlainTextResponse("early")


async def large(request: Request) -> Response:
    return PlainTextResponse("a" * 20_000_000)


async def headers(request: Request) -> Response:
    """Return the headers of a request, once its body has come."""
    await request.body()
    return JSONResponse([[name.decode(), value.decode()] for name, value in request.scope["headers"]])


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    app = Starlette(
        routes=[
            Route("/", echo, methods=["GET", "POST"]),
            Route("/early", early, methods=["POST"]),
            Route("/large", large),
            Route("/headers", headers, methods=["GET", "POST"]),
        ]
    )
    with serving(app, PATIENCE) as address:
        yield address


def closed(connection: socket.socket, within: float = SOON) -> bool:
    """Return whether the server closes the connection in time, whatever it says before."""
    end = time.monotonic() + within
    while (left := end - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            if connection.recv(65536) == b"":
                return True
        except TimeoutError:
            return False
        except ConnectionResetError:
            return True
    return False


def drip(connection: socket.socket, text: bytes) -> bytes:
    """Send a sign at a time until the server has enough; what it says then."""
    connection.settimeout(0.05)
    for sign in text:
        try:
            connection.sendall(bytes([sign]))
            said = connection.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            break
        if said:
            return said
    return b""


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"", b""),
        (b"\r\n", b"408"),
        (b"GET / HTT", b"408"),
        (b"GET / HTTP/1.1\r\nHost: gr", b"408"),
        (POST, b"408"),
        (POST + b"\r\n", b"408"),
        (POST + b"\r\n12345", b"408"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"408"),
    ],
)
def test_a_request_that_is_not_whole_in_time_is_closed(address: str, sent: bytes, says: bytes) -> None:
    with connect(address) as connection:
        connection.sendall(sent)
        connection.settimeout(SOON)
        assert says in connection.recv(65536)[:20]
        assert closed(connection)


SLOW_BODY = POST.replace(b"Length: 10", b"Length: 100") + b"\r\n"


@pytest.mark.parametrize(
    ("at_once", "one_by_one"),
    [(b"GET /", b"a" * 100), (POST + b"X-A: ", b"b" * 100), (SLOW_BODY, b"c" * 99)],
)
def test_signs_one_by_one_do_not_hold_a_connection(address: str, at_once: bytes, one_by_one: bytes) -> None:
    with connect(address) as connection:
        connection.sendall(at_once)
        assert b"408" in drip(connection, one_by_one)[:20]
        assert closed(connection)


def test_an_idle_connection_is_closed_and_a_busy_one_is_not(address: str) -> None:
    with connect(address) as connection:
        for _ in range(4):
            connection.sendall(GET)
            assert read(connection).body == b"well"
            time.sleep(0.2)  # longer in all than any one wait may be
        assert closed(connection)


def test_one_timer_closes_all_idle_connections(address: str) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(connect(address)) for _ in range(10)]
        for connection in idle[:5]:
            connection.sendall(GET)
            assert read(connection).body == b"well"
        began = time.monotonic()
        assert all(closed(connection, 1.5) for connection in idle)
        # Never early; two ticks late at most, and the machine is busy.
        assert time.monotonic() - began > PATIENCE.idle_seconds - 0.05


def test_a_body_that_comes_after_the_answer_does_not_keep_it_open(address: str) -> None:
    with connect(address) as connection:
        connection.sendall(POST.replace(b"POST /", b"POST /early") + b"\r\n01234")
        assert read(connection).body == b"early"
        connection.sendall(b"56789" + GET)
        assert read(connection).body == b"well"
        connection.sendall(POST.replace(b"POST /", b"POST /early") + b"\r\n01234")
        assert read(connection).body == b"early"
        connection.sendall(b"56789")
        assert closed(connection)


def test_line_breaks_after_an_answer_do_not_keep_it_open(address: str) -> None:
    with connect(address) as connection:
        connection.sendall(GET)
        assert read(connection).body == b"well"
        connection.sendall(b"\r\n")
        assert closed(connection)


def test_requests_one_behind_the_other(address: str) -> None:
    with connect(address) as connection:
        connection.sendall(GET * 3 + POST + b"\r\n0123456789")
        assert [read_one(connection) for _ in range(4)] == [b"well"] * 3 + [b"0123456789"]


def test_the_head_alone(address: str) -> None:
    with connect(address) as connection:
        connection.sendall(GET.replace(b"GET", b"HEAD") * 2 + GET)
        connection.settimeout(SOON)
        heads = [head(connection) for _ in range(2)]
        assert all(one.startswith(b"HTTP/1.1 200 OK") and b"content-length: 4" in one for one in heads)
        assert read_one(connection) == b"well"


def head(connection: socket.socket) -> bytes:
    """The head of the next answer, with no sign of what follows."""
    found = b""
    while not found.endswith(b"\r\n\r\n"):
        found += connection.recv(1)
    return found


def read_one(connection: socket.socket) -> bytes:
    """The body of the next answer, with no sign of the one after it."""
    length = int(head(connection).lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    return b"".join(connection.recv(1) for _ in range(length))


def test_an_answer_that_nobody_reads_is_dropped(address: str) -> None:
    with connect(address) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(GET.replace(b"GET /", b"GET /large"))
        time.sleep(1.5)
        size = 0
        with suppress(ConnectionResetError):
            while part := connection.recv(1 << 20):
                size += len(part)
        assert size < 20_000_000


def test_an_answer_that_is_read_slowly_arrives(address: str) -> None:
    with connect(address) as connection:
        connection.sendall(GET.replace(b"GET /", b"GET /large"))
        size = 0
        while size < 20_000_000:
            part = connection.recv(2_000_000)
            assert part, "closed before its end"
            size += len(part)
            time.sleep(0.02)


@pytest.mark.parametrize("spread", [b"X-A: " + b"a" * 5000, b"X-A: 1\r\n" * 800])
def test_a_head_has_a_most(address: str, spread: bytes) -> None:
    answer = send(address, POST + spread)
    assert (answer.status, answer.codes()) == (431, ["HEADERS_TOO_LARGE"])
    answer = send(address, POST + spread + b"\r\n\r\n0123456789")
    assert (answer.status, answer.codes()) == (431, ["HEADERS_TOO_LARGE"])
    assert send(address, POST + b"X-A: " + b"a" * 3000 + b"\r\n\r\n0123456789").body == b"0123456789"


@pytest.mark.parametrize("size", [3000, 5000, 100_000])
def test_a_long_address_is_what_is_too_long(address: str, size: int) -> None:
    long = b"GET /?" + b"a" * size
    whole = long + b" HTTP/1.1\r\nHost: graph.test\r\nX-A: " + b"a" * 2000 + b"\r\n\r\n"
    for request in (whole, long) if size > 4096 else (whole,):
        answer = send(address, request)
        assert (answer.status, answer.codes()) == (414, ["URI_TOO_LONG"])


def test_an_offer_of_another_protocol_is_declined(address: str) -> None:
    """Java's client makes it with every first request; the body counts all the same."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n"
    with connect(address) as connection:
        for _ in range(2):
            connection.sendall(POST + offer + b"0123456789")
            assert read(connection).body == b"0123456789"


def test_the_one_that_waited_longest_makes_room(address: str) -> None:
    with ExitStack() as stack:
        waiting = [stack.enter_context(connect(address)) for _ in range(PATIENCE.connections)]
        time.sleep(0.05)
        for _ in range(3):
            assert send(address, GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).body == b"well"
        assert closed(waiting[0], 0.2)
        waiting[-1].sendall(GET)
        assert read(waiting[-1]).body == b"well"


@pytest.mark.parametrize("hosts", [b"", b"Host: localhost\r\nHost: localhost\r\n", b"Host: a\r\nhOST: b\r\n"])
def test_a_request_has_one_host(address: str, hosts: bytes) -> None:
    answer = send(address, b"GET / HTTP/1.1\r\n" + hosts + b"\r\n")
    assert (answer.status, answer.codes()) == (400, ["BAD_REQUEST"])
    assert send(address, b"GET / HTTP/1.0\r\n\r\n").body == b"well"


def test_the_host_of_a_whole_address_counts(address: str) -> None:
    request = b"GET http://user@graph.test:1/headers?a=/@b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert [pair for pair in orjson.loads(send(address, request).body) if pair[0] == "host"] == [
        ["host", "graph.test:1"]
    ]


def test_trailers_are_dropped(address: str) -> None:
    chunked = (
        b"POST /headers HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n"
        b"1\r\na\r\n0\r\nAuthorization: Bearer key\r\nX-Forwarded-For: 192.0.2.1\r\nHost: b\r\n\r\n"
    )
    names = ["host", "transfer-encoding", "trailer"]
    with connect(address) as connection:
        for _ in range(2):
            connection.sendall(chunked)
            assert [name for name, _ in orjson.loads(read(connection).body)] == names
        connection.sendall(GET.replace(b"GET /", b"GET /headers"))
        assert [name for name, _ in orjson.loads(read(connection).body)] == ["host"]
        connection.sendall(chunked.replace(b"Bearer key", b"a" * 5000))
        assert read(connection).status == 431
