"""The days cache: in front of the upstream, and asked like it. What is kept is one day of one series of calls.

A period is cut into days of the business time zone; the days that are held are read from the store, the others are
fetched, neighbours in one call. A day that is over is kept long, one that is not for seconds. What comes out is what
the upstream would have answered, row for row; where that cannot be made of days, the call goes out as it is.
"""

import asyncio
import contextlib
import datetime
import hashlib
import itertools
import os
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType, TracebackType
from typing import Any, Protocol, Self, TypeVar
from zoneinfo import ZoneInfo

import structlog

from upstream.caching import day_entry as parcel
from upstream.caching import days
from upstream.caching.changes import ChangeLedger, Changes
from upstream.caching.day_entry import NO_PRINT, DayEntry, UnreadableEntry
from upstream.caching.days import Piece
from upstream.caching.store import Key, MemoryStore, Pattern, Store, StoreStats, series
from upstream.caching.trust import Trust
from upstream.call import Answer, Call, Reading
from upstream.client import Listener
from upstream.decoding import decode, figures
from upstream.decoding.bad_value import BadValues
from upstream.decoding.decode import need
from upstream.errors import Malformed, Unavailable, UpstreamError, UpstreamFailed
from upstream.interval import Interval
from upstream.reports import request
from upstream.reports.order import Claim, RowOrder, RowOrders, Share, shares
from upstream.reports.request import checked
from upstream.reports.rows import Row
from upstream.reports.table import DAILY_MOVEMENTS, GAME_LOGS, GROUP_MOVEMENTS
from upstream.resilience import deadline
from upstream.resilience.single_flight import SLACK, SingleFlight

__all__ = ["CacheStats", "CachedShare", "DayCache", "DaySource", "MadeCall", "open_store"]

_log = structlog.get_logger("upstream.cache")
_K = TypeVar("_K")
_T = TypeVar("_T")
_NO_FETCH = bytes(8)
_NONE: Mapping[Any, Any] = MappingProxyType({})
_ORDINARY = Trust()
_DAY = datetime.timedelta(days=1)
_MICROSECOND = datetime.timedelta(microseconds=1)
_ANY_AGE = datetime.datetime.min.replace(tzinfo=datetime.UTC)

# Longer periods pass by the cache: their days would be many keys for little use.
_MOST_DAYS = 1100
# More rows, or bytes, than these are cut up and read in a thread, between whose days the event loop goes on.
_MANY_ROWS = 5_000
_MANY_BYTES = 1 << 20
# Rows of kept days of which excerpts are read sooner than the rows themselves.
_MANY_EXCERPTS = 64
# A stale answer is better than these. Any other error is news of its own.
_EXCUSED = (Unavailable, UpstreamFailed)


class DaySource(Protocol):
    """What the cache asks: `Upstream`, or what stands for it."""

    async def fetch(self, call: Call, observe: Listener | None = None) -> Answer[Any]: ...


@dataclass(frozen=True, slots=True)
class MadeCall:
    """An upstream call that an answer took. `joined` says that another had begun it, who counts its cost; `error` is
    the code of one that failed.
    """

    call: Call
    requests: int
    rows: int
    bytes: int
    seconds: float
    joined: bool = False
    error: str | None = None
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class CachedShare:
    """How much of a call is at hand: so many of its days, and which are not, run by run as `days.spans` writes them.

    What has no days counts as one day, and is named by none. `oldest` is the moment at which the oldest of the rows at
    hand was read.
    """

    days: int
    held: int
    in_flight: int
    missing: tuple[str, ...]
    oldest: datetime.datetime | None = None

    @property
    def fraction(self) -> float:
        """The share of the days that needs no call, from 0 to 1."""
        return (self.held + self.in_flight) / self.days


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Counted since the start, in days: found fresh, fetched, waited for with others, served stale, trusted again after
    a check, found changed; and the store.
    """

    hits: int
    misses: int
    joined: int
    stale: int
    renewed: int
    changed: int
    calls: Mapping[str, int]  # answers by outcome
    store: StoreStats | None


@dataclass(slots=True)
class _ReadDays:
    """What a fetch brought: its answer or error, and its rows by day if they can be shared out.

    `asked` is the moment before the call was sent, `until` says for each day until when its rows are trusted.
    """

    asked: datetime.datetime
    made: MadeCall | None = None
    error: Exception | None = None
    answer: Answer[Any] | None = None
    shares: dict[datetime.date, Share] | None = None
    until: dict[datetime.date, datetime.datetime] = field(default_factory=dict)

    def rows(self) -> list[Any]:
        """The rows. Raises the error."""
        if self.answer is None:
            assert self.error is not None
            raise self.error
        return self.answer.rows


@dataclass(frozen=True, slots=True)
class _Earlier:
    """The parcel of a day before it is read again, if one was kept, and the day's fingerprint, if one was taken."""

    kept: DayEntry | None = None
    print: bytes = NO_PRINT


@dataclass(frozen=True, slots=True)
class _Cut:
    """A call that is cut into days: its pieces, each with its key, and the column that tells which row is of which.

    A report whose rows are dates (`dated`) is asked for whole dates only, in whichever zone its system has them.
    """

    call: Call
    name: str
    pieces: Sequence[Piece]
    column: str
    dated: bool

    @property
    def shape(self) -> Hashable:
        """What calls have in common whose answers are listed in one way."""
        return self.call.report.code, tuple(name for name, _ in self.call.params)

    def key(self, piece: Piece) -> Key:
        """Under what a piece's day is kept."""
        return self.name, piece.text

    @property
    def keys(self) -> list[Key]:
        """The same of all pieces."""
        return [self.key(piece) for piece in self.pieces]

    def run(self, pieces: Sequence[Piece]) -> Call:
        """The call for neighbouring pieces."""
        call, first, last = self.call, pieces[0], pieces[-1]
        if len(pieces) == len(self.pieces):
            return call
        told = (first.day, last.day) if self.dated else None
        return replace(call, interval=Interval(first.interval.start, last.interval.end, told))


