"""Each subgraph runs with the settings of its own upstream, and both together answer like the whole graph."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from resolvers.caller import Caller
from schema.mapping.node import encode
from server.auth.keys import KeyFile
from tests.federation.supergraph import Gateways, of_gamehub, of_gamelog, running, served_graph, subgraph
from tests.programs import run
from tests.served import served
from tests.stand import Sandbox

KINDS = ("apollo", "hive", "hive-rust", "grafbase")
DAY = '{ dates: { from: "2026-03-14", to: "2026-03-15" } }'
QUERIES = {
    "a user and the logs": f"""{{
      user(id: "2001") {{
        id username group {{ name }}
        transactions(during: {DAY}, first: 2) {{ totalCount nodes {{ type amount }} }}
        gameLogs(during: {DAY}, first: 3) {{
          totalCount nodes {{ id nodeId bet userCode }} pageInfo {{ hasNextPage endCursor }} totals {{ count bet }}
        }}
      }}
    }}""",
    "the walk": f"""{{
      group(id: "382") {{ users(first: 50) {{ nodes {{
        username
        transactions(during: {DAY}, inGroup: "382") {{ nodes {{ amount }} }}
        gameLogs(during: {DAY}) {{ nodes {{ win }} }}
      }} }} }}
    }}""",
    "the users of logs": f"""{{
      gameLogs(during: {DAY}, first: 20) {{ nodes {{ id userCode user {{ id username group {{ id name }} }} }} }}
    }}""",
    "the users of buckets": f"""{{
      gameLogs(during: {DAY}) {{ buckets(by: [USER], orderBy: BET_DESC, first: 5) {{
        key {{ user {{ id username }} day }} totals {{ count bet }}
      }} byDay: buckets(by: [DAY]) {{ key {{ day user {{ id }} }} totals {{ count }} }} }}
    }}""",
    "a wrong period": '{ gameLogs(during: { dates: { from: "2026-03-15", to: "2026-03-14" } }) { totalCount } }',
}


@pytest.fixture(scope="module")
def gateways(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateways]:
    folder = tmp_path_factory.mktemp("parts")
    with (
        Sandbox() as sandbox,
        served_graph(folder, **of_gamehub(sandbox), **of_gamelog(sandbox)) as whole,
        served_graph(folder, subgraph="gamehub", **of_gamehub(sandbox)) as gamehub,
        served_graph(folder, subgraph="gamelog", **of_gamelog(sandbox)) as gamelog,
    ):
        parts = [subgraph("gamehub", gamehub), subgraph("gamelog", gamelog)]
        with running(request.config, folder, {kind: (kind, parts) for kind in KINDS}) as found:
            servers = {"whole": whole.address, "gamehub": gamehub.address, "gamelog": gamelog.address}
            yield Gateways({**found.urls, **servers})


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
    assert user["transactions"]["totalCount"] > 2 < user["gameLogs"]["totalCount"]
    logs = gateways.ask("whole", QUERIES["the users of logs"])["data"]["gameLogs"]["nodes"]
    assert len(logs) == len([log for log in logs if log["user"]["group"]["name"]]) == 20
    buckets = gateways.ask("whole", QUERIES["the users of buckets"])["data"]["gameLogs"]["buckets"]
    assert len([bucket for bucket in buckets if bucket["key"]["user"]["username"]]) == 5
    assert codes_of(gateways.ask("whole", QUERIES["a wrong period"])) == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("kind", ["whole", *KINDS])
def test_a_log_is_found_again(kind: str, gateways: Gateways) -> None:
    """`Query.node` is GameHub's, and the fields of a log are Game History's."""
    logs = f"{{ gameLogs(during: {DAY}, first: 1) {{ nodes {{ nodeId bet }} }} }}"
    (log,) = gateways.ask("whole", logs)["data"]["gameLogs"]["nodes"]
    query = "query ($id: ID!) { node(nodeId: $id) { nodeId ... on GameLog { bet user { id } } } }"
    found = gateways.ask(kind, query, id=log["nodeId"])
    assert "errors" not in found
    assert found["data"]["node"]["nodeId"] == log["nodeId"]
    assert found["data"]["node"]["bet"] == log["bet"]
    assert found["data"]["node"]["user"]["id"]


def test_each_part_calls_its_own_upstream(gateways: Gateways) -> None:
    logs = f"{{ gameLogs(during: {DAY}) {{ totalCount }} }}"
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
    logs = ENTITIES % f"... on User {{ id gameLogs(during: {DAY}) {{ totalCount }} }}"
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


def test_a_caller_of_some_groups(tmp_path: Path) -> None:
    """GameHub's subgraph shows such a caller nothing of other groups. Game History's cannot decide it, and fails."""
    keys = KeyFile(tmp_path / "keys.json")
    callers = (None, frozenset({382}), frozenset({1}))
    headers = [
        {"Authorization": f"Bearer {keys.create(Caller(f'caller{number}', groups, frozenset({'explore'})))[1]}"}
        for number, groups in enumerate(callers)
    ]
    closed: dict[str, Any] = {"closed": True, "keys_file": tmp_path / "keys.json"}
    with (
        Sandbox() as sandbox,
        served_graph(tmp_path, subgraph="gamehub", **of_gamehub(sandbox), **closed) as gamehub,
        served_graph(tmp_path, subgraph="gamelog", **of_gamelog(sandbox), **closed) as gamelog,
    ):
        ask = Gateways({"gamehub": gamehub.address, "gamelog": gamelog.address}).ask
        user = ask("gamehub", '{ user(id: "2001") { id username group { id } } }', headers[0])["data"]["user"]
        assert user["group"]["id"] == "382"
        logs = f"{{ gameLogs(during: {DAY}, first: 1) {{ nodes {{ agentCode nodeId }} }} }}"
        (log,) = ask("gamelog", logs, headers[0])["data"]["gameLogs"]["nodes"]
        named = [encode("GameLog", 1, 0, log["agentCode"], user["username"], "slot")]
        named.append(encode("GameLog", 1, 0, log["agentCode"], "nobody at all", "slot"))
        of = [{"__typename": "GameLog", "nodeId": each} for each in named]
        of.append({"__typename": "GameLogBucketKey", "userKey": encode(user["username"], log["agentCode"])})
        query = ENTITIES % "... on GameLog { user { id } } ... on GameLogBucketKey { user { id } }"
        for header, seen in zip(headers, ({"id": "2001"}, {"id": "2001"}, None), strict=True):
            answer = ask("gamehub", query, header, of=of)
            assert [each["user"] for each in answer["data"]["_entities"]] == [seen, None, seen]
            assert "errors" not in answer
        # Only both systems together can decide whether another spelling is the same user.
        spelt = {"__typename": "GameLog", "nodeId": encode("GameLog", 1, 0, log["agentCode"], "JORGE.BROWN", "slot")}
        assert codes_of(ask("gamehub", query, headers[0], of=[spelt])) == ["UPSTREAM_UNAVAILABLE"]
        of_user = ENTITIES % f"... on User {{ gameLogs(during: {DAY}) {{ totalCount }} }}"
        for header in headers[1:]:
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
            query = ENTITIES % f"... on User {{ gameLogs(during: {DAY}) {{ totalCount }} }}"
            of = [
                {"__typename": "User", "id": id, "username": "jorge.brown", "group": {"id": group}}
                for id, group in (("2001", "382"), ("2002", "7"))
            ]
            Gateways({"gamelog": gamelog.address}).ask("gamelog", query, of=of)
            called = {call["params"]["agent_code"] for call in sandbox.calls()}
            assert called == {"another", sandbox.agent_code}
