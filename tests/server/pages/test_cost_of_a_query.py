"""Show on the explorer what a query costs: before it runs, after it ran, and when something went wrong.

One server with a sandbox of its own serves all tests.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.served import served
from tests.server.accessibility import violations
from tests.server.browsing import visiting
from tests.stand import afternoon, days_in

WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}
MOST_BYTES = 1_000_000
# The bytes of everything that was loaded before the first request to the graph after a moment, compressed as they were
# sent. The answer to this request does not count: its size is that of its rows, and of the times in its extensions.
LOADED = """moment => {
    const loaded = performance.getEntriesByType("resource");
    const asked = loaded.find(({ name, startTime }) => name.endsWith("/graphql") && startTime >= moment);
    return [...performance.getEntriesByType("navigation"), ...loaded]
        .filter(({ startTime }) => startTime < asked.startTime)
        .reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0);
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("served"), **days_in(afternoon())) as address:
        yield address


async def write(page: Page, query: str) -> None:
    """Replace the query in the editor."""
    await page.get_by_label("Operation Editor").get_by_role("textbox").focus()
    await page.keyboard.press("Control+A")
    await page.keyboard.insert_text(query)


async def test_calls_are_foreseen_and_shown_and_lead_to_their_fields(browser: Browser, address: str) -> None:
    async with visiting(browser, address, color_scheme="light", viewport=WIDE) as visit:
        page = visit.page
        editor, answer = page.get_by_label("Operation Editor"), page.get_by_label("Result Window")
        status = page.get_by_label("Last run")
        await page.goto(f"{address}/explorer?saved=GroupWalkInGroup")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Explorer")
        clicked = await page.evaluate("performance.now()")
        await page.get_by_role("button", name="Execute query").click()
        await expect(answer).to_contain_text("jorge.brown")
        assert 500_000 < await page.evaluate(LOADED, clicked) <= MOST_BYTES

        # The facts are said in words, and the JSON is what a program gets.
        await expect(answer).not_to_contain_text("extensions")
        await expect(status).to_contain_text("HTTP 200")
        await expect(status).to_contain_text(re.compile(r"\d+ calls.*[\d,]+ rows.*oldest figure"))
        await expect(status).to_contain_text(re.compile(r"depth 6 of 20.*fields \d+ of 1,000.*nodes [\d,]+ of 200,000"))
        await page.keyboard.press("Control+J")
        calls = page.get_by_role("region", name="Calls")
        movements = calls.get_by_role("row", name=re.compile("^R5 group_id 382"))
        await expect(movements).to_contain_text(re.compile(r"50[\d,]+ kB"))
        served_by = calls.locator("tbody", has_text="User.transactions")
        await expect(served_by).to_contain_text("one call for all keys, rather than 50 calls of R7, one call per key")

        # A call shows its fields, and a field its calls.
        await movements.get_by_role("button", name="R5").click()
        await expect(editor.locator(".marked-field")).to_have_text("transactions")
        assert await violations(page) == []
        await editor.get_by_text("timestamp").first.click()
        await expect(calls.locator("tbody.in-focus")).to_contain_text("User.transactions")

        # The plan, from within the editor.
        await page.keyboard.press("Control+Shift+Enter")
        plan = page.get_by_role("group", name="Plan of the operation")
        await expect(plan.get_by_role("button")).to_have_count(4)
        await expect(plan.locator(".node.in-focus")).to_have_count(3)  # the field at the cursor, its batch, its calls
        await plan.get_by_role("button", name=re.compile("^R9")).click()
        await expect(editor.locator(".marked-field")).to_have_text("users")
        assert await violations(page) == []

        # The foreseen figures stand beside the real ones.
        await page.get_by_label("Explain before each run").check()
        await page.keyboard.press("Control+Enter")
        await page.get_by_role("tab", name="Calls").click()
        await expect(calls.get_by_role("caption")).to_contain_text("foreseen: ")


