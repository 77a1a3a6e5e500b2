"""The parts of the schema that a normalising cache of a client needs: possible types, and the keys of objects.

A cache merges objects with the same key. A type that implements `Node` has a key. Objects of all other types belong to
their parent: a `Prize`, for example, has an `id`, but not all its fields have values below a ticket.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from graphql import GraphQLAbstractType, GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema, is_abstract_type
from graphql.utilities import introspection_from_schema

# Each agent of Game History numbers its logs itself, so several logs may have the same `id`.
NUMBERED_TWICE = frozenset({"GameLog"})
# The scalars of the graph that are not GraphQL's own, as they stand in JSON.
TEXTS = ("Date", "DateTime", "Decimal")


def apollo(schema: GraphQLSchema) -> str:
    """Return options of Apollo Client's `InMemoryCache`, as JSON. Its default key is `id`."""
    possible = {
        kind.name: sorted(each.name for each in schema.get_possible_types(kind)) for kind in abstract_types(schema)
    }
    embedded = {kind.name: {"keyFields": False} for kind in parts(schema) if "id" in kind.fields}
    return _json({"possibleTypes": possible, "typePolicies": embedded})


def urql(schema: GraphQLSchema) -> str:
    """Return options of urql's `cacheExchange`, as a module of JavaScript or TypeScript. Its default key is `id`."""
    keys = "".join(f"  {kind.name}: () => null,\n" for kind in parts(schema))
    return f"export const schema = {json.dumps(minified(schema))};\n\nexport const keys = {{\n{keys}}};\n"


def relay(schema: GraphQLSchema) -> str:
    """Return a configuration for relay-compiler, as JSON. Relay needs a key that is unique over all types."""
    node = schema.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)
    (key,) = node.fields
    return _json(
        {
            "src": "./src",
            "schema": "./schema.graphql",
            "language": "typescript",
            "schemaConfig": {"nodeInterfaceIdField": key, "nodeInterfaceIdVariableName": key},
            "customScalarTypes": dict.fromkeys(TEXTS, "string"),
        }
    )


def abstract_types(schema: GraphQLSchema) -> Iterator[GraphQLAbstractType]:
    """Yield the interfaces and unions, in the order of their names."""
    for _, kind in sorted(schema.type_map.items()):
        if is_abstract_type(kind) and not kind.name.startswith("__"):
            yield kind


def parts(schema: GraphQLSchema) -> Iterator[GraphQLObjectType]:
    """Yield the types whose objects have no key, in the order of their names."""
    node = schema.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)
    for name, kind in sorted(schema.type_map.items()):
        if not isinstance(kind, GraphQLObjectType) or name.startswith("__") or kind in _roots(schema):
            continue
        if node not in kind.interfaces or name in NUMBERED_TWICE:
            yield kind


def minified(schema: GraphQLSchema) -> dict[str, Any]:
    """Return the introspection of a schema without what a cache does not read, as @urql/introspection minifies it."""
    found: dict[str, Any] = introspection_from_schema(schema, descriptions=False)["__schema"]  # type: ignore[assignment]
    types = [
        _minified(kind)
        for kind in found["types"]
        if kind["kind"] in ("OBJECT", "INTERFACE", "UNION") and not kind["name"].startswith("__")
    ]
    return {
        "__schema": {
            **{name: found[name] for name in ("queryType", "mutationType", "subscriptionType")},
            "types": [*types, _ANY],
            "directives": [],
        }
    }


# It stands for all scalars, enums and inputs.
_ANY = {"kind": "SCALAR", "name": "Any"}


def _roots(schema: GraphQLSchema) -> tuple[GraphQLObjectType | None, ...]:
    return schema.query_type, schema.mutation_type, schema.subscription_type


def _minified(kind: dict[str, Any]) -> dict[str, Any]:
    small = {"kind": kind["kind"], "name": kind["name"]}
    if kind["kind"] != "UNION":
        small["fields"] = [
            {
                "name": field["name"],
                "type": _reference(field["type"]),
                "args": [{"name": each["name"], "type": _reference(each["type"])} for each in field["args"]],
            }
            for field in kind["fields"]
        ]
        small["interfaces"] = [{"kind": "INTERFACE", "name": each["name"]} for each in kind["interfaces"]]
    if kind["kind"] != "OBJECT":
        small["possibleTypes"] = [{"kind": each["kind"], "name": each["name"]} for each in kind["possibleTypes"]]
    return small


def _reference(kind: dict[str, Any]) -> dict[str, Any]:
    if kind["kind"] in ("NON_NULL", "LIST"):
        return {"kind": kind["kind"], "ofType": _reference(kind["ofType"])}
    return _ANY if kind["kind"] in ("SCALAR", "ENUM", "INPUT_OBJECT") else kind


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"


FORMS: Mapping[str, Callable[[GraphQLSchema], str]] = {"apollo": apollo, "relay": relay, "urql": urql}
