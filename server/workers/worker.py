"""One worker: a whole server on the socket of the supervisor, and the channel between the two."""

import asyncio
import os
import shutil
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
import uvicorn

from server.execution.limits import ClientTimeouts
from server.listening.graph_server import Ending, GraphServer
from server.listening.listening_socket import ListeningSocket
from server.workers.fair_accept import FairAcceptor, OpenConnections

# The words of the supervisor: end with the whole server, or alone, while the others go on.
STOP, RETIRE = b"s", b"r"
# The words of a worker: it answers requests, or it has got a signal and asks what to do.
READY, SIGNALLED = b"r", b"t"

log = structlog.get_logger(__name__)


class ServingWorker:
    """A worker in its own process: its number, counted from 0, the channel to the supervisor, and the common folder."""

    def __init__(self, number: int, channel: socket.socket, folder: Path, connections: OpenConnections) -> None:
        self.number = number
        self.folder = folder
        self.connections = connections
        self._channel = channel
        self._server: GraphServer | None = None
        self._ending: Ending | None = None

    def server(
        self,
        config: uvicorn.Config,
        bound: ListeningSocket,
        listening: Callable[[], None],
        ending: Ending,
        patience: ClientTimeouts,
    ) -> GraphServer:
        """Return the server of this worker. It ends when the supervisor says so, or when that has died."""
        self._ending = ending
        ending.shared = True

        def ready() -> None:
            asyncio.get_running_loop().add_reader(self._channel.fileno(), self._heard)
            listening()
            self.say(READY)

        self._server = _WorkerServer(config, bound, ready, ending, patience, self)
        return self._server

    def say(self, word: bytes) -> None:
        """Tell the supervisor something."""
        with suppress(OSError):
            self._channel.send(word)

    def _heard(self) -> None:
        assert self._server is not None
        assert self._ending is not None
        try:
            words = self._channel.recv(16)
        except BlockingIOError:
            return
        except OSError:
            words = b""
        if not words:
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            log.error("worker.orphaned", pid=os.getpid(), why="the supervisor has ended, so this worker stops")
            shutil.rmtree(self.folder, ignore_errors=True)
        if not words or STOP in words:
            self._ending.shared = False
        self._server.should_exit = True


class _WorkerServer(GraphServer):
    """The server of a worker. A signal comes from the terminal or the service manager, and concerns all workers."""

    def __init__(
        self,
        config: uvicorn.Config,
        bound: ListeningSocket,
        listening: Callable[[], None],
        ending: Ending,
        patience: ClientTimeouts,
        worker: ServingWorker,
    ) -> None:
        super().__init__(config, bound, listening, ending, patience.request_seconds)
        self._worker = worker

    async def listen(self, protocol: Callable[[], Any], options: dict[str, Any]) -> FairAcceptor:
        """Return what accepts the share of this worker."""
        open_ones, worker = self.server_state.connections, self._worker
        return FairAcceptor(self._bound.socket, protocol, options, open_ones, worker.connections, worker.number)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Let the supervisor decide what to do."""
        self._worker.say(SIGNALLED)
