"""Read days from the store and write them to it, and join their rows to an answer."""

import asyncio
import contextlib
import datetime
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from upstream.caching import day_entry
from upstream.caching.cut import CutCall
from upstream.caching.day_entry import DayEntry, UnreadableEntry
from upstream.caching.store import Key, Store
from upstream.caching.trust import Trust
from upstream.decoding.lazy_rows import LazyRows
from upstream.decoding.partial_rows import partial_rows_of
from upstream.errors import Malformed
from upstream.reports import request
from upstream.reports.order import RowOrders, Share
from upstream.reports.rows import Row
from upstream.values import days
from upstream.values.bad_value import BadValues
from upstream.values.days import Piece

_log = structlog.get_logger("upstream.cache")
# More bytes than these are decoded in a thread, so that the event loop goes on.
_MANY_BYTES = 1 << 20
# From so many rows on, partial rows are read sooner than whole rows.
_MANY_PARTIAL_ROWS = 64
ANY_AGE = datetime.datetime.min.replace(tzinfo=datetime.UTC)


class CachedDays:
    """Read and write the entries of a store.

    `stale_for` is how many seconds after its time an entry may replace the answer of an upstream that is out of reach.
    """

    def __init__(
        self, store: Store, zone: ZoneInfo, trust: Trust, stale_for: float, now: Callable[[], datetime.datetime]
    ) -> None:
        self.store = store
        self.orders = RowOrders()
        self.generation = 0  # counts how often entries were forgotten
        self.forgotten_at = ANY_AGE  # rows that were requested earlier were forgotten since
        self.keep_for = trust.longest + stale_for
        self._zone = zone
        self._trust = trust
        self._stale_for = stale_for
        self._now = now

    async def open(self, row: type[Row], entries: Mapping[Key, DayEntry]) -> dict[Key, Share]:
        """Return the rows of the entries. Entries that cannot be read are missing, and deleted from the store."""

        def read() -> dict[Key, Share]:
            found = {}
            for key, each in entries.items():
                with contextlib.suppress(UnreadableEntry):
                    found[key] = each.share(row)
            return found

        many = sum(len(each.value) for each in entries.values()) > _MANY_BYTES
        found = await asyncio.to_thread(read) if many else read()
        if unreadable := [key for key in entries if key not in found]:
            _log.warning("cache.unreadable", report=unreadable[0][0].partition(":")[0], entries=len(unreadable))
            await self.store.delete(unreadable)
        return found

    async def shares(
        self, cut: CutCall, entries: Mapping[int, DayEntry], row: type[Row] | None = None
    ) -> dict[int, Share]:
        """Return the rows of the pieces that have these entries, by their places. Unreadable ones are missing."""
        keys = {place: cut.key(cut.pieces[place]) for place in entries}
        row = row or cut.call.report.row
        opened = await self.open(row, {keys[place]: each for place, each in entries.items()})
        return {place: part_of(cut, cut.pieces[place], opened[key]) for place, key in keys.items() if key in opened}

    async def partial_rows(self, cut: CutCall, entries: Mapping[int, DayEntry]) -> list[Any] | None:
        """Return partial rows if all days have an entry and not all columns are read; None in any other case."""
        report = cut.call.report
        read = cut.call.columns
        columns = None if read is None else read | request.needed(cut.call)
        if columns is None or len(entries) < len(cut.pieces):
            return None
        if sum(each.count for each in entries.values()) < _MANY_PARTIAL_ROWS:
            return None
        kind = partial_rows_of(report, columns, self._zone)
        found = {} if kind is None else await self.shares(cut, entries, kind)
        rows = self.join(cut, found)
        return None if rows is None else LazyRows(rows, report, self._zone, _EntryRows(cut, entries, found, rows))

    def join(self, cut: CutCall, found: Mapping[int, Share]) -> list[Any] | None:
        """Return the rows of all pieces in the upstream's order; None if a piece is missing or the order is unknown."""
        if len(found) < len(cut.pieces):
            return None
        shares = [found[place] for place in sorted(found)]
        rows = self.orders.join(cut.shape, shares, self._now())
        if rows is None:
            return None
        irregular = {name for share in shares for name in share.irregular}
        return LazyRows.canonical(rows, cut.call.report, self._zone, irregular) if irregular else rows

    def can_join(self, shape: Hashable, entries: Iterable[DayEntry]) -> bool:
        """Return whether the rows of these entries can be listed in the upstream's order."""
        filled = [entry for entry in entries if entry.count]
        if len({entry.fetch for entry in filled}) <= 1:
            return True
        return self.orders.settle(shape, [entry.claim for entry in filled], self._now()) is not None

    async def write(
        self, packed: Mapping[float, list[tuple[Key, bytes]]], generation: int, requested_at: datetime.datetime
    ) -> None:
        """Write entries, by the seconds for which they are trusted, unless entries were forgotten meanwhile."""
        for fresh_for, entries in packed.items():
            if generation == self.generation and requested_at >= self.forgotten_at:
                await self.store.set_many(entries, max(fresh_for, self._trust.longest) + self._stale_for)
            if generation != self.generation or requested_at < self.forgotten_at:
                # Forgotten while they were written.
                await self.store.delete([key for key, _ in entries])

    def can_replace_answer(self, entry: DayEntry) -> bool:
        """Return whether an entry past its time may replace the answer of an upstream that is out of reach."""
        return days.microseconds(self._now()) < entry.fresh_until + round(self._stale_for * 1_000_000)


