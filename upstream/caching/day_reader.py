"""Read days from the upstream: neighbouring days in one call, which all answers that need one of the days share."""

import asyncio
import contextlib
import datetime
import itertools
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from upstream.caching import day_entry
from upstream.caching.cache_stats import Demand, ReadDays, nothing
from upstream.caching.cached_days import ANY_AGE, CachedDays, pack_all, part_of
from upstream.caching.changes import Changes
from upstream.caching.cut import CutCall
from upstream.caching.day_checks import DayChecks, DaySource
from upstream.caching.day_entry import NO_PRINT, DayEntry, UnreadableEntry
from upstream.caching.store import Key
from upstream.call import Call, MadeCall
from upstream.errors import Unavailable, UpstreamError, UpstreamFailed
from upstream.reports.order import Claim, Share, shares
from upstream.resilience import deadline
from upstream.resilience.single_flight import SLACK, SingleFlight, SingleFlights
from upstream.values.days import Piece

if TYPE_CHECKING:  # the library of Redis takes long to import, and most processes need none
    from upstream.caching.shared_calls import SharedCalls

# More rows than these are divided into days in a thread, so that the event loop goes on.
_MANY_ROWS = 5_000
# A stale answer is better than these errors. Any other error is new information.
EXCUSED = (Unavailable, UpstreamFailed)


@dataclass(frozen=True, slots=True)
class EarlierEntry:
    """Hold the entry of a day before it is read again, if there was one, and the fingerprint of the day, if known."""

    entry: DayEntry | None = None
    print: bytes = NO_PRINT


class DayReader:
    """Read days from the upstream, and write them to the store. `flights` are the days that are being read."""

    def __init__(
        self,
        source: DaySource,
        checks: DayChecks,
        changes: Changes,
        now: Callable[[], datetime.datetime],
        shared: "SharedCalls | None" = None,
    ) -> None:
        self.flights: SingleFlights[Key, ReadDays] = SingleFlights()
        self._source = source
        self._checks = checks
        self._changes = changes
        self._now = now
        self._shared = shared

    async def fetch(self, call: Call, demand: Demand) -> ReadDays:
        """Make a call, or get its answer from another server that makes it. Its error is a part of the result."""
        started, requested_at, shared, give = time.monotonic(), self._now(), False, nothing
        call = call.with_columns(None)  # cached rows serve readers of other columns, too
        try:
            if self._shared is None:
                answer = await self._source.fetch(call)
            else:
                found = await self._shared.fetch(call, demand)
                answer, requested_at, shared, give = found.answer, found.requested_at, found.shared, found.give
        except Exception as error:
            code, requests = type(error).__name__, 0
            if isinstance(error, UpstreamError):
                code, requests = error.code, error.requests
            made = MadeCall(call, requests, 0, 0, time.monotonic() - started, error=code)
            return ReadDays(requested_at, made, error)
        made = MadeCall(call, answer.requests, len(answer.rows), answer.bytes, answer.seconds, waited=answer.waited)
        return ReadDays(requested_at, made, None, answer, shared=shared, give=give)

    def start(
        self,
        cached: CachedDays,
        cut: CutCall,
        pieces: Sequence[Piece],
        slots: asyncio.Semaphore,
        earlier: Mapping[datetime.date, EarlierEntry],
        demand: Demand,
    ) -> SingleFlight[ReadDays]:
        """Start to read neighbouring pieces in one call, in a task that all readers of their days wait for."""
        keys = [cut.key(piece) for piece in pieces if piece.whole]
        return self.flights.start(
            lambda: self._read(cached, cut, pieces, slots, earlier, demand), cut.call.report.code, keys
        )

    async def _read(
        self,
        cached: CachedDays,
        cut: CutCall,
        pieces: Sequence[Piece],
        slots: asyncio.Semaphore,
        earlier: Mapping[datetime.date, EarlierEntry],
        demand: Demand,
    ) -> ReadDays:
        generation = cached.generation
        async with slots:
            found = await self.fetch(cut.run(pieces), demand)
        try:
            if found.answer is not None:
                await self._keep(cached, cut, pieces, found, earlier, generation)
        finally:
            found.give()
        return found

    async def _keep(
        self,
        cached: CachedDays,
        cut: CutCall,
        pieces: Sequence[Piece],
        found: ReadDays,
        earlier: Mapping[datetime.date, EarlierEntry],
        generation: int,
    ) -> None:
        """Divide the rows of a call into days, note the days that changed, and write all to the store."""
        assert found.answer is not None
        requested_at, rows, name = found.requested_at, found.answer.rows, os.urandom(8)

        def pack() -> tuple[Claim, list[Share], dict[float, list[tuple[Key, bytes]]]] | None:
            divided = shares(rows, cut.column, cut.dated, pieces, name)
            if divided is None:
                return None
            # A day that was read only until the operation began is not over, however long the reading took.
            until = min(requested_at, cut.call.moment or requested_at)
            fresh_for = [
                self._checks.fresh_for(cut, piece, until, not share.rows) if piece.whole else 0
                for piece, share in zip(pieces, divided[1], strict=True)
            ]
            found.until = {
                piece.day: requested_at + datetime.timedelta(seconds=seconds)
                for piece, seconds in zip(pieces, fresh_for, strict=True)
            }
            prints = [earlier[piece.day].print for piece in pieces]
            return *divided, pack_all(
                zip(map(cut.key, pieces), divided[1], fresh_for, prints, strict=True), requested_at
            )

        packed = await asyncio.to_thread(pack) if len(rows) > _MANY_ROWS else pack()
        if packed is not None:
            claim, divided, entries = packed
            cached.orders.learn(cut.shape, claim, requested_at)
            found.shares = {piece.day: share for piece, share in zip(pieces, divided, strict=True)}
            found.values = dict(itertools.chain.from_iterable(entries.values()))
            await self._record_changes(cut, pieces, found.values, earlier, requested_at)
            if not found.shared:
                await cached.write(entries, generation, requested_at)

    async def _record_changes(
        self,
        cut: CutCall,
        pieces: Sequence[Piece],
        packed: Mapping[Key, bytes],
        earlier: Mapping[datetime.date, EarlierEntry],
        requested_at: datetime.datetime,
    ) -> None:
        """Note the closed days whose rows differ from the cached ones. Other reports of them are outdated, too."""
        row, changed = cut.call.report.row, []
        for piece in pieces:
            before, value = earlier[piece.day].entry, packed.get(cut.key(piece))
            if before is None or value is None or not self._checks.was_closed(cut, piece, before):
                continue
            if before.requested_at < self._changes.at(piece.day):
                continue  # another report showed the change already
            with contextlib.suppress(UnreadableEntry):
                if not await asyncio.to_thread(day_entry.same_rows, before.value, value, row):
                    changed.append(piece.day)
        await self._checks.record_changes(cut, changed, requested_at)


