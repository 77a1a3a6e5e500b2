"""The server's socket and its run: uvicorn on uvloop and httptools, until a signal asks for the end."""

import asyncio
import errno
import math
import resource
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from server import garbage
from server.execution.limits import ClientTimeouts
from server.http.connection import ClientConnection, ConnectionSlots

OTHER_FILES = 1000  # that a process has open besides its clients' connections

GRACE_SECONDS = 30.0
TICK_SECONDS = 0.1


class CannotListen(Exception):
    """The address cannot be had: one line that says why."""


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address, so that a port in use is said before anything is started. Raises CannotListen."""
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
    """Where a person on this machine finds the page."""
    host, port = bound.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{'https' if secure else 'http'}://{shown}:{port}"


class GraphServer(uvicorn.Server):
    """uvicorn, which calls `listening` once it answers, and `draining` when it was told to stop.

    It then goes on for `drain` seconds, in which each answer closes its connection, so that clients and load balancers
    turn elsewhere; only after that are new connections refused, and what runs is waited for.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        listening: Callable[[], None],
        draining: Callable[[], None] = lambda: None,
        drain: float = 0.0,
        handshake: float = 60.0,
    ) -> None:
        super().__init__(config)
        self._handshake = handshake
        self._listening = listening
        self._draining = draining
        self._drain = drain

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
        """Accept connections as uvicorn does, and end those whose handshake takes too long, which it does not."""
        loop = asyncio.get_running_loop()
        make: Any = self.config.http_protocol_class  # called as the class would be
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
        # A second signal does not wait.
        while time.monotonic() < end and not self.force_exit:  # noqa: ASYNC110
            await asyncio.sleep(TICK_SECONDS)
        await super().shutdown(sockets)


def configure(
    app: ASGIApp, patience: ClientTimeouts, grace: float = GRACE_SECONDS, tls: ssl.SSLContext | None = None
) -> uvicorn.Config:
    """uvicorn as the application is served with it, over TLS if there is a context for it."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=partial(ClientConnection, ConnectionSlots(patience)),  # type: ignore[arg-type]  # called as the class would be
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,  # of a proxy on this machine, or of those that FORWARDED_ALLOW_IPS names
        ssl_context_factory=None if tls is None else lambda config, default: tls,
        timeout_keep_alive=patience.idle_seconds,  # type: ignore[arg-type]  # for `call_later`
        timeout_graceful_shutdown=math.ceil(grace),
    )


def run(
    app: ASGIApp,
    bound: socket.socket,
    listening: Callable[[], None],
    patience: ClientTimeouts,
    draining: Callable[[], None] = lambda: None,
    drain: float = 0.0,
    grace: float = GRACE_SECONDS,
    tls: ssl.SSLContext | None = None,
) -> bool:
    """Serve until SIGINT or SIGTERM, then let running requests end. False when the application could not start."""
    _allow_files(patience.connections + OTHER_FILES)
    config = configure(app, patience, grace, tls)
    server = GraphServer(config, listening, draining, drain, handshake=patience.request_seconds)
    server.run(sockets=[bound])
    return server.started


def _allow_files(wanted: int) -> None:
    """Many systems let a process open 1024 files unless it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
