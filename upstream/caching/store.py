"""Where days are kept: the interface of a store, and the store in this process's memory."""

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
    """The text that tells one series of days from all others: report, form of its rows, origin, caller, parameters."""
    return ":".join((report, form, quote(origin, safe=""), quote(caller, safe=""), urlencode(params)))


@dataclass(frozen=True, slots=True)
class Pattern:
    """Which entries are meant: of a report, of series that have these parameters among theirs, of days from to."""

    report: str | None = None
    params: Mapping[str, str | int] = field(default_factory=dict)
    first: datetime.date | None = None
    last: datetime.date | None = None

    def matches(self, key: Key) -> bool:
        """Whether an entry is meant. What has no day is not, where days are."""
        name, day = key
        report, params = _read(name)
        if self.report not in (None, report):
            return False
        if any(params.get(given) != str(value) for given, value in self.params.items()):
            return False
        if self.first is None and self.last is None:
            return True
        # Days as text compare as days do.
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
    """What a store holds, how many entries it has dropped for want of room, and how many were not as they were kept."""

    kind: str
    entries: int
    bytes: int
    evictions: int
    limit: int | None = None
    down: bool = False
    spoilt: int = 0


class Store(Protocol):
    """Bytes by key, each for a time. Whatever fails inside, a store answers: with what it has, if that is nothing."""

    shared: bool
    """Whether other processes see what is kept."""

    async def get_many(self, keys: Sequence[Key]) -> list[bytes | None]:
        """The values, None for those that are not there."""

    async def peek_many(self, keys: Sequence[Key], length: int) -> list[bytes | None]:
        """At least the first `length` bytes of the values, without counting as a use of them."""

    async def set_many(self, entries: Sequence[tuple[Key, bytes]], seconds: float) -> None:
        """Keep the values for so long."""

    async def delete(self, keys: Sequence[Key]) -> None:
        """Forget these."""

    async def clear(self, pattern: Pattern) -> int:
        """Forget all that match; their number."""

    async def stats(self) -> StoreStats:
        """What is there."""

    async def aclose(self) -> None:
        """Let go of connections."""


class MemoryStore:
    """A store in memory, bounded in bytes: what was used longest ago makes room."""

    shared = False

    def __init__(self, limit: int = 256 * _MEBIBYTE, clock: Callable[[], float] = time.time) -> None:
        self._limit = limit
        self._clock = clock
        self._entries: OrderedDict[Key, tuple[bytes, float]] = OrderedDict()
        self._bytes = 0
        self._evictions = 0

    async def get_many(self, keys: Sequence[Key]) -> list[bytes | None]:
        """The values; they count as used."""
        found = await self.peek_many(keys, 0)
        for key, value in zip(keys, found, strict=True):
            if value is not None:
                self._entries.move_to_end(key)
        return found

    async def peek_many(self, keys: Sequence[Key], length: int) -> list[bytes | None]:
        """The values."""
        now = self._clock()
        entries = self._entries
        return [entry[0] if (entry := entries.get(key)) is not None and now < entry[1] else None for key in keys]

    async def set_many(self, entries: Sequence[tuple[Key, bytes]], seconds: float) -> None:
        """Keep the values, as far as there is room for them."""
        until = self._clock() + seconds
        for key, value in entries:
            self._drop(key)
            size = _size(key, value)
            # What would push out everything else is not worth it.
            if size <= self._limit:
                self._entries[key] = value, until
                self._bytes += size
        while self._bytes > self._limit:
            self._drop(next(iter(self._entries)))
            self._evictions += 1

    async def delete(self, keys: Sequence[Key]) -> None:
        """Forget these."""
        for key in keys:
            self._drop(key)

    async def clear(self, pattern: Pattern) -> int:
        """Forget all that match."""
        meant = [key for key in self._entries if pattern.matches(key)]
        await self.delete(meant)
        return len(meant)

    async def stats(self) -> StoreStats:
        """What is there."""
        return StoreStats("memory", len(self._entries), self._bytes, self._evictions, self._limit)

    async def aclose(self) -> None:
        """Nothing to let go of."""

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= _size(key, entry[0])


def _size(key: Key, value: bytes) -> int:
    # The objects around the bytes weigh about this much; the series' text is shared by its days.
    return len(value) + len(key[0]) // 8 + 256
