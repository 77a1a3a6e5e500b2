"""Watch running work. End it when its time is over, or when its client has gone."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.types import Receive

T = TypeVar("T")

LOOK = 0.05  # seconds


class ClientGone(Exception):
    """The client closed the connection before its answer."""


class Watch:
    """End work that takes longer than some seconds, and work without a client.

    Most work ends too soon to be worth a timer and a task of its own. One timer for all finds the work that goes on.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._fresh: set[_Running] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def over(self, work: Awaitable[T], receive: Receive) -> T:
        """Return the result of the work. Raises TimeoutError or ClientGone after it has ended the work."""
        loop = asyncio.get_running_loop()
        if self._timer is None or self._loop is not loop:
            self._loop, self._timer = loop, loop.call_later(min(LOOK, self._seconds), self._look)
        running = _Running(loop, receive)
        self._fresh.add(running)
        try:
            return await work
        except asyncio.CancelledError:
            why = running.end()
            if why is None:
                raise
            raise why from None
        finally:
            if running.watching is None:
                self._fresh.discard(running)
            else:
                running.end()

    def _look(self) -> None:
        self._timer = None
        for running in self._fresh:
            running.watch(self._seconds)
        self._fresh.clear()


class _Running:
    __slots__ = ("_began", "_cancelling", "_receive", "_task", "_timer", "_why", "loop", "watching")

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Receive) -> None:
        self.loop = loop
        task = asyncio.current_task(loop)
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._began = loop.time()
        self._receive = receive
        self._why: Exception | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.watching: asyncio.Task[None] | None = None

    def watch(self, seconds: float) -> None:
        """Begin to watch."""
        self._timer = self.loop.call_at(self._began + seconds, self._stop, TimeoutError())
        self.watching = self.loop.create_task(self._disconnect())

    def end(self) -> Exception | None:
        """Stop watching. Return why this watch ended the work; None if it did not, or if others cancelled it too."""
        if self._timer is not None and self.watching is not None:
            self._timer.cancel()
            self.watching.cancel()
            self._timer = self.watching = None
        why, self._why = self._why, None
        return None if why is None or self._task.uncancel() > self._cancelling else why

    async def _disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._stop(ClientGone())

    def _stop(self, why: Exception) -> None:
        if self._why is None:
            self._why = why
            self._task.cancel()
