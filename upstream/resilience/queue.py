"""Hand out the slots of an upstream in turns: however much one caller wants, the next slot goes to the next caller.

A context variable holds the caller, and tasks inherit it: a shared call belongs to the first of its waiters.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType

import msgspec

from upstream.resilience.bucket import Bucket


@dataclass(frozen=True, slots=True)
class QueueCaller:
    """Name the caller of a request, by which turns go, with a function that is called for each slot that it gets."""

    name: str = ""
    on_slot: Callable[[], None] | None = None


NO_CALLER = QueueCaller()
QUEUE_CALLER: ContextVar[QueueCaller] = ContextVar("queue_caller", default=NO_CALLER)


class Queue(msgspec.Struct, eq=False):
    """Hand out so many slots at a time. `async with` takes one and gives it back, as with a semaphore.

    Every caller may take a free slot. If there is none, callers take turns, and each slot that comes back goes to the
    oldest request of the next caller. A cancelled wait neither loses a slot nor keeps one.

    With a bucket, a request needs a token of it as well as a slot. It takes the token when it begins, so that requests
    that wait for a slot do not save tokens.
    """

    _free: int
    _bucket: Bucket | None = None
    _timer: asyncio.TimerHandle | None = None  # for the next token, while a request waits for it
    # In the order of their turns. A caller is in here only while it has waiting requests.
    _waiting: dict[str, deque[asyncio.Future[None]]] = msgspec.field(default_factory=dict)

    async def __aenter__(self) -> None:
        """Take a slot, now or in turn."""
        caller = QUEUE_CALLER.get()
        await self.take(caller.name)
        if caller.on_slot is not None:
            caller.on_slot()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back."""
        self.give()

    def take_free(self) -> bool:
        """Take a slot if one is free, and a token if there is one. Return whether the request may begin."""
        # No request overtakes those that wait for a token.
        if self._free > 0 and (self._bucket is None or (not self._waiting and self._bucket.take())):
            self._free -= 1
            return True
        return False

    async def take(self, name: str) -> None:
        """Take a slot for a caller, now or in turn, without a call of `on_slot`."""
        if not self.take_free():
            await self._turn(name)

    def give(self) -> None:
        """Give a slot back. It goes to the next in turn; it is free only if no request waits, or there is no token."""
        self._free += 1
        if self._waiting:
            self._share_out()

    @property
    def open(self) -> bool:
        """Return whether a request could begin at once."""
        if self._bucket is None:
            return self._free > 0
        return self._free > 0 and not self._waiting and self._bucket.free > 0

    @property
    def waiting(self) -> int:
        """Return how many requests wait."""
        return sum(not turn.done() for line in self._waiting.values() for turn in line)

    async def _turn(self, name: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, deque()).append(turn)
        if self._bucket is not None:
            self._share_out()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give()  # it got the slot at the moment it was cancelled
            raise

    def _share_out(self) -> None:
        """Give free slots to those whose turn it is, as far as there are tokens."""
        while self._waiting and self._free > 0:
            name, line = next(iter(self._waiting.items()))
            # Requests that gave up stay in line until their turn, because a search would cost the whole line each time.
            while line and line[0].done():
                line.popleft()
            if line and self._bucket is not None and not self._bucket.take():
                self._look_later(self._bucket)
                return
            del self._waiting[name]
            if not line:
                continue
            turn = line.popleft()
            if line:
                self._waiting[name] = line  # at the end of the ring
            self._free -= 1
            turn.set_result(None)

    def _look_later(self, bucket: Bucket) -> None:
        """Share out again when the next token comes back."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(bucket.wait(), self._look)

    def _look(self) -> None:
        self._timer = None
        self._share_out()
