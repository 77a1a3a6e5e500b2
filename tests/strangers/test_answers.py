"""Every root field, every relation and every field of each type: the answers are exact for every vendor's spelling."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.strangers.client import Client
from tests.strangers.stranger import MADRID, Stranger

# Forms of writing that must not be visible in an answer.
WAYS: dict[str, dict[str, Any]] = {
    "as documented": {},
    "ids as text": {"ids": "text"},
    "money as numbers": {"money": "number"},
    "numbers as text": {"counts": "text", "ids": "text"},
    "always report": {"key": "report"},
    "always Report": {"key": "Report", "single": "list"},
    "a game is a list of one": {"single": "list"},
    "no row is a list": {"empty": "list", "unknown": "empty"},
    "no row is 10002": {"empty": "10002", "unknown": "empty"},
    "PHP": {"php": True, "ids": "text", "counts": "text", "absent": "false"},
    "nulls": {"absent": "null"},
    "false for no object": {"absent": "false"},
    "oldest first": {"order": "oldest"},
    "more columns": {"extra": True},
    "clocks in UTC": {"zone": ZoneInfo("UTC"), "log_zone": ZoneInfo("UTC")},
    "clocks far away": {"zone": ZoneInfo("America/Bogota"), "log_zone": ZoneInfo("Asia/Seoul")},
    "small pages": {"page_cap": 7, "over_cap": "clip"},
    "all at once": {
        "ids": "text", "money": "number", "counts": "text", "key": "Report", "single": "list", "php": True,
        "absent": "false", "order": "oldest", "extra": True, "zone": ZoneInfo("America/New_York"),
    },
}  # fmt: skip
WHOLE = {"hasNextPage": False, "hasPreviousPage": False}


@pytest.fixture(params=list(WAYS))
def any_way(request: pytest.FixtureRequest, stranger: Stranger) -> Stranger:
    """The stranger, in each form of writing."""
    stranger.become(**WAYS[request.param])
    return stranger


async def test_group(any_way: Stranger, client: Client) -> None:
    async with client:
        data = await client.data(
            """{ group(id: "382") { id externalId name type
                users { totalCount pageInfo { hasNextPage hasPreviousPage }
                  nodes { id externalId username group { id externalId name type } } } }
              empty: group(id: "347") { name users { totalCount nodes { id } edges { cursor }
                pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }
              none: group(id: "999") { id name } }"""
        )
    group = {"id": "382", "externalId": "G382", "name": "E2E Development - Physical", "type": "Distributor"}
    users = [
        {"id": str(id), "externalId": f"X{id}", "username": name, "group": group}
        for id, name in ((60, "u1"), (61, "u2"), (62, "u11"))
    ]
    assert data == {
        "group": {**group, "users": {"totalCount": 3, "pageInfo": WHOLE, "nodes": users}},
        "empty": {
            "name": "Integrations",
            "users": {
                "totalCount": 0, "nodes": [], "edges": [],
                "pageInfo": {**WHOLE, "startCursor": None, "endCursor": None},
            },
        },
        "none": None,
    }  # fmt: skip


async def test_groups_and_users(any_way: Stranger, client: Client) -> None:
    async with client:
        data = await client.data(
            """{ groups { totalCount nodes { id name } }
              some: groups(ids: ["390", "23", "999", "390"]) { totalCount nodes { id type } }
              users { totalCount nodes { id username } }
              two: users(ids: ["8243", "60", "999"]) { totalCount nodes { id username externalId } }
              searched: users(username: "u1") { nodes { id } }
              grouped: users(groupId: "391") { nodes { id } }
              both: users(groupId: "382", username: "u1") { nodes { id } }
              awkward: users(username: "1 & más=+%") { nodes { id username } }
              nobody: users(username: "nobody") { totalCount nodes { id } }
              user(id: "60") { id externalId username group { id name } }
              none: user(id: "999") { id } }"""
        )
    assert data == {
        "groups": {
            "totalCount": 6,
            "nodes": [
                {"id": "23", "name": "Salón Ñandú"},
                {"id": "347", "name": "Integrations"},
                {"id": "380", "name": "Casa Matriz"},
                {"id": "382", "name": "E2E Development - Physical"},
                {"id": "390", "name": "E2E Testing Group"},
                {"id": "391", "name": "Local 1 (0.00%)"},
            ],
        },
        "some": {"totalCount": 2, "nodes": [{"id": "23", "type": "Local"}, {"id": "390", "type": "Local"}]},
        "users": {
            "totalCount": 12,
            "nodes": [{"id": str(each.id), "username": each.username} for each in any_way.world.users],
        },
        "two": {
            "totalCount": 2,
            "nodes": [
                {"id": "60", "username": "u1", "externalId": "X60"},
                {"id": "8243", "username": "José", "externalId": "X8243"},
            ],
        },
        "searched": {"nodes": [{"id": "60"}, {"id": "62"}]},
        "grouped": {"nodes": [{"id": "2090"}, {"id": "2091"}, {"id": "8242"}, {"id": "8244"}]},
        "both": {"nodes": [{"id": "60"}, {"id": "62"}]},
        "awkward": {"nodes": [{"id": "8241", "username": "caja 1 & más=+%"}]},
        "nobody": {"totalCount": 0, "nodes": []},
        "user": {
            "id": "60", "externalId": "X60", "username": "u1",
            "group": {"id": "382", "name": "E2E Development - Physical"},
        },
        "none": None,
    }  # fmt: skip


TRANSACTION = """fragment T on Transaction { nodeId id timestamp type amount currency baseAmount baseCurrency ticketId
  group { id name externalId type } user { id username externalId } game { id status } }"""


def _transaction(
    id: int, at: str, amount: str, group: dict[str, str], user: int, name: str, type: str = "Bingo - Wager", **more: Any
) -> dict[str, Any]:
    return {
        "id": str(id), "timestamp": at, "type": type, "amount": amount, "currency": "Real USD", "baseAmount": amount,
        "baseCurrency": "Real USD", "ticketId": None, "group": group, "game": None,
        "user": {"id": str(user), "username": name, "externalId": f"X{user}"}, **more,
    }  # fmt: skip


G382 = {"id": "382", "name": "E2E Development - Physical", "externalId": "G382", "type": "Distributor"}
G390 = {"id": "390", "name": "E2E Testing Group", "externalId": "G390", "type": "Local"}
PLAYED = {"id": "1384861", "status": "PLAYED"}
T3506 = _transaction(
    3506, "2022-10-31T11:28:42+01:00", "-0.10", G382, 60, "u1", game={"id": "1384864", "status": "PLAYING"}
)
T3505 = _transaction(3505, "2022-10-31T11:27:14+01:00", "-0.10", G382, 60, "u1")
T3504 = _transaction(
    3504, "2022-10-31T10:10:00+01:00", "-3.00", G390, 60, "u1", currency="Real EUR", baseAmount="-3.3315",
    ticketId="164522q8bs", game=PLAYED,
)  # fmt: skip
T3503 = _transaction(
    3503, "2022-10-31T10:05:00+01:00", "11.39", G390, 60, "u1", "Bingo - Prize", ticketId="164522q8bs", game=PLAYED
)
T3502 = _transaction(
    3502, "2022-10-31T10:00:30+01:00", "5.00", G382, 61, "u2", "Bingo - Refund",
    game={"id": "1384862", "status": "CANCELLED"},
)  # fmt: skip
T3501 = _transaction(3501, "2022-10-31T09:30:00+01:00", "-7.50", G382, 61, "u2", "Manual Adjustment")
T3500 = _transaction(3500, "2022-10-31T09:00:01+01:00", "-1.00", G390, 2092, "E2E Testing User 2C6F62B")
T3499 = _transaction(3499, "2022-10-31T08:59:59+01:00", "-2.00", G382, 2090, "TEST", "Corrección")


async def test_a_movement_reads_the_same_whichever_report_it_came_from(any_way: Stranger, client: Client) -> None:
    async with client:
        data = await client.data(
            """query { group(id: "382") { transactions { totalCount nodes { ...T } } }
              user(id: "60") { transactions { totalCount nodes { ...T } }
                visiting: transactions(inGroup: "390") { totalCount nodes { ...T } } } } """
            + TRANSACTION
        )
    of_group = data["group"]["transactions"]["nodes"]
    of_user = data["user"]["transactions"]["nodes"]
    ids = {each["id"]: each.pop("nodeId") for each in of_group}
    assert of_group == [T3506, T3505, T3502, T3501, T3499]
    assert [each.pop("nodeId") for each in of_user][:2] == [ids["3506"], ids["3505"]]
    assert of_user == [T3506, T3505, T3504, T3503]
    visiting = data["user"]["visiting"]["nodes"]
    assert [each.pop("nodeId") is not None and each for each in visiting] == [T3504, T3503]


async def test_daily_movements(any_way: Stranger, client: Client) -> None:
    any_way.become(zone=MADRID)  # whose day a total is of where the system's days are not the business's is not settled
    async with client:
        data = await client.data(
            """{ group(id: "391") { dailyMovements { date totalWagers totalWins totalRefunds totalPaid paidTickets net
                group { id name type externalId } } }
              none: group(id: "347") { dailyMovements { date } } }"""
        )
    group = {"id": "391", "name": "Local 1 (0.00%)", "type": "Local", "externalId": "G391"}
    assert data == {
        "group": {
            "dailyMovements": [
                {
                    "date": "2022-10-01", "totalWagers": "30.00", "totalWins": "0.00", "totalRefunds": "0.00",
                    "totalPaid": "-20.00", "paidTickets": 5, "net": "10.00", "group": group,
                },
                {
                    "date": "2022-10-30", "totalWagers": "3.00", "totalWins": "2.00", "totalRefunds": "1.00",
                    "totalPaid": "0.00", "paidTickets": 0, "net": "4.00", "group": group,
                },
                {
                    "date": "2022-10-31", "totalWagers": "0.125", "totalWins": "0.00", "totalRefunds": "0.00",
                    "totalPaid": "0.00", "paidTickets": 0, "net": "0.125", "group": group,
                },
            ]
        },
        "none": {"dailyMovements": []},
    }  # fmt: skip


async def test_financial_movements(any_way: Stranger, client: Client) -> None:
    async with client:
        data = await client.data(
            """{ financialMovements { totalCount nodes { timestamp type typeName subtype subtypeName amount
                group { id name externalId } user { id username externalId } game { id } } }
              below: financialMovements(groupId: "382") { totalCount nodes { amount group { id } } }
              group(id: "391") { financialMovements { totalCount nodes { amount group { id } } } }
              none: group(id: "347") { financialMovements { totalCount nodes { amount } } } }"""
        )
    u1 = {"id": "60", "username": "u1", "externalId": "X60"}
    g390 = {"id": "390", "name": "E2E Testing Group", "externalId": "G390"}
    g391 = {"id": "391", "name": "Local 1 (0.00%)", "externalId": "G391"}
    nodes = data["financialMovements"]["nodes"]
    assert data["financialMovements"]["totalCount"] == 8
    assert nodes[0] == {
        "timestamp": "2022-10-31T10:10:00+01:00", "type": 1, "typeName": "Wager transaction", "subtype": 1,
        "subtypeName": "Bingo Transaction", "amount": "3.00", "group": g390, "user": u1, "game": {"id": "1384861"},
    }  # fmt: skip
    assert (nodes[1]["typeName"], nodes[1]["subtypeName"]) == ("API transaction", "Credit Prepaid Bingo Winning")
    assert [each["subtypeName"] for each in nodes[2:4]] == ["Bingo Transaction", "API refund due to cancellation"]
    assert nodes[4] == nodes[5]
    assert nodes[6] == {
        "timestamp": "2022-10-31T08:00:00+01:00", "type": 100, "typeName": "API transaction", "subtype": 3,
        "subtypeName": "Credit Ticket Commission", "amount": "0.50", "group": g391, "user": None, "game": None,
    }  # fmt: skip
    assert nodes[7]["type"] == 200
    assert nodes[7]["subtype"] == 9
    assert nodes[7]["typeName"] is nodes[7]["subtypeName"] is None
    assert nodes[7]["amount"] == "0.08"
    below = data["below"]
    assert below["totalCount"] == 6
    assert {each["group"]["id"] for each in below["nodes"]} == {"382", "390", "391"}
    assert [each["amount"] for each in data["group"]["financialMovements"]["nodes"]] == ["0.50", "0.08"]
    assert data["none"]["financialMovements"] == {"totalCount": 0, "nodes": []}


async def test_game_logs(any_way: Stranger, client: Client) -> None:
    fields = """ fragment L on GameLog { id agentCode userCode providerCode gameCode type bet win txnId txnType
      userStartBalance userEndBalance
      agentStartBalance agentEndBalance createdAt user { id username } }"""
    async with client:
        data = await client.data(
            """{ gameLogs { totalCount nodes { ...L } } live: gameLogs(gameType: "live") { nodes { id userCode } }
              none: gameLogs(gameType: "table") { totalCount nodes { id } }
              user(id: "60") { gameLogs { totalCount nodes { ...L } } }
              quiet: user(id: "62") { gameLogs { totalCount nodes { id } } } }"""
            + fields
        )
    logs = data["gameLogs"]["nodes"]
    assert data["gameLogs"]["totalCount"] == len(logs) == 30
    assert [log["id"] for log in logs[:6]] == ["734", "733", "732", "731", "730", "723"]
    assert logs[-1] == {
        "id": "691", "agentCode": "admin", "userCode": "u1", "providerCode": "PRAGMATIC", "gameCode": "vs20doghouse",
        "type": "BASE", "bet": "2000.00", "win": "0.125", "txnId": "64a83f2fc597acc9004eec52c3f8691",
        "txnType": "debit_credit", "userStartBalance": "230500.00", "userEndBalance": "228500.125",
        "agentStartBalance": "22092000.00", "agentEndBalance": "22092000.00",
        "createdAt": "2022-10-31T00:00:00+01:00", "user": {"id": "60", "username": "u1"},
    }  # fmt: skip
    assert [log["user"] for log in logs[:4]] == [
        None, None, {"id": "8243", "username": "José"}, {"id": "8242", "username": "marca:ana"},
    ]  # fmt: skip
    assert data["live"]["nodes"] == [{"id": "801", "userCode": "u2"}, {"id": "800", "userCode": "u1"}]
    assert data["none"] == {"totalCount": 0, "nodes": []}
    own = [log for log in logs if log["userCode"] == "u1"]
    assert data["user"]["gameLogs"] == {"totalCount": 7, "nodes": own}
    assert data["quiet"]["gameLogs"] == {"totalCount": 0, "nodes": []}


async def test_progressive_jackpots(any_way: Stranger, client: Client) -> None:
    async with client:
        data = await client.data(
            "{ progressiveJackpots { description value valueMax percentage seed seedBase seedMax seedPercentage } }"
        )
    assert data["progressiveJackpots"] == [
        {
            "description": "PJP Name", "value": "1234.50", "valueMax": "5000.00", "percentage": "5.00",
            "seed": "15.125", "seedBase": "10.00", "seedMax": "100.00", "seedPercentage": "30.00",
        },
        {
            "description": "Bote 75", "value": "0.08", "valueMax": None, "percentage": None, "seed": None,
            "seedBase": None, "seedMax": None, "seedPercentage": None,
        },
    ][:: -1 if any_way.quirks.order == "oldest" else 1]  # fmt: skip


async def test_rooms_and_games(any_way: Stranger, client: Client) -> None:
    async with client:
        data = await client.data(
            """{ rooms { id name games { totalCount nodes { id } } }
              room(id: "1") { id name games(status: PLAYED) { nodes { id room { id name } status statusName
                configuration { id name key } startsAt endsAt cardPrice cardsBought wagered paid
                prizes { id name amount callNumber }
                winners { user { id username externalId } username cardHolderName cardId ticketId callNumber
                  prizeName } } } }
              games { totalCount nodes { id status statusName endsAt room { name } } }
              selling: games(status: SELLING) { nodes { id } }
              second: games(roomId: "2", status: SELLING) { nodes { id } }
              none: games(roomId: "2", status: PLAYED) { totalCount nodes { id } } }"""
        )
    assert data["rooms"] == [
        {"id": "1", "name": "E2E Bingo 90",
         "games": {"totalCount": 4, "nodes": [{"id": str(1384860 + n)} for n in (1, 2, 5, 6)]}},
        {"id": "2", "name": "Sala 75",
         "games": {"totalCount": 6, "nodes": [{"id": str(1384860 + n)} for n in (3, 8, 9, 10, 4, 7)]}},
    ]  # fmt: skip
    assert {k: data["room"][k] for k in ("id", "name")} == {"id": "1", "name": "E2E Bingo 90"}
    assert data["room"]["games"]["nodes"] == [
        {
            "id": "1384861", "room": {"id": "1", "name": "E2E Bingo 90"}, "status": "PLAYED", "statusName": "Played",
            "configuration": {"id": "134", "name": "The test", "key": 7}, "startsAt": "2022-10-31T09:00:00+01:00",
            "endsAt": "2022-10-31T09:01:18+01:00", "cardPrice": "5.00", "cardsBought": 24, "wagered": "120.00",
            "paid": "81.71",
            "prizes": [
                {"id": "3499", "name": "One line", "amount": "15.10", "callNumber": 37},
                {"id": "3500", "name": "Two lines", "amount": "22.65", "callNumber": 57},
                {"id": "3501", "name": "Fullhouse", "amount": "37.77", "callNumber": 68},
                {"id": "3502", "name": "PJP", "amount": "6.19", "callNumber": 68},
            ],
            "winners": [
                {
                    "user": {"id": "60", "username": "u1", "externalId": "X60"}, "username": "u1",
                    "cardHolderName": "Tía u1", "cardId": card, "ticketId": None, "callNumber": call,
                    "prizeName": prize,
                }
                for card, call, prize in (("6010-2", 73, "One line"), ("6010-1", 81, "Two lines"))
            ],
        }
    ]  # fmt: skip
    nodes = data["games"]["nodes"]
    assert data["games"]["totalCount"] == len(nodes) == 10
    assert [(each["id"][-2:], each["status"], each["statusName"], each["endsAt"]) for each in nodes] == [
        ("61", "PLAYED", "Played", "2022-10-31T09:01:18+01:00"),
        ("62", "CANCELLED", "Cancelled", "2022-10-31T10:00:20+01:00"),
        ("63", "NOT_PLAYED", "Not played", "2022-10-31T10:30:00+01:00"),
        ("68", "CANCELLING", "Cancelling", None),
        ("69", "TO_PROCESS_CANCEL", "To process cancel", None),
        ("70", "UNKNOWN", "Postponed", None),
        ("64", "PLAYING", "Playing", None),
        ("65", "SELLING", "Selling", None),
        ("66", "PRESELLING", "Preselling", None),
        ("67", "SELLING", "Selling", None),
    ]
    assert data["selling"]["nodes"] == [{"id": "1384865"}, {"id": "1384867"}]
    assert data["second"]["nodes"] == [{"id": "1384867"}]
    assert data["none"] == {"totalCount": 0, "nodes": []}


async def test_games_on_sale(any_way: Stranger, client: Client) -> None:
    async with client:
        data = await client.data(
            """{ room(id: "1") { gamesOnSale { id room { id name } status statusName startsAt cardsBought cardPrice
                  canceledTickets prizes { id name amount } variant } }
              other: room(id: "2") { gamesOnSale { id status statusName prizes { name } } }
              past: room(id: "2") { gamesOnSale(during: {frame: YESTERDAY}) { id } }
              game(id: "1384865") { canceledTickets } }"""
        )
    prizes = [
        {"id": None, "name": "One line", "amount": "11.00"},
        {"id": None, "name": "Two lines", "amount": "0.00"},
    ]
    room = {"id": "1", "name": "E2E Bingo 90"}
    common = {"room": room, "cardPrice": "1.00", "prizes": prizes, "variant": "Bingo 90"}
    assert data == {
        "room": {
            "gamesOnSale": [
                {
                    **common, "id": "1384865", "status": "SELLING", "statusName": "Selling", "cardsBought": 7,
                    "startsAt": "2022-10-31T12:30:00+01:00", "canceledTickets": 2,
                },
                {
                    **common, "id": "1384866", "status": "PRESELLING", "statusName": "Preselling", "cardsBought": 0,
                    "startsAt": "2022-10-31T13:00:00+01:00", "canceledTickets": 0,
                },
            ]
        },
        "other": {
            "gamesOnSale": [{"id": "1384867", "status": "SELLING", "statusName": "Selling", "prizes": []}],
        },
        "past": {"gamesOnSale": []},
        "game": {"canceledTickets": 2},
    }  # fmt: skip


GAME = """{ game(id: "1384861") { id room { id name } status statusName configuration { id name key } variant startsAt
  endsAt duration cardPrice cardsBought players wagered paid profit netWin wagersToPrizes wagersToJackpot
  jackpotPercentage refunds ticketsRefunded canceledTickets availableBalls ballsDelay balls jackpotBuildMethod
  jackpotPrizeMode continuousGames continuousConfigurationName
  jackpot { name winnableUntilCall winners { user { id username externalId } group { id name } ticketId amount } }
  prizes { id name amount callNumber wonAtCard winners { user { id externalId } group { id } ticketId amount } }
  winners { user { id } group { id } username cardId callNumber prizeName ticketId }
  tickets { id createdAt cards { id numbers } wins { cardId prizes { id name amount } }
    sellerGroup { id name externalId } soldBy { user { id username externalId } group { id name } }
    paidBy { user { id username } group { id } } } }
  short: game(id: "1384861") { duration prizes {
    name amount winners { username amount bonusAmount ticketId user { id } } } }
  plain: game(id: "1384863") { jackpot { name } tickets { id } prizes { name } winners { username } balls players }
  none: game(id: "999") { id status } }"""


async def test_prizes_of_which_two_reports_each_tell_a_part(client: Client) -> None:
    """R3 has the call and the group, R4 the name and the bonus. If both are selected, a null would be wrong."""
    async with client:
        data = await client.data(
            """{ game(id: "1384861") { prizes { name callNumber
              winners { username bonusAmount ticketId group { id } } } } }"""
        )
    winner = {"username": "u1", "bonusAmount": "0.25", "ticketId": "10813-4", "group": {"id": "390"}}
    assert data["game"]["prizes"] == [{"name": "One line", "callNumber": 37, "winners": [winner]}]


async def test_prizes_on_sale_by_the_games_id(client: Client) -> None:
    async with client:
        data = await client.data('{ game(id: "1384865") { room { id } canceledTickets prizes { name amount } } }')
    assert data["game"] == {
        "room": {"id": "1"}, "canceledTickets": 2,
        "prizes": [{"name": "One line", "amount": "11.00"}, {"name": "Two lines", "amount": "0.00"}],
    }  # fmt: skip


async def test_prizes_on_sale_stand_whatever_is_asked_of_them(client: Client) -> None:
    """Before a prize is won, the game's details list none. They must not hide the current amount of the prize."""
    async with client:
        data = await client.data('{ room(id: "1") { gamesOnSale { prizes { name amount callNumber } } } }')
    assert data["room"]["gamesOnSale"][0]["prizes"] == [
        {"name": "One line", "amount": "11.00", "callNumber": None},
        {"name": "Two lines", "amount": "0.00", "callNumber": None},
    ]


async def test_game(any_way: Stranger, client: Client) -> None:
    async with client:
        data = await client.data(GAME)
    user = {"id": "60", "externalId": "X60"}
    seller = {"id": "390", "name": "E2E Testing Group"}
    assert data["game"] == {
        "id": "1384861", "room": {"id": "1", "name": "E2E Bingo 90"}, "status": "PLAYED", "statusName": "Played",
        "configuration": {"id": "134", "name": "The test", "key": 7}, "variant": "Bingo 90",
        "startsAt": "2022-10-31T09:00:00+01:00", "endsAt": "2022-10-31T09:01:18+01:00", "duration": 78,
        "cardPrice": "5.00", "cardsBought": 24, "players": 2, "wagered": "120.00", "paid": "81.71", "profit": "54.00",
        "netWin": "53.00", "wagersToPrizes": "60.00", "wagersToJackpot": "6.00", "jackpotPercentage": "5.00",
        "refunds": "5.00", "ticketsRefunded": 1, "canceledTickets": None, "availableBalls": 90, "ballsDelay": 3,
        "balls": [84, 14, 45], "jackpotBuildMethod": "WAGER", "jackpotPrizeMode": "Full", "continuousGames": 3,
        "continuousConfigurationName": "Serie de 3",
        "jackpot": {
            "name": "PJP Name",
            "winnableUntilCall": 85,
            "winners": [
                {
                    "user": {"id": "56", "username": "tv1", "externalId": "X56"},
                    "group": {"id": "23", "name": "Salón Ñandú"}, "ticketId": "10807-2", "amount": "7.29",
                }
            ],
        },
        "prizes": [
            {
                "id": "3676", "name": "One line", "amount": "11.39", "callNumber": 37, "wonAtCard": 8,
                "winners": [{"user": user, "group": {"id": "390"}, "ticketId": "10813-4", "amount": "11.39"}],
            }
        ],
        "winners": [
            {
                "user": {"id": "60"}, "group": None, "username": "u1", "cardId": "6010-2", "callNumber": 37,
                "prizeName": "One line", "ticketId": None,
            }
        ],
        "tickets": [
            {
                "id": "164522q8bs", "createdAt": "2022-10-31T08:53:19+01:00",
                "cards": [{"id": "10807-2", "numbers": [4, 14, 36]}],
                "wins": [
                    {
                        "cardId": "10807-2",
                        "prizes": [
                            {"id": "3678", "name": "Fullhouse", "amount": "17.84"},
                            {"id": "3679", "name": "PJP", "amount": "7.29"},
                        ],
                    },
                    {"cardId": "10807-3", "prizes": []},
                ],
                "sellerGroup": {**seller, "externalId": "G390"},
                "soldBy": {
                    "user": {"id": "23", "username": "E2E Testing User", "externalId": "X23"},
                    "group": seller,
                },
                "paidBy": {"user": {"id": "8241", "username": "caja 1 & más=+%"}, "group": {"id": "390"}},
            },
            {
                "id": "164523q8bt", "createdAt": "2022-10-31T08:54:00+01:00",
                "cards": [{"id": "10808-1", "numbers": [1, 90]}], "wins": [],
                "sellerGroup": {"id": "23", "name": "Salón Ñandú", "externalId": "G23"},
                "soldBy": {
                    "user": {"id": "56", "username": "tv1", "externalId": "X56"},
                    "group": {"id": "23", "name": "Salón Ñandú"},
                },
                "paidBy": None,
            },
        ],
    }  # fmt: skip
    assert data["short"] == {
        "duration": 78,
        "prizes": [
            {
                "name": "One line", "amount": "11.39",
                "winners": [
                    {
                        "username": "u1", "amount": "11.39", "bonusAmount": "0.25", "ticketId": "10813-4",
                        "user": {"id": "60"},
                    }
                ],
            }
        ],
    }  # fmt: skip
    assert data["plain"] == {
        "jackpot": None, "tickets": [], "prizes": [], "winners": [], "balls": [], "players": data["plain"]["players"],
    }  # fmt: skip
    assert data["none"] is None
