"""Check the header `Host`, so that no page can read this server through DNS rebinding.

A page of `evil.example` can point its own name to 127.0.0.1 and then call this server as its own. The browser still
sends `Host: evil.example`. So a server without credentials answers only to names that it knows. Such a page may also
send the headers of a proxy on the same machine. So both names count then: the name that the proxy states, and the
`Host` of its request, unless that is the name of an upstream such as nginx sends.
"""

import re
from collections.abc import Collection

from starlette.types import Message, Scope, Send

from server.http.guards.host_names import is_loopback, name_of, plain
from server.http.public_address import RECEIVED_HOST
from server.http.request_error import RequestError
from server.http.request_headers import RequestHeaders

# The number of accepted values that are remembered.
_MOST_KNOWN = 100
_ORIGIN = re.compile(rb"[A-Za-z]+://[^/]*(?=/)")


class Hosts:
    """The guard. `allowed` are lower-case names in addition to loopback and the bound address; None allows any name."""

    def __init__(self, allowed: Collection[str] | None) -> None:
        self._allowed = allowed
        self._good: set[tuple[str | None, str]] = set()

    def __call__(self, scope: Scope, headers: RequestHeaders) -> RequestError | None:
        """Return the error for a request; None if this server answers to its `Host`."""
        if "host" not in headers:
            return None  # HTTP/1.0 has requests without it, which no browser sends
        bound = scope.get("server")
        address = None if bound is None else bound[0]
        known = (address, headers["host"])
        # A client sends the same value in each request.
        refusal = None if known in self._good else self._looked_at(*known)
        if refusal is None and RECEIVED_HOST in scope:
            return self._looked_at(address, scope[RECEIVED_HOST])
        return refusal

    def _looked_at(self, address: str | None, given: str) -> RequestError | None:
        host = name_of(given)
        if host is None:
            return RequestError(400, "BAD_REQUEST", "The header Host is not a name or an address with a port.")
        known = self._allowed is None or host in self._allowed or is_loopback(host)
        if not known and (address is None or host != plain(str(address))):
            message = "This server does not answer to that Host: add it to ALLOWED_HOSTS, or set AUTH=required."
            return RequestError(421, "MISDIRECTED_REQUEST", message)
        if len(self._good) >= _MOST_KNOWN:
            self._good.clear()
        self._good.add((address, given))
        return None


def relative(send: Send) -> Send:
    """Send redirects without scheme and host, so that `Host` never decides where a client goes."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start" and 300 <= message["status"] < 400:
            message["headers"] = [
                (name, b"/" + _ORIGIN.sub(b"", value, count=1).lstrip(b"/") if name == b"location" else value)
                for name, value in message.get("headers", ())
            ]
        await send(message)

    return sent
