"""The days of a group's totals: R1 tells those of GameHub's own clock, R5 what can be added up of other days. Pure."""

import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from upstream.days import Piece, pieces
from upstream.interval import Interval
from upstream.money import amount
from upstream.rows import DailyMovement, GroupMovement

# The columns of R1 that movements of R5 add up to exactly: wins are not paid yet, and R5 does not count tickets.
EXACT = ("total_wagers_real", "total_refunds_real", "total_paid", "net")
READ = frozenset({"timestamp", "type", "currency_amount", "movement_id"})
_COLUMNS = {
    "bingo - wager": "total_wagers_real",
    "bingo - refund": "total_refunds_real",
    "bingo - prize": "total_paid",
    "bingo - jackpot": "total_paid",
}
_CONTEXT = Context(prec=100)


def days_of_report(interval: Interval, zone: ZoneInfo, gamehub_zone: ZoneInfo) -> Interval | None:
    """Return the interval as R1 is asked for it; None unless it is made of whole days of GameHub's clock.

    An interval of whole days in `zone`, the business time zone, must have just these days on GameHub's clock.
    """
    if interval.days is not None and zone.key == gamehub_zone.key:
        return interval
    found = pieces(interval, gamehub_zone)
    if not found or not all(piece.whole for piece in found):
        return None
    if interval.days is not None:
        own = [(piece.day, piece.interval) for piece in pieces(interval, zone)]
        return interval if own == [(piece.day, piece.interval) for piece in found] else None
    return Interval(interval.start, interval.end, (found[0].day, found[-1].day))


def business_days(interval: Interval, zone: ZoneInfo) -> Sequence[Piece] | None:
    """Return the days of the business time zone that an interval is made of; None if it has a part of a day."""
    found = pieces(interval, zone)
    return found if found and all(piece.whole for piece in found) else None


def unknown_type(rows: Iterable[GroupMovement]) -> str | None:
    """Return the first type of movement of which nobody knows what it adds to, or None."""
    kinds = dict.fromkeys(row.type for row in rows)
    return next((kind for kind in kinds if kind.casefold() not in _COLUMNS), None)


def totals(group: int | None, rows: Iterable[GroupMovement], zone: ZoneInfo) -> list[DailyMovement]:
    """Return what R1 would tell of the days of `zone`, as far as movements tell it. A day without any has no row.

    Refunds and payments are negative, as in R1, and the net is the sum of all three.
    """
    sums: defaultdict[datetime.date, dict[str, Decimal]] = defaultdict(dict)
    for row in rows:
        day = _day(row.timestamp, zone)
        column = _COLUMNS[row.type.casefold()]
        value = Decimal(row.currency_amount)
        if column != EXACT[0]:
            value = _CONTEXT.minus(value)
        for name in (column, "net"):
            sums[day][name] = _CONTEXT.add(sums[day].get(name, Decimal(0)), value)
    return [_row(group, day, sums[day]) for day in sorted(sums)]


def _row(group: int | None, day: datetime.date, found: dict[str, Decimal]) -> DailyMovement:
    told = {name: amount(f"{found.get(name, Decimal(0)):f}") for name in EXACT}
    unknown: Any = None  # never read: they are not selected
    return DailyMovement(timestamp=day, group_id=group, total_wins_real=unknown, total_paid_tickets=unknown, **told)


def _day(microseconds: int, zone: ZoneInfo) -> datetime.date:
    return datetime.datetime.fromtimestamp(microseconds // 1_000_000, datetime.UTC).astimezone(zone).date()
