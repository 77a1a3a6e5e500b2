"""Days of the business time zone: how an interval is cut into them, and when a day is over for good."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

from upstream.interval import Interval, midnight

_DAY = datetime.timedelta(days=1)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


@dataclass(frozen=True)
class Piece:
    """The part of an interval that lies in one day; `whole` says that it is all of the day."""

    day: datetime.date
    interval: Interval
    whole: bool

    @cached_property
    def text(self) -> str:
        """The day, as it is written."""
        return self.day.isoformat()


@lru_cache(maxsize=512)
def pieces(interval: Interval, zone: ZoneInfo) -> tuple[Piece, ...]:
    """The interval, day by day: only the first and the last piece may be less than whole days.

    Remembered, since many calls of one moment ask for the same period.
    """
    found = []
    day = interval.start.astimezone(zone).date()
    start = _midnight(day, zone)
    while start < interval.end:
        end = _midnight(day + _DAY, zone)
        # A zone that moved across the date line has left out a day: it has no length.
        if start < end:
            part = Interval(max(start, interval.start), min(end, interval.end))
            found.append(Piece(day, part, part.start == start and part.end == end))
        day, start = day + _DAY, end
    return tuple(found)


def whole_days(interval: Interval, zone: ZoneInfo, day_zone: ZoneInfo) -> tuple[Piece, ...]:
    """The days that a report of days is asked for: those the interval was made of, else all it touches in `day_zone`.

    Their pieces are the days of `zone`, as intervals of whole days are.
    """
    first, last = interval.days or (
        interval.start.astimezone(day_zone).date(),
        (interval.end - _MICROSECOND).astimezone(day_zone).date(),
    )
    found = [first + number * _DAY for number in range((last - first).days + 1)]
    return tuple(Piece(day, Interval(_midnight(day, zone), _midnight(day + _DAY, zone)), True) for day in found)


def runs(missing: Iterable[int]) -> list[range]:
    """The places of missing pieces, ascending, as runs of neighbours, each of which one call can bring."""
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
    """Days in ascending order as people write them: 2026-03-01, or 2026-03-01/2026-03-14 for neighbours."""
    grouped: list[list[datetime.date]] = []
    for day in days:
        if grouped and day - grouped[-1][-1] == _DAY:
            grouped[-1][1:] = [day]
        else:
            grouped.append([day])
    return tuple("/".join(day.isoformat() for day in group) for group in grouped)


def microseconds(time: datetime.datetime) -> int:
    """An instant as rows tell it: microseconds since 1970-01-01 00:00 UTC."""
    return (time - _EPOCH) // _MICROSECOND


@lru_cache(maxsize=8192)
def _midnight(day: datetime.date, zone: ZoneInfo) -> datetime.datetime:
    return midnight(day, zone)
