"""The days cache: in front of the upstream, and asked like it. What is kept is one day of one series of calls.

A period is cut into days of the business time zone; the days that are held are read from the store, the others are
fetched, neighbours in one call. A day that is over is kept long, one that is not for seconds. What comes out is what the
upstream would have answered, row for row; where that cannot be made of days, the call goes out as it is.
"""

import asyncio
import datetime
import os
import time
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from types import TracebackType
from typing import Any, Protocol, Self
from zoneinfo import ZoneInfo

import structlog

from upstream import days, parcel
from upstream.call import Answer, Call
from upstream.client import Listener
from upstream.days import Piece
from upstream.errors import Failed, Unavailable, UpstreamError
from upstream.interval import Interval
from upstream.order import Claim, Orders, Share, shares
from upstream.parcel import Parcel, Unreadable
from upstream.reports import Report
from upstream.request import checked
from upstream.store import Key, MemoryStore, Pattern, Store, StoreStats, series

__all__ = ["Cached", "CacheStats", "Held", "Made", "Source", "open_store"]

_log = structlog.get_logger("upstream.cache")

# Longer periods pass by the cache: their days would be many keys for little use.
_MOST_DAYS = 1100
# More rows, or bytes, than these are cut up and read in a thread, between whose days the event loop goes on.
_MANY_ROWS = 5_000
_MANY_BYTES = 1 << 20
# A stale answer is better than these. Any other error is news of its own.
_EXCUSED = (Unavailable, Failed)


class Source(Protocol):
    """What the cache asks: `Upstream`, or what stands for it."""

    async def fetch(self, call: Call, observe: Listener | None = None) -> Answer[Any]: ...


