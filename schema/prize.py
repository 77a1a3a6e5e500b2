"""Prizes."""

from collections.abc import Hashable
from typing import Any

import strawberry
from strawberry import ID

from schema.mapping.entity import Entity, column, part
from schema.scalars import Decimal
from schema.winner import Winner
from upstream.reports import rows


def _id(row: Any) -> Hashable | None:
    """R2 and R3 tell the ids of the prizes that were won; R4 does not."""
    found: int | None = getattr(row, "id", None)
    return found


def _name(row: Any) -> Hashable | None:
    """A prize that one card won is the only one of its name."""
    return ("name", row.prize_name)


def _tickets(row: Any) -> Hashable | None:
    tickets = frozenset(winner.ticket_id for winner in getattr(row, "winners", None) or ())
    return ("tickets", row.prize_name, tickets) if tickets and None not in tickets else None


def _amount(row: Any) -> Hashable | None:
    amount = row.amount if isinstance(row, rows.GameSummaryPrize) else row.paid
    return None if amount is None else ("amount", row.prize_name, amount)


@strawberry.type
class Prize(Entity):
    """A prize of a game. If several cards won it, it is listed several times, once for each."""

    id: ID | None = column(
        {
            rows.RoomGamePrize: "id",
            rows.GameDetailPrize: "id",
            rows.WinPrize: "id",
        },
        "The prize's id; null for a game on sale, whose prizes have no ids yet.",
    )
    name: str = column(
        {
            rows.RoomGamePrize: "prize_name",
            rows.GameDetailPrize: "prize_name",
            rows.GameSummaryPrize: "prize_name",
            rows.GameOnSalePrize: "description",
            rows.WinPrize: "name",
        },
        'The prize: "One line", "Two lines", "Fullhouse", "PJP" for the progressive jackpot.',
    )
    amount: Decimal | None = column(
        {
            rows.RoomGamePrize: "paid",
            rows.GameDetailPrize: "paid",
            rows.GameSummaryPrize: "amount",
            rows.GameOnSalePrize: "amount",
            rows.WinPrize: "amount",
        },
        "What it paid; for a game on sale, what it stands at.",
    )
    call_number: int | None = column(
        {rows.RoomGamePrize: "call_number", rows.GameDetailPrize: "call_number"},
        "The call that won it: the number of balls drawn.",
    )
    won_at_card: int | None = column({rows.GameDetailPrize: "won_at_card"}, "Which card of the strip won it.")

    join_keys = (_id, _name, _tickets, _amount, _name)

    winners: list[Winner] | None = part(
        Winner,
        {
            rows.GameDetailPrize: ("winners", rows.PrizeTicket),
            rows.GameSummaryPrize: ("winners", rows.GameSummaryWinner),
        },
        "Who won it.",
    )
