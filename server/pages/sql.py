"""The page of SQL for people, built from `explorer/sql/` into `sql_page/`.

The page reads what every client can read: the catalogue, the results and the explanations of `/sql`. It has no inline
script and no inline style: its editor stands in a shadow tree, whose styles need no exception.
"""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from server.pages.bundle import CONTENT_SECURITY_POLICY, Bundle

PAGE = Path(__file__).parent / "sql_page"

_bundle = Bundle(PAGE, PAGE, CONTENT_SECURITY_POLICY)


def sql_page_routes() -> list[BaseRoute]:
    """Return the route of the files of the page. A browser gets the page itself at `/sql`."""
    return [Route("/sql/page/{name}", _bundle.asset)]


def sql_page(request: Request) -> Response:
    """Return the page. Its script finds the statement in its address."""
    return _bundle.page(request)
