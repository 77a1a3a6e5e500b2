"""The socket of the server and its run: uvicorn on uvloop and httptools, until a signal."""

import asyncio
import errno
import math
import resource
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from server import garbage, logs
from server.execution.limits import ClientTimeouts
from server.http.connection import ClientConnection, ConnectionSlots

OTHER_FILES = 1000  # files in addition to the connections of clients

GRACE_SECONDS = 30.0
# The size of one message on a WebSocket.
MESSAGE_BYTES = 1024 * 1024
TICK_SECONDS = 0.1


class CannotListen(Exception):
    """The address cannot be bound. The text says why in one line."""


def listen(host: str, port: int) -> socket.socket:
    """Bind a socket, so that a port in use is reported before anything starts. Raises CannotListen."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CannotListen(f"{host} is no address to listen on: {error.strerror}") from None
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
        bound.listen(2048)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise CannotListen(f"port {port} is in use: stop what uses it, or choose another with --port") from None
        raise CannotListen(f"cannot listen on {host} port {port}: {error.strerror}") from None
    return bound


def page_address(bound: socket.socket, *, secure: bool = False) -> str:
    """Return the address of the page for a person on this machine."""
    host, port = bound.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{'https' if secure else 'http'}://{shown}:{port}"


class GraphServer(uvicorn.Server):
    """uvicorn, which calls `listening` when it answers requests, and `draining` when it should stop.

    It then serves for `drain` more seconds. Each answer closes its connection, so that clients and load balancers
    switch to other servers. After that it calls `ending`, which ends answers that would go on for ever. It refuses new
    connections and waits for the running requests.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        listening: Callable[[], None],
        draining: Callable[[], None] = lambda: None,
        drain: float = 0.0,
        handshake: float = 60.0,
        ending: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(config)
        self._handshake = handshake
        self._listening = listening
        self._draining = draining
        self._drain = drain
        self._ending = ending

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        with logs.batches():
            await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self.config.ssl is None:
            await super().startup(sockets)
        else:
            await super().startup([])
            await self._accept_tls(sockets or [])
        if not self.should_exit:
            garbage.settle()
            self._listening()

    async def _accept_tls(self, sockets: list[socket.socket]) -> None:
        """Accept connections as uvicorn does, and also end those with too slow a handshake."""
        loop = asyncio.get_running_loop()
        make: Any = self.config.http_protocol_class  # called like the class
        protocol = partial(
            make,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        self.servers = [
            await loop.create_server(
                protocol,
                sock=each,
                ssl=self.config.ssl,
                backlog=self.config.backlog,
                ssl_handshake_timeout=self._handshake,
            )
            for each in sockets
        ]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._draining()
        self.server_state.default_headers.append((b"connection", b"close"))
        end = time.monotonic() + self._drain
        # A second signal stops at once.
        while time.monotonic() < end and not self.force_exit:  # noqa: ASYNC110
            await asyncio.sleep(TICK_SECONDS)
        if self._ending is not None and not self.force_exit:
            await self._ending()
        await super().shutdown(sockets)
        logs.flush()  # uvicorn raises the signal again, which may end the process


def configure(
    app: ASGIApp,
    patience: ClientTimeouts,
    grace: float = GRACE_SECONDS,
    tls: ssl.SSLContext | None = None,
) -> uvicorn.Config:
    """Return the configuration of uvicorn for the application, with TLS if there is a context."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # starlette describes the same functions
        interface="asgi3",  # also for layers that are plain functions
        loop="uvloop",
        http=partial(ClientConnection, ConnectionSlots(patience)),  # type: ignore[arg-type]  # called like the class
        ws="none",  # the connection itself chooses the protocol of WebSockets
        ws_max_size=MESSAGE_BYTES,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # see server.http.proxies
        ssl_context_factory=None if tls is None else lambda config, default: tls,
        timeout_graceful_shutdown=math.ceil(grace),
    )


def run(
    config: uvicorn.Config,
    bound: socket.socket,
    patience: ClientTimeouts,
    listening: Callable[[], None],
    draining: Callable[[], None] = lambda: None,
    drain: float = 0.0,
    ending: Callable[[], Awaitable[None]] | None = None,
) -> bool:
    """Serve until SIGINT or SIGTERM, then let running requests end. Return False if the application did not start."""
    _allow_files(patience.connections + OTHER_FILES)
    server = GraphServer(config, listening, draining, drain, patience.request_seconds, ending)
    server.run(sockets=[bound])
    return server.started


def _allow_files(wanted: int) -> None:
    """Raise the limit of open files. Many systems allow 1024 by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
