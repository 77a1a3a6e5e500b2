"""Workers on one socket have about as many connections each."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from server.listening.listening_socket import ListeningSocket, listen, listen_unix
from server.workers.fair_accept import FairAcceptor, OpenConnections


class Place:
    """A worker in this process: its connections and what accepts them."""

    def __init__(self, listening: socket.socket, counts: OpenConnections, number: int) -> None:
        self.open: set[Greeter] = set()
        self.socket = listening.dup()
        self.acceptor = FairAcceptor(self.socket, lambda: Greeter(self.open), {}, self.open, counts, number)


class Greeter(asyncio.Protocol):
    """Greets a client, and is in a set while it is connected."""

    def __init__(self, open_ones: "set[Greeter]") -> None:
        self._open = open_ones

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._open.add(self)
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(b"hello")
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._open.discard(self)
        self._transport.close()


@pytest.fixture(params=["127.0.0.1", "::1", "::", "unix"])
def bound(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ListeningSocket]:
    """A socket of each kind that a server can listen on."""
    found = listen_unix(tmp_path / "socket", 0o600) if request.param == "unix" else listen(request.param, 0)
    yield found
    found.close()


@asynccontextmanager
async def places(bound: ListeningSocket, count: int) -> AsyncIterator[tuple[OpenConnections, list[Place]]]:
    """Serve on a socket with so many workers."""
    counts = OpenConnections(count)
    found = [Place(bound.socket, counts, number) for number in range(count)]
    await asyncio.sleep(0.01)
    try:
        yield counts, found
    finally:
        for place in found:
            place.acceptor.close()
            place.socket.close()


def opened(bound: ListeningSocket) -> socket.socket:
    """Connect to a socket."""
    if bound.path is None:
        return socket.create_connection(bound.socket.getsockname()[:2])
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(bound.path))
    return client


async def connected(bound: ListeningSocket, count: int) -> list[asyncio.StreamWriter]:
    """Connect so many clients, and wait until each is greeted."""
    pairs = await asyncio.gather(*(asyncio.open_connection(sock=opened(bound)) for _ in range(count)))
    assert await asyncio.gather(*(reader.readexactly(5) for reader, _ in pairs)) == [b"hello"] * count
    return [writer for _, writer in pairs]


async def test_a_burst_is_divided_evenly(bound: ListeningSocket) -> None:
    async with places(bound, 3) as (_, workers):
        clients = await connected(bound, 60)
        assert sum(len(worker.open) for worker in workers) == 60
        assert max(len(worker.open) for worker in workers) - min(len(worker.open) for worker in workers) <= 2
        for client in clients:
            client.close()


async def test_a_worker_that_does_not_accept_delays_no_one_for_long(bound: ListeningSocket) -> None:
    async with places(bound, 2) as (counts, workers):
        workers[1].acceptor.close()
        clients = await connected(bound, 20)  # it is known to take none
        counts.note(1, 0)  # one that hangs still counts as open
        clients += await connected(bound, 20)
        assert (len(workers[0].open), len(workers[1].open)) == (40, 0)
        for client in clients:
            client.close()


async def test_a_client_that_has_gone_is_no_error(bound: ListeningSocket) -> None:
    async with places(bound, 2) as (_, workers):
        opened(bound).close()
        clients = await connected(bound, 2)
        assert sum(len(worker.open) for worker in workers) in (2, 3)
        clients[0].close()
        clients[1].close()
