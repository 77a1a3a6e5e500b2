"""The graph behind real gateways, beside a second subgraph that extends its types."""

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from resolvers.caller import Caller
from server.auth.keys import KeyFile
from tests.federation.supergraph import (
    HERE,
    NOTES,
    Gateways,
    ServedGraph,
    of_gamehub,
    of_gamelog,
    running,
    served_graph,
    subgraph,
)
from tests.packages import node_packages
from tests.requirements import require
from tests.stand import Sandbox

KINDS = ("apollo", "hive", "hive-rust", "grafbase")
GROUP = "382"
MAY = frozenset({"explore"})
USERS = 600
DAY = '{ dates: { from: "2026-03-15", to: "2026-03-15" } }'
WALK = f"""
query ($group: ID!) {{
  group(id: $group) {{
    name
    users(first: {USERS}) {{
      nodes {{
        id username
        transactions(during: {DAY}, inGroup: $group, first: 1) {{ totalCount nodes {{ type amount }} }}
        %s
      }}
      pageInfo {{ hasNextPage }}
    }}
  }}
}}"""
NOTES_OF = "notes(first: 1) { totalCount nodes { text } }"
FROM_NOTES = """
query ($users: [ID!]!) {
  notes(users: $users, first: 1000) { nodes { text user { username group { id type } } } }
}"""


@dataclass
class World:
    """The graph, its upstreams, and the gateways over it and the notes."""

    sandbox: Sandbox
    graph: ServedGraph
    gateways: Gateways
    everyone: dict[str, str]
    partner: dict[str, str]

    def ask(self, name: str, query: str, headers: dict[str, str] | None = None, **variables: Any) -> Any:
        """Return the answer of a gateway, or of the graph itself, to a caller who sees everything."""
        self.sandbox.reset()
        self.graph.requests.clear()
        return self.gateways.ask(name, query, self.everyone if headers is None else headers, **variables)

    def calls(self) -> Counter[str]:
        """Return the number of upstream calls of each report since the last question."""
        return Counter(call["report"] for call in self.sandbox.calls())


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("gateways")
    keys = KeyFile(folder / "keys.json")
    everyone, partner = (
        {"Authorization": f"Bearer {keys.create(caller)[1]}"}
        for caller in (Caller("gateway", None, MAY), Caller("partner", frozenset({1}), MAY))
    )
    with (
        Sandbox(users=2 * USERS, days=1, rooms=1) as sandbox,
        served_graph(
            folder, closed=True, keys_file=folder / "keys.json", **of_gamehub(sandbox), **of_gamelog(sandbox)
        ) as graph,
    ):
        both = [subgraph("gamehub", graph), NOTES]
        described = {kind: (kind, both) for kind in KINDS}
        with running(request.config, folder, described, everyone["Authorization"]) as gateways:
            reachable = Gateways({**gateways.urls, "graph": graph.address})
            yield World(sandbox, graph, reachable, everyone, partner)


@pytest.fixture(scope="module")
def users(world: World) -> list[str]:
    """The ids of the users of the group."""
    found = world.ask("graph", WALK % "", group=GROUP)
    return [node["id"] for node in found["data"]["group"]["users"]["nodes"]]


@pytest.mark.parametrize("kind", KINDS)
def test_the_walk_over_both_subgraphs(kind: str, world: World, users: list[str]) -> None:
    """The gateway adds the notes. The graph is asked once, and makes the calls that it makes for its own clients."""
    alone = world.ask("graph", WALK % "", group=GROUP)["data"]["group"]
    calls = world.calls()
    answer = world.ask(kind, WALK % NOTES_OF, group=GROUP)
    assert "errors" not in answer
    assert (len(world.graph.requests), world.calls()) == (1, calls)
    nodes = answer["data"]["group"]["users"]["nodes"]
    assert len(nodes) == len(users) == USERS
    for node in nodes:
        expected = 1 if int(node["id"]) % 2 else 2
        assert node.pop("notes") == {"totalCount": expected, "nodes": [{"text": f"Note 1 about user {node['id']}"}]}
    assert answer["data"]["group"] == alone


@pytest.mark.parametrize("kind", KINDS)
def test_500_representations(kind: str, world: World, users: list[str]) -> None:
    answer = world.ask(kind, FROM_NOTES, users=users[:500])
    assert "errors" not in answer
    nodes = answer["data"]["notes"]["nodes"]
    assert len({node["user"]["username"] for node in nodes}) == 500
    assert {node["user"]["group"]["id"] for node in nodes} == {GROUP}
    assert len(world.graph.requests) == 1
    # One call for all users, and one for the type of their group.
    assert world.calls() == {"api_users_report": 1, "api_groups_report": 1}
    world.ask(kind, FROM_NOTES.replace("group { id type }", ""), users=users[:500])
    assert world.calls() == {"api_users_report": 1}


