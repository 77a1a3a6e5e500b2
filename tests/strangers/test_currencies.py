"""The currency of a group's amounts: R7 has it, and a table of many rows does not make one call for each row."""

import datetime
from typing import Any

import pytest

from resolvers.caller import EVERYONE, Caller
from resolvers.rules.currency import Currencies
from tests.strangers.client import Client
from tests.strangers.stranger import Stranger
from tests.strangers.world import Financial, Movement, moment

TODAY = "2022-10-31 00:00:00/2022-10-31 23:59:59"
MONTH = "2022-09-30 00:00:00/2022-10-31 23:59:59"
EUR, USD = "Real EUR", "Real USD"
ROWS = """{ financialMovements(groupId: "382") { nodes { currency group { id } } } }"""


@pytest.fixture(autouse=True)
def _world(stranger: Stranger) -> None:
    """Group 390 in EUR, where a user of 391 was the last to play; 391 in USD, three weeks ago; 23 without movements."""
    at = moment("2022-10-31 09:00:00")
    stranger.world.movements = [
        Movement(9003, at, 2090, 390, "Bingo - Wager", "-2.00", currency=EUR),
        Movement(9002, at, 2092, 390, "Bingo - Wager", "-1.00", currency=EUR),
        Movement(9001, moment("2022-10-10 09:00:00"), 2091, 391, "Bingo - Wager", "-1.00", currency=USD),
        # The same user, in the currency of another group.
        Movement(9000, at, 2090, 382, "Bingo - Wager", "-1.00", currency=USD),
    ]
    groups = (390, 391, 382)
    stranger.world.financial = [Financial(at, groups[n % 3], 1, 1, f"{n}.00", 2090) for n in range(60)]


def amounts(answer: Any) -> set[tuple[str, str]]:
    return {(row["group"]["id"], row["currency"]) for row in answer.data["financialMovements"]["nodes"]}


@pytest.mark.parametrize("compiled", [False, True])
async def test_each_group_has_its_currency_looked_up_once_a_day(
    stranger: Stranger, client: Client, compiled: bool
) -> None:
    client.options["currencies"] = Currencies()
    async with client:
        answer = await client.outcome(ROWS, compiled=compiled)
        assert answer.errors == []
        assert amounts(answer) == {("390", EUR), ("391", USD), ("382", USD)}
        assert stranger.calls() == [
            f"api_movements_external_report group_id=382 {TODAY}",
            f"api_retail_movements group_id=382 {TODAY}",
            f"api_retail_movements group_id=390 {TODAY}",
            f"api_retail_movements group_id=391 {MONTH}",
            f"api_retail_movements group_id=391 {TODAY}",
            f"transaction_report user_id=2090 {TODAY}",
            "transaction_report user_id=2091 2022-10-10 00:00:00/2022-10-10 23:59:59",
        ]
        again = await client.outcome(ROWS, compiled=compiled)
        assert again.data == answer.data
        assert stranger.calls() == [f"api_movements_external_report group_id=382 {TODAY}"]
        client.options["now"] = datetime.datetime(2022, 11, 1, 11, tzinfo=datetime.UTC)
        await client.outcome('{ group(id: "390") { currency } }', compiled=compiled)
        assert "api_retail_movements group_id=390 2022-11-01 00:00:00/2022-11-01 23:59:59" in stranger.calls()


@pytest.mark.parametrize("compiled", [False, True])
async def test_every_sum_of_a_group_names_its_currency(client: Client, compiled: bool) -> None:
    fields = "currency transactions { nodes { amount currency } } dailyMovements { net currency }"
    async with client:
        answer = await client.outcome(
            f'{{ groups(ids: ["23", "390", "391"]) {{ nodes {{ id {fields} }} }} }}', compiled=compiled
        )
    assert answer.errors == []
    none, eur, usd = answer.data["groups"]["nodes"]
    assert (none["currency"], eur["currency"], usd["currency"]) == (None, EUR, USD)
    assert [row["currency"] for row in eur["transactions"]["nodes"]] == [EUR, EUR]
    assert {row["currency"] for row in usd["dailyMovements"]} == {USD}


async def test_a_caller_of_one_group_learns_it_from_rows_of_its_own(stranger: Stranger, client: Client) -> None:
    """The newest movement belongs to another group's user.

    Group 391 is hidden from this caller, whichever caller came before.
    """
    client.options["currencies"] = Currencies()
    partner = Caller("partner", frozenset({390}))
    query = '{ group(id: "390") { currency } other: group(id: "391") { currency } }'
    async with client:
        everyone = await client.outcome(query, compiled=True, caller=EVERYONE)
        assert everyone.data == {"group": {"currency": EUR}, "other": {"currency": USD}}
        stranger.calls()
        answer = await client.outcome(query, compiled=True, caller=partner)
        assert (answer.data, answer.errors) == ({"group": {"currency": EUR}, "other": None}, [])
        assert f"transaction_report user_id=2092 {TODAY}" in stranger.calls()
        stranger.world.movements.pop(1)
        client.options["currencies"] = Currencies()
        hidden = await client.outcome(query, compiled=True, caller=partner)
        assert (hidden.data, hidden.errors) == ({"group": {"currency": None}, "other": None}, [])


async def test_a_report_that_fails_fails_the_currency_alone(stranger: Stranger, client: Client) -> None:
    stranger.faults["transaction_report"] = "500"
    async with client:
        answer = await client.outcome('{ group(id: "390") { name currency } }', compiled=True)
    assert answer.data == {"group": {"name": "E2E Testing Group", "currency": None}}
    assert [error["path"] for error in answer.errors] == [["group", "currency"]]
