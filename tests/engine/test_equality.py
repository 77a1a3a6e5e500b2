"""The engine gives the same bytes and the same errors as graphql-core, for every query and every failure."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from graphql import DocumentNode, is_scalar_type, parse, print_ast, specified_rules, validate
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis_graphql import nodes, queries
from strawberry import Schema

from engine.engine import Engine
from resolvers.session import Session
from server.execution.documents import PreparedOperation
from tests.effort import tries
from tests.engine import bingo, library
from tests.engine.comparison import Compared, compare
from tests.engine.forms import rewritten

# The number of operations that are compared. `make fuzz-engine` compares more, and other ones each time.
OPERATIONS = int(os.environ.get("ENGINE_OPERATIONS", tries(250)))
SEED = os.environ.get("ENGINE_SEED")
# Each generated document runs in its own form and in other forms, each time in a world with other faults.
FORMS = 5
BUILT_IN = {"Int", "Float", "String", "ID", "Boolean"}

# graphql-core leaves its own coroutines behind where a null removes a list, and tasks that still draw values (`_soon`)
# when the comparison is over. Coroutines that the engine leaves behind are counted (`World.dropped`).
pytestmark = [
    # A failing document is long; the error names it itself.
    pytest.mark.filterwarnings("ignore:Generating overly large repr"),
    pytest.mark.filterwarnings("ignore:coroutine '(Executor|GraphQLCore|PermissionExt|_soon):RuntimeWarning"),
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <coroutine object (Executor|GraphQLCore|PermissionExt|_soon)"
    ),
]


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One loop for all operations."""
    with asyncio.Runner() as runner:
        yield runner


def generated(
    schema: Schema,
    share: float,
    check: Callable[[str, dict[str, Any], int], None],
    plausible: Callable[[DocumentNode, int], DocumentNode] = lambda tree, number: tree,
    **scalars: Any,
) -> int:
    """Pass a share of all operations to `check`, each with its variables and a number. Return how many there were."""
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
            document = plausible(tree, number + form)
            variables: dict[str, Any] = {}
            if form:
                document, variables = rewritten(schema._schema, document, number + form)
            text = print_ast(document)
            if count % 20 == 0:  # it takes longer than the comparison
                assert validate(schema._schema, parse(text), specified_rules) == [], text
            count += 1
            try:
                check(text, variables, number + form)
            except BaseException as error:
                error.add_note(f"world {number + form}, variables {variables}, operation:\n{text}")
                raise

    (seed(int(SEED))(each) if SEED is not None else each)()
    return count


def test_any_query_of_the_library(runner: asyncio.Runner) -> None:
    """Faults of every kind in every place: the same data, the same errors, and the same number of calls of each
    resolver.
    """
    engine = Engine(library.schema)
    seen: Counter[str] = Counter()

    def check(text: str, variables: dict[str, Any], number: int) -> None:
        rate = random.Random(number).choice([0, 3, 10, 20, 40])
        worlds: list[library.World] = []

        def world() -> library.World:
            worlds.append(library.World(number, rate))
            return worlds[-1]

        try:
            compared = runner.run(compare(engine, library.schema, parse(text), variables, world))
        finally:
            dropped = [world.dropped() for world in worlds]
        if not compared.wiped:
            ours, theirs = worlds[:2]
            assert not ours.calls - theirs.calls, "a resolver ran that graphql-core does not call, or twice"
            # A list whose iterator breaks in the middle is null, but graphql-core has started the items before that.
            nulls = tuple(f"{'.'.join(map(str, error.path or ()))}." for error in compared.errors)
            assert [path for _, _, path in theirs.calls - ours.calls if not path.startswith(nulls)] == []
            assert dropped[0] == 0
        _note(seen, compared)

    count = generated(library.schema, 0.7, check)
    _assert_meaningful(engine, seen, count)
    assert seen["wiped"] > 0, seen


def test_any_query_of_the_graph(runner: asyncio.Runner) -> None:
    """Failing calls, rows without optional columns, numbers too large for an Int: the same data and the same errors."""
    engine = Engine(bingo.schema, past=(PreparedOperation,))
    seen: Counter[str] = Counter()

    def check(text: str, variables: dict[str, Any], number: int) -> None:
        def session() -> Session:
            return bingo.session(number)

        compared = runner.run(compare(engine, bingo.schema, parse(text), variables, session))
        _note(seen, compared)

    count = generated(bingo.schema, 0.3, check, bingo.plausible, **bingo.SCALARS)
    _assert_meaningful(engine, seen, count)


def _note(seen: Counter[str], compared: Compared) -> None:
    seen["failed"] += bool(compared.errors)
    seen["wiped"] += compared.wiped
    seen["whole"] += not compared.errors
    seen["refused"] += compared.refused


def _assert_meaningful(engine: Engine, seen: Counter[str], count: int) -> None:
    """Assert that the generated operations are useful: all compiled, many failed and many did not."""
    assert engine.counts == {"compiled": count - seen["refused"]}
    assert seen["refused"] < count / 20, seen
    assert min(seen["failed"], seen["whole"]) > count / 6, seen
