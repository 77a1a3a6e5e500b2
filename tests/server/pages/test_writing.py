"""Examples and choices that a caller sees, reports and prices of fields, forms, the builder, saved queries, sharing.

One server serves all tests, with a key that sees every group and a key that sees one. The prices come first, because
they change with each call.
"""

import asyncio
import datetime
import json
import os
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from schema import graph
from schema.costs import costs
from server.execution.saved import saved_queries, start
from tests.programs import run
from tests.requirements import require
from tests.served import served
from tests.server.accessibility import violations
from tests.server.browsing import visiting
from tests.stand import afternoon, days_in

TABS = ".graphiql-tab-button"
GROUP = "383"  # the group of the limited key
# An operation that reads a field, and the report that the planner reads for it.
READS = {
    "Group.users": ('{ group(id: "382") { users { nodes { id } } } }', "R9"),
    "Group.transactions": ('{ group(id: "382") { transactions { nodes { id } } } }', "R5"),
    "Group.dailyMovements": ('{ group(id: "382") { dailyMovements(during: {frame: TODAY}) { net } } }', "R1"),
    "User.transactions": ('{ user(id: "2001") { transactions { nodes { id } } } }', "R7"),
    "User.gameLogs": ('{ user(id: "2001") { gameLogs { nodes { id } } } }', "G1"),
    "Room.gamesOnSale": ('{ room(id: "1") { gamesOnSale { id } } }', "R6"),
    "Game.netWin": ('{ game(id: "9001") { netWin } }', "R4"),
    "Query.groups": ("{ groups { nodes { id } } }", "R8"),
    "Query.games": ("{ games { nodes { id } } }", "R2"),
    "Query.financialMovements": ("{ financialMovements { nodes { amount } } }", "R11"),
    "Query.progressiveJackpots": ("{ progressiveJackpots { value } }", "R10"),
}


@dataclass(frozen=True)
class Site:
    """A server, the time zone of its days, and its two keys."""

    address: str
    zone: ZoneInfo
    whole: str
    limited: str

    def client(self, key: str) -> httpx.Client:
        return httpx.Client(base_url=self.address, headers={"Authorization": f"Bearer {key}"}, timeout=60)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    keys = {"KEYS_FILE": str(folder / "keys.sqlite")}

    def key(name: str, groups: str) -> str:
        words = ("keys", "create", name, "--groups", groups, "--permissions", "explore,tables")
        return run(*words, folder=folder, environment={**os.environ, **keys}).stdout.strip()

    whole, limited = key("whole", "all"), key("limited", GROUP)
    zone = afternoon()
    with served(folder, **keys, **days_in(zone)) as address:
        yield Site(address, zone, whole, limited)


# Also rows that another test has just read are read again.
EXPLAINED = {"X-Graph-Explain": "1", "Cache-Control": "no-cache"}


def test_a_field_has_the_report_and_the_price_of_the_plan(site: Site) -> None:
    with site.client(site.whole) as client:
        for place, (query, report) in READS.items():
            facts: Any = None
            while (before := client.get("/explorer/fields.json").json()) != facts:  # each call changes the prices
                facts = before
                answer: Any = client.post("/graphql", json={"query": query}, headers=EXPLAINED).json()
            part = answer["extensions"]["explain"]["plan"][-1]
            found = facts["fields"][place]
            assert (part["report"], part["calls"], found["reports"]) == (report, 1, [report])
            assert found["milliseconds"] == pytest.approx(part["seconds"] * 1000, rel=0.1, abs=0.1), place
    for place, directives in costs(graph.schema._schema).items():
        for weight in re.findall(r"@cost\(weight: (\d+)\)", " ".join(directives)):
            assert facts["fields"][place]["complexity"] == int(weight)
    assert facts["fields"]["Game.players"]["reports"] == ["R3", "R4"]
    assert facts["fields"]["Winner.user"]["known"]["R3"] == ["id", "externalId"]
    assert facts["names"]["Query.group"] == {"id": "Group"}
    assert facts["reports"]["R2"] == "Bulk Games Report"


