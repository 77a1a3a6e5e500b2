"""From a user to the game log and back, by every rule, with one agent or several."""

from pathlib import Path
from typing import Any

import pytest

from tests.strangers.client import Client
from tests.strangers.stranger import Stranger
from tests.strangers.upstreams import write_agents

# A log of today is read until the second before the last whole one; its bounds are a second wider.
TODAYS_LOG = "2022-10-30 23:59:59/2022-10-31 11:59:59"
RULES = {"username": "u1", "external_user_id": "X60", "id": "60"}
WALK = """{ groups { nodes { id users { nodes { id username externalId gameLogs { totalCount
  nodes { id userCode bet user { id username } } } } } } } }"""


@pytest.mark.parametrize("rule", list(RULES))
async def test_alone_and_among_others_a_user_has_the_same_log(stranger: Stranger, client: Client, rule: str) -> None:
    stranger.become(code_from=rule)
    client.options["user_code_from"] = rule
    async with client:
        data = await client.data(WALK)
        together = {
            user["id"]: user["gameLogs"] for group in data["groups"]["nodes"] for user in group["users"]["nodes"]
        }
        assert stranger.calls() == [
            "api_groups_report", "api_users_report", f"get_game_log agent=admin game_type=slot page=0 {TODAYS_LOG}",
        ]  # fmt: skip
        assert sum(logs["totalCount"] for logs in together.values()) == 28
        for id, logs in together.items():
            alone = await client.data(
                f"""{{ user(id: "{id}") {{ gameLogs {{ totalCount
                  nodes {{ id userCode bet user {{ id username }} }} }} }} }}"""
            )
            assert alone["user"]["gameLogs"] == logs
        calls = stranger.calls()
        assert f"get_game_log agent=admin game_type=slot page=0 user_code={RULES[rule]} {TODAYS_LOG}" in calls


@pytest.mark.parametrize("rule", list(RULES))
async def test_from_a_log_to_its_user(stranger: Stranger, client: Client, rule: str) -> None:
    """Codes that GameHub does not know, such as `0`, have no user. This is not an error."""
    stranger.become(code_from=rule)
    client.options["user_code_from"] = rule
    async with client:
        data = await client.data("{ gameLogs(first: 6) { nodes { userCode user { id username group { id } } } } }")
    assert [log["user"] for log in data["gameLogs"]["nodes"]] == [
        None,
        None,
        {"id": "8243", "username": "José", "group": {"id": "23"}},
        {"id": "8242", "username": "marca:ana", "group": {"id": "391"}},
        {"id": "8241", "username": "caja 1 & más=+%", "group": {"id": "390"}},
        {"id": "2092", "username": "E2E Testing User 2C6F62B", "group": {"id": "390"}},
    ]


async def test_whether_a_code_has_a_user_does_not_depend_on_what_is_asked(client: Client) -> None:
    async with client:
        data = await client.data("{ gameLogs(first: 2) { nodes { userCode a: user { username } b: user { id } } } }")
        names = await client.data("{ gameLogs(first: 2) { nodes { userCode user { username } } } }")
    assert [log["a"] is None for log in data["gameLogs"]["nodes"]] == [True, True]
    assert [log["user"] is None for log in names["gameLogs"]["nodes"]] == [True, True]


async def test_codes_in_another_case(stranger: Stranger, client: Client) -> None:
    """Game History writes its codes in capitals: a user has the same log alone and among others."""
    stranger.become(code_case="upper")
    async with client:
        alone = await client.data('{ user(id: "60") { gameLogs { totalCount } } }')
        data = await client.data('{ users(ids: ["60", "61"]) { nodes { id gameLogs { totalCount } } } }')
    assert alone["user"]["gameLogs"]["totalCount"] == 7
    assert data["users"]["nodes"] == [
        {"id": "60", "gameLogs": {"totalCount": 7}},
        {"id": "61", "gameLogs": {"totalCount": 6}},
    ]


async def test_a_user_without_the_code_is_an_error_not_an_empty_log(stranger: Stranger, client: Client) -> None:
    stranger.become(code_from="external_user_id", external=False)
    client.options["user_code_from"] = "external_user_id"
    async with client:
        result = await client.ask('{ user(id: "60") { username gameLogs { totalCount } } }')
    assert result.data == {"user": {"username": "u1", "gameLogs": None}}
    assert [error.path for error in result.errors] == [["user", "gameLogs"]]
    assert result.errors[0].extensions["code"].startswith("UPSTREAM_")


