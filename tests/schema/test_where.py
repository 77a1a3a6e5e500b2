"""Lists with `where`: they are the whole list, filtered, in every way to read it, and their calls."""

import decimal
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from resolvers.session import Session
from server.execution.operation import Operation
from tests.graph import UTC, Graph
from tests.stand import Sandbox
from upstream.caching.cache import DayCache, open_store

Node = Mapping[str, Any]
DURING = 'during: {between: {from: "2026-03-15T09:00:00Z", until: "2026-03-15T12:00:00Z"}}'
OUT = "totalCount edges { cursor node { … } }"


@dataclass(frozen=True)
class Listed:
    """A list: where it stands, what is selected of its nodes, and how each condition reads a node."""

    before: str
    after: str
    where: str
    fields: str
    columns: Mapping[str, tuple[str, Callable[[Node], Any]]]

    def query(self, selected: str, *, page: str = "first: 1000", where: bool = False) -> str:
        given = f"{page}, where: $where" if where else page
        variables = f"($where: {self.where}) " if where else ""
        return f"query {variables}{{ {self.before}({DURING}, {given}) {{ {selected} }}{self.after} }}"

    @property
    def selected(self) -> str:
        return OUT.replace("…", self.fields)


def id_of(name: str) -> Callable[[Node], Any]:
    return lambda node: node[name] and node[name]["id"]


def value_of(name: str) -> Callable[[Node], Any]:
    return lambda node: node[name]


MOVEMENT = "id timestamp type amount ticketId user { id } group { id } game { id }"
OF_MOVEMENT = {
    "type": ("String", value_of("type")), "amount": ("Decimal", value_of("amount")), "user": ("Id", id_of("user")),
    "group": ("Id", id_of("group")), "game": ("Id", id_of("game")), "ticket": ("Id", value_of("ticketId")),
}  # fmt: skip
OF_TRANSACTION = {
    name: OF_MOVEMENT[name] for name in ("type", "amount", "user", "group")
} | {"currency": ("String", value_of("currency"))}  # fmt: skip
OF_LOG = {
    "provider": ("String", value_of("providerCode")), "game": ("String", value_of("gameCode")),
    "type": ("String", value_of("type")), "userCode": ("String", value_of("userCode")),
    "bet": ("Decimal", value_of("bet")), "win": ("Decimal", value_of("win")),
}  # fmt: skip
OF_GAME = {
    "status": ("Status", value_of("status")), "room": ("Id", id_of("room")),
    "configuration": ("Id", id_of("configuration")), "wagered": ("Decimal", value_of("wagered")),
    "paid": ("Decimal", value_of("paid")),
}  # fmt: skip
OF_FINANCIAL = {
    "type": ("Ints", value_of("type")), "subtype": ("Ints", value_of("subtype")), "group": ("Id", id_of("group")),
    "user": ("Id", id_of("user")), "game": ("Id", id_of("game")), "amount": ("Decimal", value_of("amount")),
}  # fmt: skip
TRANSACTION = "id timestamp type amount currency user { id } group { id }"
LOG = "id createdAt providerCode gameCode type userCode bet win"
GAME = "id status room { id } configuration { id } wagered paid"
FINANCIAL = "timestamp type subtype amount group { id } user { id } game { id }"
LISTS = {
    "Group.transactions": Listed("group(id: 383) { list: transactions", "}", "TransactionWhere", MOVEMENT, OF_MOVEMENT),
    "groups": Listed(
        "groups(first: 5) { nodes { id list: transactions", "} }", "TransactionWhere", MOVEMENT, OF_MOVEMENT
    ),
    "User.transactions": Listed(
        "user(id: 2053) { list: transactions", "}", "TransactionWhere", TRANSACTION, OF_TRANSACTION
    ),
    "users": Listed(
        "users(first: 12) { nodes { id list: transactions", "} }", "TransactionWhere", TRANSACTION, OF_TRANSACTION
    ),
    "Query.gameLogs": Listed("list: gameLogs", "", "GameLogWhere", LOG, OF_LOG),
    "User.gameLogs": Listed("user(id: 2001) { list: gameLogs", "}", "GameLogWhere", LOG, OF_LOG),
    "logs of users": Listed("users(first: 12) { nodes { id list: gameLogs", "} }", "GameLogWhere", LOG, OF_LOG),
    "Query.games": Listed("list: games", "", "GameWhere", GAME, OF_GAME),
    "Room.games": Listed("room(id: 1) { list: games", "}", "GameWhere", GAME, OF_GAME),
    "games of rooms": Listed("rooms { id list: games", "}", "GameWhere", GAME, OF_GAME),
    "Query.financialMovements": Listed(
        "list: financialMovements", "", "FinancialMovementWhere", FINANCIAL, OF_FINANCIAL
    ),
    "Group.financialMovements": Listed(
        "group(id: 382) { list: financialMovements", "}", "FinancialMovementWhere", FINANCIAL, OF_FINANCIAL
    ),
    "movements of groups": Listed(
        "groups(first: 5) { nodes { id list: financialMovements", "} }", "FinancialMovementWhere", FINANCIAL,
        OF_FINANCIAL,
    ),
}  # fmt: skip


