"""Watch running work. End it when its time is over, or when its client has gone."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.types import Receive

from server.ticks import at_next_tick

T = TypeVar("T")


class ClientGone(Exception):
    """The client closed the connection before its answer."""


class Watch:
    """End work that takes longer than some seconds, and work without a client.

    Most work ends too soon to be worth a timer and a task of its own. Each tick looks at all work, and work that it
    sees gets a task that waits for the end of its client.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: set[_Running] = set()
        self._loop: asyncio.AbstractEventLoop | None = None  # that of the next look

    async def over(self, work: Awaitable[T], receive: Receive) -> T:
        """Return the result of the work. Raises TimeoutError or ClientGone after it has ended the work."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            at_next_tick(loop, self._look)
        running = _Running(loop, receive)
        self._running.add(running)
        try:
            return await work
        except asyncio.CancelledError:
            why = running.end()
            if why is None:
                raise
            raise why from None
        finally:
            self._running.discard(running)
            if running.watching is not None:
                running.end()

    def _look(self) -> None:
        loop, self._loop = self._loop, None
        if not self._running or loop is None:
            return
        self._loop = loop
        at_next_tick(loop, self._look)
        late = loop.time() - self._seconds
        for running in self._running:
            running.look(late)


class _Running:
    __slots__ = ("_began", "_cancelling", "_receive", "_task", "_why", "loop", "watching")

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Receive) -> None:
        self.loop = loop
        task = asyncio.current_task(loop)
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._began = loop.time()
        self._receive = receive
        self._why: Exception | None = None
        self.watching: asyncio.Task[None] | None = None

    def look(self, late: float) -> None:
        """End the work if it began before `late`. Otherwise watch its client."""
        if self._began <= late:
            self._stop(TimeoutError())
        elif self.watching is None:
            self.watching = self.loop.create_task(self._disconnect())

    def end(self) -> Exception | None:
        """Stop watching. Return why this watch ended the work; None if it did not, or if others cancelled it too."""
        if self.watching is not None:
            self.watching.cancel()
            self.watching = None
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
