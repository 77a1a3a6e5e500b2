"""The page of tables for people, built from `explorer/tables/` into `page/`: which there are, and what each shows.

The page reads what every client can read: the list, the description of a table, its first rows. It has no inline script
and no inline style, so its policy is stricter than the explorer's.
"""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from server.pages.bundle import Bundle
from server.tables.routes import TablesEndpoint
from server.tables.table import Table

PAGE = Path(__file__).parent / "tables_page"
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)

_bundle = Bundle(PAGE, PAGE, CONTENT_SECURITY_POLICY)


def page_routes() -> list[BaseRoute]:
    """The files of the page; the page itself is what a browser gets at `/tables` and `/tables/{name}`."""
    return [Route("/tables/page/{name}", _bundle.asset)]


async def tables_page(request: Request, desk: TablesEndpoint, table: Table | None) -> Response:
    """The page, which finds by its address what it shows."""
    return _bundle.page(request.headers.get("If-None-Match"))