def test_every_saved_query_answers_a_caller_who_sees_one_group(site: Site) -> None:
    with site.client(site.whole) as client:
        tabs: list[dict[str, Any]] = client.get("/explorer/queries.json").json()
    assert {tab["variables"].get("group", "382") for tab in tabs} == {"382", "347", GROUP}  # as the files have them
    assert [tab["name"] for tab in sorted(tabs, key=lambda tab: tab.get("start", 99))][:3] == start()
    assert {tab["name"] for tab in tabs if "table" in tab} == {
        one.name for one in saved_queries() if "@rows" in one.text
    }
    with site.client(site.limited) as client:
        tabs = client.get("/explorer/queries.json").json()
        for tab in tabs:
            answer = client.post("/graphql", json={"query": tab["query"], "variables": tab["variables"]}).json()
            assert "errors" not in answer, tab["name"]
            assert _scalars(answer["data"]), (tab["name"], answer)
    assert {tab["variables"].get("group", GROUP) for tab in tabs} == {GROUP}


def _scalars(value: Any) -> bool:
    """Return whether an answer has a value besides what its variables said: an id, a count of nothing."""
    if isinstance(value, dict):
        return any(_scalars(inner) for name, inner in value.items() if name not in ("id", "name", "username"))
    if isinstance(value, list):
        return len(value) > 0
    return value not in (None, 0)


async def editor(page: Page, label: str) -> str:
    """Return the text of an editor. The browser draws an indentation as no-break spaces."""
    lines = page.get_by_label(label, exact=True).locator(".view-line:visible")
    return "\n".join(await lines.all_inner_texts()).replace("\xa0", " ")


async def write(page: Page, label: str, text: str) -> None:
    """Replace the text of an editor, without the brackets that it closes itself."""
    await page.get_by_label(label, exact=True).locator(".monaco-editor:visible").first.click()
    await page.keyboard.press("Control+A")
    await page.keyboard.insert_text(text)
    await page.keyboard.press("Control+Shift+End")
    await page.keyboard.press("Delete")


async def faults(page: Page) -> list[str]:
    """Return the faults outside the editors and the run button, which have tests of their own."""
    return [one for one in await violations(page) if not re.search(r"line-number|\.mtk|: \.run$", one)]


def as_caller(key: str) -> dict[str, Any]:
    """Return what a browser context needs to send a key with every request."""
    return {"viewport": {"width": 1440, "height": 900}, "extra_http_headers": {"Authorization": f"Bearer {key}"}}


async def test_forms_and_the_builder_write_a_query(site: Site, browser: Browser) -> None:
    async with visiting(browser, site.address, **as_caller(site.limited)) as visit:
        page = visit.page
        await page.goto(f"{site.address}/explorer")
        await expect(page.locator(TABS)).to_have_text(start())
        form = page.get_by_role("form", name="Values of the query")
        group = form.get_by_role("combobox", name=re.compile("^group"))
        await expect(group).to_have_value(GROUP)
        await expect(form).to_contain_text("Local Aurora 1")

        # A group by its name, with the keyboard; the caller sees one only.
        await group.click()
        await page.keyboard.insert_text("aurora")
        await expect(form.get_by_role("listbox").get_by_role("option")).to_have_count(1)
        await page.keyboard.press("Enter")
        await expect(group).to_have_value(GROUP)
        await form.get_by_label("during").select_option("YESTERDAY")
        await expect(page.get_by_label("Variables", exact=True)).to_contain_text("YESTERDAY")
        await form.get_by_label("during").select_option("dates")
        await form.get_by_label("First day").fill("2026-01-02")
        await form.get_by_label("Last day").fill("2026-01-03")
        await expect(page.get_by_label("Variables", exact=True)).to_contain_text('"to": "2026-01-03"')
        await form.get_by_label("during").select_option("between")
        await form.get_by_label("From", exact=True).fill("2026-01-02T03:04")
        moment = datetime.datetime(2026, 1, 2, 3, 4, tzinfo=site.zone).isoformat()
        await expect(page.get_by_label("Variables", exact=True)).to_contain_text(moment)
        # The JSON is the truth: the form follows it.
        await write(page, "Variables", json.dumps({"group": GROUP, "during": {"frame": "TODAY"}}))
        await expect(form.get_by_label("during")).to_have_value("TODAY")
        await page.get_by_role("button", name="Execute query").click()
        await expect(page.get_by_label("Result Window")).to_contain_text("Local Aurora 1")

        # The builder: fields are ticked, and what they need becomes a variable with a field for it.
        await page.get_by_role("button", name="New tab").click()
        await page.get_by_role("button", name="Show Query builder").click()
        tree = page.get_by_role("region", name="Query builder")
        await tree.get_by_role("checkbox", name="group", exact=True).check()
        await tree.get_by_role("checkbox", name="name", exact=True).first.check()
        await expect(tree.locator("li", has_text="users").first).to_contain_text(re.compile(r"R9 [\d.]+ ms"))
        await tree.get_by_role("button", name="Fields of users").first.click()
        await tree.get_by_role("checkbox", name="users", exact=True).first.check()
        await tree.get_by_role("checkbox", name="totalCount", exact=True).first.check()
        await expect(page.get_by_label("Operation Editor").first).to_contain_text("totalCount")
        await page.wait_for_function("text => localStorage['graphiql:query'] === text", arg=BUILT)
        choice = form.get_by_role("combobox", name=re.compile("^group"))
        await choice.click()
        await form.get_by_role("listbox").get_by_role("option").filter(has_text="Local Aurora 1").click()
        await page.get_by_role("button", name="Execute query").click()
        await expect(page.get_by_label("Result Window")).to_contain_text('"totalCount": 4')
        await tree.get_by_role("checkbox", name="users", exact=True).first.uncheck()
        await expect(page.get_by_label("Operation Editor").first).not_to_contain_text("totalCount")
        assert await faults(page) == []


