"""A bell wakes all who wait for it, but for those who gave up."""

import asyncio

from resolvers.sources.waiters import Waiters


async def test_all_who_wait_are_woken_once() -> None:
    bell = Waiters()
    waiting = [asyncio.create_task(bell.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    bell.wake()
    late = asyncio.create_task(bell.wait())
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in found] == [type(None), asyncio.CancelledError, type(None)]
    assert not late.done()
    bell.wake()
    await late


async def test_some_are_woken_at_a_time() -> None:
    bell = Waiters()
    waiting = [asyncio.create_task(bell.wait()) for _ in range(5)]
    await asyncio.sleep(0)
    rung = []
    for _ in range(3):
        more = bell.wake(2)
        await asyncio.sleep(0)
        rung.append((sum(task.done() for task in waiting), more))
    assert rung == [(2, True), (4, True), (5, False)]
