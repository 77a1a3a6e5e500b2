"""Winners."""

import strawberry
from strawberry import ID

from schema.mapping.columns import EntityLink, column, link
from schema.mapping.entity import Entity
from schema.mapping.reading.winner import WINNER_KEYS
from schema.scalars import Decimal
from upstream.reports import rows


@strawberry.type
class Winner(Entity):
    """The winner of a prize. A game's winners have the card and the call (R2, R3), a prize's winners the amount (R3,
    R4).
    """

    join_keys = WINNER_KEYS

    user: EntityLink = link(
        "User",
        {
            rows.CardWinner: {"id": "user_id", "username": "user_name", "external_id": "external_user_id"},
            rows.PrizeTicket: {"id": "user_id", "external_id": "external_user_id"},
            rows.GameSummaryWinner: {"id": "user_id", "username": "username", "external_id": "external_user_id"},
        },
        "The user who won.",
    )
    group: EntityLink = link(
        "Group",
        {rows.PrizeTicket: {"id": "group_id", "external_id": "external_group_id"}},
        "The group that the winning ticket was bought in.",
    )
    username: str | None = column(
        {rows.CardWinner: "user_name", rows.GameSummaryWinner: "username"}, "The winner's name as in the report."
    )
    card_holder_name: str | None = column({rows.CardWinner: "card_holder_name"}, "The name on the card.")
    card_id: ID | None = column({rows.CardWinner: "card_id"}, "The card that won.")
    ticket_id: ID | None = column(
        {rows.CardWinner: "ticket_id", rows.PrizeTicket: "ticket_id", rows.GameSummaryWinner: "ticket_id"},
        "The ticket that won, if the report has it.",
    )
    call_number: int | None = column(
        {rows.CardWinner: "call_number"}, "The call that won: the number of balls drawn until then."
    )
    prize_name: str | None = column({rows.CardWinner: "prize_name"}, 'The prize: "One line", "Fullhouse".')
    amount: Decimal | None = column(
        {
            rows.PrizeTicket: "amount_won",
            rows.GameSummaryWinner: lambda row: row.amount.real if row.amount else None,
        },
        "The amount won in real money.",
    )
    bonus_amount: Decimal | None = column(
        {rows.GameSummaryWinner: lambda row: row.amount.bonus if row.amount else None}, "The amount won in bonus money."
    )
