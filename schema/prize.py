"""Prizes."""

import strawberry
from strawberry import ID

from schema.scalars import Decimal
from schema.window import Window, column, part
from schema.winner import Winner
from upstream import rows
from upstream.rows import Row


@strawberry.type
class Prize(Window):
    """A prize of a game. If several cards won it, it is listed several times, once for each."""

    id: ID | None = column(
        {
            rows.RoomGamePrize: "id",
            rows.GameDetailPrize: "id",
            rows.GameOnSalePrize: "id",
            rows.WinPrize: "id",
        },
        "The prize's id.",
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

    @classmethod
    def join(cls, row: Row) -> object:
        return getattr(row, "prize_name", None)

    winners: list[Winner] | None = part(
        Winner,
        {
            rows.GameDetailPrize: ("winners", rows.PrizeTicket),
            rows.GameSummaryPrize: ("winners", rows.GameSummaryWinner),
        },
        "Who won it.",
    )
