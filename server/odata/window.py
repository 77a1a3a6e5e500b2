"""Find the days to read for an entity set: the days of its window on which its filter can be true."""

from collections.abc import Mapping

from server.odata.edm import time_of
from server.odata.filter import Filter
from server.odata.options import bad
from server.tables import days as calendar
from server.tables.config import TablesConfig
from server.tables.table import Table
from server.tables.window import MOST_DAYS, cut, window_of
from upstream.values import interval
from upstream.values.days import Piece
from upstream.values.interval import SentFrame


def days(table: Table, said: Mapping[str, str], found: Filter | None, config: TablesConfig) -> tuple[Piece | None, ...]:
    """Return the days, ascending; one None for a table without time. Raises RequestError.

    A request with since, until or period has that window. Otherwise, if the filter limits the time, the request has the
    days of the filter, and not the default window of the table.
    """
    if said or found is None or not table.timed or not found.times:
        window = window_of(table, said, config.now(), config.zone)
        if window is None:
            return (None,)
        # The keys of a part of a day do not begin with the day alone.
        return tuple(
            one for one in window.pieces if found is None or not one.whole or calendar.has(found.days, one.day)
        )
    return tuple(_of_filter(table, found, config))


def _of_filter(table: Table, found: Filter, config: TablesConfig) -> list[Piece]:
    column = time_of(table)
    name = found.times[0] if column is None else column.name
    window = "since=… and until=…" if column is None else f"{name} ge …, or since=…"
    if found.parts:
        raise bad(
            f"{found.option} names {found.parts[0][:80]!r}, the key of a part of a day: add the since=… and until=… of "
            "the window that it was read in."
        )
    left = found.days
    today = interval.resolve(SentFrame.TODAY, config.now(), config.zone)
    assert today.days is not None
    if left & calendar.EARLIER and not left & calendar.LATER:
        raise bad(f"{found.option} bounds {name} from above only: say from when on, too ({window}).")
    if left & calendar.EARLIER:
        raise bad(
            f"{found.option} speaks of {', '.join(found.times)}, but does not say which days are meant: say from when "
            f"on ({window})."
        )
    ahead = column is not None and column.during == "any"
    if left & calendar.LATER and ahead:
        raise bad(
            f"{found.option} bounds {name} from below only, and rows may lie ahead: say until when, too ({name} lt …)."
        )
    if not ahead:  # no row lies in the future
        left &= calendar.until(today.days[1])
    if calendar.count(left) > MOST_DAYS:
        raise bad(
            f"{found.option} leaves {calendar.count(left):,} days, and {MOST_DAYS:,} are allowed: bound {name} closer."
        )
    return [
        piece
        for first, last in calendar.runs(left)
        for piece in cut(interval.dates(first, last, config.zone), config.zone).pieces
    ]
