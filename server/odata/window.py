"""Which days an entity set is read for: those of its window, and of these those that `$filter` leaves anything of."""

import datetime
from collections.abc import Mapping

from server.odata.filter import Bounds
from server.odata.options import bad
from server.tables.setup import Setup
from server.tables.table import Table
from server.tables.window import cut, window_of
from upstream import interval
from upstream.days import Piece
from upstream.interval import Frame, Interval


def days(
    table: Table, said: Mapping[str, str], bounds: Bounds, time: str | None, setup: Setup
) -> tuple[Piece | None, ...]:
    """The days, ascending; for a table without time, one None. Raises Refusal.

    Who says since, until or period gets that window. Who says nothing of it but bounds the time in the filter means
    these bounds, and not the window that the table has for those who say nothing at all.
    """
    now = setup.now()
    if said or not bounds:
        window = window_of(table, said, now, setup.zone)
        return (None,) if window is None else tuple(one for one in window.pieces if _within(one, bounds))
    if bounds.first is None:
        raise bad(f"$filter bounds {time} from above only: say from when on, too ({time} ge …, or since=…).")
    start = interval.midnight(_date(bounds.first, setup), setup.zone)
    end = interval.resolve(Frame.TODAY, now, setup.zone).end
    if bounds.last is not None:
        end = min(end, interval.midnight(_date(bounds.last, setup) + datetime.timedelta(days=1), setup.zone))
    if start >= end:
        return ()
    return tuple(one for one in cut(Interval(start, end), setup.zone).pieces if _within(one, bounds))


def _within(piece: Piece, bounds: Bounds) -> bool:
    first, last = bounds.first, bounds.last
    if isinstance(first or last, datetime.datetime):
        begin, end = piece.interval.start, piece.interval.end
        late = last is not None and (begin >= last if bounds.open_end else begin > last)
        return not late and (first is None or end > first)
    late = last is not None and (piece.day >= last if bounds.open_end else piece.day > last)
    return not late and (first is None or piece.day >= first)


def _date(moment: datetime.date, setup: Setup) -> datetime.date:
    return moment.astimezone(setup.zone).date() if isinstance(moment, datetime.datetime) else moment
