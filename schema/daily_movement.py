"""Daily movements."""

import strawberry

from schema.mapping.columns import EntityLink, column, link
from schema.mapping.entity import Entity
from schema.mapping.reading.group import group_ids
from schema.mapping.relation import currency
from schema.scalars import Date, Decimal
from upstream.reports import rows

ROW = rows.DailyMovementRow


@strawberry.type
class DailyMovement(Entity):
    """The movements of a group on one day, as the report adds them up (Bingo Financial Report Daily Movements, R1)."""

    date: Date = column(
        {ROW: "timestamp"}, "The day, on the clock that `Group.dailyMovements` describes.", during="past"
    )
    group: EntityLink = link(
        "Group", {ROW: {"id": "group_id", "name": "group_name", "external_id": "external_group_id"}}, "The group."
    )
    total_wagers: Decimal = column({ROW: "total_wagers_real"}, "Wagers of the day.")
    total_wins: Decimal = column({ROW: "total_wins_real"}, "Prizes won on the day.")
    total_refunds: Decimal = column({ROW: "total_refunds_real"}, "Refunds of the day.")
    total_paid: Decimal = column({ROW: "total_paid"}, "Prizes paid out on the day, negative.")
    paid_tickets: int = column({ROW: "total_paid_tickets"}, "The number of tickets that were paid out.")
    net: Decimal = column({ROW: "net"}, "The sum of wagers, refunds and payments, as the report adds them up.")

    currency = currency(
        group_ids, "The currency of all amounts of the day: that of the group's books (`Group.currency`)."
    )
