"""Let one server at a time do a piece of work, and give its result to the servers that wait for it.

A lease is a key in Redis that lives for seconds. Its holder renews it while the work runs. If the holder dies, the
lease ends by itself, and a server that waits does the work. A result replaces the lease and stays for a moment, for
servers that wait, or that began before the work was done.

The key holds one letter, the token of the holder, two moments of 16 digits (when the work began and when it was done),
and the result. So every step is one command on one key, which a Cluster can carry out, too.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Any

from upstream.redis.connection import RedisConnection, RedisDown
from upstream.resilience import deadline

# The number is the version of the form of leases and results.
NAMESPACE = "gamehub-graph:lease:1"
_HELD, _DONE, _FAILED, _UNSHARED = b"L", b"R", b"E", b"U"
_TOKEN = slice(1, 17)
_HEAD = 49
# A waiting server looks at the lease after so many seconds, then later and later.
_FIRST_LOOK = 0.01
# A result is there for so many seconds at least, for those who began before the work was done.
_RESULT_SECONDS = 1.0

_TAKE = """
local found = redis.call('GET', KEYS[1])
if found then
  local kind, began, done = string.sub(found, 1, 1), string.sub(found, 18, 33), string.sub(found, 34, 49)
  if kind == 'L' then
    if began >= ARGV[4] then return found end
    return 'U'
  end
  if kind == 'R' and began >= ARGV[4] and done >= ARGV[5] then return found end
end
redis.call('SET', KEYS[1], 'L' .. ARGV[1] .. ARGV[3] .. ARGV[3], 'PX', ARGV[2])
return false
"""
_END = """
local found = redis.call('GETRANGE', KEYS[1], 0, 16)
if found ~= 'L' .. ARGV[1] then return 0 end
if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
_RENEW = """
if redis.call('GETRANGE', KEYS[1], 0, 16) ~= 'L' .. ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""


class Result:
    """The result of another server: its bytes, or those of its failure, and the moment at which the work began."""

    __slots__ = ("began", "failed", "value")

    def __init__(self, value: bytes) -> None:
        self.failed = value[:1] == _FAILED
        self.began = int(value[17:33])
        self.value = value[_HEAD:]


class Leases:
    """The leases of one server. A lease ends `seconds` after its holder was seen last.

    A server that waits looks at the lease every `last_look` seconds at the end.
    """

    def __init__(
        self, redis: RedisConnection, namespace: str = NAMESPACE, seconds: float = 3.0, last_look: float = 0.1
    ) -> None:
        self._redis = redis
        self._namespace = namespace
        self.seconds = seconds
        self._last_look = last_look
        self._ending: set[asyncio.Task[Any]] = set()

    async def take(
        self, name: str, now: Callable[[], int], *, began_from: int = 0, done_from: int = 0
    ) -> "Lease | Result | None":
        """Return the lease of a piece of work, or the result of a server that holds it. None: work without a lease.

        `now` returns the moment of this server, in microseconds. A result is used if its work began and was done at
        these moments or later.
        """
        key = f"{self._namespace}:{name}".encode()
        token = os.urandom(8).hex()
        limits = (f"{max(began_from, 0):016}", f"{max(done_from, 0):016}")
        while deadline.left() > 0:
            began = now()
            found = await self._ask(_TAKE, key, token, round(self.seconds * 1000), f"{began:016}", *limits)
            if found is None:
                return Lease(self, key, token, began)
            if found[:1] in (_DONE, _FAILED):
                return Result(found)
            if found[:1] == _UNSHARED:
                return None
            theirs = await self._wait(key, found[_TOKEN])
            if theirs is not None:
                return None if theirs[:1] == _UNSHARED else Result(theirs)
        return None

    async def aclose(self) -> None:
        """Wait until the results of this server are written."""
        while self._ending:
            await asyncio.wait(self._ending)

    async def _wait(self, key: bytes, token: bytes) -> bytes | None:
        """Return the result of the holder of a lease; None if the lease ended without one, or the time is over."""
        pause = _FIRST_LOOK
        while (left := deadline.left()) > 0:
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 1.5, self._last_look)
            try:
                found: bytes | None = await self._redis.run(lambda client: client.get(key))
            except RedisDown:
                return _UNSHARED
            if found is None or found[_TOKEN] != token:
                return None
            if found[:1] != _HELD:
                return found
        return _UNSHARED

    async def _ask(self, script: str, key: bytes, *arguments: Any) -> Any:
        """Return what a script returns; the sign for work without a lease if Redis is down."""
        try:
            return await self._redis.run(lambda client: client.eval(script, 1, key, *arguments))
        except RedisDown:
            return _UNSHARED

    def end(self, lease: "Lease", kind: bytes, done: int, value: bytes, seconds: float) -> None:
        """End a lease, in a task of its own: no caller waits for it."""
        text = b"".join((kind, lease.token.encode(), b"%016d%016d" % (lease.began, done), value)) if kind else b""
        lifetime = round(max(seconds, _RESULT_SECONDS) * 1000)
        self._begin(self._ask(_END, lease.key, lease.token, text, lifetime))

    def renew(self, lease: "Lease") -> None:
        """Renew a lease, in a task of its own."""
        self._begin(self._ask(_RENEW, lease.key, lease.token, round(self.seconds * 1000)))

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


class Lease:
    """A lease that this server holds. It is renewed until it ends."""

    def __init__(self, leases: Leases, key: bytes, token: str, began: int) -> None:
        self.key = key
        self.token = token
        self.began = began
        self._leases = leases
        self._timer: asyncio.TimerHandle | None = None
        self._renew_later()

    def done(self, value: bytes, at: int, seconds: float = 0.0) -> None:
        """Give the result to those who wait. It stays for so many seconds."""
        self._end(_DONE, at, value, seconds)

    def failed(self, value: bytes, at: int) -> None:
        """Give the failure to those who wait."""
        self._end(_FAILED, at, value, 0.0)

    def unshared(self, at: int) -> None:
        """Let all who wait do the work themselves: the result cannot be given to them."""
        self._end(_UNSHARED, at, b"", 0.0)

    def give_up(self) -> None:
        """Let the next server do the work."""
        self._end(b"", 0, b"", 0.0)

    def _end(self, kind: bytes, at: int, value: bytes, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._leases.end(self, kind, at, value, seconds)

    def _renew_later(self, renew: bool = False) -> None:
        if renew:
            self._leases.renew(self)
        self._timer = asyncio.get_running_loop().call_later(self._leases.seconds / 3, self._renew_later, True)