async def test_everything_has_keys(browser: Browser, address: str) -> None:
    async with visiting(browser, address, color_scheme="dark", viewport=WIDE) as visit:
        page = visit.page
        await page.goto(f"{address}/explorer")
        await expect(page.get_by_role("button", name="Execute query")).to_be_enabled()
        tabs = page.get_by_role("tablist", name="Operations").get_by_role("tab")
        await expect(tabs).to_have_count(3)
        second = await tabs.nth(1).inner_text()
        await tabs.first.focus()
        await page.keyboard.press("ArrowRight")
        await expect(page.get_by_role("tab", name=second, exact=True)).to_be_focused()
        await expect(page.get_by_label("Operation Editor")).to_contain_text(second)
        await page.keyboard.press("Delete")
        await expect(tabs).to_have_count(2)
        bar = page.get_by_role("separator", name="Width of the query")
        await bar.press("ArrowRight")
        await expect(bar).to_have_attribute("aria-valuenow", "54")
        await page.keyboard.press("Shift+?")
        keys = page.get_by_role("dialog", name="Keys")
        await expect(keys).to_contain_text("Explain it")
        assert await violations(page) == []
        await page.keyboard.press("Escape")
        await page.keyboard.press("Control+,")
        await page.get_by_label("Colours").select_option("Light")
        assert await page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        await page.keyboard.press("Escape")
        await page.get_by_role("link", name="Schema").click()
        await expect(page.get_by_role("region", name="Documentation Explorer")).to_be_visible()


async def test_a_narrow_screen_shows_errors_in_words(browser: Browser, address: str) -> None:
    async with visiting(browser, address, color_scheme="dark", viewport=NARROW) as visit:
        page = visit.page
        await page.goto(f"{address}/explorer")
        run = page.get_by_role("button", name="Execute query")
        problem = page.get_by_role("alert").locator("li")
        await run.click()
        await expect(page.get_by_label("Result Window")).to_contain_text("data")
        assert await page.evaluate("() => document.documentElement.scrollWidth") == NARROW["width"]
        assert await violations(page) == []

        # An error leads to its place, and brings the query back.
        await page.get_by_role("button", name="Query", exact=True).click()
        await write(page, 'query Wrong { group(id: "382") { nope } }')
        await run.click()
        await expect(problem.first).to_contain_text("nope")
        assert await violations(page) == []
        await problem.first.get_by_role("button", name="Line 1").click()
        await expect(page.get_by_label("Operation Editor")).to_be_visible()
        await write(page, '{ user(id: "99") { gameLogs { nodes { id } } } }')

        async def refused(status: int, code: str) -> None:
            content = {"errors": [{"message": "Refused.", "extensions": {"code": code}}]}
            await answered(status=status, json=content)

        async def answered(**answer: Any) -> None:
            async def fulfil(route: Route) -> None:
                await route.fulfill(**answer)

            await page.unroute_all()
            await page.route("**/graphql", fulfil)
            await page.keyboard.press("Control+Enter")

        await refused(401, "UNAUTHENTICATED")
        await expect(problem.get_by_role("link")).to_have_attribute("href", "/login?to=%2Fexplorer")
        await refused(429, "TOO_MANY_REQUESTS")
        await expect(problem).to_contain_text("Wait a little, then run it again.")
        await refused(422, "QUERY_TOO_COMPLEX")
        await expect(problem).to_contain_text("Ask for fewer fields, or in several operations.")
        await answered(status=502, content_type="text/html", body="<h1>Bad gateway</h1>")
        await expect(problem).to_contain_text("The server answered 502 Bad Gateway, which is not JSON: <h1>Bad gateway")

        async def lose(route: Route) -> None:
            await route.abort("connectionrefused")

        await page.unroute_all()
        await page.route("**/graphql", lose)
        await page.keyboard.press("Control+Enter")
        await expect(problem).to_contain_text("The server cannot be reached.")
        await expect(page.get_by_label("Last run")).to_contain_text("No answer")
        visit.complaints.clear()  # of the browser, about each of these answers
