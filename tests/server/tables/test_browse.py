"""The page of tables, in a real browser under its policy: the list, the rows, the chart, the form and the snippets."""

import io
import json
import re
import subprocess
import sys
from collections import Counter
from csv import DictReader
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import duckdb
import duckdb_extension_httpfs
import httpx
import pyarrow.parquet as pq
import pytest
import pytest_asyncio
from openpyxl import load_workbook
from playwright.async_api import Browser, Page, expect

from server.pages.bundle import MEDIA_TYPES
from server.pages.tables import PAGE
from tests.served import served
from tests.server.accessibility import violations
from tests.server.browsing import visiting, visitor
from tests.server.sql.test_routes import key
from tests.server.tables.conftest import Library, settings
from tests.stand import Sandbox

DAYS = "group=382&since=2026-03-12&until=2026-03-14"
LIT = """() => { const canvas = document.querySelector("#chart canvas");
    if (!canvas) return false;
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const data = copy.getImageData(0, 0, canvas.width, canvas.height).data;
    const colours = new Set();
    for (let at = 0; at < data.length; at += 4)
        if (data[at + 3] === 255) colours.add((data[at] << 16) + (data[at + 1] << 8) + data[at + 2]);
    return [0x4e79a7, 0xf28e2b].every((one) => colours.has(one)); }"""

COPIED = """async () => {
    const [item] = await navigator.clipboard.read();
    return Promise.all(["text/plain", "text/html"].map(async (kind) => (await item.getType(kind)).text()));
}"""


@pytest.fixture(scope="module")
def csv(address: str) -> list[str]:
    """The lines of the table as a file."""
    return httpx.get(f"{address}/tables/GroupTransactions.csv?{DAYS}", trust_env=False).text.splitlines()


def read(url: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers=headers, trust_env=False, timeout=60)


async def shown(page: Page) -> list[list[str]]:
    """Return the cells of the rows that the page shows, as CSV has them."""
    lines = await page.locator("#rows tbody tr").all()
    cells = [await line.locator("td").all_inner_texts() for line in lines]
    return [["" if text == "null" else text for text in line] for line in cells]


