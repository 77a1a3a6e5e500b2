"""Documents that are forgotten are gone: no syntax tree waits for the garbage collector."""

import gc

from graphql import FieldNode, Location, Token

from engine.kept import Kept
from schema.graph import schema
from server.documents import Documents
from server.execution import Executor
from server.operation import Operation


def document(number: int) -> str:
    fields = " ".join(f"a{number}x{place}: __typename" for place in range(30))
    return f"query q{number} {{ {fields} ... on Query {{ b: __typename }} }}"


def trees() -> int:
    """How many parts of syntax trees there are in memory."""
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
    executor.engine._programs = Kept(1000, 10_000)
    for number in range(50):
        assert (await executor.run(Operation(document(number)))).errors == []
    assert executor.engine._programs.size <= 10_000
    assert 5 <= len(executor.engine._programs) <= 10_000 // len(document(0))


def test_what_was_used_last_is_kept() -> None:
    kept: Kept[str, int] = Kept(most=3, size=10)
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
