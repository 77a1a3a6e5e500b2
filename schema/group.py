"""Groups."""

from collections.abc import Sequence
from typing import Any

import strawberry
from strawberry import ID, Info

from resolvers import daily, edges
from resolvers.currency import currencies
from resolvers.daily import business_days, days_of_report
from resolvers.lookup import Lookup
from resolvers.session import Session
from schema.mapping import order
from schema.mapping.connection import Connection, ConnectionPage, connect_each, reads
from schema.mapping.entity import Entity, EntitySource, column, identities
from schema.mapping.errors import BadUserInput
from schema.mapping.links import DailyMovementLink, FinancialMovementLink, TransactionLink, UserLink
from schema.mapping.node import Node
from schema.mapping.relation import relation
from schema.mapping.selection import select
from schema.mapping.whole import whole_each
from schema.period import THIS_MONTH, TODAY, Period, resolve
from upstream.errors import Incomplete
from upstream.interval import Interval
from upstream.reports import rows
from upstream.reports.rows import Row


class GroupSource(EntitySource):
    """A group by its id, or by its name where the users' report tells no more (C16, C18) and no two groups share it."""

    __slots__ = ()

    async def load(self, window: Entity) -> Row | None:
        name = window.told.get("name")
        if window.identity is not None or name is None:
            return await super().load(window)
        return await group_of_name(window.session, name)


async def group_of_name(session: Session, name: str) -> rows.GroupRow:
    """The one group of a name. Raises `Incomplete` if there are more, or none: then nobody can tell which is meant."""
    found = await session.rows(Lookup(edges.GROUP_BY_NAME), name)
    if len(found) != 1:
        raise Incomplete(
            f'R9 tells a user\'s group by its name alone, "{name}", and {len(found)} groups have that name.',
            report="R9",
        )
    group: rows.GroupRow = found[0]
    return group


def group_id(movement: Entity) -> int | None:
    """Return the id of the group of a daily or a financial movement, as far as it is known here."""
    told = movement.told.get("group")
    row: Any = movement.rows[0]
    identity: int | None = row.group_id
    return told.identity if identity is None and isinstance(told, Entity) else identity


