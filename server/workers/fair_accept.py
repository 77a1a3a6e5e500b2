"""Accept connections from the socket that all workers share, so that each has about as many as the others.

The system wakes all workers for a new connection, and the one that is awake already is the fastest. Without a rule it
would take all connections of a burst, and the processors of the others would stay idle. So a worker that has more
connections than another one waits a moment before it takes the next.
"""

import asyncio
import mmap
import socket
from collections.abc import Callable, Collection
from typing import Any

import structlog

# A worker that has more connections than another one gives it so many seconds.
PAUSE_SECONDS = 0.002
# If the connection still waits then, the worker takes it within this time.
_TURN_SECONDS = 0.001
# The others learn the number of connections so often, and at each new connection.
_NOTE_SECONDS = 0.05
# A process without free files tries again after so many seconds.
_FULL_SECONDS = 0.1
_BYTES = 4
# The count of a worker that takes no connections.
_CLOSED = 2**31 - 1

log = structlog.get_logger(__name__)


class OpenConnections:
    """The number of open connections of each worker, in memory that all share. Make it before the first fork."""

    def __init__(self, workers: int) -> None:
        self._counts = memoryview(mmap.mmap(-1, workers * _BYTES)).cast("i")
        for worker in range(workers):
            self.close(worker)

    def note(self, worker: int, count: int) -> None:
        """Note the number of connections of a worker."""
        self._counts[worker] = count

    def close(self, worker: int) -> None:
        """Note that a worker takes no connections."""
        self._counts[worker] = _CLOSED

    def least_of_others(self, worker: int) -> int:
        """Return the smallest number of connections of another worker."""
        return min((count for other, count in enumerate(self._counts) if other != worker), default=_CLOSED)


class FairAcceptor:
    """Accept connections in one worker. `protocol` makes the protocol of each, and `options` are those of asyncio."""

    def __init__(
        self,
        listening: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        options: dict[str, Any],
        connections: Collection[Any],
        counts: OpenConnections,
        worker: int,
    ) -> None:
        self._socket = listening
        self._protocol = protocol
        self._options = options
        self._connections = connections
        self._counts = counts
        self._worker = worker
        self._loop = asyncio.get_running_loop()
        self._begun: set[asyncio.Task[None]] = set()  # connections that are not in `connections` yet
        self._turn_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        listening.setblocking(False)
        self._noting = self._loop.call_soon(self._note)
        self._listen()

    def close(self) -> None:
        """Accept no more connections."""
        self._loop.remove_reader(self._socket.fileno())
        for timer in (self._noting, self._timer):
            if timer is not None:
                timer.cancel()
        self._counts.close(self._worker)

    def _listen(self) -> None:
        self._timer = None
        self._loop.add_reader(self._socket.fileno(), self._accept)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._timer = self._loop.call_later(seconds, self._listen)

    def _note(self) -> None:
        self._counts.note(self._worker, len(self._connections) + len(self._begun))
        self._noting = self._loop.call_later(_NOTE_SECONDS, self._note)

    def _accept(self) -> None:
        """Accept a connection, unless another worker should."""
        mine = len(self._connections) + len(self._begun)
        now = self._loop.time()
        if mine > self._counts.least_of_others(self._worker) and now > self._turn_until:
            self._turn_until = now + PAUSE_SECONDS + _TURN_SECONDS
            self._pause(PAUSE_SECONDS)
            return
        try:
            connection, _ = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker was faster, or the client has gone
        except OSError as error:
            log.error("a connection cannot be accepted", why=error.strerror)
            self._pause(_FULL_SECONDS)
            return
        self._turn_until = 0.0
        self._counts.note(self._worker, mine + 1)
        task = self._loop.create_task(self._begin(connection))
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)

    async def _begin(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await self._loop.connect_accepted_socket(self._protocol, connection, **self._options)
        except (OSError, TimeoutError):  # the client has gone, or its TLS handshake failed
            connection.close()