BUILT = """\
query ($group: ID!) {
  group(id: $group) {
    id
    name
    users {
      nodes {
        id
      }
      totalCount
    }
  }
}
"""


async def test_saved_queries_are_found_and_changes_are_kept(site: Site, browser: Browser) -> None:
    async with visiting(browser, site.address, **as_caller(site.whole)) as visit:
        page = visit.page
        await page.goto(f"{site.address}/explorer")
        await expect(page.get_by_role("button", name="Execute query")).to_be_enabled()
        panel = page.get_by_role("region", name="Saved queries")
        await panel.get_by_role("searchbox").fill("username callnumber")  # fields of it, in any order
        await expect(panel.locator(".open")).to_have_count(1)
        await panel.get_by_role("searchbox").fill("top")
        await panel.get_by_role("button", name="TopWinners").click()
        await expect(page.locator(TABS)).to_have_text(start())
        await expect(page.get_by_role("tab", name="TopWinners")).to_have_attribute("aria-selected", "true")
        await panel.get_by_role("searchbox").fill("Jackpots")
        await panel.get_by_role("button", name="ProgressiveJackpots").first.click()
        await expect(page.locator(TABS)).to_have_text([*start(), "ProgressiveJackpots"])
        link = panel.get_by_role("link", name="ProgressiveJackpots as a table")
        await expect(link).to_have_attribute("href", "/tables/ProgressiveJackpots")
        await expect(page.get_by_label("Operation Editor").first).to_contain_text("progressiveJackpots")
        assert await page.get_by_text("changed", exact=True).count() == 0

        changed = "query ProgressiveJackpots {\n  progressiveJackpots { value }\n}"
        await write(page, "Operation Editor", changed)
        await expect(panel.get_by_text("changed", exact=True)).to_have_count(1)
        await page.wait_for_function("() => localStorage['graphiql:tabState']?.includes('{ value }')")
        await page.reload()
        await expect(panel.get_by_text("changed", exact=True)).to_have_count(1)
        await expect(page.get_by_label("Operation Editor").first).to_contain_text("{ value }")
        await panel.get_by_role("button", name="Restore the saved text of ProgressiveJackpots").click()
        await expect(page.get_by_label("Operation Editor").first).to_contain_text("seedPercentage")
        await expect(panel.get_by_text("changed", exact=True)).to_have_count(0)