class TestSeveralAgents:
    """Group 391 has its own agent, `north`; all other groups share `admin`."""

    @pytest.fixture(autouse=True)
    def _agents(self, stranger: Stranger, client: Client, tmp_path: Path) -> None:
        stranger.become(agent_of_group={391: "north"})
        client.upstream_options["agents_file"] = write_agents(
            tmp_path / "agents.json", {391: ("north", "north-secret")}
        )
        client.options |= {
            "agents": lambda: ("", "north"),
            "agent_of_group": lambda group: "north" if group == 391 else "",
        }

    async def test_every_users_log_is_read_from_its_own_agent(self, stranger: Stranger, client: Client) -> None:
        async with client:
            data = await client.data(WALK)
        counts = {
            user["username"]: user["gameLogs"]["totalCount"]
            for group in data["groups"]["nodes"]
            for user in group["users"]["nodes"]
        }
        assert counts == {
            "E2E Testing User": 0, "tv1": 0, "u1": 7, "u2": 6, "u11": 0, "TEST": 6, "TESTER": 0,
            "E2E Testing User 2C6F62B": 6, "caja 1 & más=+%": 1, "marca:ana": 1, "José": 1, "777": 0,
        }  # fmt: skip
        assert stranger.calls() == [
            "api_groups_report",
            "api_users_report",
            f"get_game_log agent=admin game_type=slot page=0 {TODAYS_LOG}",
            f"get_game_log agent=north game_type=slot page=0 {TODAYS_LOG}",
        ]

    async def test_one_user(self, stranger: Stranger, client: Client) -> None:
        async with client:
            data = await client.data('{ user(id: "2090") { gameLogs { totalCount nodes { agentCode } } } }')
        assert data["user"]["gameLogs"] == {"totalCount": 6, "nodes": [{"agentCode": "north"}] * 6}
        assert stranger.calls() == [
            "api_users_report id=2090", f"get_game_log agent=north game_type=slot page=0 user_code=TEST {TODAYS_LOG}",
        ]  # fmt: skip

    async def test_all_logs_are_those_of_all_agents(self, stranger: Stranger, client: Client) -> None:
        async with client:
            data = await client.data("{ gameLogs { totalCount nodes { id agentCode user { id } } } }")
        assert data["gameLogs"]["totalCount"] == 30
        assert {log["agentCode"] for log in data["gameLogs"]["nodes"]} == {"admin", "north"}

    async def test_logs_are_found_again(self, client: Client) -> None:
        async with client:
            data = await client.data('{ user(id: "2090") { gameLogs { nodes { nodeId id agentCode } } } }')
            for log in data["user"]["gameLogs"]["nodes"]:
                again = await client.data(
                    "query ($id: ID!) { node(nodeId: $id) { ... on GameLog { nodeId id agentCode } } }",
                    id=log["nodeId"],
                )
                assert again["node"] == log
            data = await client.data(
                "query ($r: [_Any!]!) { _entities(representations: $r) { ... on GameLog { id agentCode } } }",
                r=[{"__typename": "GameLog", "id": "702"}, {"__typename": "GameLog", "id": "700"}],
            )
        assert data["_entities"] == [{"id": "702", "agentCode": "north"}, {"id": "700", "agentCode": "admin"}]

    @pytest.mark.parametrize("query", ['user(id: "2090")', 'users(ids: ["2090"])', 'group(id: "391")'])
    async def test_the_agent_of_a_user_whose_row_has_no_group_id(
        self, stranger: Stranger, client: Client, query: str
    ) -> None:
        """R9 as in its example: if the group is unknown, the default agent's log is not this user's."""
        stranger.become(bare_users=True)
        inner = "id gameLogs { totalCount }"
        shape = {"user(": inner, "users": f"nodes {{ {inner} }}", "group": f"users {{ nodes {{ {inner} }} }}"}
        async with client:
            result = await client.ask(f"{{ {query} {{ {shape[query[:5]]} }} }}")

        def counts(value: Any) -> list[int | None]:
            if isinstance(value, dict) and value.get("id") == "2090":
                return [value["gameLogs"] and value["gameLogs"]["totalCount"]]
            inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
            return [count for each in inside for count in counts(each)]

        assert counts(result.data) == [6] or (counts(result.data) == [None] and result.errors)

    async def test_one_agent_down_leaves_the_others_users_alone(self, stranger: Stranger, client: Client) -> None:
        stranger.agents["north"] = "changed"
        async with client:
            result = await client.ask('{ users(ids: ["60", "2090"]) { nodes { id gameLogs { totalCount } } } }')
            everyone = await client.ask("{ gameLogs { totalCount } }")
        assert result.data["users"]["nodes"] == [
            {"id": "60", "gameLogs": {"totalCount": 7}}, {"id": "2090", "gameLogs": None},
        ]  # fmt: skip
        assert [(error.path, error.extensions["code"]) for error in result.errors] == [
            (["users", "nodes", 1, "gameLogs"], "UPSTREAM_UNAUTHENTICATED")
        ]
        assert everyone.data == {"gameLogs": None}
