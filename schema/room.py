"""Rooms."""

import datetime
from collections.abc import Sequence
from typing import Any, Self

import strawberry
from graphql import GraphQLError
from strawberry import ID, Info

from resolvers import edges
from resolvers.lookup import Lookup
from resolvers.session import Session
from schema.mapping import order
from schema.mapping.connection import Connection, ConnectionPage, connect_each
from schema.mapping.entity import UNKNOWN, Entity, EntitySource, column, identities
from schema.mapping.links import GameLink
from schema.mapping.node import Node
from schema.mapping.relation import relation
from schema.mapping.selection import arguments, nodes_of, select
from schema.mapping.whole import whole_each
from schema.period import TODAY, Period, resolve
from schema.status import GameStatus, status_number
from upstream import interval as intervals
from upstream.decoding.bad_value import BadValue
from upstream.errors import NotFound
from upstream.interval import Interval, SentFrame
from upstream.reports import rows
from upstream.reports.rows import Row


def _today(window: Entity) -> Interval:
    return intervals.resolve(SentFrame.TODAY, window.session.now, window.session.zone)


class RoomSource(EntitySource):
    """A room is known by its games: by those of today, or else of the last month; one that had none, by its id.

    If games of the room are selected as well, they are read first: one call then answers both.
    """

    __slots__ = ()

    async def load(self, window: Entity) -> Row | None:
        assert isinstance(window, Room)
        session, today = window.session, _today(window)
        month = Interval(today.start - datetime.timedelta(days=31), today.end)
        try:
            if window.first_games is not None:
                interval, status = window.first_games
                games = await session.rows(Lookup.of(self.edge, interval, status=status), window.identity)
                if not window.name_selected:
                    return _named(games) or rows.RoomGameRow(id=0, room_id=window.identity)
                if month.start <= interval.start and interval.end <= month.end and (named := _named(games)):
                    return named
            for interval in (today, month):
                games = await session.rows(Lookup(self.edge, interval), window.identity)
                if named := _named(games):
                    return named
                if games:
                    return rows.RoomGameRow(id=games[-1].id, room_id=window.identity)
        except NotFound:
            return None  # of an unknown room the games are an error, and the room itself is null
        return rows.RoomGameRow(id=0, room_id=window.identity)


def _named(games: Sequence[Any]) -> Row | None:
    """Return the first game that tells the room's name. One that tells it badly is the last resort."""
    told = (game for game in games if not isinstance(game.room_name, BadValue))
    named = next((game for game in told if game.room_name), None)
    return named or next((game for game in games if isinstance(game.room_name, BadValue)), None)


def _first_games(info: Info[Session, Any]) -> tuple[Interval, int | None] | None:
    """Return the period and the status of the first `games` that are selected; None if they are not, or not valid."""
    for node in nodes_of(info, "games"):
        try:
            given = arguments(info, "Room", node)
            return resolve(info, given.get("during", TODAY)), status_number(given.get("status"))
        except GraphQLError:
            continue  # the field itself says what is wrong
    return None


def _name(row: rows.RoomGameRow) -> object:
    return row.room_name or (UNKNOWN if row.id else None)


def _known_game(window: Entity) -> int | None:
    return next((row.id for row in window.rows if isinstance(row, rows.RoomGameRow) and row.id), None)


@strawberry.federation.type(keys=["id"])
class Room(Node, Entity):
    """A bingo room. The upstream has no report of rooms: a room is known by its games (R2, R3)."""

    sources = (
        RoomSource(rows.RoomGameRow, edges.GAMES_OF_ROOM, interval=_today),
        # The bulk report tells a room's name in its example alone (C16); the report of one game always does.
        EntitySource(
            rows.GameSummaryRow,
            edges.GAME_SUMMARY_BY_ID,
            key=_known_game,
            column="bs_game_id_main",
            value=_known_game,
            after=(rows.RoomGameRow,),
        ),
    )

    id: ID = column({rows.RoomGameRow: "room_id"}, "GameHub's own id of the room.")
    name: str | None = column(
        {rows.RoomGameRow: _name, rows.GameSummaryRow: "bs_room_id"},
        "The room's name; null if it had no game this month.",
        unsure=True,
    )

    first_games: strawberry.Private[tuple[Interval, int | None] | None] = None
    name_selected: strawberry.Private[bool] = True

    @classmethod
    def selected(cls, id: int, info: Info[Session, Any]) -> Self:
        """Return the room of an id, with the games that are selected below it, if any are."""
        room = cls.tell({"id": id}, session=info.context)
        room.name_selected = "name" in select(info)
        room.first_games = _first_games(info)
        return room

    def place(self) -> tuple[object, ...]:
        return (self.identity,)

    @relation
    async def games(
        rooms: Sequence["Room"],
        info: Info[Session, Any],
        during: Period | None = TODAY,
        status: GameStatus | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> list[Connection[GameLink] | None]:
        """The games of the room, by start, if wanted only those of one status (Bulk Games Report, R2)."""
        page = ConnectionPage.of(order.GAMES, first, after)
        interval = resolve(info, during)
        found = await info.context.rows_of(
            Lookup.of(edges.GAMES_OF_ROOM, interval, status=status_number(status)),
            identities(rooms),
            field="Room.games",
        )
        return await connect_each(info, "Game", page, found, interval=interval, told=[{"room": room} for room in rooms])

    @relation
    async def games_on_sale(
        rooms: Sequence["Room"],
        info: Info[Session, Any],
        during: Period | None = TODAY,
    ) -> list[list[GameLink] | None]:
        """The games that sell or presell, by start (Selling and pre-selling games, R6)."""
        interval = resolve(info, during)
        found = await info.context.rows_of(
            Lookup(edges.GAMES_ON_SALE_OF_ROOM, interval), identities(rooms), field="Room.gamesOnSale"
        )
        told = [{"room": room} for room in rooms]
        return await whole_each(info, "Game", found, order.GAMES.sorted, interval=interval, told=told)
