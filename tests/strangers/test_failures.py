"""Partial failure: if a report is down, its own fields fail with code and path, and no other fields."""

from typing import Any

import pytest

from tests.strangers.client import Client
from tests.strangers.stranger import Stranger

FAULTS = {
    "500": "UPSTREAM_ERROR",
    "html": "UPSTREAM_MALFORMED",
    "cut": "UPSTREAM_MALFORMED",
    "list": "UPSTREAM_MALFORMED",
    "slow": "UPSTREAM_UNAVAILABLE",
    "00001": "UPSTREAM_UNAUTHENTICATED",
    "10000": "UPSTREAM_CONTRACT",
    "10001": "UPSTREAM_CONTRACT",
    "10003": "UPSTREAM_UNAUTHENTICATED",
    "10012": "UPSTREAM_CONTRACT",
    "10015": "UPSTREAM_CONTRACT",
    "10017": "UPSTREAM_CONTRACT",
    "10018": "UPSTREAM_INCOMPLETE",
    "10099": "UPSTREAM_ERROR",
}


@pytest.mark.parametrize("fault", list(FAULTS))
async def test_each_kind_of_failure_has_its_code(stranger: Stranger, client: Client, fault: str) -> None:
    stranger.faults["api_retail_movements"] = fault
    client.upstream_options["timeout"] = 0.3 if fault == "slow" else 5.0
    async with client:
        result = await client.ask(
            '{ group(id: "382") { name transactions { totalCount nodes { id } } users { totalCount } } }'
        )
    assert result.data == {
        "group": {"name": "E2E Development - Physical", "transactions": None, "users": {"totalCount": 3}}
    }
    (error,) = result.errors
    assert error.path == ["group", "transactions"]
    assert error.extensions["code"] == FAULTS[fault]
    assert error.extensions["correlationId"]
    assert "strangers-token" not in f"{error!r} {error.message} {error.original_error!r} {error.extensions}"


REPORTS: dict[str, tuple[str, list[str]]] = {
    "users_report": ('group(id: "391") { name dailyMovements { net } }', ["group.dailyMovements"]),
    "api_bulk_games_report": ("games { totalCount } progressiveJackpots { value }", ["games"]),
    "api_retail_game_details": (
        'game(id: "1384861") { duration status tickets { id } profit }', ["game.profit", "game.tickets"],
    ),
    "api_retail_game_details_simplified": (
        'game(id: "1384861") { profit status duration netWin }', ["game.duration", "game.netWin"],
    ),
    "api_retail_movements": ('group(id: "382") { name transactions { totalCount } }', ["group.transactions"]),
    "api_selling_and_preselling_games_report": ('room(id: "1") { name gamesOnSale { id } }', ["room.gamesOnSale"]),
    "transaction_report": ('user(id: "60") { username transactions { totalCount } }', ["user.transactions"]),
    "api_groups_report": ('user(id: "60") { username group { name type } }', ["user.group.type"]),
    "api_users_report": ('group(id: "382") { name users { totalCount } }', ["group.users"]),
    "progressive_jackpot_summary": ("progressiveJackpots { value } groups { totalCount }", ["progressiveJackpots"]),
    "api_movements_external_report": (
        'group(id: "382") { name financialMovements { totalCount } }', ["group.financialMovements"],
    ),
    "get_game_log": ('user(id: "60") { username gameLogs { totalCount } }', ["user.gameLogs"]),
}  # fmt: skip


@pytest.mark.parametrize("report", list(REPORTS))
async def test_one_report_down(stranger: Stranger, client: Client, report: str) -> None:
    query, paths = REPORTS[report]
    async with client:
        whole = await client.data(f"{{ {query} }}")
        stranger.faults[report] = "500"
        result = await client.ask(f"{{ {query} }}")
    assert sorted((".".join(map(str, error.path)), error.extensions["code"]) for error in result.errors) == [
        (path, "UPSTREAM_ERROR") for path in paths
    ]

    def pruned(value: Any, path: str = "") -> Any:
        if path in paths:
            return None
        if isinstance(value, dict):
            return {name: pruned(each, f"{path}.{name}".lstrip(".")) for name, each in value.items()}
        return value

    assert result.data == pruned(whole)


async def test_users_that_were_cut_short_are_an_error(stranger: Stranger, client: Client) -> None:
    """`break: true`."""
    stranger.faults["api_users_report"] = "break"
    async with client:
        assert await client.codes('{ group(id: "382") { name users { totalCount } } }') == [
            ("group.users", "UPSTREAM_INCOMPLETE")
        ]
        result = await client.ask('{ users(ids: ["60", "61"]) { totalCount } }')
    assert result.data == {"users": None}


PARTS = {
    "prizes": ("duration prizes { name callNumber }", "game.prizes"),
    "prizes' ids": ("duration prizes { id name }", "game.prizes"),
    "a prize's winners' group": ("duration prizes { winners { group { id } } }", "game.prizes"),
    "configuration": ("duration configuration { id name }", "game.configuration"),
    "jackpot": ("duration jackpot { name winners { ticketId } }", "game.jackpot"),
    "room": ("duration room { id name }", "game.room"),
}


