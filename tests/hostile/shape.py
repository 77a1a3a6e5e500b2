"""Check that an answer has the shape that the schema promises: keys, lists, nulls and leaves, by the specification."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.utilities import type_from_ast

Fields = dict[str, list[FieldNode]]

LEAVES: Mapping[str, Any] = {
    "ID": lambda value: isinstance(value, str),
    "String": lambda value: isinstance(value, str),
    "Int": lambda value: type(value) is int and -(2**31) <= value < 2**31,
    "Float": lambda value: type(value) in (int, float),
    "Boolean": lambda value: type(value) is bool,
    "Decimal": lambda value: isinstance(value, str) and re.fullmatch(r"-?\d+\.\d\d+", value),
    "DateTime": lambda value: isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)", value),
    "Date": lambda value: isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value),
}


def violations(schema: GraphQLSchema, document: DocumentNode, answer: Mapping[str, Any]) -> list[str]:
    """Where an answer is not what the schema says of the document's only operation."""
    data, errors = answer.get("data"), answer.get("errors") or []
    if data is None:
        return [] if errors else ["neither data nor errors"]
    shape = _Shape(schema, document)
    (operation,) = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    assert schema.query_type is not None
    return list(shape.object(schema.query_type, [operation.selection_set], data, ()))


class _Shape:
    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self.schema = schema
        self.fragments = {n.name.value: n for n in document.definitions if isinstance(n, FragmentDefinitionNode)}

    def object(
        self, kind: GraphQLObjectType, sets: list[SelectionSetNode], value: Any, path: tuple[Any, ...]
    ) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{path}: no object"
            return
        fields: Fields = {}
        for selections in sets:
            self.collect(kind, selections, fields)
        if list(value) != list(fields):
            yield f"{path}: members {list(value)} instead of {list(fields)}"
            return
        for key, nodes in fields.items():
            name = nodes[0].name.value
            if name == "__typename":
                if value[key] != kind.name:
                    yield f"{path}: __typename {value[key]} instead of {kind.name}"
                continue
            field = self.schema.get_field(kind, name)
            inner = [node.selection_set for node in nodes if node.selection_set]
            yield from self.value(field.type, inner, value[key], (*path, key))

    def value(self, kind: Any, sets: list[SelectionSetNode], value: Any, path: tuple[Any, ...]) -> Iterator[str]:
        if value is None:
            if is_non_null_type(kind):
                yield f"{path}: null where none may be"
            return
        kind = get_nullable_type(kind)
        if is_list_type(kind):
            if not isinstance(value, list):
                yield f"{path}: no list"
                return
            for place, item in enumerate(value):
                yield from self.value(kind.of_type, sets, item, (*path, place))
        elif is_leaf_type(kind):
            if not (value in kind.values if isinstance(kind, GraphQLEnumType) else LEAVES[kind.name](value)):
                yield f"{path}: {value!r} is no {kind.name}"
        elif isinstance(kind, GraphQLObjectType):
            yield from self.object(kind, sets, value, path)
        else:  # of which type it is, only `__typename` could show
            if not isinstance(value, dict):
                yield f"{path}: no object"

    def collect(
        self, kind: GraphQLObjectType, selections: SelectionSetNode, fields: dict[str, list[FieldNode]]
    ) -> None:
        for node in selections.selections:
            if isinstance(node, FieldNode):
                fields.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
                continue
            target: Any = self.fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
            condition = target.type_condition
            wanted = get_named_type(type_from_ast(self.schema, condition)) if condition else kind
            if wanted is kind or (not isinstance(wanted, GraphQLObjectType) and self.schema.is_sub_type(wanted, kind)):
                self.collect(kind, target.selection_set, fields)
