"""How much a caller may do in a minute: requests, and the upstream calls they cause. Counted here, or in Redis for all.

Windows are fixed: a minute begins with a caller's first request in it. Upstream calls are counted as they are made, so
that a single request may go over the limit; the next ones then wait until the minute is over.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from server.callers.keys import AS_SET, UNLIMITED, Rates

WINDOW_SECONDS = 60
PAUSE_SECONDS = 5.0
_NAMESPACE = "gamehub-graph:rate"
_KINDS = ("requests", "calls")

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Window:
    """How a caller stands with one limit: what it is, what is left of it, and in how many seconds it begins anew."""

    kind: str
    limit: int
    left: int
    seconds: int
    over: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How a caller stands with its limits."""

    windows: tuple[Window, ...]

    @property
    def over(self) -> Window | None:
        """The limit that is used up, if one is."""
        return next((window for window in self.windows if window.over), None)

    def headers(self) -> dict[str, str]:
        """As RateLimit headers: all limits as the policy, and of the one nearest to its end what is left."""
        if not self.windows:
            return {}
        near = self.over or min(self.windows, key=lambda window: window.left / window.limit)
        policy = ", ".join(f'{one.limit};w={WINDOW_SECONDS};comment="{one.kind}"' for one in self.windows)
        told = {
            "RateLimit-Limit": str(near.limit),
            "RateLimit-Remaining": str(near.left),
            "RateLimit-Reset": str(near.seconds),
            "RateLimit-Policy": policy,
        }
        return told | ({"Retry-After": str(max(near.seconds, 1))} if near.over else {})


_FREE = Standing(())


class Limiter:
    """Counts what callers do. `rates` are the settings' limits, which a key's own go before.

    With a Redis that does not answer, each server counts by itself until it is back.
    """

    def __init__(self, rates: Rates = UNLIMITED, redis_url: str | None = None) -> None:
        self._rates = rates
        self._as_set = _limits(rates, AS_SET)
        self._here = FixedWindowRateLimiter(MemoryStorage())
        self._pool: ConnectionPool | None = None
        self._shared: FixedWindowRateLimiter | None = None
        self._rest_until = 0.0
        self._down = False
        self._spent: Counter[tuple[str, int]] = Counter()
        self._writing: asyncio.Task[None] | None = None
        if redis_url is not None:
            self._pool = ConnectionPool.from_url(
                redis_url, socket_timeout=1.0, socket_connect_timeout=1.0, retry=Retry(NoBackoff(), 0)
            )
            self._shared = FixedWindowRateLimiter(_shared(self._pool))

    async def request(self, caller: str, own: Rates) -> Standing:
        """Count a request, unless a limit is used up."""
        limits = self._limits(own)
        if not limits:
            return _FREE
        return await self._counted(lambda limiter: _stand(limiter, caller, limits))

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
        if self._pool is not None:
            await self._pool.disconnect()

    def _limits(self, own: Rates) -> dict[str, int]:
        return self._as_set if own is AS_SET else _limits(self._rates, own)

    async def _write(self) -> None:
        while self._spent:
            spent, self._spent = self._spent, Counter()
            for (caller, most), calls in spent.items():
                await self._counted(
                    lambda limiter, caller=caller, most=most, calls=calls: limiter.hit(  # type: ignore[misc]
                        RateLimitItemPerMinute(most), "calls", caller, cost=calls
                    )
                )

    async def _counted(self, count: Callable[[FixedWindowRateLimiter], Awaitable[T]]) -> T:
        if self._shared is None or time.monotonic() < self._rest_until:
            return await count(self._here)
        try:
            found = await count(self._shared)
        except (RedisError, OSError, TimeoutError) as error:
            self._rest_until = time.monotonic() + PAUSE_SECONDS
            if not self._down:
                log.warning("Redis does not count requests; each server counts its own", why=type(error).__name__)
            self._down = True
            return await count(self._here)
        if self._down:
            log.info("Redis counts requests again")
            self._down = False
        return found


def _limits(rates: Rates, own: Rates) -> dict[str, int]:
    found = {}
    for kind in _KINDS:
        mine: int | None = getattr(own, kind)
        most = getattr(rates, kind) if mine is None else mine
        if most:
            found[kind] = most
    return found


async def _stand(limiter: FixedWindowRateLimiter, caller: str, limits: dict[str, int]) -> Standing:
    # The calls first: whoever has used them up is not charged for a request that is refused.
    windows = []
    refused = False
    for kind in reversed(_KINDS):
        if kind not in limits:
            continue
        item = RateLimitItemPerMinute(limits[kind])
        over = False
        if kind == "calls":
            over = refused = not await limiter.test(item, kind, caller)
        elif not refused:
            over = not await limiter.hit(item, kind, caller)
        stats = await limiter.get_window_stats(item, kind, caller)
        seconds = math.ceil(max(stats.reset_time - time.time(), 0))
        windows.append(Window(kind, item.amount, int(stats.remaining), seconds, over))
    return Standing(tuple(reversed(windows)))


def _shared(pool: ConnectionPool) -> Storage:
    # The pool has the address; this one only says what kind it is.
    return RedisStorage("async+redis://", implementation="redispy", key_prefix=_NAMESPACE, connection_pool=pool)  # type: ignore[arg-type]
