"""Entities are found again by federation reference and by their globally unique id."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from schema.mapping.node import encode
from tests.strangers.client import Client
from tests.strangers.stranger import Stranger
from tests.strangers.upstreams import write_agents
from tests.strangers.world import Log, Movement, User, moment

ENTITIES = """query ($r: [_Any!]!) { _entities(representations: $r) { __typename
  ... on Group { nodeId id name type externalId }
  ... on User { nodeId id username externalId group { id name } }
  ... on Room { nodeId id name }
  ... on Game { nodeId id status cardPrice }
  ... on Transaction { nodeId id amount movement: type currency user { id username } group { id } }
  ... on GameLog { nodeId id bet log: type user { id } } } }"""
EXPECTED: dict[str, tuple[str, dict[str, Any]]] = {
    "Group": ("382", {"name": "E2E Development - Physical", "type": "Distributor", "externalId": "G382"}),
    "User": (
        "60",
        {"username": "u1", "externalId": "X60", "group": {"id": "382", "name": "E2E Development - Physical"}},
    ),
    "Room": ("2", {"name": "Sala 75"}),
    "Game": ("1384861", {"status": "PLAYED", "cardPrice": "5.00"}),
    "Transaction": (
        "3499",
        {
            "amount": "-2.00",
            "movement": "Corrección",
            "currency": "Real USD",
            "user": {"id": "2090", "username": "TEST"},
            "group": {"id": "382"},
        },
    ),
    "GameLog": ("691", {"bet": "2000.00", "log": "BASE", "user": {"id": "60"}}),
}
UNKNOWN = {"Group": "999", "User": "999", "Game": "999", "Transaction": "999", "GameLog": "999"}


@pytest.mark.parametrize("kind", list(EXPECTED))
@pytest.mark.parametrize("as_number", [False, True])
async def test_reference(client: Client, kind: str, as_number: bool) -> None:
    id, expected = EXPECTED[kind]
    async with client:
        data = await client.data(ENTITIES, r=[{"__typename": kind, "id": int(id) if as_number else id}])
    (found,) = data["_entities"]
    assert found.pop("nodeId")
    assert found == {"__typename": kind, "id": id, **expected}


async def test_all_kinds_at_once_and_the_unknown_are_null(client: Client) -> None:
    references = [{"__typename": kind, "id": id} for kind, (id, _) in EXPECTED.items()]
    unknown = [{"__typename": kind, "id": id} for kind, id in UNKNOWN.items()]
    async with client:
        data = await client.data(ENTITIES, r=references + unknown)
    names = [found and found["__typename"] for found in data["_entities"]]
    assert names == [*EXPECTED, *[None] * len(unknown)]


async def test_five_hundred_users_are_one_or_two_calls(stranger: Stranger, client: Client) -> None:
    stranger.world.users += [User(5000 + number, f"many{number}", 347) for number in range(500)]
    references = [{"__typename": "User", "id": str(5000 + number)} for number in range(500)]
    query = (
        "query ($r: [_Any!]!) { _entities(representations: $r) { ... on User { id username group { id name type } } } }"
    )
    async with client:
        data = await client.data(query, r=references)
    group = {"id": "347", "name": "Integrations", "type": "Manager"}
    assert data["_entities"] == [
        {"id": str(5000 + number), "username": f"many{number}", "group": group} for number in range(500)
    ]
    assert stranger.calls() == ["api_groups_report id=347", "api_users_report"]


BAD: list[Any] = [
    {"__typename": "User", "id": "sixty"},
    {"__typename": "User", "id": "-60"},
    {"__typename": "User", "id": "0"},
    {"__typename": "User", "id": None},
    {"__typename": "User", "id": True},
    {"__typename": "User", "id": {"a": 1}},
    {"__typename": "User", "id": "99999999999999999999"},
    {"__typename": "User"},
    {"__typename": "Winner", "id": "1"},
    {"__typename": 7, "id": "1"},
    {"id": "60"},
    "User:60",
    ["User", "60"],
]


@pytest.mark.parametrize("bad", BAD, ids=repr)
async def test_one_bad_representation_fails_alone(client: Client, bad: Any) -> None:
    good = {"__typename": "User", "id": "60"}
    query = "query ($r: [_Any!]!) { _entities(representations: $r) { ... on User { id username } } }"
    async with client:
        result = await client.ask(query, r=[good, bad, good])
        assert result.data == {"_entities": [{"id": "60", "username": "u1"}, None, {"id": "60", "username": "u1"}]}
        assert [error.extensions["code"] for error in result.errors] == ["BAD_USER_INPUT"]
        assert [error.path for error in result.errors] == [["_entities", 1]]


async def test_a_failing_report_fails_its_own_representations(stranger: Stranger, client: Client) -> None:
    stranger.faults["api_groups_report"] = "500"
    references = [{"__typename": "Group", "id": "382"}, {"__typename": "User", "id": "60"}]
    query = "query ($r: [_Any!]!) { _entities(representations: $r) { ... on Group { name } ... on User { username } } }"
    async with client:
        result = await client.ask(query, r=references)
    assert result.data == {"_entities": [None, {"username": "u1"}]}
    assert [(error.path, error.extensions["code"]) for error in result.errors] == [(["_entities", 0], "UPSTREAM_ERROR")]


NODE = """query ($id: ID!) { node(nodeId: $id) { __typename nodeId
  ... on Group { id name } ... on User { id username } ... on Room { id name } ... on Game { id cardPrice }
  ... on Transaction { id amount type timestamp currency user { id username } group { id name } ticketId }
  ... on GameLog { id bet createdAt userCode user { id } } } }"""


@pytest.mark.parametrize("code_from", ["username", "id"])
async def test_every_entity_is_found_again_by_its_node_id(stranger: Stranger, client: Client, code_from: str) -> None:
    stranger.become(code_from=code_from)
    stranger.world.logs = [log for log in stranger.world.logs if log.id not in (731, 734)]  # these have their own tests
    client.options["user_code_from"] = code_from
    async with client:
        data = await client.data(
            """{ groups { nodes { nodeId id name } } users { nodes { nodeId id username } } rooms { nodeId id name }
              games { nodes { nodeId id cardPrice } }
              group(id: "390") { transactions { nodes { nodeId id amount type timestamp currency user { id username }
                group { id name } ticketId } } }
              user(id: "60") { transactions { nodes { nodeId id amount type timestamp currency user { id username }
                group { id name } ticketId } } }
              gameLogs { nodes { nodeId id bet createdAt userCode user { id } } } }"""
        )
        entities = {
            "Group": data["groups"]["nodes"],
            "User": data["users"]["nodes"],
            "Room": data["rooms"],
            "Game": data["games"]["nodes"],
            "Transaction": data["group"]["transactions"]["nodes"] + data["user"]["transactions"]["nodes"],
            "GameLog": data["gameLogs"]["nodes"],
        }
        for kind, found in entities.items():
            assert found
            for entity in found:
                again = await client.data(NODE, id=entity["nodeId"])
                assert again["node"] == {"__typename": kind, **entity}


async def test_one_transaction_has_one_node_id(client: Client) -> None:
    async with client:
        data = await client.data(
            """query ($r: [_Any!]!) { group(id: "390") { transactions { nodes { id nodeId } } }
              user(id: "60") { transactions(inGroup: "390") { nodes { id nodeId } } }
              _entities(representations: $r) { ... on Transaction { id nodeId } } }""",
            r=[{"__typename": "Transaction", "id": "3503"}, {"__typename": "Transaction", "id": "3504"}],
        )
    of_group = {each["id"]: each["nodeId"] for each in data["group"]["transactions"]["nodes"]}
    of_user = {each["id"]: each["nodeId"] for each in data["user"]["transactions"]["nodes"]}
    assert of_user == {id: of_group[id] for id in ("3503", "3504")}
    assert {each["id"]: each["nodeId"] for each in data["_entities"]} == of_user


@pytest.mark.parametrize("zone", ["UTC", "Europe/Madrid", "America/Bogota"])
async def test_transactions_of_an_hour_that_came_twice_are_found_again(
    stranger: Stranger, client: Client, zone: str
) -> None:
    stranger.become(zone=ZoneInfo(zone))
    dates = '{dates: {from: "2022-10-30", to: "2022-10-30"}}'
    async with client:
        data = await client.data(
            f"""{{ group(id: "390") {{ transactions(during: {dates}) {{ nodes {{ id nodeId timestamp amount }} }} }}
              user(id: "2092") {{ transactions(during: {dates}) {{ nodes {{ id nodeId timestamp amount }} }} }} }}"""
        )
        of_group = data["group"]["transactions"]["nodes"]
        assert [each["timestamp"][11:] for each in of_group] == ["23:59:59+01:00", "02:15:00+01:00", "02:45:00+02:00"]
        assert data["user"]["transactions"]["nodes"] == of_group
        for each in of_group:
            again = await client.data(
                "query ($id: ID!) { node(nodeId: $id) { ... on Transaction { id timestamp amount } } }",
                id=each["nodeId"],
            )
            assert again["node"] == {name: each[name] for name in ("id", "timestamp", "amount")}


async def test_a_movement_alone_in_an_hour_that_came_twice_is_found_again(stranger: Stranger, client: Client) -> None:
    """R7 does not say which 02:15 it was. The movement's id identifies the movement."""
    stranger.world.movements = [each for each in stranger.world.movements if each.id == 3496]
    async with client:
        data = await client.data(
            '{ group(id: "390") { transactions(during: {frame: YESTERDAY}) { nodes { nodeId id timestamp } } } }'
        )
        (movement,) = data["group"]["transactions"]["nodes"]
        assert movement["timestamp"] == "2022-10-30T02:15:00+01:00"
        again = await client.data(
            "query ($id: ID!) { node(nodeId: $id) { ... on Transaction { id amount } } }", id=movement["nodeId"]
        )
        assert again["node"] == {"id": "3496", "amount": "-3.00"}


