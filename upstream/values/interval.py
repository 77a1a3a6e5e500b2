"""Resolve a period of time to one half-open interval (C4)."""

import datetime
from dataclasses import dataclass, field
from enum import Enum
from zoneinfo import ZoneInfo

_DAY = datetime.timedelta(days=1)
_WEEK = datetime.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Interval:
    """Hold a period from `start` (included) to `end` (excluded), both aware and in UTC.

    `days` are the first and the last day, both included, if the interval was made of whole days. A report of dates (R1)
    is called for these days, whatever the clock of its system.
    """

    start: datetime.datetime
    end: datetime.datetime
    days: tuple[datetime.date, datetime.date] | None = field(default=None, compare=False)


class SentFrame(Enum):
    """Name the time frames. Weeks start on Monday."""

    TODAY = "today"
    YESTERDAY = "yesterday"
    THIS_WEEK = "this_week"
    LAST_WEEK = "last_week"
    THIS_MONTH = "this_month"
    LAST_MONTH = "last_month"
    THIS_YEAR = "this_year"


def midnight(day: datetime.date, zone: ZoneInfo) -> datetime.datetime:
    """Return the first instant of `day` in `zone`, in UTC: 01:00 on the clock if summer time begins at midnight."""
    # fold=0 takes the offset from before a change, which in a skipped hour gives the instant of the change itself.
    local = datetime.datetime.combine(day, datetime.time(), tzinfo=zone)
    return local.astimezone(datetime.UTC)


def dates(first: datetime.date, last: datetime.date, zone: ZoneInfo) -> Interval:
    """Return the days from `first` to `last`, both included, in `zone`. Days may have 23 or 25 hours.

    Raise ValueError if `first` is after `last`.
    """
    if first > last:
        raise ValueError(f"the first day, {first}, is after the last, {last}")
    return Interval(midnight(first, zone), midnight(last + _DAY, zone), (first, last))


def resolve(frame: SentFrame, now: datetime.datetime, zone: ZoneInfo) -> Interval:
    """Return the interval of a named frame at the instant `now` (aware) in the business time zone.

    THIS_WEEK, THIS_MONTH and THIS_YEAR end with today, the last of their days that has begun. So each consists of
    closed days and one open day, and LAST_… and THIS_… have no gap and no overlap.
    """
    today = now.astimezone(zone).date()
    monday = today - datetime.timedelta(days=today.weekday())
    first = today.replace(day=1)
    match frame:
        case SentFrame.TODAY:
            return dates(today, today, zone)
        case SentFrame.YESTERDAY:
            return dates(today - _DAY, today - _DAY, zone)
        case SentFrame.THIS_WEEK:
            return dates(monday, today, zone)
        case SentFrame.LAST_WEEK:
            return dates(monday - _WEEK, monday - _DAY, zone)
        case SentFrame.THIS_MONTH:
            return dates(first, today, zone)
        case SentFrame.LAST_MONTH:
            return dates((first - _DAY).replace(day=1), first - _DAY, zone)
        case SentFrame.THIS_YEAR:
            return dates(today.replace(month=1, day=1), today, zone)
