"""Rooms."""

from collections.abc import Sequence
from typing import Any, Self

import strawberry
from strawberry import ID, Info

from resolvers import edges
from resolvers.lookup import Lookup
from resolvers.session import Session
from schema.mapping.columns import column
from schema.mapping.entity import Entity, EntitySource, identities
from schema.mapping.lazy import list_of
from schema.mapping.lists import order
from schema.mapping.lists.pages import PageArgument, pages
from schema.mapping.lists.whole import whole_each
from schema.mapping.node import Node
from schema.mapping.reading.game import status_sent
from schema.mapping.reading.room import RoomSource, first_games, known_game, names_room, room_name, today
from schema.mapping.relation import relation
from schema.mapping.selection import select
from schema.period import TODAY, Period, resolve
from schema.status import GameStatus
from schema.where import GameWhere
from upstream.reports import rows
from upstream.values.interval import Interval


@strawberry.federation.type(keys=["id"])
class Room(Node, Entity):
    """A bingo room. The upstream has no report of rooms: a room is known by its games (R2, R3)."""

    sources = (
        RoomSource(rows.RoomGameRow, edges.GAMES_OF_ROOM, interval=today),
        # The bulk report (R2) may leave out the name of the room. The report of one game always has it.
        EntitySource(
            rows.GameSummaryRow,
            edges.GAME_SUMMARY_BY_ID,
            key=known_game,
            column="bs_game_id_main",
            value=known_game,
            after=(rows.RoomGameRow,),
        ),
    )

    id: ID = column({rows.RoomGameRow: "room_id"}, "GameHub's own id of the room.")
    name: str | None = column(
        {rows.RoomGameRow: room_name, rows.GameSummaryRow: "bs_room_id"},
        "The room's name; null if the room had no game in the last month.",
        unsure=True,
    )

    first_games: strawberry.Private[tuple[Interval, int | None] | None] = None
    name_selected: strawberry.Private[bool] = True
    named_below: strawberry.Private[bool] = False

    @classmethod
    def selected(cls, id: int, info: Info[Session, Any]) -> Self:
        """Return the room of an id, with the selected games below it, if there are any."""
        room = cls.of({"id": id}, session=info.context)
        selected = select(info)
        room.name_selected = "name" in selected
        room.named_below = names_room(selected)
        room.first_games = first_games(info)
        return room

    def place(self) -> tuple[object, ...]:
        return (self.identity,)

    games = pages(
        "Game",
        edges.GAMES_OF_ROOM,
        "The games of the room, ordered by start; `status` keeps the games of one status (Bulk Games Report, R2).",
        parent="room",
        arguments=(PageArgument("status", GameStatus, status_sent, "status"),),
        conditions_type=GameWhere,
        whole_rows=True,
    )

    @relation(list_of("Game"))
    async def games_on_sale(
        rooms: Sequence["Room"], info: Info[Session, Any], during: Period | None = TODAY
    ) -> list[Any]:
        """The games on sale and on presale, ordered by their start (Selling and pre-selling games, R6)."""
        interval = resolve(info, during)
        found = await info.context.rows_of(
            Lookup(edges.GAMES_ON_SALE_OF_ROOM, interval), identities(rooms), field="Room.gamesOnSale"
        )
        given = [{"room": room} for room in rooms]
        return await whole_each(info, "Game", found, order.GAMES.sorted, interval=interval, given=given)
