"""The front page, built from `explorer/front/` into `front_page/`: what this server is, and where to go."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from server.pages.bundle import CONTENT_SECURITY_POLICY, Bundle
from server.pages.explorer import page_response

PAGE = Path(__file__).parent / "front_page"
# With one of these parameters, `/` is the explorer with that query.
EXPLORED = frozenset({"query", "saved", "variables"})

bundle = Bundle(PAGE, PAGE, CONTENT_SECURITY_POLICY)


def front_routes() -> list[BaseRoute]:
    """Return the routes of `/` and of the files of the page."""
    return [Route("/", _page), Route("/page/{name}", bundle.asset)]


async def _page(request: Request) -> Response:
    if EXPLORED.isdisjoint(request.query_params):
        return bundle.page(request)
    return page_response(request)
