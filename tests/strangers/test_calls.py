"""The upstream calls of a query: only the necessary ones, each once."""

import pytest

from tests.strangers.client import Client
from tests.strangers.stranger import Stranger
from tests.strangers.world import Log, Movement, User, moment

TODAY = "2022-10-31 00:00:00/2022-10-31 23:59:59"
# A log of today is read until the second before the last whole one. Its bounds are one second wider.
TODAYS_LOG = "2022-10-30 23:59:59/2022-10-31 11:59:59"
MONTH = "2022-10-01 00:00:00/2022-10-31 23:59:59"
CALLS = {
    '{ group(id: "382") { id } }': ["api_groups_report id=382"],
    '{ group(id: "382") { name users(username: "u1") { nodes { username group { id name type } } } } }': [
        "api_groups_report id=382", "api_users_report fkgroup=382 username=u1",
    ],
    "{ groups { nodes { id name } } }": ["api_groups_report"],
    '{ groups(ids: ["23", "382"]) { nodes { id } } }': ["api_groups_report"],
    '{ groups(ids: ["23", "347", "380", "382", "390"]) { nodes { id } } }': ["api_groups_report"],
    "{ groups { nodes { users { totalCount } } } }": ["api_groups_report", "api_users_report"],
    "{ groups(ids: []) { totalCount } }": [],
    '{ users(groupId: "382", username: "u1") { nodes { id } } }': ["api_users_report fkgroup=382 username=u1"],
    '{ user(id: "60") { username group { id name } } }': ["api_users_report id=60"],
    '{ user(id: "60") { group { id externalId } } }': ["api_users_report id=60"],
    '{ user(id: "60") { group { type } } }': ["api_groups_report id=382", "api_users_report id=60"],
    '{ a: user(id: "60") { username } b: user(id: "60") { externalId } }': ["api_users_report id=60"],
    '{ group(id: "390") { transactions { nodes { id amount user { id username } group { name } game { id } } } } }': [
        "api_groups_report id=390", f"api_retail_movements group_id=390 {TODAY}",
    ],
    '{ user(id: "61") { transactions { nodes { id amount currency group { id name } } } } }': [
        "api_users_report id=61", f"transaction_report user_id=61 {TODAY}",
    ],
    '{ user(id: "61") { transactions { nodes { ticketId } } } }': [
        f"api_retail_movements group_id=382 {TODAY}", "api_users_report id=61",
        f"transaction_report user_id=61 {TODAY}",
    ],
    '{ group(id: "391") { dailyMovements { net group { id name externalId } } } }': [
        "api_groups_report id=391", f"users_report groupid=391 {MONTH}",
    ],
    "{ financialMovements { nodes { amount group { id } user { username } game { id } } } }": [
        f"api_movements_external_report {TODAY}"
    ],
    '{ financialMovements(groupId: "382") { nodes { amount } } }': [
        f"api_movements_external_report group_id=382 {TODAY}"
    ],
    "{ progressiveJackpots { description } }": ["progressive_jackpot_summary"],
    "{ games { nodes { id room { id name } winners { user { username } } prizes { name amount } } } }": [
        f"api_bulk_games_report {TODAY}",
        # Only this report has the prizes of games on sale.
        f"api_selling_and_preselling_games_report bs_room_id=1 {TODAY}",
        f"api_selling_and_preselling_games_report bs_room_id=2 {TODAY}",
    ],
    '{ games(roomId: "2", status: SELLING) { nodes { id } } }': [
        f"api_bulk_games_report bs_room_id=2 status=1 {TODAY}"
    ],
    "{ rooms { id name games { nodes { id } } } }": [f"api_bulk_games_report {TODAY}"],
    '{ room(id: "1") { name games { nodes { id } } } }': [f"api_bulk_games_report bs_room_id=1 {TODAY}"],
    '{ room(id: "1") { id gamesOnSale { id status prizes { name } room { id } } } }': [
        f"api_bulk_games_report bs_room_id=1 {TODAY}",
        f"api_selling_and_preselling_games_report bs_room_id=1 {TODAY}",
    ],
    '{ game(id: "1384861") { id } }': ["api_retail_game_details_simplified id=1384861"],
    '{ game(id: "1384861") { duration netWin prizes { name winners { username } } } }': [
        "api_retail_game_details_simplified id=1384861"
    ],
    '{ game(id: "1384861") { tickets { id } balls cardPrice } }': ["api_retail_game_details id=1384861"],
    '{ game(id: "1384861") { duration profit } }': [
        "api_retail_game_details id=1384861", "api_retail_game_details_simplified id=1384861",
    ],
    "{ gameLogs { nodes { userCode } } }": [f"get_game_log agent=admin game_type=slot page=0 {TODAYS_LOG}"],
    '{ user(id: "60") { gameLogs(gameType: "live") { nodes { bet user { id username } } } } }': [
        "api_users_report id=60", f"get_game_log agent=admin game_type=live page=0 user_code=u1 {TODAYS_LOG}",
    ],
}  # fmt: skip


