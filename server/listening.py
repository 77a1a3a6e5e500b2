"""The server's socket and its run: uvicorn on uvloop and httptools, until a signal asks for the end."""

import errno
import resource
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from server import garbage
from server.connection import Connection, Places
from server.limits import Patience

OTHER_FILES = 1000  # that a process has open besides its clients' connections

GRACE_SECONDS = 10


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


def page_address(bound: socket.socket) -> str:
    """Where a person on this machine finds the page."""
    host, port = bound.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"


class Server(uvicorn.Server):
    """uvicorn, which calls `listening` once it answers."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            garbage.settle()
            self._listening()


def configure(app: ASGIApp, patience: Patience) -> uvicorn.Config:
    """uvicorn as the application is served with it."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=partial(Connection, Places(patience)),  # type: ignore[arg-type]  # called as the class would be
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=patience.idle_seconds,  # type: ignore[arg-type]  # for `call_later`
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def run(app: ASGIApp, bound: socket.socket, listening: Callable[[], None], patience: Patience) -> bool:
    """Serve until SIGINT or SIGTERM, then let running requests end. False when the application could not start."""
    _allow_files(patience.connections + OTHER_FILES)
    server = Server(configure(app, patience), listening)
    server.run(sockets=[bound])
    return server.started


def _allow_files(wanted: int) -> None:
    """Many systems let a process open 1024 files unless it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
