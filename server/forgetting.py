"""Requests from outside to the days cache: forget days that the vendor has corrected.

The error journal carries them from `gamehub-graph cache` to the servers of this machine, and Redis to all others.
"""

import asyncio
import datetime
from typing import TYPE_CHECKING, Any

import orjson

from upstream.caching.cache import DayCache
from upstream.journal import Journal

if TYPE_CHECKING:  # the library of Redis takes long to import, and most processes need none
    from upstream.redis.connection import RedisConnection

# The name of the note in the error journal, for the command and the servers.
FORGET = "cache forget"
# Servers look for requests, and for days that another process found changed, so often.
KEEPING_SECONDS = 1.0
# The number is the version of the form of requests.
_IN_REDIS = "gamehub-graph:forget:1"
_REDIS_SECONDS = 86_400
_MOST = 50


def request(report: str | None, first: datetime.date | None, last: datetime.date | None, at: datetime.datetime) -> str:
    """Return a request to forget the days of a report (its code; None: all). `at` distinguishes repeated requests."""
    return orjson.dumps({"report": report, "first": first, "last": last, "at": at}).decode()


class ForgetRequests:
    """The last requests to forget days, in the error journal and in Redis."""

    def __init__(self, journal: Journal, redis: "RedisConnection | None") -> None:
        self._journal = journal
        self._redis = redis
        self._seen: set[str] | None = None

    async def add(self, text: str) -> None:
        """Ask all servers to forget days. Raises ConnectionError if Redis is set, but does not answer."""
        there = self._noted()
        self._journal.note(FORGET, orjson.dumps([*there, text][-_MOST:]).decode())
        await asyncio.to_thread(self._journal.flush)
        if self._redis is not None:

            async def push(client: Any) -> None:
                await client.rpush(_IN_REDIS, text)
                await client.ltrim(_IN_REDIS, -_MOST, -1)
                await client.expire(_IN_REDIS, _REDIS_SECONDS)

            await self._redis.insist(push)

    async def new(self) -> list[str]:
        """Return the requests since the last call, the oldest first; none at the first call."""
        there = await asyncio.to_thread(self._noted)
        if self._redis is not None:
            shared = await self._redis.attempt(lambda client: client.lrange(_IN_REDIS, 0, -1))
            there += [each.decode() for each in shared or ()]
        found = dict.fromkeys(there)
        seen, self._seen = self._seen, (self._seen or set()) | found.keys()
        if len(self._seen) > 20 * _MOST:
            self._seen = set(found)
        return [] if seen is None else [text for text in found if text not in seen]

    def _noted(self) -> list[str]:
        try:
            found: list[str] = orjson.loads(self._journal.noted(FORGET) or "[]")
        except orjson.JSONDecodeError:
            return []
        return found if isinstance(found, list) else []


async def forget(cache: DayCache, text: str) -> int:
    """Carry out a request. Return how many entries were forgotten. Raises ConnectionError if the store is down."""
    request: dict[str, Any] = orjson.loads(text)
    days = {name: datetime.date.fromisoformat(request[name]) if request[name] else None for name in ("first", "last")}
    at = datetime.datetime.fromisoformat(request["at"])
    return await cache.forget(request["report"], first_day=days["first"], last_day=days["last"], at=at)
