"""The explorer page: GraphiQL, built from `explorer/` into `page/`, served with everything it needs from one origin."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from resolvers.caller import Caller
from server.pages.bundle import MEDIA_TYPES, Bundle

__all__ = ["CONTENT_SECURITY_POLICY", "MEDIA_TYPES", "PAGE", "explorer_routes", "page_response"]

PAGE = Path(__file__).parent / "page"

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

_bundle = Bundle(PAGE, PAGE / "assets", CONTENT_SECURITY_POLICY)


def explorer_routes(saved: Callable[[Caller], Awaitable[Sequence[Mapping[str, object]]]]) -> list[BaseRoute]:
    """Return the routes of the page at `/explorer`, its files, and the saved queries that are its first tabs.

    The variables of the queries contain only examples that the caller may see.
    """

    async def queries(request: Request) -> Response:
        return JSONResponse(await saved(request.scope["caller"]), headers={"Cache-Control": "no-cache"})

    return [
        Route("/explorer", _page),
        Route("/explorer/queries.json", queries),
        Route("/explorer/assets/{name}", _bundle.asset),
    ]


def page_response(request: Request) -> Response:
    """Return the page; 304 if the browser has it already.

    It is at `/explorer`, and a browser gets it at `/graphql`, and at `/` with a query.
    """
    return _bundle.page(request)


async def _page(request: Request) -> Response:
    return page_response(request)
