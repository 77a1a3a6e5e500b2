"""Let tasks that compute for long wait for each other: only one of them goes on in a turn of the event loop.

Many sums of one operation would otherwise each compute a little in the same turn, which is long for everybody else.
"""

import asyncio
from collections import deque
from weakref import WeakKeyDictionary


class ComputingTurns:
    """The tasks of one event loop that wait for their turns."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def next(self) -> None:
        """Wait for the next turn of this task. The others have theirs before."""
        waiter = self._loop.create_future()
        if not self._waiting:
            self._loop.call_soon(self._wake)
        self._waiting.append(waiter)
        await waiter

    def _wake(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                break
        if self._waiting:
            self._loop.call_soon(self._wake)


_turns: "WeakKeyDictionary[asyncio.AbstractEventLoop, ComputingTurns]" = WeakKeyDictionary()


async def next_turn() -> None:
    """Wait for the next turn of this task in its event loop."""
    loop = asyncio.get_running_loop()
    turns = _turns.get(loop)
    if turns is None:
        turns = _turns[loop] = ComputingTurns(loop)
    await turns.next()
