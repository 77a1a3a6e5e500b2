"""When an operation's answer is due. It passes down in a context variable, which the tasks that work for it inherit.

What is passed is a question, not a time: work that several wait for is due when the last of them wants it, and one
who joins later may put that off.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType

Until = Callable[[], float]

UNTIL: ContextVar[Until] = ContextVar("until", default=lambda: math.inf)


def left() -> float:
    """The seconds that are left; infinite where there is no deadline."""
    return UNTIL.get()() - time.monotonic()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """A block whose upstream calls, retries and waits included, end after so many seconds, or earlier by an outer one.

    It stops no task: what is asked of the upstream fails in time, so that the rest of an answer can still be given.
    """
    end = min(time.monotonic() + seconds, UNTIL.get()())
    token = UNTIL.set(lambda: end)
    try:
        yield
    finally:
        UNTIL.reset(token)


class limit:
    """A block that is stopped, with TimeoutError, after its own time or at the deadline, if that is not put off.

    A class, and no generator with a closure: a closure that plans itself anew would be garbage that refers to itself,
    and to the task with all that it read.
    """

    __slots__ = ("_latest", "_seconds", "_timeout", "_timer", "_until")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = UNTIL.get()
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> asyncio.Timeout:
        """Begin."""
        self._latest = time.monotonic() + self._seconds
        self._timeout = asyncio.timeout(self._seconds)
        await self._timeout.__aenter__()
        if self._until() < self._latest:
            self._look()
        return self._timeout

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._timeout.__aexit__(kind, error, trace)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        wait = min(self._latest, self._until()) - time.monotonic()
        if wait <= 0:
            self._timer = None
            self._timeout.reschedule(loop.time())
        else:
            self._timer = loop.call_later(wait, self._look)
