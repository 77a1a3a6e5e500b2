"""Read the headers of trusted proxies: which address the client used, and below which path the server is published."""

import ipaddress
from collections.abc import Awaitable, Collection, Sequence
from typing import NamedTuple
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from server.http.forwarded import FORWARDED, address_in, counting, elements_of
from server.http.guards.host_names import is_loopback, name_of
from server.http.public_address import PREFIX, RECEIVED_HOST, checked_prefix
from server.http.request_headers import RequestHeaders

# The addresses of proxies on this machine.
LOOPBACK = ("127.0.0.1", "::1")

_FOR, _HOST, _PREFIX, _PROTO = "x-forwarded-for", "x-forwarded-host", "x-forwarded-prefix", "x-forwarded-proto"
_CLIENTS = frozenset({_FOR, _HOST, _PROTO})
_ALL = _CLIENTS | {_PREFIX, FORWARDED}
_SCHEMES = frozenset({"http", "https"})
# Headers of an answer whose value is an address of this server.
_ADDRESSES = frozenset({b"location", b"content-location"})


class Stated(NamedTuple):
    """The client as proxies state it: its address and port, the scheme that it used, and the host that it named."""

    client: tuple[str, int] | None
    scheme: str
    host: str


class TrustedProxies(ProxyHeadersMiddleware):
    """The outermost layer: it gives a request the address that its client used.

    `trusted` are the addresses and networks of the proxies whose headers count; `*` is every address. A peer at a unix
    socket always counts. `Forwarded` counts only if no `X-Forwarded-For`, `-Host` or `-Proto` is there: a proxy that
    sets one of these may pass on a `Forwarded` of the client. `prefix` is ROOT_PATH. Proxies may remove the prefix from
    the path of a request or leave it. A prefix that begins with one of `own`, the first parts of the paths of the
    server itself, is never removed here.
    """

    def __init__(
        self, app: ASGIApp, trusted: Sequence[str] = LOOPBACK, prefix: str = "", own: Collection[str] = ()
    ) -> None:
        super().__init__(app, list(trusted))  # type: ignore[arg-type]  # starlette describes the same functions
        self._app = app
        self._prefix = prefix
        self._own = frozenset(own)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:  # type: ignore[override]
        """Take the address of the client and of the server from the headers of a proxy, then call the application."""
        if scope["type"] == "lifespan" or PREFIX in scope:  # a part of a batch has what its batch has
            return self._app(scope, receive, send)
        headers = RequestHeaders.of(scope)
        prefix = self._prefix
        if not _ALL.isdisjoint(headers):
            peer = None if scope.get("client") is None else scope["client"][0]
            if peer is None or peer in self.trusted_hosts:
                prefix = prefix or _prefix_in(scope)
                stated = self._stated(scope, headers)
                _take_host(scope, headers, peer, stated.host)
                _take_client(scope, stated)
        if not prefix:
            return self._app(scope, receive, send)
        scope[PREFIX] = prefix
        if prefix.split("/")[1] not in self._own:
            _take_off(scope, prefix)
        return self._app(scope, receive, _prefixed(send, prefix) if scope["type"] == "http" else send)

    def _stated(self, scope: Scope, headers: RequestHeaders) -> Stated:
        """Return what the proxies say about the client."""
        if _CLIENTS.isdisjoint(headers):
            element = counting(elements_of(", ".join(_all(scope, FORWARDED))), self.trusted_hosts.__contains__)
            address = address_in(element)
            client = None if address is None else (address, 0)
            return Stated(client, element.get("proto", ""), element.get("host", ""))
        host, port = self.trusted_hosts.get_trusted_client_address(", ".join(_all(scope, _FOR)))
        return Stated((host, port) if host else None, _last(scope, _PROTO), _last(scope, _HOST))


def _take_client(scope: Scope, stated: Stated) -> None:
    """Set the address of the client, and the scheme that it used."""
    scheme = stated.scheme.lower()
    if scheme in _SCHEMES:
        scope["scheme"] = scheme.replace("http", "ws") if scope["type"] == "websocket" else scheme
    if stated.client is not None:
        scope["client"] = stated.client


def _take_host(scope: Scope, headers: RequestHeaders, peer: str | None, host: str) -> None:
    """Set the host that the client named."""
    if name_of(host) is None:
        return
    received = headers.get("host")
    if received is not None and peer is not None and is_loopback(peer) and _is_public(received):
        scope[RECEIVED_HOST] = received  # a page in a browser on this machine may have sent these headers
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"host"]
    scope["headers"].append((b"host", host.encode("latin-1")))
    headers["host"] = host


def _is_public(host: str) -> bool:
    """Return whether a `Host` may be a name of the public DNS. The name of an upstream of nginx has no dot."""
    name = name_of(host)
    if name is None:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." in name
    return False


def _prefix_in(scope: Scope) -> str:
    """Return the prefix that proxies have removed, the outermost first; empty if one of them is no path."""
    found = [checked_prefix(part) for value in _all(scope, _PREFIX) for part in value.split(",") if part.strip()]
    return checked_prefix("".join(map(str, found))) or "" if None not in found else ""


def _take_off(scope: Scope, prefix: str) -> None:
    """Remove the prefix from the path of a request if the proxy has not removed it."""
    path = scope["path"]
    if path != prefix and not path.startswith(f"{prefix}/"):
        return
    scope["path"] = path[len(prefix) :] or "/"
    raw, asked = scope.get("raw_path") or b"", prefix.encode("ascii")
    if raw == asked or raw.startswith(asked + b"/"):
        scope["raw_path"] = raw[len(asked) :] or b"/"
    else:  # the prefix itself was escaped
        scope["raw_path"] = quote(scope["path"]).encode("ascii")


def _prefixed(send: Send, prefix: str) -> Send:
    """Send answers whose addresses have the prefix."""
    before = prefix.encode("ascii")

    def sent(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            message["headers"] = [
                (name, before + value if name.lower() in _ADDRESSES and value.startswith(b"/") else value)
                for name, value in message.get("headers", ())
            ]
        return send(message)

    return sent


def _all(scope: Scope, name: str) -> list[str]:
    wanted = name.encode("ascii")
    return [str(value, "latin-1") for given, value in scope["headers"] if given == wanted]


def _last(scope: Scope, name: str) -> str:
    """Return the last value of a header: the nearest proxy has added it."""
    values = _all(scope, name)
    return values[-1].rpartition(",")[2].strip() if values else ""
