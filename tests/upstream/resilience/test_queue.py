"""Slots in turns: no caller starves, no slot is lost, and the order is exact."""

import asyncio
from collections.abc import Awaitable, Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from upstream.resilience.bucket import Bucket
from upstream.resilience.queue import QUEUE_CALLER, Queue, QueueCaller


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def asks(queue: Queue, name: str, work: Callable[[], Awaitable[None]]) -> "asyncio.Task[None]":
    """A task of a caller that does some work in a slot."""

    async def run() -> None:
        QUEUE_CALLER.set(QueueCaller(name))
        async with queue:
            await work()

    return asyncio.create_task(run())


async def test_slots_go_round() -> None:
    queue, order = Queue(1), list[str]()
    first = asyncio.Event()
    tasks = [asks(queue, "first", first.wait)]  # type: ignore[arg-type]
    await settle()
    for name in ("heavy", "heavy", "heavy", "heavy", "light", "other", "light"):

        async def work(name: str = name) -> None:
            order.append(name)

        tasks.append(asks(queue, name, work))
        await settle()
    assert queue.waiting == 7
    first.set()
    await asyncio.gather(*tasks)
    assert order == ["heavy", "light", "other", "heavy", "light", "heavy", "heavy"]
    assert queue.waiting == 0


async def test_a_free_slot_is_anybodys() -> None:
    queue = Queue(3)
    done = asyncio.Event()
    running = list[int]()

    async def work() -> None:
        running.append(1)
        await done.wait()

    tasks = [asks(queue, "heavy", work) for _ in range(5)]
    await settle()
    assert (len(running), queue.waiting) == (3, 2)
    done.set()
    await asyncio.gather(*tasks)
    assert len(running) == 5


async def test_each_slot_is_told_to_its_asker() -> None:
    queue, order = Queue(1), list[str]()

    async def run(name: str) -> None:
        QUEUE_CALLER.set(QueueCaller(name, lambda: order.append(name)))
        async with queue:
            await asyncio.sleep(0)

    await asyncio.gather(*(run(name) for name in "aab"))
    assert sorted(order) == ["a", "a", "b"]


@settings(max_examples=60, deadline=None)
@given(
    slots=st.integers(1, 3),
    steps=st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(0, 3)), min_size=1, max_size=25),
)
def test_no_slot_is_lost_whoever_gives_up_when(slots: int, steps: list[tuple[str, bool, int]]) -> None:
    """Some tasks are cancelled at any moment; afterwards as many slots are free as at the start."""

    async def storm() -> None:
        queue = Queue(slots)
        running = most = 0

        async def work() -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            try:
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            finally:
                running -= 1

        tasks = []
        for name, cancelled, ticks in steps:
            task = asks(queue, name, work)
            tasks.append(task)
            for _ in range(ticks):
                await asyncio.sleep(0)
            if cancelled:
                task.cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert most <= slots
        assert queue.waiting == 0
        held = asyncio.Event()
        more = [asks(queue, "after", held.wait) for _ in range(slots + 1)]  # type: ignore[arg-type]
        await settle()
        assert queue.waiting == 1
        held.set()
        await asyncio.gather(*more)

    asyncio.run(storm())


class DoubtfulBucket(Bucket):
    """A bucket that says that it has tokens, and gives some."""

    given = 0

    def take(self) -> bool:
        """Take a token if one is given."""
        self.given -= 1
        return self.given >= 0

    def wait(self, tokens: int = 1) -> float:
        """Say that a token comes soon."""
        return 0.001


async def test_no_request_begins_with_a_token_that_was_not_given() -> None:
    bucket = DoubtfulBucket(10)
    queue, order = Queue(3, bucket), list[str]()

    async def work() -> None:
        order.append(QUEUE_CALLER.get().name)

    tasks = [asks(queue, name, work) for name in ("one", "two", "one")]
    await asyncio.sleep(0.05)
    assert order == []
    bucket.given = 2
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.sleep(0.05)
    assert order == ["one", "two"]
    bucket.given = 1
    await asyncio.gather(*tasks)
    assert order == ["one", "two", "one"]
