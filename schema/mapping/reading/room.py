"""Read the rows of rooms. A room is known by its games."""

import datetime
from collections.abc import Sequence
from typing import Any

from graphql import GraphQLError
from strawberry import Info

from resolvers.lookup import Lookup
from resolvers.session import Session
from schema.mapping.entity import UNKNOWN, Entity, EntitySource
from schema.mapping.reading.game import status_sent
from schema.mapping.selection import Selection, arguments, nodes_of
from schema.mapping.values import BadValue
from schema.period import TODAY, resolve
from schema.where import conditions
from upstream.errors import NotFound
from upstream.reports import rows
from upstream.reports.rows import Row
from upstream.values import interval as intervals
from upstream.values.interval import Interval, SentFrame


def today(entity: Entity) -> Interval:
    return intervals.resolve(SentFrame.TODAY, entity.session.now, entity.session.zone)


class RoomSource(EntitySource):
    """A room is known by its games of today, or else of the last month. A room without games is known by its id.

    If games of the room are selected as well, they are read first, so that one call answers both.
    """

    __slots__ = ()

    async def load(self, entity: Any) -> Row | None:
        session, day = entity.session, today(entity)
        month = Interval(day.start - datetime.timedelta(days=31), day.end)
        try:
            if entity.first_games is not None:
                interval, status = entity.first_games
                games = await session.rows(Lookup.of(self.edge, interval, status=status), entity.identity)
                if not entity.name_selected and (games or not entity.named_below):
                    return _named(games) or rows.RoomGameRow(id=games[-1].id if games else 0, room_id=entity.identity)
                if month.start <= interval.start and interval.end <= month.end and (named := _named(games)):
                    return named
            for interval in (day, month):
                games = await session.rows(Lookup(self.edge, interval), entity.identity)
                if named := _named(games):
                    return named
                if games:
                    return rows.RoomGameRow(id=games[-1].id, room_id=entity.identity)
        except NotFound:
            return None  # the games of an unknown room are an error, but the room itself is null
        return rows.RoomGameRow(id=0, room_id=entity.identity)


def _named(games: Sequence[Any]) -> Row | None:
    """Return the first game with a valid name of the room, or else the first game with a bad value as the name."""
    valid = (game for game in games if not isinstance(game.room_name, BadValue))
    named = next((game for game in valid if game.room_name), None)
    return named or next((game for game in games if isinstance(game.room_name, BadValue)), None)


def first_games(info: Info[Session, Any]) -> tuple[Interval, int | None] | None:
    """Return the period and the status of the first selected `games`, or None if they are not selected or not valid."""
    for node in nodes_of(info, "games"):
        try:
            given = arguments(info, "Room", node)
            status = given.get("status")
            where = conditions(given.get("where")).beside("status", status)
            if where.allowed("room.id") is None:
                return resolve(info, given.get("during", TODAY)), status_sent(status, where)
        except GraphQLError:
            continue  # the field itself says what is wrong
    return None


def names_room(selection: Selection) -> bool:
    """Return whether the name of a room is selected anywhere below."""
    return any("name" in below if name == "room" else names_room(below) for name, below in selection.items())


def room_name(row: rows.RoomGameRow) -> object:
    return row.room_name or (UNKNOWN if row.id else None)


def known_game(entity: Entity) -> int | None:
    return next((row.id for row in entity.rows if isinstance(row, rows.RoomGameRow) and row.id), None)
