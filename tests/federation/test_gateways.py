"""The graph behind real gateways: beside a second subgraph that extends its types, and in two parts.

Each of the parts has the settings of its own upstream. Both together answer like the whole graph.
"""

import json
import os
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
from schema.mapping.node import encode
from server.auth.key_file import KeyFile
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
from tests.programs import run
from tests.requirements import require
from tests.served import served
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
    parts: Gateways
    everyone: dict[str, str]
    members: dict[str, str]
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
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("gateways")
    keys = KeyFile(folder / "keys.json")
    callers = {"everyone": None, "members": frozenset({int(GROUP)}), "partner": frozenset({1})}
    everyone, members, partner = (
        {"Authorization": f"Bearer {keys.create(Caller(name, groups, MAY))[1]}"} for name, groups in callers.items()
    )
    closed: dict[str, Any] = {"closed": True, "keys_file": folder / "keys.json"}
    with (
        # A call that takes no time would make one call for each user cheaper than one call for all of them.
        Sandbox(users=2 * USERS, days=1, rooms=1, latency=0.02) as sandbox,
        served_graph(folder, **of_gamehub(sandbox), **of_gamelog(sandbox), **closed) as graph,
        served_graph(folder, subgraph="gamehub", **of_gamehub(sandbox), **closed) as gamehub,
        served_graph(folder, subgraph="gamelog", **of_gamelog(sandbox), **closed) as gamelog,
    ):
        both = [subgraph("gamehub", graph), NOTES]
        parts = [subgraph("gamehub", gamehub), subgraph("gamelog", gamelog)]
        described = {kind: (kind, both) for kind in KINDS} | {f"{kind} of parts": (kind, parts) for kind in KINDS}
        with running(folder, described, everyone["Authorization"]) as gateways:
            servers = {"whole": graph.address, "gamehub": gamehub.address, "gamelog": gamelog.address}
            of_parts = {kind: gateways.urls[f"{kind} of parts"] for kind in KINDS}
            yield World(
                sandbox,
                graph,
                Gateways({**gateways.urls, "graph": graph.address}),
                Gateways({**servers, **of_parts}, everyone),
                everyone,
                members,
                partner,
            )


@pytest.fixture(scope="module")
def gateways(world: World) -> Gateways:
    """The gateways over the two parts, the parts, and the whole graph."""
    return world.parts


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


def test_a_trace_in_the_format_of_gateways(world: World, tmp_path: Path) -> None:
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
    (tmp_path / "node_modules").symlink_to(node_packages(HERE) / "node_modules")
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


# The graph in two parts

