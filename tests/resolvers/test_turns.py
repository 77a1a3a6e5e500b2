"""Tests of the turns of tasks that compute for long."""

import asyncio

from resolvers.turns import next_turn


async def worked(tasks: int, cancelled: int | None = None) -> list[tuple[int, int]]:
    """Return the turn of the event loop and the task of each step, for tasks of three steps."""
    turn, steps = 0, []

    async def clock() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    async def work(number: int) -> None:
        for _ in range(3):
            await next_turn()
            steps.append((turn, number))

    beat = asyncio.create_task(clock())
    started = [asyncio.create_task(work(number)) for number in range(tasks)]
    if cancelled is not None:
        await asyncio.sleep(0)
        started[cancelled].cancel()
    await asyncio.gather(*started, return_exceptions=True)
    beat.cancel()
    return steps


async def test_one_task_goes_on_in_a_turn_and_all_do_in_order() -> None:
    steps = await worked(4)
    assert [number for _, number in steps] == [0, 1, 2, 3] * 3
    assert len({turn for turn, _ in steps}) == len(steps)


async def test_a_cancelled_task_keeps_nobody_waiting() -> None:
    steps = await worked(4, cancelled=1)
    assert [number for _, number in steps] == [0, 2, 3] * 3
    assert len({turn for turn, _ in steps}) == len(steps)
