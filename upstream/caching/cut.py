"""Cut a call into days, and give each day its key in the store."""

import datetime
import hashlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from zoneinfo import ZoneInfo

from upstream.caching import day_entry
from upstream.caching.store import Key, series
from upstream.call import Call
from upstream.values import days
from upstream.values.days import Piece
from upstream.values.interval import Interval


@dataclass(frozen=True, slots=True)
class CutCall:
    """Hold a call that is cut into days: its pieces, and the column that says to which piece a row belongs.

    A report whose rows are dates (`dated`) is called for whole dates only, in the time zone of its system. `zone` is
    the time zone of the days.
    """

    call: Call
    name: str
    pieces: Sequence[Piece]
    column: str
    dated: bool
    zone: ZoneInfo

    @property
    def shape(self) -> Hashable:
        """Return what identifies calls whose answers are listed in the same order."""
        return shape(self.call)

    def key(self, piece: Piece) -> Key:
        """Return the key of a piece's day."""
        return self.name, piece.text

    @property
    def keys(self) -> list[Key]:
        """Return the keys of all pieces."""
        return [self.key(piece) for piece in self.pieces]

    def run(self, pieces: Sequence[Piece]) -> Call:
        """Return the call for neighbouring pieces."""
        call, first, last = self.call, pieces[0], pieces[-1]
        if len(pieces) == len(self.pieces):
            return call
        dates = (first.day, last.day) if self.dated else None
        return replace(call, interval=Interval(first.interval.start, last.interval.end, dates))

    def end(self, piece: Piece) -> datetime.datetime:
        """Return the moment at which the day of a piece ends."""
        return days.end(piece.day, self.zone)


class Cutter:
    """Cut calls into days of the business time zone, or of the zone in which the upstream's dates are (R1).

    `origin` distinguishes this upstream from others that may share the store.
    """

    def __init__(self, zone: ZoneInfo, day_zone: ZoneInfo, origin: Callable[[], str]) -> None:
        self.zone = zone
        self.day_zone = day_zone
        self._origin = origin

    def cut(self, call: Call, scope: str) -> CutCall | None:
        """Return the call by days; None for a call without days: it has no period, or reads the present state."""
        report, interval = call.report, call.interval
        if interval is None or report.current:
            return None
        name = self._series(call, scope)
        if report.moment is not None:
            return CutCall(call, name, days.pieces(interval, self.zone), report.moment, False, self.zone)
        assert report.day is not None
        return CutCall(call, name, days.whole_days(interval, self.zone, self.day_zone), report.day, True, self.day_zone)

    def whole_key(self, call: Call, scope: str) -> Key:
        """Return the key of an answer without days."""
        period = call.interval
        # Never ten characters long, as a day is.
        what = f"{period.start.isoformat()}/{period.end.isoformat()}" if period is not None else "all"
        return self._series(call, scope), what

    def origin_digest(self) -> str:
        """Return a short text for the upstream and the time zone."""
        return _digest(f"{self.zone.key} {self._origin()}")

    def _series(self, call: Call, scope: str) -> str:
        params = [*call.params, ("agent", call.agent)] if call.agent else call.params
        return series(call.report.code, day_entry.form(call.report.row), self.origin_digest(), scope, params)


@lru_cache(maxsize=64)
def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def shape(call: Call) -> Hashable:
    """Return what identifies calls whose answers are listed in the same order."""
    return call.report.code, tuple(name for name, _ in call.params)
