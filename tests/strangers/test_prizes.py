"""Prizes that several reports list are joined by the values that identify them, never by their place in a list."""

from typing import Any

import pytest

from tests.strangers.client import Client
from tests.strangers.stranger import Stranger
from tests.strangers.world import Count, Id, Money

GAME = 1384861
QUERY = f"""{{ game(id: "{GAME}") {{ prizes {{ id name amount wonAtCard
  winners {{ ticketId amount username bonusAmount user {{ id }} }} }} }} }}"""


def detail(id: int, ticket: str | None, amount: str, user: int) -> dict[str, Any]:
    """Return a Fullhouse as R3 has it, won at the card with the user's number."""
    winner = {"ticket_id": ticket, "amount_won": Money(amount), "user_id": Id(user), "group_id": Id(390)}
    return {
        "id": Id(id), "prize_name": "Fullhouse", "paid": Money(amount), "won_at_card": Count(user),
        "call_number": Count(68), "winners": [winner],
    }  # fmt: skip


def summary(ticket: str | None, amount: str, user: int) -> dict[str, Any]:
    """Return a Fullhouse as R4 has it."""
    winner = {"username": f"u{user}", "user_id": Id(user), "ticket_id": ticket}
    amounts = {"real": Money(amount), "bonus": Money(f"0.{user}")}
    return {"prize_name": "Fullhouse", "amount": Money(amount), "winners": [{**winner, "amount": amounts}]}


def rows_of(prizes: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return the id and the card of each prize, and the user, the name and the bonus of its winner."""
    found = []
    for prize in prizes:
        winners = prize["winners"]
        names = [(each["user"]["id"], each["username"], each["bonusAmount"]) for each in winners or ()]
        found.append((prize["id"], prize["amount"], prize["wonAtCard"], names))
    return found


def populate(stranger: Stranger, of_detail: list[Any], of_summary: list[Any]) -> None:
    game = next(game for game in stranger.world.games if game.id == GAME)
    game.detail = {**game.detail, "prizes": of_detail}
    game.summary = {**game.summary, "bs_game_prizes": of_summary}
    same = ("id", "prize_name", "paid", "call_number")
    game.bulk = {**game.bulk, "prizes": [{name: prize[name] for name in same} for prize in of_detail]}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("tickets", [True, False])
async def test_cards_that_won_one_prize_keep_their_winners(
    stranger: Stranger, client: Client, tickets: bool, compiled: bool
) -> None:
    """By ticket if the amounts are equal; by amount if R4 has no tickets. R4 lists them in the opposite order."""
    amounts = ("18.00", "18.00", "18.00") if tickets else ("18.00", "17.00", "16.00")
    ticket = {60: "10-1", 61: "10-2", 62: "11-1"} if tickets else {}
    users = (60, 61, 62)
    cards = list(zip(users, amounts, strict=True))
    populate(
        stranger,
        [detail(100 + user, ticket.get(user, f"10-{user}"), amount, user) for user, amount in cards],
        [summary(ticket.get(user), amount, user) for user, amount in reversed(cards)],
    )
    async with client:
        answer = await client.outcome(QUERY, compiled=compiled)
        assert answer.errors == []
        assert rows_of(answer.data["game"]["prizes"]) == [
            (str(100 + user), amount, user, [(str(user), f"u{user}", f"0.{user}")])
            for user, amount in zip(users, amounts, strict=True)
        ]


async def test_prizes_that_nothing_tells_apart_stay_unjoined(stranger: Stranger, client: Client) -> None:
    """Two cards, one amount, and no ticket in R4: the values that only R4 has are an error, all others are answered."""
    populate(
        stranger,
        [detail(160, "10-1", "18.00", 60), detail(161, "10-2", "18.00", 61)],
        [summary(None, "18.00", 61), summary(None, "18.00", 60)],
    )
    async with client:
        answer = await client.outcome(QUERY, compiled=True)
        plain = await client.outcome(f'{{ game(id: "{GAME}") {{ prizes {{ id wonAtCard }} }} }}', compiled=True)
    assert rows_of(answer.data["game"]["prizes"]) == [
        ("160", "18.00", 60, [("60", None, None)]), ("161", "18.00", 61, [("61", None, None)]),
    ]  # fmt: skip
    assert {error["extensions"]["code"] for error in answer.errors} == {"UPSTREAM_INCOMPLETE"}
    assert {error["path"][-1] for error in answer.errors} == {"username", "bonusAmount"}
    assert (plain.errors, len(plain.data["game"]["prizes"])) == ([], 2)


async def test_what_two_reports_leave_open_a_third_one_settles(stranger: Stranger, client: Client) -> None:
    """R2 has no tickets. If the amounts do not distinguish R4's prizes, R3 joins both."""
    populate(
        stranger,
        [detail(160, "10-1", "18.00", 60), detail(161, "10-2", "18.00", 61)],
        [summary("10-2", "18.00", 61), summary("10-1", "18.00", 60)],
    )
    during = '{between: {from: "2022-10-31T08:00:00Z", until: "2022-10-31T08:30:00Z"}}'
    query = f"{{ games(during: {during}) {{ nodes {{ prizes {{ id winners {{ username }} }} }} }} }}"
    async with client:
        data = await client.data(query)
    assert data["games"]["nodes"] == [
        {
            "prizes": [
                {"id": "160", "winners": [{"username": "u60"}]}, {"id": "161", "winners": [{"username": "u61"}]},
            ]
        }
    ]  # fmt: skip


SALE = "prizes { id name amount }"


@pytest.mark.parametrize(
    "fields", [SALE, f"{SALE} canceledTickets", "prizes { id name amount callNumber winners { username } }"]
)
async def test_a_game_on_sale_has_the_prizes_of_the_sale(stranger: Stranger, client: Client, fields: str) -> None:
    """They do not depend on the rest of the selection, and have no ids: R6 numbers the prizes of every game 1, 2, 3."""
    async with client:
        of_id = await client.data(f'{{ game(id: "1384865") {{ id {fields} }} }}')
        on_sale = await client.data(f'{{ room(id: "1") {{ gamesOnSale {{ id {fields} }} }} }}')
        listed = await client.data(f"{{ games(status: SELLING) {{ nodes {{ id {fields} }} }} }}")
    for games in ([of_id["game"]], on_sale["room"]["gamesOnSale"], listed["games"]["nodes"]):
        (game,) = (game for game in games if game["id"] == "1384865")
        assert [(prize["id"], prize["name"], prize["amount"]) for prize in game["prizes"]] == [
            (None, "One line", "11.00"), (None, "Two lines", "0.00"),
        ]  # fmt: skip
