"""How much a caller may do in a minute: requests, and the upstream calls they cause. Counted here, or in Redis for all.

Upstream calls are counted as they are made, so that a single request may go over the limit; the next ones then wait
until the minute is over.
"""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from server.auth.keys import AS_SET, UNLIMITED, Rates
from server.auth.standing import RateStatus

if TYPE_CHECKING:  # the seam: see _open
    from server.auth.windows import RateWindows

_KINDS = ("requests", "calls")
_FREE = RateStatus(())


class Limiter:
    """Counts what callers do. `rates` are the settings' limits, which a key's own go before."""

    def __init__(self, rates: Rates = UNLIMITED, redis_url: str | None = None) -> None:
        self._rates = rates
        self._as_set = _limits(rates, AS_SET)
        # Where nobody has a limit, the first key that has one of its own opens them.
        self._windows = _open(redis_url) if redis_url is not None or self._as_set else None
        self._spent: Counter[tuple[str, int]] = Counter()
        self._writing: asyncio.Task[None] | None = None

    async def request(self, caller: str, own: Rates) -> RateStatus:
        """Count a request, unless a limit is used up."""
        limits = self._limits(own)
        if not limits:
            return _FREE
        return await self._counting().stand(caller, limits)

    def call(self, caller: str, own: Rates) -> None:
        """Count an upstream call. It returns at once."""
        most = self._limits(own).get("calls")
        if most is None:
            return
        self._spent[caller, most] += 1
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="upstream calls of callers")

    async def aclose(self) -> None:
        """Write what is left, and let go of Redis."""
        while self._writing is not None and not self._writing.done():
            await self._writing
        if self._windows is not None:
            await self._windows.aclose()

    def _limits(self, own: Rates) -> dict[str, int]:
        return self._as_set if own is AS_SET else _limits(self._rates, own)

    def _counting(self) -> "RateWindows":
        if self._windows is None:
            self._windows = _open(None)
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


def _open(redis_url: str | None) -> "RateWindows":
    # Only here: most servers have no limits by caller, and hardly one a Redis; the two libraries take 8 MiB.
    if redis_url is None:
        from server.auth.windows import RateWindows

        return RateWindows()
    from server.auth.windows_redis import RedisRateWindows

    return RedisRateWindows(redis_url)
