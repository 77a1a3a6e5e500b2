"""The nine time frames of a report's date parameter."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta

from sandbox.clock import Clock
from sandbox.errors import ReportError

DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
UNIX = re.compile(r"\d{1,12}", re.ASCII)
TIME = re.compile(r"\d{2}:\d{2}:\d{2}", re.ASCII)


def _week(today: date, back: int) -> tuple[date, date]:
    monday = today - timedelta(days=today.weekday() + 7 * back)
    return monday, monday + timedelta(days=6)


def _month(within: date) -> tuple[date, date]:
    first = within.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


# name: first and last day, both included, relative to today
NAMED: dict[str, Callable[[date], tuple[date, date]]] = {
    "today": lambda today: (today, today),
    "yesterday": lambda today: (today - timedelta(days=1), today - timedelta(days=1)),
    "this_week": lambda today: _week(today, 0),
    "last_week": lambda today: _week(today, 1),
    "this_month": _month,
    "last_month": lambda today: _month(today.replace(day=1) - timedelta(days=1)),
    "this_year": lambda today: (date(today.year, 1, 1), date(today.year, 12, 31)),
}
FRAMES = (*NAMED, "range", "datetime_range")


def resolve(key: str, params: Mapping[str, str], clock: Clock) -> tuple[int, int]:
    """Return the first and the last unix second of the frame that `params` give under `key`, both included.

    `range` contains both end days completely, and a unix bound means the day that it falls on. `datetime_range` is one
    interval, exact to the second. Raise ReportError 10012 for an unknown frame, for a missing or impossible bound, or
    for an end before the start.
    """
    frame = params.get(key, "")
    try:
        if frame in NAMED:
            first, last = NAMED[frame](clock.today())
            return clock.midnight(first), clock.midnight(last + timedelta(days=1)) - 1
        if frame not in FRAMES:
            raise ReportError("10012")
        first, last = (_day(params.get(f"{key}_range_{end}", ""), clock) for end in ("from", "to"))
        if frame == "range":
            start, end = clock.midnight(first), clock.midnight(last + timedelta(days=1)) - 1
        else:
            # An hour that the clocks repeat counts completely: from its first pass to its second.
            start = _second(first, params.get(f"{key}_range_from_time", ""), clock, fold=0)
            end = _second(last, params.get(f"{key}_range_to_time", ""), clock, fold=1)
    except (ValueError, OverflowError, OSError) as error:
        raise ReportError("10012") from error
    if end < start:
        raise ReportError("10012")
    return start, end


def _day(text: str, clock: Clock) -> date:
    if DATE.fullmatch(text):
        return date.fromisoformat(text)
    if UNIX.fullmatch(text):
        return clock.day_of(int(text))
    raise ReportError("10012")


def _second(day: date, text: str, clock: Clock, fold: int) -> int:
    if not TIME.fullmatch(text):
        raise ReportError("10012")
    moment = datetime.combine(day, time.fromisoformat(text), tzinfo=clock.timezone).replace(fold=fold)
    return int(moment.timestamp())
