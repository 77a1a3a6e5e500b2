"""Each field of a game has one value, whatever path leads to the game and whatever else is selected."""

from typing import Any

import pytest
from graphql import GraphQLObjectType, get_named_type

from schema.graph import schema
from tests.graph import Graph
from tests.stand import Sandbox

# Games that are over, one that is being played, and games on sale.
DURING = '{between: {from: "2026-03-15T11:50:00Z", until: "2026-03-15T12:06:00Z"}}'
PATHS = {
    "games": f"games(during: {DURING}) {{ nodes {{ id %s }} }}",
    "room.games": f'room(id: "1") {{ games(during: {DURING}) {{ nodes {{ id %s }} }} }}',
    "room.gamesOnSale": f'room(id: "1") {{ gamesOnSale(during: {DURING}) {{ id %s }} }}',
    "transaction.game": f'group(id: "382") {{ transactions(during: {DURING}) {{ nodes {{ game {{ id %s }} }} }} }}',
}  # fmt: skip


def selection(kind: Any, depth: int = 3) -> str:
    """Return everything below a type, except other entities and what is equal for all."""
    fields = []
    for name, field in kind.fields.items():
        below = get_named_type(field.type)
        if name in ("id", "nodeId", "room", "user", "group", "sellerGroup", "soldBy", "paidBy") or field.args:
            continue
        if isinstance(below, GraphQLObjectType):
            if depth:
                fields.append(f"{name} {{ {selection(below, depth - 1)} }}")
        else:
            fields.append(name)
    return " ".join(fields or ["__typename"])


def fields() -> dict[str, str]:
    """Return each field of a game, with everything below it."""
    game = schema._schema.type_map["Game"]
    assert isinstance(game, GraphQLObjectType)
    found = {}
    for name, field in game.fields.items():
        below = get_named_type(field.type)
        if name in ("nodeId", "room", "tickets") or field.args:
            continue
        found[name] = f"{name} {{ {selection(below)} }}" if isinstance(below, GraphQLObjectType) else name
    return found


def games(answer: Any) -> dict[str, Any]:
    """Return every game of an answer, by its id."""
    if isinstance(answer, list):
        return {id: game for each in answer for id, game in games(each).items()}
    if not isinstance(answer, dict):
        return {}
    if "id" in answer and "room" not in answer and "games" not in answer and "gamesOnSale" not in answer:
        return {answer["id"]: answer}
    return {id: game for each in answer.values() for id, game in games(each).items()}


@pytest.mark.parametrize("compiled", [False, True])
async def test_no_field_depends_on_the_path_or_on_its_neighbours(sandbox: Sandbox, compiled: bool) -> None:
    async with Graph(sandbox, compiled=compiled) as graph:
        everything = " ".join(fields().values())
        whole = games(await graph.data(f"{{ {PATHS['games'] % everything} }}"))
        assert {"PLAYED", "SELLING"} <= {game["status"] for game in whole.values()}
        for name, selected in fields().items():
            paths = " ".join(f"p{number}: {path % selected}" for number, path in enumerate(PATHS.values()))
            by_id = " ".join(f'g{id}: game(id: "{id}") {{ id {selected} }}' for id in whole)
            for query in (paths, by_id):
                found = games(await graph.data(f"{{ {query} }}"))
                assert found
                for id, game in found.items():
                    if id in whole:
                        assert (name, game[name]) == (name, whole[id][name])
