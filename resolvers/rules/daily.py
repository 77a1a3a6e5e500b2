"""Compute the daily totals of a group. R1 has the days of GameHub's clock; R5 is added up for other days. Pure."""

import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from upstream.reports.rows import DailyMovementRow, GroupMovementRow
from upstream.values.days import Piece, pieces
from upstream.values.figures import EXACT, PARTS, of_movements
from upstream.values.interval import Interval
from upstream.values.money import amount

# Movements of R5 add up to these columns of R1 exactly. Wins may not be paid yet, and R5 does not count tickets.
ADDED_UP = ("total_wagers_real", "total_refunds_real", "total_paid", "net")
READ = frozenset({"timestamp", "type", "currency_amount", "movement_id"})


def days_of_report(interval: Interval, zone: ZoneInfo, gamehub_zone: ZoneInfo) -> Interval | None:
    """Return the interval for R1; None unless it consists of whole days of GameHub's clock.

    An interval of whole days in `zone`, the business time zone, must consist of the same days on GameHub's clock.
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
    """Return the business days of an interval; None if it contains a part of a day."""
    found = pieces(interval, zone)
    return found if found and all(piece.whole for piece in found) else None


def unknown_type(rows: Iterable[GroupMovementRow]) -> str | None:
    """Return the first type of movement that no total is known to contain, or None."""
    kinds = dict.fromkeys(row.type for row in rows)
    return next((kind for kind in kinds if kind.casefold() not in PARTS), None)


def totals(group: int | None, rows: Iterable[GroupMovementRow], zone: ZoneInfo) -> list[DailyMovementRow]:
    """Return rows like those of R1 for the days of `zone`, added up from movements. A day without movements has no row.

    Refunds and payments are negative, as in R1, and the net is the sum of all three.
    """
    by_day: defaultdict[datetime.date, list[GroupMovementRow]] = defaultdict(list)
    for row in rows:
        by_day[_day(row.timestamp, zone)].append(row)
    return [_row(group, day, by_day[day]) for day in sorted(by_day)]


def _row(group: int | None, day: datetime.date, rows: Sequence[GroupMovementRow]) -> DailyMovementRow:
    found = of_movements(rows)
    assert found is not None, "the types are known"
    signed = (found.wagers, EXACT.minus(found.refunds), EXACT.minus(found.paid), found.net)
    added = {name: amount(f"{value:f}") for name, value in zip(ADDED_UP, signed, strict=True)}
    unknown: Any = None  # never read: they are not selected
    return DailyMovementRow(timestamp=day, group_id=group, total_wins_real=unknown, total_paid_tickets=unknown, **added)


def _day(microseconds: int, zone: ZoneInfo) -> datetime.date:
    return datetime.datetime.fromtimestamp(microseconds // 1_000_000, datetime.UTC).astimezone(zone).date()
