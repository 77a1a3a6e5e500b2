"""Answer calls from cached days, and read only the missing days from the upstream.

A period is cut into days of the business time zone. Cached days are read from the store; missing days are fetched,
neighbours in one call. A day that is over is cached long, an open day for seconds. The answer equals the upstream's
own, row for row. If it cannot be put together from days, the whole call is made.
"""

import asyncio
import contextlib
import datetime
import itertools
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Hashable, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from zoneinfo import ZoneInfo

import structlog

from upstream.caching import day_entry
from upstream.caching.cache_stats import CacheStats, Demand, ReadDays, ReadSummary
from upstream.caching.cached_days import ANY_AGE, CachedDays, entry_of, is_fresh, pack_all
from upstream.caching.changes import ChangeLedger, Changes
from upstream.caching.cut import CutCall, Cutter
from upstream.caching.day_checks import Counted, DayChecks, DaySource
from upstream.caching.day_entry import NO_PRINT, DayEntry
from upstream.caching.day_reader import EXCUSED, DayReader, EarlierEntry, shares_of, wait_for_all, worst_error
from upstream.caching.kept_entries import KeptEntries
from upstream.caching.store import Key, MemoryStore, Pattern, Store, nothing
from upstream.caching.trust import Trust
from upstream.call import Answer, CachedShare, Call, MadeCall, Provenance, Reading
from upstream.client import Listener
from upstream.errors import UpstreamError
from upstream.reports.order import Claim, RowOrder, Share
from upstream.reports.request import checked
from upstream.resilience.single_flight import SingleFlight, SingleFlights
from upstream.values import days

if TYPE_CHECKING:  # the library of Redis takes long to import, and most processes need none
    from upstream.caching.shared_calls import SharedCalls
    from upstream.redis.connection import RedisConnection
    from upstream.redis.leases import Leases

__all__ = ["CacheStats", "CachedShare", "DayCache", "DaySource", "open_store"]

_log = structlog.get_logger("upstream.cache")
_NO_FETCH = bytes(8)
_ORDINARY = Trust()
_NOW = partial(datetime.datetime.now, datetime.UTC)
_DAY = datetime.timedelta(days=1)
_MICROSECOND = datetime.timedelta(microseconds=1)
# Longer periods are read without the cache: their days would be many keys of little use.
_MOST_DAYS = 1100


