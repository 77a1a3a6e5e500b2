"""One timer for what the server does a moment later. All of it is called at the next tick of the event loop.

There are no ticks while there is nothing to do.
"""

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary

TICK_SECONDS = 0.05


class Ticks:
    """The ticks of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: list[Callable[[], None]] = []

    def call(self, function: Callable[[], None]) -> None:
        """Call a function at the next tick."""
        if not self._calls:
            self._loop.call_later(TICK_SECONDS, self._tick)
        self._calls.append(function)

    def _tick(self) -> None:
        calls, self._calls = self._calls, []
        for function in calls:
            try:
                function()
            except Exception as error:
                self._loop.call_exception_handler({"message": "a call at a tick failed", "exception": error})


_ticks: "WeakKeyDictionary[asyncio.AbstractEventLoop, Ticks]" = WeakKeyDictionary()


def at_next_tick(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    """Call a function at the next tick of an event loop, from the thread of the loop."""
    ticks = _ticks.get(loop)
    if ticks is None:
        ticks = _ticks[loop] = Ticks(loop)
    ticks.call(function)
