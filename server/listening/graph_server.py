"""uvicorn with an end that loses no request.

After the signal to stop:

1. `/readyz` answers 503, and each answer closes its connection, so that clients and load balancers go elsewhere. For
   `drain` seconds, everything is served as before.
2. No new connection may begin. Those that wait in the queue of the socket are accepted, and the socket is closed.
3. A connection without a request is closed after a quiet second, and not while bytes of a request wait in the system.
   Every request that has come, and the rest of those that have come in part, is answered. So are queries on WebSockets.
4. What runs after `grace` seconds is cancelled.
"""

import asyncio
import resource
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakSet

import structlog
import uvicorn

from server import garbage, logs
from server.http.connection import ClientConnection
from server.listening.listening_socket import BACKLOG, ListeningSocket

OTHER_FILES = 1000  # files in addition to the connections of clients
TICK_SECONDS = 0.05
# The time in which clients learn that answers that would go on for ever end.
STREAMS_SECONDS = 5.0
# The time in which TCP handshakes that have begun are completed.
HANDSHAKE_SECONDS = 0.2
# The time for which a connection without a request stays open.
QUIET_SECONDS = 1.0

log = structlog.get_logger(__name__)


def nothing() -> None:
    """Do nothing."""


async def nothing_ends() -> None:
    """End nothing."""


@dataclass(slots=True)
class Ending:
    """The end of a server: `begin` makes it unready, `streams` ends answers that would go on for ever.

    `streams` also waits for queries that run on the same connections. `drain` are the seconds for which it goes on
    serving, `grace` those that running requests then have. With `shared`, other processes take connections from the
    socket and go on: this one only stops taking them, at once.
    """

    begin: Callable[[], None] = nothing
    streams: Callable[[], Awaitable[None]] = nothing_ends
    drain: float = 0.0
    grace: float = 30.0
    shared: bool = False


class GraphServer(uvicorn.Server):
    """uvicorn on one socket. It calls `listening` when it answers requests. A second signal stops it at once."""

    def __init__(
        self,
        config: uvicorn.Config,
        bound: ListeningSocket,
        listening: Callable[[], None],
        ending: Ending,
        handshake: float = 60.0,
    ) -> None:
        super().__init__(config)
        self._bound = bound
        self._listening = listening
        self._ending = ending
        self._handshake = handshake
        # Connections whose TLS handshake may not be complete.
        self._greeting: WeakSet[ClientConnection] = WeakSet()

    async def serve(self, sockets: Any = None) -> None:
        """Serve until a signal."""
        with logs.batches():
            await super().serve([self._bound.socket])

    async def startup(self, sockets: Any = None) -> None:
        await super().startup([])
        self.servers = [await self._accept()]
        if not self.should_exit:
            garbage.settle()
            self._listening()

    async def _accept(self) -> Any:
        """Accept connections. With TLS, end those with too slow a handshake."""
        context = self.config.ssl
        make: Any = self.config.http_protocol_class  # called like the class
        protocol = partial(make, config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
        options: dict[str, Any] = {"ssl": context}
        if context is not None:
            options["ssl_handshake_timeout"] = self._handshake

        def greeted() -> ClientConnection:
            connection: ClientConnection = protocol()
            self._greeting.add(connection)
            return connection

        return await self.listen(protocol if context is None else greeted, options)

    async def listen(self, protocol: Callable[[], Any], options: dict[str, Any]) -> Any:
        """Return what accepts connections until it is closed."""
        loop = asyncio.get_running_loop()
        begin = loop.create_server if self._bound.path is None else loop.create_unix_server
        return await begin(protocol, sock=self._bound.socket, backlog=BACKLOG, **options)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop gently at the first signal, and at once at the second."""
        if self.should_exit:
            self.force_exit = True
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: Any = None) -> None:
        ending = self._ending
        quiet = dict.fromkeys(self.server_state.connections, time.monotonic())
        self.server_state.default_headers.append((b"connection", b"close"))
        if ending.shared:
            self._stop_accepting()
            streams = asyncio.ensure_future(ending.streams())
        else:
            ending.begin()
            await self._while(lambda: True, ending.drain)
            streams = asyncio.ensure_future(ending.streams())
            await self._while(lambda: not streams.done(), STREAMS_SECONDS)
            self._bound.refuse_newcomers()
            await self._while(lambda: True, HANDSHAKE_SECONDS)
            await self._while(lambda: self._bound.waiting, QUIET_SECONDS, tick=0)
            self._stop_accepting()
        streams.add_done_callback(lambda _: self._close_sockets())
        await self._while(lambda: self._busy(quiet) or not streams.done(), ending.grace)
        streams.cancel()
        tasks = self.server_state.tasks
        if tasks and not self.force_exit:
            log.warning("requests did not end in STOP_SECONDS and are cancelled", requests=len(tasks))
            for task in list(tasks):
                task.cancel()
            await asyncio.sleep(0)
        if not self.force_exit:
            await self.lifespan.shutdown()
        logs.flush()  # uvicorn raises the signal again, which may end the process

    async def _while(self, going: Callable[[], bool], seconds: float, tick: float = TICK_SECONDS) -> None:
        """Wait while something goes on, but not longer than `seconds`. A second signal ends it, too."""
        end = time.monotonic() + seconds
        while going() and time.monotonic() < end and not self.force_exit:  # noqa: ASYNC110
            await asyncio.sleep(tick)

    def _stop_accepting(self) -> None:
        for server in self.servers:
            server.close()
        self._bound.close()

    def _close_sockets(self) -> None:
        """Close the WebSockets, whose subscriptions and queries have ended."""
        for connection in list(self.server_state.connections):
            if not isinstance(connection, ClientConnection):
                connection.shutdown()

    def _busy(self, quiet: dict[Any, float]) -> bool:
        """Close the connections that have been without a request for a time. Return whether something goes on.

        `quiet` says since when a connection may be without a request.
        """
        now = time.monotonic()
        for connection in list(self.server_state.connections):
            since = quiet.setdefault(connection, now)
            if isinstance(connection, ClientConnection):
                connection.stop(quiet=now - since >= QUIET_SECONDS)
        greeting = [one for one in self._greeting if one.transport is None]
        for one in greeting:
            quiet.setdefault(one, now)
        late = any(now - quiet[one] < QUIET_SECONDS for one in greeting)
        return bool(self.server_state.connections or self.server_state.tasks or late)


def run(server: GraphServer, connections: int) -> bool:
    """Serve until a signal, then let requests end. Return False if the application did not start."""
    _allow_files(connections + OTHER_FILES)
    server.run()
    return server.started


def _allow_files(wanted: int) -> None:
    """Raise the limit of open files. Many systems allow 1024 by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
