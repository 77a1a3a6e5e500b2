"""A real browser for the tests of pages, and a page that notes whatever there is to complain of."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Page, Route, async_playwright

from tests.requirements import require


@dataclass
class Visit:
    """A page, and what must stay empty while it is used."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
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


async def watched(context: BrowserContext, origin: str) -> Visit:
    """A new page that notes every console warning, every failure, and every request to anywhere but the origin."""
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
