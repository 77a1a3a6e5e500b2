"""Deadlines that pass down, and work that ends when no waiter is left."""

import asyncio
import math
import time
from functools import partial

import pytest

from tests.upstream.conftest import Make
from tests.upstream.server import Reply, Server
from upstream import errors
from upstream.call import Call
from upstream.reports import table as reports
from upstream.resilience.deadline import Limit, left, within
from upstream.resilience.single_flight import GRACE, SingleFlights

GROUPS = Call.of(reports.GROUPS)
GOOD = {"error": False, "report": [{"id": 347}]}


async def forever() -> str:
    await asyncio.sleep(60)
    return "late"


def test_the_nearer_deadline_counts() -> None:
    assert left() == math.inf
    with within(60):
        with within(5):
            assert 4 < left() <= 5
        with within(600):
            assert 59 < left() <= 60
    assert left() == math.inf


async def test_work_ends_at_its_own_limit_or_at_the_deadline_whichever_is_earlier() -> None:
    for own, operation in ((0.02, 60), (60, 0.02)):
        flights: SingleFlights[str, str] = SingleFlights()
        limit = Limit(time.monotonic() + own)
        with within(operation), pytest.raises(errors.Unavailable):
            await flights.open(forever, "x", ("x",), limit).wait()
        assert limit.expired
        await flights.ended()


async def test_work_that_does_not_wait_is_not_stopped_after_it() -> None:
    async def work() -> str:
        return "done"

    flights: SingleFlights[str, str] = SingleFlights()
    limit = Limit(time.monotonic() + 60)
    with within(-1):
        assert await flights.open(work, "x", ("x",), limit).wait() == "done"
    await asyncio.sleep(0.01)
    assert not limit.expired


async def test_a_caller_who_is_cancelled_while_its_work_is_stopped_is_cancelled() -> None:
    async def work() -> str:
        try:
            return await forever()
        finally:
            await asyncio.sleep(0.1)

    flights: SingleFlights[str, str] = SingleFlights()
    flight = flights.open(work, "x", ("x",), Limit(time.monotonic() + 0.01))
    task = asyncio.ensure_future(flight.wait())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await flights.ended()


async def test_one_timer_serves_all_deadlines() -> None:
    flights: SingleFlights[int, str] = SingleFlights()
    began, stopped = time.monotonic(), {}

    async def work(number: int) -> str:
        try:
            return await forever()
        except asyncio.CancelledError:
            stopped[number] = time.monotonic() - began
            raise

    limits = [Limit(began + 0.1 + number / 20) for number in (3, 1, 2, 0)]
    calls = [flights.open(partial(work, number), "x", (number,), limit) for number, limit in enumerate(limits)]
    found = await asyncio.gather(*(call.wait() for call in calls), return_exceptions=True)
    assert [type(each) for each in found] == [errors.Unavailable] * 4
    assert sorted(stopped, key=lambda number: stopped[number]) == [3, 1, 2, 0]
    assert all(0.1 <= stopped[number] - limit.ends + began + 0.1 < 0.2 for number, limit in enumerate(limits))


async def test_the_work_of_a_waiter_who_leaves_goes_on_where_it_stands() -> None:
    steps: list[str] = []

    async def work() -> str:
        for step in "abcd":
            steps.append(step)
            await asyncio.sleep(0.02)
            await asyncio.sleep(0)
        return "done"

    flights: SingleFlights[str, str] = SingleFlights()
    flight = flights.open(work, "x", ("x",))
    waiting = [asyncio.ensure_future(flight.wait()) for _ in range(4)]
    await asyncio.sleep(0.03)
    waiting[0].cancel()
    await asyncio.sleep(0.02)
    waiting[1].cancel()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in found] == [asyncio.CancelledError, asyncio.CancelledError, str, str]
    assert steps == ["a", "b", "c", "d"]


async def test_work_that_fails_fails_for_all_and_is_reported_once() -> None:
    failures: list[tuple[str, str]] = []

    async def work() -> str:
        await asyncio.sleep(0.01)
        raise KeyError("x")

    flights: SingleFlights[str, str] = SingleFlights(lambda what, error: failures.append((what, repr(error))))
    flight = flights.open(work, "R8", ("x",))
    found = await asyncio.gather(*(flight.wait() for _ in range(3)), return_exceptions=True)
    assert [repr(each) for each in found] == ["KeyError('x')"] * 3
    assert failures == [("R8", "KeyError('x')")]
    assert not flights


