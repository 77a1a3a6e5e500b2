"""The engine gives what graphql-core gives: the same bytes and the same errors, whatever is asked and whatever fails."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from graphql import is_scalar_type, parse, print_ast, specified_rules, validate
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis_graphql import nodes, queries
from strawberry import Schema

from engine.engine import Engine
from tests.engine import library
from tests.engine.comparison import compare
from tests.engine.forms import rewritten

# How many operations are compared; `make fuzz-engine` asks for more of them, and for others each time.
OPERATIONS = int(os.environ.get("ENGINE_OPERATIONS", "2000"))
SEED = os.environ.get("ENGINE_SEED")
# Each generated document is asked as it is and in other forms, each time of a world with other faults.
FORMS = 5
BUILT_IN = {"Int", "Float", "String", "ID", "Boolean"}


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One loop for all operations."""
    with asyncio.Runner() as runner:
        yield runner


def generated(schema: Schema, share: float, check: Callable[[str, dict[str, Any], int], None], **scalars: Any) -> int:
    """Hand a share of all operations to `check`, each with its variables and a number; and tell how many there were."""
    count = 0
    documents = max(1, round(OPERATIONS * share / FORMS))
    kinds = {
        name: scalars.get(name, st.text("ab", max_size=3).map(nodes.String))
        for name, kind in schema._schema.type_map.items()
        if is_scalar_type(kind) and name not in BUILT_IN
    }

    @settings(
        max_examples=documents, derandomize=SEED is None, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck), print_blob=False,
    )  # fmt: skip
    @given(queries(schema._schema, custom_scalars=kinds, print_ast=lambda tree: tree), st.integers(0, 2**32))
    def each(tree: Any, number: int) -> None:
        nonlocal count
        for form in range(FORMS):
            text, variables = print_ast(tree), {}
            if form:
                changed, variables = rewritten(schema._schema, tree, number + form)
                text = print_ast(changed)
            count += 1
            try:
                check(text, variables, number + form)
            except BaseException as error:
                error.add_note(f"world {number + form}, variables {variables}, operation:\n{text}")
                raise

    (seed(int(SEED))(each) if SEED is not None else each)()
    return count


def test_any_query_of_the_library(runner: asyncio.Runner) -> None:
    """Faults of every kind in every place: same data, same errors, and each resolver is called as often."""
    engine = Engine(library.schema)
    seen: Counter[str] = Counter()

    def check(text: str, variables: dict[str, Any], number: int) -> None:
        document = parse(text)
        assert validate(library.schema._schema, document, specified_rules) == []
        rate = random.Random(number).choice([0, 3, 3, 10, 30])
        compared = runner.run(
            compare(engine, library.schema, document, variables, lambda: library.World(number, rate))
        )
        if not compared.wiped:
            assert compared.ours.calls == compared.theirs.calls
        seen["failed"] += bool(compared.errors)
        seen["wiped"] += compared.wiped
        seen["whole"] += not compared.errors

    count = generated(library.schema, 0.7, check)
    assert engine.counts == {"compiled": count}
    # What would show nothing is not what was generated.
    assert min(seen.values()) > count / 20, seen
