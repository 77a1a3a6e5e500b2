"""Groups."""

from collections.abc import Sequence
from typing import Any

import strawberry
from strawberry import ID, Info

from resolvers import edges
from resolvers.session import Session
from schema import order
from schema.connection import Connection, Page, connect_each, reads
from schema.links import DailyMovementLink, FinancialMovementLink, TransactionLink, UserLink
from schema.node import Node
from schema.period import THIS_MONTH, TODAY, Period, resolve
from schema.relation import relation
from schema.selection import select
from schema.window import WINDOWS, Source, Window, column, complete, identities
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

    @relation
    async def users(
        groups: Sequence["Group"],
        info: Info[Session, Any],
        username: str | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> list[Connection[UserLink] | None]:
        """The users who belong to this group, by id; `username` searches inside names (User List Report, R9)."""
        page = Page.of(order.USERS, first, after)
        found = await info.context.rows_of(
            edges.USERS_OF_GROUP, identities(groups), field="Group.users", columns=reads(info, "User", page),
            username=username,
        )  # fmt: skip
        return await connect_each(info, "User", page, found, told=[{"group": group} for group in groups])

    @relation
    async def transactions(
        groups: Sequence["Group"],
        info: Info[Session, Any],
        during: Period | None = TODAY,
        first: int | None = None,
        after: str | None = None,
    ) -> list[Connection[TransactionLink] | None]:
        """The movements made in this group, whoever made them, newest first (Retails Movements, R5)."""
        page = Page.of(order.TRANSACTIONS, first, after)
        interval = resolve(info, during)
        found = await info.context.rows_of(
            edges.MOVEMENTS_OF_GROUP, identities(groups), interval, field="Group.transactions",
            columns=reads(info, "Transaction", page),
        )  # fmt: skip
        told = [{"group": group} for group in groups]
        return await connect_each(info, "Transaction", page, found, interval=interval, told=told)

    @relation
    async def daily_movements(
        groups: Sequence["Group"],
        info: Info[Session, Any],
        during: Period | None = THIS_MONTH,
    ) -> list[list[DailyMovementLink] | None]:
        """The group's totals day by day, oldest first (Bingo Financial Report Daily Movements, R1)."""
        interval = resolve(info, during, THIS_MONTH)
        found = await info.context.rows_of(
            edges.DAILY_MOVEMENTS_OF_GROUP, identities(groups), interval, field="Group.dailyMovements"
        )
        days: list[Any] = [
            rows
            if isinstance(rows, Exception)
            else [
                WINDOWS["DailyMovement"].on(row, session=info.context, interval=interval, told={"group": group})
                for row in sorted(rows, key=lambda row: row.timestamp)
            ]
            for group, rows in zip(groups, found, strict=True)
        ]
        await complete([day for one in days if isinstance(one, list) for day in one], select(info))
        return days

    @relation
    async def financial_movements(
        groups: Sequence["Group"],
        info: Info[Session, Any],
        during: Period | None = TODAY,
        first: int | None = None,
        after: str | None = None,
    ) -> list[Connection[FinancialMovementLink] | None]:
        """The financial movements of this group and of all groups below it, newest first (R11)."""
        page = Page.of(order.FINANCIAL_MOVEMENTS, first, after)
        interval = resolve(info, during)
        found = await info.context.rows_of(
            edges.FINANCIAL_MOVEMENTS_OF_GROUP, identities(groups), interval, field="Group.financialMovements",
            columns=reads(info, "FinancialMovement", page),
        )  # fmt: skip
        return await connect_each(
            info, "FinancialMovement", page, found, interval=interval, told=[None for _ in groups]
        )
