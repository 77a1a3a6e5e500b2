"""The address under which clients reach this server.

A proxy may publish the server below a path such as `/graph`, the prefix. Inside the server, no path has the prefix:
`server.http.proxies` removes it. What writes an address for a client adds it again, with the functions of this module.
Responses get it in `Location` from `server.http.proxies`, so redirects are written without it.
"""

import re

from starlette.requests import Request
from starlette.types import Scope

PREFIX = "prefix"
RECEIVED_HOST = "received_host"  # the `Host` of a request whose proxy states another one
LONGEST_PREFIX = 200

_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)+", re.ASCII)
_ADDRESS = re.compile(r'\b(href|src|action)="/(?!/)')
_ROOT = re.compile(r"<html\b")


def prefix_of(scope: Scope) -> str:
    """Return the path below which clients reach the server, such as `/graph`; empty if there is none."""
    prefix: str = scope.get(PREFIX, "")
    return prefix


def public(scope: Scope, path: str) -> str:
    """Return the path of an address as clients use it."""
    return prefix_of(scope) + path


def root_of(request: Request) -> str:
    """Return the address of the server as clients use it, without a slash at its end: `https://example.com/graph`."""
    return str(request.base_url).rstrip("/") + prefix_of(request.scope)


def placed(html: str, prefix: str) -> str:
    """Return a page with the prefix in its addresses. The scripts of the page read it from the root element."""
    if not prefix:
        return html
    return _ROOT.sub(f'<html data-prefix="{prefix}"', _ADDRESS.sub(rf'\1="{prefix}/', html), count=1)


def checked_prefix(text: str) -> str | None:
    """Return a prefix without a slash at its end; None if the text is no path that may stand in every address."""
    prefix = text.strip().rstrip("/")
    if not prefix and text.strip():
        return ""
    return prefix if len(prefix) <= LONGEST_PREFIX and _PREFIX.fullmatch(prefix) else None
