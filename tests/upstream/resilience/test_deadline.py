"""Deadlines that pass down, and work that ends when no waiter is left."""

import asyncio
import math
import time
from typing import cast

import pytest

from tests.upstream.conftest import Make
from tests.upstream.server import Reply, Server
from upstream import errors
from upstream.call import Call
from upstream.reports import table as reports
from upstream.resilience.deadline import left, limit, within
from upstream.resilience.single_flight import GRACE, SingleFlight

GROUPS = Call.of(reports.GROUPS)
GOOD = {"error": False, "report": [{"id": 347}]}


def test_the_nearer_deadline_counts() -> None:
    assert left() == math.inf
    with within(60):
        with within(5):
            assert 4 < left() <= 5
        with within(600):
            assert 59 < left() <= 60
    assert left() == math.inf


async def test_a_limit_is_the_earlier_of_its_own_and_the_deadline() -> None:
    for own, operation in ((0.02, 60), (60, 0.02)):
        with within(operation):
            with pytest.raises(TimeoutError), limit(own) as stopped:
                await asyncio.sleep(5)
            assert stopped.expired


async def test_a_block_that_does_not_wait_is_not_stopped_after_it() -> None:
    with within(-1), limit(60) as stopped:
        pass
    await asyncio.sleep(0.01)
    assert not stopped.expired


async def test_who_is_cancelled_while_it_is_stopped_is_cancelled() -> None:
    async def wait() -> None:
        with limit(0.01):
            try:
                await asyncio.sleep(5)
            finally:
                await asyncio.sleep(0.1)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


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
    table: dict[str, SingleFlight[int]] = {}
    stopped = asyncio.Event()

    async def work() -> int:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            assert "x" not in table
            stopped.set()
            raise
        return 1

    flight = table["x"] = SingleFlight(work, "x", lambda gone: cast(None, table.pop("x", None)))
    waiter = asyncio.create_task(flight.wait())
    await asyncio.sleep(0.01)
    waiter.cancel()
    async with asyncio.timeout(1):
        await stopped.wait()
