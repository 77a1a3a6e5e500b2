"""The processes of one server together: one of them runs what exists once, and all count for `/metrics`."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from server.workers.figures import WorkerFigures
from upstream import private

Once = Callable[[], AbstractAsyncContextManager[None]]
LOCK = "once.lock"
# A worker that ended is followed after this time at the latest.
LOOK_SECONDS = 0.5


log = structlog.get_logger(__name__)


class Siblings(Protocol):
    """The other processes of the server."""

    def open(self, registry: CollectorRegistry, once: Once) -> AbstractAsyncContextManager[None]:
        """Take part inside the block. `once` runs in one process of the server."""

    async def exposition(self, registry: CollectorRegistry) -> bytes:
        """Return the figures of all processes, in the text format of Prometheus."""


class NoSiblings:
    """A server of one process."""

    @asynccontextmanager
    async def open(self, registry: CollectorRegistry, once: Once) -> AsyncIterator[None]:
        """Run `once` inside the block."""
        async with once():
            yield

    async def exposition(self, registry: CollectorRegistry) -> bytes:
        """Return the figures of this process."""
        return generate_latest(registry)


class WorkerSiblings:
    """The workers of one supervisor. They meet in a private folder.

    A lock of a file says which of them runs what exists once. The system ends the lock with the process, so another
    worker takes it over.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._figures = WorkerFigures(folder)

    @asynccontextmanager
    async def open(self, registry: CollectorRegistry, once: Once) -> AsyncIterator[None]:
        """Take part inside the block. If `once` fails in the worker that takes the lock first, the block fails."""
        lock = os.open(self._folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, private.FILE)
        end, decided = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(_run_once(lock, once, decided, end), name="what exists once")
        task.add_done_callback(lambda _: decided.set())
        try:
            await decided.wait()
            if task.done():
                await task
            async with self._figures.open(registry):
                yield
        finally:
            end.set()
            try:
                await task
            finally:
                os.close(lock)

    async def exposition(self, registry: CollectorRegistry) -> bytes:
        """Return the sums of the figures of all workers, those that have ended included."""
        return await self._figures.exposition(registry)


async def _run_once(lock: int, once: Once, decided: asyncio.Event, end: asyncio.Event) -> None:
    """Run `once` until the end, as soon as this process has the lock. Raises what it raises at the start of the server.

    Later, when it has to be taken over, a failure is logged, and this or another process tries again.
    """
    while not end.is_set():
        if _locked(lock):
            try:
                async with once():
                    decided.set()
                    await end.wait()
                    return
            except Exception:
                if not decided.is_set():
                    raise
                log.exception("what one worker does for all could not go on; a worker tries again")
            fcntl.flock(lock, fcntl.LOCK_UN)
        decided.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(end.wait(), LOOK_SECONDS)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