@strawberry.federation.type(keys=["id"])
class Group(Node, Entity):
    """A group of the business: a manager, a distributor or a local, to which users belong (Group List Report, R8)."""

    sources = (GroupSource(rows.GroupRow, edges.GROUP_BY_ID),)

    id: ID = column({rows.GroupRow: "id"}, "GameHub's own id of the group, such as 382.")
    external_id: ID | None = column({rows.GroupRow: "external_group_id"}, "Your own id of the group, if it has one.")
    name: str | None = column({rows.GroupRow: "name"}, "The group's name.")
    type: str | None = column({rows.GroupRow: "type"}, "The kind of group, such as Manager, Distributor or Local.")

    @property
    def findable(self) -> bool:
        return self.identity is not None or "name" in self.told

    def place(self) -> tuple[object, ...]:
        return (self.identity,)

    @relation
    async def currency(groups: Sequence["Group"], info: Info[Session, Any]) -> list[str | None]:
        """The currency of the group's books, such as Real USD: that of all amounts of its movements.

        R7 names it for the newest movement of the last month; null if the group had none. It is looked up once a day.
        """
        found: list[Any] = await currencies(info.context, identities(groups))
        return found

    @relation
    async def users(
        groups: Sequence["Group"],
        info: Info[Session, Any],
        username: str | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> list[Connection[UserLink] | None]:
        """The users who belong to this group, by id; `username` searches inside names (User List Report, R9)."""
        page = ConnectionPage.of(order.USERS, first, after)
        found = await info.context.rows_of(
            Lookup.of(edges.USERS_OF_GROUP, username=username),
            identities(groups), reads(info, "User", page), "Group.users",
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
        page = ConnectionPage.of(order.TRANSACTIONS, first, after)
        interval = resolve(info, during)
        found = await info.context.rows_of(
            Lookup(edges.MOVEMENTS_OF_GROUP, interval),
            identities(groups), reads(info, "Transaction", page), "Group.transactions",
        )  # fmt: skip
        told = [{"group": group} for group in groups]
        return await connect_each(info, "Transaction", page, found, interval=interval, told=told)

    @relation
    async def daily_movements(
        groups: Sequence["Group"],
        info: Info[Session, Any],
        during: Period | None = THIS_MONTH,
    ) -> list[list[DailyMovementLink] | None]:
        """The group's totals day by day, oldest first (Bingo Financial Report Daily Movements, R1).

        A day is one of GameHub's own clock, from midnight to midnight, so `during` must have whole days of that clock.
        Where its clock is not that of the business, a business day is no day of the report: then wagers, refunds,
        payments and net are added up from the movements (R5), and other figures are an error.
        """
        interval = resolve(info, during, THIS_MONTH)
        session = info.context
        report_days = days_of_report(interval, session.zone, session.gamehub_zone)
        if report_days is None:
            found: list[Any] = await _added_up(groups, info, interval)
        else:
            found = await session.rows_of(
                Lookup(edges.DAILY_MOVEMENTS_OF_GROUP, report_days), identities(groups), field="Group.dailyMovements"
            )
        told = [{"group": group} for group in groups]
        return await whole_each(info, "DailyMovement", found, _by_day, interval=interval, told=told)

    @relation
    async def financial_movements(
        groups: Sequence["Group"],
        info: Info[Session, Any],
        during: Period | None = TODAY,
        first: int | None = None,
        after: str | None = None,
    ) -> list[Connection[FinancialMovementLink] | None]:
        """The financial movements of this group and of all groups below it, newest first (R11)."""
        page = ConnectionPage.of(order.FINANCIAL_MOVEMENTS, first, after)
        interval = resolve(info, during)
        found = await info.context.rows_of(
            Lookup(edges.FINANCIAL_MOVEMENTS_OF_GROUP, interval),
            identities(groups), reads(info, "FinancialMovement", page), "Group.financialMovements",
        )  # fmt: skip
        return await connect_each(
            info, "FinancialMovement", page, found, interval=interval, told=[None for _ in groups]
        )


def _by_day(rows: Sequence[Any]) -> list[Any]:
    return sorted(rows, key=lambda row: row.timestamp)


# The fields of a day that can be told of a day that is not the report's.
_TOLD_OF_ANY_DAY = {"totalWagers", "totalRefunds", "totalPaid", "net", "date", "group", "currency", "__typename"}


async def _added_up(groups: Sequence[Group], info: Info[Session, Any], interval: Interval) -> list[Any]:
    """Return the totals of business days that are not days of the report. Raises `BadUserInput` for what R5 lacks."""
    session = info.context
    clock = f"GameHub's clock ({session.gamehub_zone.key})"
    if business_days(interval, session.zone) is None:
        raise BadUserInput(
            f"during: dailyMovements has whole days of {clock}. From {interval.start.isoformat()} until "
            f"{interval.end.isoformat()} is not made of such days: begin and end at midnight there, or give whole days "
            "as `dates`."
        )
    others = sorted(select(info).keys() - _TOLD_OF_ANY_DAY)
    if others:
        raise BadUserInput(
            f"during: a day in {session.zone.key} is no day of {clock}, which dailyMovements has. No report tells "
            f"{', '.join(others)} of it: select totalWagers, totalRefunds, totalPaid and net alone, or give bounds at "
            "midnight of that clock as `between`."
        )
    found: list[Any] = await session.rows_of(
        Lookup(edges.MOVEMENTS_OF_GROUP, interval), identities(groups), daily.READ, "Group.dailyMovements"
    )
    for place, (group, movements) in enumerate(zip(groups, found, strict=True)):
        if isinstance(movements, Exception):
            continue
        kind = daily.unknown_type(movements)
        found[place] = (
            daily.totals(group.identity, movements, session.zone)
            if kind is None
            else Incomplete(f'R5: what movements of type "{kind}" add to the totals is not known.', report="R5")
        )
    return found
