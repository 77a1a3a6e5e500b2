"""What people write queries with: examples and choices that they see, reports and prices of fields, forms, links.

One server serves all tests, with a key that sees every group and a key that sees one. The prices come first, because
they change with each call.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from schema import graph
from schema.costs import costs
from server.execution.saved import saved_queries, start
from tests.programs import run
from tests.served import served

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
    """A server, and its two keys."""

    address: str
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
    with served(folder, **keys) as address:
        yield Site(address, whole, limited)


def test_a_field_has_the_report_and_the_price_of_the_plan(site: Site) -> None:
    with site.client(site.whole) as client:
        facts = client.get("/explorer/fields.json").json()
        for place, (query, report) in READS.items():
            answer = client.post("/graphql", json={"query": query}, headers={"X-Graph-Explain": "1"}).json()
            part = answer["extensions"]["explain"]["plan"][-1]
            found = facts["fields"][place]
            assert (part["report"], part["calls"], found["reports"]) == (report, 1, [report])
            assert found["milliseconds"] == pytest.approx(part["seconds"] * 1000, abs=0.001), place
    for place, directives in costs(graph.schema._schema).items():
        for weight in re.findall(r"@cost\(weight: (\d+)\)", " ".join(directives)):
            assert facts["fields"][place]["complexity"] == int(weight)
    assert facts["fields"]["Game.players"]["reports"] == ["R3", "R4"]
    assert facts["fields"]["Winner.user"]["known"]["R3"] == ["id", "externalId"]
    assert facts["names"]["Query.group"] == {"id": "Group"}
    assert facts["reports"]["R2"] == "Bulk Games Report"


def test_every_saved_query_answers_each_caller(site: Site) -> None:
    for key in (site.whole, site.limited):
        with site.client(key) as client:
            tabs: list[dict[str, Any]] = client.get("/explorer/queries.json").json()
            for tab in tabs:
                answer = client.post("/graphql", json={"query": tab["query"], "variables": tab["variables"]}).json()
                assert "errors" not in answer, tab["name"]
                assert _scalars(answer["data"]), (tab["name"], answer)
            groups = {tab["variables"]["group"] for tab in tabs if "group" in tab["variables"]}
            assert groups == ({GROUP} if key == site.limited else {"382", "347", GROUP})
    assert [tab["name"] for tab in sorted(tabs, key=lambda tab: tab.get("start", 99))][:3] == start()
    assert {tab["name"] for tab in tabs if "table" in tab} == {
        one.name for one in saved_queries() if "@rows" in one.text
    }


def _scalars(value: Any) -> bool:
    """Return whether an answer has a value besides what its variables said: an id, a count of nothing."""
    if isinstance(value, dict):
        return any(_scalars(inner) for name, inner in value.items() if name not in ("id", "name", "username"))
    if isinstance(value, list):
        return len(value) > 0
    return value not in (None, 0)