def lists_in(data: Any) -> list[Any]:
    """Return the values under the key `list`, in their order."""
    if isinstance(data, list):
        return [found for each in data for found in lists_in(each)]
    if not isinstance(data, dict):
        return []
    own = [data["list"]] if "list" in data else []
    return own + [found for name, each in data.items() if name != "list" for found in lists_in(each)]


COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, given: bool(value == given),
    "in": lambda value, given: value in given,
    "startsWith": lambda value, given: bool(value.startswith(given)),
    "lt": lambda value, given: bool(value < given),
    "lte": lambda value, given: bool(value <= given),
    "gt": lambda value, given: bool(value > given),
    "gte": lambda value, given: bool(value >= given),
}


def meets(listed: Listed, node: Node, where: Mapping[str, Any]) -> bool:
    """Return whether a node meets the conditions."""
    for name, condition in where.items():
        kind, read = listed.columns[name]
        value = read(node)
        if value is None:
            return False
        if not isinstance(condition, dict):
            condition = {"in" if isinstance(condition, list) else "eq": condition}
        for operator, given in condition.items():
            if kind == "Decimal":
                value, given = decimal.Decimal(value), decimal.Decimal(given)
            if not COMPARISONS[operator](value, given):
                return False
    return True


def random_condition(chance: random.Random, kind: str, values: Sequence[Any]) -> Any:
    """Return a condition that some of these values meet, or none of them."""
    some = [chance.choice(values) for _ in range(chance.randint(1, 4))]
    if kind == "Status":
        return some[0]
    if kind == "Ints":
        return some
    if kind == "Decimal":
        names = chance.sample(["lt", "lte", "gt", "gte", "eq"], chance.choice([1, 1, 1, 2]))
        return {name: f"{chance.choice(values)}{chance.choice(['', '', '0'])}" for name in names}
    operators = [{"eq": some[0]}, {"in": some}, {"in": []}, {"eq": some[0], "in": some}]
    if kind == "String":
        operators += [{"startsWith": some[0][: chance.randint(0, 3)]}, {"startsWith": some[0], "in": some}]
    return chance.choice(operators)


def random_where(chance: random.Random, listed: Listed, nodes: Sequence[Node]) -> dict[str, Any]:
    names = chance.sample(sorted(listed.columns), chance.choice([1, 1, 2, 3]))
    where = {}
    for name in names:
        kind, read = listed.columns[name]
        values = sorted({value for node in nodes if (value := read(node)) is not None}, key=str)
        if values:
            where[name] = random_condition(chance, kind, values)
    return where


@asynccontextmanager
async def asking(sandbox: Sandbox, cache: str, *, compiled: bool) -> AsyncIterator[Callable[..., Any]]:
    """Yield the function that asks the graph, with an upstream of its own."""
    async with Graph(sandbox, compiled=compiled) as graph:

        async def ask(room: Any, query: str, variables: dict[str, Any]) -> Any:
            session = Session(room, graph.zone, now=graph.now, gamehub_zone=UTC)
            outcome = await graph.executor(session).run(Operation(query, variables=variables))
            session.close()
            assert outcome.errors == [], (query, variables)
            return outcome.data

        store = open_store(cache)
        async with DayCache(graph.upstream, store, UTC, origin=lambda: "where", now=lambda: graph.now) as cached:
            yield lambda query, **variables: ask(cached, query, variables)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("cache", ["off", "memory://"])
@pytest.mark.parametrize("name", LISTS)
async def test_it_is_the_whole_list_filtered(name: str, cache: str, compiled: bool, sandbox: Sandbox) -> None:
    listed = LISTS[name]
    chance = random.Random(f"{name} {cache} {compiled}")
    async with asking(sandbox, cache, compiled=compiled) as ask:
        whole = lists_in(await ask(listed.query(listed.selected)))
        nodes = [edge["node"] for each in whole for edge in each["edges"]]
        assert nodes
        assert all(each["totalCount"] == len(each["edges"]) for each in whole)
        for _ in range(6):
            where = random_where(chance, listed, nodes)
            found = lists_in(await ask(listed.query(listed.selected, where=True), where=where))
            expected = [[edge for edge in each["edges"] if meets(listed, edge["node"], where)] for each in whole]
            assert [each["edges"] for each in found] == expected, where
            assert [each["totalCount"] for each in found] == list(map(len, expected)), where
            # Other columns are selected, so that rows are read for the conditions alone.
            count = lists_in(await ask(listed.query("totalCount nodes { type: __typename }", where=True), where=where))
            assert [each["totalCount"] for each in count] == list(map(len, expected)), where
