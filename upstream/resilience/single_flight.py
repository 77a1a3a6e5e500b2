"""Work that several wait for: it goes on for as long as one of them does, and stops soon after the last has left."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from upstream.errors import Unavailable
from upstream.resilience.deadline import UNTIL, Until

T = TypeVar("T")

# How long work goes on that nobody waits for: whoever asks again at once finds it under way.
GRACE = 0.1
# How much later than its deadline a wait ends: the work itself is stopped at the deadline, and may have news of it.
SLACK = 0.05


class SingleFlight(Generic[T]):
    """Work in a task of its own. Who gives up waiting leaves the task and the others who wait untouched.

    `what` names it in errors. `gone` is called once, when nobody can join any longer: the work is done, or given up.
    Its deadline is the latest of those who wait for it.
    """

    def __init__(
        self, work: Callable[[], Coroutine[Any, Any, T]], what: str, gone: "Callable[[SingleFlight[T]], None]"
    ):
        self._what = what
        self._gone: Callable[[SingleFlight[T]], None] | None = gone
        self._waiters: dict[asyncio.Future[None], Until] = {}
        self._last = UNTIL.get()()
        self.task = asyncio.create_task(self._run(work), name=what)
        self.task.add_done_callback(self._land)  # in case it is stopped before it begins

    def until(self) -> float:
        """When the last of those who wait wants the answer."""
        return max((each() for each in self._waiters.values()), default=self._last)

    @contextmanager
    def held(self) -> Iterator[None]:
        """A block that counts as waiting, so that the work is not given up meanwhile."""
        waiter = self._enter(UNTIL.get())
        try:
            yield
        finally:
            self._exit(waiter)

    async def wait(self) -> T:
        """What the work came to. Raises what it raises, and Unavailable when the deadline of who waits has passed."""
        until = UNTIL.get()
        # A deadline may be put off while it is waited for.
        while not self.task.done() and (left := until() + SLACK - time.monotonic()) > 0:
            waiter = self._enter(until)
            timer = self.task.get_loop().call_later(left, _wake, waiter) if left < 1e6 else None
            try:
                await waiter
            finally:
                if timer is not None:
                    timer.cancel()
                self._exit(waiter)
        return self.result()

    def _enter(self, until: Until) -> asyncio.Future[None]:
        waiter: asyncio.Future[None] = self.task.get_loop().create_future()
        self._waiters[waiter] = until
        return waiter

    def _exit(self, waiter: asyncio.Future[None]) -> None:
        until = self._waiters.pop(waiter)
        if not self._waiters and not self.task.done():
            self._last = until()
            self.task.get_loop().call_later(GRACE, self._give_up)

    def result(self) -> T:
        """What the work has come to by now, as `wait` gives it."""
        if not self.task.done():
            raise Unavailable(f"{self._what}: no whole answer in the time of the operation")
        if self.task.cancelled():
            raise Unavailable(f"{self._what}: the call was stopped")
        return self.task.result()

    async def _run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        UNTIL.set(self.until)
        try:
            return await work()
        finally:
            # By the time those who wait run, the task is done, and nobody joins it any more.
            self._land()
            # A task keeps its context: with the flight in it, both would wait for the garbage collector.
            UNTIL.set(_over)

    def _give_up(self) -> None:
        if not self._waiters and not self.task.done():
            self._leave()
            self.task.cancel()

    def _land(self, task: "asyncio.Task[T] | None" = None) -> None:
        self._leave()
        for waiter in self._waiters:
            _wake(waiter)

    def _leave(self) -> None:
        gone, self._gone = self._gone, None
        if gone is not None:
            gone(self)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _over() -> float:
    return 0.0
