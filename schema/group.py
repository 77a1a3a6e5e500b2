"""Groups."""

from typing import Any

import strawberry
from strawberry import ID, Info

from resolvers import edges
from resolvers.session import Session
from schema import order
from schema.connection import Connection, Page, connect
from schema.links import DailyMovementLink, FinancialMovementLink, TransactionLink, UserLink
from schema.node import Node
from schema.period import THIS_MONTH, TODAY, Period, resolve
from schema.selection import select
from schema.window import WINDOWS, Source, Window, column, complete
from upstream import rows
from upstream.errors import Incomplete
from upstream.rows import Row


class GroupSource(Source):
    """A group by its id, or by its name where the users' report tells no more (C16, C18) and no two groups share it."""

    __slots__ = ()

    async def load(self, window: Window) -> Row | None:
        name = window.told.get("name")
        if window.identity is not None or name is None:
            return await super().load(window)
        return await group_of_name(window.session, name)


async def group_of_name(session: Session, name: str) -> rows.Group:
    """The one group of a name. Raises `Incomplete` if there are more, or none: then nobody can tell which is meant."""
    found = await session.rows(edges.GROUP_BY_NAME, name)
    if len(found) != 1:
        raise Incomplete(
            f'R9 tells a user\'s group by its name alone, "{name}", and {len(found)} groups have that name.',
            report="R9",
        )
    group: rows.Group = found[0]
    return group


@strawberry.federation.type(keys=["id"])
class Group(Node, Window):
    """A group of the business: a manager, a distributor or a local, to which users belong (Group List Report, R8)."""

    sources = (GroupSource(rows.Group, edges.GROUP_BY_ID),)

    id: ID = column({rows.Group: "id"}, "GameHub's own id of the group, such as 382.")
    external_id: ID | None = column({rows.Group: "external_group_id"}, "Your own id of the group, if it has one.")
    name: str | None = column({rows.Group: "name"}, "The group's name.")
    type: str | None = column({rows.Group: "type"}, "The kind of group, such as Manager, Distributor or Local.")

    @property
    def findable(self) -> bool:
        return self.identity is not None or "name" in self.told

    def place(self) -> tuple[object, ...]:
        return (self.identity,)

    @strawberry.field
    async def users(
        self, info: Info[Session, Any], username: str | None = None, first: int | None = None, after: str | None = None
    ) -> Connection[UserLink] | None:
        """The users who belong to this group, by id; `username` searches inside names (User List Report, R9)."""
        page = Page.of(order.USERS, first, after)
        found = await info.context.rows(edges.USERS_OF_GROUP, self.identity, field="Group.users", username=username)
        return await connect(info, "User", page, found, told={"group": self})

    @strawberry.field
    async def transactions(
        self,
        info: Info[Session, Any],
        during: Period | None = TODAY,
        first: int | None = None,
        after: str | None = None,
    ) -> Connection[TransactionLink] | None:
        """The movements made in this group, whoever made them, newest first (Retails Movements, R5)."""
        page = Page.of(order.TRANSACTIONS, first, after)
        interval = resolve(info, during)
        found = await info.context.rows(edges.MOVEMENTS_OF_GROUP, self.identity, interval, field="Group.transactions")
        return await connect(info, "Transaction", page, found, interval=interval, told={"group": self})

    @strawberry.field
    async def daily_movements(
        self, info: Info[Session, Any], during: Period | None = THIS_MONTH
    ) -> list[DailyMovementLink] | None:
        """The group's totals day by day, oldest first (Bingo Financial Report Daily Movements, R1)."""
        interval = resolve(info, during, THIS_MONTH)
        found = await info.context.rows(
            edges.DAILY_MOVEMENTS_OF_GROUP, self.identity, interval, field="Group.dailyMovements"
        )
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
        page = Page.of(order.FINANCIAL_MOVEMENTS, first, after)
        interval = resolve(info, during)
        found = await info.context.rows(
            edges.FINANCIAL_MOVEMENTS_OF_GROUP, self.identity, interval, field="Group.financialMovements"
        )
        return await connect(info, "FinancialMovement", page, found, interval=interval)