async def test_a_query_is_shared_as_a_link_and_as_programs(site: Site, browser: Browser, tmp_path: Path) -> None:
    async with visiting(browser, site.address, **as_caller(site.whole)) as visit:
        page = visit.page
        # As on plain http, where browsers have no clipboard for pages.
        await page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
        await page.goto(f"{site.address}/explorer")
        await expect(page.get_by_role("form", name="Values of the query")).to_be_visible()
        await page.get_by_role("button", name="Share", exact=True).click()
        dialog = page.get_by_role("dialog", name="Share")
        short = await dialog.get_by_label("A link that opens").input_value()
        assert short.startswith(f"{site.address}/?saved=DailyMovements&variables=%7B%22group%22%3A%22382%22")
        await dialog.get_by_role("button", name="Copy link").click()
        await expect(dialog.get_by_role("status")).to_have_text("The link is copied.")
        await expect(dialog).to_contain_text("GAMEHUB_GRAPH_KEY")
        programs = {}
        for tool in await dialog.get_by_role("option").all_inner_texts():
            await dialog.get_by_label("The query as a program").select_option(tool)
            programs[tool] = await dialog.locator("pre").inner_text()
            assert site.whole not in programs[tool]
        assert await faults(page) == []
        await dialog.get_by_role("button", name="Close").click()
        await write(page, "Operation Editor", CHANGED)
        await write(page, "Variables", '{"group": "383"}')
        await page.get_by_role("button", name="Share", exact=True).click()
        long = await dialog.get_by_label("A link that opens").input_value()
        assert parse_qs(urlsplit(long).query) == {"query": [CHANGED], "variables": ['{"group":"383"}']}
    await _run(programs, site, tmp_path)

    async with visiting(browser, site.address, **as_caller(site.whole)) as visit:
        page = visit.page
        await page.goto(long)
        await expect(page.locator(TABS)).to_have_text([*start(), "Shared"])
        await expect(page.get_by_role("tab", name="Shared")).to_have_attribute("aria-selected", "true")
        await expect(page.get_by_role("form", name="Values of the query")).to_contain_text("Local Aurora 1")
        assert urlsplit(page.url).path == "/explorer"
        assert await editor(page, "Result Window") == ""
        await page.goto(short)  # the first tab has it already
        await expect(page.get_by_role("tab", name="DailyMovements")).to_have_attribute("aria-selected", "true")
        await expect(page.locator(TABS)).to_have_text([*start(), "Shared"])
        await page.goto(f"{site.address}/?saved=Nothing")
        await expect(page.get_by_label("Operation Editor").first).to_contain_text("no saved query called Nothing")


CHANGED = "query Shared($group: ID!) { group(id: $group) { name } }"


async def _run(programs: dict[str, str], site: Site, folder: Path) -> None:
    """Run the programs that run here, and check the others."""
    assert list(programs) == ["curl", "fetch", "Apollo Client", "urql", "Python", "Power Query", "Table (CSV)"]
    files = {
        "fetch.mjs": programs["fetch"],
        "apollo.mjs": programs["Apollo Client"],
        "urql.mjs": programs["urql"],
        "query.py": programs["Python"],
    }
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    node = require("node")
    commands = [
        ("bash", "-c", programs["curl"]),
        (node, "fetch.mjs"),
        (sys.executable, "query.py"),
        (node, "--check", "apollo.mjs"),
        (node, "--check", "urql.mjs"),
    ]
    environment = {**os.environ, "GAMEHUB_GRAPH_KEY": site.whole}
    running = [
        await asyncio.create_subprocess_exec(*command, cwd=folder, env=environment, stdout=PIPE, stderr=PIPE)
        for command in commands
    ]
    outputs = [await each.communicate() for each in running]
    assert [each.returncode for each in running] == [0] * len(commands), outputs
    answers = [json.loads(output) for output, _ in outputs[:3]]
    for group in (answers[0]["data"]["group"], answers[1]["group"], answers[2]["group"]):
        assert group["name"] == "E2E Development - Physical"
        assert group["dailyMovements"][0]["currency"] == "Real USD"
    assert programs["Power Query"].count("(") == programs["Power Query"].count(")")
    assert 'variables = [#"group" = "382", #"during" = [#"frame" = "THIS_MONTH"]]' in programs["Power Query"]
    address = programs["Table (CSV)"]
    assert address == f"{site.address}/tables/DailyMovements.csv?group=382&period=this_month"
    with site.client(site.whole) as client:
        assert client.get(address).text.startswith("group_id,group_name,date,")
