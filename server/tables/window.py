"""The time window of a table: read it from the parameters of an address and cut it into days.

`since` is included and `until` is not. Each is a date or a date-time (without an offset: in the business time zone).
`period` is a named frame of the graph. Without these parameters a table has the window of its document.
"""

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from server.http.request_error import RequestError
from server.tables.table import Table
from upstream.values import interval
from upstream.values.days import Piece, pieces
from upstream.values.interval import Interval, SentFrame

PARAMETERS = ("since", "until", "period")
PERIODS = tuple(frame.value for frame in SentFrame)
MOST_DAYS = 3700

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# A plus sign in an address means a space, unless the client has encoded it.
_OFFSET = re.compile(r" (\d\d:?\d\d)$", re.ASCII)


@dataclass(frozen=True, slots=True)
class TableWindow:
    """An interval, and its days in ascending order."""

    interval: Interval
    pieces: tuple[Piece, ...]
    zone: ZoneInfo

    @property
    def text(self) -> str:
        """Return the interval in ISO 8601."""
        return f"{self.interval.start.isoformat()}/{self.interval.end.isoformat()}"


def window_of(table: Table, given: Mapping[str, str], now: datetime.datetime, zone: ZoneInfo) -> TableWindow | None:
    """Return the window of `since`, `until` and `period`; None for a table without time. Raises RequestError."""
    given = {name: given[name] for name in PARAMETERS if name in given}
    if not table.timed:
        if given:
            raise _bad(f"The table {table.name} has no window of time: leave out {', '.join(given)}.")
        return None
    return cut(interval_of(given, now, zone) or _of_document(table.during, now, zone), zone)


def interval_of(given: Mapping[str, str], now: datetime.datetime, zone: ZoneInfo) -> Interval | None:
    """Return the interval of `since`, `until` and `period`; None without any of them. Raises RequestError."""
    if "period" in given and len(given) > 1:
        raise _bad("Say either period, or since and until.")
    if "period" in given:
        return _frame(given["period"], now, zone)
    if "until" in given and "since" not in given:
        raise _bad("until needs a since.")
    if "since" not in given:
        return None
    start = _moment("since", given["since"], zone)
    end = (
        _moment("until", given["until"], zone) if "until" in given else interval.resolve(SentFrame.TODAY, now, zone).end
    )
    if start >= end:
        raise _bad(f"since, {start.isoformat()}, must be before until, {end.isoformat()}.")
    return Interval(start, end)


def cut(found: Interval, zone: ZoneInfo) -> TableWindow:
    """Return the window of an interval. Raises RequestError."""
    if (found.end - found.start).days > MOST_DAYS:
        raise _bad(f"A window is of {MOST_DAYS} days at most.")
    try:
        return TableWindow(found, pieces(found, zone), zone)
    except OverflowError:
        raise _bad("The window lies outside the calendar.") from None


def during(piece: Piece) -> dict[str, Any]:
    """Return a piece of a window as a Period of the graph. A whole day is given as a day: reports of days need it."""
    if piece.whole:
        return {"dates": {"from": piece.text, "to": piece.text}}
    return {"between": {"from": piece.interval.start.isoformat(), "until": piece.interval.end.isoformat()}}


def _frame(name: str, now: datetime.datetime, zone: ZoneInfo) -> Interval:
    if name.lower() not in PERIODS:
        raise _bad(f"There is no period {name[:40]!r}; there are {', '.join(PERIODS)}.")
    return interval.resolve(SentFrame(name.lower()), now, zone)


def _of_document(said: Mapping[str, Any] | None, now: datetime.datetime, zone: ZoneInfo) -> Interval:
    """Return the default window of a document. Raises RequestError."""
    if not said:
        return interval.resolve(SentFrame.TODAY, now, zone)
    if said.get("frame"):
        return _frame(said["frame"], now, zone)
    if said.get("dates"):
        first, last = (datetime.date.fromisoformat(said["dates"][key]) for key in ("from", "to"))
        return interval.dates(first, last, zone)
    return Interval(_moment("from", said["between"]["from"], zone), _moment("until", said["between"]["until"], zone))


def _moment(name: str, text: str, zone: ZoneInfo) -> datetime.datetime:
    text = text.strip()
    try:
        if _DATE.fullmatch(text):
            return interval.midnight(datetime.date.fromisoformat(text), zone)
        moment = datetime.datetime.fromisoformat(_OFFSET.sub(r"+\1", text))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        return moment.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        raise _bad(
            f"{name} is {text[:40]!r}; it must be a date such as 2026-03-01, or a date-time such as "
            "2026-03-01T06:00:00+01:00."
        ) from None


def _bad(message: str) -> RequestError:
    return RequestError(400, "BAD_USER_INPUT", message)