@pytest.mark.parametrize("kind", KINDS)
def test_credentials_and_traceparent_pass_through(kind: str, world: World, users: list[str]) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    query = "query ($id: ID!) { user(id: $id) { username notes { totalCount } } }"
    world.ask(kind, query, {**world.everyone, "traceparent": trace}, id=users[0])
    (received,) = world.graph.requests
    assert received["authorization"] == world.everyone["Authorization"]
    assert received["traceparent"] == trace
    # This caller sees another group only.
    hidden = world.ask(kind, query, world.partner, id=users[0])
    assert hidden["data"] == {"user": None}
    refused = world.ask(kind, query, {}, id=users[0])
    assert refused.get("data") in (None, {"user": None})
    assert refused["errors"]


@pytest.mark.parametrize("kind", KINDS)
def test_errors_pass_through(kind: str, world: World, users: list[str]) -> None:
    query = (
        f"query ($id: ID!) {{ user(id: $id) {{ username transactions(during: {DAY}) {{ totalCount }} {NOTES_OF} }} }}"
    )
    world.sandbox.fault("500", "transaction_report")
    try:
        answer = world.ask(kind, query, id=users[0])
    finally:
        world.sandbox.heal()
    assert answer["data"]["user"]["username"]
    assert answer["data"]["user"]["transactions"] is None
    assert answer["data"]["user"]["notes"]["totalCount"] > 0
    (error,) = answer["errors"]
    assert error["path"] == ["user", "transactions"]
    assert error["extensions"]["code"] == "UPSTREAM_ERROR"
    assert "R7" in error["message"] or "GameHub" in error["message"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_that_the_second_subgraph_took_over(kind: str, world: World) -> None:
    game = world.ask("graph", f"{{ games(during: {DAY}, first: 1) {{ nodes {{ id variant }} }} }}")
    (node,) = game["data"]["games"]["nodes"]
    found = world.ask(
        kind, "query ($id: ID!) { game(id: $id) { variant startsAt notes { totalCount } } }", id=node["id"]
    )
    assert found["data"]["game"]["variant"] == f"The game {node['id']} of the house" != node["variant"]
    assert found["data"]["game"]["startsAt"]


def test_a_trace_in_the_format_of_gateways(world: World, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    query = """query ($some: Boolean!) {
      group(id: "382") { called: name users(first: 3) { nodes { ...Named id @include(if: $some) } } }
      wrong: user(id: "x") { id }
    }
    fragment Named on User { username }"""
    plain = world.ask("graph", query, some=False)
    assert "extensions" not in plain
    asked = {**world.everyone, "Apollo-Federation-Include-Trace": "ftv1"}
    answer = world.ask("graph", query, asked, some=False)
    text = answer.pop("extensions")["ftv1"]
    assert answer == plain
    (tmp_path / "node_modules").symlink_to(node_packages(request.config, HERE) / "node_modules")
    shutil.copy(HERE / "decode.mjs", tmp_path)
    ran = subprocess.run(
        [require("node"), "decode.mjs"],
        cwd=tmp_path, input=text, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    found = json.loads(ran.stdout)
    assert found["wrong"] is None
    trace = found["trace"]
    assert trace["startTime"]["seconds"] <= trace["endTime"]["seconds"] <= trace["startTime"]["seconds"] + 30
    assert described(trace["root"]) == {
        "group": ("Query", "Group", {
            "called": ("Group", "String", {}),
            "users": ("Group", "UserConnection", {
                "nodes": ("UserConnection", "[User!]!", {"username": ("User", "String", {})}),
            }),
        }),
        "wrong": ("Query", "User", {"id": ("User", "ID!", {})}),
    }  # fmt: skip
    group, wrong = trace["root"]["child"]
    assert 0 < group["startTime"] < group["endTime"] <= group["child"][1]["startTime"] < trace["durationNs"]
    (error,) = wrong["error"]
    assert json.loads(error["json"]) == answer["errors"][0]
    assert "error" not in group


def described(node: dict[str, Any]) -> dict[str, Any]:
    """Return the fields below a node: their parent type, their type, and what is below them."""
    return {each["responseName"]: (each["parentType"], each["type"], described(each)) for each in node.get("child", ())}


def test_no_trace_without_the_header(world: World) -> None:
    body = {"query": "{ __typename }"}
    for value, extensions in (("ftv1", True), ("FTV1", True), ("ftv2", False), ("", False)):
        headers = {**world.everyone, "Apollo-Federation-Include-Trace": value}
        answer = httpx.post(world.graph.address, json=body, headers=headers, trust_env=False).json()
        assert ("ftv1" in answer.get("extensions", {})) is extensions, value
