"""Financial movements."""

from collections.abc import Sequence
from typing import Any

import strawberry
from strawberry import Info

from resolvers.currency import currencies
from resolvers.session import Session
from schema.group import group_id
from schema.mapping.entity import Entity, column, link, moment
from schema.mapping.expression import ColumnReader
from schema.mapping.links import GameLink, GroupLink, UserLink
from schema.mapping.relation import relation
from schema.scalars import DateTime, Decimal
from upstream.reports import rows

TYPES = {1: "Wager transaction", 3: "Refund transaction", 100: "API transaction"}
SUBTYPES = {
    (1, 1): "Bingo Transaction",
    (3, 1): "Bingo Transaction",
    (3, 2): "API refund due to cancellation",
    (100, 2): "Credit Prepaid Bingo Winning",
    (100, 3): "Credit Ticket Commission",
    (100, 5): "Credit Ticket Commission Refund",
}


def _subtype_name(row: Any) -> str | None:
    return SUBTYPES.get((row.type, row.subtype))


@strawberry.type
class FinancialMovement(Entity):
    """A financial movement of a group or of one below it (Financial Movements Report, R11). It has no id of its own."""

    timestamp: DateTime = moment({rows.FinancialMovementRow: "timestamp"}, "When the movement was made.", during="past")
    type: int = column({rows.FinancialMovementRow: "type"}, "1 wager, 3 refund, 100 API transaction.")
    type_name: str | None = column(
        {rows.FinancialMovementRow: ColumnReader(lambda row: TYPES.get(row.type), ("type",), str)},
        "The type in words; null for one not documented.",
    )
    subtype: int = column({rows.FinancialMovementRow: "subtype"}, "The kind of movement within its type.")
    subtype_name: str | None = column(
        {rows.FinancialMovementRow: ColumnReader(_subtype_name, ("type", "subtype"), str)},
        "The subtype in words; null for one not documented.",
    )
    amount: Decimal = column(
        {rows.FinancialMovementRow: "currency_amount"}, "The amount as the report has it: a wager carries no sign."
    )
    group: GroupLink | None = link(
        "Group",
        {rows.FinancialMovementRow: {"id": "group_id", "external_id": "external_group_id"}},
        "The group that the movement was made in: the one asked for, or one below it.",
    )
    user: UserLink | None = link(
        "User",
        {rows.FinancialMovementRow: {"id": "user_id", "username": "username", "external_id": "external_user_id"}},
        "The user who made the movement.",
    )
    game: GameLink | None = link(
        "Game", {rows.FinancialMovementRow: {"id": "game_id"}}, "The game that it was made in, if any."
    )

    @relation
    async def currency(movements: Sequence["FinancialMovement"], info: Info[Session, Any]) -> list[str | None]:
        """The currency of `amount`: that of the group's books (`Group.currency`)."""
        found: list[Any] = await currencies(info.context, list(map(group_id, movements)))
        return found
