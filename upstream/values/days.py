"""Cut an interval into days of the business time zone."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

from upstream.values.interval import Interval, midnight

_DAY = datetime.timedelta(days=1)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


@dataclass(frozen=True)
class Piece:
    """Hold the part of an interval that lies in one day. `whole` says that it is the whole day."""

    day: datetime.date
    interval: Interval
    whole: bool

    @cached_property
    def text(self) -> str:
        """Return the day as text."""
        return self.day.isoformat()


@lru_cache(maxsize=512)
def pieces(interval: Interval, zone: ZoneInfo) -> tuple[Piece, ...]:
    """Return the interval, day by day: only the first and the last piece may be parts of days.

    The result is cached, because many calls of one moment have the same period.
    """
    found = []
    day = interval.start.astimezone(zone).date()
    start = _midnight(day, zone)
    while start < interval.end:
        end = _midnight(day + _DAY, zone)
        # A zone that moved across the date line skipped a day: this day has no length.
        if start < end:
            part = Interval(max(start, interval.start), min(end, interval.end))
            found.append(Piece(day, part, part.start == start and part.end == end))
        day, start = day + _DAY, end
    return tuple(found)


def whole_days(interval: Interval, zone: ZoneInfo, day_zone: ZoneInfo) -> tuple[Piece, ...]:
    """Return the days for which a report of dates is called.

    These are the days from which the interval was made, or else all days that it touches in `day_zone`. The pieces are
    the days of `zone`, as intervals of whole days are.
    """
    first, last = interval.days or (
        interval.start.astimezone(day_zone).date(),
        (interval.end - _MICROSECOND).astimezone(day_zone).date(),
    )
    found = [first + number * _DAY for number in range((last - first).days + 1)]
    return tuple(Piece(day, Interval(_midnight(day, zone), _midnight(day + _DAY, zone)), True) for day in found)


def runs(missing: Iterable[int]) -> list[range]:
    """Return the places of missing pieces, ascending, as runs of neighbours. One call can bring a run."""
    grouped: list[range] = []
    for place in missing:
        if grouped and grouped[-1].stop == place:
            grouped[-1] = range(grouped[-1].start, place + 1)
        else:
            grouped.append(range(place, place + 1))
    return grouped


def start(day: datetime.date, zone: ZoneInfo) -> datetime.datetime:
    """Return the moment at which a day starts."""
    return _midnight(day, zone)


def covered(day: datetime.date, zone: ZoneInfo, other: ZoneInfo) -> list[datetime.date]:
    """Return the days of another zone that a day of `zone` touches."""
    first = start(day, zone).astimezone(other).date()
    last = (end(day, zone) - _MICROSECOND).astimezone(other).date()
    return [first + number * _DAY for number in range((last - first).days + 1)]


def end(day: datetime.date, zone: ZoneInfo) -> datetime.datetime:
    """Return the moment at which a day ends."""
    return _midnight(day + _DAY, zone)


@lru_cache(maxsize=512)
def spans(days: tuple[datetime.date, ...]) -> tuple[str, ...]:
    """Return ascending days as people write them: 2026-03-01, or 2026-03-01/2026-03-14 for neighbours."""
    grouped: list[list[datetime.date]] = []
    for day in days:
        if grouped and day - grouped[-1][-1] == _DAY:
            grouped[-1][1:] = [day]
        else:
            grouped.append([day])
    return tuple("/".join(day.isoformat() for day in group) for group in grouped)


def microseconds(time: datetime.datetime) -> int:
    """Return an instant in the form of rows: microseconds since 1970-01-01 00:00 UTC."""
    return (time - _EPOCH) // _MICROSECOND


@lru_cache(maxsize=8192)
def _midnight(day: datetime.date, zone: ZoneInfo) -> datetime.datetime:
    return midnight(day, zone)
