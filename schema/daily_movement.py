"""Daily movements."""

from collections.abc import Sequence
from typing import Any

import strawberry
from strawberry import Info

from resolvers.currency import currencies
from resolvers.session import Session
from schema.group import group_id
from schema.mapping.entity import Entity, column, link
from schema.mapping.links import GroupLink
from schema.mapping.relation import relation
from schema.scalars import Date, Decimal
from upstream.reports import rows

ROW = rows.DailyMovementRow


@strawberry.type
class DailyMovement(Entity):
    """The movements of a group on one day, in the report's own figures (Bingo Financial Report Daily Movements, R1)."""

    date: Date = column({ROW: "timestamp"}, "The day (see `Group.dailyMovements`).", during="past")
    group: GroupLink | None = link(
        "Group", {ROW: {"id": "group_id", "name": "group_name", "external_id": "external_group_id"}}, "The group."
    )
    total_wagers: Decimal = column({ROW: "total_wagers_real"}, "Wagers of the day.")
    total_wins: Decimal = column({ROW: "total_wins_real"}, "Prizes won on the day.")
    total_refunds: Decimal = column({ROW: "total_refunds_real"}, "Refunds of the day.")
    total_paid: Decimal = column({ROW: "total_paid"}, "Prizes paid out on the day, negative.")
    paid_tickets: int = column({ROW: "total_paid_tickets"}, "How many tickets were paid out.")
    net: Decimal = column({ROW: "net"}, "Wagers, refunds and payments added up by the report.")

    @relation
    async def currency(movements: Sequence["DailyMovement"], info: Info[Session, Any]) -> list[str | None]:
        """The currency of all amounts of the day: that of the group's books (`Group.currency`)."""
        found: list[Any] = await currencies(info.context, list(map(group_id, movements)))
        return found
