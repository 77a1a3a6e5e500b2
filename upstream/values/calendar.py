"""Find the day and the hour of moments in a time zone, and the week, month or year of a day."""

import calendar
import datetime
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from zoneinfo import ZoneInfo

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
# Every offset of a zone is a number of quarters of an hour, so a quarter never spans two hours or two days.
_QUARTER = 900_000_000
_DAY = datetime.timedelta(days=1)
# Moments of three years.
_MOST_QUARTERS = 100_000


class CalendarUnit(Enum):
    """Name the parts of the calendar that days are added up by. Weeks start on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


def span(day: datetime.date, unit: CalendarUnit) -> tuple[datetime.date, datetime.date]:
    """Return the first and the last day of the part of the calendar that contains a day."""
    if unit is CalendarUnit.DAY:
        return day, day
    if unit is CalendarUnit.WEEK:
        first = day - _DAY * day.weekday()
        return first, first + _DAY * 6
    if unit is CalendarUnit.MONTH:
        return day.replace(day=1), day.replace(day=calendar.monthrange(day.year, day.month)[1])
    return datetime.date(day.year, 1, 1), datetime.date(day.year, 12, 31)


class _DaysOfQuarters(dict[int, datetime.date]):
    """The days of quarters of an hour."""

    def __init__(self, zone: ZoneInfo) -> None:
        super().__init__()
        self._zone = zone

    def __missing__(self, quarter: int) -> datetime.date:
        if len(self) >= _MOST_QUARTERS:
            self.clear()
        found = self[quarter] = _local(quarter, self._zone).date()
        return found


class _HourStarts(dict[int, int]):
    """The starts of the hours of quarters of an hour, in microseconds. Clocks show one hour of a year twice: these are
    two hours.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        super().__init__()
        self._zone = zone

    def __missing__(self, quarter: int) -> int:
        own, first = _hour(quarter, self._zone), quarter
        while _hour(first - 1, self._zone) == own:
            first -= 1
        if len(self) >= _MOST_QUARTERS:
            self.clear()
        found = self[quarter] = first * _QUARTER
        return found


@lru_cache(maxsize=8)
def day_of(zone: ZoneInfo) -> Callable[[int], datetime.date]:
    """Return the function from a moment (microseconds since 1970 UTC) to its day."""
    days = _DaysOfQuarters(zone)
    return lambda at: days[at // _QUARTER]


@lru_cache(maxsize=8)
def hour_of(zone: ZoneInfo) -> Callable[[int], int]:
    """Return the function from a moment (microseconds since 1970 UTC) to the start of its hour, in the same form."""
    hours = _HourStarts(zone)
    return lambda at: hours[at // _QUARTER]


def _hour(quarter: int, zone: ZoneInfo) -> tuple[datetime.date, int, datetime.timedelta | None]:
    local = _local(quarter, zone)
    return local.date(), local.hour, local.utcoffset()


def _local(quarter: int, zone: ZoneInfo) -> datetime.datetime:
    return (_EPOCH + datetime.timedelta(seconds=quarter * 900)).astimezone(zone)
