"""Variables are coerced as graphql-core coerces them, whatever their values are."""

from itertools import product
from typing import Any

import pytest
from graphql import GraphQLError, OperationDefinitionNode, build_schema, parse
from graphql.execution.values import VariableValues, get_variable_values

from engine.variables import MOST_ERRORS, Variables

SCHEMA = build_schema(
    "enum Kind { A B } input Place { x: Int! y: Float = 2 } scalar Any type Query { a(id: ID!, place: Place): Int }"
)
TYPES = "ID! ID String Int! Int Float Boolean! Boolean [ID!] Kind Place Any Nothing".split()  # noqa: SIM905
DEFAULTS = {"Int": " = 7", "ID": ' = "seven"'}
VALUES: tuple[dict[str, Any], ...] = (
    {},
    *(
        {"v": value}
        for value in (None, "", "a", "A", 0, 1, -(2**31), 2**31 - 1, 2**31, 2**70, True, False, 1.0, 1.5, float("nan"))
    ),
    *({"v": value} for value in ([], ["a", 1], [None], {}, {"x": 1}, {"x": 1, "z": 2}, "\ud800")),
)


def node(text: str) -> OperationDefinitionNode:
    found = parse(text).definitions[0]
    assert isinstance(found, OperationDefinitionNode)
    return found


def outcome(found: VariableValues | list[GraphQLError]) -> Any:
    if isinstance(found, list):
        return [(str(error), error.message) for error in found]
    sources = {name: (source.signature.name, repr(source.value)) for name, source in found.sources.items()}
    return repr(sorted(found.coerced.items())), dict(sorted(sources.items()))


@pytest.mark.parametrize("type", [*TYPES, *(f"{name}{value}" for name, value in DEFAULTS.items())])
@pytest.mark.parametrize("given", VALUES, ids=repr)
def test_one(type: str, given: dict[str, Any]) -> None:
    operation = node(f"query ($v: {type}) {{ __typename }}")
    expected = get_variable_values(SCHEMA, operation.variable_definitions or (), given, max_errors=MOST_ERRORS)
    assert outcome(Variables(SCHEMA, operation).coerce_variable_values(given)) == outcome(expected)


def test_several_at_once() -> None:
    operation = node("query ($id: ID!, $place: Place, $n: Int, $ids: [ID!], $late: Boolean = true) { __typename }")
    variables = Variables(SCHEMA, operation)
    parts = product(("1", 1, None), ({"x": 1}, {"x": "1"}, None), (1, 2**40, "1"), (["a"], "a", [None]))
    for id, place, number, ids in parts:
        given = {"id": id, "place": place, "n": number, "ids": ids, "other": 1}
        expected = get_variable_values(SCHEMA, operation.variable_definitions or (), given, max_errors=MOST_ERRORS)
        assert outcome(variables.coerce_variable_values(given)) == outcome(expected)


@pytest.mark.parametrize("type", TYPES)
def test_values_that_come_again_are_coerced_alike(type: str) -> None:
    """Coerced values are kept. Values that look alike, such as null and NaN or 1 and true, have forms of their own."""
    operation = node(f"query($v: {type}) {{ a }}")
    variables = Variables(SCHEMA, operation)
    for given in (*VALUES, *VALUES[::-1], *VALUES):
        plain = get_variable_values(SCHEMA, operation.variable_definitions or (), given, max_errors=MOST_ERRORS)
        assert outcome(variables.coerce_variable_values(given)) == outcome(plain)