@dataclass(slots=True)
class _ReadSummary:
    """What an answer took, for its notes."""

    started: float = field(default_factory=time.monotonic)
    hit: list[datetime.date] = field(default_factory=list)
    missed: list[datetime.date] = field(default_factory=list)
    made: list[MadeCall] = field(default_factory=list)
    since: list[datetime.datetime] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)

    def read(
        self, report: str, day: datetime.date | None, read_at: datetime.datetime, until: datetime.datetime
    ) -> None:
        """Note when the rows of a day were read. Neighbouring days that were read together become one reading."""
        last = self.readings[-1] if self.readings else None
        if (
            last is not None
            and day is not None
            and last.last is not None
            and (last.read_at, last.until) == (read_at, until)
            and day - last.last == _DAY
        ):
            self.readings[-1] = replace(last, last=day)
        else:
            self.readings.append(Reading(report, day, day, read_at, until))

    def took(
        self, cut: _Cut, kept: Mapping[int, DayEntry], brought: Mapping[int, _ReadDays] = MappingProxyType({})
    ) -> None:
        """Note the readings of the days that were kept, or brought, by their places in the cut."""
        report = cut.call.report.code
        for place in sorted({*kept, *brought}):
            day = cut.pieces[place].day
            if place in kept:
                self.read(report, day, kept[place].since, kept[place].until)
            else:
                one = brought[place]
                self.read(report, day, one.asked, one.until.get(day, one.asked))

    def add(self, flight: _ReadDays, joined: bool = False) -> None:
        """Tell of a call."""
        if flight.made is not None:
            self.made.append(replace(flight.made, joined=joined))

    def answer(self, rows: list[Any], outcome: str) -> Answer[Any]:
        """The answer with its notes."""
        notes: dict[str, object] = {"outcome": outcome, "calls": tuple(self.made)}
        if self.hit:
            notes["hit"] = days.spans(tuple(sorted(self.hit)))
        if self.missed:
            notes["missed"] = days.spans(tuple(sorted(self.missed)))
        if self.since:
            notes["stale"] = min(self.since)
        own = [made for made in self.made if not made.joined]
        return Answer(
            rows,
            sum(made.requests for made in own),
            sum(made.bytes for made in own),
            time.monotonic() - self.started,
            notes,
            tuple(self.readings),
            # They run side by side.
            waited=max((made.waited for made in own), default=0.0),
        )


