"""Store the bytes of answers, and find them again as long as exactly the same rows would be read.

There is no time to live and no rule of invalidation. An answer is stored together with its sources: the entries of the
cache that it was made from. It is used again only if each of these entries is there, has the same version, and is
trusted.
"""

import datetime
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Protocol

import orjson

from engine.bounded_cache import BoundedCache
from server.execution.freshness import Freshness
from server.execution.operation import Operation
from server.http.writing import AnswerBytes
from upstream.caching.kept_entries import KeptEntries

MOST = 100_000
# The part of the limit that one answer may fill.
_SHARE = 4
# About the bytes of the objects around an answer, and around each of its sources.
_AROUND = 1_000
_EACH = 300

_NO_HEADERS: Mapping[str, str] = {}

Moment = datetime.datetime | None
WouldRead = Callable[[KeptEntries, Moment], Awaitable[bool]]


class Sources(Protocol):
    """The sources of an answer."""

    def __len__(self) -> int:
        """Return their number."""

    @property
    def freshness(self) -> Freshness | None:
        """Return when the rows were read, as of the last look; None if there are no upstream rows."""

    async def unchanged(self, not_before: Moment) -> bool:
        """Return whether exactly these sources would be read now. None may be older than `not_before`."""


class CachedRows:
    """The cache entries of an answer. `would_read` looks them up."""

    def __init__(self, kept: KeptEntries, would_read: WouldRead) -> None:
        self._kept = kept
        self._would_read = would_read

    def __len__(self) -> int:
        return len(self._kept.keys)

    @property
    def freshness(self) -> Freshness:
        """Return when the rows were read."""
        return Freshness(*self._kept.times)

    async def unchanged(self, not_before: Moment) -> bool:
        """Return whether exactly these entries would be read now. None may be older than `not_before`."""
        return await self._would_read(self._kept, not_before)


@dataclass(frozen=True, slots=True)
class AnswerPlace:
    """The place of an answer: its key, the facts that it depends on, and the age that the request accepts."""

    key: Hashable
    facts: Hashable
    not_before: Moment


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The bytes of an answer with their sources and headers, and the facts when the sources were read."""

    body: AnswerBytes
    sources: Sources
    headers: Mapping[str, str]
    facts: Hashable


class StoredAnswers:
    """The stored answers of a server, the most recently used ones. With a `limit` of 0 bytes there are none.

    `facts` returns what answers depend on besides their sources: for example the business day.
    """

    def __init__(
        self,
        limit: int = 0,
        facts: Callable[[], Hashable] = lambda: None,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        self.reused: Counter[str] = Counter()
        self.limit = limit
        self._facts = facts
        self._now = now
        self._stored: BoundedCache[Hashable, StoredAnswer] = BoundedCache(MOST, limit)

    def place(self, key: Hashable, not_before: Moment = None) -> AnswerPlace | None:
        """Return the place of an answer; None if no answers are stored. Call it before the first row is read."""
        return AnswerPlace(key, self._facts(), not_before) if self.limit else None

    def place_of(self, operation: Operation) -> AnswerPlace | None:
        """Return the place of the answer of an operation; None if it may not be stored."""
        options = operation.options
        if not self.limit or options.trace or options.federation_trace or options.plan:
            return None
        try:
            variables = orjson.dumps(operation.variables)
        except TypeError:  # for example an integer beyond 64 bits
            return None
        key = (operation.text, operation.name, variables, operation.caller.groups)
        return self.place(key, options.oldest(self._now()) if options.limits_age else None)

    async def find(self, place: AnswerPlace, kind: str) -> StoredAnswer | None:
        """Return the answer of a place if it would be made again as it is, and count its use under `kind`."""
        found = self._stored.get(place.key)
        if found is None or found.facts != place.facts or not await found.sources.unchanged(place.not_before):
            return None
        self.reused[kind] += 1
        return found

    def store(
        self, place: AnswerPlace, body: AnswerBytes, sources: Sources, headers: Mapping[str, str] = _NO_HEADERS
    ) -> None:
        """Store the answer of a place, unless the facts changed while it was made."""
        size = body.size + len(sources) * _EACH + _AROUND + _length(place.key)
        if size <= self.limit // _SHARE and self._facts() == place.facts:
            # The library that writes JSON leaves its bytes at the beginning of a much larger block.
            body = AnswerBytes([bytes(memoryview(piece)) for piece in body.pieces], body.size, body.tags)
            self._stored.keep(place.key, StoredAnswer(body, sources, headers, place.facts), size)


def _length(key: Hashable) -> int:
    return sum(len(part) for part in key if isinstance(part, str | bytes)) if isinstance(key, tuple) else 0
