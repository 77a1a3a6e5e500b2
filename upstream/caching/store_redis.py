"""Store days in Redis, which several processes share and which outlives them. Without Redis nothing is cached.

A failure of Redis is never an error for the client. Other programs can write to a Redis, so each value is bound to its
key (`seal.py`). A value that does not fit its key is removed, counted and logged, and the day is read from the upstream
again. The settings of Redis limit its size: `maxmemory`, and `maxmemory-policy volatile-lru` or `allkeys-lru`.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from upstream.caching.seal import beginning, needed, opened, seal
from upstream.caching.store import Key, Pattern, StoreStats
from upstream.durations import Durations

_log = structlog.get_logger("upstream.store")
_T = TypeVar("_T")
_BATCH = 1000
# A part of every key. Raise it when the form of values changes.
_VERSION = 2
_MANY_BYTES = 1 << 18
_GLOB = re.compile(r"([\\*?\[\]^-])")


class RedisStore:
    """Store bytes in Redis, under keys that begin with `namespace`. Upstreams with different namespaces can share it.

    A command has `timeout` seconds. After a failure Redis is not used for `pause` seconds, so that no client waits for
    a Redis that does not answer. One line in the log reports the failure, and one the recovery.
    """

    shared = True

    def __init__(self, url: str, namespace: str = "gamehub-graph", timeout: float = 1.0, pause: float = 1.0) -> None:
        """Raise ValueError for a URL that Redis does not know. This does not connect yet."""
        self._redis: Redis = Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            # A retry would cost the client more time than the cache can save.
            retry=Retry(NoBackoff(), 0),
            decode_responses=False,
        )
        self._prefix = f"{namespace}:{_VERSION}:"
        self._pause = pause
        self._rest_until = 0.0
        self.down = False
        self.failures = 0
        self.commands = Durations()
        self._running: set[asyncio.Task[Any]] = set()  # also commands whose callers have left
        self._refused = False
        self._spoilt = 0

    async def get_many(self, keys: Sequence[Key]) -> list[bytes | None]:
        """Return the values, in one round trip."""
        if not keys:
            return []
        names = [self._name(key) for key in keys]
        found = await self._try(lambda: self._redis.mget(names))
        sealed = [each if isinstance(each, bytes) else None for each in found or [None] * len(keys)]

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
            await self._try(lambda: self._redis.unlink(*spoilt))
        return read

    async def peek_many(self, keys: Sequence[Key], length: int) -> list[bytes | None]:
        """Return at least the first `length` bytes, in one round trip; of a short value, all of it."""
        names = [self._name(key) for key in keys]

        async def peek() -> list[Any]:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for name in names:
                    pipeline.getrange(name, 0, needed(length) - 1)
                return await pipeline.execute(raise_on_error=False)

        found = await self._try(peek) if keys else []
        # A missing value has no bytes.
        return [
            beginning(name, each) if isinstance(each, bytes) and each else None
            for name, each in zip(names, found or [None] * len(keys), strict=True)
        ]

    def writings(self, keys: Sequence[Key]) -> list[tuple[Key, int]]:
        """Return nothing: other processes write, too."""
        return []

    def holds(self, writings: Sequence[tuple[Key, int]]) -> bool:
        """Return False: only a look shows what is there."""
        return False

    async def set_many(self, entries: Sequence[tuple[Key, bytes]], seconds: float) -> None:
        """Keep the values, in one round trip."""

        named = [(self._name(key), value) for key, value in entries]

        def sealed() -> list[tuple[bytes, bytes]]:
            return [(name, seal(name, value)) for name, value in named]

        many = sum(len(value) for _, value in named) > _MANY_BYTES
        written = await asyncio.to_thread(sealed) if many else sealed()

        async def store() -> list[Any]:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for name, value in written:
                    pipeline.set(name, value, px=max(round(seconds * 1000), 1))
                return await pipeline.execute(raise_on_error=False)

        for answer in (await self._try(store) if entries else None) or ():
            if isinstance(answer, Exception) and not self._refused:
                # Redis is full or read-only: its values can still be read.
                self._refused = True
                _log.warning("cache.refused", store="redis", reason=type(answer).__name__, message=str(answer))

    async def delete(self, keys: Sequence[Key]) -> None:
        """Forget these."""
        names = [self._name(key) for key in keys]
        if names:
            await self._try(lambda: self._redis.unlink(*names))

    async def clear(self, pattern: Pattern) -> int:
        """Forget all that match, which takes a walk over all keys. Raises ConnectionError if Redis does not answer: a
        person who wants rows to be forgotten must not read that there were none.
        """

        async def walk() -> int:
            meant = [name async for name, key in self._walk(pattern.report) if pattern.matches(key)]
            for batch in _batches(meant):
                await self._redis.unlink(*batch)
            return len(meant)

        return await self._insist(walk)

    async def stats(self) -> StoreStats:
        """Return the entries of the namespace. Evictions are those of the whole Redis."""

        async def count() -> StoreStats:
            names = [name async for name, _ in self._walk(None)]
            weight = 0
            for batch in _batches(names):
                async with self._redis.pipeline(transaction=False) as pipeline:
                    for name in batch:
                        pipeline.strlen(name)
                    weight += sum(await pipeline.execute())
            info = await self._redis.info()
            limit = int(info.get("maxmemory", 0)) or None
            evicted = int(info.get("evicted_keys", 0))
            return StoreStats("redis", len(names), weight, evicted, limit, spoilt=self._spoilt)

        found = await self._try(count)
        return found if found is not None else StoreStats("redis", 0, 0, 0, down=True, spoilt=self._spoilt)

    async def wrong(self) -> str | None:
        """Return what keeps Redis from keeping values, in words; None if nothing does."""

        async def attempt() -> None:
            await self._redis.set(f"{self._prefix}check", b"", px=1000)

        try:
            await self._insist(attempt)
        except ConnectionError as error:
            return str(error)
        return None

    async def aclose(self) -> None:
        """Let go of the connections, after the commands whose callers have left."""
        if self._running:
            await asyncio.wait(self._running)
        await self._redis.aclose()

    def _name(self, key: Key) -> bytes:
        return f"{self._prefix}{key[0]}:{key[1]}".encode()

    async def _walk(self, report: str | None) -> AsyncIterator[tuple[bytes, Key]]:
        start = _GLOB.sub(r"\\\1", f"{self._prefix}{report}:" if report is not None else self._prefix)
        seen = set()  # SCAN may return a key twice
        async for name in self._redis.scan_iter(match=f"{start}*", count=_BATCH):
            # only the times of entries without days contain colons; origin, caller, parameters and days have none
            parts = name.decode().removeprefix(self._prefix).split(":", 5)
            if name not in seen and len(parts) == 6:
                seen.add(name)
                yield name, (":".join(parts[:5]), parts[5])

    async def _try(self, send: Callable[[], Awaitable[_T]]) -> _T | None:
        """Return the answer, or None if Redis is down."""
        if time.monotonic() < self._rest_until:
            return None
        began = time.monotonic()
        try:
            answer = await self._undisturbed(send)
        except (TimeoutError, RedisError, OSError) as error:
            self.failures += 1
            self._rest_until = time.monotonic() + self._pause
            if not self.down:
                self.down = True
                _log.warning("cache.down", store="redis", reason=type(error).__name__, message=str(error))
            return None
        self.commands.note(time.monotonic() - began)
        if self.down:
            self.down = False
            _log.info("cache.up", store="redis")
        return answer

    async def _insist(self, send: Callable[[], Awaitable[_T]]) -> _T:
        try:
            return await self._undisturbed(send)
        except (TimeoutError, RedisError, OSError) as error:
            reason = f"Redis does not answer: {type(error).__name__}: {error}"  # none of these quotes the password
        raise ConnectionError(reason)

    async def _undisturbed(self, send: Callable[[], Awaitable[_T]]) -> _T:
        """Return the answer, read in a task of its own: a cancelled client does not cut a connection in an answer."""

        async def answer() -> _T:
            return await send()

        coroutine: Coroutine[Any, Any, _T] = answer()
        task = asyncio.create_task(coroutine)
        self._running.add(task)
        task.add_done_callback(self._forget_task)
        return await asyncio.shield(task)

    def _forget_task(self, done: asyncio.Task[Any]) -> None:
        self._running.discard(done)
        if not done.cancelled():
            done.exception()  # it was raised for the caller, if there still is one


def _batches(names: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(names), _BATCH):
        yield names[start : start + _BATCH]
