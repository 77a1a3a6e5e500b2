"""Pass the deadline of an operation down in a context variable, which the tasks of the operation inherit.

The variable holds a function, not a time: shared work has the latest deadline of its waiters, and a waiter that joins
later may postpone it.
"""

import asyncio
import math
import time
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

Until = Callable[[], float]

UNTIL: ContextVar[Until] = ContextVar("until", default=lambda: math.inf)


def left() -> float:
    """Return the seconds that are left; infinite without a deadline."""
    return UNTIL.get()() - time.monotonic()


class within:
    """Limit the upstream calls of a block, with retries and waits, to so many seconds, or to an outer deadline.

    It stops no task: the upstream calls fail in time, so that the rest of an answer can still be sent.
    """

    __slots__ = ("_seconds", "_token")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        """Begin."""
        end = min(time.monotonic() + self._seconds, UNTIL.get()())
        self._token = UNTIL.set(lambda: end)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        UNTIL.reset(self._token)


class limit:
    """Stop a block with TimeoutError after its own time or at the deadline, if that is not postponed.

    It is `asyncio.timeout` with an end that may move. It is a class and not a generator with a closure, because a
    closure that schedules itself again would refer to itself, and to the task with all its rows.
    """

    __slots__ = ("_cancelling", "_latest", "_seconds", "_task", "_timer", "expired")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._task: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.expired = False

    def __enter__(self) -> Self:
        """Begin."""
        self._task = task = asyncio.current_task()
        assert task is not None, "only a task can be stopped"
        self._cancelling = task.cancelling()
        self._latest = time.monotonic() + self._seconds
        until = UNTIL.get()
        # Never at once: only a task that waits can be stopped cleanly.
        self._look_after(max(self._left(until), 0.0), until)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        task, self._task = self._task, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # If the task was cancelled from outside as well, it stays cancelled.
        if self.expired and task is not None and task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _left(self, until: Until) -> float:
        return min(self._latest, until()) - time.monotonic()

    def _look_after(self, seconds: float, until: Until) -> None:
        if self._task is not None:
            self._timer = self._task.get_loop().call_later(seconds, self._look, until)

    def _look(self, until: Until) -> None:
        left = self._left(until)
        if left > 0:
            self._look_after(left, until)
        elif self._task is not None:
            self._timer, self.expired = None, True
            self._task.cancel()
