"""The server counts which clients ask for which fields, and `gamehub-graph usage` shows it."""

import asyncio
import datetime
import json
from pathlib import Path

import httpx
import pytest
from graphql import parse

from schema import graph
from server.execution.documents import Documents
from server.execution.operation import Operation
from server.usage import CLIENT, MOST_CHARACTERS, MOST_CLIENTS, MOST_WAITING, VERSION, Usage, selected_fields
from tests import programs
from tests.served import served
from tests.server.subscriptions.socket_client import connected
from tests.server.subscriptions.stream_reader import EVENTS, events
from tests.stand import Sandbox
from upstream.journal import FieldUsage, Journal

DAY = datetime.date(2026, 3, 15)
NAMES = "{ groups(first: 2) { nodes { name } } }"
FRAGMENTS = """
query A { ...Roots }
query B { groups(first: 1) { totalCount } }
fragment Roots on Query { groups(first: 1) { nodes { ...Named label: name ... on Node { nodeId } } } }
fragment Named on Group { __typename name ... @include(if: true) { type } }
"""


def test_counts_of_a_server_reach_the_command_and_survive_a_restart(tmp_path: Path, world: Sandbox) -> None:
    settings = {
        "GAMEHUB_URL": world.gamehub_url,
        "GAMEHUB_TOKEN": world.gamehub_token,
        "ERROR_JOURNAL": str(tmp_path / "errors.sqlite"),
    }

    def usage(field: str) -> tuple[int, list[list[str]]]:
        ran = programs.run("usage", field, folder=tmp_path, environment=settings)
        return ran.returncode, [
            line.split() for line in (ran.stdout or ran.stderr.replace("gamehub-graph: ", "")).splitlines()
        ]

    def ask(address: str, name: str, version: str, query: str = NAMES) -> None:
        headers = {CLIENT: name, VERSION: version} if name else {}
        if name == "page":
            httpx.get(f"{address}/graphql", params={"query": query}, headers=headers, trust_env=False, timeout=60)
        else:
            httpx.post(f"{address}/graphql", json={"query": query}, headers=headers, trust_env=False, timeout=60)

    async def subscribe(address: str, query: str) -> None:
        async with connected(address, {"headers": {CLIENT: "page", VERSION: "3"}}) as client:
            await client.subscribe("1", query)
            assert await client.data("1")

    assert usage("Group.name") == (1, [["no", "server", "has", "counted", "yet"]])
    today = str(datetime.datetime.now(datetime.UTC).date())
    with served(tmp_path, **settings, BUSINESS_TIMEZONE="UTC") as address:
        for _ in range(3):  # the answer is made once, and counted each time
            ask(address, "web", "1.4")
        ask(address, "web", "1.5")
        ask(address, "web", "1.5", "{ groups { nodes { name wrong } } }")
        ask(address, "page", "2")
        ask(address, "", "")
    batch = [{"query": NAMES}, {"query": "{ groups(first: 1) { nodes { name id } } }"}]
    jackpots = "subscription { progressiveJackpots { value } }"
    with served(tmp_path, **settings, BUSINESS_TIMEZONE="UTC", MAX_BATCHED_OPERATIONS="2") as address:
        headers = {CLIENT: "web", VERSION: "1.4"}
        httpx.post(f"{address}/graphql", json=batch, headers=headers, trust_env=False, timeout=60).raise_for_status()
        asyncio.run(subscribe(address, jackpots))
        with httpx.stream(
            "POST", f"{address}/graphql", json={"query": jackpots}, headers={**headers, "Accept": EVENTS},
            trust_env=False, timeout=60,
        ) as answer:  # fmt: skip
            assert next(events(answer.iter_text())) == ("beat", None)
    code, lines = usage("Group.name")
    assert code == 0
    assert lines == [
        ["client", "version", "operations", "last"],
        ["web", "1.4", "5", today],
        ["(unnamed)", "1", today],
        ["page", "2", "1", today],
        ["web", "1.5", "1", today],
        ["since", today],
    ]
    assert usage("ProgressiveJackpot.value") == (
        0,
        [lines[0], ["page", "3", "1", today], ["web", "1.4", "1", today], lines[-1]],
    )
    listed = programs.run("usage", "Group.id", "--json", folder=tmp_path, environment=settings).stdout
    once = {"client": "web", "version": "1.4", "operations": 1, "last": today}
    assert json.loads(listed) == {"field": "Group.id", "since": today, "clients": [once]}
    assert usage("Group.id") == (0, [lines[0], ["web", "1.4", "1", today], lines[-1]])
    nobody = f"No client has asked for Transaction.baseAmount since {today}."
    assert usage("Transaction.baseAmount") == (0, [nobody.split()])
    code, (message,) = usage("Transaction.basis")
    assert (code, message[:7]) == (2, ["the", "graph", "has", "no", "field", "Transaction.basis;", "name"])


