"""The header `Host`: which names this server answers to, so that no page can read it through DNS rebinding.

A page of `evil.example` can make its own name stand for 127.0.0.1, and then asks this server as if it were its own. The
browser still sends `Host: evil.example`. So a server that needs no credential answers to names it knows alone.
"""

import ipaddress
import re
from collections.abc import Collection

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.refusal import error

# A name or an address, and a port.
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{0,5})?", re.ASCII)
_ORIGIN = re.compile(rb"[A-Za-z]+://[^/]*(?=/)")


class Hosts:
    """Pure ASGI middleware. `allowed` are names in small letters beside loopback and the bound address; None: any."""

    def __init__(self, app: ASGIApp, allowed: Collection[str] | None) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"host"), None)
        # HTTP/1.0 has requests without it, which no browser sends.
        host = None if given is None else name_of(given.decode("latin-1"))
        if given is not None and host is None:
            await _answer(400, "BAD_REQUEST", "The header Host is not a name or an address with a port.", send)
        elif host is not None and not self._answers_to(host, scope):
            message = "This server does not answer to that Host: add it to ALLOWED_HOSTS, or set AUTH=required."
            await _answer(421, "MISDIRECTED_REQUEST", message, send)
        else:
            await self._app(scope, receive, _relative(send))

    def _answers_to(self, host: str, scope: Scope) -> bool:
        if self._allowed is None or host in self._allowed or is_loopback(host):
            return True
        bound = scope.get("server")
        return bound is not None and host == _plain(str(bound[0]))


def name_of(header: str) -> str | None:
    """Return the name or address of a `Host` in small letters, without port and brackets; None for no such thing."""
    found = _HOST.fullmatch(header.strip())
    return None if found is None else _plain(found[1])


def is_loopback(host: str) -> bool:
    """Return whether a name or an address is that of this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _plain(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _relative(send: Send) -> Send:
    """Send redirects without scheme and host: a client stays where it asked, whatever it said in `Host`."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start" and 300 <= message["status"] < 400:
            message["headers"] = [
                (name, b"/" + _ORIGIN.sub(b"", value, count=1).lstrip(b"/") if name == b"location" else value)
                for name, value in message.get("headers", ())
            ]
        await send(message)

    return sent


async def _answer(status: int, code: str, message: str, send: Send) -> None:
    body = orjson.dumps({"errors": [error(message, code)]})
    headers = [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