DAYS = '{ between: { from: "2026-03-15T09:00:00Z", until: "2026-03-15T10:30:00Z" } }'
QUERIES = {
    "a user and the logs": f"""{{
      user(id: "2001") {{
        id username group {{ name }}
        transactions(during: {DAYS}, first: 2) {{ totalCount nodes {{ type amount }} }}
        gameLogs(during: {DAYS}, first: 3) {{
          totalCount nodes {{ id nodeId bet userCode }} pageInfo {{ hasNextPage endCursor }} totals {{ count bet }}
        }}
      }}
    }}""",
    "the walk": f"""{{
      group(id: "382") {{ users(first: 50) {{ nodes {{
        username
        transactions(during: {DAYS}, inGroup: "382") {{ nodes {{ amount }} }}
        gameLogs(during: {DAYS}) {{ nodes {{ win }} }}
      }} }} }}
    }}""",
    "the users of logs": f"""{{
      gameLogs(during: {DAYS}, first: 20) {{ nodes {{ id userCode user {{ id username group {{ id name }} }} }} }}
    }}""",
    "the users of buckets": f"""{{
      gameLogs(during: {DAYS}) {{ buckets(by: [USER], orderBy: BET_DESC, first: 5) {{
        key {{ user {{ id username }} day }} totals {{ count bet }}
      }} byDay: buckets(by: [DAY]) {{ key {{ day user {{ id }} }} totals {{ count }} }} }}
    }}""",
    "a wrong period": '{ gameLogs(during: { dates: { from: "2026-03-15", to: "2026-03-14" } }) { totalCount } }',
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", QUERIES)
def test_two_parts_answer_as_one(name: str, kind: str, gateways: Gateways) -> None:
    expected, answer = (gateways.ask(which, QUERIES[name]) for which in ("whole", kind))
    assert answer["data"] == expected["data"]
    assert codes_of(answer) == codes_of(expected)


def codes_of(answer: dict[str, Any]) -> list[str]:
    """Return the codes of the errors of an answer."""
    return [error["extensions"]["code"] for error in answer.get("errors", ())]


def test_the_answers_are_not_empty(gateways: Gateways) -> None:
    """The comparison above says something: each query finds rows, and users beside logs."""
    user = gateways.ask("whole", QUERIES["a user and the logs"])["data"]["user"]
    assert user["transactions"]["totalCount"] > 1 < user["gameLogs"]["totalCount"]
    logs = gateways.ask("whole", QUERIES["the users of logs"])["data"]["gameLogs"]["nodes"]
    assert len(logs) == len([log for log in logs if log["user"]["group"]["name"]]) == 20
    buckets = gateways.ask("whole", QUERIES["the users of buckets"])["data"]["gameLogs"]["buckets"]
    assert len([bucket for bucket in buckets if bucket["key"]["user"]["username"]]) == 5
    assert codes_of(gateways.ask("whole", QUERIES["a wrong period"])) == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("kind", ["whole", *KINDS])
def test_a_log_is_found_again(kind: str, gateways: Gateways) -> None:
    """`Query.node` is GameHub's, and the fields of a log are Game History's."""
    logs = f"{{ gameLogs(during: {DAYS}, first: 1) {{ nodes {{ nodeId bet }} }} }}"
    (log,) = gateways.ask("whole", logs)["data"]["gameLogs"]["nodes"]
    query = "query ($id: ID!) { node(nodeId: $id) { nodeId ... on GameLog { bet user { id } } } }"
    found = gateways.ask(kind, query, id=log["nodeId"])
    assert "errors" not in found
    assert found["data"]["node"]["nodeId"] == log["nodeId"]
    assert found["data"]["node"]["bet"] == log["bet"]
    assert found["data"]["node"]["user"]["id"]


def test_each_part_calls_its_own_upstream(gateways: Gateways) -> None:
    logs = f"{{ gameLogs(during: {DAYS}) {{ totalCount }} }}"
    assert gateways.ask("gamelog", logs)["data"]["gameLogs"]["totalCount"] > 0
    assert "errors" in gateways.ask("gamehub", logs)
    group = '{ group(id: "382") { name } }'
    assert gateways.ask("gamehub", group)["data"]["group"]["name"]
    assert "errors" in gateways.ask("gamelog", group)
    for part, own, other in (("gamehub", "group", "gameLogs"), ("gamelog", "gameLogs", "group")):
        root = gateways.ask(part, "{ __schema { queryType { fields { name } } } }")["data"]["__schema"]["queryType"]
        names = {each["name"] for each in root["fields"]}
        assert own in names
        assert other not in names


ENTITIES = "query ($of: [_Any!]!) { _entities(representations: $of) { __typename %s } }"


def test_representations_that_another_subgraph_sends(gateways: Gateways) -> None:
    """A representation is what a client may write, too."""
    logs = ENTITIES % f"... on User {{ id gameLogs(during: {DAYS}) {{ totalCount }} }}"
    user = gateways.ask("whole", '{ user(id: "2001") { id username } }')["data"]["user"]
    known = {"__typename": "User", **user}
    both = gateways.ask("gamelog", logs, of=[known, {**known, "username": "nobody"}])["data"]["_entities"]
    assert both[0]["gameLogs"]["totalCount"] > 0 == both[1]["gameLogs"]["totalCount"]
    nameless = gateways.ask("gamelog", logs, of=[{"__typename": "User", "id": "2001"}])
    assert nameless["data"]["_entities"] == [{"__typename": "User", "id": "2001", "gameLogs": None}]
    for wrong in (
        {**known, "username": 7}, {**known, "id": "x"}, {**known, "group": {"id": "x"}},
        {"__typename": "Group", "id": "1"},
        {"__typename": "GameLog"}, {"__typename": "GameLog", "nodeId": "x"},
        {"__typename": "GameLog", "nodeId": 10**30},
    ):  # fmt: skip
        answer = gateways.ask("gamelog", logs, of=[wrong])
        assert codes_of(answer) == ["BAD_USER_INPUT"], wrong
    bucket = ENTITIES % "... on GameLogBucketKey { user { id } } ... on GameLog { user { id } }"
    for wrong in (
        {"__typename": "GameLog", "nodeId": "x"}, {"__typename": "GameLog", "id": "1"}, {"__typename": "GameLog"},
        {"__typename": "GameLogBucketKey", "userKey": "x"}, {"__typename": "GameLogBucketKey", "userKey": ["x"]},
    ):  # fmt: skip
        assert codes_of(gateways.ask("gamehub", bucket, of=[wrong])) == ["BAD_USER_INPUT"], wrong
    empty = gateways.ask("gamehub", bucket, of=[{"__typename": "GameLogBucketKey", "userKey": None}])
    assert empty["data"]["_entities"] == [{"__typename": "GameLogBucketKey", "user": None}]


def test_the_command_serves_one_part(tmp_path: Path) -> None:
    """It needs no setting of the other upstream, and says which setting of its own is missing."""
    with Sandbox() as sandbox:
        settings = {
            "GAMELOG_URL": sandbox.gamelog_url,
            "GAMELOG_AGENT_CODE": sandbox.agent_code,
            "GAMELOG_AGENT_TOKEN": sandbox.agent_token,
            "SUBGRAPH": "gamelog",
        }
        with served(tmp_path, **settings) as address:
            answer = Gateways({"served": f"{address}/graphql"}).ask("served", "{ _service { sdl } }")
            ready = httpx.get(f"{address}/readyz", trust_env=False).json()
        printed = run("schema", "--subgraph", "gamelog", folder=tmp_path, environment=dict(os.environ))
        assert answer["data"]["_service"]["sdl"] == printed.stdout
        assert ready == {"ready": True}
        lacking = run("serve", "--subgraph", "gamehub", folder=tmp_path, environment={**os.environ, **settings})
        assert lacking.returncode == 2
        assert "GAMEHUB_URL is not set, though SUBGRAPH=gamehub serves it: set it" in lacking.stderr


def test_a_caller_of_some_groups(world: World) -> None:
    """GameHub's subgraph shows such a caller nothing of other groups. Game History's cannot decide it, and fails."""
    ask = world.parts.ask
    user = ask("gamehub", '{ user(id: "2001") { id username group { id } } }')["data"]["user"]
    assert user["group"]["id"] == GROUP
    logs = f"{{ gameLogs(during: {DAYS}, first: 1) {{ nodes {{ agentCode nodeId }} }} }}"
    (log,) = ask("gamelog", logs)["data"]["gameLogs"]["nodes"]
    agent = log["agentCode"]
    named = [encode("GameLog", 1, 0, agent, code, "slot") for code in (user["username"], "nobody at all")]
    of = [{"__typename": "GameLog", "nodeId": each} for each in named]
    of.append({"__typename": "GameLogBucketKey", "userKey": encode(user["username"], agent)})
    query = ENTITIES % "... on GameLog { user { id } } ... on GameLogBucketKey { user { id } }"
    for header, seen in ((world.everyone, {"id": "2001"}), (world.members, {"id": "2001"}), (world.partner, None)):
        answer = ask("gamehub", query, header, of=of)
        assert [each["user"] for each in answer["data"]["_entities"]] == [seen, None, seen]
        assert "errors" not in answer
    # Only both systems together can decide whether another spelling is the same user.
    spelt = {"__typename": "GameLog", "nodeId": encode("GameLog", 1, 0, agent, user["username"].upper(), "slot")}
    assert codes_of(ask("gamehub", query, of=[spelt])) == ["UPSTREAM_UNAVAILABLE"]
    of_user = ENTITIES % f"... on User {{ gameLogs(during: {DAYS}) {{ totalCount }} }}"
    for header in (world.members, world.partner):
        assert codes_of(ask("gamelog", logs, header)) == ["UPSTREAM_UNAVAILABLE"]
        answer = ask("gamelog", of_user, header, of=[{"__typename": "User", **user}])
        assert answer["data"]["_entities"][0]["gameLogs"] is None
        assert codes_of(answer) == ["UPSTREAM_UNAVAILABLE"]


def test_a_group_with_an_agent_of_its_own(tmp_path: Path) -> None:
    """The group of a user, which GameHub's subgraph knows, decides whose log is read."""
    agents = tmp_path / "agents.json"
    with Sandbox() as sandbox:
        other = {"agent_code": "another", "agent_token": sandbox.agent_token}
        agents.write_text(json.dumps({"382": other}))
        with served_graph(tmp_path, subgraph="gamelog", gamelog_agents_file=agents, **of_gamelog(sandbox)) as gamelog:
            sandbox.reset()
            query = ENTITIES % f"... on User {{ gameLogs(during: {DAYS}) {{ totalCount }} }}"
            of = [
                {"__typename": "User", "id": id, "username": "jorge.brown", "group": {"id": group}}
                for id, group in (("2001", "382"), ("2002", "7"))
            ]
            Gateways({"gamelog": gamelog.address}).ask("gamelog", query, of=of)
            called = {call["params"]["agent_code"] for call in sandbox.calls()}
            assert called == {"another", sandbox.agent_code}
