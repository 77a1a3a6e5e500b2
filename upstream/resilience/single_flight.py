"""Share work between callers: it runs while one of them waits for it, and stops soon after the last one has left."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from upstream.errors import Unavailable
from upstream.resilience.deadline import UNTIL, Until

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

# For so many seconds work goes on without a waiter: a caller who comes back at once finds it under way.
GRACE = 0.1
# A wait ends so many seconds after its deadline: the work is stopped at the deadline, and may have a result by then.
SLACK = 0.05


class SingleFlight(Generic[T]):
    """Run work in a task of its own. A waiter who gives up leaves the task and the other waiters untouched.

    `what` names the work in errors. `gone` is called once, when no caller can join any longer: the work is done, or
    given up. The deadline of the work is the latest deadline of its waiters.
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
        """Return the latest deadline of the waiters."""
        return max((each() for each in self._waiters.values()), default=self._last)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count as a waiter within a block, so that the work is not given up meanwhile."""
        waiter = self._enter(UNTIL.get())
        try:
            yield
        finally:
            self._exit(waiter)

    async def wait(self) -> T:
        """Return the result of the work. Raise its error, and Unavailable when the waiter's deadline has passed."""
        until = UNTIL.get()
        # A deadline may be postponed during the wait.
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
        """Return the result that the work has by now. Raise what `wait` raises."""
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
            # When the waiters run, the task is done, and no caller joins it any more.
            self._land()
            # A task keeps its context. With the flight in it, both would wait for the garbage collector.
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


class SingleFlights(Generic[K, T]):
    """Hold the work that callers can join, by key. `tasks` are all tasks that still run, also those given up.

    `failed` is called with the task of work that raised an error. The waiters get the error in any case.
    """

    def __init__(
        self, tasks: set[asyncio.Task[Any]], failed: "Callable[[asyncio.Task[Any], BaseException], None] | None" = None
    ) -> None:
        self._flights: dict[K, SingleFlight[T]] = {}
        self._tasks = tasks
        self._failed = failed

    def __bool__(self) -> bool:
        """Return whether callers can join any work."""
        return bool(self._flights)

    def __contains__(self, key: K) -> bool:
        """Return whether callers can join the work of this key."""
        return key in self._flights

    def get(self, key: K) -> SingleFlight[T] | None:
        """Return the work of this key, if callers can join it."""
        return self._flights.get(key)

    def start(self, work: Callable[[], Coroutine[Any, Any, T]], what: str, keys: Sequence[K]) -> SingleFlight[T]:
        """Start work that callers can join under these keys until it is done or given up."""

        def gone(flight: SingleFlight[T]) -> None:
            for key in keys:
                if self._flights.get(key) is flight:
                    del self._flights[key]

        flight = SingleFlight(work, what, gone)
        for key in keys:
            self._flights[key] = flight
        self._tasks.add(flight.task)
        flight.task.add_done_callback(self._ended)
        return flight

    def clear(self) -> None:
        """Let no caller join what runs now. Its waiters still get the results."""
        self._flights.clear()

    def _ended(self, task: asyncio.Task[T]) -> None:
        self._tasks.discard(task)
        # The error is read here in any case: otherwise the event loop would complain of an error without a waiter.
        if not task.cancelled() and (error := task.exception()) is not None and self._failed is not None:
            self._failed(task, error)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _over() -> float:
    return 0.0
