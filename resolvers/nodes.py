"""The nodes that one operation builds: counted before they are built, bounded, and built in turns with other work."""

import asyncio

from graphql import GraphQLError

TOO_LARGE = "ANSWER_TOO_LARGE"
ADVICE = (
    "Ask for fewer items (`first`), for the next page of them (`after: endCursor`), or read whole lists as a table "
    "(`/tables`)."
)
# Nodes that are built in one turn of the event loop: some milliseconds of work.
TURN = 2_000


class AnswerTooLarge(GraphQLError):
    """An answer that would be larger than an operation may make it. It ends the whole operation."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{message} {ADVICE}", extensions={"code": TOO_LARGE})


class Nodes:
    """The count of one operation. `most` is the largest number of nodes that it may build; None is no bound."""

    __slots__ = ("_door", "_since", "count", "most")

    def __init__(self, most: int | None = None) -> None:
        self.most = most
        self.count = 0
        self._since = 0
        self._door = asyncio.Lock()

    def take(self, number: int) -> None:
        """Count nodes that are about to be built. Raises AnswerTooLarge once there are too many, and ever after."""
        self.count += number
        self.check()

    async def enter(self, number: int, *, alone: bool) -> None:
        """Count nodes of lists that are ready. Raises AnswerTooLarge before one of them is built.

        `alone`, a list is one of many that the engine resolves by themselves: all that are ready are counted first.
        """
        self.take(number)
        if alone and self.count > TURN:
            await asyncio.sleep(0)
            self.check()

    def check(self) -> None:
        """Raise AnswerTooLarge if more nodes were counted than may be built."""
        if self.most is not None and self.count > self.most:
            raise AnswerTooLarge(f"The answer has more than {self.most:,} nodes, and may not have more.")

    async def turn(self, number: int) -> None:
        """Let others have a turn when many nodes were built since the last one.

        Tasks of one operation that become ready in the same turn of the loop pass one after the other.
        """
        if not number:
            return
        async with self._door:
            self._since += number
            if self._since >= TURN:
                self._since = 0
                await asyncio.sleep(0)
            self.check()
