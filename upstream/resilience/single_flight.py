"""Share work between callers: it runs while one of them waits for it, and stops soon after the last one has left."""

import asyncio
import math
import time
import types
from collections.abc import Callable, Coroutine, Generator, Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Generic, TypeVar, cast

import msgspec

from upstream.errors import Unavailable
from upstream.resilience.deadline import UNTIL, Deadlines, Limit, Until

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

# For so many seconds work goes on without a waiter: a caller who comes back at once finds it under way.
GRACE = 0.1
# A wait ends so many seconds after its deadline: the work is stopped at the deadline, and may have a result by then.
SLACK = 0.05

Work = Callable[[], Coroutine[Any, Any, T]]


class _FlightDeadline(msgspec.Struct, eq=False):
    """The deadline of work, which is the latest one of those who wait for it.

    `first` is the deadline of the waiter in whose task the work runs. Timers keep their context, and so this object,
    until their time, also when they are cancelled. So it does not refer to the work, which has the result.
    """

    first: Until | None = None
    waiters: dict[asyncio.Future[None], Until] = msgspec.field(default_factory=dict)
    last: float = 0.0

    def until(self) -> float:
        """Return the latest deadline of the waiters."""
        first = self.first
        if not self.waiters:
            return self.last if first is None else first()
        latest = max(each() for each in self.waiters.values())
        return latest if first is None else max(latest, first())


