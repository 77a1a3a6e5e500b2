"""Users."""

from collections.abc import Sequence
from typing import Any

import strawberry
from strawberry import ID, Info
from strawberry.utils.str_converters import to_camel_case

from resolvers import edges
from resolvers.join import MovementJoin
from resolvers.lookup import Lookup
from resolvers.session import Session
from schema.game_log import DEFAULT_GAME_TYPE
from schema.group import group_of_name
from schema.mapping import order
from schema.mapping.connection import ITEMS, Connection, ConnectionPage, connect_each, reads
from schema.mapping.entity import WINDOWS, Entity, EntitySource, column, link
from schema.mapping.links import GameLogLink, GroupLink, TransactionLink
from schema.mapping.node import Node
from schema.mapping.relation import apart, each, relation
from schema.mapping.selection import Selection, select
from schema.period import TODAY, Period, resolve
from schema.scalars import parse_id
from upstream.call import Call
from upstream.decoding.bad_value import BadValue, sound
from upstream.errors import ContractBroken, UpstreamError
from upstream.reports import rows
from upstream.reports import table as reports
from upstream.reports.request import checked, sendable

# USER_CODE_FROM names a column of the row; these are the type's names of it.
CODE_COLUMNS = {"username": "username", "external_user_id": "external_id", "id": "id"}


@strawberry.federation.type(keys=["id"])
class User(Node, Entity):
    """A player or terminal, who belongs to one group (User List Report, R9)."""

    sources = (EntitySource(rows.UserRow, edges.USER_BY_ID),)

    id: ID = column({rows.UserRow: "id"}, "GameHub's own id of the user, such as 2092.")
    external_id: ID | None = column({rows.UserRow: "external_user_id"}, "Your own id of the user, if it has one.")
    username: str | None = column({rows.UserRow: "username"}, "The user's name.")
    group: GroupLink | None = link(
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
        code = to_camel_case(CODE_COLUMNS[session.user_code_from])
        return frozenset((code, "group") if session.many_agents else (code,))

    @relation
    async def transactions(
        users: Sequence["User"],
        info: Info[Session, Any],
        during: Period | None = TODAY,
        in_group: ID | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> list[Connection[TransactionLink] | None]:
        """All movements of the user, wherever they were made, newest first; `inGroup` keeps those made in one group.

        User Transactions Report (R7).
        """
        page = ConnectionPage.of(order.TRANSACTIONS, first, after)
        interval = resolve(info, during)
        given = None if in_group is None else parse_id(in_group, "inGroup")
        session, edge = info.context, edges.TRANSACTIONS_IN_GROUP
        groups: list[Any] = [given for _ in users]
        if given is None and session.join.mode is MovementJoin.TRUST:
            groups, edge = await each([user.home() for user in users]), edges.TRANSACTIONS_AT_HOME
        columns = reads(info, "Transaction", page)
        # R5 may stand in only where it tells all that is selected.
        whole = WINDOWS["Transaction"].told_whole(rows.GroupMovementRow, select(info, *ITEMS), {"user"})

        async def of(group: int | None, places: list[int]) -> Sequence[Any]:
            keys = [users[place].identity for place in places]
            lookup = Lookup(edges.TRANSACTIONS_OF_USER, interval)
            if group is not None:
                lookup = Lookup.of(edge, interval, exact=not whole, group=group)
            return await session.rows_of(lookup, keys, columns, "User.transactions")

        found = await apart(groups, of)
        told = [{"user": user} for user in users]
        return await connect_each(info, "Transaction", page, found, interval=interval, told=told)

    @relation
    async def game_logs(
        users: Sequence["User"],
        info: Info[Session, Any],
        game_type: str | None = "slot",
        during: Period | None = TODAY,
        first: int | None = None,
        after: str | None = None,
    ) -> list[Connection[GameLogLink] | None]:
        """The user's game transactions on Game History, newest first.

        For several users at once the agent's whole log is read once and shared out by user code (G1).
        """
        page = ConnectionPage.of(order.GAME_LOGS, first, after)
        session, interval, kind = info.context, resolve(info, during), game_type or DEFAULT_GAME_TYPE
        agents: list[Any] = ["" for _ in users]
        if session.many_agents:
            homes = await each([user.home() for user in users])
            agents = [home if isinstance(home, Exception) else session.agent_of_group(home) for home in homes]
        codes = [user.code(session) for user in users]
        agents = [
            code if isinstance(code, Exception) and not isinstance(agent, Exception) else agent
            for agent, code in zip(agents, codes, strict=True)
        ]
        columns = reads(info, "GameLog", page)
        # The type of game is the caller's, and checked by itself: what is wrong with a code is not.
        checked(Call.of(reports.GAME_LOGS, interval, game_type=kind))

        async def of(agent: str, places: list[int]) -> Sequence[Any]:
            keys = [codes[place] for place in places]
            lookup = Lookup.of(edges.LOGS_OF_USER, interval, agent, game_type=kind)
            return await session.rows_of(lookup, keys, columns, "User.gameLogs")

        found = await apart(agents, of)
        told = [{"user": user, "game_type": kind} for user in users]
        return await connect_each(info, "GameLog", page, found, interval=interval, told=told)

    async def home(self) -> int | None:
        """The id of the user's group, which decides who is the user's agent."""
        told = self.told.get("group")
        if isinstance(told, Entity) and told.identity is not None:
            identity: int | None = told.identity
            return identity
        row = next((row for row in self.rows if isinstance(row, rows.UserRow)), None)
        if row is not None and row.group_id is None and row.fkgroup is not None:
            return (await group_of_name(self.session, sound(row.fkgroup))).id
        for failure in self.failures.values():
            raise failure
        return sound(row.group_id) if row is not None else None

    def code(self, session: Session) -> str | Exception:
        """The user's code on Game History (C22); `ContractBroken` where the user has none."""
        name = CODE_COLUMNS[session.user_code_from]
        if name == "id":
            return str(self.identity)
        codes = [getattr(row, session.user_code_from) for row in self.rows if isinstance(row, rows.UserRow)]
        for code in (*codes, self.told.get(name)):
            if isinstance(code, BadValue):
                return code.error
            if code:
                try:
                    return sendable(str(code), "R9", session.user_code_from)
                except UpstreamError as error:
                    return error
        for failure in self.failures.values():
            return failure
        return ContractBroken(
            f"User {self.identity} has no {session.user_code_from}, by which USER_CODE_FROM looks its game log up."
        )
