"""The current API keys of a server that has them from a Redis, with the servers of other hosts.

A Redis that lost keys or revocations gets them back from every running server: keys are added and revoked only, so
what a server knows is never wrong, and a revocation always counts.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256

import structlog

from server.auth.key import Key, KeysUnreadable, KeyTrouble, looks_like_key, merged
from server.auth.key_redis import changed, read, version_of
from server.auth.keys import LOOK_SECONDS, STALE_SECONDS, KnownKeys
from upstream.redis.connection import RedisConnection, RedisDown

_UNREADABLE = (
    "The API keys cannot be read, so no key lets anybody in: the Redis of CACHE_URL does not answer, or it has no keys "
    "(`gamehub-graph keys restore` brings them back). The log says why."
)

log = structlog.get_logger(__name__)


class SharedKeys:
    """The current keys of a Redis. Between `follow` and `aclose` it is looked at four times per second.

    While Redis does not answer, the last keys stay valid for a short time. After that every lookup raises
    KeysUnreadable, and so does every lookup of a Redis that never had a key.
    """

    def __init__(
        self, redis: RedisConnection, stale_seconds: float = STALE_SECONDS, look_seconds: float = LOOK_SECONDS
    ) -> None:
        self._redis = redis
        self._stale_seconds = stale_seconds
        self._look_seconds = look_seconds
        self._known = KnownKeys()
        self._version = b""
        self._read_at: float | None = None  # the last time at which Redis had keys
        self._complained = False
        self._reading = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None

    def key(self, text: str) -> Key | None:
        self._check()
        return self._known.of_digest(sha256(text.encode()).digest())

    def by_id(self, id: str) -> Key | None:
        self._check()
        return self._known.of_id(id)

    async def find(self, text: str) -> Key | None:
        known = sha256(text.encode()).digest() in self._known.by_digest
        return await self._looked_up(self.key, text, known=known or not looks_like_key(text))

    async def find_id(self, id: str) -> Key | None:
        return await self._looked_up(self.by_id, id, known=id in self._known.by_id)

    async def follow(self) -> None:
        await self.look()
        self._following = asyncio.create_task(self._follow(), name="API keys")

    async def aclose(self) -> None:
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following

    async def look(self) -> None:
        """Read the keys again if they have changed, and give Redis those that it lost."""
        async with self._reading:
            try:
                found = await self._read()
            except (RedisDown, ValueError, KeyTrouble) as error:
                self._complain(str(error))
                return
            if not found:
                self._complain("it has no keys")
                return
            if self._complained:
                log.info("the API keys in Redis can be read again")
            self._complained = False
            self._read_at = time.monotonic()

    async def _looked_up(self, look_up: Callable[[str], Key | None], text: str, *, known: bool) -> Key | None:
        if not known or self._is_stale:
            await self.look()
        return look_up(text)

    async def _read(self) -> bool:
        """Read the keys if they have changed. Return whether Redis has any."""
        version = await version_of(self._redis)
        if version and version == self._version:
            return True
        version, keys = await read(self._redis)
        lost = merged(keys, self._known.all, unique=False)
        if lost:
            await changed(self._redis, lambda keys: merged(keys, self._known.all, unique=False))
            log.error("Redis had lost API keys or revocations; this server has given them back", number=len(lost))
            version, keys = await read(self._redis)
        if not version:
            return False
        self._known = KnownKeys(keys)
        self._version = version
        return True

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._look_seconds)
            await self.look()

    def _complain(self, why: str) -> None:
        if not self._complained:
            log.error("the API keys in Redis cannot be read", why=why)
        self._complained = True

    @property
    def _is_stale(self) -> bool:
        return self._read_at is None or time.monotonic() - self._read_at > self._stale_seconds

    def _check(self) -> None:
        if self._is_stale:
            raise KeysUnreadable(_UNREADABLE)