@dataclass(frozen=True, slots=True)
class _EntryRows:
    """Hold the entries from which partial rows were read: `found` by day, `partial_rows` all in their order."""

    cut: CutCall
    entries: Mapping[int, DayEntry]
    found: Mapping[int, Share]
    partial_rows: Sequence[Row]
    canonical: bool = True

    def rows(self) -> Sequence[Row]:
        """Return the whole rows. Raise Malformed."""
        whole: dict[int, Row] = {}
        for place, share in self.found.items():
            report = self.cut.call.report
            try:
                again = part_of(self.cut, self.cut.pieces[place], self.entries[place].share(report.row))
            except UnreadableEntry:
                raise Malformed(f"{report.code}: a cached day cannot be read") from None
            whole |= zip(map(id, share.rows), again.rows, strict=True)
        return [whole[id(row)] for row in self.partial_rows]

    def some(self, places: Sequence[int], bad: BadValues) -> "_EntryRows":
        """Return the source of the rows at these places alone."""
        return replace(self, partial_rows=[self.partial_rows[place] for place in places])


def part_of(cut: CutCall, piece: Piece, share: Share) -> Share:
    """Return the rows of a day that belong to a piece of it."""
    return share if piece.whole else share.within(cut.column, piece.interval)


def entry_of(value: bytes | None) -> DayEntry | None:
    """Return the entry that the store has under a key; None if there is none, or it is unreadable."""
    if value is None:
        return None
    try:
        return day_entry.unpack(value)
    except UnreadableEntry:
        return None


def is_fresh(entry: DayEntry | None, now: datetime.datetime, not_before: datetime.datetime = ANY_AGE) -> bool:
    """Return whether an entry is trusted, and was read at `not_before` or later."""
    if entry is None or not entry.requested_at <= days.microseconds(now) < entry.fresh_until:
        return False
    return not_before is ANY_AGE or entry.requested_at >= days.microseconds(not_before)


def pack_all(
    entries: Iterable[tuple[Key, Share, float, bytes]], requested_at: datetime.datetime
) -> dict[float, list[tuple[Key, bytes]]]:
    """Return the packed entries by how long they are trusted, without those that are never trusted or do not fit."""
    found: dict[float, list[tuple[Key, bytes]]] = {}
    for key, share, fresh_for, print in entries:
        if fresh_for > 0:
            with contextlib.suppress(OverflowError):
                found.setdefault(fresh_for, []).append((key, day_entry.pack(share, requested_at, fresh_for, print)))
    return found