async def test_a_call_ends_with_its_operation(server: Server, make: Make) -> None:
    server.script(Reply(GOOD, fault="hang"))
    upstream = make()
    began = time.monotonic()
    with within(0.1), pytest.raises(errors.Unavailable):
        await upstream.fetch(GROUPS)
    assert time.monotonic() - began < 2


async def test_retries_end_with_the_operation(server: Server, make: Make) -> None:
    server.script(Reply(b"", 503, {"retry-after": "1"}))
    upstream = make()
    with within(0.3), pytest.raises(errors.Unavailable, match="answered 503"):
        await upstream.fetch(GROUPS)
    assert len(server.requests) == 1


async def test_a_shared_call_lasts_as_long_as_the_most_patient_wants(server: Server, make: Make) -> None:
    server.script(Reply(GOOD, delay=0.4))
    upstream = make()

    async def ask(seconds: float) -> object:
        with within(seconds):
            return await upstream.fetch(GROUPS)

    found = await asyncio.gather(ask(0.1), ask(0.2), ask(5), return_exceptions=True)
    assert [type(each).__name__ for each in found] == ["Unavailable", "Unavailable", "Answer"]
    assert len(server.requests) == 1


async def test_the_last_one_to_leave_stops_the_call_and_frees_its_slot(
    server: Server, make: Make, transport: object
) -> None:
    server.script(Reply(GOOD, fault="hang"))
    upstream = make(gamehub={"concurrency": 1, "timeout": 1.0})
    waiting = [asyncio.create_task(upstream.fetch(GROUPS)) for _ in range(3)]
    await asyncio.sleep(0.1)
    for task in waiting[:2]:
        task.cancel()
    await asyncio.sleep(0.3)
    assert upstream.stats()["GameHub"]["busy"] == 1
    waiting[2].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    server.script(Reply(GOOD))
    await asyncio.sleep(2 * GRACE)
    async with asyncio.timeout(3):
        assert len((await upstream.fetch(GROUPS)).rows) == 1
    assert upstream.stats()["GameHub"]["busy"] == 0


async def test_who_comes_back_at_once_finds_it_under_way(server: Server, make: Make) -> None:
    server.script(Reply(GOOD, delay=0.15))
    upstream = make()
    first = asyncio.create_task(upstream.fetch(GROUPS))
    await asyncio.sleep(0.05)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await upstream.fetch(GROUPS)
    assert len(server.requests) == 1


async def test_what_is_given_up_is_not_joined() -> None:
    flights: SingleFlights[str, int] = SingleFlights()
    stopped = asyncio.Event()

    async def work() -> int:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            assert "x" not in flights
            stopped.set()
            raise
        return 1

    waiter = asyncio.ensure_future(flights.open(work, "x", ("x",)).wait())
    await asyncio.sleep(0.01)
    waiter.cancel()
    async with asyncio.timeout(1):
        await stopped.wait()


async def test_a_retry_goes_on_without_the_first_caller(server: Server, make: Make) -> None:
    server.script(Reply(b"", 503, {"retry-after": "0.5"}), Reply(GOOD, delay=1))
    upstream = make()
    waiting = [asyncio.create_task(upstream.fetch(GROUPS)) for _ in range(3)]
    while not server.requests:  # noqa: ASYNC110 - the server has no event for it
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    waiting[0].cancel()  # while the call waits for its second request
    while len(server.requests) < 2:  # noqa: ASYNC110 - the server has no event for it
        await asyncio.sleep(0.01)
    waiting[1].cancel()  # while it waits for the answer
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each).__name__ for each in found] == ["CancelledError", "CancelledError", "Answer"]
    assert len(server.requests) == 2
    assert found[2].requests == 2  # type: ignore[union-attr]


async def test_a_call_needs_no_task_and_no_timer_of_its_own(server: Server, make: Make) -> None:
    server.script(Reply(GOOD))
    upstream = make()
    await upstream.fetch(GROUPS)
    if not upstream._systems[reports.GROUPS.system].transport._wire.stoppable:
        return  # httpx needs a task for each exchange
    loop = asyncio.get_running_loop()
    made: list[str] = []
    loop.set_task_factory(lambda *given, **named: made.append("task") or asyncio.Task(given[1], loop=loop, **named))  # type: ignore[func-returns-value]
    with within(30):
        for _ in range(3):
            await upstream.fetch(GROUPS)
    loop.set_task_factory(None)
    assert made == []
