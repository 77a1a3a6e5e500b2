"""A real browser for the tests of pages, and a page that notes whatever there is to complain of.

async def test_a_page(browser: Browser, address: str) -> None:
    async with visiting(browser, address) as visit:
        await visit.page.goto(f"{address}/tables")
        await expect(visit.page.locator("#tables tbody tr")).to_have_count(12)

One browser serves all tests of a worker: `browser` is a fixture of tests/server/conftest.py. The test runs in the event
loop of the browser. An asynchronous fixture that it uses needs the same loop:
`@pytest_asyncio.fixture(loop_scope="session")`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Page, Route, async_playwright, expect

from tests.requirements import require

expect.set_options(timeout=60_000)  # of a machine that is busy with other tests


@dataclass
class Visit:
    """A page, and what must stay empty while it is used."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start Chromium. Tests take the fixture `browser` instead."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=require("chromium"),
            args=[
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visiting(browser: Browser, origin: str, **options: Any) -> AsyncIterator[Visit]:
    """Open an empty page as a new visitor, without cookies, storage and cache. Nothing may be left to complain of.

    `options` are those of `Browser.new_context`. A test that expects complaints checks them, and clears the list.
    """
    async with visitor(browser, **options) as context:
        visit = await watched(context, origin)
        yield visit
        found = visit.complaints + visit.strays
        assert found == [], found


@asynccontextmanager
async def visitor(browser: Browser, **options: Any) -> AsyncIterator[BrowserContext]:
    """Let a new visitor open pages that nobody watches. A page that is watched has no cache: it demands fresh rows."""
    context = await browser.new_context(**{"viewport": {"width": 1280, "height": 1000}, **options})
    try:
        yield context
    finally:
        await context.close()


async def watched(context: BrowserContext, origin: str) -> Visit:
    """Open a page that notes every console warning, every failure, and every request to anywhere but the origin."""
    visit = Visit(await context.new_page())

    async def gate(route: Route) -> None:
        if urlsplit(route.request.url)[:2] == urlsplit(origin)[:2]:
            await route.continue_()
        else:
            visit.strays.append(route.request.url)
            await route.abort()

    await context.route("**/*", gate)
    visit.page.on(
        "console",
        lambda message: visit.complaints.append(message.text) if message.type in ("warning", "error") else None,
    )
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.on(
        "requestfailed",
        # A reload aborts what the page was still loading.
        lambda request: visit.complaints.append(request.url) if request.failure != "net::ERR_ABORTED" else None,
    )
    visit.page.on(
        "response", lambda answer: visit.complaints.append(f"{answer.status} {answer.url}") if not answer.ok else None
    )
    return visit
