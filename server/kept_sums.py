"""Keep the sums of cached days, so that a total that is asked again reads no row of them.

A sum is kept together with the cache entries that its rows came from. It is used only while exactly these entries would
be read: a day that changed, was forgotten or is no longer trusted has other entries, or none.
"""

import datetime
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from resolvers.kept_sums import ReadCall
from server.execution.stored_answers import WouldRead
from upstream.caching import day_entry
from upstream.caching.cut import shape
from upstream.caching.kept_entries import KeptEntries

LIMIT = 32 << 20
# The part of the limit that one sum may fill.
_SHARE = 8
# About the bytes of the objects around a sum, and around each of its entries.
_AROUND = 1_000
_EACH = 800


@dataclass(frozen=True, slots=True, eq=False)
class EntrySums:
    """A sum, the calls that its rows were read by, and the entries that have them. Never change the sum."""

    sums: Any
    calls: Sequence[ReadCall]
    entries: KeptEntries
    size: int

    @property
    def times(self) -> tuple[datetime.datetime, ...]:
        """Return when the rows were read: the first, the last, and until when all of them are trusted."""
        return self.entries.times


@dataclass(slots=True, eq=False)
class KeptSums:
    """The sums that a server keeps, the most recently used ones, up to a limit. `would_read` looks up entries."""

    would_read: WouldRead
    limit: int = LIMIT
    bytes: int = 0
    _kept: OrderedDict[Hashable, EntrySums] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._kept)

    async def find(self, place: Hashable, not_before: datetime.datetime | None) -> EntrySums | None:
        """Return the sum of a place if exactly its entries would be read now, none older than `not_before`."""
        found = self._kept.get(place)
        if found is None or not await self.would_read(found.entries, not_before):
            return None
        if place in self._kept:
            self._kept.move_to_end(place)
        return found

    def keep(self, place: Hashable, sums: Any, calls: Sequence[ReadCall], size: int) -> None:
        """Keep the sum of a place, unless it takes too much room, or nothing shows later that it is right."""
        size += _AROUND + _EACH * sum(len(each.entries) for each in calls)
        if size * _SHARE > self.limit:
            return
        reads = [(shape(each.call), each.entries) for each in calls]
        try:
            entries = KeptEntries(reads, {key for _, of_call in reads for key, _, _ in of_call})
        except ValueError:
            return  # an entry changed while it was read, or there is none
        self._drop(place)
        counted = [replace(each, rows=_rows(each)) for each in calls]
        self._kept[place] = EntrySums(sums, counted, entries, size)
        self.bytes += size
        while self.bytes > self.limit:
            self._drop(next(iter(self._kept)))

    def _drop(self, place: Hashable) -> None:
        known = self._kept.pop(place, None)
        if known is not None:
            self.bytes -= known.size


def _rows(call: ReadCall) -> int:
    return sum(day_entry.unpack(value).count for _, _, value in call.entries)
