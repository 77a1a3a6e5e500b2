"""The root of the graph."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import strawberry
from strawberry import ID, Info

from resolvers import edges
from resolvers.key_rows import KeyRows
from resolvers.lookup import Lookup
from resolvers.session import Session
from schema.financial_movement_connection import FinancialMovementConnection
from schema.game import Game
from schema.game_connection import GameConnection
from schema.game_log_connection import GameLogConnection
from schema.group import Group
from schema.jackpot import ProgressiveJackpot
from schema.mapping.by_id import by_id
from schema.mapping.errors import BadUserInput
from schema.mapping.lists import order
from schema.mapping.lists.conditions import Conditions
from schema.mapping.lists.connection import ConnectionPage, connect, connect_each, reads
from schema.mapping.lists.listed import Given
from schema.mapping.lists.relay import Connection
from schema.mapping.loading import complete, lookup
from schema.mapping.node import Node, decode
from schema.mapping.reading.game import status_sent
from schema.mapping.reading.game_log import DEFAULT_GAME_TYPE
from schema.mapping.reading.user import all_logs
from schema.mapping.relation import relation
from schema.mapping.selection import select
from schema.period import TODAY, Period, resolve
from schema.room import Room
from schema.scalars import parse_id
from schema.status import GameStatus
from schema.user import User
from schema.where import FinancialMovementWhere, GameLogWhere, GameWhere, conditions
from upstream.errors import NotFound
from upstream.reports import table as reports
from upstream.values.interval import Interval

MAX_IDS = 1000


async def _of_ids(session: Session, edge: edges.ReportEdge, ids: list[ID]) -> KeyRows:
    if len(ids) > MAX_IDS:
        raise BadUserInput(f"ids: {len(ids)} ids are too many; ask for up to {MAX_IDS} at a time.")
    keys = dict.fromkeys(parse_id(id, "ids") for id in ids)
    found = await session.rows_of(Lookup(edge), [*keys])
    for rows in found:
        if isinstance(rows, Exception):
            raise rows
    return KeyRows.joined(rows for rows in found if isinstance(rows, KeyRows))


async def _found(where: Conditions, read: Callable[[], Awaitable[KeyRows]], *, by_condition: bool) -> KeyRows:
    """Return the rows that a call reads, none without a call if nothing can meet the conditions.

    `by_condition` says that the conditions name the group or room of the call. One that the upstream does not know has
    no rows, as in the list of all.
    """
    if where.nothing:
        return KeyRows()
    try:
        return await read()
    except NotFound:
        if not by_condition:
            raise
        return KeyRows()


@strawberry.type(name="_Service")
class Service:
    """This subgraph, as a federation gateway sees it."""

    sdl: str = strawberry.field(description="The schema as a document.")


@strawberry.type
class Query:
    """The root of all queries."""

    group = by_id(Group, "The group with this id; null if there is none (Group List Report, R8).")

    @relation(Connection[Group])
    async def groups(
        roots: Sequence[Any],
        info: Info[Session, Any],
        ids: list[ID] | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Sequence[Any]:
        """All groups, or the groups with the given ids, ordered by id (Group List Report, R8)."""
        page = ConnectionPage.of(order.GROUPS, first, after)
        session = info.context
        found = await (
            session.all(reports.GROUPS, field="Query.groups", columns=reads(info, "Group", page))
            if ids is None
            else _of_ids(session, edges.GROUP_BY_ID, ids)
        )
        return await connect_each(info, "Group", page, [found])

    user = by_id(User, "The user with this id; null if there is none (User List Report, R9).")

    @relation(Connection[User])
    async def users(
        roots: Sequence[Any],
        info: Info[Session, Any],
        ids: list[ID] | None = None,
        username: str | None = None,
        group_id: ID | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Sequence[Any]:
        """Users, ordered by id: all users, or only those with the given ids, with `username` in their name, or of one
        group (R9).
        """
        page = ConnectionPage.of(order.USERS, first, after)
        session = info.context
        group = None if group_id is None else parse_id(group_id, "groupId")
        if ids is None:
            columns = reads(info, "User", page)
            found = await session.all(
                reports.USERS, field="Query.users", columns=columns, username=username, fkgroup=group
            )
        else:
            found = await _of_ids(session, edges.USER_BY_ID, ids)
            if username is not None or group is not None:
                others = await session.all(reports.USERS, field="Query.users", username=username, fkgroup=group)
                found = KeyRows(row for row in found if others.find("id", row.id) is not None)
        return await connect_each(info, "User", page, [found])

    @strawberry.field
    async def room(self, info: Info[Session, Any], id: ID) -> Room | None:
        """The room with this id; null if there is none (Bulk Games Report, R2)."""
        found: Any = await lookup(Room.selected(parse_id(id), info), select(info))
        return found

    @strawberry.field
    async def rooms(self, info: Info[Session, Any], during: Period | None = TODAY) -> list[Room] | None:
        """The rooms that had games in the period, ordered by id (Bulk Games Report, R2)."""
        games = await info.context.all(reports.ROOM_GAMES, resolve(info, during), "Query.rooms")
        firsts = {game.room_id: game for game in reversed(games) if game.room_id is not None}
        info.context.nodes.take(len(firsts))
        rooms = [Room.on(firsts[key], session=info.context) for key in sorted(firsts)]
        await complete(rooms, select(info))
        return rooms

    game = by_id(Game, "The game with this id; null if there is none (R3 or R4, whichever has the selected fields).")

    @relation(GameConnection)
    async def games(
        roots: Sequence[Any],
        info: Info[Session, Any],
        room_id: ID | None = None,
        during: Period | None = TODAY,
        status: GameStatus | None = None,
        where: GameWhere | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Sequence[Any]:
        """The games of one room or of all rooms, ordered by their start; `status` keeps the games of one status
        (R2).
        """
        page = ConnectionPage.of(order.GAMES, first, after, conditions(where))
        interval = resolve(info, during)
        room = None if room_id is None else parse_id(room_id, "roomId")
        page = page.beside("room.id", room).beside("status", status)
        named = page.where.one("room.id") if room is None else None

        async def read(part: Interval) -> Sequence[KeyRows]:
            games = partial(info.context.all, reports.ROOM_GAMES, part, "Query.games", bs_room_id=named or room)
            sent = status_sent(status, page.where)
            return [await _found(page.where, partial(games, status=sent), by_condition=named is not None)]

        return await connect(info, "Game", page, read, interval=interval, source=(room, status, repr(where)))

    @relation(GameLogConnection)
    async def game_logs(
        roots: Sequence[Any],
        info: Info[Session, Any],
        game_type: str | None = "slot",
        during: Period | None = TODAY,
        where: GameLogWhere | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Sequence[Any]:
        """The game transactions of all agents on Game History, the newest first (get_game_log, G1)."""
        page = ConnectionPage.of(order.GAME_LOGS, first, after, conditions(where))
        interval, kind = resolve(info, during), game_type or DEFAULT_GAME_TYPE

        async def read(part: Interval) -> Sequence[KeyRows]:
            return [await all_logs(info, page, part, kind)]

        rest, given = replace(page, where=page.where.unnamed("userCode")), Given({"game_type": kind})
        source = (kind, repr(where))
        return await connect(info, "GameLog", rest, read, interval=interval, given=given, source=source)

    @relation(FinancialMovementConnection)
    async def financial_movements(
        roots: Sequence[Any],
        info: Info[Session, Any],
        group_id: ID | None = None,
        during: Period | None = TODAY,
        where: FinancialMovementWhere | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Sequence[Any]:
        """The financial movements of all groups, or of one group and all groups below it, the newest first (R11)."""
        page = ConnectionPage.of(order.FINANCIAL_MOVEMENTS, first, after, conditions(where))
        interval = resolve(info, during)
        group = None if group_id is None else parse_id(group_id, "groupId")
        # The report has the group and all groups below it, so the condition is applied to its rows as well.
        named = page.where.one("group.id") if group is None else None
        columns = reads(info, "FinancialMovement", page)

        async def read(part: Interval) -> Sequence[KeyRows]:
            movements = partial(
                info.context.all,
                reports.FINANCIAL_MOVEMENTS,
                part,
                "Query.financialMovements",
                columns,
                group_id=named or group,
            )
            return [await _found(page.where, movements, by_condition=named is not None)]

        source = (group, repr(where))
        return await connect(info, "FinancialMovement", page, read, interval=interval, source=source)

    @strawberry.field
    async def progressive_jackpots(self, info: Info[Session, Any]) -> list[ProgressiveJackpot] | None:
        """All progressive jackpots with their current values (Progressive Jackpots Summary, R10)."""
        found = await info.context.all(reports.PROGRESSIVE_JACKPOTS, field="Query.progressiveJackpots")
        info.context.nodes.take(len(found))
        return [ProgressiveJackpot.on(row, session=info.context) for row in found]

    @strawberry.field
    async def node(self, info: Info[Session, Any], node_id: ID) -> Node | None:
        """The entity with this globally unique id; null if it no longer exists."""
        name, *place = decode(node_id)
        reference = info.schema.references.get(name)  # type: ignore[attr-defined]  # those of `schema.graph.Graph`
        if reference is None:
            raise BadUserInput(f'nodeId: this graph has no entity called "{name[:40]}".')
        found: Any = await reference.by_place(info.context, place, select(info, on=name))
        return found

    @strawberry.field(name="_service")  # type: ignore[untyped-decorator]
    def service(self, info: Info[Session, Any]) -> Service:
        """This subgraph's schema, for a federation gateway."""
        return Service(sdl=info.schema.sdl)  # type: ignore[attr-defined]
