"""A graph that is closed does not show its schema; errors are few, short, and cheap to find."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from schema import graph
from server.execution.documents import prepare
from server.execution.limits import ORDINARY
from tests.server import toy_schema
from tests.server.application import application
from tests.server.serving import serving

CLOSED = replace(ORDINARY, introspection=False)


@pytest.mark.parametrize(
    "query", ["{ __schema { types { name } } }", '{ __type(name: "Group") { name } }', "{ _service { sdl } }"]
)
def test_introspection_off(query: str) -> None:
    assert prepare(graph.schema, query).errors == []
    errors = prepare(graph.schema, query, CLOSED).errors
    assert errors
    assert all("ntrospection" in error["message"] for error in errors)


def test_type_names_stay() -> None:
    assert prepare(graph.schema, "{ __typename }", CLOSED).errors == []


@pytest.mark.parametrize(
    "query",
    [
        "{ grups { nodes { id } } }",
        "{ groups(frst: 1) { nodes { id } } }",
        "{ games(status: SELING) { nodes { id } } }",
        "{ games(during: {fram: TODAY}) { nodes { id } } }",
        "fragment F on Grup { id } { ...F }",
    ],
)
def test_suggestions_off(query: str) -> None:
    assert any("Did you mean" in error["message"] for error in prepare(graph.schema, query).errors)
    assert not any("Did you mean" in error["message"] for error in prepare(graph.schema, query, CLOSED).errors)


def test_suggestions_off_in_variables() -> None:
    operation: dict[str, Any] = {
        "query": "query ($s: Span) { span(span: $s) }",
        "variables": {"s": {"start": "a", "dais": 1}},
    }
    for limits, suggested in ((ORDINARY, True), (CLOSED, False)):
        with serving(application(toy_schema.schema, lambda operation: None, limits=limits)) as address:
            answer = httpx.post(f"{address}/graphql", json=operation, trust_env=False).json()
        assert "dais" in answer["errors"][0]["message"]
        assert ("Did you mean" in answer["errors"][0]["message"]) is suggested


def test_errors_are_few_and_short() -> None:
    many = prepare(graph.schema, "{ " + " ".join(f"none{n}" for n in range(50)) + " }").errors
    assert len(many) == ORDINARY.errors
    (long,) = prepare(graph.schema, "{ " + "a" * 40_000 + " }").errors
    assert len(long["message"]) < 600


def test_overlaps_have_a_budget_and_ordinary_documents_do_not_notice() -> None:
    alike = "{ groups { " + "nodes { id name } " * 20 + "} }"
    assert prepare(graph.schema, alike).errors == []
    assert prepare(graph.schema, alike, replace(ORDINARY, overlaps=10)).errors[0]["extensions"]["code"] == (
        "QUERY_TOO_COMPLEX"
    )
    differing = '{ group(id: "1") { users(first: 1) { totalCount } users(first: 2) { totalCount } } }'
    (error,) = prepare(graph.schema, differing).errors
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert "conflict" in error["message"]
