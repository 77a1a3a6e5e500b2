"""The server's socket and its run: uvicorn on uvloop and httptools, until a signal asks for the end."""

import errno
import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from server import garbage

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


def run(app: ASGIApp, bound: socket.socket, listening: Callable[[], None]) -> bool:
    """Serve until SIGINT or SIGTERM, then let running requests end. False when the application could not start."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = Server(config, listening)
    server.run(sockets=[bound])
    return server.started
