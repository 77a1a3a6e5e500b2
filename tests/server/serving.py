"""An application served for real on a free loopback port, in this process, for as long as a `with` block lasts."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp

from server.execution.limits import PATIENT, ClientTimeouts
from server.http.listening import GraphServer, configure


@contextmanager
def serving(app: ASGIApp, patience: ClientTimeouts = PATIENT, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of the application, without a slash at its end."""
    bound = socket.create_server(("127.0.0.1", 0))
    config = configure(app, patience, tls=tls)
    started = threading.Event()
    server = GraphServer(config, started.set, handshake=patience.request_seconds)

    def main() -> None:
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(server.serve(sockets=[bound]))

    thread = threading.Thread(target=main)
    thread.start()
    try:
        assert started.wait(60)
        yield f"{'https' if tls else 'http'}://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        bound.close()
