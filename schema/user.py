"""Users."""

from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Any

import strawberry
from strawberry import ID, Info

from resolvers import edges
from resolvers.session import Session
from schema.mapping.columns import EntityLink, column, link
from schema.mapping.entity import Entity, EntitySource, identities
from schema.mapping.lists import order
from schema.mapping.lists.connection import ConnectionPage, connect
from schema.mapping.lists.listed import Given
from schema.mapping.lists.pages import connection_of
from schema.mapping.node import Node
from schema.mapping.reading.game_log import DEFAULT_GAME_TYPE
from schema.mapping.reading.user import columns_of_code, homes_matter, logs_of, transactions_of, user_codes
from schema.mapping.relation import relation
from schema.mapping.selection import Selection
from schema.period import TODAY, Period, resolve
from schema.scalars import parse_id
from schema.where import GameLogWhere, TransactionWhere, conditions
from upstream.reports import rows
from upstream.values.interval import Interval


@strawberry.federation.type(keys=["id"])
class User(Node, Entity):
    """A player or terminal. Each user belongs to one group (User List Report, R9)."""

    sources = (EntitySource(rows.UserRow, edges.USER_BY_ID),)

    id: ID = column({rows.UserRow: "id"}, "GameHub's own id of the user, such as 2092.")
    external_id: ID | None = column({rows.UserRow: "external_user_id"}, "Your own id of the user, if it has one.")
    username: str | None = column({rows.UserRow: "username"}, "The user's name.")
    group: EntityLink = link(
        "Group",
        {rows.UserRow: {"id": "group_id", "name": "fkgroup", "external_id": "external_group_id"}},
        "The group that the user belongs to.",
    )

    def place(self) -> tuple[object, ...]:
        return (self.identity,)

    @classmethod
    def implied(cls, selection: Selection, session: Session) -> frozenset[str]:
        if "gameLogs" not in selection:
            return frozenset()
        return columns_of_code(session)

    @relation(connection_of("Transaction"))
    async def transactions(
        users: Sequence["User"],
        info: Info[Session, Any],
        during: Period | None = TODAY,
        in_group: ID | None = None,
        where: TransactionWhere | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Sequence[Any]:
        """All movements of the user in all groups, the newest first. `inGroup` keeps the movements made in one group.

        User Transactions Report (R7).
        """
        page = ConnectionPage.of(order.TRANSACTIONS, first, after, conditions(where))
        interval = resolve(info, during)
        group = None if in_group is None else parse_id(in_group, "inGroup")
        page = page.beside("group.id", group)

        def read(part: Interval) -> Awaitable[Sequence[Any]]:
            return transactions_of(users, info, page, part, group)

        given = Given(parent="user", parents=users)
        source = None if group is None and homes_matter(info.context) else (group, repr(where), *identities(users))
        return await connect(info, "Transaction", page, read, interval=interval, given=given, source=source)

    @relation(connection_of("GameLog"))
    async def game_logs(
        users: Sequence["User"],
        info: Info[Session, Any],
        game_type: str | None = "slot",
        during: Period | None = TODAY,
        where: GameLogWhere | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Sequence[Any]:
        """The user's game transactions on Game History, the newest first (G1).

        For several users at once, the agent's whole log is read once and its rows are distributed by user code.
        """
        page = ConnectionPage.of(order.GAME_LOGS, first, after, conditions(where))
        interval, kind = resolve(info, during), game_type or DEFAULT_GAME_TYPE

        def read(part: Interval) -> Awaitable[Sequence[Any]]:
            return logs_of(users, info, page, part, kind)

        rest = replace(page, where=page.where.unnamed("userCode"))
        given = Given({"game_type": kind}, "user", users)
        source = None if info.context.many_agents else (kind, repr(where), *map(str, user_codes(users, info.context)))
        return await connect(info, "GameLog", rest, read, interval=interval, given=given, source=source)
