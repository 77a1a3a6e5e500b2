"""One process of a server runs what exists once, and after its end another one does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from server.workers import siblings as siblings_module
from server.workers.siblings import NoSiblings, WorkerSiblings


async def test_one_runs_it_and_another_takes_it_over(tmp_path: Path) -> None:
    running: list[int] = []
    changed = asyncio.Event()

    def once(number: int):  # type: ignore[no-untyped-def]
        @asynccontextmanager
        async def run() -> AsyncIterator[None]:
            running.append(number)
            changed.set()
            yield
            running.remove(number)

        return run

    ends = [asyncio.Event() for _ in range(3)]

    async def worker(number: int) -> None:
        siblings = WorkerSiblings(tmp_path)
        siblings._figures._own = number
        async with siblings.open(CollectorRegistry(), once(number)):
            await ends[number].wait()

    tasks = [asyncio.create_task(worker(0))]
    await changed.wait()
    tasks += [asyncio.create_task(worker(number)) for number in (1, 2)]
    await asyncio.sleep(0.1)
    assert running == [0]
    changed.clear()
    ends[0].set()
    await changed.wait()
    (successor,) = running
    assert successor in (1, 2)
    ends[3 - successor].set()  # the one that waits ends without having run
    await tasks[3 - successor]
    assert running == [successor]
    ends[successor].set()
    await asyncio.gather(*tasks)
    assert running == []


async def test_what_cannot_begin_ends_the_start(tmp_path: Path) -> None:
    @asynccontextmanager
    async def once() -> AsyncIterator[None]:
        raise OSError("port in use")
        yield

    for siblings in (WorkerSiblings(tmp_path), NoSiblings()):
        with pytest.raises(OSError, match=r"^port in use$"):
            async with siblings.open(CollectorRegistry(), once):
                raise AssertionError


async def test_what_cannot_be_taken_over_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(siblings_module, "LOOK_SECONDS", 0.01)
    tries = 0
    taken = asyncio.Event()

    @asynccontextmanager
    async def first() -> AsyncIterator[None]:
        yield

    @asynccontextmanager
    async def second() -> AsyncIterator[None]:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise OSError("port in use")
        taken.set()
        yield

    one, two = WorkerSiblings(tmp_path), WorkerSiblings(tmp_path)
    two._figures._own = 2
    async with asyncio.timeout(30), AsyncExitStack() as later:
        async with one.open(CollectorRegistry(), first):
            await later.enter_async_context(two.open(CollectorRegistry(), second))
            assert tries == 0
        await taken.wait()
    assert tries == 3
