"""Define the interface of a store of days, and the store in the memory of this process."""

import datetime
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol
from urllib.parse import parse_qsl, quote, urlencode

Key = tuple[str, str]
"""A series (see `series`) and what of it: a day as 2026-03-01, or "" and more for what has no days."""

_MEBIBYTE = 1 << 20


def series(report: str, form: str, origin: str, caller: str, params: Sequence[tuple[str, str | int]]) -> str:
    """Return the text that identifies a series of days: report, form of its rows, origin, caller, parameters."""
    return ":".join((report, form, quote(origin, safe=""), quote(caller, safe=""), urlencode(params)))


# Series of these names hold no rows of a report, but when days changed. They stay when rows are forgotten: rows that
# were read meanwhile may be older than a change.
CHANGED, FORGOTTEN = "changed", "forgotten"


@dataclass(frozen=True, slots=True)
class Pattern:
    """Select entries: of a report, of series that have these parameters among theirs, of a range of days."""

    report: str | None = None
    params: Mapping[str, str | int] = field(default_factory=dict)
    first: datetime.date | None = None
    last: datetime.date | None = None

    def matches(self, key: Key) -> bool:
        """Return whether an entry is selected. An entry without a day is not in any range of days."""
        name, day = key
        report, params = _read(name)
        if report in (CHANGED, FORGOTTEN) or self.report not in (None, report):
            return False
        if any(params.get(given) != str(value) for given, value in self.params.items()):
            return False
        if self.first is None and self.last is None:
            return True
        # Dates as text sort like dates.
        return (
            len(day) == 10
            and (self.first is None or self.first.isoformat() <= day)
            and (self.last is None or day <= self.last.isoformat())
        )


@lru_cache(maxsize=8192)
def _read(name: str) -> tuple[str, dict[str, str]]:
    report, *_, params = name.split(":")
    return report, dict(parse_qsl(params, keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class StoreStats:
    """Describe a store: its entries and bytes, the entries dropped for lack of space, and the damaged ones."""

    kind: str
    entries: int
    bytes: int
    evictions: int
    limit: int | None = None
    down: bool = False
    spoilt: int = 0


Spare = Callable[[bytes], bool]
"""Say from the first bytes of a value (`SPARE_BYTES`) whether it stays."""
SPARE_BYTES = 64


def nothing(value: bytes) -> bool:
    """Spare no value."""
    return False


class Store(Protocol):
    """Store bytes by key, each for a time. A store never fails: if it has a problem, it answers with what it has."""

    @property
    def shared(self) -> bool:
        """Return whether other processes see the entries, as far as the last command showed."""

    async def get_many(self, keys: Sequence[Key]) -> list[bytes | None]:
        """Return the values, None for those that are missing."""

    async def peek_many(self, keys: Sequence[Key], length: int) -> list[bytes | None]:
        """Return at least the first `length` bytes of the values. This does not count as a use of them."""

    def writings(self, keys: Sequence[Key]) -> list[tuple[Key, int]]:
        """Return each key with the number of its last writing; nothing if other processes write, too."""

    def holds(self, writings: Sequence[tuple[Key, int]]) -> bool:
        """Return whether the values are there since these writings. Then they count as used."""

    async def set_many(self, entries: Sequence[tuple[Key, bytes]], seconds: float) -> None:
        """Keep the values for so long."""

    async def delete(self, keys: Sequence[Key]) -> None:
        """Forget these."""

    async def clear(self, pattern: Pattern, spare: Spare = nothing) -> int:
        """Forget all that match, except for values that `spare` accepts, given their first bytes. Return the number."""

    async def stats(self) -> StoreStats:
        """Return the statistics."""


class MemoryStore:
    """Store bytes in memory, with a limit. Values that were not used for the longest time are dropped first."""

    shared: bool = False

    def __init__(self, limit: int = 256 * _MEBIBYTE, clock: Callable[[], float] = time.time) -> None:
        self._limit = limit
        self._clock = clock
        self._entries: OrderedDict[Key, tuple[bytes, float, int]] = OrderedDict()
        self._written = 0
        self._bytes = 0
        self._evictions = 0

    async def get_many(self, keys: Sequence[Key]) -> list[bytes | None]:
        """Return the values; they count as used."""
        found = await self.peek_many(keys, 0)
        for key, value in zip(keys, found, strict=True):
            if value is not None:
                self._entries.move_to_end(key)
        return found

    async def peek_many(self, keys: Sequence[Key], length: int) -> list[bytes | None]:
        """Return the values."""
        now = self._clock()
        entries = self._entries
        return [entry[0] if (entry := entries.get(key)) is not None and now < entry[1] else None for key in keys]

    def writings(self, keys: Sequence[Key]) -> list[tuple[Key, int]]:
        """Return the keys that are there, each with the number of its last writing."""
        return [(key, self._entries[key][2]) for key in keys if key in self._entries]

    def holds(self, writings: Sequence[tuple[Key, int]]) -> bool:
        """Return whether the values are there since these writings. Then they count as used."""
        now, there = self._clock(), self._entries
        for key, number in writings:
            entry = there.get(key)
            if entry is None or entry[2] != number or now >= entry[1]:
                return False
        for key, _ in writings:
            there.move_to_end(key)
        return True

    async def set_many(self, entries: Sequence[tuple[Key, bytes]], seconds: float) -> None:
        """Keep the values, as far as there is room for them."""
        until = self._clock() + seconds
        for key, value in entries:
            self._drop(key)
            size = _size(key, value)
            # A value that would displace all others is not stored.
            if size <= self._limit:
                self._written += 1
                self._entries[key] = value, until, self._written
                self._bytes += size
        while self._bytes > self._limit:
            self._drop(next(iter(self._entries)))
            self._evictions += 1

    async def delete(self, keys: Sequence[Key]) -> None:
        """Forget these."""
        for key in keys:
            self._drop(key)

    async def clear(self, pattern: Pattern, spare: Spare = nothing) -> int:
        """Forget all that match, except for those to spare."""
        meant = [key for key, entry in self._entries.items() if pattern.matches(key) and not spare(entry[0])]
        await self.delete(meant)
        return len(meant)

    async def stats(self) -> StoreStats:
        """Return the statistics."""
        return self.now()

    def now(self) -> StoreStats:
        """Return the statistics at once."""
        return StoreStats("memory", len(self._entries), self._bytes, self._evictions, self._limit)

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= _size(key, entry[0])


def _size(key: Key, value: bytes) -> int:
    # About the size of the objects around the bytes. The days of a series share its text.
    return len(value) + len(key[0]) // 8 + 256
