"""Financial movements."""

import strawberry

from schema.mapping.columns import EntityLink, column, link, moment
from schema.mapping.entity import Entity
from schema.mapping.reading.financial_movement import SUBTYPE_NAME, TYPE_NAME
from schema.mapping.reading.group import group_ids
from schema.mapping.relation import currency
from schema.scalars import DateTime, Decimal
from upstream.reports import rows


@strawberry.type
class FinancialMovement(Entity):
    """A financial movement of a group or of a group below it (Financial Movements Report, R11). It has no id of its
    own.
    """

    timestamp: DateTime = moment({rows.FinancialMovementRow: "timestamp"}, "The moment of the movement.", during="past")
    type: int = column({rows.FinancialMovementRow: "type"}, "1 wager, 3 refund, 100 API transaction.")
    type_name: str | None = column(
        {rows.FinancialMovementRow: TYPE_NAME},
        "The name of the type; null for a type that is not documented.",
    )
    subtype: int = column({rows.FinancialMovementRow: "subtype"}, "The kind of movement within its type.")
    subtype_name: str | None = column(
        {rows.FinancialMovementRow: SUBTYPE_NAME},
        "The name of the subtype; null for a subtype that is not documented.",
    )
    amount: Decimal = column(
        {rows.FinancialMovementRow: "currency_amount"}, "The amount as in the report: a wager has no sign."
    )
    group: EntityLink = link(
        "Group",
        {rows.FinancialMovementRow: {"id": "group_id", "external_id": "external_group_id"}},
        "The group that the movement was made in: the requested group, or a group below it.",
    )
    user: EntityLink = link(
        "User",
        {rows.FinancialMovementRow: {"id": "user_id", "username": "username", "external_id": "external_user_id"}},
        "The user who made the movement.",
    )
    game: EntityLink = link(
        "Game", {rows.FinancialMovementRow: {"id": "game_id"}}, "The game that the movement was made in, if any."
    )

    currency = currency(group_ids, "The currency of `amount`: that of the group's books (`Group.currency`).")
