"""Pass the deadline of an operation down in a context variable, which the tasks of the operation inherit.

The variable holds a function, not a time: shared work has the latest deadline of its waiters, and a waiter that joins
later may postpone it. The function of a fixed time is `partial(float, time)`, which takes no frame.
"""

import asyncio
import math
import time
from collections.abc import Callable
from contextvars import ContextVar, Token
from functools import partial
from types import TracebackType
from typing import Protocol

import msgspec

Until = Callable[[], float]

_NEVER: Until = partial(float, math.inf)
UNTIL: ContextVar[Until] = ContextVar("until", default=_NEVER)


def left() -> float:
    """Return the seconds that are left; infinite without a deadline."""
    return UNTIL.get()() - time.monotonic()


class within(msgspec.Struct, eq=False):
    """Limit the upstream calls of a block, with retries and waits, to so many seconds, or to an outer deadline.

    It stops no task: the upstream calls fail in time, so that the rest of an answer can still be sent.
    """

    _seconds: float
    _token: Token[Until] | None = None

    def __enter__(self) -> None:
        """Begin."""
        end = min(time.monotonic() + self._seconds, UNTIL.get()())
        self._token = UNTIL.set(partial(float, end))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        assert self._token is not None
        UNTIL.reset(self._token)


class Limit:
    """Hold the time at which work ends at the latest, and whether it was stopped because its time was over."""

    __slots__ = ("ends", "expired")

    def __init__(self, ends: float = math.inf) -> None:
        self.ends = ends
        self.expired = False


class Timed(Protocol):
    """Work that has a deadline."""

    def look(self, now: float) -> float:
        """End the work if its time is over. Return when to look again."""
        ...


class Deadlines:
    """Look at all work in time to end it at its deadline. One timer serves all of it.

    Most work ends long before its deadline. So the timer is set for the earliest deadline, and stays set when the work
    has ended. Work that has ended is taken out of `work`.
    """

    __slots__ = ("_next", "_timer", "work")

    def __init__(self) -> None:
        self.work: dict[Timed, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = math.inf

    def watch(self, work: Timed, at: float) -> None:
        """Look at the work at this time (`time.monotonic`), and then whenever it says."""
        self.work[work] = None
        if at < self._next:
            self._set(at)

    def close(self) -> None:
        """Stop the timer."""
        self._next = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = at
        # Never at once: only a task that waits can be stopped cleanly.
        left = max(at - time.monotonic(), 0.0)
        self._timer = asyncio.get_running_loop().call_later(left, self._look)

    def _look(self) -> None:
        self._timer, self._next = None, math.inf
        now = time.monotonic()
        for work in list(self.work):
            self._next = min(self._next, work.look(now))
        if self._next < math.inf:
            self._set(self._next)