def test_the_fields_of_an_operation_are_found_through_its_fragments() -> None:
    tree = parse(FRAGMENTS)
    first, second = tree.definitions[:2]
    found = selected_fields(graph.schema._schema, tree, first)  # type: ignore[arg-type]
    expected = {"Query.groups", "GroupConnection.nodes", "Group.name", "Group.type", "Node.nodeId"}
    assert (len(found), set(found)) == (len(expected), expected)
    assert selected_fields(graph.schema._schema, tree, second) == (  # type: ignore[arg-type]
        "Query.groups",
        "GroupConnection.totalCount",
    )


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "errors.sqlite")


def counting() -> Usage:
    return Usage(Documents(graph.schema), graph.schema._schema, lambda: DAY)


async def test_names_of_clients_are_plain_and_limited_in_number(journal: Journal) -> None:
    usage = counting()
    usage.count(Operation(NAMES), {CLIENT: " a\x1b[31m|b\n" + "c" * 100, VERSION: "é1"})
    await usage.save(journal)
    (found,) = journal.counted("Group.name")[1]
    assert found == FieldUsage(" a??31m?b?".strip() + "c" * 54, "?1", 1, DAY)
    for number in range(2 * MOST_CLIENTS):
        usage.count(Operation(NAMES), {CLIENT: f"client {number}"})
    await usage.save(journal)
    since, rows = journal.counted("Group.name")
    assert since == DAY
    assert len(rows) == MOST_CLIENTS + 1
    assert rows[0] == FieldUsage("(others)", "", MOST_CLIENTS + 1, DAY)
    assert sum(each.operations for each in rows) == 2 * MOST_CLIENTS + 1
    journal.close()


async def test_many_and_long_documents_are_counted_within_limits(journal: Journal) -> None:
    usage = counting()
    for number in range(MOST_WAITING + 50):
        usage.count(Operation(NAMES), {VERSION: f"1.{number}"})
        assert len(usage._asked) <= MOST_WAITING
    for number in range(60):
        usage.count(Operation(f"{' ' * 24_000}query Q{number} {NAMES}"), {})
        assert usage._characters <= MOST_CHARACTERS
    await usage.save(journal)
    assert (len(usage._asked), usage._characters, len(usage._counts)) == (0, 0, 0)
    assert sum(each.operations for each in journal.counted("Group.name")[1]) == MOST_WAITING + 110
    journal.close()


def test_the_table_keeps_its_newest_rows(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upstream.journal._MOST_COUNTS", 3)
    for number in range(5):
        day = DAY + datetime.timedelta(days=number)
        journal.count(day, {("Group.name", f"client {number}", ""): 1})
    journal.count(DAY, {("Group.name", "client 4", ""): 2})
    since, rows = journal.counted("Group.name")
    assert (since, [(each.client, each.operations, each.last.day) for each in rows]) == (
        DAY,
        [("client 4", 3, 19), ("client 3", 1, 18), ("client 2", 1, 17)],
    )
    journal.close()
