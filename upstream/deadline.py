"""When an operation's answer is due. It passes down in a context variable, which the tasks that work for it inherit.

What is passed is a question, not a time: work that several wait for is due when the last of them wants it, and one
who joins later may put that off.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

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


@asynccontextmanager
async def limit(seconds: float) -> AsyncIterator[asyncio.Timeout]:
    """A block that is stopped, with TimeoutError, after its own time or at the deadline, if that is not put off."""
    loop, until = asyncio.get_running_loop(), UNTIL.get()
    latest = time.monotonic() + seconds
    timer: asyncio.TimerHandle | None = None
    async with asyncio.timeout(seconds) as timeout:

        def look() -> None:
            nonlocal timer
            wait = min(latest, until()) - time.monotonic()
            if wait <= 0:
                timeout.reschedule(loop.time())
            else:
                timer = loop.call_later(wait, look)

        if until() < latest:
            look()
        try:
            yield timeout
        finally:
            if timer is not None:
                timer.cancel()
