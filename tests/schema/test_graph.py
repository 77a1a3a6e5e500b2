"""The whole schema: its printed form, its documentation, and its form as a federation subgraph."""

import importlib
import pkgutil
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from graphql import GraphQLInterfaceType, GraphQLNamedType, GraphQLObjectType

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
        if not kind.description:
            yield kind.name
        for name, field in getattr(kind, "fields", {}).items():
            if not field.description:
                yield f"{kind.name}.{name}"
            for argument_name, argument in getattr(field, "args", {}).items():
                if not argument.description:
                    yield f"{kind.name}.{name}({argument_name})"

    if kind.name != "_FieldSet":  # federation's own
        assert list(missing()) == []


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
