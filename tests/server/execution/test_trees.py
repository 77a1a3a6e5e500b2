"""Documents that are forgotten are gone: no syntax tree waits for the garbage collector."""

import asyncio
import gc
from collections.abc import Callable

from graphql import FieldNode, GraphQLError, Location, OperationDefinitionNode, Token

from engine.bounded_cache import BoundedCache
from resolvers.session import Session
from schema.graph import schema
from server.execution.documents import Documents
from server.execution.execution import Executor
from server.execution.operation import Operation
from tests.graph import Graph
from tests.stand import Sandbox


def document(number: int) -> str:
    fields = " ".join(f"a{number}x{place}: __typename" for place in range(30))
    return f"query q{number} {{ {fields} ... on Query {{ b: __typename }} }}"


def trees() -> int:
    """Return the number of parts of syntax trees in memory."""
    return sum(isinstance(each, FieldNode | Token | Location) for each in gc.get_objects())


def test_a_forgotten_document_leaves_no_tree() -> None:
    documents = Documents(schema, most=2)
    documents.prepare(document(0))
    documents.prepare(document(1))
    gc.collect()
    before = trees()
    gc.disable()
    try:
        for number in range(2, 50):
            assert documents.prepare(document(number)).errors == []
        assert trees() <= before * 1.1
    finally:
        gc.enable()


async def test_programs_are_bounded_by_the_size_of_their_documents() -> None:
    executor = Executor(schema, lambda operation: None)
    assert executor.engine is not None
    executor.engine._programs = BoundedCache(1000, 10_000)
    for number in range(50):
        assert (await executor.run(Operation(document(number)))).errors == []
    assert executor.engine._programs.size <= 10_000
    assert 5 <= len(executor.engine._programs) <= 10_000 // len(document(0))


def test_what_was_used_last_is_kept() -> None:
    kept: BoundedCache[str, int] = BoundedCache(most=3, size=10)
    for key in "abc":
        kept.keep(key, ord(key), 3)
    assert kept.get("a") == ord("a")
    kept.keep("d", 4, 3)
    assert [kept.get(key) is not None for key in "abcd"] == [True, False, True, True]
    kept.keep("e", 5, 7)
    assert (len(kept), kept.size, kept.get("e")) == (2, 10, 5)
    kept.keep("f", 6, 11)
    assert (len(kept), kept.size, kept.get("f")) == (2, 10, None)
    kept.keep("e", 7, 1)
    assert (len(kept), kept.size, kept.get("e")) == (2, 4, 7)


def kept_objects(work: Callable[[int], object]) -> float:
    """Return how many objects the garbage collector looks at after 20 more documents, for each of their fields."""
    work(0)
    gc.collect()
    gc.freeze()
    try:
        for number in range(1, 21):
            work(number)
        gc.collect()
        return len(gc.get_objects()) / 20 / 31
    finally:
        gc.unfreeze()


def test_a_kept_tree_is_small() -> None:
    """A field has a node, a place and two names."""
    documents = Documents(schema)
    assert kept_objects(lambda number: documents.prepare(document(number))) < 5


def test_a_kept_program_is_small(sandbox: Sandbox) -> None:
    """The facts about a field of the schema are made once, and not for each document."""
    with asyncio.Runner() as runner:
        graph = runner.run(Graph(sandbox).__aenter__())
        try:
            executor = graph.executor(Session(graph.upstream, graph.zone, now=graph.now))

            def run(number: int) -> None:
                fields = " ".join(f"a{number}x{place}: name" for place in range(30))
                outcome = runner.run(executor.run(Operation(f'{{ group(id: "382") {{ {fields} }} }}')))
                assert outcome.errors == []

            assert kept_objects(run) < 9
        finally:
            runner.run(graph.__aexit__(None, None, None))


def test_a_kept_tree_knows_the_places_of_its_fields() -> None:
    found = Documents(schema).prepare('{ __typename\n  group(id: "1") { id } }')
    assert found.tree is not None
    operation = found.tree.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    (typename, group) = operation.selection_set.selections
    locations = [GraphQLError("x", node).formatted["locations"] for node in (typename, group, group.arguments[0])]  # type: ignore[attr-defined]
    assert locations == [[{"line": 1, "column": 3}], [{"line": 2, "column": 3}], [{"line": 2, "column": 9}]]
    assert [one for one in gc.get_referents(typename.loc) if isinstance(one, Token) and one.value] == []
