"""The answer on the wire: its head, its framing, and what an application may not send."""

import socket
from collections.abc import Iterator

import pytest
from starlette.types import Receive, Scope, Send

from server.http.cycle import HeaderLines
from tests.hostile.wire import connect, read, send
from tests.server.serving import serving

PARTS = {
    "/length": ([(b"content-length", b"6")], [b"abc", b"def"]),
    "/chunked": ([], [b"abc", b"", b"def"]),
    "/large": ([(b"content-length", b"40000")], [b"a" * 40_000]),
    "/empty": ([(b"content-length", b"0")], [b""]),
    "/close": ([(b"content-length", b"3"), (b"connection", b"close")], [b"abc"]),
    "/long": ([(b"content-length", b"2")], [b"abc"]),
    "/short": ([(b"content-length", b"4")], [b"abc"]),
    "/break": ([(b"content-length", b"3"), (b"x-a", b"b\r\nx-c: d")], [b"abc"]),
    "/name": ([(b"content-length", b"3"), (b"x a", b"b")], [b"abc"]),
    "/upper": ([(b"Content-Length", b"3")], [b"abc"]),
    "/nothing": ([(b"content-length", b"3")], []),
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    headers, parts = PARTS[scope["path"]]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for place, part in enumerate(parts, 1):
        await send({"type": "http.response.body", "body": part, "more_body": place < len(parts)})


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(app) as address:
        yield address


def request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


def said(connection: socket.socket) -> bytes:
    """Everything until the end of a connection."""
    connection.settimeout(5)
    found = b""
    while part := connection.recv(65536):
        found += part
    return found


def test_answers_of_one_connection(address: str) -> None:
    with connect(address) as connection:
        for _ in range(2):
            for path, body in (
                ("/length", b"abcdef"),
                ("/chunked", b"abcdef"),
                ("/large", b"a" * 40_000),
                ("/empty", b""),
            ):
                connection.sendall(request(path))
                answer = read(connection)
                assert (answer.status, answer.body) == (200, body)
                assert ("transfer-encoding" in answer.headers) is (path == "/chunked")
                assert "date" in answer.headers
        connection.sendall(request("/close"))
        assert said(connection).endswith(b"content-length: 3\r\nconnection: close\r\n\r\nabc")


def test_http_1_0_closes(address: str) -> None:
    answer = send(address, b"GET /length HTTP/1.0\r\n\r\n")
    assert (answer.body, answer.headers["connection"]) == (b"abcdef", "close")


@pytest.mark.parametrize("path", ["/long", "/short", "/break", "/name", "/upper"])
def test_an_answer_that_would_break_the_connection_ends_it(address: str, path: str) -> None:
    with connect(address) as connection:
        connection.sendall(request(path))
        assert b"x-c" not in said(connection)


def test_a_head_without_its_body(address: str) -> None:
    with connect(address) as connection:
        connection.sendall(request("/nothing"))
        assert said(connection).startswith(b"HTTP/1.1 200 OK\r\n")


def test_few_lines_are_remembered() -> None:
    lines = HeaderLines()
    for number in range(10_000):
        assert lines[b"x-a", b"%d" % number] == b"x-a: %d\r\n" % number
        assert lines[b"x-b", b"b" * 1000].endswith(b"b\r\n")
    assert 0 < len(lines) <= 500
    assert (b"x-b", b"b" * 1000) not in lines
