"""A value that is not of its type is reported as graphql-core reports it."""

from typing import Any

import pytest
from graphql import parse

from engine.engine import Engine
from tests.engine import library
from tests.engine.comparison import compare

VALUES = [
    None, 0, -1, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**70, True, 1.0, 1.5, float("nan"), float("inf"), "", "12",
    "text", b"x", [], {}, (), object, ..., library.Genre.POETRY, "POETRY", "poetry", LookupError("x"),
]  # fmt: skip
LEAVES = "title pages genre price mark code rating fresh extra"


class FixedValue(library.World):
    """A world in which all leaves of books have one value."""

    value_to_return: Any = None

    def value(self, kind: str, key: str, name: str, depth: int = 0) -> Any:
        if name in LEAVES.split():
            return self.value_to_return
        return super().value(kind, key, name, depth)


@pytest.mark.parametrize("value", VALUES, ids=repr)
async def test_a_leaf_of_any_value(value: Any) -> None:
    engine = Engine(library.schema)
    for leaf in LEAVES.split():
        document = parse(f"{{ maybes {{ {leaf} }} book {{ {leaf} id }} }}")
        for seed in range(4):

            def world(seed: int = seed) -> FixedValue:
                made = FixedValue(seed)
                made.value_to_return = value
                return made

            await compare(engine, library.schema, document, {}, world)


class Listing(library.World):
    """A world in which all lists have one value."""

    value_to_return: Any = None

    def value(self, kind: str, key: str, name: str, depth: int = 0) -> Any:
        return self.value_to_return() if key == "root" else super().value(kind, key, name, depth)


async def _breaks() -> Any:
    yield None
    raise LookupError("no more")


def _broken() -> Any:
    yield None
    raise LookupError("no more")


LISTS = {
    "text": lambda: "ab", "bytes": lambda: b"ab", "number": lambda: 3, "dict": lambda: {"a": 1}, "set": lambda: {1},
    "none": lambda: None, "empty": tuple, "range": lambda: range(3), "nulls": lambda: [None, None],
    "failed": lambda: [None, LookupError("x"), 1], "breaks": _breaks, "broken": _broken, "map": lambda: map(int, "12"),
    "nested": lambda: [[1, None], None, (x for x in (1, 2**40)), "ab", LookupError("y")],
}  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_of_any_value(name: str) -> None:
    engine = Engine(library.schema)
    for text in (
        "{ lines }",
        "{ maybes { id } }",
        "{ books { id } }",
        "{ works { __typename } }",
        "{ shelves { id } }",
    ):

        def world() -> Listing:
            made = Listing(1)
            made.value_to_return = LISTS[name]
            return made

        await compare(engine, library.schema, parse(text), {}, world)
