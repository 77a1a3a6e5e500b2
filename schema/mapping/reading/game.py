"""Read the rows of games. Four reports each know a part of a game."""

import datetime
from typing import Any

from schema.mapping.entity import UNKNOWN, Entity
from schema.mapping.lists.conditions import Conditions
from schema.mapping.values import BadValue
from schema.status import GameStatus, status_number, status_of
from upstream.reports import rows
from upstream.values.interval import Interval, dates

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
    """Return the status of a text, or UNKNOWN for an unknown text: the reports with numbers know the status."""
    status = status_of(row.status)
    return UNKNOWN if status is GameStatus.UNKNOWN and isinstance(row.status, str) else status


def status_sent(given: GameStatus | None, where: Conditions) -> int | None:
    """Return the number of the status that the bulk report (R2) filters by: of the argument, or of the condition.

    The report cannot filter by UNKNOWN, so such a condition is applied here.
    """
    status = where.one("status") if given is None else given
    return None if given is None and status is GameStatus.UNKNOWN else status_number(status)


def row_of_prizes(entity: Entity) -> type[rows.Row] | None:
    """Return the kind of row that has the prizes: R6 while the game is on sale, whatever else was read of the game."""
    for row in entity.rows:
        number = row.status_id if isinstance(row, DETAIL) else getattr(row, "status", None)
        if isinstance(number, BadValue):
            number = None  # its error appears where it is selected
        if isinstance(row, SALE) or status_of(number) in (GameStatus.SELLING, GameStatus.PRESELLING):
            return SALE
    return None


def day_of_sale(entity: Any) -> Interval | BadValue | None:
    """Return the day of the game's start, on which R6 lists the game while it is on sale."""
    start = next((row.starts_at for row in entity.rows if isinstance(row, BULK | DETAIL)), None)
    if start is None or isinstance(start, BadValue):
        return start
    day: datetime.date = entity.session.moment(start).date()
    return dates(day, day, entity.session.zone)