async def test_a_log_of_another_type_of_game_is_found_again(client: Client) -> None:
    async with client:
        data = await client.data('{ gameLogs(gameType: "live") { nodes { nodeId id } } }')
        for log in data["gameLogs"]["nodes"]:
            again = await client.data(
                "query ($id: ID!) { node(nodeId: $id) { ... on GameLog { id } } }", id=log["nodeId"]
            )
            assert again["node"] == {"id": log["id"]}


async def test_a_log_of_a_code_with_a_colon_is_found_again(client: Client) -> None:
    async with client:
        data = await client.data('{ user(id: "8242") { gameLogs { nodes { nodeId id userCode } } } }')
        (log,) = data["user"]["gameLogs"]["nodes"]
        assert log["userCode"] == "marca:ana"
        again = await client.data("query ($id: ID!) { node(nodeId: $id) { ... on GameLog { id } } }", id=log["nodeId"])
        assert again["node"] == {"id": "731"}


async def test_an_entity_that_is_gone_is_null(stranger: Stranger, client: Client) -> None:
    async with client:
        data = await client.data(
            '{ group(id: "390") { nodeId transactions { nodes { nodeId } } } gameLogs { nodes { nodeId } } }'
        )
        ids = [
            data["group"]["nodeId"],
            data["group"]["transactions"]["nodes"][0]["nodeId"],
            data["gameLogs"]["nodes"][0]["nodeId"],
        ]
        stranger.world.groups = [group for group in stranger.world.groups if group.id != 390]
        stranger.world.movements.clear()
        stranger.world.logs.clear()
        for id in ids:
            assert await client.data("query ($id: ID!) { node(nodeId: $id) { nodeId } }", id=id) == {"node": None}


