"""The page of tables for people, built from `explorer/tables/` into `tables_page/`.

The page reads what every client can read: the list, the description of a table, its first rows.
"""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from server.pages.bundle import CONTENT_SECURITY_POLICY, Bundle
from server.tables.routes import TablesEndpoint
from server.tables.table import Table

PAGE = Path(__file__).parent / "tables_page"

_bundle = Bundle(PAGE, PAGE, CONTENT_SECURITY_POLICY)


def page_routes() -> list[BaseRoute]:
    """Return the route of the files of the page. A browser gets the page itself at `/tables` and `/tables/{name}`."""
    return [Route("/tables/page/{name}", _bundle.asset)]


async def tables_page(request: Request, endpoint: TablesEndpoint, table: Table | None) -> Response:
    """Return the page. Its script finds the table in its address."""
    return _bundle.page(request)
