"""The whole schema: its printed form, its documentation, and its form as a federation subgraph."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLDirective, GraphQLInterfaceType, GraphQLNamedType, GraphQLObjectType, build_schema

import schema as package
from schema import graph
from schema.mapping.entity import ENTITIES
from schema.mapping.totals.list_totals import LISTS

PRINTED = Path(graph.__file__).with_name("schema.graphql")
TYPES = [kind for name, kind in sorted(graph.schema._schema.type_map.items()) if not name.startswith(("__", "link__"))]


def test_the_committed_schema_is_the_schema_that_is_served() -> None:
    assert PRINTED.read_text() == graph.sdl(), "write it anew: .venv/bin/gamehub-graph schema > schema/schema.graphql"


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_everything_is_documented(kind: GraphQLNamedType) -> None:
    def missing() -> Iterator[str]:
        if not is_description(kind):
            yield kind.name
        for name, part in {**getattr(kind, "fields", {}), **getattr(kind, "values", {})}.items():
            if not is_description(part):
                yield f"{kind.name}.{name}"
            for argument_name, argument in getattr(part, "args", {}).items():
                if not is_description(argument):
                    yield f"{kind.name}.{name}({argument_name})"

    assert list(missing()) == []


def is_description(part: Any) -> bool:
    """Return whether a part of the schema has a sentence of its own, not what Python wrote: `Query()`."""
    text = part.description or ""
    return " " in text and text[0].isupper() | (text[0] in "`1") and not re.match(r"\w+\(.*\)$", text)


@pytest.mark.parametrize("directive", graph.schema._schema.directives, ids=lambda directive: directive.name)
def test_every_directive_is_documented(directive: GraphQLDirective) -> None:
    assert [name for name, part in {"": directive, **directive.args}.items() if not is_description(part)] == []


def test_the_root_says_what_it_is() -> None:
    assert graph.schema._schema.type_map["Query"].description == "The root of all queries."


def test_clients_see_no_federation() -> None:
    clients, subgraph = build_schema(graph.schema.api), graph.schema._schema
    assert "federation" not in graph.schema.api.casefold()
    names = {name for name in subgraph.type_map if not name.startswith(("_", "link__"))}
    assert {name for name in clients.type_map if not name.startswith("__")} == names
    assert clients.query_type is not None
    assert subgraph.query_type is not None
    assert set(subgraph.query_type.fields) - set(clients.query_type.fields) == {"_entities", "_service"}
    for line in graph.schema.api.splitlines():
        assert not line.lstrip().startswith("@"), line
    used = set(re.findall(r"@\w+", re.sub(r'""".*?"""', "", graph.schema.api, flags=re.DOTALL)))
    assert used == {"@oneOf", "@rows", "@specifiedBy"}


def test_every_entity_has_a_federation_key_and_a_node_id() -> None:
    entities = {"Group", "User", "Room", "Game", "Transaction", "GameLog"}
    node = graph.schema._schema.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)
    assert {kind.name for kind in graph.schema._schema.get_possible_types(node)} == entities
    for name in entities:
        assert f'type {name} implements Node @key(fields: "id") {{' in PRINTED.read_text()


def test_a_field_leads_to_every_type() -> None:
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"schema.{module.name}")
    types = [kind for kind in ENTITIES.values() if kind.__module__.startswith("schema.")]
    lost = [
        f"{kind.__name__} ({kind.__module__})" for kind in types if kind.__name__ not in graph.schema._schema.type_map
    ]
    assert lost == [], "declare a relation that leads to the type, with `pages` or `link`, in the type of its parent"


def test_every_connection_is_a_relay_connection() -> None:
    connections = [kind for kind in TYPES if kind.name.endswith("Connection") and isinstance(kind, GraphQLObjectType)]
    assert len(connections) >= 6
    for kind in connections:
        node = kind.name.removesuffix("Connection")
        fields = {name: str(field.type) for name, field in kind.fields.items()}
        added_up = {"totals": f"{node}Totals", "buckets": f"[{node}Bucket!]"} if node in LISTS else {}
        assert fields == added_up | {
            "edges": f"[{node}Edge!]!",
            "nodes": f"[{node}!]!",
            "totalCount": "Int!",
            "pageInfo": "PageInfo!",
        }


def test_no_other_distribution_owns_a_name_of_ours() -> None:
    """The index has a popular package called `schema`. Installed beside ours, it would overwrite it."""
    owners = packages_distributions()
    for name in ("queries", "resolvers", "sandbox", "schema", "server", "upstream"):
        assert set(owners.get(name, ["gamehub-graph"])) == {"gamehub-graph"}, name
