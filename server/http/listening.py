"""The configuration of uvicorn: uvloop, our connection on httptools, and the proxies that are trusted."""

import ssl
from collections.abc import Awaitable, Sequence
from functools import partial

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from server.execution.limits import ClientTimeouts
from server.http.connection import UNIX, ClientConnection, ConnectionSlots
from server.http.connection_counts import ConnectionCounts
from server.http.request_headers import RequestHeaders

# The size of one message on a WebSocket.
MESSAGE_BYTES = 1024 * 1024
# The addresses of proxies on this machine.
LOOPBACK = ("127.0.0.1", "::1")
_FORWARDED = frozenset({"x-forwarded-for", "x-forwarded-proto"})


class TrustedProxies(ProxyHeadersMiddleware):
    """The middleware of uvicorn for the proxies of FORWARDED_ALLOW_IPS.

    It does nothing for a request without such a header.
    """

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:  # type: ignore[override]
        """Take the address of the client from the header of a proxy, then call the application."""
        if scope["type"] == "http" and _FORWARDED.isdisjoint(RequestHeaders.of(scope)):
            return self.app(scope, receive, send)  # type: ignore[arg-type]  # starlette describes the same functions
        return super().__call__(scope, receive, send)  # type: ignore[arg-type]


def configure(
    app: ASGIApp,
    patience: ClientTimeouts,
    tls: ssl.SSLContext | None = None,
    trusted: Sequence[str] = LOOPBACK,
    counts: ConnectionCounts | None = None,
) -> uvicorn.Config:
    """Return the configuration of uvicorn for the application, with TLS if there is a context.

    `trusted` are the addresses and networks of proxies; `*` is every address. A client on a unix socket is trusted.
    `counts` counts the connections.
    """
    return uvicorn.Config(
        TrustedProxies(app, list(trusted) if "*" in trusted else [*trusted, UNIX]),  # type: ignore[arg-type]
        interface="asgi3",  # also for layers that are plain functions
        loop="uvloop",
        http=partial(ClientConnection, ConnectionSlots(patience, counts or ConnectionCounts())),  # type: ignore[arg-type]  # called like the class
        ws="none",  # the connection itself chooses the protocol of WebSockets
        ws_max_size=MESSAGE_BYTES,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # see TrustedProxies
        ssl_context_factory=None if tls is None else lambda config, default: tls,
    )