@pytest.mark.parametrize(
    "node_id",
    [
        "", "x", "%%%", "VXNlcg", "é", "User:60",
        *(
            encode(*text.split(":"))
            for text in (
                "User:sixty", "User:60:1", "Winner:1", "Transaction:1", "Transaction:a:b:c:d", "Transaction:1:2:3:-4",
                "GameLog:1:2", "GameLog:1:9999999999999999999:admin:u1",
                "Transaction:3500:2092:390:9999999999999999999",
                "Transaction:3500:99999999999999999999:390:1", "Group:99999999999999999999", "User:0",
                "Transaction:3500:9999999999999999999:390:1667203201000000",
                "GameLog:1:1667203201000000:admin:", "GameLog:1:1667203201000000:admin:a\nb", "GameLog:1:1:admin:u1",
            )
        ),
    ],
)  # fmt: skip
async def test_a_node_id_that_this_graph_did_not_write(client: Client, node_id: str) -> None:
    """`BAD_USER_INPUT`, or null where the id could belong to a deleted entity, but never a fault of the server."""
    async with client:
        result = await client.ask("query ($id: ID!) { node(nodeId: $id) { nodeId } }", id=node_id)
    assert result.data == {"node": None}
    assert [error.extensions["code"] for error in result.errors or []] in ([], ["BAD_USER_INPUT"])


