"""The front page, the list of tables, unknown addresses and logging in, as people use them: in a real browser."""

import asyncio
import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route, expect

from resolvers.caller import Caller
from server.auth.key_file import KeyFile
from server.auth.keys import LOOK_SECONDS
from server.pages.login import ENDED
from tests.served import served
from tests.server.accessibility import violations
from tests.server.browsing import Visit, visiting, visitor
from tests.stand import afternoon, days_in

LIGHT = {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}}
NARROW = {"color_scheme": "dark", "viewport": {"width": 390, "height": 800}}
LARGEST = "E2E Development - Physical"
SOCKET = """() => new Promise((resolve) => {
    const socket = new WebSocket(`ws://${location.host}/graphql`, "graphql-transport-ws");
    socket.onopen = () => socket.send('{"type": "connection_init"}');
    socket.onmessage = ({ data }) => resolve(JSON.parse(data).type);
    socket.onclose = ({ code }) => resolve(code);
})"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server as people start it, with its own sandbox."""
    with served(tmp_path_factory.mktemp("front"), **days_in(afternoon())) as address:
        yield address


async def looked_at(visit: Visit, path: str = "") -> None:
    """Check what holds for every page: nobody is kept from using it, and it is as wide as the window."""
    assert await violations(visit.page) == [], path
    width = await visit.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], (path, width)


async def test_from_the_front_page_to_the_figures(browser: Browser, address: str, tmp_path: Path) -> None:
    """Find out what the largest group won yesterday, as a chart and as a CSV, and what that cost."""
    async with visiting(browser, address, **LIGHT) as visit:
        page = visit.page
        await page.goto(address)
        await expect(page.locator("#badge")).to_have_text("Sandbox data")
        card = page.locator("#NetPerGroup")
        await expect(card.locator(".answer")).to_contain_text(f"Yesterday the largest group, {LARGEST}, won")
        first = card.locator("tbody tr").first
        await expect(first).to_contain_text(LARGEST)
        assert await first.locator("rect").count() == 2
        await expect(card.locator(".cost")).to_contain_text("upstream call")
        await expect(page.locator("#GamesOnSaleNow tbody tr")).to_have_count(8)
        await expect(page.locator("#ProgressiveJackpots tbody tr")).to_have_count(2)
        await expect(page.locator("#health li")).to_have_count(3)
        await expect(page.locator("#health .good")).to_have_count(3)
        await looked_at(visit)
        async with page.expect_download() as started:
            await card.get_by_role("link", name="CSV of yesterday").click()
        await (await started.value).save_as(tmp_path / "net.csv")
        rows = list(csv.DictReader((tmp_path / "net.csv").read_text("utf-8").splitlines()))
        shown = await first.locator("td").nth(1).inner_text()
        assert [row["net"] for row in rows if LARGEST in row.values()] == [shown.replace(",", "")]
        # The query of the picture, with its variables.
        await card.get_by_role("link", name="Query and its cost").click()
        await expect(page.get_by_label("Operation Editor")).to_contain_text("NetPerGroup")


async def test_the_list_of_tables_and_unknown_addresses(browser: Browser, address: str) -> None:
    async with visiting(browser, address, **NARROW) as visit:
        page = visit.page
        await page.goto(address)
        await expect(page.locator("#NetPerGroup tbody tr").first).to_be_visible()
        await looked_at(visit, "/")
        await page.get_by_role("navigation", name="Pages").get_by_role("link", name="Tables").click()
        await expect(page.get_by_role("status")).to_have_text("14 tables")
        await expect(page.locator("#badge")).to_have_text("Sandbox data")
        await page.keyboard.press("/")
        await page.keyboard.type("every group NET")
        await expect(page.locator("#tables tbody tr:visible")).to_have_count(1)
        await page.get_by_role("button", name="Count the rows of NetPerGroup").click()
        await expect(page.locator("#tables tbody tr:visible .count")).to_contain_text("ago")
        await looked_at(visit, "/tables")
        counted = await page.locator("#tables tbody tr:visible .count").inner_text()
        await page.reload()  # the count stays for the session
        await expect(page.locator("#tables tr", has_text="NetPerGroup")).to_contain_text(counted.split()[0])
        await page.keyboard.press("/")
        await page.keyboard.type("progressive")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/tables/ProgressiveJackpots*")
        await expect(page.get_by_role("heading", level=1)).to_have_text("ProgressiveJackpots")

        for path, near in (("/tabels", "/tables"), ("/tables/DailyMovment", "/tables/DailyMovements")):
            await page.goto(address + path)
            await expect(page.locator("#near a")).to_have_attribute("href", near)
            await expect(page.locator("#badge")).to_have_text("Sandbox data")
            await looked_at(visit, path)
        assert {line.partition(" ")[0] for line in visit.complaints} == {"404", "Failed"}
        visit.complaints.clear()

        # The server is gone, as far as the page can see.
        await page.route("**/*.json", lambda route: route.abort())
        await page.route(f"{address}/tables", gone_for_scripts)
        for path in ("/", "/tables"):
            await page.goto(address + path)
            await expect(page.get_by_role("alert").first).to_contain_text("The server cannot be reached.")
        visit.complaints.clear()
    async with visitor(browser, java_script_enabled=False) as context:
        plain = await context.new_page()
        await plain.goto(address)
        await expect(plain.get_by_role("heading", level=1)).to_be_visible()
        await expect(plain.get_by_role("link", name="Tables").first).to_be_visible()