class SingleFlight(msgspec.Struct, Generic[T], eq=False):
    """Run work for all who wait for it. A waiter who gives up leaves the work and the other waiters untouched.

    The first waiter runs the work in its own task. If it leaves before the end, the work goes on where it stands, in a
    task of its own. `what` names the work in errors. The deadline of the work is the latest deadline of its waiters,
    or the end of its `limit`.
    """

    _flights: "SingleFlights[Any, T]"
    _work: Work[T] | None  # until it begins
    _what: str
    _keys: Sequence[Hashable]
    _limit: Limit | None
    task: asyncio.Task[None] | None = None
    _coroutine: Coroutine[Any, Any, T] | None = None
    _deadline: _FlightDeadline = msgspec.field(default_factory=_FlightDeadline)
    _pause: asyncio.Future[None] | None = None  # what this waiter waits for
    _leave: bool = False  # whether this waiter has to leave
    _ended: bool = False
    _value: T | None = None
    _error: BaseException | None = None

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count as a waiter within a block, so that the work is not given up meanwhile."""
        waiter = self._enter(UNTIL.get())
        try:
            yield
        finally:
            self._exit(waiter)

    def run_apart(self) -> None:
        """Begin the work in a task of its own."""
        self._deadline.last = UNTIL.get()()
        self._go_on_apart(None)

    @types.coroutine
    def wait(self) -> Generator[Any, Any, T]:
        """Return the result of the work. Raise its error, and Unavailable when the waiter's deadline has passed.

        The first waiter runs the work in its task. If this task is cancelled or late, it leaves the work to another.
        """
        work, until = self._work, UNTIL.get()
        if work is None or self.task is not None:
            return (yield from self._join(until).__await__())
        self._work, self._deadline.first = None, until
        outer = UNTIL.set(self._deadline.until)
        coroutine = self._coroutine = work()
        if self._limit is not None:
            self._flights.deadlines.watch(self, min(self._limit.ends, until()))
        loop, resume = asyncio.get_running_loop(), self._resume
        while True:
            try:
                awaited = coroutine.send(None)
            except StopIteration as end:
                self._end(end.value, None)
                break
            except BaseException as error:
                self._end(None, error)
                break
            try:
                if awaited is None:
                    yield
                else:
                    # A cancelled task cancels what it waits for, so it does not wait for that itself.
                    awaited._asyncio_future_blocking = False
                    pause = self._pause = loop.create_future()
                    awaited.add_done_callback(resume)
                    yield from pause
            except asyncio.CancelledError:
                self._go_on_apart(awaited)
                self._deadline.first = None
                self._give_up_later(until)
                UNTIL.reset(outer)
                raise
            if self._leave:
                self._go_on_apart(awaited)
                self._deadline.first = None
                self._give_up_later(until)
                break
        self._deadline.first = self._pause = None
        UNTIL.reset(outer)
        if not self._ended:
            return (yield from self._join(until).__await__())
        if self._error is None:
            return self._value  # type: ignore[return-value]  # the work has ended
        return self.result()

    def _resume(self, _: "asyncio.Future[Any]") -> None:
        if self._pause is not None and not self._pause.done():
            self._pause.set_result(None)

    def _go_on_apart(self, awaited: "asyncio.Future[Any] | None") -> None:
        """Go on with the work in a task of its own. `awaited` is what it waits for."""
        self.task = asyncio.create_task(self._rest(awaited), name=self._what)
        self.task.add_done_callback(self._stopped)  # in case it is stopped before it begins
        if self._limit is not None and self._limit.expired:
            self._stop()

    async def _rest(self, awaited: "asyncio.Future[Any] | None") -> None:
        UNTIL.set(self._deadline.until)
        try:
            if self._coroutine is None:
                work, self._work = self._work, None
                assert work is not None
                self._end(await work(), None)
            else:
                self._end(await _continued(self._coroutine, awaited), None)
        except asyncio.CancelledError as error:
            self._end(None, error)
            raise
        except Exception as error:
            self._end(None, error)
        finally:
            # A task keeps its context. With the flight in it, both would wait for the garbage collector.
            UNTIL.set(_over)

    async def _join(self, until: Until) -> T:
        # A deadline may be postponed during the wait.
        while not self._ended and (left := until() + SLACK - time.monotonic()) > 0:
            waiter = self._enter(until)
            timer = waiter.get_loop().call_later(left, _wake, waiter) if left < 1e6 else None
            try:
                await waiter
            finally:
                if timer is not None:
                    timer.cancel()
                self._exit(waiter)
        return self.result()

    def _enter(self, until: Until) -> asyncio.Future[None]:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._deadline.waiters[waiter] = until
        return waiter

    def _exit(self, waiter: asyncio.Future[None]) -> None:
        self._give_up_later(self._deadline.waiters.pop(waiter))

    def _give_up_later(self, until: Until) -> None:
        """Note that a waiter with this deadline has left. Without any other, the work is given up soon."""
        if not self._deadline.waiters and self._deadline.first is None and not self._ended:
            self._deadline.last = until()
            asyncio.get_running_loop().call_later(GRACE, self._give_up)

    def result(self) -> T:
        """Return the result that the work has by now. Raise what `wait` raises."""
        if not self._ended:
            raise Unavailable(f"{self._what}: no whole answer in the time of the operation")
        if self._error is None:
            return self._value  # type: ignore[return-value]  # the work has ended
        if isinstance(self._error, asyncio.CancelledError):
            raise Unavailable(f"{self._what}: the call was stopped")
        raise self._error

    def look(self, now: float) -> float:
        """Stop the work at its deadline. Have the first waiter leave it at its own. Return when to look again."""
        assert self._limit is not None
        if self._limit.expired:
            return math.inf
        ends = min(self._limit.ends, self._deadline.until())
        late = self._deadline.first is not None and self._deadline.first() + SLACK <= now
        if ends <= now:
            self._limit.expired = True
            if self.task is not None:
                self._stop()
                return math.inf
        if ends <= now or late:
            self._leave = True
            if self._pause is not None:
                self._resume(self._pause)
        if ends <= now:
            return math.inf
        return ends if self._deadline.first is None or late else min(ends, self._deadline.first() + SLACK)

    def _stop(self) -> None:
        """Cancel the task, after it has begun."""
        if self.task is not None:
            self.task.get_loop().call_soon(self.task.cancel)

    def _give_up(self) -> None:
        if not self._deadline.waiters and self._deadline.first is None and not self._ended:
            self._close()
            self._stop()

    def _close(self) -> None:
        """Let no caller join any longer."""
        flights = self._flights
        for key in self._keys:
            if flights.get(key) is self:
                del flights[key]
        self._keys = ()

    def _stopped(self, task: "asyncio.Task[None]") -> None:
        if not self._ended:
            self._end(None, asyncio.CancelledError())

    def _end(self, value: T | None, error: BaseException | None) -> None:
        """Note the result, and wake all waiters."""
        self._ended, self._value, self._error, self._coroutine = True, value, error, None
        self._close()
        flights = self._flights
        flights.running.discard(self)
        flights.deadlines.work.pop(self, None)
        if flights.idle is not None and not flights.running:
            _wake(flights.idle)
        if error is not None and not isinstance(error, asyncio.CancelledError):
            flights.failed(self._what, error)
        for waiter in self._deadline.waiters:
            _wake(waiter)


class SingleFlights(dict[K, SingleFlight[T]]):
    """Hold the work that callers can join, by key.

    `failed` is called with the name of work that raised an error, and the error. The waiters get the error in any case.
    """

    def __init__(self, failed: Callable[[str, BaseException], None] = lambda what, error: None) -> None:
        super().__init__()
        self.failed = failed
        self.deadlines = Deadlines()
        self.running: set[SingleFlight[T]] = set()  # all work, also what was given up
        self.idle: asyncio.Future[None] | None = None

    def open(self, work: Work[T], what: str, keys: Sequence[K], limit: Limit | None = None) -> SingleFlight[T]:
        """Return work that callers can join under these keys until it is done or given up. The first one begins it."""
        flight = SingleFlight(self, work, what, keys, limit)
        self.running.add(flight)
        for key in keys:
            self[key] = flight
        return flight

    def start(self, work: Work[T], what: str, keys: Sequence[K]) -> SingleFlight[T]:
        """Begin work in a task of its own."""
        flight = self.open(work, what, keys)
        flight.run_apart()
        return flight

    async def ended(self) -> None:
        """Wait until all work has ended, also work that was given up."""
        while self.running:
            self.idle = asyncio.get_running_loop().create_future()
            await self.idle
            # The waiters run a moment after the work.
            await asyncio.sleep(0)
        self.deadlines.close()


@types.coroutine
def _continued(coroutine: Coroutine[Any, Any, T], awaited: "asyncio.Future[Any] | None") -> Generator[Any, Any, T]:
    """Go on with a coroutine that another task ran so far. `awaited` is what it waits for."""
    while True:
        try:
            if awaited is not None:
                awaited._asyncio_future_blocking = True
            yield awaited
        except BaseException as error:
            step = partial(coroutine.throw, error)
        else:
            step = partial(coroutine.send, None)
        try:
            awaited = step()
        except StopIteration as end:
            return cast("T", end.value)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _over() -> float:
    return 0.0
