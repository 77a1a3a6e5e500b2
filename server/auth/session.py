"""The session of a browser: a cookie with the key or the token with which a person has logged in at `/login`.

The cookie counts only if the person or a page of this server has caused the request. The server does not store it: it
ends with the session of the browser, and with the key.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Scope, Send

from server.http.public_address import prefix_of
from server.http.request_headers import RequestHeaders

COOKIE = "gamehub-graph"
# Browsers accept this name only over TLS, for the whole host, and from the host itself.
SECURE_COOKIE = f"__Host-{COOKIE}"
# Below a prefix, the cookie is for this prefix alone: other services of the host do not get it. Browsers accept this
# name only over TLS.
SECURE_COOKIE_BELOW = f"__Secure-{COOKIE}"
# A cookie has 4096 bytes in all.
LONGEST = 3800
PATH = "/login"
LONGEST_WANTED = 8000

_LOCAL = re.compile(r"/(?![/\\])[^\x00-\x20\\\x7f]*")
_OWN = frozenset({"same-origin", "none"})


def take(scope: Scope, headers: RequestHeaders) -> bool:
    """Make the cookie of a request its credential, as if it were sent as `Authorization: Bearer`.

    Return whether the request has one. A credential in a header counts instead of the cookie.
    """
    if "authorization" in headers or "x-api-key" in headers or not own(scope, headers):
        return False
    found = _cookie(scope, headers)
    if not found:
        return False
    headers["authorization"] = f"Bearer {found}"
    scope["headers"] = [*scope["headers"], (b"authorization", headers["authorization"].encode("latin-1"))]
    scope["session"] = True
    return True


def own(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Return whether the person or a page of this server has caused a request, as far as the browser says it.

    Browsers say it in `Sec-Fetch-Site`, but not on plain http in a network. There, `Origin` says it of every request
    but a GET, and the cookie has `SameSite=Strict`.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site.strip().lower() not in _OWN:
        return False
    if origin is not None:
        return _host(origin) == headers.get("host", "").lower()
    return site is not None or scope.get("method") in ("GET", "HEAD")


def header(text: str, *, secure: bool, prefix: str = "") -> str:
    """Return the header that keeps a credential for the session of the browser."""
    name = _secure_name(prefix) if secure else COOKIE
    return f"{name}={text}; Path={prefix or '/'}; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"


def ended(prefix: str = "") -> list[str]:
    """Return the headers that remove the cookie."""
    return [f"{header('', secure=secure, prefix=prefix)}; Max-Age=0" for secure in (False, True)]


def is_secure(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Return whether the browser uses TLS. A proxy that ends it may not say so, but the browser does."""
    return scope.get("scheme") == "https" or headers.get("origin", "").startswith("https://")


def wanted(text: str | None) -> str:
    """Return the local address that a person wanted; the front page for anything else."""
    if text is None or len(text) > LONGEST_WANTED or not _LOCAL.fullmatch(text):
        return "/"
    return "/" if text.partition("?")[0] in (PATH, "/logout") else text


def login_address(scope: Scope) -> str:
    """Return the address of the login page, from which the person comes back to what was wanted."""
    query = scope["query_string"].decode("latin-1")
    there = wanted(quote(scope["path"], errors="replace") + (f"?{query}" if query else ""))
    more = "&ended=1" if scope.get("session") else ""
    return f"{PATH}?to={quote(there, safe='/')}{more}"


def private(send: Send) -> Send:
    """Send answers of a session so that the browser asks again before it uses them for the next person."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            kept = headers.get("cache-control", "")
            if "max-age" in kept and "public" not in kept:
                headers["Cache-Control"] = "private, no-cache"
        await send(message)

    return sent


def _cookie(scope: Scope, headers: Mapping[str, str]) -> str:
    pairs = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
    name_over_tls = _secure_name(prefix_of(scope))
    # Of two cookies of one name, the first has the longer path, so it belongs to this prefix.
    found = {name: text for name, _, text in reversed([*pairs]) if name in (COOKIE, name_over_tls)}
    # Over TLS, the plain name may come from another host of the domain.
    plain = "" if scope.get("scheme") in ("https", "wss") else found.get(COOKIE, "")
    return found.get(name_over_tls) or plain


def _secure_name(prefix: str) -> str:
    return SECURE_COOKIE_BELOW if prefix else SECURE_COOKIE


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
