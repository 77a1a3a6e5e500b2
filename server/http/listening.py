"""The configuration of uvicorn: uvloop, and our connection on httptools."""

import ssl
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from server.execution.limits import ClientTimeouts
from server.http.connection import ClientConnection, ConnectionSlots
from server.http.connection_counts import ConnectionCounts

# The size of one message on a WebSocket.
MESSAGE_BYTES = 1024 * 1024


def configure(
    app: ASGIApp,
    patience: ClientTimeouts,
    tls: ssl.SSLContext | None = None,
    counts: ConnectionCounts | None = None,
) -> uvicorn.Config:
    """Return the configuration of uvicorn for the application, with TLS if there is a context.

    `counts` counts the connections.
    """
    slots = ConnectionSlots(patience, counts or ConnectionCounts())
    return uvicorn.Config(
        app,
        interface="asgi3",  # also for layers that are plain functions
        loop="uvloop",
        http=partial(ClientConnection, slots),  # type: ignore[arg-type]  # called like the class
        ws="none",  # the connection itself chooses the protocol of WebSockets
        ws_max_size=MESSAGE_BYTES,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # see server.http.proxies
        ssl_context_factory=None if tls is None else lambda config, default: tls,
    )
