"""Operations that run too long, or without a client, end; others go on."""

import asyncio
from typing import Any

import pytest

from server.http.watch import ClientGone, Watch
from server.ticks import TICK_SECONDS as LOOK


def client(*messages: dict[str, Any], after: float = 0.0) -> Any:
    """A client that says this and then nothing more."""
    left = list(messages)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(after if left else 60)
        return left.pop(0)

    return receive


STAYS = client()
GOES = {"type": "http.disconnect"}


async def work(seconds: float, ended: list[str]) -> str:
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        ended.append("cancelled")
        raise
    return "done"


async def test_what_is_done_in_time() -> None:
    watch = Watch(1.0)
    ended: list[str] = []
    found = await asyncio.gather(*(watch.over(work(seconds, ended), STAYS) for seconds in (0, 0.01, 3 * LOOK)))
    assert (found, ended) == (["done"] * 3, [])


@pytest.mark.parametrize("seconds", [LOOK / 5, 2 * LOOK])
async def test_what_is_late(seconds: float) -> None:
    ended: list[str] = []
    with pytest.raises(TimeoutError):
        await Watch(seconds).over(work(10, ended), STAYS)
    task = asyncio.current_task()
    assert task is not None
    assert (ended, task.cancelling()) == (["cancelled"], 0)


async def test_whose_client_is_gone() -> None:
    ended: list[str] = []
    watch = Watch(10)
    other = asyncio.create_task(watch.over(work(3 * LOOK, ended), STAYS))
    with pytest.raises(ClientGone):
        await watch.over(work(10, ended), client({"type": "http.request"}, GOES, after=0.01))
    assert ended == ["cancelled"]
    assert await other == "done"


async def test_what_is_cancelled_by_another_stays_cancelled() -> None:
    ended: list[str] = []
    running = asyncio.create_task(Watch(10).over(work(10, ended), client(GOES, after=2 * LOOK)))
    await asyncio.sleep(LOOK / 2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert running.cancelled()


def test_one_loop_after_the_other() -> None:
    watch = Watch(2 * LOOK)
    ended: list[str] = []
    assert asyncio.run(watch.over(work(0, ended), STAYS)) == "done"
    with pytest.raises(TimeoutError):
        asyncio.run(watch.over(work(10, ended), STAYS))
