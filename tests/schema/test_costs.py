"""The costs that federation gateways read: every field that makes calls has one, and they follow from the edges."""

import re

from graphql import GraphQLObjectType, get_named_type

from schema import graph
from schema.costs import costs

COSTS = costs(graph.schema._schema)


def weight(field: str) -> int | None:
    """Return the cost of a field."""
    found = re.search(r"@cost\(weight: (\d+)\)", " ".join(COSTS[field]))
    return int(found[1]) if found else None


def test_calls_cost_more_than_shared_calls() -> None:
    # One call for each parent: the report takes one user, group, room or game.
    for field in ("User.transactions", "Group.transactions", "Room.gamesOnSale", "Game.tickets", "Game.jackpot"):
        assert weight(field) == 10, field
    # One call for all parents of a list.
    for field in ("User.gameLogs", "Group.users", "Room.games", "GameLog.user"):
        assert weight(field) == 1, field
    # The row has it already.
    for field in ("User.username", "Transaction.user", "Game.room", "Game.prizes", "UserConnection.nodes"):
        assert weight(field) is None, field


def test_every_list_that_can_grow_has_a_size() -> None:
    for name, kind in graph.schema._schema.type_map.items():
        if not isinstance(kind, GraphQLObjectType) or name.startswith("_"):
            continue
        for field, definition in kind.fields.items():
            if get_named_type(definition.type).name.endswith("Connection"):
                (size,) = (each for each in COSTS[f"{name}.{field}"] if each.startswith("@listSize"))
                assert 'sizedFields: ["nodes", "edges"]' in size
                assert 'slicingArguments: ["first"]' in size
                assert weight(f"{name}.{field}"), f"{name}.{field}"
            if name == "Query" and not field.startswith("_"):
                assert weight(f"Query.{field}") == 10


def test_the_sizes_are_those_that_the_planner_expects() -> None:
    sizes = {
        field: int(found[1])
        for field, each in COSTS.items()
        if (found := re.search(r"assumedSize: (\d+)", " ".join(each)))
    }
    assert sizes["Group.users"] == 50
    assert sizes["User.transactions"] == sizes["User.gameLogs"] == 20
    assert sizes["Query.users"] == sizes["Group.transactions"] == 100, "a page has 100 items if `first` is not given"
    assert sizes["Query.rooms"] == 300
    assert sizes["Group.dailyMovements"] == 31
