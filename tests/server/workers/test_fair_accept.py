"""Workers on one socket have about as many connections each."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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


@asynccontextmanager
async def places(count: int) -> AsyncIterator[tuple[tuple[str, int], OpenConnections, list[Place]]]:
    """Open a socket with so many workers."""
    counts = OpenConnections(count)
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        found = [Place(listening, counts, number) for number in range(count)]
        await asyncio.sleep(0.01)
        try:
            yield listening.getsockname(), counts, found
        finally:
            for place in found:
                place.acceptor.close()
                place.socket.close()


async def connected(address: tuple[str, int], count: int) -> list[asyncio.StreamWriter]:
    """Connect so many clients, and wait until each is greeted."""
    pairs = await asyncio.gather(*(asyncio.open_connection(*address) for _ in range(count)))
    assert await asyncio.gather(*(reader.readexactly(5) for reader, _ in pairs)) == [b"hello"] * count
    return [writer for _, writer in pairs]


async def test_a_burst_is_divided_evenly() -> None:
    async with places(3) as (address, _, workers):
        clients = await connected(address, 60)
        assert sum(len(worker.open) for worker in workers) == 60
        assert max(len(worker.open) for worker in workers) - min(len(worker.open) for worker in workers) <= 2
        for client in clients:
            client.close()


async def test_a_worker_that_does_not_accept_delays_no_one_for_long() -> None:
    async with places(2) as (address, counts, workers):
        workers[1].acceptor.close()
        clients = await connected(address, 20)  # it is known to take none
        counts.note(1, 0)  # one that hangs still counts as open
        clients += await connected(address, 20)
        assert (len(workers[0].open), len(workers[1].open)) == (40, 0)
        for client in clients:
            client.close()


async def test_a_client_that_has_gone_is_no_error() -> None:
    async with places(2) as (address, _, workers):
        socket.create_connection(address).close()
        clients = await connected(address, 2)
        assert sum(len(worker.open) for worker in workers) in (2, 3)
        clients[0].close()
        clients[1].close()
