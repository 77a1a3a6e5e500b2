"""Limit the requests per minute that all servers of a Redis send to a vendor together.

A server takes tokens from Redis a few at a time, before it needs them, so a request does not wait for Redis. A token
that is not used within a second goes back.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from upstream.redis.connection import RedisConnection, RedisDown
from upstream.resilience.bucket import MINUTE, Bucket

# The number is the version of the form of the counts.
NAMESPACE = "gamehub-graph:calls:1"
UNUSED_SECONDS = 1.0
# So many tokens are taken at once at most.
_MOST_AT_ONCE = 64
# A request that waits for the answer of Redis looks again after so many seconds.
_LOOK_SECONDS = 0.002

# The first key has the used tokens, by the moment at which they come back; the second the servers, by when they asked.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[3]))
local left = tonumber(ARGV[2]) - redis.call('ZCARD', KEYS[1])
local count = math.max(0, math.min(tonumber(ARGV[1]), left))
for number = 1, count do
  redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[4] .. number)
end
redis.call('ZADD', KEYS[2], now, ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[3] + 1000)
redis.call('PEXPIRE', KEYS[2], ARGV[3] + 1000)
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local wait = 0
if first[2] then wait = tonumber(first[2]) - now end
return {count, left - count, wait, redis.call('ZCARD', KEYS[2])}
"""


class SharedBucket(Bucket):
    """The bucket of a server. Its tokens come from Redis.

    Without Redis the server keeps to its part of the limit: the limit divided by the number of servers that took tokens
    within a minute.
    """

    __slots__ = (
        "_asked",
        "_asking",
        "_empty_until",
        "_granted",
        "_keys",
        "_left",
        "_lot",
        "_redis",
        "_server",
        "_servers",
    )

    def __init__(
        self,
        most: int,
        redis: RedisConnection,
        name: str,
        *,
        minute: float = MINUTE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(most, minute=minute, clock=clock)
        self._redis = redis
        # The braces keep both keys on one node of a Cluster.
        self._keys = tuple(f"{NAMESPACE}:{{{name}}}{part}" for part in ("", ":servers"))
        self._server = os.urandom(8).hex()
        self._servers = 1
        self._granted: deque[tuple[str, float]] = deque()  # the tokens at hand, and until when they may be used
        self._left = most  # in Redis, at the last look
        self._empty_until = 0.0
        self._lot = 1
        self._asked = False  # whether a token was missing since the last look
        self._asking: set[asyncio.Task[None]] = set()

    @property
    def free(self) -> int:
        """Return the number of tokens at hand. If there is none, ask for some."""
        if self._redis.resting:
            return max(self._part - self._own, 0)
        if self._granted and self._granted[0][1] <= self._clock():
            self._give_back()  # an event loop that was held up is late for this
        if not self._granted:
            self._asked = True
            self._ask()
        return len(self._granted)

    def take(self) -> bool:
        """Take a token, and return whether there was one."""
        if not self.free:
            return False
        if self._granted:
            self._granted.popleft()
            if not self._granted and not self._redis.resting:
                self._ask()
        assert self._own >= 0  # forgets the tokens that came back
        self._taken.append(self._clock() + self._minute)
        return True

    def wait(self, tokens: int = 1) -> float:
        """Return the seconds until so many tokens can have been taken, as far as is known here."""
        if self._redis.resting:
            more = tokens - self._part + self._own
            if more <= 0:
                return 0.0
            rounds, place = divmod(more - 1, self._part)
            first = self._taken[place] - self._clock() if place < len(self._taken) else self._minute
            return first + rounds * self._minute
        more = tokens - len(self._granted) - self._left
        if more > 0:
            first = max(self._empty_until - self._clock(), _LOOK_SECONDS)
            return first + (more - 1) * self._minute / self.most
        return 0.0 if tokens <= len(self._granted) else _LOOK_SECONDS

    @property
    def _own(self) -> int:
        """Return the number of tokens that this server took in the last minute, from Redis or without it."""
        return self.most - super().free

    @property
    def _part(self) -> int:
        return max(self.most // self._servers, 1)

    def _ask(self) -> None:
        """Take tokens from Redis, in a task of its own."""
        if self._asking or self._clock() < self._empty_until:
            return
        # The more requests waited for a token, the more tokens are taken at once.
        self._lot = min(self._lot * 2, _MOST_AT_ONCE, max(self.most // 4, 1)) if self._asked else 1
        self._asked = False
        self._begin(self._take_some(self._lot))

    async def _take_some(self, count: int) -> None:
        token = os.urandom(8).hex()
        # Redis gives them later than this, and an answer may be read late.
        until = self._clock() + UNUSED_SECONDS
        lifetime = round((self._minute + UNUSED_SECONDS) * 1000)
        try:
            found = await self._redis.run(
                lambda client: client.eval(_TAKE, 2, *self._keys, count, self.most, lifetime, f"{token}:", self._server)
            )
        except RedisDown:
            return
        granted, self._left, wait, self._servers = (int(each) for each in found)
        now = self._clock()
        self._granted += [(f"{token}:{number}", until) for number in range(1, granted + 1)]
        self._empty_until = 0.0 if granted else now + max(wait / 1000, 0.01)
        if granted:
            asyncio.get_running_loop().call_later(UNUSED_SECONDS, self._give_back)

    def _give_back(self) -> None:
        """Give back the tokens that were not used for a second."""
        now, unused = self._clock(), []
        while self._granted and self._granted[0][1] <= now:
            unused.append(self._granted.popleft()[0])
        if unused and not self._redis.closed:
            self._begin(self._remove(unused))

    async def _remove(self, unused: list[str]) -> None:
        await self._redis.attempt(lambda client: client.zrem(self._keys[0], *unused))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
