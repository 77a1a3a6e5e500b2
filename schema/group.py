"""Groups."""

from typing import Any

import strawberry
from strawberry import ID, Info

from resolvers import edges
from resolvers.session import Session
from schema.connection import Connection, connect
from schema.links import DailyMovementLink, FinancialMovementLink, TransactionLink, UserLink
from schema.node import Node
from schema.order import by_id, newest_financial_movement_first, newest_movement_first
from schema.period import THIS_MONTH, TODAY, Period, resolve
from schema.selection import select
from schema.window import WINDOWS, Source, Window, column, complete
from upstream import rows


@strawberry.federation.type(keys=["id"])
class Group(Node, Window):
    """A group of the business: a manager, a distributor or a local, to which users belong (Group List Report, R8)."""

    sources = (Source(rows.Group, edges.GROUP_BY_ID),)

    id: ID = column({rows.Group: "id"}, "GameHub's own id of the group, such as 382.")
    external_id: ID | None = column({rows.Group: "external_group_id"}, "Your own id of the group, if it has one.")
    name: str | None = column({rows.Group: "name"}, "The group's name.")
    type: str | None = column({rows.Group: "type"}, "The kind of group, such as Manager, Distributor or Local.")

    def place(self) -> tuple[object, ...]:
        return (self.identity,)

    @strawberry.field
    async def users(
        self, info: Info[Session, Any], username: str | None = None, first: int | None = None, after: str | None = None
    ) -> Connection[UserLink] | None:
        """The users who belong to this group, by id; `username` searches inside names (User List Report, R9)."""
        found = await info.context.rows(edges.USERS_OF_GROUP, self.identity, username=username)
        return await connect(info, "User", found, by_id, first, after, told={"group": self})

    @strawberry.field
    async def transactions(
        self,
        info: Info[Session, Any],
        during: Period | None = TODAY,
        first: int | None = None,
        after: str | None = None,
    ) -> Connection[TransactionLink] | None:
        """The movements made in this group, whoever made them, newest first (Retails Movements, R5)."""
        interval = resolve(info, during)
        found = await info.context.rows(edges.MOVEMENTS_OF_GROUP, self.identity, interval)
        return await connect(
            info, "Transaction", found, newest_movement_first, first, after, interval=interval, told={"group": self}
        )

    @strawberry.field
    async def daily_movements(
        self, info: Info[Session, Any], during: Period | None = THIS_MONTH
    ) -> list[DailyMovementLink] | None:
        """The group's totals day by day, oldest first (Bingo Financial Report Daily Movements, R1)."""
        interval = resolve(info, during, THIS_MONTH)
        found = await info.context.rows(edges.DAILY_MOVEMENTS_OF_GROUP, self.identity, interval)
        days = [
            WINDOWS["DailyMovement"].on(row, session=info.context, interval=interval, told={"group": self})
            for row in sorted(found, key=lambda row: row.timestamp)
        ]
        await complete(days, select(info))
        return days

    @strawberry.field
    async def financial_movements(
        self,
        info: Info[Session, Any],
        during: Period | None = TODAY,
        first: int | None = None,
        after: str | None = None,
    ) -> Connection[FinancialMovementLink] | None:
        """The financial movements of this group and of all groups below it, newest first (R11)."""
        interval = resolve(info, during)
        found = await info.context.rows(edges.FINANCIAL_MOVEMENTS_OF_GROUP, self.identity, interval)
        return await connect(
            info, "FinancialMovement", found, newest_financial_movement_first, first, after, interval=interval
        )
