"""Check with a cheap call whether closed days whose trust has ended are unchanged, and record days that changed."""

import datetime
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import structlog

from upstream.caching import day_entry
from upstream.caching.cache_stats import ReadSummary
from upstream.caching.cached_days import CachedDays
from upstream.caching.changes import Changes
from upstream.caching.cut import CutCall, Cutter
from upstream.caching.day_entry import NO_PRINT, DayEntry
from upstream.caching.trust import Trust
from upstream.call import Answer, Call, MadeCall
from upstream.client import Listener
from upstream.errors import UpstreamError
from upstream.reports.table import DAILY_MOVEMENTS, Fingerprint
from upstream.values import days, figures
from upstream.values.days import Piece
from upstream.values.interval import Interval

_log = structlog.get_logger("upstream.cache")
_DAY = datetime.timedelta(days=1)
# Servers that check the same days at about the same time use one reading. It is at most so old.
_SHARED = datetime.timedelta(seconds=10)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class DaySource(Protocol):
    """Answer the calls of the cache: `Upstream`, or a replacement of it."""

    async def fetch(self, call: Call, observe: Listener | None = None) -> Answer[Any]: ...


class Counted(NamedTuple):
    """The number of rows of a log at the upstream, when it was requested, and the call that found it."""

    total: int
    at: datetime.datetime
    made: MadeCall

    @classmethod
    def of(cls, call: Call, answer: Answer[Any], at: datetime.datetime) -> "Counted":
        """Return what an own call found."""
        made = MadeCall(call, answer.requests, 0, answer.bytes, answer.seconds, waited=answer.waited)
        assert answer.total is not None, "a counting call returns the number"
        return cls(answer.total, at, made)


class CheckedDay(NamedTuple):
    """The result of a check: when the upstream was read, the fingerprint of the day, and whether it is unchanged."""

    at: datetime.datetime
    print: bytes
    unchanged: bool


