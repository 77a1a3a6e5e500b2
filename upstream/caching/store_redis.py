"""Store days in Redis, which several processes share and which outlives them.

A failure of Redis is never an error for the client. While Redis is away, a process stores days in its own memory. Other
programs can write to a Redis, so each value is bound to its key (`seal.py`). A value that does not fit its key is
removed, counted and logged, and the day is read from the upstream again. The settings of Redis limit its size:
`maxmemory`, and `maxmemory-policy volatile-lru`.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any

import structlog

from upstream.caching.seal import beginning, needed, opened, seal
from upstream.caching.store import SPARE_BYTES, Key, MemoryStore, Pattern, Spare, StoreStats, nothing
from upstream.redis.connection import RedisConnection, RedisDown

_log = structlog.get_logger("upstream.store")
_BATCH = 1000
# A part of every key. Raise it when the form of values changes.
_VERSION = 2
_MANY_BYTES = 1 << 18
_GLOB = re.compile(r"([\\*?\[\]^-])")


class RedisStore:
    """Store bytes in Redis, under keys that begin with `namespace`, so that different programs can share it.

    While Redis is away, this process stores at most `local_bytes` in its own memory. It forgets them when Redis is
    back: other processes do not see them, and it does not see their changes.
    """

    def __init__(self, redis: RedisConnection, namespace: str = "gamehub-graph", local_bytes: int = 0) -> None:
        self._redis = redis
        self._local_bytes = local_bytes
        self._local: MemoryStore | None = None  # while Redis is away
        self._prefix = f"{namespace}:{_VERSION}:"
        self._spoilt = 0

    @property
    def shared(self) -> bool:
        """Return whether Redis has carried out the last command, so that other processes see the entries."""
        return self._local is None

    async def get_many(self, keys: Sequence[Key]) -> list[bytes | None]:
        """Return the values, in one round trip."""
        if not keys:
            return []
        names = [self._name(key) for key in keys]
        try:
            found = await self._redis.get_many(names)
        except RedisDown:
            return await self._alone().get_many(keys)
        self._local = None
        sealed = [each if isinstance(each, bytes) else None for each in found]

        def values() -> list[bytes | None]:
            return [None if each is None else opened(name, each) for name, each in zip(names, sealed, strict=True)]

        many = sum(len(each) for each in sealed if each is not None) > _MANY_BYTES
        read = await asyncio.to_thread(values) if many else values()
        spoilt = [
            name for name, each, value in zip(names, sealed, read, strict=True) if each is not None and value is None
        ]
        if spoilt:
            self._spoilt += len(spoilt)
            _log.warning("cache.spoilt", store="redis", entries=len(spoilt), first=spoilt[0].decode())
            await self._redis.attempt(lambda client: client.unlink(*spoilt))
        return read

    async def peek_many(self, keys: Sequence[Key], length: int) -> list[bytes | None]:
        """Return at least the first `length` bytes, in one round trip; of a short value, all of it."""
        if not keys:
            return []
        names = [self._name(key) for key in keys]
        try:
            found = await self._redis.pipeline([("GETRANGE", name, 0, needed(length) - 1) for name in names])
        except RedisDown:
            return await self._alone().peek_many(keys, length)
        self._local = None
        # A missing value has no bytes.
        return [
            beginning(name, each) if isinstance(each, bytes) and each else None
            for name, each in zip(names, found, strict=True)
        ]

    def writings(self, keys: Sequence[Key]) -> list[tuple[Key, int]]:
        """Return nothing: other processes write, too."""
        return []

    def holds(self, writings: Sequence[tuple[Key, int]]) -> bool:
        """Return False: only a look shows what is there."""
        return False

    async def set_many(self, entries: Sequence[tuple[Key, bytes]], seconds: float) -> None:
        """Keep the values, in one round trip."""
        if not entries:
            return
        named = [(self._name(key), value) for key, value in entries]

        def sealed() -> list[tuple[bytes, bytes]]:
            return [(name, seal(name, value)) for name, value in named]

        many = sum(len(value) for _, value in named) > _MANY_BYTES
        written = await asyncio.to_thread(sealed) if many else sealed()

        lifetime = max(round(seconds * 1000), 1)
        try:
            answers = await self._redis.pipeline([("SET", name, value, "PX", lifetime) for name, value in written])
        except RedisDown:
            await self._alone().set_many(entries, seconds)
            return
        self._local = None
        for answer in answers:
            if isinstance(answer, Exception):
                # Redis is full or read-only: its values can still be read.
                self._redis.refused(answer)

    async def delete(self, keys: Sequence[Key]) -> None:
        """Forget these."""
        names = [self._name(key) for key in keys]
        if self._local is not None:
            await self._local.delete(keys)
        if names:
            await self._redis.attempt(lambda client: client.unlink(*names))

    async def clear(self, pattern: Pattern, spare: Spare = nothing) -> int:
        """Forget all that match, except for those to spare, which takes a walk over all keys. Return the number.

        Raises ConnectionError if Redis does not answer: a person who wants rows to be forgotten must not read that
        there were none.
        """
        if self._local is not None:
            await self._local.clear(pattern, spare)

        async def walk(client: Any) -> int:
            meant = [(name, key) async for name, key in self._walk(client, pattern.report) if pattern.matches(key)]
            if spare is not nothing:
                found = await self.peek_many([key for _, key in meant], SPARE_BYTES)
                meant = [one for one, value in zip(meant, found, strict=True) if value is None or not spare(value)]
            for batch in _batches([name for name, _ in meant]):
                await client.unlink(*batch)
            return len(meant)

        return await self._redis.insist(walk)

    async def stats(self) -> StoreStats:
        """Return the entries of the namespace. Evictions and the limit are those of the whole Redis."""

        async def count(client: Any) -> StoreStats:
            names = [name async for name, _ in self._walk(client, None)]
            weight = 0
            for batch in _batches(names):
                weight += sum(await self._redis.pipeline([("STRLEN", name) for name in batch]))
            servers = await self._redis.info(client)
            limit = sum(int(info.get("maxmemory", 0)) for info in servers) or None
            evicted = sum(int(info.get("evicted_keys", 0)) for info in servers)
            return StoreStats("redis", len(names), weight, evicted, limit, spoilt=self._spoilt)

        found = None if self._redis.resting else await self._counted(count)
        return found if found is not None else StoreStats("redis", 0, 0, 0, down=True, spoilt=self._spoilt)

    async def _counted(self, count: Callable[[Any], Awaitable[StoreStats]]) -> StoreStats | None:
        # A walk over many keys takes longer than a command may.
        with contextlib.suppress(RedisDown):
            return await self._redis.insist(count)
        return None

    def _alone(self) -> MemoryStore:
        """Return the store in memory, which exists while Redis is away."""
        if self._local is None:
            self._local = MemoryStore(self._local_bytes)
        return self._local

    def _name(self, key: Key) -> bytes:
        # In a Cluster the days of a series are on one node, which gives them in one command.
        series = f"{{{key[0]}}}" if self._redis.is_cluster else key[0]
        return f"{self._prefix}{series}:{key[1]}".encode()

    async def _walk(self, client: Any, report: str | None) -> AsyncIterator[tuple[bytes, Key]]:
        brace = "{" if self._redis.is_cluster else ""
        start = _GLOB.sub(r"\\\1", f"{self._prefix}{brace}{report}:" if report is not None else self._prefix)
        seen = set()  # SCAN may return a key twice
        async for name in client.scan_iter(match=f"{start}*", count=_BATCH):
            # only the times of entries without days contain colons; origin, caller, parameters and days have none
            parts = name.decode().removeprefix(self._prefix).split(":", 5)
            if name not in seen and len(parts) == 6:
                seen.add(name)
                yield name, (":".join(parts[:5]).strip("{}"), parts[5])


def _batches(names: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(names), _BATCH):
        yield names[start : start + _BATCH]
