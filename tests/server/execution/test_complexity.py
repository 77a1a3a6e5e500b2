"""The complexity of a document: measured by one walk, exactly, at every limit and one beyond it."""

from dataclasses import replace
from typing import Any, cast

import pytest
from graphql import GraphQLError, get_introspection_query, parse, print_ast
from graphql.language import FieldNode, FragmentDefinitionNode, FragmentSpreadNode
from hypothesis import given, settings
from hypothesis import strategies as st

from server.execution.complexity import TooComplex, check_document, check_text, check_variables
from server.execution.limits import ORDINARY, Limits
from server.execution.saved import saved_queries
from server.http.request_error import RequestError

FRAGMENTS = """
{ a: x { ...F } ... { b: y } ...Q }
fragment F on T { c: z ...G @skip(if: true) }
fragment G on T { d e { f } }
fragment Q on Query { x { y @a @b } }
"""


def refused(document: str, limits: Limits) -> str | None:
    try:
        check_document(parse(document), limits)
    except TooComplex as problem:
        return str(problem)
    return None


@pytest.mark.parametrize(
    ("limit", "found", "says"),
    [
        # x z d e f, y, and x y of Q; at the root: x, y and Q's x.
        ("fields", 8, "The operation has 8 fields; up to 7 are allowed."),
        ("root_fields", 3, "The operation has 3 fields at its root; up to 2 are allowed."),
        ("aliases", 3, "The operation has 3 aliases; up to 2 are allowed."),
        ("directives", 3, "The operation has 3 directives; up to 2 are allowed."),
        ("spreads", 3, "The operation has 3 fragment spreads; up to 2 are allowed."),
        ("depth", 3, "The operation has 3 levels of fields; up to 2 are allowed."),
        ("definitions", 4, "The document has 4 operations and fragments; up to 3 are allowed."),
        ("directives_each", 2, "One place of the document has 2 directives; up to 1 are allowed."),
    ],
)
def test_a_limit_is_met_exactly(limit: str, found: int, says: str) -> None:
    assert refused(FRAGMENTS, replace(ORDINARY, **cast(Any, {limit: found}))) is None
    assert refused(FRAGMENTS, replace(ORDINARY, **cast(Any, {limit: found - 1}))) == says


def test_introspection_has_a_depth_of_its_own() -> None:
    document = get_introspection_query()
    assert refused(document, replace(ORDINARY, depth=1)) is None
    assert refused(document, replace(ORDINARY, introspection_depth=14)) == (
        "The operation has 15 levels of introspection; up to 14 are allowed."
    )


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("{a}", 3),
        ('{ a(b: "x y \\" # {}", c: -1.5e+3) ...F }', 13),
        ('{ a(b: """x "y" \\""" { } #""") }', 8),
        ("# { { {\n{,,,a,b}\ufeff", 4),
        ('query ($a: [ID!]! = ["", """"""]) @b { c: d }', 23),
        ("{a} # a comment at the end" + "," * 24_000, 3),
    ],
)
def test_tokens_are_counted_as_the_parser_counts_them(text: str, tokens: int) -> None:
    check_text(text, replace(ORDINARY, tokens=tokens))
    parse(text, max_lexical_tokens=tokens)
    with pytest.raises(TooComplex, match=f"more than {tokens - 1} tokens"):
        check_text(text, replace(ORDINARY, tokens=tokens - 1))
    with pytest.raises(GraphQLError, match="tokens"):
        parse(text, max_lexical_tokens=tokens - 1)


def test_saved_and_introspection_tokens_are_those_of_the_parser() -> None:
    for text in (get_introspection_query(), *(saved.text for saved in saved_queries())):
        count = next(n for n in range(10, 2000) if not _more(text, n))
        parse(text, max_lexical_tokens=count)
        with pytest.raises(GraphQLError, match="tokens"):
            parse(text, max_lexical_tokens=count - 1)


def _more(text: str, tokens: int) -> bool:
    try:
        check_text(text, replace(ORDINARY, tokens=tokens))
    except TooComplex:
        return True
    return False


def test_what_grows_without_bound_is_counted_without_growing() -> None:
    chain = " ".join(f"fragment F{n} on T {{ a ...F{n + 1} ...F{n + 1} }}" for n in range(90))
    message = refused(f"{{ ...F0 }} {chain} fragment F90 on T {{ a }}", ORDINARY)
    assert message == "The operation has more than 1000000000 fields at its root; up to 50 are allowed."


