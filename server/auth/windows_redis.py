"""Count the requests and calls of callers in Redis, for several servers together."""

from collections.abc import Awaitable, Callable

from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter

from server.auth.windows import RateWindows, T
from upstream.redis.connection import RedisConnection, RedisDown

# The number is the version of the form of the counts.
_NAMESPACE = "gamehub-graph:rate:1"


class RedisRateWindows(RateWindows):
    """The counts in Redis. Without Redis, this server counts for itself."""

    def __init__(self, redis: RedisConnection) -> None:
        super().__init__()
        self._redis = redis
        self._shared = FixedWindowRateLimiter(_Storage(redis))

    async def counted(self, count: Callable[[FixedWindowRateLimiter], Awaitable[T]]) -> T:
        try:
            return await self._redis.run(lambda _: count(self._shared))
        except RedisDown:
            return await count(self._here)


class _Storage(RedisStorage):
    """The storage of the library, with the client of a connection, whatever the kind of Redis."""

    def __init__(self, redis: RedisConnection) -> None:
        self._client = redis.client
        # The client has the address. This one only names the type of storage.
        super().__init__("async+redis://", implementation="redispy", key_prefix=_NAMESPACE)

    def configure_bridge(self) -> None:
        self.bridge.storage = self._client  # type: ignore[attr-defined]
        self.bridge.connection_getter = lambda _: self._client  # type: ignore[attr-defined]