@pytest.mark.parametrize("query", list(CALLS))
async def test_a_query_makes_these_calls_and_no_others(stranger: Stranger, client: Client, query: str) -> None:
    async with client:
        await client.data(query)
    assert stranger.calls() == CALLS[query]


async def test_either_way_of_writing_the_base_url(stranger: Stranger, client: Client) -> None:
    client.upstream_options = {"slash": False}
    async with client:
        assert (await client.data('{ group(id: "382") { id } }'))["group"] == {"id": "382"}


async def test_rows_are_never_cut_to_a_page(stranger: Stranger, client: Client) -> None:
    """This vendor sends one row if `per_page=-1` is missing."""
    stranger.become(unpaged_default=1)
    async with client:
        data = await client.data(
            '{ games { totalCount } user(id: "60") { transactions { totalCount } } financialMovements { totalCount } }'
        )
    assert data["games"]["totalCount"] == 10
    assert data["user"]["transactions"]["totalCount"] == 4
    assert data["financialMovements"]["totalCount"] == 8


async def test_the_walk_over_fifty_users(stranger: Stranger, client: Client) -> None:
    world = stranger.world
    for number in range(50):
        user = User(5000 + number, f"walker{number}", 347)
        world.users.append(user)
        at = moment("2022-10-31 10:00:00")
        world.movements.append(Movement(9000 + number, at, user.id, 347, "Bingo - Wager", "-1.00"))
        world.logs.append(Log(9000 + number, at, user.id, "1", "0", "9", "8"))
    async with client:
        data = await client.data(
            """{ group(id: "347") { name users { nodes { id username group { name }
                transactions { nodes { id type amount currency group { id name } user { username } } }
                gameLogs { nodes { id bet win user { id username } } } } } } }"""
        )
    users = data["group"]["users"]["nodes"]
    assert len(users) == 50
    for number, user in enumerate(users):
        assert user == {
            "id": str(5000 + number), "username": f"walker{number}", "group": {"name": "Integrations"},
            "transactions": {
                "nodes": [
                    {
                        "id": str(9000 + number), "type": "Bingo - Wager", "amount": "-1.00", "currency": "Real USD",
                        "group": {"id": "347", "name": "Integrations"}, "user": {"username": f"walker{number}"},
                    }
                ]
            },
            "gameLogs": {
                "nodes": [
                    {
                        "id": str(9000 + number), "bet": "1.00", "win": "0.00",
                        "user": {"id": str(5000 + number), "username": f"walker{number}"},
                    }
                ]
            },
        }  # fmt: skip
    calls = stranger.calls()
    assert len(calls) <= 53
    assert [call for call in calls if call.startswith("get_game_log")] == [
        f"get_game_log agent=admin game_type=slot page=0 {TODAYS_LOG}"
    ]


async def test_the_same_rows_wanted_in_two_places_are_read_once(stranger: Stranger, client: Client) -> None:
    async with client:
        await client.data(
            """{ group(id: "382") { name a: transactions { nodes { id } } b: transactions(first: 1) { nodes { id } } }
              again: group(id: "382") { type transactions(during: {dates: {from: "2022-10-31", to: "2022-10-31"}})
                { totalCount } } }"""
        )
    assert stranger.calls() == ["api_groups_report id=382", f"api_retail_movements group_id=382 {TODAY}"]


DETAILS = ["api_retail_game_details id=1384861"]
TOTALS = ["api_retail_game_details_simplified id=1384861"]


@pytest.mark.parametrize(
    ("query", "variables", "fields", "calls"),
    [
        ("{ tickets @include(if: true) { id } duration @include(if: false) }", None, {"tickets"}, DETAILS),
        ("{ tickets @skip(if: true) { id } duration @skip(if: false) }", None, {"duration"}, TOTALS),
        ("{ tickets @include(if: $yes) { id } duration @include(if: $no) }", True, {"tickets"}, DETAILS),
        ("{ tickets @skip(if: $yes) { id } duration @skip(if: $no) }", True, {"duration"}, TOTALS),
        ("{ ... @include(if: $no) { tickets { id } } ...F @include(if: $yes) }", True, {"duration"}, TOTALS),
        ("{ ... on Game @skip(if: $yes) { tickets { id } } duration @include(if: $yes) }", True, {"duration"}, TOTALS),
    ],
)
async def test_what_is_left_out_costs_no_call(
    stranger: Stranger, client: Client, query: str, variables: bool | None, fields: set[str], calls: list[str]
) -> None:
    head = "query ($yes: Boolean!, $no: Boolean = false) " if variables else ""
    fragment = "fragment F on Game { duration }" if "...F" in query else ""
    unused = "" if variables is None or "$no" in query else " a: __typename @include(if: $no)"
    async with client:
        result = await client.ask(
            f'{head}{{ game(id: "1384861") {query}{unused} }} {fragment}', **({"yes": True} if variables else {})
        )
    assert result.errors is None
    assert set(result.data["game"]) == fields
    assert stranger.calls() == calls
