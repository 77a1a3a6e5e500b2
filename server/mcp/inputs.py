"""Describe the variables of an operation as JSON Schema."""

from collections.abc import Mapping
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLSchema,
    NonNullTypeNode,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableNode,
    Visitor,
    get_nullable_type,
    is_list_type,
    is_non_null_type,
    type_from_ast,
    value_from_ast_untyped,
    visit,
)

_SCALARS: Mapping[str, Mapping[str, Any]] = {
    "Int": {"type": "integer"},
    "Float": {"type": "number"},
    "Boolean": {"type": "boolean"},
    "String": {"type": "string"},
    "ID": {"type": "string"},
    "Date": {"type": "string", "format": "date"},
    "DateTime": {"type": "string", "format": "date-time"},
    "Decimal": {"type": "string", "description": "A decimal number as a text."},
}


def variables_schema(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, example: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the JSON Schema of the variables of an operation. Types of input objects stand in `$defs`.

    A variable has the description of the argument that it is given to.
    """
    types: dict[str, Any] = {}
    meant = _Meaning(TypeInfo(schema))
    visit(document, TypeInfoVisitor(meant.types, meant))
    properties: dict[str, Any] = {}
    required = []
    for node in operation.variable_definitions or ():
        name = node.variable.name.value
        found = _described(meant.of.get(name), _of(type_from_ast(schema, node.type), types))
        if node.default_value is not None:
            found = found | {"default": value_from_ast_untyped(node.default_value)}
        elif isinstance(node.type, NonNullTypeNode):
            required.append(name)
        properties[name] = found
    described: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        described["required"] = required
    if types:
        described["$defs"] = types
    # References to other answers (`@…`) are no values.
    if example and not any(isinstance(value, str) and value.startswith("@") for value in example.values()):
        described["examples"] = [dict(example)]
    return described


class _Meaning(Visitor):
    """Find the descriptions of the arguments that variables are given to."""

    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self.types = types
        self.of: dict[str, str] = {}

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        argument = self.types.get_argument()
        if argument is not None and argument.description:
            self.of.setdefault(node.name.value, argument.description)


def _of(kind: Any, types: dict[str, Any]) -> dict[str, Any]:
    kind = get_nullable_type(kind)
    if is_list_type(kind):
        return {"type": "array", "items": _of(kind.of_type, types)}
    if isinstance(kind, GraphQLEnumType):
        return _described(kind.description, {"type": "string", "enum": list(kind.values)})
    if isinstance(kind, GraphQLInputObjectType):
        if kind.name not in types:
            types[kind.name] = {}  # a type may contain itself
            types[kind.name] = _object(kind, types)
        return {"$ref": f"#/$defs/{kind.name}"}
    return dict(_SCALARS.get(kind.name, {}))


def _object(kind: GraphQLInputObjectType, types: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "object",
        "properties": {
            name: _described(field.description, _of(field.type, types)) for name, field in kind.fields.items()
        },
        "additionalProperties": False,
    }
    required = [name for name, field in kind.fields.items() if is_non_null_type(field.type)]
    if required:
        found["required"] = required
    if kind.is_one_of:
        found |= {"minProperties": 1, "maxProperties": 1}
    return _described(kind.description, found)


def _described(description: str | None, found: dict[str, Any]) -> dict[str, Any]:
    return {"description": description.strip(), **found} if description else found
