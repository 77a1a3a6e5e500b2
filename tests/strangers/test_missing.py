"""Optional values that a vendor leaves out: external ids, a room's name in R2, a group's type, and most of a user."""

from typing import Any

import pytest

from tests.strangers.client import Client
from tests.strangers.stranger import Stranger


async def test_without_external_ids(stranger: Stranger, client: Client) -> None:
    stranger.become(external=False)
    async with client:
        data = await client.data(
            """{ user(id: "60") { externalId group { externalId } transactions { nodes { group { externalId name } } } }
              game(id: "1384861") { prizes { winners { user { id externalId username } } } }
              financialMovements { nodes { user { externalId } } } }"""
        )
    assert data["user"]["externalId"] is None
    assert data["user"]["group"] == {"externalId": None}
    assert data["user"]["transactions"]["nodes"][0] == {
        "group": {"externalId": None, "name": "E2E Development - Physical"}
    }
    assert data["game"]["prizes"][0]["winners"] == [{"user": {"id": "60", "externalId": None, "username": "u1"}}]
    assert len(data["financialMovements"]["nodes"]) == 8


async def test_external_ids_that_a_row_lacks_are_read_where_they_stand(stranger: Stranger, client: Client) -> None:
    """The documents' own R2 example has winners without `external_user_id`; R9 has it."""
    for game in stranger.world.games:
        for winner in game.bulk.get("winners", ()):
            assert "external_user_id" in winner
    stranger.world.games = [
        game
        if game.id != 1384861
        else type(game)(
            **{
                **vars(game),
                "bulk": {
                    **game.bulk,
                    "winners": [
                        {name: value for name, value in winner.items() if name != "external_user_id"}
                        for winner in game.bulk["winners"]
                    ],
                },
            }
        )
        for game in stranger.world.games
    ]
    async with client:
        data = await client.data("{ games(status: PLAYED) { nodes { winners { user { id externalId } } } } }")
    assert data["games"]["nodes"][0]["winners"] == [{"user": {"id": "60", "externalId": "X60"}}] * 2


@pytest.mark.parametrize("query", ["rooms", "room", "games", "node"])
async def test_a_room_has_its_name_wherever_it_is_asked(stranger: Stranger, client: Client, query: str) -> None:
    """Only R2's example has `room_name`. R3 and R4 have it in their tables."""
    stranger.become(room_name=False)
    async with client:
        if query == "rooms":
            assert await client.data("{ rooms { id name } }") == {
                "rooms": [{"id": "1", "name": "E2E Bingo 90"}, {"id": "2", "name": "Sala 75"}]
            }
        elif query == "room":
            assert await client.data('{ room(id: "2") { name } }') == {"room": {"name": "Sala 75"}}
        elif query == "games":
            data = await client.data("{ games(status: PLAYING) { nodes { room { id name } } } }")
            assert data["games"]["nodes"] == [{"room": {"id": "2", "name": "Sala 75"}}]
        else:
            node_id = (await client.data('{ room(id: "1") { nodeId } }'))["room"]["nodeId"]
            data = await client.data("query ($id: ID!) { node(nodeId: $id) { ... on Room { name } } }", id=node_id)
            assert data == {"node": {"name": "E2E Bingo 90"}}


async def test_a_name_that_nobody_asked_for_costs_no_call(stranger: Stranger, client: Client) -> None:
    stranger.become(room_name=False)
    async with client:
        data = await client.data('{ room(id: "1") { id games { nodes { id } } } }')
    assert len(data["room"]["games"]["nodes"]) == 4
    assert stranger.calls() == ["api_bulk_games_report bs_room_id=1 2022-10-31 00:00:00/2022-10-31 23:59:59"]


async def test_groups_without_type(stranger: Stranger, client: Client) -> None:
    stranger.become(group_type=False)
    async with client:
        data = await client.data('{ group(id: "390") { name type } }')
    assert data == {"group": {"name": "E2E Testing Group", "type": None}}


class TestBareUsers:
    """R9 as in the document's example: `id`, `username` and the group's name, and no `group_id`."""

    @pytest.fixture(autouse=True)
    def _bare(self, stranger: Stranger) -> None:
        stranger.become(bare_users=True)

    async def test_users_of_groups(self, stranger: Stranger, client: Client) -> None:
        async with client:
            data = await client.data(
                "{ groups { nodes { id users { totalCount nodes { id group { id name type } } } } } }"
            )
        assert {group["id"]: group["users"]["totalCount"] for group in data["groups"]["nodes"]} == {
            "23": 2, "347": 0, "380": 0, "382": 3, "390": 3, "391": 4,
        }  # fmt: skip
        for group in data["groups"]["nodes"]:
            assert all(user["group"]["id"] == group["id"] for user in group["users"]["nodes"])

    async def test_the_name_of_the_group(self, client: Client) -> None:
        async with client:
            data = await client.data('{ user(id: "60") { username group { name } } }')
        assert data == {"user": {"username": "u1", "group": {"name": "E2E Development - Physical"}}}

    @pytest.mark.parametrize("query", ['user(id: "60")', 'users(ids: ["60"])'])
    async def test_the_group_is_found_by_its_name(self, client: Client, query: str) -> None:
        """A null would mean that the user has no group, but R8 knows the group."""
        wanted = {"id": "382", "name": "E2E Development - Physical", "type": "Distributor"}
        inner = "group { id name type }"
        async with client:
            result = await client.ask(
                f"{{ {query} {{ {inner if query.startswith('user(') else f'nodes {{ {inner} }}'} }} }}"
            )
        found: Any = result.data and (result.data.get("user") or result.data["users"]["nodes"][0])
        assert found["group"] == wanted or result.errors

    async def test_logs_and_transactions(self, client: Client) -> None:
        async with client:
            data = await client.data(
                """{ group(id: "382") { users { nodes { id transactions { totalCount }
                  gameLogs { totalCount nodes { user { id group { name } } } } } } } }"""
            )
        users = data["group"]["users"]["nodes"]
        counts = [(u["id"], u["transactions"]["totalCount"], u["gameLogs"]["totalCount"]) for u in users]
        assert counts == [("60", 4, 7), ("61", 2, 6), ("62", 0, 0)]
