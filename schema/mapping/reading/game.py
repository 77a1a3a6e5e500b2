"""How games read their rows: four reports each know a part of a game."""

import datetime
from typing import Any

from schema.mapping.entity import UNKNOWN, Entity
from schema.mapping.values import BadValue
from schema.status import GameStatus, status_of
from upstream.interval import Interval, dates
from upstream.reports import rows

BULK = rows.RoomGameRow
DETAIL = rows.GameDetailRow
SALE = rows.GameOnSaleRow


def room_of(entity: Any) -> int | None:
    given = entity.given.get("room")
    if isinstance(given, Entity):
        identity: int | None = given.identity
        return identity
    return next((row.room_id for row in entity.rows if isinstance(row, BULK | DETAIL)), None)


def status_of_text(row: Any) -> Any:
    """UNKNOWN for a text that is in no document: the reports with numbers tell it."""
    status = status_of(row.status)
    return UNKNOWN if status is GameStatus.UNKNOWN and isinstance(row.status, str) else status


def row_of_prizes(entity: Entity) -> type[rows.Row] | None:
    """While a game is on sale, R6 tells its prizes, whatever else was read of the game."""
    for row in entity.rows:
        number = row.status_id if isinstance(row, DETAIL) else getattr(row, "status", None)
        if isinstance(number, BadValue):
            number = None  # which is an error where it is selected
        if isinstance(row, SALE) or status_of(number) in (GameStatus.SELLING, GameStatus.PRESELLING):
            return SALE
    return None


def day_of_sale(entity: Any) -> Interval | BadValue | None:
    """The day of the game's start: R6 lists it there while it sells."""
    start = next((row.starts_at for row in entity.rows if isinstance(row, BULK | DETAIL)), None)
    if start is None or isinstance(start, BadValue):
        return start
    day: datetime.date = entity.session.moment(start).date()
    return dates(day, day, entity.session.zone)
