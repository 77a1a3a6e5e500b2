"""A request's bytes over a socket of its own, and the answer to them."""

import http.client
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: its status, its headers and its body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def codes(self) -> list[str]:
        """The codes of its errors; OData has one."""
        decoded: Any = orjson.loads(self.body)
        if "error" in decoded:
            return [decoded["error"]["code"]]
        return [error["extensions"]["code"] for error in decoded.get("errors", ())]


def connect(address: str, timeout: float = 20) -> socket.socket:
    """A connection to the server of an address."""
    parts = urlsplit(address)
    assert parts.hostname is not None
    assert parts.port is not None
    return socket.create_connection((parts.hostname, parts.port), timeout)


def send(address: str, request: bytes, timeout: float = 20) -> Answer:
    """The answer to the bytes of one request."""
    with connect(address, timeout) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before its end: the answer is there
            connection.sendall(request)
        return read(connection, request.partition(b" ")[0].decode("latin-1"))


def read(connection: socket.socket, method: str = "GET") -> Answer:
    """The next answer of a connection. The answer to a HEAD has no body."""
    answer = http.client.HTTPResponse(connection, method=method)
    answer.begin()
    return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