@pytest.mark.parametrize("name", list(PARTS))
async def test_a_part_that_only_the_failed_report_tells_is_not_passed_off_as_empty(
    stranger: Stranger, client: Client, name: str
) -> None:
    """R3 is down and R4 answers: a value that R4 lacks is R3's error, not a silent null."""
    fields, path = PARTS[name]
    stranger.faults["api_retail_game_details"] = "500"
    async with client:
        result = await client.ask(f'{{ game(id: "1384861") {{ {fields} }} }}')
    assert result.data["game"]["duration"] == 78
    assert result.errors
    assert {error.extensions["code"] for error in result.errors} == {"UPSTREAM_ERROR"}
    assert all(".".join(map(str, error.path)).startswith(path) for error in result.errors)


async def test_movements_without_their_second_report(stranger: Stranger, client: Client) -> None:
    stranger.faults["transaction_report"] = "500"
    async with client:
        result = await client.ask('{ group(id: "390") { transactions { nodes { id amount currency ticketId } } } }')
    nodes = result.data["group"]["transactions"]["nodes"]
    assert [(each["id"], each["amount"], each["currency"]) for each in nodes] == [
        ("3504", "-3.00", None), ("3503", "11.39", None), ("3500", "-1.00", None),
    ]  # fmt: skip
    assert [error.path for error in result.errors] == [
        ["group", "transactions", "nodes", number, "currency"] for number in range(3)
    ]


async def test_a_movement_that_the_second_report_lacks(
    stranger: Stranger, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R5 lists it, R7 does not: the values of R7 are null, the sign is an error, all other values are answered."""
    original = stranger._transaction_report

    def without(params: dict[str, str], frame: Any) -> Any:
        return [row for row in original(params, frame) if row["movement_id"] != 3501]

    monkeypatch.setattr(stranger, "_transaction_report", without)
    async with client:
        result = await client.ask('{ group(id: "382") { transactions { nodes { id type amount } } } }')
    assert result.errors
    assert {error.extensions["code"] for error in result.errors} == {"UPSTREAM_INCOMPLETE"}


async def test_a_column_of_the_wrong_kind_fails_where_it_is_selected(stranger: Stranger, client: Client) -> None:
    stranger.world.groups[0].type = ["not", "a", "text"]  # type: ignore[assignment]
    count = len(stranger.world.groups)
    async with client:
        result = await client.ask("{ groups { totalCount nodes { id } } types: groups { nodes { type } } }")
    assert result.data["groups"]["totalCount"] == len(result.data["groups"]["nodes"]) == count
    assert sum(node["type"] is None for node in result.data["types"]["nodes"]) == 1
    assert [error.extensions["code"] for error in result.errors] == ["UPSTREAM_MALFORMED"]
    assert [error.extensions["column"] for error in result.errors] == ["type"]


@pytest.mark.parametrize("unknown", ["code", "empty"])
async def test_what_nobody_knows(stranger: Stranger, client: Client, unknown: str) -> None:
    """An unknown entity is null without an error. A list of an unknown parent is NOT_FOUND or empty, as the vendor
    says.
    """
    stranger.become(unknown=unknown)
    async with client:
        for kind in ("group", "user", "game"):
            assert await client.data(f'{{ {kind}(id: "999") {{ id }} }}') == {kind: None}
        result = await client.ask('{ room(id: "999") { id name } }')
        assert result.errors is None
        assert result.data == {"room": None} or unknown == "empty"
        result = await client.ask('{ users(groupId: "999") { totalCount } }')
        if unknown == "code":
            assert result.data == {"users": None}
            assert result.errors[0].extensions["code"] == "NOT_FOUND"
        else:
            assert result.data == {"users": {"totalCount": 0}}


async def test_nothing_listens_any_more(stranger: Stranger, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stranger, "host", "http://127.0.0.1:9")
    async with client:
        result = await client.ask("{ groups { totalCount } gameLogs { totalCount } }")
    assert result.data == {"groups": None, "gameLogs": None}
    assert {error.extensions["code"] for error in result.errors} == {"UPSTREAM_UNAVAILABLE"}


async def test_a_fault_of_our_own_tells_nothing_of_itself(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer does not contain the fault's text, and does not call it the client's mistake."""
    async with client:

        async def broken(call: Any) -> Any:
            raise AttributeError("the inner text")

        monkeypatch.setattr(client.upstream, "fetch", broken)
        for query in ("{ groups { totalCount } }", '{ group(id: "1") { name } }', "{ progressiveJackpots { value } }"):
            result = await client.ask(query)
            assert [error.extensions["code"] for error in result.errors] == ["INTERNAL_SERVER_ERROR"]
            assert "inner text" not in str(result.errors)
        result = await client.ask("query ($id: ID!) { group(id: $id) { name } }", id="1")
        assert [error.extensions["code"] for error in result.errors] == ["INTERNAL_SERVER_ERROR"]