async def test_the_pages(browser: Browser, address: str, csv: list[str]) -> None:
    """From the list to a table: another window by the form, the largest rows, some columns, a chart, and a file."""
    rows = [line.split(",") for line in csv[1:]]
    async with visiting(browser, address, permissions=["clipboard-read", "clipboard-write"]) as visit:
        page = visit.page
        status = page.locator(".grid .found")
        await page.goto(f"{address}/tables")
        await expect(page.locator("#tables tbody tr")).to_have_count(14)
        await page.get_by_role("link", name="GroupTransactions").click()
        group = page.locator("[name=group]")
        await expect(group).to_have_value("382")  # by the query's own example
        await group.focus()
        await expect(page.locator("#offers-group option[value='383']")).to_have_text("Local Aurora 1, Local")
        await page.locator("[name=period]").select_option("")
        await page.locator("[name=since]").fill("2026-03-12T00:00")
        await page.locator("[name=until]").fill("2026-03-14T00:00")
        await page.get_by_role("button", name="Show", exact=True).click()
        await expect(status).to_have_text(f"Rows 1 to 100 of {len(rows):,}")
        assert page.url == f"{address}/tables/GroupTransactions?{DAYS}"  # which shows the same to somebody else
        assert (await shown(page))[0] == rows[0]
        await page.wait_for_function(LIT)  # wagers and prizes, in their colours
        await expect(page.locator("#columns tbody tr")).to_have_count(10)
        await expect(page.locator("#columns")).to_contain_text("decimal128(38, 10)")

        # The largest amounts of the whole window, and those of one kind.
        await page.get_by_role("button", name="amount", exact=True).click()
        await expect(page.locator("#rows th[aria-sort=descending]")).to_have_text("amount")
        largest = sorted(rows, key=lambda row: -Decimal(row[5]))
        assert [row[5] for row in await shown(page)] == [row[5] for row in largest[:100]]
        await page.get_by_label("Column of the filter").select_option("type")
        await page.get_by_label("Value").fill("Bingo - Prize")
        await page.get_by_role("button", name="Filter", exact=True).click()
        prizes = [row for row in largest if row[4] == "Bingo - Prize"]
        await expect(status).to_have_text(f"Rows 1 to 100 of {len(prizes):,}. Filtered; the chart has all rows.")
        await page.locator(".choice summary").click()
        for column in ("group_id", "group_currency", "id", "ticketId", "user_id", "game_id"):
            await page.locator(".choice").get_by_label(column, exact=True).uncheck()
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Next").click()
        await expect(status).to_contain_text(f"Rows 101 to {min(200, len(prizes))} of")
        expected = [[row[3], row[4], row[5], row[8]] for row in prizes]
        assert await shown(page) == expected[100:200]
        fragment = "where=type+eq+Bingo+-+Prize&sort=-amount&show=timestamp%2Ctype%2Camount%2Cuser_username&page=2"
        assert page.url == f"{address}/tables/GroupTransactions?{DAYS}#{fragment}"
        await page.reload()
        await expect(status).to_contain_text("Rows 101 to")
        assert await shown(page) == expected[100:200]
        async with page.expect_download() as downloading:
            await page.get_by_role("button", name="Save as CSV").click()
        lines = (await (await downloading.value).path()).read_bytes().decode().split("\r\n")
        assert lines == ["timestamp,type,amount,user_username", *map(",".join, expected), ""]
        await page.locator(".grid").get_by_role("button", name="Copy", exact=True).click()
        await page.get_by_role("button", name=f"Copied {len(prizes):,} rows").wait_for()
        copied = await page.evaluate(COPIED)
        assert [line.split("\t") for line in copied[0].splitlines()][1:] == expected
        assert copied[1].count("<tr>") == len(prizes) + 1
        await page.get_by_title("Remove this filter").click()
        await expect(status).to_have_text(f"Rows 1 to 100 of {len(rows):,}")

        # The users who won and lost most. The figures are sums with every digit.
        await page.locator("#chart [name=across]").select_option("user_username")
        await page.locator("#chart [name=top]").select_option("5")
        await page.locator("#chart [name=by]").select_option("")
        await page.locator("#chart [name=kind]").select_option("bars")
        await page.locator(".figures summary").click()
        await expect(page.locator(".figures tbody tr")).to_have_count(6)
        sums: Counter[str] = Counter()
        for row in rows:
            sums[row[8]] += Decimal(row[5])  # type: ignore[assignment]
        figures = [await line.locator("th, td").all_inner_texts() for line in await page.locator(".figures tr").all()]
        top = sums.most_common(5)
        assert figures[1:6] == [[name, f"{total:,}"] for name, total in top]
        rest = sum(map(Decimal, sums.values())) - sum(Decimal(total) for _, total in top)
        assert figures[6] == [f"{len(sums) - 5} others", f"{rest:,}"]
        label = await page.locator("#chart canvas").get_attribute("aria-label")
        assert label is not None
        assert label.startswith("bars: sum of amount across user_username, 6 places, from ")
        assert page.url.endswith("&across=user_username&top=5&by=&kind=bars")

        # A part of a day, by the clock of the business zone, which the address has with its offset.
        await page.locator("[name=since]").fill("2026-03-12T06:30")
        await page.get_by_role("button", name="Show", exact=True).click()
        late = [row for row in rows if row[3] >= "2026-03-12T06:30"]
        await expect(status).to_have_text(f"Rows 1 to 100 of {len(late):,}")
        assert "since=2026-03-12T06%3A30%3A00%2B00%3A00&until=2026-03-14#" in page.url
        link = await page.get_by_role("link", name="Open in the explorer").get_attribute("href")
        given = parse_qs(urlsplit(link or "").query)
        assert given["saved"] == ["GroupTransactions"]
        assert json.loads(given["variables"][0]) == {
            "group": "382",
            "during": {"between": {"from": "2026-03-12T06:30:00+00:00", "until": "2026-03-14T00:00:00+00:00"}},
        }
        await expect(page.locator("[aria-busy=true]")).to_have_count(0)
        for width, scheme in ((1280, "light"), (390, "dark")):
            await page.set_viewport_size({"width": width, "height": 900})
            await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert await violations(page) == []
            assert await page.evaluate("document.documentElement.scrollWidth") == width