class DayCache:
    """The upstream behind a store of days. `fetch` is the upstream's own, and `notes` of its answers say what it took:

    - `outcome`: "hit", "miss", "partial" (some days held), "stale", "off" (passed by the cache);
    - `hit`, `missed`: the days, as `days.spans` writes them;
    - `calls`: the upstream calls made for it, each a `MadeCall`;
    - `stale`: only there when the upstream was out of reach and days past their time stand in: since when.

    `zone` is the business time zone; `day_zone` the one in which the upstream's dates (R1) are, if that is another.
    `origin` tells this upstream from others that may share the store: its URLs and time zones, hashed into each key.
    `trust` says how long rows are trusted, by the age of their day; `stale_for` is how many seconds after that time a
    day may stand in for an upstream that is out of reach.
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
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
        ledger: ChangeLedger | None = None,
    ) -> None:
        self._upstream = upstream
        self._store = store
        self._keep_for = trust.longest + stale_for
        self.changes = Changes(store, self._origin_digest, ledger, self._keep_for)
        self._zone = zone
        self._day_zone = day_zone or zone
        self._origin = origin
        self._trust = trust
        self._stale_for = stale_for
        self._runs_at_once = runs_at_once
        self._now = now
        self._orders = RowOrders()
        self._answers: dict[Hashable, SingleFlight[Answer[Any] | UpstreamError]] = {}
        self._flights: dict[Key, SingleFlight[_ReadDays]] = {}
        self._under_way: set[asyncio.Task[Any]] = set()
        self._generation = 0
        self._counted: Counter[str] = Counter()
        self._outcomes: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        """The cache."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self.aclose()

    async def fetch(
        self,
        call: Call,
        observe: Listener | None = None,
        *,
        scope: str = "",
        not_before: datetime.datetime | None = None,
    ) -> Answer[Any]:
        """Return the answer to a call, as `Upstream.fetch` gives it. The rows are shared: never change them.

        `scope` separates callers who may see different rows. Rows that were read earlier than `not_before` are read
        again, and kept for everyone; a read that is under way serves as well.
        """
        started = time.monotonic()
        if self._store is not None or observe is not None:
            call = checked(call)
        if self._store is None:
            outcome = await self._passed_by(call, started)
        else:
            # Intervals are equal whatever days they were made of, which reports of days go by.
            asked = (call, call.interval.days if call.interval is not None else None, scope)
            outcome = await self._joined(self._store, call, scope, asked, not_before)
        if observe is not None:
            try:
                observe(call, outcome, started, time.monotonic())
            except Exception:
                _log.exception("upstream.listener_failed", report=call.report.code)
        if isinstance(outcome, UpstreamError):
            # One error may be raised in many waiters: each begins a traceback of its own.
            raise outcome.with_traceback(None)
        if self._store is not None:
            need(outcome.rows, call.columns)
        return outcome

    async def _joined(
        self, store: Store, call: Call, scope: str, asked: Hashable, not_before: datetime.datetime | None
    ) -> Answer[Any] | UpstreamError:
        """Return the answer of the flight for this call; begin one if none is under way that is fresh enough."""
        if not_before is None:
            flight = self._answers.get(asked)
            if flight is None:
                flight = self._start(
                    lambda: self._answer(store, call, scope, _ANY_AGE), call.report.code, self._answers, [asked]
                )
            return await flight.wait()
        # Its days still join reads that are under way; what others answer from kept rows does not serve it.
        flight = self._start(lambda: self._answer(store, call, scope, not_before), call.report.code, {}, [])
        return await flight.wait()

    async def held(self, call: Call, *, scope: str = "") -> CachedShare:
        """How much of a call is at hand, without fetching anything."""
        return (await self.held_many([call], scope=scope))[0]

    async def held_many(
        self, calls: Sequence[Call], *, scope: str = "", not_before: datetime.datetime | None = None
    ) -> list[CachedShare]:
        """The same of many calls, with one look into the store. Rows read before `not_before` do not count."""
        if self._store is None:
            return [CachedShare(1, 0, 0, ()) for _ in calls]
        asked: list[tuple[list[Key], tuple[datetime.date, ...]]] = []
        for call in map(checked, calls):
            cut = self._cut(call, scope)
            keys = [self._whole_key(call, scope)] if cut is None else cut.keys
            asked.append((keys, () if cut is None else tuple(piece.day for piece in cut.pieces)))
        sought = [key for keys, _ in asked for key in keys]
        values = await self._store.peek_many(sought, parcel.HEAD)
        now, found, told = self._now(), iter(values), []
        for keys, dates in asked:
            here = list(itertools.islice(found, len(keys)))
            if not any(here) and not self._flights:
                told.append(CachedShare(len(keys), 0, 0, days.spans(dates)))
                continue
            parcels = [_parcel(value) for value in here]
            held = [_fresh(each, now, not_before or _ANY_AGE) for each in parcels]
            if dates:
                pairs = zip(parcels, dates, held, strict=True)
                held = [fresh and each is not None and each.asked >= self.changes.at(day) for each, day, fresh in pairs]
            moments = (each.since for each, fresh in zip(parcels, held, strict=True) if fresh and each is not None)
            flying = [not fresh and key in self._flights for key, fresh in zip(keys, held, strict=True)]
            missing = (day for day, *at_hand in zip(dates, held, flying, strict=False) if not any(at_hand))
            oldest = min(moments, default=None)
            told.append(CachedShare(len(keys), sum(held), sum(flying), days.spans(tuple(missing)), oldest))
        return told

    async def forget(
        self,
        report: str | None = None,
        params: Mapping[str, str | int] | None = None,
        first_day: datetime.date | None = None,
        last_day: datetime.date | None = None,
    ) -> int:
        """Forget what is kept of a report (its code: "R5"), of series with these parameters, of days from to.

        Returns how many entries that were. What is being fetched meanwhile is not kept. Files of tables and exported
        partitions of these days count as outdated. Raises ConnectionError when the store is out of reach.
        """
        self._generation += 1
        self._answers.clear()
        self._flights.clear()
        found = 0
        if self._store is not None:
            found = await self._store.clear(Pattern(report, params or {}, first_day, last_day))
        forgotten = None
        if first_day is not None and last_day is not None:
            forgotten = [first_day + _DAY * number for number in range((last_day - first_day).days + 1)]
        await self.changes.note(forgotten, self._now(), rows=False)
        return found

    async def stats(self) -> CacheStats:
        """What was counted, and what the store holds."""
        counted = self._counted
        return CacheStats(
            counted["hits"],
            counted["misses"],
            counted["joined"],
            counted["stale"],
            counted["renewed"],
            counted["changed"],
            dict(self._outcomes),
            await self._store.stats() if self._store is not None else None,
        )

    async def aclose(self) -> None:
        """Let what is under way end, each call within the upstream's own deadline; then let go of the store."""
        while self._under_way:
            await asyncio.wait(list(self._under_way))
            await asyncio.sleep(0)
        if self._store is not None:
            await self._store.aclose()

    # What can be kept, and under what

    def _cut(self, call: Call, scope: str) -> _Cut | None:
        """The call by days; None for one that has none: without a period, or of what is so at this moment."""
        report, interval = call.report, call.interval
        if interval is None or report.current:
            return None
        name = self._series(call, scope)
        if report.moment is not None:
            return _Cut(call, name, days.pieces(interval, self._zone), report.moment, False)
        assert report.frame is not None
        return _Cut(call, name, days.whole_days(interval, self._zone, self._day_zone), report.frame, True)

    def _whole_key(self, call: Call, scope: str) -> Key:
        period = call.interval
        # Never ten characters long, as a day is.
        what = f"{period.start.isoformat()}/{period.end.isoformat()}" if period is not None else "all"
        return self._series(call, scope), what

    def _series(self, call: Call, scope: str) -> str:
        params = [*call.params, ("agent", call.agent)] if call.agent else call.params
        return series(call.report.code, parcel.form(call.report.row), self._origin_digest(), scope, params)

    def _origin_digest(self) -> str:
        return _digest(f"{self._zone.key} {self._origin()}")

    def _fresh_for(self, cut: _Cut, piece: Piece, asked: datetime.datetime, empty: bool) -> float:
        zone = self._day_zone if cut.dated else self._zone
        return self._trust.seconds(days.end(piece.day, zone), asked, empty=empty)

    # One answer

    async def _answer(
        self, store: Store, call: Call, scope: str, not_before: datetime.datetime
    ) -> Answer[Any] | UpstreamError:
        cut = self._cut(call, scope)
        if cut is not None and len(cut.pieces) > _MOST_DAYS:
            return await self._passed_by(call, time.monotonic())
        tale = _ReadSummary()
        try:
            if cut is None:
                answer = await self._as_a_whole(store, call, scope, not_before, tale)
            else:
                answer = await self._by_days(store, cut, not_before, tale)
        except UpstreamError as error:
            self._outcomes["error"] += 1
            return error
        self._outcomes[str(answer.notes["outcome"])] += 1
        self._counted["hits"] += len(tale.hit)
        self._counted["misses"] += len(tale.missed)
        self._counted["stale"] += len(tale.since)
        return answer

    async def _passed_by(self, call: Call, started: float) -> Answer[Any] | UpstreamError:
        """What the upstream says, which itself lets those who ask the same wait together."""
        asked = self._now()
        try:
            answer = await self._upstream.fetch(call)
        except UpstreamError as error:
            self._outcomes["error"] += 1
            return error
        self._outcomes["off"] += 1
        made = MadeCall(call, answer.requests, len(answer.rows), answer.bytes, answer.seconds, waited=answer.waited)
        notes = {"outcome": "off", "calls": (made,)}
        reading = self._reading_of(call, asked)
        seconds = time.monotonic() - started
        return Answer(answer.rows, answer.requests, answer.bytes, seconds, notes, (reading,), waited=answer.waited)

    def _reading_of(self, call: Call, asked: datetime.datetime) -> Reading:
        """Return the reading of a call that passed by the cache: nothing of it is kept, so it is trusted no longer."""
        interval = call.interval
        if interval is None:
            return Reading(call.report.code, None, None, asked, asked)
        first, last = interval.days or (
            interval.start.astimezone(self._zone).date(),
            (interval.end - _MICROSECOND).astimezone(self._zone).date(),
        )
        return Reading(call.report.code, first, last, asked, asked)

    async def _as_a_whole(
        self, store: Store, call: Call, scope: str, not_before: datetime.datetime, tale: _ReadSummary
    ) -> Answer[Any]:
        """The answer to a call without days, which is kept for seconds."""
        key, row, generation = self._whole_key(call, scope), call.report.row, self._generation
        kept = _parcel((await store.get_many([key]))[0])
        code = call.report.code
        if kept is not None and _fresh(kept, self._now(), not_before):
            found = await self._opened(store, row, {key: kept})
            if key in found:
                self._counted["hits"] += 1
                tale.read(code, None, kept.since, kept.until)
                return tale.answer(found[key].rows, "hit")
        asked = self._now()
        flight = await self._fetched(call)
        tale.add(flight)
        if isinstance(flight.error, _EXCUSED) and kept is not None and self._stands_in(kept):
            found = await self._opened(store, row, {key: kept})
            if key in found:
                tale.since.append(kept.since)
                tale.read(code, None, kept.since, kept.until)
                return tale.answer(found[key].rows, "stale")
        rows = flight.rows()
        self._counted["misses"] += 1
        trusted = self._trust.open
        tale.read(code, None, asked, asked + datetime.timedelta(seconds=trusted))
        if trusted > 0:
            packed = _packed([(key, Share(rows, Claim(RowOrder.NONE), _NO_FETCH), trusted, NO_PRINT)], asked)
            await self._keep(store, packed, generation)
        return tale.answer(rows, "miss")

    async def _by_days(self, store: Store, cut: _Cut, not_before: datetime.datetime, tale: _ReadSummary) -> Answer[Any]:
        """The answer to a call, from days that are held, days that are under way, and days that it fetches itself."""
        keys = cut.keys
        # Noted before the store is asked: what lands meanwhile is in one of the two.
        under_way = {place: self._flights[key] for place, key in enumerate(keys) if key in self._flights}
        with contextlib.ExitStack() as waiting:
            # So that they are not given up meanwhile.
            for flight in set(under_way.values()):
                waiting.enter_context(flight.held())
            return await self._with_those_under_way(store, cut, not_before, tale, under_way)

    async def _with_those_under_way(
        self,
        store: Store,
        cut: _Cut,
        not_before: datetime.datetime,
        tale: _ReadSummary,
        under_way: Mapping[int, SingleFlight[_ReadDays]],
    ) -> Answer[Any]:
        pieces, keys = cut.pieces, cut.keys
        dates = [piece.day for piece in pieces]
        moments = self.changes.keys(dates)
        values = await store.get_many([*keys, *moments])
        if moments:
            self.changes.take_in(dates, values[len(keys) :])
        kept = {place: each for place, value in enumerate(values[: len(keys)]) if (each := _parcel(value))}
        now = self._now()
        valid = {place: each for place, each in kept.items() if each.asked >= self.changes.at(dates[place])}
        fresh = {place: each for place, each in valid.items() if _fresh(each, now, not_before)}
        ended = {place: each for place, each in valid.items() if place not in fresh and place not in under_way}
        prints: dict[int, bytes] = {}
        if ended and not_before is _ANY_AGE:
            ended = {place: each for place, each in ended.items() if self._checkable(cut, pieces[place], each, now)}
            renewed, prints = await self._checked(store, cut, ended, tale)
            fresh |= renewed
        if (rows := await self._excerpts(store, cut, fresh)) is not None:
            tale.hit = [piece.day for piece in pieces]
            tale.took(cut, fresh)
            return tale.answer(rows, "hit")
        found = await self._from_parcels(store, cut, fresh)
        tale.hit = [pieces[place].day for place in sorted(found)]
        tale.missed = [piece.day for place, piece in enumerate(pieces) if place not in found]

        joined = {place: flight for place, flight in under_way.items() if place not in found}
        joined |= {
            place: self._flights[key]
            for place, key in enumerate(keys)
            if place not in found and place not in joined and key in self._flights
        }
        earlier = {
            piece.day: _Earlier(valid.get(place), prints.get(place, NO_PRINT)) for place, piece in enumerate(pieces)
        }
        runs = days.runs(place for place in range(len(pieces)) if place not in found and place not in joined)
        claims = [share.claim for share in found.values() if share.rows]
        if runs == [range(len(pieces))] or (runs and self._orders.hopeless(cut.shape, claims, now)):
            return await self._undivided(store, cut, kept, earlier, tale)

        slots = asyncio.Semaphore(self._runs_at_once)
        own = [self._set_out(store, cut, pieces[run.start : run.stop], slots, earlier) for run in runs]
        bringers = joined | {place: flight for run, flight in zip(runs, own, strict=True) for place in run}
        landed = await _landed({*own, *joined.values()})
        self._counted["joined"] += len(joined)
        for flight, brought in landed.items():
            tale.add(brought, joined=flight not in own)
        at_hand = found | _brought(cut, bringers, landed)
        tale.took(cut, {place: fresh[place] for place in found}, {place: landed[bringers[place]] for place in bringers})
        if (error := _worst(landed.values())) is not None:
            return await self._standing_in(store, cut, error, at_hand, kept, tale)
        rows = self._join(cut, at_hand)
        if rows is None:
            # Nothing tells how these days follow each other: the upstream has to.
            return await self._undivided(store, cut, kept, earlier, tale)
        return tale.answer(rows, "hit" if not bringers else "partial" if found else "miss")

    async def _undivided(
        self,
        store: Store,
        cut: _Cut,
        kept: Mapping[int, DayEntry],
        earlier: Mapping[datetime.date, _Earlier],
        tale: _ReadSummary,
    ) -> Answer[Any]:
        """The answer to a call that is asked as it is. Its days are kept."""
        tale.hit, tale.missed, tale.readings = [], [piece.day for piece in cut.pieces], []
        flight = self._set_out(store, cut, cut.pieces, asyncio.Semaphore(1), earlier)
        brought = (await _landed({flight}))[flight]
        tale.add(brought)
        if brought.error is not None:
            return await self._standing_in(store, cut, brought.error, {}, kept, tale)
        tale.took(cut, {}, dict.fromkeys(range(len(cut.pieces)), brought))
        return tale.answer(brought.rows(), "miss")

    async def _standing_in(
        self,
        store: Store,
        cut: _Cut,
        error: Exception,
        at_hand: Mapping[int, Share],
        kept: Mapping[int, DayEntry],
        tale: _ReadSummary,
    ) -> Answer[Any]:
        """The answer with days past their time for those that a failed call was to bring. Raises the error if not."""
        if isinstance(error, _EXCUSED):
            stale = {place: each for place, each in kept.items() if place not in at_hand and self._stands_in(each)}
            rows = None
            if len(at_hand) + len(stale) == len(cut.pieces):
                rows = self._join(cut, {**at_hand, **await self._from_parcels(store, cut, stale)})
            if rows is not None:
                now = self._now()
                tale.since += [each.since for each in stale.values() if not _fresh(each, now)]
                tale.took(cut, stale)
                return tale.answer(rows, "stale")
        raise error

    def _join(self, cut: _Cut, found: Mapping[int, Share]) -> list[Any] | None:
        if len(found) < len(cut.pieces):
            return None
        shares = [found[place] for place in sorted(found)]
        rows = self._orders.join(cut.shape, shares, self._now())
        if rows is None:
            return None
        wrong = {name for share in shares for name in share.irregular}
        return decode.marked(rows, cut.call.report, self._zone, wrong)

    def _stands_in(self, kept: DayEntry) -> bool:
        return days.microseconds(self._now()) < kept.fresh_until + round(self._stale_for * 1_000_000)

    # Out of the store and into it

    async def _excerpts(self, store: Store, cut: _Cut, kept: Mapping[int, DayEntry]) -> list[Any] | None:
        """Excerpts of the rows, where all days are at hand and not all columns are read; None for anything else."""
        report = cut.call.report
        columns = request.columns(cut.call)
        if columns is None or len(kept) < len(cut.pieces) or sum(each.count for each in kept.values()) < _MANY_EXCERPTS:
            return None
        kind = decode.excerpt_of(report, columns, self._zone)
        found = {} if kind is None else await self._from_parcels(store, cut, kept, kind)
        rows = self._join(cut, found)
        return None if rows is None else decode.LazyRows(rows, report, self._zone, _DayReads(cut, kept, found, rows))

    async def _from_parcels(
        self, store: Store, cut: _Cut, kept: Mapping[int, DayEntry], row: type[Row] | None = None
    ) -> dict[int, Share]:
        """What the parcels hold of the pieces; without those that cannot be read."""
        keys = {place: cut.key(cut.pieces[place]) for place in kept}
        row = row or cut.call.report.row
        opened = await self._opened(store, row, {keys[place]: each for place, each in kept.items()})
        return {place: _part(cut, cut.pieces[place], opened[key]) for place, key in keys.items() if key in opened}

    async def _opened(self, store: Store, row: type[Row], kept: Mapping[Key, DayEntry]) -> dict[Key, Share]:
        def opened() -> dict[Key, Share]:
            found = {}
            for key, each in kept.items():
                with contextlib.suppress(UnreadableEntry):
                    found[key] = each.share(row)
            return found

        many = sum(len(each.value) for each in kept.values()) > _MANY_BYTES
        found = await asyncio.to_thread(opened) if many else opened()
        if spoilt := [key for key in kept if key not in found]:
            _log.warning("cache.unreadable", report=spoilt[0][0].partition(":")[0], entries=len(spoilt))
            await store.delete(spoilt)
        return found

    async def _keep(self, store: Store, packed: Mapping[float, list[tuple[Key, bytes]]], generation: int) -> None:
        for fresh_for, entries in packed.items():
            if generation == self._generation:
                await store.set_many(entries, max(fresh_for, self._trust.longest) + self._stale_for)
            if generation != self._generation:
                # Forgotten while it was on its way into the store.
                await store.delete([key for key, _ in entries])

    # Upstream

    def _set_out(
        self,
        store: Store,
        cut: _Cut,
        pieces: Sequence[Piece],
        slots: asyncio.Semaphore,
        earlier: Mapping[datetime.date, _Earlier],
    ) -> SingleFlight[_ReadDays]:
        """Fetch neighbouring pieces in one call, in a task that all readers of their days wait for."""
        generation = self._generation
        keys = [cut.key(piece) for piece in pieces if piece.whole]
        return self._start(
            lambda: self._fly(store, cut, pieces, slots, generation, earlier), cut.call.report.code, self._flights, keys
        )

    async def _fly(
        self,
        store: Store,
        cut: _Cut,
        pieces: Sequence[Piece],
        slots: asyncio.Semaphore,
        generation: int,
        earlier: Mapping[datetime.date, _Earlier],
    ) -> _ReadDays:
        async with slots:
            asked = self._now()
            flight = await self._fetched(cut.run(pieces))
        if flight.answer is None:
            return flight
        rows, name = flight.answer.rows, os.urandom(8)

        def pack() -> tuple[Claim, list[Share], dict[float, list[tuple[Key, bytes]]]] | None:
            shared = shares(rows, cut.column, cut.dated, pieces, name)
            if shared is None:
                return None
            # A day that was read only until the operation began is not over, however long that took.
            until = min(asked, cut.call.moment or asked)
            fresh_for = [
                self._fresh_for(cut, piece, until, not share.rows) if piece.whole else 0
                for piece, share in zip(pieces, shared[1], strict=True)
            ]
            flight.until = {
                piece.day: asked + datetime.timedelta(seconds=seconds)
                for piece, seconds in zip(pieces, fresh_for, strict=True)
            }
            marks = [earlier[piece.day].print for piece in pieces]
            return *shared, _packed(zip(map(cut.key, pieces), shared[1], fresh_for, marks, strict=True), asked)

        packed = await asyncio.to_thread(pack) if len(rows) > _MANY_ROWS else pack()
        if packed is not None:
            claim, shared, parcels = packed
            self._orders.learn(cut.shape, claim, asked)
            flight.shares = {piece.day: share for piece, share in zip(pieces, shared, strict=True)}
            await self._note_changed(cut, pieces, parcels, earlier, asked)
            await self._keep(store, parcels, generation)
        return flight

    async def _note_changed(
        self,
        cut: _Cut,
        pieces: Sequence[Piece],
        parcels: Mapping[float, list[tuple[Key, bytes]]],
        earlier: Mapping[datetime.date, _Earlier],
        asked: datetime.datetime,
    ) -> None:
        """Note the closed days whose rows differ from those that were kept. Other reports of them are outdated, too."""
        packed = {key: value for entries in parcels.values() for key, value in entries}
        row, changed = cut.call.report.row, []
        for piece in pieces:
            before, value = earlier[piece.day].kept, packed.get(cut.key(piece))
            if before is None or value is None or not self._closed_when_read(cut, piece, before):
                continue
            if before.asked < self.changes.at(piece.day):
                continue  # another report showed the change already
            with contextlib.suppress(UnreadableEntry):
                if not await asyncio.to_thread(parcel.same_rows, before.value, value, row):
                    changed.append(piece.day)
        await self._changed(cut, changed, asked)

    async def _changed(self, cut: _Cut, dates: Sequence[datetime.date], at: datetime.datetime) -> None:
        """Note that closed days changed: nothing that was read of them before is used any more, whatever its report."""
        if not dates:
            return
        self._counted["changed"] += len(dates)
        _log.info("cache.changed", report=cut.call.report.code, days=days.spans(tuple(sorted(dates))))
        if self._zone.key != self._day_zone.key:
            # A day of the one zone lies in two of the other.
            dates = sorted({date + _DAY * step for date in dates for step in (-1, 0, 1)})
        await self.changes.note(dates, at)

    async def note_changed(self, dates: Sequence[datetime.date], call: Call) -> None:
        """Note that closed days were found changed by what calls of several reports say of them."""
        cut = self._cut(call, "")
        assert cut is not None
        await self._changed(cut, dates, self._now())

    async def changed_since(self, first: datetime.date | None, last: datetime.date | None) -> datetime.datetime | None:
        """Return when these business days were last found changed or forgotten; None if they never were.

        Whatever holds rows of these days that were read earlier (a file, an exported partition) is outdated. Without
        days it concerns rows that have none.
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

    # Checks of closed days whose trust has ended

    def _closed_when_read(self, cut: _Cut, piece: Piece, kept: DayEntry) -> bool:
        zone = self._day_zone if cut.dated else self._zone
        return self._trust.closed(days.end(piece.day, zone), kept.since)

    def _checkable(self, cut: _Cut, piece: Piece, kept: DayEntry, now: datetime.datetime) -> bool:
        """Return whether a cheap fingerprint can show that kept rows of a day are still what the upstream has."""
        return (
            cut.call.report in (GROUP_MOVEMENTS, GAME_LOGS)
            and kept.asked <= days.microseconds(now)
            and self._closed_when_read(cut, piece, kept)
        )

    async def _checked(
        self, store: Store, cut: _Cut, ended: Mapping[int, DayEntry], tale: _ReadSummary
    ) -> tuple[dict[int, DayEntry], dict[int, bytes]]:
        """Check days whose trust has ended. Return those that are trusted again, and the fingerprints of the others."""
        if not ended:
            return {}, {}
        renewed: dict[int, DayEntry] = {}
        prints: dict[int, bytes] = {}
        changed: list[datetime.date] = []
        checked_at = self._now()
        for run in days.runs(sorted(ended)):
            places = {place: ended[place] for place in run}
            try:
                if cut.call.report is GAME_LOGS:
                    same = await self._same_count(cut, places, tale)
                    found = dict.fromkeys(places, (NO_PRINT, same))
                else:
                    found = await self._same_totals(store, cut, places, tale)
            except UpstreamError:
                continue  # the rows themselves will be read, or stand in as stale
            for place, (print, unchanged) in found.items():
                if unchanged and places[place].asked >= self.changes.at(cut.pieces[place].day):
                    seconds = self._fresh_for(cut, cut.pieces[place], checked_at, not places[place].count)
                    until = checked_at + datetime.timedelta(seconds=seconds)
                    renewed[place] = parcel.renewed(places[place], until, print)
                    continue
                prints[place] = print
                known = places[place].asked < self.changes.at(cut.pieces[place].day)
                if not known and places[place].print not in (NO_PRINT, print):
                    changed.append(cut.pieces[place].day)
        self._counted["renewed"] += len(renewed)
        await self._changed(cut, changed, checked_at)
        entries = [(cut.key(cut.pieces[place]), each.value) for place, each in renewed.items()]
        if entries:
            await store.set_many(entries, self._keep_for)
        return renewed, prints

    async def _same_count(self, cut: _Cut, places: Mapping[int, DayEntry], tale: _ReadSummary) -> bool:
        """Return whether the log still has as many rows of these neighbouring days as are kept (G1, `total_count`)."""
        first, last = cut.pieces[min(places)].day, cut.pieces[max(places)].day
        interval = Interval(days.start(first, self._zone), days.end(last, self._zone))
        call = replace(cut.call, interval=interval, columns=None, counting=True)
        answer = await self._upstream.fetch(call)
        tale.made.append(MadeCall(call, answer.requests, 0, answer.bytes, answer.seconds, waited=answer.waited))
        return answer.total == sum(each.count for each in places.values())

    async def _same_totals(
        self, store: Store, cut: _Cut, places: Mapping[int, DayEntry], tale: _ReadSummary
    ) -> dict[int, tuple[bytes, bool]]:
        """Return for each of neighbouring days the fingerprint of R1's rows, and whether the kept rows of R5 agree.

        They agree if R1 says what it said when they were read or checked last, or if their own totals are R1's.
        """
        first, last = cut.pieces[min(places)].day, cut.pieces[max(places)].day
        start, end = days.start(first, self._zone), days.end(last, self._zone)
        same_days = (start, end) == (days.start(first, self._day_zone), days.end(last, self._day_zone))
        interval = Interval(start, end, (first, last) if same_days else None)
        group = dict(cut.call.params)["group_id"]
        answer = await self.fetch(Call.of(DAILY_MOVEMENTS, interval, groupid=group), not_before=self._now())
        # A bad value says neither that the day changed nor that it did not.
        decode.require(answer.rows, DAILY_MOVEMENTS.row.__struct_fields__)
        tale.made += [made for made in answer.notes.get("calls", ()) if isinstance(made, MadeCall)]  # type: ignore[attr-defined]
        totals: dict[datetime.date, list[Any]] = {}
        for row in answer.rows:
            totals.setdefault(row.timestamp, []).append(row)
        opened = await self._from_parcels(store, cut, places) if same_days else {}
        found = {}
        for place, each in places.items():
            day = cut.pieces[place].day
            covered = [day] if same_days else days.covered(day, self._zone, self._day_zone)
            rows = [row for date in covered for row in totals.get(date, ())]
            print = parcel.fingerprint(rows)
            same = each.print == print
            if not same and place in opened and len(rows) <= 1:
                of_rows = figures.of_movements(opened[place].rows)
                same = of_rows == (figures.of_day(rows[0]) if rows else figures.NOTHING)
            found[place] = print, same
        return found

    async def _fetched(self, call: Call) -> _ReadDays:
        started, asked = time.monotonic(), self._now()
        call = replace(call, columns=None)  # what is kept serves those who read other columns
        try:
            answer = await self._upstream.fetch(call)
        except Exception as error:
            code, requests = type(error).__name__, 0
            if isinstance(error, UpstreamError):
                code, requests = error.code, error.requests
            made = MadeCall(call, requests, 0, 0, time.monotonic() - started, error=code)
            return _ReadDays(asked, made, error)
        made = MadeCall(call, answer.requests, len(answer.rows), answer.bytes, answer.seconds, waited=answer.waited)
        return _ReadDays(asked, made, None, answer)

    def _start(
        self,
        work: Callable[[], Coroutine[Any, Any, _T]],
        what: str,
        table: dict[_K, SingleFlight[_T]],
        keys: Sequence[_K],
    ) -> SingleFlight[_T]:
        """Begin work that is found under these keys for as long as it can be joined."""

        def gone(flight: SingleFlight[_T]) -> None:
            for key in keys:
                if table.get(key) is flight:
                    del table[key]

        flight = SingleFlight(work, what, gone)
        table.update(dict.fromkeys(keys, flight))
        self._under_way.add(flight.task)
        flight.task.add_done_callback(self._under_way.discard)
        flight.task.add_done_callback(_seen)
        return flight


def open_store(url: str, *, namespace: str = "gamehub-graph", limit: int = 256 << 20) -> Store | None:
    """The store that CACHE_URL names: `memory://` (of `limit` bytes), `redis://host:port/db`, or `off`: none.

    Raises ValueError for anything else.
    """
    if url == "off":
        return None
    scheme = url.partition("://")[0] if "://" in url else ""
    if scheme == "memory":
        return MemoryStore(limit)
    if scheme in ("redis", "rediss", "unix"):
        # Only here, since the library takes as long to import as the rest of a start.
        from upstream.caching.store_redis import RedisStore

        return RedisStore(url, namespace)
    raise ValueError("the cache is memory://, redis://host:port/db or off")


def _seen(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # those who wait have it, and if all of them have left, nobody misses it


async def _landed(flights: set[SingleFlight[_ReadDays]]) -> dict[SingleFlight[_ReadDays], _ReadDays]:
    """What the flights have brought by the deadline."""
    with contextlib.ExitStack() as waiting:
        for flight in flights:
            waiting.enter_context(flight.held())
        # The work itself ends at the deadline, and has news of it a moment later.
        left = deadline.left() + SLACK / 2
        if flights:
            # `wait`, unlike `gather`, leaves them alone when it is itself cancelled.
            await asyncio.wait({flight.task for flight in flights}, timeout=left if left < 1e6 else None)
        return {flight: _result(flight) for flight in flights}


def _result(flight: SingleFlight[_ReadDays]) -> _ReadDays:
    try:
        return flight.result()
    except Unavailable as late:
        return _ReadDays(_ANY_AGE, None, late)


def _brought(
    cut: _Cut,
    bringers: Mapping[int, SingleFlight[_ReadDays]],
    landed: Mapping[SingleFlight[_ReadDays], _ReadDays],
) -> dict[int, Share]:
    """What the flights have brought of the pieces."""
    found = {}
    for place, flight in bringers.items():
        piece, shared = cut.pieces[place], landed[flight].shares
        if shared is not None:
            found[place] = _part(cut, piece, shared[piece.day])
    return found


@dataclass(frozen=True, slots=True)
class _DayReads:
    """The days that excerpts were read from: `found` shares them out as they stand in the days, `excerpts` in all."""

    cut: _Cut
    kept: Mapping[int, DayEntry]
    found: Mapping[int, Share]
    excerpts: Sequence[Row]
    canonical: bool = True

    def rows(self) -> Sequence[Row]:
        whole: dict[int, Row] = {}
        for place, share in self.found.items():
            report = self.cut.call.report
            try:
                again = _part(self.cut, self.cut.pieces[place], self.kept[place].share(report.row))
            except UnreadableEntry:
                raise Malformed(f"{report.code}: a day that was kept cannot be read") from None
            whole |= zip(map(id, share.rows), again.rows, strict=True)
        return [whole[id(row)] for row in self.excerpts]

    def head(self, count: int, bad: BadValues) -> "_DayReads":
        return replace(self, excerpts=self.excerpts[:count])


def _part(cut: _Cut, piece: Piece, share: Share) -> Share:
    return share if piece.whole else share.within(cut.column, piece.interval)


def _worst(flights: Iterable[_ReadDays]) -> Exception | None:
    """Of several errors, one that a stale answer does not excuse, if there is one."""
    errors = [flight.error for flight in flights if flight.error is not None]
    return min(errors, key=lambda error: isinstance(error, _EXCUSED), default=None)


def _parcel(value: bytes | None) -> DayEntry | None:
    if value is None:
        return None
    try:
        return parcel.unpack(value)
    except UnreadableEntry:
        return None


def _fresh(kept: DayEntry | None, now: datetime.datetime, not_before: datetime.datetime = _ANY_AGE) -> bool:
    """Return whether kept rows are trusted, and were read at `not_before` or later."""
    if kept is None or not kept.asked <= days.microseconds(now) < kept.fresh_until:
        return False
    return not_before is _ANY_AGE or kept.asked >= days.microseconds(not_before)


def _packed(
    entries: Iterable[tuple[Key, Share, float, bytes]], asked: datetime.datetime
) -> dict[float, list[tuple[Key, bytes]]]:
    """The parcels, by how long they are fresh; without those that are never, and those that no bytes can hold."""
    found: dict[float, list[tuple[Key, bytes]]] = {}
    for key, share, fresh_for, print in entries:
        if fresh_for > 0:
            with contextlib.suppress(OverflowError):
                found.setdefault(fresh_for, []).append((key, parcel.pack(share, asked, fresh_for, print)))
    return found


@lru_cache(maxsize=64)
def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]
