"""Amounts: a movement has the sign of the user's wallet, and is the same wherever it is read."""

import pytest

from tests.strangers.client import Client
from tests.strangers.stranger import Stranger
from tests.strangers.world import Movement, moment

TODAY = "2022-10-31 00:00:00/2022-10-31 23:59:59"


async def test_what_is_a_sign_and_what_costs_a_call(stranger: Stranger, client: Client) -> None:
    """R5 is enough for the sign of a wager, a prize and a refund. Other types need one call of R7 for each user."""
    async with client:
        data = await client.data('{ group(id: "382") { transactions { nodes { id type amount } } } }')
    assert [(each["id"], each["amount"]) for each in data["group"]["transactions"]["nodes"]] == [
        ("3506", "-0.10"), ("3505", "-0.10"), ("3502", "5.00"), ("3501", "-7.50"), ("3499", "-2.00"),
    ]  # fmt: skip
    assert stranger.calls() == [
        "api_groups_report id=382",
        f"api_retail_movements group_id=382 {TODAY}",
        f"transaction_report user_id=2090 {TODAY}",
        f"transaction_report user_id=61 {TODAY}",
    ]


async def test_signs_that_nobody_asked_for_cost_no_call(stranger: Stranger, client: Client) -> None:
    async with client:
        await client.data('{ group(id: "382") { transactions { totalCount nodes { id type timestamp } } } }')
    assert stranger.calls() == ["api_groups_report id=382", f"api_retail_movements group_id=382 {TODAY}"]


@pytest.mark.parametrize(
    ("type", "amount"),
    [
        ("Bingo - Wager", "-4.00"),
        ("Bingo - Wager", "0.00"),
        ("Bingo - Refund", "4.00"),
        ("Bingo - Wager Refund", "4.00"),
        ("Bingo - Prize", "4.00"),
        ("Bingo - Prize Cancelled", "-4.00"),
        ("Bingo - Prize Reversal", "-4.00"),
        ("Bingo - Refund Cancelled", "-4.00"),
        ("Bingo - Wager Cancelled", "4.00"),
        ("Jackpot contribution", "-4.00"),
        ("Deposit", "4.00"),
        ("Withdrawal", "-4.00"),
        ("Retiro", "-4.00"),
        ("Bingo - Apuesta", "-4.00"),
        ("", "4.00"),
    ],
)
@pytest.mark.parametrize("fields", ["id amount", "id amount currency baseAmount"])
async def test_a_type_reads_the_same_from_both_sides(
    stranger: Stranger, client: Client, type: str, amount: str, fields: str
) -> None:
    """R7 shows what happened to the wallet, whatever the type is called."""
    stranger.world.movements = [Movement(9000, moment("2022-10-31 10:00:00"), 60, 390, type, amount)]
    async with client:
        data = await client.data(
            f"""{{ group(id: "390") {{ transactions {{ nodes {{ {fields} }} }} }}
              user(id: "60") {{ transactions {{ nodes {{ {fields} }} }} }} }}"""
        )
        alone = await client.data(f'{{ group(id: "390") {{ transactions {{ nodes {{ {fields} }} }} }} }}')
    assert [each["amount"] for each in data["user"]["transactions"]["nodes"]] == [amount]
    assert data["group"] == data["user"] == alone["group"]


async def test_a_sign_that_no_report_tells_is_an_error(stranger: Stranger, client: Client) -> None:
    """R7 is down: the sign is not guessed."""
    stranger.faults["transaction_report"] = "500"
    async with client:
        result = await client.ask('{ group(id: "390") { transactions { nodes { id amount } } } }')
        assert result.errors is None
        result = await client.ask('{ group(id: "382") { transactions { nodes { id amount } } } }')
    assert result.errors
    assert {error.extensions["code"] for error in result.errors} == {"UPSTREAM_ERROR"}


async def test_a_users_movements_are_not_those_of_the_users_group(stranger: Stranger, client: Client) -> None:
    """User u1 belongs to 382 and also plays in 390, while TEST of 391 plays in 382."""
    query = """{ user(id: "60") { all: transactions { nodes { id group { id } } }
        home: transactions(inGroup: "382") { totalCount nodes { id } }
        away: transactions(inGroup: "390") { totalCount nodes { id } }
        nowhere: transactions(inGroup: "391") { totalCount nodes { id } } }
      group(id: "382") { transactions { nodes { id user { id group { id } } } }
        users { nodes { id transactions { nodes { id } } } } } }"""
    async with client:
        data = await client.data(query)
    user, group = data["user"], data["group"]
    assert [(each["id"], each["group"]["id"]) for each in user["all"]["nodes"]] == [
        ("3506", "382"), ("3505", "382"), ("3504", "390"), ("3503", "390"),
    ]  # fmt: skip
    assert user["home"] == {"totalCount": 2, "nodes": [{"id": "3506"}, {"id": "3505"}]}
    assert user["away"] == {"totalCount": 2, "nodes": [{"id": "3504"}, {"id": "3503"}]}
    assert user["nowhere"] == {"totalCount": 0, "nodes": []}
    movements = group["transactions"]["nodes"]
    assert [(each["id"], each["user"]["id"], each["user"]["group"]["id"]) for each in movements] == [
        ("3506", "60", "382"), ("3505", "60", "382"), ("3502", "61", "382"), ("3501", "61", "382"),
        ("3499", "2090", "391"),
    ]  # fmt: skip
    assert {each["id"]: [t["id"] for t in each["transactions"]["nodes"]] for each in group["users"]["nodes"]} == {
        "60": ["3506", "3505", "3504", "3503"], "61": ["3502", "3501"], "62": [],
    }  # fmt: skip


@pytest.mark.parametrize("money", ["text", "number"])
async def test_no_digit_is_lost_and_none_is_made_up(stranger: Stranger, client: Client, money: str) -> None:
    stranger.become(money=money)
    amounts = ["0.1", "1", "-0.125", "123456789012.01", "-0.30000000000000004", "100", "-5.5"]
    stranger.world.movements = [
        Movement(9000 + n, moment("2022-10-31 10:00:00"), 60, 390, "Manual", amount) for n, amount in enumerate(amounts)
    ]
    async with client:
        data = await client.data('{ user(id: "60") { transactions { nodes { amount baseAmount } } } }')
    texts = ["0.10", "1.00", "-0.125", "123456789012.01", "-0.30000000000000004", "100.00", "-5.50"]
    assert data["user"]["transactions"]["nodes"] == [{"amount": t, "baseAmount": t} for t in reversed(texts)]
