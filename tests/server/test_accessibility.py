"""The check of pages finds the faults of a page, also under the strictest policy."""

from collections.abc import Iterator

import pytest
from playwright.async_api import Browser
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tests.server.accessibility import violations
from tests.server.browsing import visiting
from tests.server.serving import serving

PAGE = """<!doctype html><html lang="en"><head><title>Rooms</title><link rel="icon" href="data:,"></head>
<body><main><h1>Rooms</h1>{}</main></body></html>"""
POLICY = {"content-security-policy": "default-src 'none'; img-src data:"}
FAULTY = '<input id="room"><button></button>'


async def page(request: Request) -> HTMLResponse:
    return HTMLResponse(PAGE.format(FAULTY if request.url.path == "/faulty" else "<p>Aurora</p>"), headers=POLICY)


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with serving(Starlette(routes=[Route("/{name}", page)])) as address:
        yield address


async def test_faults_are_found_and_no_others(browser: Browser, origin: str) -> None:
    async with visiting(browser, origin) as visit:
        await visit.page.goto(f"{origin}/good")
        assert await violations(visit.page) == []
        await visit.page.goto(f"{origin}/faulty")
        assert await violations(visit.page) == [
            "button-name (critical): Buttons must have discernible text: button",
            "label (critical): Form elements must have labels: #room",
        ]
