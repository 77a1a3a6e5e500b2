"""The end of a server loses no request, whatever is under way when it begins."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from starlette.types import Receive, Scope, Send

from server.execution.limits import PATIENT
from server.http.connection import ClientConnection
from server.http.listening import configure
from server.listening.graph_server import Ending, GraphServer
from server.listening.listening_socket import ListeningSocket, listen, listen_unix

GET = b"GET /%s HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
PARTS = b"POST /body HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 4\r\n\r\nbo", b"dy"


@dataclass
class Stopping:
    """A server whose event loop stands still inside the request `/block`, until `go`. Then `meanwhile` runs in it."""

    bound: ListeningSocket
    entered: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    clients: list[socket.socket] = field(default_factory=list)
    unready: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.address = self.bound.socket.getsockname() if self.bound.path is None else str(self.bound.path)
        started = threading.Event()
        self.server = GraphServer(configure(self.app, PATIENT), self.bound, started.set, Ending(begin=self.unready.set))

        def main() -> None:
            with asyncio.Runner(loop_factory=self.server.config.get_loop_factory()) as runner:
                runner.run(self.server.serve())

        self.thread = threading.Thread(target=main)
        self.thread.start()
        assert started.wait(30)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        if scope["path"] == "/block":
            self.entered.set()
            self.go.wait(30)
        if scope["path"] == "/close":
            self.entered.set()
            self.go.wait(30)
            for connection in list(self.server.server_state.connections):
                assert isinstance(connection, ClientConnection)
                connection.stop(quiet=True)
        answer = body or scope["path"].encode()
        if scope["path"] == "/who":
            answer = f"{scope['client'][0]} at {scope['server'][0]}".encode()
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]}
        )
        await send({"type": "http.response.body", "body": answer})

    def connect(self, *sent: bytes) -> socket.socket:
        family = socket.AF_INET if self.bound.path is None else socket.AF_UNIX
        client = socket.socket(family)
        self.clients.append(client)
        client.settimeout(30)
        client.connect(self.address)
        for part in sent:
            client.sendall(part)
        return client


@contextmanager
def stopping(bound: ListeningSocket) -> Iterator[Stopping]:
    server = Stopping(bound)
    try:
        yield server
    finally:
        server.go.set()
        server.server.should_exit = True
        server.thread.join(30)
        for client in server.clients:
            client.close()
        assert not server.thread.is_alive()


def whole(client: socket.socket) -> tuple[str, bool]:
    """The body of the answer, and whether it closes the connection."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = client.recv(4096)
        if not part:
            return "(closed)" if not received else "(cut)", True
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += client.recv(4096)
    return body.decode(), b"connection: close" in head.lower()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_every_request_of_the_moment_of_the_stop_is_answered(kind: str, request: pytest.FixtureRequest) -> None:
    if kind == "tcp":
        bound = listen("127.0.0.1", 0)
    else:
        bound = listen_unix(request.getfixturevalue("tmp_path") / "graph.sock", 0o600)
    with stopping(bound) as server:
        idle = server.connect(GET % b"first")
        assert whole(idle) == ("/first", False)
        quiet = server.connect(GET % b"first")
        assert whole(quiet) == ("/first", False)
        running = server.connect(GET % b"block")
        assert server.entered.wait(30)
        # The event loop stands still: these wait in the queue of the socket, and in the buffers of the system.
        waiting = [server.connect(GET % b"%d" % number) for number in range(20)]
        parts = [server.connect(PARTS[0]) for _ in range(5)]
        silent = server.connect()
        idle.sendall(GET % b"again")
        server.server.should_exit = True
        server.go.set()
        assert whole(running)[0] == "/block"
        assert [whole(client)[0] for client in waiting] == [f"/{number}" for number in range(20)]
        assert server.unready.wait(30)
        for client in parts:
            client.sendall(PARTS[1])
        assert [whole(client) for client in parts] == [("body", True)] * 5
        silent.sendall(GET % b"late")
        assert whole(silent) == ("/late", True)
        assert whole(idle)[0] == "/again"
        assert whole(quiet) == ("(closed)", True)
        server.thread.join(30)
        with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
            server.connect()


def test_a_connection_is_closed_only_if_nothing_of_a_request_has_come() -> None:
    with stopping(listen("127.0.0.1", 0)) as server:
        clients = [server.connect(GET % b"first") for _ in range(3)]
        assert [whole(client) for client in clients] == [("/first", False)] * 3
        running = server.connect(GET % b"close")
        assert server.entered.wait(30)
        clients[0].sendall(GET % b"second")
        clients[1].sendall(PARTS[0])
        server.go.set()
        assert whole(running) == ("/close", True)
        clients[1].sendall(PARTS[1])
        assert [whole(client)[0] for client in clients] == ["/second", "body", "(closed)"]


def test_a_client_over_ipv4_has_its_own_address_on_every_network() -> None:
    with stopping(listen("::", 0)) as server:
        port = server.address[1]
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, port), timeout=30) as client:
                client.sendall(GET % b"who")
                assert whole(client) == (f"{host} at {host}", False)