class DayCache:
    """Put a store of days in front of the upstream. `fetch` has the interface of `Upstream.fetch`.

    `zone` is the business time zone; `day_zone` the time zone of the upstream's dates (R1), if that is another.
    `origin` distinguishes this upstream from others that may share the store: its URLs and time zones. `trust` says how
    long rows are trusted, by the age of their day. `stale_for` is how many seconds after that time a day may replace
    the answer of an upstream that is out of reach. Without `keep_days`, days are neither stored nor read from the
    store, for a process that reads each day once.
    """

    def __init__(
        self,
        upstream: DaySource,
        store: Store | None,
        zone: ZoneInfo,
        *,
        day_zone: ZoneInfo | None = None,
        origin: Callable[[], str] = lambda: "",
        trust: Trust = _ORDINARY,
        stale_for: float = 86400.0,
        runs_at_once: int = 4,
        now: Callable[[], datetime.datetime] = _NOW,
        ledger: ChangeLedger | None = None,
        keep_days: bool = True,
        leases: "Leases | None" = None,
    ) -> None:
        self._upstream = upstream
        self._most_days = _MOST_DAYS if keep_days else 0
        self._zone = zone
        self._trust = trust
        self._runs_at_once = runs_at_once
        self._now = now
        self._cutter = Cutter(zone, day_zone or zone, origin)
        self._cached = None if store is None else CachedDays(store, zone, trust, stale_for, now)
        self.changes = Changes(store, self._cutter.origin_digest, ledger, trust.longest + stale_for)
        self.counted: Counter[str] = Counter()  # days by what happened to them, see CacheStats
        # Answers by report and outcome; those that were sent again as they were stored have no report.
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self._checks = DayChecks(self._read_totals, self._count, self._cutter, trust, self.changes, self.counted, now)
        self._answers: SingleFlights[Hashable, Answer[Any] | UpstreamError] = SingleFlights()
        self._shared = None if leases is None else _share(upstream, leases, self._cutter, now)
        self._reader = DayReader(upstream, self._checks, self.changes, now, self._shared)

    async def __aenter__(self) -> Self:
        """Return the cache."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self.aclose()

    def fetch(
        self,
        call: Call,
        observe: Listener | None = None,
        *,
        scope: str = "",
        not_before: datetime.datetime | None = None,
        keep: float = 0.0,
    ) -> Coroutine[Any, Any, Answer[Any]]:
        """Return the answer to a call, as `Upstream.fetch` gives it. The rows are shared: never change them.

        `scope` separates callers who may see different rows. Rows that were read earlier than `not_before` are read
        again, and cached for everyone; a reading that is under way is fresh enough. Servers that share a Redis find the
        answer there for `keep` seconds, even if the cache trusts it for a shorter time.
        """
        if self._cached is None and observe is None:
            return self._without_cache(call)
        return self._fetch(checked(call), observe, scope, Demand(self._now(), not_before, keep))

    async def _fetch(self, call: Call, observe: Listener | None, scope: str, demand: Demand) -> Answer[Any]:
        started = time.monotonic()
        outcome: Answer[Any] | UpstreamError
        if self._cached is not None:
            outcome = await self._join_flight(self._cached, call, scope, demand)
        else:
            try:
                outcome = await self._without_cache(call)
            except UpstreamError as error:
                outcome = error
        if observe is not None:
            try:
                observe(call, outcome, started, time.monotonic())
            except Exception:
                _log.exception("upstream.listener_failed", report=call.report.code)
        if isinstance(outcome, UpstreamError):
            # One error may be raised in many waiters: each begins a traceback of its own.
            raise outcome.with_traceback(None)
        if self._cached is not None:
            outcome.take(call.columns)
        return outcome

    async def _join_flight(
        self, cached: CachedDays, call: Call, scope: str, demand: Demand
    ) -> Answer[Any] | UpstreamError:
        """Return the answer of the flight for this call. Start one if none is under way that is fresh enough."""
        if demand.not_before is not None:
            # Its days still join readings that are under way. Answers from cached rows may be too old for it.
            flight = self._answers.start(lambda: self._answer(cached, call, scope, demand), call.report.code, ())
            return await flight.wait()
        # Intervals are equal whatever dates they were made of, but reports of dates depend on these.
        key = (call, call.interval.days if call.interval is not None else None, scope)
        found = self._answers.get(key)
        if found is None:
            found = self._answers.start(lambda: self._answer(cached, call, scope, demand), call.report.code, (key,))
        return await found.wait()

    async def cached_share(self, call: Call, *, scope: str = "") -> CachedShare:
        """Return how much of a call is cached, without fetching anything."""
        return (await self.cached_shares([call], scope=scope))[0]

    async def cached_shares(
        self, calls: Sequence[Call], *, scope: str = "", not_before: datetime.datetime | None = None
    ) -> list[CachedShare]:
        """Return the same for many calls, with one look into the store. Rows read before `not_before` do not count."""
        if self._cached is None:
            return [CachedShare(1, 0, 0, ()) for _ in calls]
        requested: list[tuple[list[Key], tuple[datetime.date, ...]]] = []
        for call in map(checked, calls):
            cut = self._cutter.cut(call, scope)
            keys = [self._cutter.whole_key(call, scope)] if cut is None else cut.keys
            requested.append((keys, () if cut is None else tuple(piece.day for piece in cut.pieces)))
        values = await self._cached.store.peek_many([key for keys, _ in requested for key in keys], day_entry.HEAD)
        found = iter(values)
        return [
            self._share(keys, dates, list(itertools.islice(found, len(keys))), not_before or ANY_AGE)
            for keys, dates in requested
        ]

    async def would_read(self, kept: KeptEntries, not_before: datetime.datetime | None = None) -> bool:
        """Return whether the calls of an answer would find exactly these entries now. Then they count as read.

        Entries that were read before `not_before` would be read again.
        """
        cached = self._cached
        if cached is None:
            return False
        now, known = days.microseconds(self._now()), self.changes.count + cached.orders.count
        if not (kept.trusted(now, known) and cached.store.holds(kept.writings)) and not await self._look(
            cached, kept, now
        ):
            return False
        if not_before is not None and kept.oldest < days.microseconds(not_before):
            return False
        self.counted["hits"] += kept.reads
        self.outcomes["", "hit"] += kept.calls
        return True

    async def _look(self, cached: CachedDays, kept: KeptEntries, now: int) -> bool:
        """Return whether the store has the entries of an answer in their versions, and they are trusted."""
        store, dates = cached.store, kept.dates
        moments = self.changes.keys(dates)
        values = await store.peek_many([*kept.keys, *moments], day_entry.HEAD)
        if moments:
            self.changes.take_in(dates, values[len(kept.keys) :])
        entries = list(map(entry_of, values[: len(kept.keys)]))
        if not kept.found(entries, now, self.changes.at, cached.can_join):
            return False
        kept.looked = self.changes.count + cached.orders.count
        kept.writings = store.writings(kept.keys)
        store.holds(kept.writings)
        return True

    def _share(
        self,
        keys: Sequence[Key],
        dates: tuple[datetime.date, ...],
        values: Sequence[bytes | None],
        not_before: datetime.datetime,
    ) -> CachedShare:
        """Return how much of one call the `values` of the store contain."""
        flights = self._reader.flights
        if not any(values) and not flights:
            return CachedShare(len(keys), 0, 0, days.spans(dates))
        now, entries = self._now(), [entry_of(value) for value in values]
        fresh = [is_fresh(each, now, not_before) for each in entries]
        if dates:
            pairs = zip(entries, dates, fresh, strict=True)
            fresh = [
                good and each is not None and each.requested_at >= self.changes.at(day) for each, day, good in pairs
            ]
        moments = (each.since for each, good in zip(entries, fresh, strict=True) if good and each is not None)
        flying = [not good and key in flights for key, good in zip(keys, fresh, strict=True)]
        missing = (day for day, *at_hand in zip(dates, fresh, flying, strict=False) if not any(at_hand))
        oldest = min(moments, default=None)
        return CachedShare(len(keys), sum(fresh), sum(flying), days.spans(tuple(missing)), oldest)

    async def forget(
        self,
        report: str | None = None,
        params: Mapping[str, str | int] | None = None,
        first_day: datetime.date | None = None,
        last_day: datetime.date | None = None,
        at: datetime.datetime | None = None,
    ) -> int:
        """Forget cached rows: of a report (its code: "R5"), of series with these parameters, of these days.

        `at` is the moment of the request, if it was made earlier. Rows that were read since then stay.

        Return the number of entries. Rows that are being fetched meanwhile are not cached. Files of tables and exported
        partitions of these days count as outdated. Raise ConnectionError when the store is out of reach.
        """
        self._answers.clear()
        self._reader.flights.clear()
        if self._shared is not None:
            self._shared.forgotten_at = max(at or self._now(), self._shared.forgotten_at)
        found = 0
        if self._cached is not None:
            spare = nothing
            if at is None:
                self._cached.generation += 1
            else:
                self._cached.forgotten_at = max(at, self._cached.forgotten_at)
                spare = partial(day_entry.read_since, days.microseconds(at))
            found = await self._cached.store.clear(Pattern(report, params or {}, first_day, last_day), spare)
        forgotten = None
        if first_day is not None and last_day is not None:
            forgotten = [first_day + _DAY * number for number in range((last_day - first_day).days + 1)]
        await self.changes.note(forgotten, at or self._now(), rows=False)
        return found

    @property
    def store(self) -> Store | None:
        """Return the store of the days; None if nothing is stored."""
        return None if self._cached is None else self._cached.store

    async def stats(self) -> CacheStats:
        """Return what was counted, and what the store contains."""
        counted, calls = self.counted, Counter[str]()
        for (_, outcome), count in self.outcomes.items():
            calls[outcome] += count
        return CacheStats(
            counted["hits"],
            counted["misses"],
            counted["joined"],
            counted["stale"],
            counted["renewed"],
            counted["changed"],
            dict(calls),
            await self._cached.store.stats() if self._cached is not None else None,
        )

    async def aclose(self) -> None:
        """Let running work end, each call within the upstream's own deadline."""
        await self._answers.ended()
        await self._reader.flights.ended()
        if self._shared is not None:
            await self._shared.aclose()

    # Changes of closed days

    async def note_changed(self, dates: Sequence[datetime.date], call: Call) -> None:
        """Note that closed days changed, as calls of several reports show together."""
        cut = self._cutter.cut(call, "")
        assert cut is not None
        await self._checks.record_changes(cut, dates, self._now())

    async def changed_since(self, first: datetime.date | None, last: datetime.date | None) -> datetime.datetime | None:
        """Return when these business days were last found changed or forgotten; None if they never were.

        A file or an exported partition with rows of these days that were read earlier is outdated. Without days, this
        concerns rows that have none.
        """
        return await self.changes.since(first, last)

    def outdated(self, readings: Iterable[Reading]) -> bool:
        """Return whether a day was found changed after it was read."""
        if not self.changes.known:
            return False
        readings = list(readings)
        if not readings or not self.changes.after(min(reading.read_at for reading in readings)):
            return False
        return any(
            reading.first is not None
            and reading.last is not None
            and any(
                self.changes.at(reading.first + _DAY * number) > days.microseconds(reading.read_at)
                for number in range((reading.last - reading.first).days + 1)
            )
            for reading in readings
        )

    async def _read_totals(self, call: Call, not_before: datetime.datetime) -> Answer[Any]:
        return await self.fetch(call, not_before=not_before)

    async def _count(self, call: Call, not_before: datetime.datetime) -> Counted:
        if self._shared is not None:
            return await self._shared.count(call, not_before)
        requested_at = self._now()
        return Counted.of(call, await self._upstream.fetch(call), requested_at)

    # One answer

    async def _answer(self, cached: CachedDays, call: Call, scope: str, demand: Demand) -> Answer[Any] | UpstreamError:
        not_before = demand.not_before or ANY_AGE
        cut = self._cutter.cut(call, scope)
        if cut is not None and len(cut.pieces) > self._most_days:
            try:
                return await self._without_cache(call)
            except UpstreamError as error:
                return error
        summary = ReadSummary(demand)
        try:
            if cut is None:
                answer = await self._as_a_whole(cached, call, scope, not_before, summary)
            else:
                answer = await self._by_days(cached, cut, not_before, summary)
        except UpstreamError as error:
            self.outcomes[call.report.code, "error"] += 1
            return error
        self.outcomes[call.report.code, answer.provenance.outcome] += 1
        self.counted["hits"] += len(summary.hit)
        self.counted["misses"] += len(summary.missed)
        self.counted["stale"] += len(summary.since)
        return answer

    async def _without_cache(self, call: Call) -> Answer[Any]:
        """Return the upstream's own answer. The upstream merges identical calls itself."""
        started, requested_at = time.monotonic(), self._now()
        try:
            answer = await self._upstream.fetch(call)
        except UpstreamError:
            self.outcomes[call.report.code, "error"] += 1
            raise
        self.outcomes[call.report.code, "off"] += 1
        made = MadeCall(call, answer.requests, len(answer.rows), answer.bytes, answer.seconds, waited=answer.waited)
        provenance = Provenance("off", None, (self._reading_of(call, requested_at),), (made,))
        seconds = time.monotonic() - started
        return Answer(answer.rows, answer.requests, answer.bytes, seconds, provenance, waited=answer.waited)

    def _reading_of(self, call: Call, requested_at: datetime.datetime) -> Reading:
        """Return the reading of a call that was made without the cache: its rows are not trusted any longer."""
        interval = call.interval
        if interval is None:
            return Reading(call.report.code, None, None, requested_at, requested_at)
        first, last = interval.days or (
            interval.start.astimezone(self._zone).date(),
            (interval.end - _MICROSECOND).astimezone(self._zone).date(),
        )
        return Reading(call.report.code, first, last, requested_at, requested_at)

    async def _as_a_whole(
        self, cached: CachedDays, call: Call, scope: str, not_before: datetime.datetime, summary: ReadSummary
    ) -> Answer[Any]:
        """Return the answer to a call without days. It is cached for seconds."""
        key, row, generation = self._cutter.whole_key(call, scope), call.report.row, cached.generation
        entry = entry_of((await cached.store.get_many([key]))[0])
        code = call.report.code
        if entry is not None and is_fresh(entry, self._now(), not_before):
            found = await cached.open(row, {key: entry})
            if key in found:
                self.counted["hits"] += 1
                summary.read(code, None, entry.since, entry.until)
                summary.keep(key, None, entry.value)
                return summary.answer(call, found[key].rows, "hit")
        fetched = await self._reader.fetch(call, summary.demand)
        summary.add(fetched)
        if isinstance(fetched.error, EXCUSED) and entry is not None and cached.can_replace_answer(entry):
            found = await cached.open(row, {key: entry})
            if key in found:
                summary.since.append(entry.since)
                summary.read(code, None, entry.since, entry.until)
                return summary.answer(call, found[key].rows, "stale")
        rows = fetched.rows()
        self.counted["misses"] += 1
        trusted, requested_at = self._trust.open, fetched.requested_at
        summary.read(code, None, requested_at, requested_at + datetime.timedelta(seconds=trusted))
        try:
            packed = pack_all([(key, Share(rows, Claim(RowOrder.NONE), _NO_FETCH), trusted, NO_PRINT)], requested_at)
            summary.keep(key, None, dict(packed.get(trusted, ())).get(key))
            if not fetched.shared:
                await cached.write(packed, generation, requested_at)
        finally:
            fetched.give()
        return summary.answer(call, rows, "miss")

    async def _by_days(
        self, cached: CachedDays, cut: CutCall, not_before: datetime.datetime, summary: ReadSummary
    ) -> Answer[Any]:
        """Return the answer to a call from cached days, days under way, and days that it fetches itself."""
        flights = self._reader.flights
        # Noted before the store is read: a day that arrives meanwhile is in one of the two.
        under_way = {place: each for place, key in enumerate(cut.keys) if (each := flights.get(key)) is not None}
        with contextlib.ExitStack() as waiting:
            # So that they are not given up meanwhile.
            for flight in set(under_way.values()):
                waiting.enter_context(flight.waiting())
            return await self._with_days_under_way(cached, cut, not_before, summary, under_way)

    async def _with_days_under_way(
        self,
        cached: CachedDays,
        cut: CutCall,
        not_before: datetime.datetime,
        summary: ReadSummary,
        under_way: Mapping[int, SingleFlight[ReadDays]],
    ) -> Answer[Any]:
        pieces, keys, now = cut.pieces, cut.keys, self._now
        entries = await self._entries(cached, cut)
        valid = {
            place: each for place, each in entries.items() if each.requested_at >= self.changes.at(pieces[place].day)
        }
        fresh, prints = await self._trusted(cached, cut, valid, under_way, not_before, summary)
        if (rows := await cached.partial_rows(cut, fresh)) is not None:
            summary.hit = [piece.day for piece in pieces]
            summary.read_days(cut, fresh)
            return summary.answer(cut.call, rows, "hit")
        found = await cached.shares(cut, fresh)
        summary.hit = [pieces[place].day for place in sorted(found)]
        summary.missed = [piece.day for place, piece in enumerate(pieces) if place not in found]

        joined = {place: flight for place, flight in under_way.items() if place not in found}
        for place, key in enumerate(keys):
            if place not in found and place not in joined and (flight := self._reader.flights.get(key)) is not None:
                joined[place] = flight
        earlier = {
            piece.day: EarlierEntry(valid.get(place), prints.get(place, NO_PRINT)) for place, piece in enumerate(pieces)
        }
        runs = days.runs(place for place in range(len(pieces)) if place not in found and place not in joined)
        claims = [share.claim for share in found.values() if share.rows]
        if runs == [range(len(pieces))] or (runs and cached.orders.hopeless(cut.shape, claims, now())):
            return await self._undivided(cached, cut, entries, earlier, summary)

        slots = asyncio.Semaphore(self._runs_at_once)
        own = [
            self._reader.start(cached, cut, pieces[run.start : run.stop], slots, earlier, summary.demand)
            for run in runs
        ]
        flights = joined | {place: flight for run, flight in zip(runs, own, strict=True) for place in run}
        landed = await wait_for_all({*own, *joined.values()})
        self.counted["joined"] += len(joined)
        for flight, fetched in landed.items():
            summary.add(fetched, joined=flight not in own)
        at_hand = found | shares_of(cut, flights, landed)
        summary.read_days(
            cut, {place: fresh[place] for place in found}, {place: landed[flights[place]] for place in flights}
        )
        if (error := worst_error(landed.values())) is not None:
            return await self._stale_answer(cached, cut, error, at_hand, entries, summary)
        rows = cached.join(cut, at_hand)
        if rows is None:
            # The order of these days is unknown: only the upstream can list them.
            return await self._undivided(cached, cut, entries, earlier, summary)
        return summary.answer(cut.call, rows, "hit" if not flights else "partial" if found else "miss")

    async def _entries(self, cached: CachedDays, cut: CutCall) -> dict[int, DayEntry]:
        """Return the entries of a call's days by their places, and learn of changes that a shared store has."""
        keys, dates = cut.keys, [piece.day for piece in cut.pieces]
        moments = self.changes.keys(dates)
        values = await cached.store.get_many([*keys, *moments])
        if moments:
            self.changes.take_in(dates, values[len(keys) :])
        return {place: each for place, value in enumerate(values[: len(keys)]) if (each := entry_of(value))}

    async def _trusted(
        self,
        cached: CachedDays,
        cut: CutCall,
        valid: Mapping[int, DayEntry],
        under_way: Mapping[int, SingleFlight[ReadDays]],
        not_before: datetime.datetime,
        summary: ReadSummary,
    ) -> tuple[dict[int, DayEntry], dict[int, bytes]]:
        """Return the entries that are trusted, some of them after a check, and the fingerprints of the others."""
        now = self._now()
        fresh = {place: each for place, each in valid.items() if is_fresh(each, now, not_before)}
        ended = {place: each for place, each in valid.items() if place not in fresh and place not in under_way}
        if not ended or not_before is not ANY_AGE:
            return fresh, {}
        pieces, checks = cut.pieces, self._checks
        ended = {place: each for place, each in ended.items() if checks.can_check(cut, pieces[place], each, now)}
        renewed, prints = await checks.check(cached, cut, ended, summary)
        return fresh | renewed, prints

    async def _undivided(
        self,
        cached: CachedDays,
        cut: CutCall,
        entries: Mapping[int, DayEntry],
        earlier: Mapping[datetime.date, EarlierEntry],
        summary: ReadSummary,
    ) -> Answer[Any]:
        """Return the answer to a call that is made as a whole. Its days are cached."""
        summary.hit, summary.missed = [], [piece.day for piece in cut.pieces]
        summary.forget_days()
        flight = self._reader.start(cached, cut, cut.pieces, asyncio.Semaphore(1), earlier, summary.demand)
        fetched = (await wait_for_all({flight}))[flight]
        summary.add(fetched)
        if fetched.error is not None:
            return await self._stale_answer(cached, cut, fetched.error, {}, entries, summary)
        summary.read_days(cut, {}, dict.fromkeys(range(len(cut.pieces)), fetched))
        return summary.answer(cut.call, fetched.rows(), "miss")

    async def _stale_answer(
        self,
        cached: CachedDays,
        cut: CutCall,
        error: Exception,
        at_hand: Mapping[int, Share],
        entries: Mapping[int, DayEntry],
        summary: ReadSummary,
    ) -> Answer[Any]:
        """Return the answer with days past their time in place of those that a failed call did not bring.

        Raise the error if that is not possible.
        """
        if isinstance(error, EXCUSED):
            stale = {
                place: each
                for place, each in entries.items()
                if place not in at_hand and cached.can_replace_answer(each)
            }
            rows = None
            if len(at_hand) + len(stale) == len(cut.pieces):
                rows = cached.join(cut, {**at_hand, **await cached.shares(cut, stale)})
            if rows is not None:
                now = self._now()
                summary.since += [each.since for each in stale.values() if not is_fresh(each, now)]
                summary.read_days(cut, stale)
                return summary.answer(cut.call, rows, "stale")
        raise error


def _share(
    upstream: DaySource, leases: "Leases", cutter: Cutter, now: Callable[[], datetime.datetime]
) -> "SharedCalls":
    from upstream.caching.shared_calls import SharedCalls  # as in `open_store`

    return SharedCalls(upstream, leases, cutter, now)


def open_store(url: str, *, redis: "RedisConnection | None" = None, limit: int = 256 << 20) -> Store | None:
    """Return the store that CACHE_URL names: `memory://`, a Redis, or `off`: none.

    `redis` is the connection to the Redis. The memory of this process holds at most `limit` bytes: always, or while
    Redis is away. Raise ValueError for anything else.
    """
    if redis is not None:
        # Imported only here, because the library takes as long to import as the rest of a start.
        from upstream.caching.store_redis import RedisStore

        return RedisStore(redis, local_bytes=limit)
    if url == "off":
        return None
    if url == "memory://":
        return MemoryStore(limit)
    raise ValueError("the cache is memory://, a Redis with its connection, or off")