@dataclass(frozen=True, slots=True)
class Made:
    """An upstream call that an answer took. `joined` says that another had begun it, who counts its cost."""

    call: Call
    requests: int
    rows: int
    bytes: int
    seconds: float
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """How much of a call is at hand: so many of its days, and which are not. What has no days counts as one day."""

    days: int
    held: int
    in_flight: int
    missing: tuple[str, ...]

    @property
    def fraction(self) -> float:
        """The share of the days that needs no call, from 0 to 1."""
        return (self.held + self.in_flight) / self.days


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Counted since the start, in days: found fresh, fetched, waited for with others, served stale; and the store."""

    hits: int
    misses: int
    joined: int
    stale: int
    calls: Mapping[str, int]  # answers by outcome
    store: StoreStats | None


@dataclass(slots=True)
class _Flight:
    """What a fetch brought: its answer or error, and its rows by piece if they can be shared out."""

    made: Made | None = None
    error: Exception | None = None
    answer: Answer[Any] | None = None
    shares: dict[Piece, Share] | None = None


@dataclass(slots=True)
class _Tale:
    """What an answer took, for its notes."""

    started: float = field(default_factory=time.monotonic)
    hit: list[datetime.date] = field(default_factory=list)
    missed: list[datetime.date] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)
    since: list[datetime.datetime] = field(default_factory=list)

    def answer(self, rows: list[Any], outcome: str) -> Answer[Any]:
        """The answer with its notes."""
        notes: dict[str, object] = {"outcome": outcome, "calls": tuple(self.made)}
        if self.hit:
            notes["hit"] = days.spans(sorted(self.hit))
        if self.missed:
            notes["missed"] = days.spans(sorted(self.missed))
        if self.since:
            notes["stale"] = min(self.since)
        own = [made for made in self.made if not made.joined]
        return Answer(
            rows,
            sum(made.requests for made in own),
            sum(made.bytes for made in own),
            time.monotonic() - self.started,
            notes,
        )


class Cached:
    """The upstream behind a store of days. `fetch` is the upstream's own, and `notes` of its answers say what it took:

    - `outcome`: "hit", "miss", "partial" (some days held), "stale", "off" (passed by the cache);
    - `hit`, `missed`: the days, as `days.spans` writes them;
    - `calls`: the upstream calls made for it, each a `Made`;
    - `stale`: only there when the upstream was out of reach and days past their time stand in: since when.

    `zone` is the business time zone; `day_zone` the one in which the upstream's dates (R1) are, if that is another.
    `origin` tells this upstream from others that may share the store: its URLs and time zones, hashed into each key.
    Times are in seconds: `closed_for` and `open_for` are how long days are fresh that are over, or not, `grace` how
    long after its end a day is not over yet, `stale_for` how long after its time a day may stand in.
    """

    def __init__(
        self,
        upstream: Source,
        store: Store | None,
        zone: ZoneInfo,
        *,
        day_zone: ZoneInfo | None = None,
        origin: Callable[[], str] = lambda: "",
        closed_for: float = 30 * 86400.0,
        open_for: float = 5.0,
        grace: float = 6 * 3600.0,
        stale_for: float = 86400.0,
        runs_at_once: int = 4,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        self._upstream = upstream
        self._store = store
        self._zone = zone
        self._day_zone = day_zone or zone
        self._origin = origin
        self._closed_for = closed_for
        self._open_for = open_for
        self._grace = datetime.timedelta(seconds=grace)
        self._stale_for = stale_for
        self._runs_at_once = runs_at_once
        self._now = now
        self._orders = Orders()
        self._answers: dict[tuple[Call, str], asyncio.Task[Answer[Any] | UpstreamError]] = {}
        self._flights: dict[Key, asyncio.Task[_Flight]] = {}
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

    async def fetch(self, call: Call, observe: Listener | None = None, *, scope: str = "") -> Answer[Any]:
        """The answer to a call, as `Upstream.fetch` gives it. The rows are shared: nobody may change them.

        `scope` names whose rows these are where callers may see different ones: nobody is served those of another.
        """
        call = checked(call)
        asked = (call, scope)
        task = self._answers.get(asked)
        if task is None:
            task = self._start(self._answer(call, scope), f"cached {call.report.code}")
            self._answers[asked] = task
            task.add_done_callback(lambda done: _leave(self._answers, [asked], done))
        started = time.monotonic()
        outcome = await asyncio.shield(task)
        if observe is not None:
            try:
                observe(call, outcome, started, time.monotonic())
            except Exception:
                _log.exception("upstream.listener_failed", report=call.report.code)
        if isinstance(outcome, UpstreamError):
            # One error may be raised in many waiters: each begins a traceback of its own.
            raise outcome.with_traceback(None)
        return outcome

    async def held(self, call: Call, *, scope: str = "") -> Held:
        """How much of a call is at hand, without fetching anything."""
        return (await self.held_many([call], scope=scope))[0]

    async def held_many(self, calls: Sequence[Call], *, scope: str = "") -> list[Held]:
        """The same of many calls, with one look into the store."""
        now = self._now()
        origin = self._origin()
        asked: list[tuple[list[Key | None], list[str]]] = []
        for call in map(checked, calls):
            name = self._series(call, scope, origin)
            found = self._pieces(call)
            if found is None:
                asked.append(([(name, _lasting(call))], [""]))
                continue
            # A part of a day whose rows are dates is never at hand: its figures are not those of the day.
            usable = call.report.moment is not None
            places = [(name, piece.day.isoformat()) if usable or piece.whole else None for piece in found]
            asked.append((places, [piece.day.isoformat() for piece in found]))
        sought = [key for keys, _ in asked for key in keys if key is not None]
        values: Sequence[bytes | None] = [None] * len(sought)
        if self._store is not None:
            values = await self._store.peek_many(sought, parcel.HEAD)
        fresh = {key for key, value in zip(sought, values, strict=True) if _fresh(value, now)}
        told = []
        for keys, names in asked:
            held = [key in fresh for key in keys]
            flying = [not at_hand and key in self._flights for key, at_hand in zip(keys, held, strict=True)]
            missing = [name for name, *found_ in zip(names, held, flying, strict=True) if not any(found_)]
            gone = days.spans(map(datetime.date.fromisoformat, filter(None, missing)))
            told.append(Held(len(keys), sum(held), sum(flying), gone))
        return told

    async def forget(
        self,
        report: str | None = None,
        params: Mapping[str, str | int] | None = None,
        first_day: datetime.date | None = None,
        last_day: datetime.date | None = None,
    ) -> int:
        """Forget what is kept of a report (its code: "R5"), of series with these parameters, of days from to.

        Returns how many entries that were. What is being fetched meanwhile is not kept. Raises ConnectionError when
        the store is out of reach.
        """
        self._generation += 1
        self._answers.clear()
        self._flights.clear()
        if self._store is None:
            return 0
        return await self._store.clear(Pattern(report, params or {}, first_day, last_day))

    async def stats(self) -> CacheStats:
        """What was counted, and what the store holds."""
        counted = self._counted
        return CacheStats(
            counted["hits"],
            counted["misses"],
            counted["joined"],
            counted["stale"],
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

    # What can be kept, and as what

    def _pieces(self, call: Call) -> list[Piece] | None:
        """The call by days; None for what has none: reports without a period, or of what is so at this moment."""
        report, interval = call.report, call.interval
        if interval is None or report.current:
            return None
        if report.moment is None and self._day_zone.key != self._zone.key:
            # The upstream's dates begin and end elsewhere: its rows are of none of our days.
            return None
        return days.pieces(interval, self._zone)

    def _series(self, call: Call, scope: str, origin: str) -> str:
        params = [*call.params, ("agent", call.agent)] if call.agent else call.params
        where = f"{self._zone.key} {origin}"
        return series(call.report.code, parcel.form(call.report.row), _digest(where), scope, params)

    def _fresh_for(self, day: datetime.date | None, asked: datetime.datetime) -> float:
        closed = day is not None and days.over(day, self._zone, self._grace) <= asked
        return self._closed_for if closed else self._open_for

    # One answer

    async def _answer(self, call: Call, scope: str) -> Answer[Any] | UpstreamError:
        tale = _Tale()
        try:
            pieces = self._pieces(call)
            if self._store is None or (pieces is not None and len(pieces) > _MOST_DAYS):
                flight = await self._ask(call, (), None, 0)
                tale.made += _told(flight)
                answer = tale.answer(_rows(flight), "off")
            elif pieces is None:
                answer = await self._lasting(call, scope, tale)
            else:
                answer = await self._by_days(call, scope, pieces, tale)
        except UpstreamError as error:
            self._outcomes["error"] += 1
            return error
        self._outcomes[str(answer.notes["outcome"])] += 1
        return answer

    async def _lasting(self, call: Call, scope: str, tale: _Tale) -> Answer[Any]:
        """The answer to a call without days, which is kept whole, for seconds."""
        key = (self._series(call, scope, self._origin()), _lasting(call))
        store, row, now = self._store, call.report.row, self._now()
        assert store is not None
        kept = _parcel((await store.get_many([key]))[0]) if self._open_for > 0 else None
        if kept is not None and _is_fresh(kept, now) and (share := await self._opened(key, kept, row)) is not None:
            self._counted["hits"] += 1
            return tale.answer(share.rows, "hit")
        flight = await self._ask(call, (), key, self._generation)
        tale.made += _told(flight)
        if isinstance(flight.error, _EXCUSED) and kept is not None and self._stands_in(kept):
            share = await self._opened(key, kept, row)
            if share is not None:
                self._counted["stale"] += 1
                tale.since.append(kept.since)
                return tale.answer(share.rows, "stale")
        rows = _rows(flight)
        self._counted["misses"] += 1
        return tale.answer(rows, "miss")

    async def _by_days(self, call: Call, scope: str, pieces: list[Piece], tale: _Tale) -> Answer[Any]:
        """The answer to a call, from days that are held, days that are under way, and days that it fetches itself."""
        store, report, now = self._store, call.report, self._now()
        assert store is not None
        name = self._series(call, scope, self._origin())
        shape = (report.code, tuple(given for given, _ in call.params))
        usable = report.moment is not None
        keys = [(name, piece.day.isoformat()) for piece in pieces]
        seekable = [place for place, piece in enumerate(pieces) if usable or piece.whole]
        flights = {place: self._flights[keys[place]] for place in seekable if keys[place] in self._flights}
        sought = [place for place in seekable if place not in flights]
        values = await store.get_many([keys[place] for place in sought])
        kept = {place: each for place, value in zip(sought, values, strict=True) if (each := _parcel(value))}
        held = {place: each for place, each in kept.items() if _is_fresh(each, now)}
        found = await self._shares(report, pieces, keys, held)
        # While the store was looking, others may have set out.
        for place in seekable:
            if place not in found and place not in flights and keys[place] in self._flights:
                flights[place] = self._flights[keys[place]]
        missing = [place for place in range(len(pieces)) if place not in found and place not in flights]
        tale.hit = [pieces[place].day for place in sorted(found)]
        missed = len(pieces) - len(found)
        tale.missed = [pieces[place].day for place in range(len(pieces)) if place not in found]

        runs = days.runs(pieces, missing)
        claims = [found[place].claim for place in found if found[place].rows]
        whole = range(len(pieces))
        if runs and runs != [whole] and self._orders.hopeless(shape, claims, now):
            runs, flights = [whole], {}
        slots = asyncio.Semaphore(self._runs_at_once)
        own = {run: self._set_out(call, name, pieces[run.start : run.stop], slots) for run in runs}
        self._counted["joined"] += len(flights)
        landed = await _all({*own.values(), *flights.values()})
        tale.made += [made for task in own.values() for made in _told(landed[task])]
        joined = {task: None for task in flights.values() if task not in own.values()}
        tale.made += [_as_joined(made) for task in joined for made in _told(landed[task])]
        bringers = flights | {place: task for run, task in own.items() for place in run}

        error = _worst([landed[task].error for task in {*own.values(), *joined}])
        stale: dict[int, Parcel] = {}
        if error is None and runs == [whole]:
            answer = landed[own[whole]].answer
            assert answer is not None
            return self._told(tale, answer.rows, len(pieces) - missed if whole not in own else 0, len(pieces))
        if error is None:
            rows = self._joined(report, shape, pieces, found, bringers, landed, now)
            if rows is not None:
                return self._told(tale, rows, len(found), missed)
            # Nothing tells how these days follow each other: the upstream has to.
            slots = asyncio.Semaphore(1)
            task = self._set_out(call, name, pieces, slots)
            flight = (await _all({task}))[task]
            tale.made += _told(flight)
            if flight.error is None:
                return self._told(tale, _rows(flight), 0, len(pieces))
            error = flight.error
            bringers = dict.fromkeys(bringers, task)
            landed[task] = flight
        if isinstance(error, _EXCUSED):
            short = [place for place, task in bringers.items() if landed[task].error is not None]
            kept |= await self._kept(keys, [place for place in short if place not in kept and place in seekable])
            stale = {place: kept[place] for place in short if place in kept and self._stands_in(kept[place])}
            if len(stale) == len(short):
                found |= await self._shares(report, pieces, keys, stale)
                rest = {place: task for place, task in bringers.items() if place not in found}
                rows = self._joined(report, shape, pieces, found, rest, landed, now)
                if rows is not None:
                    tale.since += [each.since for each in stale.values()]
                    self._counted["stale"] += len(stale)
                    return tale.answer(rows, "stale")
        raise error
