"""A level of many objects is read in many turns of the event loop, and its answer stays the same."""

import asyncio
from typing import Any

import pytest
import strawberry
from graphql import parse

from engine.engine import Engine
from engine.execution import TURN

MANY = 10 * TURN


@strawberry.type
class Ball:
    """One of many."""

    number: int

    @strawberry.field
    def called(self) -> str:
        return f"ball {self.number}"

    @strawberry.field
    def next(self) -> "Ball":
        return Ball(number=self.number + 1)

    @strawberry.field
    async def waited(self) -> str | None:
        if self.number % 2:
            raise ValueError("odd")
        return str(self.number)


@strawberry.type
class Query:
    """All balls."""

    @strawberry.field
    def balls(self) -> list[Ball]:
        return [Ball(number=number) for number in range(MANY)]


schema = strawberry.Schema(query=Query)


@pytest.mark.parametrize(
    ("selected", "expected"),
    [
        ("number", lambda number: {"number": number}),
        ("called", lambda number: {"called": f"ball {number}"}),
        ("number called", lambda number: {"number": number, "called": f"ball {number}"}),
        ("waited", lambda number: {"waited": None if number % 2 else str(number)}),
    ],
)
async def test_others_have_turns_while_a_level_is_read(selected: str, expected: Any) -> None:
    document = parse(f"{{ balls {{ {selected} }} }}")
    turns, done = 0, False

    async def others() -> None:
        nonlocal turns
        while not done:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(others())
    result = await Engine(schema).run(document, document.definitions[0], {}, None)  # type: ignore[arg-type]
    done = True
    await counting
    assert result is not None
    assert result.data == {"balls": [expected(number) for number in range(MANY)]}
    assert len(result.errors) == (MANY // 2 if selected == "waited" else 0)
    assert turns >= MANY // TURN


@pytest.mark.parametrize(
    ("selected", "written"), [("number", True), ("called", True), ("waited", True), ("number next { number }", False)]
)
async def test_a_list_of_plain_objects_is_written_at_once(selected: str, written: bool) -> None:
    """Only the innermost lists: a list that contains others would be written twice."""
    document = parse(f"{{ balls {{ {selected} }} }}")
    parts: list[list[Any]] = []

    class Writer:
        def objects(self, finished: list[Any]) -> str:
            parts.append(finished)
            return "written"

        def texts(self, texts: list[bytes]) -> list[Any]:
            raise AssertionError("these lists are no rows")

    operation: Any = document.definitions[0]
    plain = await Engine(schema).run(document, operation, {}, None)
    found = await Engine(schema).run(document, operation, {}, None, writer=Writer())
    assert plain is not None
    assert plain.data is not None
    assert found is not None
    assert found.data is not None
    assert [str(error) for error in found.errors] == [str(error) for error in plain.errors]
    assert (found.data, parts) == (({"balls": "written"}, [plain.data["balls"]]) if written else (plain.data, []))
