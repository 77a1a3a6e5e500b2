"""Find contradictions between the reports of one answer that were read at different times (C25).

Three reports (R1, R5, R11) must have the same totals for the day of a group. The movements of a user (R7) must be those
of the group (R5). Cached rows may be older than a correction that a later read shows: then both are read again.
"""

import datetime
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from upstream.call import Answer, Call, Reading
from upstream.reports.table import DAILY_MOVEMENTS, FINANCIAL_MOVEMENTS, GROUP_MOVEMENTS, USER_TRANSACTIONS, Report
from upstream.values import days, figures
from upstream.values.figures import NumberForms
from upstream.values.interval import Interval

COMPARED = frozenset({DAILY_MOVEMENTS, GROUP_MOVEMENTS, FINANCIAL_MOVEMENTS, USER_TRANSACTIONS})
# Rows that were read within this time of each other count as read together.
TOGETHER = datetime.timedelta(seconds=1)
_COLUMNS: dict[Report, frozenset[str]] = {
    DAILY_MOVEMENTS: frozenset({"timestamp", "total_wagers_real", "total_refunds_real", "total_paid"}),
    GROUP_MOVEMENTS: frozenset({"timestamp", "type", "currency_amount", "movement_id", "user_id"}),
    FINANCIAL_MOVEMENTS: frozenset({"timestamp", "type", "subtype", "currency_amount", "group_id"}),
    USER_TRANSACTIONS: frozenset({"timestamp", "movement_id", "group_id"}),
}
_MOST_KNOWN = 10_000
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A day in which two calls differ. `call` is one of them, and `what` identifies the difference."""

    day: datetime.date
    call: Call
    what: Hashable


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """An answer that an operation used, with all rows that the upstream sent."""

    call: Call
    answer: Answer[Any]

    def read_at(self, day: datetime.date) -> datetime.datetime | None:
        """Return when the rows of a day were read, or None if that is not known."""
        for reading in self.answer.readings:
            if reading.first is not None and reading.last is not None and reading.first <= day <= reading.last:
                return reading.read_at
        return None


class DayTotals(Protocol):
    """The day cache, as far as it knows which days changed."""

    def outdated(self, readings: Iterable[Reading]) -> bool:
        """Return whether a day was found changed after it was read."""

    async def note_changed(self, dates: Sequence[datetime.date], call: Call) -> None:
        """Record that days changed. Their cached rows are not used any more."""


class Coherence:
    """Decides whether the answer of an operation may be sent. A server has one object for all operations.

    An operation runs again if days that it used changed meanwhile, or if reports that it read at different times
    contradict each other: these days are then dropped from the cache. A contradiction that remains is a fault of the
    upstream. It is remembered, and such answers are sent.
    """

    def __init__(self, day_totals: DayTotals, zone: ZoneInfo, same_days: bool) -> None:
        self._day_totals = day_totals
        self._zone = zone
        self._same_days = same_days
        self._known: dict[Hashable, None] = {}

    async def settled(self, reads: Sequence[ReadAnswer], readings: Iterable[Reading]) -> bool:
        """Return whether the answer may be sent. If not, the operation must run again."""
        if self._day_totals.outdated(readings):
            return False
        if len(reads) < 2:
            return True
        found = contradictions(reads, self._zone, self._same_days)
        new = [each for each in found if each.what not in self._known]
        self._known.update((each.what, None) for each in new)
        while len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        for call in {each.call for each in new}:
            await self._day_totals.note_changed(sorted({each.day for each in new if each.call == call}), call)
        return not new


def contradictions(reads: Sequence[ReadAnswer], zone: ZoneInfo, same_days: bool) -> list[Contradiction]:
    """Return the days in which answers that were read at different times differ.

    `same_days` says whether the days of R1 are business days. Only then its totals can be compared.
    """
    by_report: dict[Report, list[ReadAnswer]] = defaultdict(list)
    for read in reads:
        by_report[read.call.report].append(read)
    if len(by_report) < 2:
        return []
    for report, of_report in by_report.items():
        by_report[report] = list(filter(_comparable, of_report))
    found: list[Contradiction] = []
    of_days = by_report[DAILY_MOVEMENTS] if same_days else []
    for read in by_report[GROUP_MOVEMENTS]:
        group = _group(read, "group_id")
        daily = [other for other in of_days if _group(other, "groupid") == group]
        found += _totals(read, [*daily, *by_report[FINANCIAL_MOVEMENTS]], group, zone)
        found += _ids(read, by_report[USER_TRANSACTIONS], group, zone)
    for read in of_days:
        found += _totals(read, by_report[FINANCIAL_MOVEMENTS], _group(read, "groupid"), zone)
    return found


def _group(read: ReadAnswer, name: str) -> int:
    return int(dict(read.call.params)[name])


def _shared(
    one: ReadAnswer, others: Iterable[ReadAnswer], zone: ZoneInfo
) -> Iterable[tuple[ReadAnswer, list[datetime.date]]]:
    """Yield the other answers with the whole days that both have and that they read at different times."""
    for other in others:
        there = set(_whole_days(other.call.interval, zone))
        both = [day for day in _whole_days(one.call.interval, zone) if day in there and _apart(one, other, day)]
        if both:
            yield other, both


def _apart(one: ReadAnswer, other: ReadAnswer, day: datetime.date) -> bool:
    first, second = one.read_at(day), other.read_at(day)
    return first is not None and second is not None and abs(first - second) > TOGETHER


def _whole_days(interval: Interval | None, zone: ZoneInfo) -> list[datetime.date]:
    assert interval is not None
    return [piece.day for piece in days.pieces(interval, zone) if piece.whole]


def _totals(read: ReadAnswer, others: Iterable[ReadAnswer], group: int, zone: ZoneInfo) -> Iterable[Contradiction]:
    """Yield the days of a group for which two reports have different totals."""
    for other, both in _shared(read, others, zone):
        ours, theirs = _figures(read, group, zone), _figures(other, group, zone)
        for day in both:
            one, two = ours.get(day, figures.NOTHING), theirs.get(day, figures.NOTHING)
            if one is not None and two is not None and one != two:
                what = (group, day, read.call.report.code, one, other.call.report.code, two)
                yield Contradiction(day, read.call, what)


def _comparable(read: ReadAnswer) -> bool:
    """Return whether an answer can be compared: a bad value contradicts nothing."""
    columns = _COLUMNS[read.call.report]
    read.answer.read(columns)
    return columns.isdisjoint(read.answer.irregular)


def _figures(read: ReadAnswer, group: int, zone: ZoneInfo) -> dict[datetime.date, NumberForms | None]:
    report, rows = read.call.report, read.answer.rows
    if report is DAILY_MOVEMENTS:
        return {row.timestamp: figures.of_day(row) for row in rows}
    by_day: dict[datetime.date, list[Any]] = defaultdict(list)
    for row in rows:
        if report is GROUP_MOVEMENTS or row.group_id == group:
            by_day[_day(row.timestamp, zone)].append(row)
    add = figures.of_movements if report is GROUP_MOVEMENTS else figures.of_finance
    return {day: add(found) for day, found in by_day.items()}


def _ids(read: ReadAnswer, users: Iterable[ReadAnswer], group: int, zone: ZoneInfo) -> Iterable[Contradiction]:
    """Yield the days on which R5 and R7 do not list the same movements of a user in a group."""
    for other, both in _shared(read, users, zone):
        user = _group(other, "user_id")
        ours = {row.movement_id: row.timestamp for row in read.answer.rows if row.user_id == user}
        theirs = {row.movement_id: row.timestamp for row in other.answer.rows if row.group_id == group}
        for id in ours.keys() ^ theirs.keys():
            day = _day(ours[id] if id in ours else theirs[id], zone)
            if day in both:
                yield Contradiction(day, read.call, (group, user, id))


def _day(microseconds: int, zone: ZoneInfo) -> datetime.date:
    return (_EPOCH + datetime.timedelta(microseconds=microseconds)).astimezone(zone).date()
