"""Prizes."""

import strawberry
from strawberry import ID

from schema.mapping.columns import column, part
from schema.mapping.entity import Entity
from schema.mapping.reading.prize import PRIZE_KEYS
from schema.scalars import Decimal
from schema.winner import Winner
from upstream.reports import rows


@strawberry.type
class Prize(Entity):
    """A prize of a game. A prize that several cards won is listed once for each of them."""

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
        "The amount that was paid; for a game on sale, the current amount of the prize.",
    )
    call_number: int | None = column(
        {rows.RoomGamePrize: "call_number", rows.GameDetailPrize: "call_number"},
        "The call that won it: the number of balls drawn until then.",
    )
    won_at_card: int | None = column(
        {rows.GameDetailPrize: "won_at_card"}, "The number of the winning card in its strip."
    )

    join_keys = PRIZE_KEYS

    winners: list[Winner] | None = part(
        Winner,
        {
            rows.GameDetailPrize: ("winners", rows.PrizeTicket),
            rows.GameSummaryPrize: ("winners", rows.GameSummaryWinner),
        },
        "The winners.",
    )
