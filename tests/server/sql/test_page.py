"""The page of SQL, in a real browser under its policy: write, explain, run, chart, download, share, cancel."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from server.pages.bundle import MEDIA_TYPES
from server.pages.sql import PAGE
from tests.served import served
from tests.server.browsing import Visit, visiting, visitor
from tests.server.sql.test_explain import post, top
from tests.server.sql.test_routes import key
from tests.server.tables.conftest import settings
from tests.server.tables.test_browse import LIT
from tests.stand import Sandbox

NET = (
    "SELECT date, total_wagers, net FROM daily_movements "
    "WHERE group_id = '382' AND date BETWEEN '{}' AND '{}' ORDER BY 1"
)
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, trust_env=False, timeout=120) as client:
        yield client


@asynccontextmanager
async def opened(browser: Browser, address: str, path: str = "/sql", **options: object) -> AsyncIterator[Visit]:
    """The page of a new visitor, after its tables have arrived."""
    async with visiting(browser, address, **options) as visit:
        await arrive(visit.page, f"{address}{path}")
        yield visit


async def arrive(page: Page, url: str) -> None:
    await page.goto(url)
    await expect(page.locator("aside")).not_to_have_attribute("aria-busy", "true")


async def write(page: Page, text: str) -> None:
    """Replace the statement, as a person pastes one."""
    await page.get_by_label("Statement").focus()
    await page.keyboard.press("Control+a")
    await page.keyboard.insert_text(text)


async def accept(page: Page, key: str, completion: str) -> None:
    """Take the completion that is offered first. The editor ignores keys that come within 75 ms of the offer."""
    await expect(page.locator(".cm-tooltip-autocomplete [aria-selected]")).to_have_text(completion)
    await asyncio.sleep(0.3)
    await page.keyboard.press(key)


async def run(page: Page) -> None:
    await page.get_by_role("button", name="Run").click()
    await expect(page.locator(".status")).to_have_text(re.compile(r"^[\d,]+ rows?, .* [\d.]+ s$"))


def content(path: Path) -> bytes:
    return path.read_bytes()


def get(url: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers={**BROWSER, **headers}, trust_env=False)


async def cells(page: Page) -> list[list[str]]:
    lines = await page.locator("#rows tbody tr").all()
    return [await line.locator("td").all_inner_texts() for line in lines]


async def test_a_statement_is_written_by_keyboard_and_its_figures_are_exact(
    browser: Browser, address: str, client: httpx.Client
) -> None:
    """With completion, and without a pointer: from the first letter to the sorted rows."""
    async with opened(browser, address) as visit:
        page = visit.page
        await page.get_by_label("Statement").focus()
        await page.keyboard.press("Control+a")
        await page.keyboard.type("SELECT usern")
        await accept(page, "Enter", "usernameVARCHAR")
        await page.keyboard.type(", sum(amount) AS net FROM transa")
        await expect(page.locator(".cm-completionInfo")).to_contain_text("The movements of users")
        await accept(page, "Tab", "transactionstable")
        await page.keyboard.type(" AS t WHERE t.group")
        await accept(page, "Enter", "group_idVARCHAR")
        await page.keyboard.insert_text(" = '382' AND date(timestamp) = '2026-03-13' GROUP BY 1 ORDER BY 2 DESC, 1")
        await page.keyboard.press("Control+Enter")
        text = (
            "SELECT username, sum(amount) AS net FROM transactions AS t WHERE t.group_id = '382' AND date(timestamp) = "
        )
        text += "'2026-03-13' GROUP BY 1 ORDER BY 2 DESC, 1"
        expected = post(client, text).json()["rows"]
        await expect(page.locator("#rows tbody tr")).to_have_count(len(expected))
        assert await cells(page) == expected
        assert await page.locator(".status").inner_text() != ""
        # Tab leaves the editor, and reaches every button.
        reached = []
        for _ in range(5):
            await page.keyboard.press("Tab")
            reached.append(await page.evaluate("document.activeElement.textContent.trim().split(' ')[0]"))
        assert reached[:3] == ["Run", "Explain", "Copy"]
        await page.get_by_role("button", name="net DECIMAL").focus()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Enter")
        rising = sorted(expected, key=lambda row: float(row[1]))
        await expect(page.locator("#rows th").nth(1)).to_have_attribute("aria-sort", "ascending")
        assert [row[1] for row in await cells(page)] == [row[1] for row in rising]


async def test_every_digit_is_shown(browser: Browser, address: str) -> None:
    async with opened(browser, address) as visit:
        await write(
            visit.page,
            "SELECT 9007199254740993 AS big, 12345678901234567890.0000000001 AS exact, NULL AS none, 'a \"1\" 2' AS t, "
            "[1.25, 2] AS many, true AS yes",
        )
        await run(visit.page)
        assert await cells(visit.page) == [
            ["9007199254740993", "12345678901234567890.0000000001", "null", 'a "1" 2', "[1.25, 2.00]", "true"]
        ]


async def test_chart_and_downloads(browser: Browser, address: str, client: httpx.Client) -> None:
    text = NET.format("2026-03-01", "2026-03-07")
    async with opened(browser, address) as visit:
        page = visit.page
        await write(page, text)
        await run(page)
        await page.wait_for_function(LIT)
        await page.locator("[name=number]").select_option("net")
        await page.wait_for_function(LIT.replace(", 0xf28e2b", ""))
        for form in ("csv", "parquet"):
            async with page.expect_download() as downloading:
                await page.get_by_role("button", name=form, exact=True).click()
            download = await downloading.value
            assert download.suggested_filename == f"result.{form}"
            assert content(await download.path()) == post(client, text, format=form).content


async def test_many_rows(browser: Browser, address: str) -> None:
    """They are shown page by page, and all are counted."""
    text = (
        "SELECT id, amount FROM transactions WHERE group_id = '382' AND timestamp BETWEEN '2026-03-09' AND '2026-03-15'"
    )
    async with opened(browser, address) as visit:
        page = visit.page
        await write(page, text)
        await run(page)
        count = post_count(address, text)
        assert count > 10_000
        await expect(page.locator("#rows tbody tr")).to_have_count(100)
        first = f"These are the first of {count:,} rows; downloads have all, and ORDER BY sorts all."
        await expect(page.locator(".grid .found")).to_have_text(f"Rows 1 to 100 of 10,000. {first}")
        await page.get_by_role("button", name="Last", exact=True).click()
        await expect(page.locator(".grid .found")).to_contain_text("Rows 9,901 to 10,000 of 10,000.")
        await expect(page.locator(".status")).to_contain_text(f"{count:,} rows")


def post_count(address: str, text: str) -> int:
    with httpx.Client(base_url=address, trust_env=False, timeout=120) as client:
        return len(post(client, text).json()["rows"])


async def test_a_link_opens_the_same_statement(browser: Browser, address: str, client: httpx.Client) -> None:
    """It explains, and it runs nothing until somebody runs it."""
    text = NET.format("2026-03-10", "2026-03-11")
    async with opened(browser, address, permissions=["clipboard-read", "clipboard-write"]) as visit:
        await write(visit.page, text)
        await visit.page.get_by_role("button", name="Copy link").click()
        await expect(visit.page.locator(".status")).to_contain_text("The link is copied.")
        link = await visit.page.evaluate("navigator.clipboard.readText()")
        # Over plain HTTP a browser has no clipboard for pages.
        await visit.page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
        await visit.page.get_by_role("button", name="Copy link").click()
        await expect(visit.page.locator(".status")).to_contain_text("The link is copied.")
    assert link.startswith(f"{address}/sql?q=SELECT%20")
    async with opened(browser, address, link.removeprefix(address)) as visit:
        await expect(visit.page.locator("#explanation")).to_contain_text("2026-03-10 to 2026-03-11")
        await expect(visit.page.locator("#rows")).to_have_count(0)
        await run(visit.page)
        assert await cells(visit.page) == post(client, text).json()["rows"]


async def test_a_refusal_is_shown_as_it_is_written(browser: Browser, address: str, client: httpx.Client) -> None:
    async with opened(browser, address) as visit:
        page, alert = visit.page, visit.page.get_by_role("alert")
        for text in ("SELECT * FROM transactions", "SELECT 1 AS one\nFRM 2 groups", "SELECT nothing FROM groups"):
            await write(page, text)
            await page.keyboard.press("Control+Enter")
            error = post(client, text).json()["errors"][0]
            await expect(alert).to_have_text(f"{error['message']}{error['extensions']['code']}, 400")
        await write(page, "SELECT 1 AS one\nFRM 2 groups")
        await page.get_by_role("button", name="Explain").click()
        await expect(alert.first).to_contain_text("line 2")
        await expect(page.locator(".cm-line.wrong")).to_have_text("FRM 2 groups")
        assert all("400" in complaint for complaint in visit.complaints)
        visit.complaints.clear()


async def test_explain_shows_the_calls_that_are_made(browser: Browser, sandbox: Sandbox, tmp_path: Path) -> None:
    """The cache of the server keeps a row between the explanation and the run."""
    text = top("2026-02-24", "2026-02-26")
    with served(tmp_path, **settings(sandbox), CACHE_OPEN_SECONDS="3000") as address:
        await explain_and_run(browser, address, text, sandbox)


async def explain_and_run(browser: Browser, address: str, text: str, sandbox: Sandbox) -> None:
    async with visitor(browser) as context:
        page = await context.new_page()
        await arrive(page, f"{address}/sql")
        await write(page, text)
        sandbox.reset()
        await page.get_by_role("button", name="Explain").click()
        plan = page.locator("#explanation")
        await expect(plan.locator("h3")).to_have_text("transactions")
        assert sandbox.calls() == []
        for fact in ("group_id 382", "2026-02-24 to 2026-02-25", "username", "group_id='382'"):
            await expect(plan.locator("dl")).to_contain_text(fact)
        shown = [await line.locator("td").all_inner_texts() for line in await plan.locator("tbody tr").all()]
        await run(page)
        made = [call["report"] for call in sandbox.calls()]
        assert {line[0].split()[1]: int(line[2]) for line in shown if line[2] != "0"} == {
            report: made.count(report) for report in made
        }
        await page.get_by_role("button", name="Explain").click()
        await expect(plan.locator(".summary")).to_have_text("No upstream call: all 2 files are here already.")


async def test_cancel_ends_the_statement(browser: Browser, address: str, client: httpx.Client) -> None:
    """Also on the server: as many statements as may run at a time end at once."""
    endless = (
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 2000000000) SELECT count(*) FROM r"
    )
    async with opened(browser, address) as visit:
        page = visit.page
        cancel = page.get_by_role("button", name="Cancel")
        await expect(cancel).to_be_hidden()
        await write(page, endless)
        for _ in range(3):
            await page.get_by_role("button", name="Run").click()
            await expect(page.locator("#result")).to_have_attribute("aria-busy", "true")
            await asyncio.sleep(0.5)
            await cancel.click()
            await expect(page.locator(".status")).to_have_text("Cancelled.")
        await expect(cancel).to_be_hidden()
        await write(page, "SELECT 42 AS answer")
        await run(page)
        assert await cells(page) == [["42"]]


async def test_the_list_of_tables_inserts_names(browser: Browser, address: str) -> None:
    async with opened(browser, address) as visit:
        page, aside = visit.page, visit.page.locator("aside")
        await expect(aside.locator(".table")).to_have_count(22)
        await write(page, "SELECT ")
        await aside.get_by_role("searchbox").fill("saved.Games")
        games = aside.locator(".table").filter(has=page.get_by_title("Insert saved.Games", exact=True))
        await games.get_by_title("Insert startsAt").click()
        await page.keyboard.type(" FROM ")
        await page.keyboard.press("Escape")
        await aside.get_by_title("Insert saved.Games", exact=True).click()
        await expect(page.locator(".cm-line")).to_have_text('SELECT "startsAt" FROM saved.Games')
        await aside.get_by_role("searchbox").fill("no such name")
        await expect(aside).to_contain_text("No table and no column has this name.")


async def test_the_examples_run(browser: Browser, tmp_path: Path) -> None:
    """On the sandbox of a server as people start it."""
    with served(tmp_path) as address:
        async with opened(browser, address) as visit:
            page = visit.page
            titles = await page.locator("[name=example] option").all_inner_texts()
            assert len(titles) == 4
            for title in titles[1:]:
                await page.locator("[name=example]").select_option(title)
                await run(page)
                assert await cells(page), title
                await page.locator(".status").evaluate("(one) => (one.textContent = '')")


def test_the_page_is_for_browsers(client: httpx.Client) -> None:
    """Programs get what they ask for; the page holds nothing inline, and its files come from here."""
    query = {"q": "SELECT 1 AS n"}
    for parameters in ({}, query):
        answer = client.get("/sql", params=parameters, headers=BROWSER)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "script-src 'self'; style-src 'self';" in answer.headers["content-security-policy"]
        assert answer.headers["vary"] == "Accept"
        assert re.findall(r"<script(?![^>]* src=)[^>]*>|<style| style=| on\w+=", answer.text) == []
        again = client.get("/sql", params=parameters, headers={**BROWSER, "if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    for accept in ("*/*", "application/json", "text/csv, text/html;q=0.5", "text/html;q=0.1, */*"):
        kind = client.get("/sql", params=query, headers={"accept": accept}).headers["content-type"]
        assert not kind.startswith("text/html"), accept
    assert client.get("/sql", params={**query, "format": "csv"}, headers=BROWSER).text == "n\r\n1\r\n"
    assert client.get("/sql", headers={"accept": "text/csv, text/html;q=0.5"}).status_code == 400
    assert post(client, query["q"]).json()["rows"] == [[1]]


def test_a_link_from_another_site_runs_nothing(client: httpx.Client) -> None:
    followed = {**BROWSER, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    for parameters in ({}, {"q": "SELECT 1"}):
        assert client.get("/sql", params=parameters, headers=followed).headers["content-type"].startswith("text/html")
    for name in ("format=csv", "%66ormat=csv", "explain=1"):
        refused = client.get(f"/sql?q=SELECT+1&{name}", headers=followed)
        assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (403, "CROSS_SITE")
    framed = client.get("/sql", headers={**followed, "sec-fetch-dest": "iframe"})
    assert framed.status_code == 403


@pytest.mark.parametrize("name", sorted(path.name for path in PAGE.iterdir() if path.suffix in MEDIA_TYPES))
def test_a_file_of_the_page(client: httpx.Client, name: str) -> None:
    answer = client.get(f"/sql/page/{name}")
    assert answer.headers["content-type"].partition(";")[0] == MEDIA_TYPES[Path(name).suffix][0]
    assert answer.content == (PAGE / name).read_bytes()


async def test_a_closed_server(browser: Browser, world: Sandbox, tmp_path: Path) -> None:
    """A person comes to the login page. Without introspection, the page says what it does not show."""
    keys = {"KEYS_FILE": str(tmp_path / "keys.sqlite")}
    more = {"AUTH": "required", "INTROSPECTION": "off", "DOCUMENTS": "saved"}
    secret = key(keys, "reader", "--groups", "382", "--permissions", "tables")
    outside = key(keys, "explorer", "--groups", "all", "--permissions", "explore")
    with served(tmp_path, **more, **keys, **settings(world)) as address:
        person = get(f"{address}/sql")
        assert (person.status_code, person.headers["location"].partition("?")[0]) == (303, "/login")
        stranger = get(f"{address}/sql", accept="application/json")
        assert stranger.status_code == 401
        assert [one.split()[0] for one in stranger.headers.get_list("www-authenticate")] == ["Bearer", "Basic"]
        for path in ("/sql", f"/sql/page/{next(PAGE.glob('*.js')).name}"):
            basic = base64.b64encode(f"any:{outside}".encode()).decode()
            refused = get(f"{address}{path}", authorization=f"Basic {basic}")
            assert refused.status_code == 403
        credential = {"authorization": f"Basic {base64.b64encode(f'any:{secret}'.encode()).decode()}"}
        async with opened(browser, address, extra_http_headers=credential) as visit:
            page, aside = visit.page, visit.page.locator("aside")
            await expect(aside).to_contain_text("Introspection is off here, and the description of tables with it.")
            await expect(aside).to_contain_text("So the columns are not listed.")
            await expect(aside.get_by_title("Insert saved.GroupTransactions")).to_be_visible()
            await write(
                page,
                "SELECT count(*) AS n FROM GroupTransactions WHERE group_id = '382' AND date(timestamp) = '2026-03-13'",
            )
            await page.get_by_role("button", name="Explain").click()
            await expect(page.locator("#explanation h3")).to_have_text("saved.GroupTransactions")
            await expect(page.locator("#explanation details")).to_have_count(0)
            assert all("403" in complaint for complaint in visit.complaints)  # the description of tables
            visit.complaints.clear()
            await run(page)
            ((count,),) = await cells(page)
            assert int(count) > 100


async def test_without_the_extra_the_page_says_how_to_install_it(browser: Browser, address: str) -> None:
    async with visitor(browser) as context:
        page = await context.new_page()
        message = "SQL needs duckdb and sqlglot, which are not installed: pip install 'gamehub-graph[sql]'."
        error = {"message": message, "extensions": {"code": "NOT_IMPLEMENTED"}}

        async def missing(route: object) -> None:
            await route.fulfill(status=501, json={"errors": [error]})  # type: ignore[attr-defined]

        await page.route("**/sql?format=json", missing)
        await page.goto(f"{address}/sql")
        await expect(page.locator("aside")).to_contain_text(message)