async def test_an_answer_of_the_explorer(browser: Browser, address: str) -> None:
    """As a table it has the columns, the rows and the files of the server's own table; as a chart, its sums."""
    ledger = f"{address}/tables/GroupLedger.{{}}?group=382&since=2026-03-12&until=2026-03-13"
    whole = pq.read_table(io.BytesIO(read(ledger.format("parquet")).content))
    during = {"dates": {"from": "2026-03-12", "to": "2026-03-12"}}
    variables = quote(json.dumps({"group": "382", "during": during}))
    async with visiting(browser, address, permissions=["clipboard-read", "clipboard-write"]) as visit:
        page = visit.page
        await page.goto(f"{address}/?saved=GroupLedger&variables={variables}")
        await page.get_by_role("button", name="Execute query").click()
        await page.get_by_role("tab", name="Table", exact=True).click()
        found = page.locator(".grid .found")
        await expect(found).to_have_text(f"Rows 1 to 100 of {whole.num_rows:,}")
        assert await page.locator("#rows th").all_inner_texts() == whole.column_names
        files = {}
        for form in ("csv", "xlsx", "parquet"):
            async with page.expect_download() as downloading:
                await page.locator(".files").get_by_role("button", name=form).click()
            files[form] = (await (await downloading.value).path()).read_bytes()
        assert pq.read_table(io.BytesIO(files["parquet"])).to_pylist() == whole.to_pylist()
        # The graph writes times with the offset of the business zone, and tables write them in UTC.
        assert files["csv"].decode().replace("+00:00", "Z") == read(ledger.format("csv")).text
        sheets = [load_workbook(io.BytesIO(one)).active for one in (files["xlsx"], read(ledger.format("xlsx")).content)]
        assert list(sheets[0].values) == list(sheets[1].values)
        await page.get_by_role("button", name="amount", exact=True).click()
        amounts = sorted((row["amount"] for row in whole.to_pylist()), reverse=True)[:100]
        assert [Decimal(row[-3]) for row in await shown(page)] == amounts
        assert [one for one in await violations(page) if ".grid" in one or ".answer" in one] == []

        await page.get_by_role("tab", name="Chart", exact=True).click()
        await page.locator("#chart [name=across]").select_option("type")
        await page.locator(".figures summary").click()
        sums: Counter[str] = Counter()
        for row in whole.to_pylist():
            sums[row["type"]] += row["amount"]
        lines = await page.locator(".figures tbody tr").all()
        figures = [await line.locator("th, td").all_inner_texts() for line in lines]
        assert {name: Decimal(total.replace(",", "")) for name, total in figures} == sums


async def test_the_chart_has_the_sums_of_all_rows(browser: Browser, address: str) -> None:
    """The page reads 100 rows; the server adds up all of them."""
    query = "group=382&since=2026-03-09&until=2026-03-15"
    rows = list(DictReader(read(f"{address}/tables/GroupTransactions.csv?{query}").iter_lines()))
    assert len(rows) > 5001
    expected: Counter[tuple[str, str]] = Counter()
    for row in rows:
        expected[row["timestamp"][:10], row["type"]] += Decimal(row["amount"])  # type: ignore[assignment]
    async with visitor(browser, viewport={"width": 1280, "height": 1100}) as context:
        page = await context.new_page()
        answers: list[str] = []
        page.on("response", lambda answer: answers.append(answer.url) if ".json?" in answer.url else None)
        await page.goto(f"{address}/tables/GroupTransactions?{query}")
        links = page.locator("#chart .downloads a")
        await expect(links).to_have_count(6)
        await page.wait_for_function(LIT)
        await expect(page.locator("[name=per]")).to_have_value("day")  # since there are more than three
        assert await links.all_inner_texts() == ["csv", "ndjson", "json", "parquet", "arrow", "xlsx"]
        href = await links.nth(2).get_attribute("href")
        # The first request finds the columns with few values.
        texts = "group_id,group_currency,id,type,ticketId,user_id,user_username,game_id".replace(",", "%2C")
        stem = f"{address}/tables/GroupTransactions.json?{query}"
        assert answers == [f"{stem}&.countdistinct={texts}&.count=1", f"{address}{href}"]
        assert href is not None
        found = read(f"{address}{href}").json()
        assert {(row["timestamp_day"], row["type"]): Decimal(row["amount_sum"]) for row in found} == expected
        assert sum(row["count"] for row in found) == len(rows)
        # Another choice is another request.
        await page.locator("[name=per]").select_option("week")
        await page.locator("[name=number]").select_option("")
        await expect(links.nth(2)).to_have_attribute(
            "href", f"/tables/GroupTransactions.json?{query}&.by=timestamp.week&.by=type&.count=1"
        )
        await page.locator("#chart [name=across]").select_option("type")
        await expect(links.nth(2)).to_have_attribute("href", re.compile(r"until=2026-03-15&\.by=type&\.count=1$"))
        await expect(page.locator("[name=per]")).to_be_hidden()


