"""The page of tables, in a real browser under its policy: the list, the rows, the chart, the form and the snippets."""

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest
from playwright.async_api import expect

from server.bundle import MEDIA_TYPES
from server.tables.browse import PAGE
from tests.server.browsing import chromium, watched
from tests.server.tables.conftest import Library

DAYS = "group=382&since=2026-03-12&until=2026-03-14"
LIT = """() => { const canvas = document.querySelector("#chart canvas");
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    const colours = new Set();
    for (let at = 0; at < data.length; at += 4)
        if (data[at + 3] === 255) colours.add((data[at] << 16) + (data[at + 1] << 8) + data[at + 2]);
    return [0x4e79a7, 0xf28e2b].every((one) => colours.has(one)); }"""


async def test_the_pages(address: str, tmp_path: Path) -> None:
    """From the list to a table, its chart, another window by the form, and snippets that run as they stand."""
    async with chromium() as browser:
        context = await browser.new_context(viewport={"width": 1280, "height": 1100})
        visit = await watched(context, address)
        page = visit.page
        await page.goto(f"{address}/tables")
        await expect(page.locator("#tables tbody tr")).to_have_count(11)
        await page.get_by_role("link", name="GroupTransactions").click()
        await expect(page.get_by_label("group")).to_have_value("382")  # by the query's own example
        await page.get_by_label("period").select_option("")
        await page.get_by_label("since").fill("2026-03-12")
        await page.get_by_label("until").fill("2026-03-14")
        await page.get_by_role("button", name="Show").click()
        await expect(page.locator("#rows tbody tr")).to_have_count(25)
        assert page.url == f"{address}/tables/GroupTransactions?{DAYS}"  # which shows the same to somebody else
        told = httpx.get(f"{address}/tables/GroupTransactions.csv?{DAYS}", trust_env=False).text.splitlines()
        await expect(page.locator("h2", has_text="First 25 of")).to_have_text(f"First 25 of {len(told) - 1:,} rows")
        first = await page.locator("#rows tbody tr").first.locator("td").all_inner_texts()
        assert ["" if text == "null" else text for text in first] == told[1].split(",")
        await page.wait_for_function(LIT)  # wagers and prizes, in their colours
        await page.get_by_label("across").select_option("type")
        await page.wait_for_function(LIT.replace(", 0xf28e2b", ""))
        await expect(page.locator("#columns tbody tr")).to_have_count(9)
        await expect(page.locator("#columns")).to_contain_text("decimal128(38, 10)")

        texts = {}
        for tab in await page.get_by_role("tab").all():
            await tab.click()
            texts[await tab.inner_text()] = await page.locator("#snippets code").inner_text()
        assert visit.complaints == []
        assert visit.strays == []
    assert list(texts) == [
        "curl", "pandas", "polars", "DuckDB", "pyarrow", "R", "Power BI / Excel", "Power BI / Excel (CSV)", "Tableau",
        "Google Sheets", "Grafana Infinity",
    ]  # fmt: skip
    assert 'Query = [group = "382", since = "2026-03-12", until = "2026-03-14"]' in texts["Power BI / Excel"]
    assert f"{address}/odata/{DAYS}/" in texts["Tableau"]
    rows = len(told) - 1
    program = f"{texts['pandas']}\nassert len(frame) == {rows}\n{texts['polars']}\nassert frame.height == {rows}\n"
    program += f"{texts['pyarrow']}\nassert table.num_rows == {rows}\n"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    subprocess.run(["bash", "-c", texts["curl"]], check=True, cwd=tmp_path, timeout=60, capture_output=True)
    assert (tmp_path / "GroupTransactions.csv").read_text().splitlines() == told
    (service,) = re.findall(r"Server: (.*)", texts["Tableau"])
    assert httpx.get(f"{service}GroupTransactions/$count", trust_env=False).text == str(rows)
    (sheet,) = re.findall(r'IMPORTDATA\("(.*)"\)', texts["Google Sheets"])
    assert len(httpx.get(sheet, trust_env=False).text.splitlines()) == rows + 1
    parquet = re.findall(r"read_parquet\('(.*)'\)", texts["DuckDB"])[0]
    (tmp_path / "rows.parquet").write_bytes(httpx.get(parquet, trust_env=False).content)
    assert pq.read_metadata(tmp_path / "rows.parquet").num_rows == rows


async def test_what_goes_wrong_is_said(open_library: Library) -> None:
    async with chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{open_library.address}/tables/Loans?since=2026-03-02&until=2026-03-05")
        await expect(page.get_by_role("alert")).to_have_text("The library is closed. (on 2026-03-03)")
        await page.goto(f"{open_library.address}/tables/Books?count=0")
        await expect(page.locator("h2").first).to_have_text("No rows")
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
