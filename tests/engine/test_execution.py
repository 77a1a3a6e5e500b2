"""Fields are resolved once each in an execution, with separate failures."""

from typing import Any

import strawberry
from graphql import parse

from engine.engine import Engine
from tests.engine.comparison import operation

reads: list[str] = []


class Source:
    """An object with an attribute that cannot be read."""

    def __init__(self, name: str, fails: bool) -> None:
        self.name = name
        self.fails = fails

    @property
    def size(self) -> Any:
        if self.fails:
            raise LookupError(f"{self.name} has no size")
        return self._later()

    async def _later(self) -> int:
        reads.append(self.name)
        return 3


@strawberry.type
class Thing:
    """A thing."""

    name: str
    size: int | None

    @strawberry.field
    def must(self) -> int:
        """Fails for the second."""
        if self.name == "b":
            raise LookupError("no must")
        return 1

    @strawberry.field
    async def after(self) -> str:
        """It records that it runs."""
        reads.append(f"after {self.name}")
        return "x"


@strawberry.type
class Query:
    """Things."""

    @strawberry.field
    def things(self) -> list[Thing | None]:
        """Three of them."""
        return [Source("a", False), Source("b", True), Source("c", False)]  # type: ignore[list-item]


SCHEMA = strawberry.Schema(query=Query)


async def ask(text: str) -> Any:
    reads.clear()
    document = parse(text)
    found = await Engine(SCHEMA).run(document, operation(document), {}, None)
    assert found is not None
    return found


async def test_an_attribute_that_cannot_be_read_fails_alone() -> None:
    """The other attributes of its level are read, and each awaitable runs once."""
    found = await ask("{ things { size name } }")
    assert [thing["size"] for thing in found.data["things"]] == [3, None, 3]
    (error,) = found.errors
    assert (error.message, error.path) == ("b has no size", ["things", 1, "size"])
    assert reads == ["a", "c"]


async def test_a_failure_takes_its_object_with_it_and_says_so_once() -> None:
    """Earlier failures inside the object are not reported."""
    found = await ask("{ things { size must after } }")
    assert [thing and thing["must"] for thing in found.data["things"]] == [1, None, 1]
    (error,) = found.errors
    assert (error.message, error.path) == ("no must", ["things", 1, "must"])
