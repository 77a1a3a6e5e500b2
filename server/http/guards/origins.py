"""Pages of other origins: allow some of them (CORS), and protect against all others (CSRF).

A browser sends a preflight request before a page may send JSON or its own headers to another origin. The server
refuses it for every origin that `CORS_ORIGINS` does not list. This covers POST, which is always JSON here. A GET needs
no preflight and carries the stored credentials of the browser. It changes nothing, and the page cannot read the answer,
but it costs work. So a query by GET from another site needs a header that forces a preflight.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Scope

from server.auth import links
from server.execution.request_options import EXPLAIN, MAX_CALLS, TRACE
from server.http.negotiation import wants_page
from server.http.request_error import RequestError
from server.http.request_headers import RequestHeaders

# Each of these proves a preflight. The later ones belong to widespread clients.
PREFLIGHT = (EXPLAIN, MAX_CALLS, TRACE, "GraphQL-Preflight", "Apollo-Require-Preflight", "X-Apollo-Operation-Name")
ALLOWED = (
    "Authorization",
    "Cache-Control",
    "Content-Type",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "Pragma",
    "Range",
    "X-Api-Key",
    "X-Request-Id",
    # The header of streams with many operations.
    "X-GraphQL-Event-Stream-Token",
    # Headers of OData.
    "OData-MaxVersion",
    "OData-Version",
    "Prefer",
    # Headers of widespread clients and of tracing.
    "Apollographql-Client-Name",
    "Apollographql-Client-Version",
    "Baggage",
    "Sentry-Trace",
    "Traceparent",
    "Tracestate",
    *PREFLIGHT,
)
EXPOSED = (
    "Accept-Ranges",
    "Age",
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "OData-Version",
    "Preference-Applied",
    "X-Request-Id",
    "Retry-After",
    "RateLimit-Limit",
    "RateLimit-Policy",
    "RateLimit-Remaining",
    "RateLimit-Reset",
)
REMEMBERED_SECONDS = 600


def cors(origins: Sequence[str], headers: Sequence[str] = ()) -> list[Middleware]:
    """Return the CORS middleware for these origins, if there are any. It allows no stored credentials of the browser.

    `headers` are headers that such pages may send in addition to the usual ones.
    """
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "HEAD", "POST", "PUT", "DELETE"],
            allow_headers=[*ALLOWED, *headers],
            expose_headers=EXPOSED,
            max_age=REMEMBERED_SECONDS,
        )
    ]


# The request headers that decide.
_VARY = "Origin, Sec-Fetch-Site, Sec-Fetch-Mode, Sec-Fetch-Dest"
# Paths that have neither data nor effects, or (`/graphql`) a check of their own.
_FREE = frozenset({"/", "/graphql", "/healthz"})
# Pages, and below them only the pages of single tables.
_PAGES = frozenset({"/explorer", "/login", "/tables", "/reconcile"})
# A page with the parameters that only fill it. With others, the address runs a statement.
_FILLED = {"/sql": frozenset({"q"})}


class Origins:
    """The guard against requests that a page of another site causes.

    It covers every path with data or effects. It allows a person to follow a link to a page, or a signed link.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = origins

    def __call__(self, scope: Scope, headers: RequestHeaders) -> RequestError | None:
        """Return the error for a request; None if no foreign page caused it, or its origin is allowed."""
        if scope["path"] in _FREE or not self._foreign(scope, headers):
            return None
        message = "A page of another site may not ask for this, unless CORS_ORIGINS lists its origin."
        return RequestError(403, "CROSS_SITE", message, {"Vary": _VARY})

    def _foreign(self, scope: Scope, headers: RequestHeaders) -> bool:
        if headers.get("sec-fetch-site", "").strip().lower() != "cross-site":
            return False
        return headers.get("origin") not in self._origins and not _followed(scope, headers)


def _followed(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Return whether a person followed a link to a page, or a signed link."""
    if scope["method"] != "GET" or headers.get("sec-fetch-mode", "").strip().lower() != "navigate":
        return False
    if headers.get("sec-fetch-dest", "document").strip().lower() != "document":  # for example a frame
        return False
    if links.is_link(scope["query_string"]):
        return True
    above, _, name = scope["path"].rpartition("/")
    page = scope["path"] in _PAGES or (above == "/tables" and "." not in name)
    if scope["path"] in _FILLED:
        given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        page = {name for name, _ in given} <= _FILLED[scope["path"]]
    return page and wants_page(headers.get("accept"))


def check(headers: Mapping[str, str], origins: Sequence[str]) -> None:
    """Refuse a GET that a page of another site has caused."""
    origin = headers.get("origin")
    if origin in origins or any(name.lower() in headers for name in PREFLIGHT):
        return
    if headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
        return
    site = headers.get("sec-fetch-site")
    if site is not None:
        foreign = site.strip().lower() not in ("same-origin", "none")
    else:  # an old browser, or another client
        foreign = origin is not None and _host(origin) != headers.get("host", "").lower()
    if foreign:
        raise RequestError(
            403,
            "CROSS_SITE",
            f"A query by GET from a page of another site needs the header {PREFLIGHT[3]}: 1, and its origin in "
            "CORS_ORIGINS; or send it by POST, as JSON.",
        )


def check_any(headers: Mapping[str, str], origins: Sequence[str], what: str = "send requests") -> None:
    """Refuse a request that a page of another site has caused, whatever its method is.

    For a WebSocket, browsers ask no preflight.
    """
    origin = headers.get("origin")
    if origin is None or origin in origins or _host(origin) == headers.get("host", "").lower():
        return
    raise RequestError(
        403, "CROSS_SITE", f"A page of another site may not {what} here, unless CORS_ORIGINS lists its origin."
    )


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
