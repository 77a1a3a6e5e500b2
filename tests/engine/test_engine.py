"""Programs are compiled once and stored within bounds. An operation without a program is not run."""

import asyncio
from typing import Any

import pytest
import strawberry
from graphql import GraphQLError, parse
from strawberry.directive import DirectiveLocation, DirectiveValue
from strawberry.extensions import SchemaExtension

from engine.engine import Engine
from engine.execution import BREATH
from tests.engine import library
from tests.engine.comparison import operation

QUERY = "query($n: Int! = 1, $a: Boolean = true) { author @include(if: $a) { loud(times: $n) } }"


async def run(engine: Engine, text: str, variables: dict[str, Any] | None = None, context: Any = None) -> Any:
    document = parse(text)
    return await engine.run(document, operation(document), variables or {}, context or library.World(1))


async def test_a_program_is_kept_whatever_its_variables() -> None:
    """Only @skip and @include need one program for each combination of their variables."""
    engine = Engine(library.schema)
    document = parse(QUERY)
    node = operation(document)
    for variables in ({}, {"n": 2}, {"n": 3, "a": True}):
        await engine.run(document, node, variables, library.World(1))
    assert len(engine._programs) == 1
    found = await engine.run(document, node, {"a": False}, library.World(1))
    assert found is not None
    assert found.data == {}
    assert len(engine._programs) == 2
    assert engine.counts == {"compiled": 4}


async def test_the_latest_used_programs_are_kept() -> None:
    engine = Engine(library.schema, most=3)
    documents = [parse(f"{{ a{number}: __typename }}") for number in range(5)]
    for number in (0, 1, 2, 0, 3, 4):
        await engine.run(documents[number], operation(documents[number]), {}, None)
    kept = [kept[0] for kept in engine._programs.values()]
    assert kept == [operation(documents[number]) for number in (0, 3, 4)]
    assert len(engine._known) == 3


async def test_operations_of_one_document_are_programs_of_their_own() -> None:
    engine = Engine(library.schema)
    document = parse("query A { a: __typename } query B { b: __typename }")
    found = [await engine.run(document, node, {}, None) for node in document.definitions]  # type: ignore[arg-type]
    assert [each.data for each in found if each] == [{"a": "Query"}, {"b": "Query"}]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{ author { name } __schema { queryType { name } } }", "introspection"),
        ('{ ...T author { name } } fragment T on Query { __type(name: "Book") { name } }', "introspection"),
        ("mutation { rename }", "mutation"),
        ("{ author @twice { name } }", "directives"),
        ("query @experimental_disableErrorPropagation { author { name } }", "directives"),
        ("{ author { ...N @defer } } fragment N on Author { name }", "directives"),
    ],
)
async def test_what_is_not_compiled_is_not_run(text: str, reason: str) -> None:
    engine = Engine(WHOLE)
    world = library.World(1)
    assert await run(engine, text, context=world) is None
    assert await run(engine, text, context=world) is None
    assert engine.counts == {reason: 2}
    assert not world.calls
    assert ran == []


async def test_a_null_in_a_directive_is_left_to_graphql_core() -> None:
    engine = Engine(library.schema)
    assert await run(engine, QUERY, {"a": None}) is None
    assert engine.counts == {"null in @skip or @include": 1}


async def test_extensions_keep_the_engine_away() -> None:
    """This holds for all extensions except those that do nothing after validation."""

    class Meddling(SchemaExtension):
        pass

    schema = strawberry.Schema(query=library.Query, extensions=[Meddling], config=library.schema.config)
    assert await run(Engine(schema), "{ __typename }") is None
    found = await run(Engine(schema, past=(Meddling,)), "{ __typename }")
    assert found.data == {"__typename": "Query"}


async def test_variables_that_do_not_fit_are_refused() -> None:
    """They are refused before anything runs, with all their errors."""
    engine = Engine(library.schema)
    found = await run(engine, "query($a: Int!, $b: Boolean!) { author { name @skip(if: $b) } }", {"a": "x"})
    assert not found.ran
    assert found.data is None
    assert len(found.errors) == 2
    assert all(isinstance(error, GraphQLError) and error.path is None for error in found.errors)
    assert not engine.counts


async def test_a_large_answer_lets_others_run() -> None:
    """Another task gets its turn while tens of thousands of leaves are written, from rows and from objects."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    rows = [library.Entry(1, "Emma", "A", None, True, "x", None)] * BREATH
    world = library.World(1)
    world.catalogue = lambda key, count: library.Entries(rows)  # type: ignore[method-assign]
    task = asyncio.create_task(other())
    for text in (
        "{ a: entries { number } b: entries { number } c: entries { number } }",
        "{ a: entries { note number } b: entries { note number } c: entries { note number } }",
    ):
        turns = 0
        found = await run(Engine(library.schema), text, context=world)
        assert len(found.data["c"]) == BREATH
        assert turns >= 3
    task.cancel()


async def test_what_is_cancelled_stops_waiting() -> None:
    """The same holds for everything that it waited for, in every field."""
    stopped: list[str] = []
    entered = asyncio.Event()

    def wait(name: str) -> Any:
        async def resolver() -> str:
            if name == "b":
                entered.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                stopped.append(name)
                raise
            return name

        return resolver

    fields = {name: strawberry.field(resolver=wait(name)) for name in "ab"}
    query = strawberry.type(type("Query", (), {"__annotations__": dict.fromkeys(fields, str), **fields}))
    task = asyncio.create_task(run(Engine(strawberry.Schema(query=query)), "{ a b }"))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(stopped) == ["a", "b"]


ran: list[str] = []


@strawberry.type
class Mutation:
    """It must not run."""

    @strawberry.field
    def rename(self) -> str:
        """It must not run."""
        ran.append("rename")
        return "x"


@strawberry.directive(locations=[DirectiveLocation.FIELD])
def twice(value: DirectiveValue[str]) -> str:
    """A directive that does something."""
    ran.append("twice")
    return value * 2


WHOLE = strawberry.Schema(
    query=library.Query, mutation=Mutation, directives=[twice],
    types=[library.Book, library.Author], config=library.schema.config,
)  # fmt: skip