async def wait_for_all(flights: set[SingleFlight[ReadDays]]) -> dict[SingleFlight[ReadDays], ReadDays]:
    """Return what the flights have read by the deadline."""
    with contextlib.ExitStack() as waiting:
        for flight in flights:
            waiting.enter_context(flight.waiting())
        # The work itself ends at the deadline, and its result follows a moment later.
        left = deadline.left() + SLACK / 2
        if flights:
            # `wait`, unlike `gather`, does not cancel the tasks when it is cancelled itself.
            tasks = {task for flight in flights if (task := flight.task) is not None}
            await asyncio.wait(tasks, timeout=left if left < 1e6 else None)
        return {flight: _result(flight) for flight in flights}


def _result(flight: SingleFlight[ReadDays]) -> ReadDays:
    try:
        return flight.result()
    except Unavailable as late:
        return ReadDays(ANY_AGE, None, late)


def shares_of(
    cut: CutCall,
    flights: Mapping[int, SingleFlight[ReadDays]],
    landed: Mapping[SingleFlight[ReadDays], ReadDays],
) -> dict[int, Share]:
    """Return the rows of the pieces that the flights have read."""
    found = {}
    for place, flight in flights.items():
        piece, shared = cut.pieces[place], landed[flight].shares
        if shared is not None:
            found[place] = part_of(cut, piece, shared[piece.day])
    return found


def worst_error(fetched: Iterable[ReadDays]) -> Exception | None:
    """Return one of several errors: one that a stale answer does not excuse, if there is one."""
    errors = [each.error for each in fetched if each.error is not None]
    return min(errors, key=lambda error: isinstance(error, EXCUSED), default=None)
