"""Count and limit the nodes that one operation builds, and give other work its turn between them."""

import asyncio

import msgspec
from graphql import GraphQLError

TOO_LARGE = "ANSWER_TOO_LARGE"
ADVICE = (
    "Ask for fewer items (`first`), for the next page of them (`after: endCursor`), or read whole lists as a table "
    "(`/tables`)."
)
# Nodes that are built in one turn of the event loop: some milliseconds of work.
TURN = 2_000


class AnswerTooLarge(GraphQLError):
    """The answer would be too large. This error ends the whole operation."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{message} {ADVICE}", extensions={"code": TOO_LARGE})


class Nodes(msgspec.Struct, eq=False):
    """The node count of one operation. `most` is the largest number of nodes that it may build; None means no limit."""

    most: int | None = None
    count: int = 0
    _since: int = 0
    _one_by_one: asyncio.Lock | None = None  # most operations build few nodes

    def take(self, number: int) -> None:
        """Count nodes before they are built. Raise `AnswerTooLarge` if there are too many, and at every later call."""
        self.count += number
        self.check()

    async def enter(self, number: int, *, alone: bool) -> None:
        """Count the nodes of lists that are ready. Raise `AnswerTooLarge` before one of them is built.

        `alone` means that the engine resolves many such lists one by one: all that are ready are counted first.
        """
        self.take(number)
        if alone and self.count > TURN:
            await asyncio.sleep(0)
            self.check()

    def check(self) -> None:
        """Raise `AnswerTooLarge` if more nodes were counted than may be built."""
        if self.most is not None and self.count > self.most:
            raise AnswerTooLarge(f"The answer has more than {self.most:,} nodes, and may not have more.")

    async def turn(self, number: int) -> None:
        """Give other work its turn if many nodes were built since the last turn.

        Tasks of one operation that become ready in the same turn continue one after the other.
        """
        if not number:
            return
        if self._one_by_one is None:
            self._one_by_one = asyncio.Lock()
        async with self._one_by_one:
            self._since += number
            if self._since >= TURN:
                self._since = 0
                await asyncio.sleep(0)
            self.check()
