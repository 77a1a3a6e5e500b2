"""Read variables from a command line: `group=382`, `during.frame=TODAY`, `during={"frame":…}`.

The type of the variable decides how a text is read. An ID, a String or an enum is the text itself. Anything else is
JSON if possible, so that people need not quote twice.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from graphql import (
    GraphQLBoolean,
    GraphQLFloat,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLList,
    GraphQLSchema,
    OperationDefinitionNode,
    get_nullable_type,
    is_list_type,
    type_from_ast,
)
from strawberry import Schema

from server.execution import documents
from server.execution.operation import Operation
from server.execution.saved import SavedQuery

_AS_JSON = (GraphQLBoolean, GraphQLInt, GraphQLFloat)


class WrongVariable(ValueError):
    """A variable cannot be used. The text says why in one line."""


def read_variables(schema: GraphQLSchema, operation: OperationDefinitionNode, given: Sequence[str]) -> dict[str, Any]:
    """Return the values of texts `name=value`. A name may address a part with dots. Raises WrongVariable."""
    types = {
        node.variable.name.value: type_from_ast(schema, node.type) for node in operation.variable_definitions or ()
    }
    values: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise WrongVariable(f"{text!r} is not of the form name=value")
        first, *parts = name.strip().split(".")
        if first not in types:
            known = ", ".join(types) or "none"
            raise WrongVariable(f"the operation has no variable {first!r}; it has: {known}")
        kind: Any = types[first]
        place, key = values, first
        for part in parts:
            kind = _part(kind, part, name)
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise WrongVariable(f"{name} is set beside a whole value of {key}")
            key = part
        if isinstance(place.get(key), dict):
            raise WrongVariable(f"{name} is set whole and by its parts")
        place[key] = _value(kind, value)
    return values


def prepare(
    schema: Schema, saved: SavedQuery, given: Sequence[str], name: str | None
) -> tuple[Operation, dict[str, Any]]:
    """Return the operation to run, and the variables that come from its example. Raises WrongVariable.

    An invalid document is returned unchanged: its run reports what is wrong.
    """
    node = documents.prepare(schema, saved.text).operation(name)
    if node is None:
        return Operation(saved.text, name), {}
    values = read_variables(schema._schema, node, given)
    borrowed = {name: value for name, value in saved.variables.items() if name not in values}
    values |= borrowed
    absent = missing(node, values)
    if absent:
        raise WrongVariable(f"the operation needs {', '.join(absent)}: give it as --var {absent[0]}=…")
    return Operation(saved.text, name, values), borrowed


def missing(operation: OperationDefinitionNode, values: Mapping[str, Any]) -> list[str]:
    """Return the required variables without a value."""
    return [
        node.variable.name.value
        for node in operation.variable_definitions or ()
        if node.type.kind == "non_null_type"
        and node.default_value is None
        and values.get(node.variable.name.value) is None
    ]


def _part(kind: Any, part: str, name: str) -> Any:
    inner = get_nullable_type(kind)
    if not isinstance(inner, GraphQLInputObjectType):
        raise WrongVariable(f"{name}: there is nothing below {name.rsplit('.', 1)[0]}")
    if part not in inner.fields:
        raise WrongVariable(f"{name}: {inner.name} has no {part!r}; it has: {', '.join(inner.fields)}")
    return inner.fields[part].type


def _value(kind: Any, text: str) -> Any:
    inner = get_nullable_type(kind)
    if inner in _AS_JSON or isinstance(inner, GraphQLInputObjectType) or is_list_type(inner):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            if isinstance(inner, GraphQLList):
                return [_value(inner.of_type, part) for part in text.split(",")]  # ids=382,383
            return text  # the schema then reports what is wrong
    return text