async def gone_for_scripts(route: Route) -> None:
    """Abort what a script asks for, and let the page itself through."""
    if route.request.is_navigation_request():
        await route.fallback()
    else:
        await route.abort()


async def test_logging_in(browser: Browser, tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.sqlite")
    _, key = file.create(Caller("anna", None, frozenset({"explore", "tables"})))
    _, other = file.create(Caller("bert", frozenset({382}), frozenset({"explore", "tables"})))
    with served(tmp_path, AUTH="required", KEYS_FILE=str(file.path)) as address:
        async with visiting(browser, address, **NARROW) as visit:
            page = visit.page
            await page.goto(f"{address}/tables?a=1")
            await page.wait_for_url("**/login?to=/tables%3Fa%3D1")
            await expect(page.locator("#badge")).to_have_text("Sandbox data")
            await looked_at(visit, "/login")
            await log_in(page, f"{key}x")
            await expect(page.get_by_role("alert")).to_have_text("The key is wrong, revoked or expired.")
            await looked_at(visit, "/login, wrong")
            visit.complaints.clear()  # the refused key
            await log_in(page, key)
            await page.wait_for_url("**/tables?a=1")
            await expect(page.locator("#caller")).to_contain_text("Logged in as anna")
            await expect(page.locator("#tables")).to_be_visible()
            await looked_at(visit, "/tables")
            kept = await page.evaluate("JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])")
            assert "ghk_" not in kept
            cookies = [(one["name"], one["httpOnly"], one["sameSite"]) for one in await page.context.cookies()]
            assert cookies == [("gamehub-graph", True, "Strict")]
            assert await page.evaluate(SOCKET) == "connection_ack"
            await page.goto(address)
            await expect(page.locator("#NetPerGroup tbody tr").first).to_contain_text(LARGEST)

            # The key ends during the session.
            file.revoke("anna")
            await asyncio.sleep(LOOK_SECONDS)
            await page.goto(f"{address}/tables")
            await page.wait_for_url("**/login?to=/tables&ended=1")
            await expect(page.get_by_role("alert")).to_have_text(ENDED)
            await log_in(page, other)
            await page.wait_for_url("**/tables")
            await expect(page.locator("#caller")).to_contain_text("bert")
            await page.get_by_role("button", name="Log out").click()
            await page.wait_for_url("**/login")
            assert await page.context.cookies() == []
            await page.goto(address)
            await page.wait_for_url("**/login?to=/")

            # The server is gone.
            await page.route("**/login", lambda route: route.abort())
            await log_in(page, other)
            await expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached.")
            visit.complaints.clear()
        async with visitor(browser, java_script_enabled=False) as context:
            plain = await context.new_page()
            await plain.goto(f"{address}/tables")
            await log_in(plain, "ghk_wrong")
            await expect(plain.get_by_role("alert")).to_have_text("The key is wrong, revoked or expired.")
            await log_in(plain, other)
            await plain.wait_for_url("**/tables")


async def log_in(page: Page, key: str) -> None:
    await page.get_by_label("Key or token").fill(key)
    await page.get_by_role("button", name="Log in").click()
