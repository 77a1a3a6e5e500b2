"""A signal wakes all waiters, except those that gave up."""

import asyncio

from resolvers.sources.waiters import Waiters


async def test_all_who_wait_are_woken_once() -> None:
    waiters = Waiters()
    waiting = [asyncio.create_task(waiters.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    waiters.wake()
    late = asyncio.create_task(waiters.wait())
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in found] == [type(None), asyncio.CancelledError, type(None)]
    assert not late.done()
    waiters.wake()
    await late


async def test_some_are_woken_at_a_time() -> None:
    waiters = Waiters()
    waiting = [asyncio.create_task(waiters.wait()) for _ in range(5)]
    await asyncio.sleep(0)
    rung = []
    for _ in range(3):
        more = waiters.wake(2)
        await asyncio.sleep(0)
        rung.append((sum(task.done() for task in waiting), more))
    assert rung == [(2, True), (4, True), (5, False)]
