"""Caches of clients may merge objects by the keys that `gamehub-graph schema --client` prints (C31).

Everything that the sandbox has is read on every path. Objects with one key have the same value in each field.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from graphql import GraphQLField, GraphQLObjectType, get_named_type

from schema.graph import schema
from server.cli.client_schema import NUMBERED_TWICE, parts
from tests.graph import Graph
from tests.stand import Sandbox

TYPES = {kind.name: kind for kind in schema._schema.type_map.values() if isinstance(kind, GraphQLObjectType)}
WITH_ID = {name for name, kind in TYPES.items() if "id" in kind.fields and not name.startswith("_")}
# Games that are over, one that is being played, and games on sale.
DURING = '{between: {from: "2026-03-15T11:30:00Z", until: "2026-03-15T12:06:00Z"}}'
ROOTS = {
    "Game": f"games(during: {DURING})",
    "GameLog": "gameLogs(during: {frame: TODAY}, first: 20)",
    "Group": 'group(id: "382")',
    "Room": f"rooms(during: {DURING})",
    "User": "users(first: 20)",
}
LISTS = ("Game", "GameLog", "User")
WHOLE_DAYS = ("dailyMovements", "gameLogs")
# They tell nothing about the objects of a list, or lead to them once more.
LEFT_OUT = {"edges", "totals", "buckets", "totalCount", "pageInfo", "dailyTotals"}


def selection(fields: Mapping[str, GraphQLField], depth: int) -> str:
    """Return all fields, with everything below them down to a depth."""
    found = ["__typename"]
    for name, field in fields.items():
        below = get_named_type(field.type)
        given = {"during": "{frame: TODAY}" if name in WHOLE_DAYS else DURING, "first": "20"}
        arguments = ", ".join(f"{each}: {given[each]}" for each in field.args if each in given)
        if name in LEFT_OUT:
            continue
        if not isinstance(below, GraphQLObjectType):
            found.append(name)
        elif depth:
            deeper = selection(below.fields, depth - (not below.name.endswith("Connection")))
            found.append(f"{name}{f'({arguments})' if arguments else ''} {{ {deeper} }}")
    return " ".join(found)


def documents() -> Iterator[str]:
    """Yield a document for each field of the types that begin a path, because a document has limits."""
    for kind, root in ROOTS.items():
        for name, field in TYPES[kind].fields.items():
            if name not in ("id", "nodeId"):
                selected = selection({"id": TYPES[kind].fields["id"], name: field}, 3)
                yield f"{{ {root} {{ {f'nodes {{ {selected} }}' if kind in LISTS else selected} }} }}"


def objects(answer: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of an answer that has an id."""
    for each in answer if isinstance(answer, list) else answer.values():
        if isinstance(each, dict | list):
            yield from objects(each)
    if isinstance(answer, dict) and answer.get("id") is not None:
        yield answer


async def values(graph: Graph) -> tuple[Counter[str], dict[tuple[str, str, str], set[Any]]]:
    """Return how many objects of each type were read, and the values of each field by type, id and name."""
    counts: Counter[str] = Counter()
    found: dict[tuple[str, str, str], set[Any]] = defaultdict(set)
    for document in documents():
        for each in objects(await graph.data(document)):
            kind = each["__typename"]
            counts[kind] += 1
            for name, value in each.items():
                if isinstance(value, dict):
                    value = value.get("id", ...)
                elif isinstance(value, list):
                    value = ... if any(isinstance(item, dict) for item in value) else tuple(value)
                if value is not ...:
                    found[kind, each["id"], name].add(value)
    return counts, found


async def test_objects_with_one_key_have_one_value_in_each_field(graph: Graph, sandbox: Sandbox) -> None:
    counts, found = await values(graph)
    assert counts.keys() == WITH_ID
    assert all(counts[kind] > 20 for kind in WITH_ID), counts
    conflicts = {(kind, name): values for (kind, _, name), values in found.items() if len(values) > 1}
    embedded = {kind.name for kind in parts(schema._schema)}
    assert {place: values for place, values in conflicts.items() if place[0] not in embedded} == {}
    # An object without a key: a prize of a ticket does not know its call. But an id never stands for two things.
    assert conflicts.keys() == {("Prize", "callNumber"), ("Prize", "wonAtCard")}
    assert all(len(values - {None}) == 1 for values in conflicts.values())
    # A `nodeId` never stands for two objects, of whatever type.
    owners: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for (kind, id, name), ids in found.items():
        if name == "nodeId":
            for node_id in ids:
                owners[node_id].add((kind, id))
    assert {kind for each in owners.values() for kind, _ in each} == WITH_ID - embedded | NUMBERED_TWICE
    assert all(len(each) == 1 for each in owners.values())
