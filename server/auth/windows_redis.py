"""Count the requests and calls of callers in Redis, for several servers together."""

import time
from collections.abc import Awaitable, Callable

import structlog
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from server.auth.windows import RateWindows, T

PAUSE_SECONDS = 5.0
_NAMESPACE = "gamehub-graph:rate"

log = structlog.get_logger(__name__)


class RedisRateWindows(RateWindows):
    """The counts in Redis. It connects when there is something to count."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._pool: ConnectionPool = ConnectionPool.from_url(
            url, socket_timeout=1.0, socket_connect_timeout=1.0, retry=Retry(NoBackoff(), 0)
        )
        # The pool has the address. This one only names the type of storage.
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix=_NAMESPACE,
            connection_pool=self._pool,  # type: ignore[arg-type]
        )
        self._shared = FixedWindowRateLimiter(storage)
        self._rest_until = 0.0
        self._down = False

    async def counted(self, count: Callable[[FixedWindowRateLimiter], Awaitable[T]]) -> T:
        if time.monotonic() < self._rest_until:
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

    async def aclose(self) -> None:
        await self._pool.disconnect()