class DayChecks:
    """Check cached days. `read_totals` reads R1 through the cache, and `count` counts the rows of a log.

    Both use what another server has read, if it was read at a moment or later.
    """

    def __init__(
        self,
        read_totals: Callable[[Call, datetime.datetime], Awaitable[Answer[Any]]],
        count: Callable[[Call, datetime.datetime], Awaitable[Counted]],
        cutter: Cutter,
        trust: Trust,
        changes: Changes,
        counted: Counter[str],
        now: Callable[[], datetime.datetime],
    ) -> None:
        self._read_totals = read_totals
        self._count = count
        self._cutter = cutter
        self._trust = trust
        self._changes = changes
        self._counted = counted
        self._now = now

    def fresh_for(self, cut: CutCall, piece: Piece, requested_at: datetime.datetime, empty: bool) -> float:
        """Return for how many seconds the rows of a day are trusted that were read at this moment."""
        return self._trust.seconds(cut.end(piece), requested_at, empty=empty)

    def was_closed(self, cut: CutCall, piece: Piece, entry: DayEntry) -> bool:
        """Return whether a day was over when its entry was read."""
        return self._trust.closed(cut.end(piece), entry.since)

    def can_check(self, cut: CutCall, piece: Piece, entry: DayEntry, now: datetime.datetime) -> bool:
        """Return whether a cheap fingerprint can show that the cached rows of a day are still the upstream's."""
        return (
            cut.call.report.fingerprint is not None
            and entry.requested_at <= days.microseconds(now)
            and self.was_closed(cut, piece, entry)
        )

    async def check(
        self, cached: CachedDays, cut: CutCall, ended: Mapping[int, DayEntry], summary: ReadSummary
    ) -> tuple[dict[int, DayEntry], dict[int, bytes]]:
        """Check days whose trust has ended. Return those that are trusted again, and the fingerprints of the others."""
        if not ended:
            return {}, {}
        renewed: dict[int, DayEntry] = {}
        prints: dict[int, bytes] = {}
        for run in days.runs(sorted(ended)):
            places = {place: ended[place] for place in run}
            changed: list[datetime.date] = []
            since = max(self._now() - _SHARED, *(_moment(each.requested_at) for each in places.values()))
            try:
                if cut.call.report.fingerprint is Fingerprint.COUNT:
                    found = dict.fromkeys(places, await self._compare_count(cut, places, since, summary))
                else:
                    found = await self._compare_totals(cached, cut, places, since, summary)
            except UpstreamError:
                continue  # the rows themselves are read next, or the entry replaces them as stale
            at = min(one.at for one in found.values())
            if at < since:
                continue  # the upstream is out of reach, and old totals replace its answer
            for place, (_, print, unchanged) in found.items():
                entry, piece = places[place], cut.pieces[place]
                is_current = entry.requested_at >= self._changes.at(piece.day)
                if unchanged and is_current:
                    until = at + datetime.timedelta(seconds=self.fresh_for(cut, piece, at, not entry.count))
                    renewed[place] = day_entry.renewed(entry, until, print)
                    continue
                prints[place] = print
                if is_current and entry.print not in (NO_PRINT, print):
                    changed.append(piece.day)
            await self.record_changes(cut, changed, at)
        self._counted["renewed"] += len(renewed)
        entries = [(cut.key(cut.pieces[place]), each.value) for place, each in renewed.items()]
        if entries:
            await cached.store.set_many(entries, cached.keep_for)
        return renewed, prints

    async def record_changes(self, cut: CutCall, dates: Sequence[datetime.date], at: datetime.datetime) -> None:
        """Note that closed days changed: no earlier reading of them is used any more, whatever its report."""
        if not dates:
            return
        self._counted["changed"] += len(dates)
        _log.info("cache.changed", report=cut.call.report.code, days=days.spans(tuple(sorted(dates))))
        if self._cutter.zone.key != self._cutter.day_zone.key:
            # A day of one time zone lies in two days of the other.
            dates = sorted({date + _DAY * step for date in dates for step in (-1, 0, 1)})
        await self._changes.note(dates, at)

    async def _compare_count(
        self, cut: CutCall, places: Mapping[int, DayEntry], since: datetime.datetime, summary: ReadSummary
    ) -> CheckedDay:
        """Return whether the log still has as many rows of these neighbouring days as the cache (`total_count`)."""
        first, last = cut.pieces[min(places)].day, cut.pieces[max(places)].day
        interval = Interval(days.start(first, cut.zone), days.end(last, cut.zone))
        call = replace(cut.call, interval=interval, columns=None, counting=True)
        counted = await self._count(call, since)
        summary.made.append(counted.made)
        return CheckedDay(counted.at, NO_PRINT, counted.total == sum(each.count for each in places.values()))

    async def _compare_totals(
        self,
        cached: CachedDays,
        cut: CutCall,
        places: Mapping[int, DayEntry],
        since: datetime.datetime,
        summary: ReadSummary,
    ) -> dict[int, CheckedDay]:
        """Return for each of neighbouring days the fingerprint of R1's rows, and whether the cached rows of R5 agree.

        They agree if R1 is the same as when they were read or checked last, or if their own totals equal R1's.
        """
        zone, day_zone = self._cutter.zone, self._cutter.day_zone
        first, last = cut.pieces[min(places)].day, cut.pieces[max(places)].day
        start, end = days.start(first, zone), days.end(last, zone)
        same_days = (start, end) == (days.start(first, day_zone), days.end(last, day_zone))
        interval = Interval(start, end, (first, last) if same_days else None)
        group = dict(cut.call.params)["group_id"]
        answer = await self._read_totals(Call.of(DAILY_MOVEMENTS, interval, groupid=group), since)
        # A bad value shows neither that the day changed nor that it did not.
        answer.require(DAILY_MOVEMENTS.row.__struct_fields__)
        summary.made += answer.provenance.calls
        at = min(reading.read_at for reading in answer.provenance.readings)
        totals: dict[datetime.date, list[Any]] = {}
        for row in answer.rows:
            totals.setdefault(row.timestamp, []).append(row)
        opened = await cached.shares(cut, places) if same_days else {}
        found = {}
        for place, each in places.items():
            day = cut.pieces[place].day
            covered = [day] if same_days else days.covered(day, zone, day_zone)
            rows = [row for date in covered for row in totals.get(date, ())]
            print = day_entry.fingerprint(rows)
            same = each.print == print
            if not same and place in opened and len(rows) <= 1:
                of_rows = figures.of_movements(opened[place].rows)
                same = of_rows == (figures.of_day(rows[0]) if rows else figures.NOTHING)
            found[place] = CheckedDay(at, print, same)
        return found


def _moment(at: int) -> datetime.datetime:
    return _EPOCH + datetime.timedelta(microseconds=at)
