"""Find the days to compare: whole, finished days in the time zone of GameHub."""

import datetime
import re
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from server.http.request_error import RequestError
from server.tables.window import cut, interval_of
from upstream.values.days import Piece, pieces
from upstream.values.interval import Interval, dates

_DAY = datetime.timedelta(days=1)
_RANGE = re.compile(r"(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)", re.ASCII)


def days_of(
    given: Mapping[str, str], now: datetime.datetime, zone: ZoneInfo
) -> tuple[list[Piece], list[Piece]]:  # fmt: skip
    """Return the finished and the unfinished days of `period` (a name, or first..last), `since` and `until`.

    Raises RequestError, also for parts of days, because totals are for whole days.
    """
    span = _RANGE.fullmatch(given.get("period", ""))
    if span is not None:
        try:
            first, last = map(datetime.date.fromisoformat, span.groups())
            found: Interval | None = dates(first, last, zone)
        except (ValueError, OverflowError) as error:
            raise RequestError(400, "BAD_USER_INPUT", f"{given['period']} is no range of days: {error}") from None
    else:
        found = interval_of(given, now, zone)
    if found is None:
        raise RequestError(
            400, "BAD_USER_INPUT", "Say which days: --during yesterday, --during 2026-03-01..2026-03-07."
        )
    whole = cut(found, zone).pieces
    if not all(piece.whole for piece in whole):
        raise RequestError(400, "BAD_USER_INPUT", "Only whole days can be compared: since and until are dates.")
    over = [piece for piece in whole if piece.interval.end <= now]
    return over, [piece for piece in whole if piece.interval.end > now]


def last_days(count: int, now: datetime.datetime, zone: ZoneInfo) -> list[Piece]:
    """Return the last finished days, the oldest first."""
    today = now.astimezone(zone).date()
    return list(pieces(dates(today - count * _DAY, today - _DAY, zone), zone))