async def test_a_short_window_is_shown_by_the_hour(browser: Browser, address: str) -> None:
    async with visitor(browser) as context:
        page = await context.new_page()
        await page.goto(f"{address}/tables/GroupTransactions?{DAYS}")
        await expect(page.locator("[name=per]")).to_have_value("hour")
        await expect(page.locator("#chart .downloads a")).to_have_count(6)
        await expect(page.locator("#chart .note")).to_have_text(
            "Of all rows of the window, added up by the server. Days and hours are those of UTC."
        )
        await page.goto(f"{address}/tables/DailyMovements?{DAYS}")
        await expect(page.locator("#chart .downloads a")).to_have_count(6)
        await expect(page.locator("[name=per]")).to_have_value("day")  # dates have no hours
        await expect(page.locator("#chart .failed")).to_be_hidden()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def snippets(browser: Browser, address: str) -> dict[str, str]:
    """Return the snippets of the page, by tool."""
    async with visitor(browser) as context:
        page = await context.new_page()
        await page.goto(f"{address}/tables/GroupTransactions?{DAYS}")
        texts = {}
        await page.locator("#snippets").wait_for()
        for tool in await page.get_by_role("tab").all_inner_texts():
            await page.get_by_role("tab", name=tool, exact=True).click()
            texts[tool] = await page.locator("#snippets code").inner_text()
        return texts


