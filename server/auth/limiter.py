"""Limit the requests of a caller per minute, and their upstream calls. The counts are in this process or in Redis.

Upstream calls are counted when they are made, so a single request may exceed the limit. Later requests are then
refused until the minute is over.
"""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from server.auth.key import AS_SET, UNLIMITED, Rates
from server.auth.standing import RateStatus

if TYPE_CHECKING:  # imported at run time only where it is needed: see _open
    from server.auth.windows import RateWindows
    from upstream.redis.connection import RedisConnection

_KINDS = ("requests", "calls")
_FREE = RateStatus(())


class Limiter:
    """Count requests and calls. `rates` are the limits of the settings; the limits of a key take precedence.

    With a Redis, the servers that use it count together.
    """

    def __init__(self, rates: Rates = UNLIMITED, redis: "RedisConnection | None" = None) -> None:
        self._rates = rates
        self._as_set = _limits(rates, AS_SET)
        self._redis = redis
        # Without limits in the settings, the first key with a limit of its own opens the windows.
        self._windows = _open(redis) if self._as_set else None
        self._spent: Counter[tuple[str, int]] = Counter()
        self._writing: asyncio.Task[None] | None = None

    def limits(self, own: Rates = AS_SET) -> dict[str, int]:
        """Return the limits of a caller, by what they limit."""
        return self._as_set if own is AS_SET else _limits(self._rates, own)

    async def request(self, caller: str, own: Rates) -> RateStatus:
        """Count a request, unless a limit is exhausted."""
        limits = self.limits(own)
        if not limits:
            return _FREE
        return await self._counting().stand(caller, limits)

    def call(self, caller: str, own: Rates) -> None:
        """Count an upstream call, without waiting."""
        most = self.limits(own).get("calls")
        if most is None:
            return
        self._spent[caller, most] += 1
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="upstream calls of callers")

    async def aclose(self) -> None:
        """Write the remaining counts."""
        while self._writing is not None and not self._writing.done():
            await self._writing

    def _counting(self) -> "RateWindows":
        if self._windows is None:
            self._windows = _open(self._redis)
        return self._windows

    async def _write(self) -> None:
        while self._spent:
            spent, self._spent = self._spent, Counter()
            for (caller, most), calls in spent.items():
                await self._counting().spend(caller, most, calls)


def _limits(rates: Rates, own: Rates) -> dict[str, int]:
    found = {}
    for kind in _KINDS:
        mine: int | None = getattr(own, kind)
        most = getattr(rates, kind) if mine is None else mine
        if most:
            found[kind] = most
    return found


def _open(redis: "RedisConnection | None") -> "RateWindows":
    # Imported here because most servers have no limits per caller and no Redis, and the two libraries take 8 MiB.
    if redis is None:
        from server.auth.windows import RateWindows

        return RateWindows()
    from server.auth.windows_redis import RedisRateWindows

    return RedisRateWindows(redis)
