"""Groups."""

from collections.abc import Sequence
from typing import Any

import strawberry
from strawberry import ID, Info

from resolvers import edges
from resolvers.session import Session
from schema.daily_totals import Calendar, DailyTotals, by_calendar
from schema.mapping.columns import column
from schema.mapping.entity import Entity, identities
from schema.mapping.lazy import list_of
from schema.mapping.lists.pages import PageArgument, pages
from schema.mapping.lists.whole import whole_each
from schema.mapping.node import Node
from schema.mapping.reading.group import GroupSource, by_day, daily_rows, days_of_rows
from schema.mapping.relation import currency, relation
from schema.period import THIS_MONTH, Period, resolve
from schema.where import FinancialMovementWhere, TransactionWhere
from upstream.reports import rows
from upstream.reports import table as reports


@strawberry.federation.type(keys=["id"])
class Group(Node, Entity):
    """A group of the business: a manager, a distributor or a local. Users belong to groups (Group List Report, R8)."""

    sources = (GroupSource(rows.GroupRow, edges.GROUP_BY_ID),)

    id: ID = column({rows.GroupRow: "id"}, "GameHub's own id of the group, such as 382.")
    external_id: ID | None = column({rows.GroupRow: "external_group_id"}, "Your own id of the group, if it has one.")
    name: str | None = column({rows.GroupRow: "name"}, "The group's name.")
    type: str | None = column({rows.GroupRow: "type"}, "The kind of group, such as Manager, Distributor or Local.")

    @property
    def findable(self) -> bool:
        return self.identity is not None or "name" in self.given

    def place(self) -> tuple[object, ...]:
        return (self.identity,)

    currency = currency(
        identities,
        """The currency of the group's books, such as Real USD: that of all amounts of its movements.

        R7 names it for the newest movement of the last month; null if the group had none. It is looked up once a day.
        """,
    )
    users = pages(
        "User",
        edges.USERS_OF_GROUP,
        "The users who belong to this group, ordered by id; `username` searches inside names (User List Report, R9).",
        parent="group",
        arguments=(PageArgument("username", str),),
    )
    transactions = pages(
        "Transaction",
        edges.MOVEMENTS_OF_GROUP,
        "The movements of all users in this group, the newest first (Retails Movements, R5).",
        parent="group",
        conditions_type=TransactionWhere,
    )

    @relation(list_of("DailyMovement"))
    async def daily_movements(
        groups: Sequence["Group"], info: Info[Session, Any], during: Period | None = THIS_MONTH
    ) -> list[Any]:
        """The group's totals for each day, the oldest first (Bingo Financial Report Daily Movements, R1).

        A day is a day of GameHub's own clock, from midnight to midnight. `during` must consist of whole days of that
        clock. If the business has another time zone, a business day is not a day of the report. In that case wagers,
        refunds, payments and net are added up from the movements (R5), and all other figures are an error.
        """
        interval = resolve(info, during, THIS_MONTH)
        found = await daily_rows(groups, info, interval)
        given = [{"group": group} for group in groups]
        return await whole_each(info, "DailyMovement", found, by_day, interval=interval, given=given)

    @relation(list[DailyTotals])
    async def daily_totals(
        groups: Sequence["Group"],
        info: Info[Session, Any],
        during: Period | None = THIS_MONTH,
        by: Calendar | None = Calendar.MONTH,
    ) -> list[Any]:
        """The figures of `dailyMovements`, added up by day, week, month or year, the oldest first (R1).

        `during` is that of `dailyMovements`. Only its days count: a week or a month that lies partly outside has the
        totals of the days inside, and `from` and `to` say which. Without a row in the report, there are no totals.
        """
        interval = resolve(info, during, THIS_MONTH)
        found = await daily_rows(groups, info, interval)
        return await by_calendar(info, found, by or Calendar.MONTH, days_of_rows(interval, info.context))

    financial_movements = pages(
        "FinancialMovement",
        edges.by_parameter(reports.FINANCIAL_MOVEMENTS, "group_id", rows=1_000),
        "The financial movements of this group and of all groups below it, the newest first (R11).",
        conditions_type=FinancialMovementWhere,
    )