async def test_equal_ids_of_two_agents_are_two_logs(stranger: Stranger, client: Client, tmp_path: Any) -> None:
    """Every agent counts separately. The node id says to which agent the log belongs."""
    stranger.become(agent_of_group={391: "north"})
    at = moment("2022-10-31 10:50:00")
    stranger.world.logs += [Log(950, at, 60, "1", "0", "9", "8"), Log(950, at, 2090, "2", "0", "9", "7")]
    client.upstream_options["agents_file"] = write_agents(tmp_path / "agents.json", {391: ("north", "north-secret")})
    client.options |= {
        "agents": lambda: ("", "north"),
        "agent_of_group": lambda group: "north" if group == 391 else "",
    }
    async with client:
        data = await client.data("{ gameLogs(first: 2) { nodes { nodeId id bet agentCode } } }")
        logs = data["gameLogs"]["nodes"]
        assert {(log["id"], log["bet"], log["agentCode"]) for log in logs} == {
            ("950", "1.00", "admin"), ("950", "2.00", "north"),
        }  # fmt: skip
        for log in logs:
            again = await client.data(
                "query ($id: ID!) { node(nodeId: $id) { ... on GameLog { nodeId id bet agentCode } } }",
                id=log["nodeId"],
            )
            assert again["node"] == log


async def test_a_movement_far_in_the_past_is_found_by_its_node_id(client: Client) -> None:
    async with client:
        data = await client.data(
            """{ user(id: "8243") { transactions(during: {dates: {from: "2020-02-29", to: "2020-02-29"}})
              { nodes { nodeId id } } } }"""
        )
        for each in data["user"]["transactions"]["nodes"]:
            again = await client.data(
                "query ($id: ID!) { node(nodeId: $id) { ... on Transaction { nodeId id } } }", id=each["nodeId"]
            )
            assert again["node"] == each


def test_movement_ids_rise_with_time(stranger: Stranger) -> None:
    """The ids of the stranger's own world are in order."""
    movements: list[Movement] = sorted(stranger.world.movements, key=lambda movement: movement.id)
    assert [each.at for each in movements] == sorted(each.at for each in movements)


@pytest.mark.parametrize("count", [1, 199, 200, 201, 1000])
async def test_equal_representations_are_resolved_once(client: Client, stranger: Stranger, count: int) -> None:
    """All keys are read as one batch, in any number of turns. The order of the answer is the caller's."""
    unlike = [{"__typename": "User", "id": str(10_000 + number)} for number in range(count)]
    references = [{"__typename": "User", "id": "60"}, *unlike, {"__typename": "User", "id": 60, "more": 1}]
    query = "query ($r: [_Any!]!) { _entities(representations: $r) { ... on User { id username } } }"
    async with client:
        once = await client.data(query, r=references[:-1])
        calls = stranger.calls()
        twice = await client.data(query, r=references * (5000 // len(references)))
    user = {"id": "60", "username": "u1"}
    assert once["_entities"] == [user] + [None] * count
    assert twice["_entities"] == ([user] + [None] * count + [user]) * (5000 // len(references))
    assert stranger.calls() == calls
    assert len(calls) <= count + 1


async def test_a_representation_that_is_wrong_is_wrong_each_time(client: Client) -> None:
    query = "query ($r: [_Any!]!) { _entities(representations: $r) { ... on User { id } } }"
    wrong = [{"__typename": "User", "id": True}, {"__typename": "User", "id": "x"}, {"__typename": 1}, 7]
    async with client:
        codes = await client.codes(query, r=[{"__typename": "User", "id": "60"}, *wrong, *wrong])
    assert codes == [(f"_entities.{place}", "BAD_USER_INPUT") for place in range(1, 9)]
