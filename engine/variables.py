"""Coerce the variables of an operation. A plain value is taken as it is; graphql-core coerces the others.

Clients send the same periods and filters again and again. So the coerced form of the last values is kept.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from graphql import (
    GraphQLBoolean,
    GraphQLError,
    GraphQLID,
    GraphQLInt,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLString,
    OperationDefinitionNode,
    Undefined,
    VariableDefinitionNode,
    get_nullable_type,
)
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource, get_variable_values

from engine.bounded_cache import BoundedCache

MOST_ERRORS = 50
# The last values of an operation whose coerced form is kept, and the largest sum of their bytes.
MOST_KNOWN = 16
MOST_KNOWN_BYTES = 4_096
_INT32 = range(-(1 << 31), 1 << 31)
# The class whose values the scalar leaves as they are. An Int must also fit into 32 bits.
_PLAIN: Mapping[Any, type] = {GraphQLID: str, GraphQLString: str, GraphQLInt: int, GraphQLBoolean: bool}


class Variables:
    """The way to coerce the variables of one operation."""

    __slots__ = ("_known", "_nodes", "_others", "_plain", "_schema")

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode) -> None:
        self._schema = schema
        self._nodes = tuple(operation.variable_definitions or ())
        self._others: tuple[VariableDefinitionNode, ...] = ()
        # By the JSON of the values, which also distinguishes 1, 1.0 and true.
        self._known: BoundedCache[bytes, tuple[dict[str, Any], VariableValues]]
        self._known = BoundedCache(MOST_KNOWN, MOST_KNOWN_BYTES)
        self._plain: list[tuple[str, Any, type, bool]] = []
        for node in self._nodes:
            signature = get_variable_signature(schema, node)
            kind = None if isinstance(signature, GraphQLError) else _PLAIN.get(get_nullable_type(signature.type))
            if kind is None or node.default_value is not None:
                self._others += (node,)
            else:
                assert not isinstance(signature, GraphQLError)
                required = isinstance(signature.type, GraphQLNonNull)
                self._plain.append((signature.name, signature, kind, required))

    def coerce_variable_values(self, given: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
        """Return the coerced values, or the errors in them."""
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for name, signature, kind, required in self._plain:
            value = given.get(name, Undefined)
            if value.__class__ is kind and (kind is not int or value in _INT32):
                sources[name] = VariableValueSource(signature, value)
                coerced[name] = value
            elif required or not (value is None or value is Undefined):
                return self._coerced(self._nodes, given)
            else:
                sources[name] = VariableValueSource(signature, value)
                if value is None:
                    coerced[name] = None
        if self._others:
            others = self._coerced_others(given)
            if isinstance(others, list):
                return others
            sources |= others.sources
            coerced |= others.coerced
        return VariableValues(sources, coerced)

    def _coerced_others(self, given: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
        names = [node.variable.name.value for node in self._others]
        values = {name: given[name] for name in names if name in given}
        try:
            place = orjson.dumps(values)
        except TypeError:  # the values did not come from JSON
            return self._coerced(self._others, given)
        found = self._known.get(place)
        if found is not None and found[0] == values:  # JSON has the same text for null and NaN
            return found[1]
        coerced = self._coerced(self._others, given)
        if isinstance(coerced, VariableValues):
            self._known.keep(place, (values, coerced), len(place))
        return coerced

    def _coerced(
        self, nodes: tuple[VariableDefinitionNode, ...], given: Mapping[str, Any]
    ) -> VariableValues | list[GraphQLError]:
        return get_variable_values(self._schema, nodes, dict(given), max_errors=MOST_ERRORS)
