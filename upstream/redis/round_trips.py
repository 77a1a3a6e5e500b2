"""Send the commands of many callers to Redis in few round trips."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

Command = tuple[Any, ...]
# The commands of a caller, and the future that gets their answers.
Asked = tuple[Sequence[Command], "asyncio.Future[list[Any]]"]
Send = Callable[[list[Command]], Awaitable[list[Any]]]

# Several round trips run at once, so that small answers do not wait for one large answer.
AT_ONCE = 4
MOST_COMMANDS = 500


class RoundTrips:
    """Collect commands, and send them together with `send`, which returns one answer for each command.

    Commands of one turn of the event loop go together. When `AT_ONCE` round trips run, the next commands wait for the
    first of these to end, and then go together. So a busy server needs few connections and few round trips.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: deque[Asked] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = 0
        self._begins = False  # whether a round trip begins in the next turn

    async def answers(self, commands: Sequence[Command]) -> list[Any]:
        """Return the answers to some commands. Raises what `send` raises."""
        answered: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append((commands, answered))
        if not self._begins and self._running < AT_ONCE:
            self._begins = True
            task = asyncio.create_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answered

    async def ended(self) -> None:
        """Wait until no round trip runs."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _run(self) -> None:
        self._begins = False
        self._running += 1
        try:
            while waiting := self._next():
                await self._go(waiting)
        finally:
            self._running -= 1

    async def _go(self, waiting: Sequence[Asked]) -> None:
        try:
            answers = await self._send([command for commands, _ in waiting for command in commands])
        except Exception as error:
            for _, answered in waiting:
                if not answered.done():
                    # One error may be raised in many callers: each gets its own, with its own traceback.
                    answered.set_exception(type(error)(*error.args))
            return
        end = 0
        for commands, answered in waiting:
            start, end = end, end + len(commands)
            if not answered.done():
                answered.set_result(answers[start:end])

    def _next(self) -> list[Asked]:
        """Take the commands of the next round trip. Callers that have left are passed over."""
        found: list[Asked] = []
        count = 0
        while self._waiting and (not found or count + len(self._waiting[0][0]) <= MOST_COMMANDS):
            commands, answered = self._waiting.popleft()
            if not answered.done():
                found.append((commands, answered))
                count += len(commands)
        return found
