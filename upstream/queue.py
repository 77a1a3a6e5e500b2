"""The slots of an upstream, handed out in turns: however much one asker wants, the next slot goes to the next asker.

Who asks travels in a context variable, which tasks inherit: a call that several wait for is made for the first of them.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType


@dataclass(frozen=True, slots=True)
class Asker:
    """For whom a request is made: the name by which turns go, and who is told of each slot that it gets."""

    name: str = ""
    told: Callable[[], None] = lambda: None


NOBODY = Asker()
ASKER: ContextVar[Asker] = ContextVar("asker", default=NOBODY)


class Queue:
    """So many slots at a time; `async with` takes one and gives it back, as with a semaphore.

    A free slot is anybody's. When there is none, askers stand in a ring, and each slot that comes back goes to the
    oldest request of the asker whose turn it is. A wait that is cancelled neither loses a slot nor keeps one.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        # In the order of their turns: an asker is in here only while it has requests that wait.
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    async def __aenter__(self) -> None:
        """Take a slot, now or in turn."""
        asker = ASKER.get()
        await self.take(asker.name)
        asker.told()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back."""
        self.give()

    def take_free(self) -> bool:
        """Take a slot if one is free. Return whether it was taken."""
        if self._free > 0:
            self._free -= 1
            return True
        return False

    async def take(self, name: str) -> None:
        """Take a slot for an asker, now or in turn, and tell nobody."""
        if not self.take_free():
            await self._turn(name)

    def give(self) -> None:
        """Give a slot back."""
        self._hand_on()

    @property
    def free(self) -> int:
        """How many slots are anybody's."""
        return self._free

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return sum(not turn.done() for line in self._waiting.values() for turn in line)

    async def _turn(self, name: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._hand_on()  # it got the slot in the moment in which it was cancelled
            raise

    def _hand_on(self) -> None:
        """Give a slot to the next in turn; it is free only if nobody waits."""
        while self._waiting:
            name = next(iter(self._waiting))
            line = self._waiting.pop(name)
            # Those who gave up stand in line until it is their turn: to look for them would cost each the whole line.
            while line and (turn := line.popleft()).done():
                pass
            given = not turn.done()
            if line:
                self._waiting[name] = line  # at the end of the ring
            if given:
                turn.set_result(None)
                return
        self._free += 1
