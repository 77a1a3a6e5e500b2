"""The explorer page: GraphiQL, built from `explorer/` into `page/`, served with everything it needs from one origin."""

import gzip
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from resolvers.caller import Caller

PAGE = Path(__file__).parent / "page"

# Our own table: `mimetypes` reads the machine's, which may lack fonts or, on some, call scripts plain text. What is
# already compressed is not compressed again.
MEDIA_TYPES = {
    ".css": ("text/css", True),
    ".js": ("text/javascript", True),
    ".svg": ("image/svg+xml", True),
    ".ttf": ("font/ttf", True),
    ".woff2": ("font/woff2", False),
}

# Everything comes from the page's own origin. The editor places its lines with inline styles, hence the one exception.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "font-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)


def explorer_routes(saved: Callable[[Caller], Awaitable[Sequence[Mapping[str, object]]]]) -> list[BaseRoute]:
    """The page at `/`, its files, and the saved queries (name, comment, query, variables) that are its first tabs.

    The examples in the variables are those that the caller may see.
    """

    async def queries(request: Request) -> Response:
        return JSONResponse(await saved(request.scope["caller"]), headers={"Cache-Control": "no-cache"})

    return [
        Route("/", _page),
        Route("/explorer/queries.json", queries),
        Route("/explorer/assets/{name}", _asset),
    ]


def page_response(if_none_match: str | None = None) -> Response:
    """The page itself, for `/` and for a browser that opens `/graphql`; 304 to a browser that names it already."""
    html, etag = _html()
    headers = {
        "Cache-Control": "no-cache",  # it names the current files, which themselves never change
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "ETag": etag,
        "Vary": "Accept",
    }
    if if_none_match == etag:
        return Response(status_code=304, headers=headers)
    return Response(html, media_type="text/html", headers=headers)


async def _page(request: Request) -> Response:
    return page_response(request.headers.get("If-None-Match"))


# Not async: Starlette gives it a thread, so the first compression of a large script delays nobody.
def _asset(request: Request) -> Response:
    path = _assets().get(request.path_params["name"])
    if path is None:
        raise HTTPException(404)
    media_type, compressible = MEDIA_TYPES[path.suffix]
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable",  # its name carries the hash of its content
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,  # a worker goes by that of its own script
        "X-Content-Type-Options": "nosniff",
    }
    if not compressible:
        return Response(path.read_bytes(), media_type=media_type, headers=headers)
    headers["Vary"] = "Accept-Encoding"
    if "gzip" not in request.headers.get("Accept-Encoding", ""):
        return Response(path.read_bytes(), media_type=media_type, headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(_compressed(path), media_type=media_type, headers=headers)


@cache
def _html() -> tuple[bytes, str]:
    html = (PAGE / "index.html").read_bytes()
    return html, f'"{hashlib.sha256(html).hexdigest()[:32]}"'


@cache
def _assets() -> dict[str, Path]:
    """By name, so that a request can name one of these files and no other."""
    return {path.name: path for path in (PAGE / "assets").iterdir()}


@cache
def _compressed(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), mtime=0)