def test_rings_are_found() -> None:
    for document in (
        "{ ...A } fragment A on T { ...A }",
        "{ a } fragment A on T { ...B } fragment B on T { c ...C } fragment C on T { ...A }",
        "{ ...A ...B } fragment B on T { ...C } fragment C on T { ...B } fragment A on T { a }",
    ):
        assert "spreads itself" in (refused(document, ORDINARY) or "")
    diamond = "{ ...A ...B } fragment A on T { ...C } fragment B on T { ...C ...A } fragment C on T { a }"
    assert refused(diamond, ORDINARY) is None


def test_saved_queries_are_far_below() -> None:
    half = replace(ORDINARY, fields=100, depth=10, aliases=10, directives=5, root_fields=5, spreads=20, nesting=4)
    for saved in saved_queries():
        assert refused(saved.text, half) is None


def test_variables() -> None:
    limits = replace(ORDINARY, nesting=3, values=5)
    check_variables(({"a": [[1]]}, {}), limits)
    for wrong, says in (
        ({"a": [[[1]]]}, "nested more than 3 levels"),
        ({"a": [1, 2, 3, 4, 5]}, "more than 5 values"),
        ({"a": float("inf")}, "out of range"),
        ({"a": [float("nan")]}, "out of range"),
    ):
        with pytest.raises(RequestError, match=says):
            check_variables((wrong,), limits)


# A document of fragments that spread later ones only, so that writing them out by hand ends.
@st.composite
def documents(draw: st.DrawFn) -> str:
    count = draw(st.integers(0, 4))

    def selections(later: range, depth: int) -> str:
        found = []
        for _ in range(draw(st.integers(1, 3))):
            kinds = ["field", "inline"] + (["spread"] if later else [])
            kind = draw(st.sampled_from(kinds))
            inner = selections(later, depth + 1) if depth < 3 and draw(st.booleans()) else None
            if kind == "spread":
                found.append(f"...F{draw(st.sampled_from(list(later)))}")
            elif kind == "inline":
                found.append(f"... {inner or '{ x }'}")
            else:
                found.append(draw(st.sampled_from(["a", "b: a", "c @d"])) + " " + (inner or ""))
        return "{ " + " ".join(found) + " }"

    parts = [selections(range(count), 0)]
    parts += [f"fragment F{n} on T {selections(range(n + 1, count), 0)}" for n in range(count)]
    return " ".join(parts)


@settings(max_examples=60, deadline=None)
@given(documents())
def test_it_counts_what_writing_out_would_find(document: str) -> None:
    tree = parse(document)
    fragments = {node.name.value: node for node in tree.definitions if isinstance(node, FragmentDefinitionNode)}
    fields = aliases = deepest = 0

    def write_out(selection_set: object, depth: int) -> None:
        nonlocal fields, aliases, deepest
        for node in selection_set.selections:  # type: ignore[attr-defined]
            if isinstance(node, FragmentSpreadNode):
                write_out(fragments[node.name.value].selection_set, depth)
                continue
            here = depth + isinstance(node, FieldNode)
            fields += isinstance(node, FieldNode)
            aliases += isinstance(node, FieldNode) and node.alias is not None
            deepest = max(deepest, here)
            if node.selection_set:
                write_out(node.selection_set, here)

    write_out(tree.definitions[0].selection_set, 0)  # type: ignore[attr-defined]
    free = replace(ORDINARY, root_fields=10**9, spreads=10**9, fields=10**9, directives=10**9, aliases=10**9, depth=99)
    for limit, found in (("fields", fields), ("aliases", aliases), ("depth", deepest)):
        assert refused(print_ast(tree), replace(free, **cast(Any, {limit: found}))) is None
        if found:
            assert refused(document, replace(free, **cast(Any, {limit: found - 1}))) is not None


def test_fragments_without_use_are_refused_before_validation() -> None:
    """More of them than validation would report; fewer are left to it."""

    def unused(count: int) -> str:
        return "{ a { ...F } } fragment F on T { b }" + "".join(f"fragment F{n} on T {{ c }}" for n in range(count))

    def alike(count: int) -> str:
        return "{ a { ...F } }" + "fragment F on T { b }" * count

    assert (refused(unused(20), ORDINARY), refused(alike(21), ORDINARY)) == (None, None)
    assert refused(unused(21), ORDINARY) == "The document has 21 fragments that are never used."
    assert refused(alike(22), ORDINARY) == "The document has 22 fragments of 1 names."