def test_snippets_run_as_they_stand(address: str, csv: list[str], snippets: dict[str, str], tmp_path: Path) -> None:
    rows = len(csv) - 1
    assert list(snippets) == [
        "curl", "pandas", "polars", "DuckDB", "pyarrow", "R", "Power BI / Excel", "Power BI / Excel (CSV)", "Tableau",
        "Google Sheets", "Grafana Infinity",
    ]  # fmt: skip
    program = "\n".join(
        [
            f"{snippets['pandas']}\nassert len(frame) == {rows}",
            f"{snippets['polars']}\nassert frame.height == {rows}",
            f"{snippets['pyarrow']}\nassert table.num_rows == {rows}",
        ]
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    subprocess.run(["bash", "-c", snippets["curl"]], check=True, cwd=tmp_path, timeout=60, capture_output=True)
    assert (tmp_path / "GroupTransactions.csv").read_text().splitlines() == csv
    folder = Path(duckdb_extension_httpfs.__file__).parent / "extensions"
    (extension,) = folder.rglob("httpfs.duckdb_extension")
    with duckdb.connect() as connection:  # whose extension is a package here, and not downloaded
        query = snippets["DuckDB"].replace("INSTALL httpfs; LOAD httpfs;", f"LOAD '{extension}';")
        assert len(connection.sql(query).fetchall()) == rows
    (service,) = re.findall(r"Server: (.*)", snippets["Tableau"])
    assert httpx.get(f"{service}GroupTransactions/$count", trust_env=False).text == str(rows)
    (sheet,) = re.findall(r'IMPORTDATA\("(.*)"\)', snippets["Google Sheets"])
    assert httpx.get(sheet, trust_env=False).text.splitlines() == csv


def test_power_query_snippets_ask_for_the_same(address: str, csv: list[str], snippets: dict[str, str]) -> None:
    """M itself does not run here: its request is built from it as Power Query does."""
    fields = 'Query = [group = "382", since = "2026-03-12", until = "2026-03-14"]'
    assert f'OData.Feed(\n        "{address}/odata", null,' in snippets["Power BI / Excel"]
    assert fields in snippets["Power BI / Excel"]
    assert '[Name = "GroupTransactions", Signature = "table"]' in snippets["Power BI / Excel"]
    assert fields in snippets["Power BI / Excel (CSV)"]
    (path,) = re.findall('RelativePath = "(.*?)"', snippets["Power BI / Excel (CSV)"])
    found = httpx.get(f"{address}/{path}", params=dict(re.findall(r'(\w+) = "([\d-]+)"', fields)), trust_env=False)
    assert found.text.splitlines() == csv


async def test_the_page_says_when_its_rows_were_read(browser: Browser, sandbox: Sandbox, tmp_path: Path) -> None:
    """And the button has them read again, for everyone."""
    path = "/tables/DailyMovements?group=382&since=2026-03-12&until=2026-03-14"

    def days() -> int:
        """Return how often each day of the table was read."""
        return sum(call["report"] == "users_report" for call in sandbox.calls())

    with served(tmp_path, **settings(sandbox), CACHE_OPEN_SECONDS="3000") as address:
        sandbox.reset()
        async with visitor(browser) as context:
            page = await context.new_page()  # one that is watched has no cache, and so demands fresh rows each time
            await page.goto(f"{address}{path}")
            await expect(page.locator(".fresh time")).to_have_text(re.compile(r"^read \d+ seconds? ago$"))
            first = await page.locator(".fresh time").get_attribute("datetime")
            await expect(page.locator(".fresh time")).not_to_have_text(re.compile("^read [012] seconds? ago$"))
            assert days() == 2
            cost = await page.locator(".cost").inner_text()
            probes = {"progressive_jackpot_summary", "get_game_log"}  # of the header, which says how the upstreams are
            made = sum(call["report"] not in probes for call in sandbox.calls())
            assert cost.startswith(f"It took {made} upstream calls in ")
            assert cost.endswith(": 4 rows.")
            await page.reload()
            await expect(page.locator(".fresh time")).to_have_text(re.compile(r"^read \d+ (seconds|minutes?) ago$"))
            assert days() == 2
            await page.get_by_role("button", name="Refresh").click()
            await expect(page.locator(".fresh time")).to_have_text(re.compile("^read [012] seconds? ago$"))
            assert days() == 4
            assert (await page.locator(".fresh time").get_attribute("datetime") or "") > (first or "")


async def test_a_signed_link(browser: Browser, world: Sandbox, tmp_path: Path) -> None:
    """A caller with a key makes one, and whoever has it needs no key."""
    keys = {"KEYS_FILE": str(tmp_path / "keys.sqlite")}
    secret = key(keys, "reader", "--groups", "382", "--permissions", "tables")
    closed = {**settings(world), **keys, "AUTH": "required", "SIGNING_SECRET": "x" * 40}
    with served(tmp_path, **closed) as address:
        async with visiting(browser, address) as visit:
            page = visit.page
            await page.goto(f"{address}/tables/DailyMovements?group=382&since=2026-03-12&until=2026-03-14")
            assert [complaint.partition(" ")[0] for complaint in visit.complaints] == ["303"]  # to the login page
            visit.complaints.clear()
            await page.get_by_label("Key or token").fill(secret)
            await page.keyboard.press("Enter")
            await page.get_by_text("Create a link").click()
            await page.locator(".link [name=lifetime]").select_option("24h")
            await page.get_by_role("button", name="Create", exact=True).click()
            link = await page.locator(".link [readonly]").input_value()
            await expect(page.locator(".link [role=status] .note")).to_contain_text(
                "(UTC), whoever has this link reads DailyMovements as csv with these parameters"
            )
            assert await violations(page) == []
        stem = f"{address}/tables/DailyMovements.csv?group=382&since=2026-03-12&until=2026-03-14"
        assert link.startswith(f"{stem}&_expires=")
        assert read(stem).status_code == 401
        assert read(link).text == read(stem, authorization=f"Bearer {secret}").text


async def test_what_goes_wrong_is_said(browser: Browser, open_library: Library) -> None:
    async with visitor(browser) as context:
        page = await context.new_page()
        await page.goto(f"{open_library.address}/tables/Loans?since=2026-03-02&until=2026-03-05")
        await expect(page.get_by_role("alert")).to_have_text("The library is closed. (on 2026-03-03)")
        await page.goto(f"{open_library.address}/tables/Books?count=0")
        await expect(page.locator(".grid .found")).to_have_text("0 rows")
        await expect(page.locator("#chart")).to_have_count(0)


def test_the_page_is_for_browsers(open_library: Library) -> None:
    """Programs get JSON; the page holds nothing inline, and its files come from here."""
    for path in ("/tables", "/tables/Books"):
        assert open_library.client.get(path).headers["content-type"].startswith("application/json")
        answer = open_library.client.get(path, headers={"accept": "text/html,*/*;q=0.8"})
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "script-src 'self'; style-src 'self';" in answer.headers["content-security-policy"]
        assert re.findall(r"<script(?![^>]* src=)[^>]*>|<style| style=| on\w+=", answer.text) == []
        again = open_library.client.get(path, headers={"accept": "text/html", "if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", sorted(path.name for path in PAGE.iterdir() if path.suffix in MEDIA_TYPES))
def test_a_file_of_the_page(open_library: Library, name: str) -> None:
    answer = open_library.client.get(f"/tables/page/{name}")
    assert answer.headers["content-type"].partition(";")[0] == MEDIA_TYPES[Path(name).suffix][0]
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.content == (PAGE / name).read_bytes()
    assert open_library.client.get("/tables/page/licenses.md").status_code == 404
