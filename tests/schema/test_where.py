"""Lists with `where`: they are the whole list, filtered, in every way to read it, and their calls."""

import decimal
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from resolvers.caller import EVERYONE, Caller
from resolvers.prediction.predict import foresee
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
async def asking(
    sandbox: Sandbox, cache: str, *, compiled: bool, caller: Caller = EVERYONE
) -> AsyncIterator[Callable[..., Any]]:
    """Yield the function that asks the graph, with an upstream of its own."""
    async with Graph(sandbox, compiled=compiled) as graph:

        async def ask(room: Any, query: str, variables: dict[str, Any]) -> Any:
            session = Session(room, graph.zone, now=graph.now, gamehub_zone=UTC, caller=caller)
            outcome = await graph.executor(session).run(Operation(query, variables=variables))
            session.close()
            assert outcome.errors == [], (query, variables)
            return outcome.data

        async with DayCache(
            graph.upstream, open_store(cache), UTC, origin=lambda: "where", now=lambda: graph.now
        ) as cached:
            yield lambda query, **variables: ask(cached, query, variables)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("cache", ["off", "memory://"])
@pytest.mark.parametrize("name", LISTS)
async def test_it_is_the_whole_list_filtered(name: str, cache: str, compiled: bool, sandbox: Sandbox) -> None:
    async with asking(sandbox, cache, compiled=compiled) as ask:
        await check_random_conditions(ask, LISTS[name], random.Random(f"{name} {cache} {compiled}"), 6)


@pytest.mark.parametrize("name", LISTS)
async def test_a_caller_of_some_groups_filters_what_it_sees(name: str, sandbox: Sandbox) -> None:
    async with asking(sandbox, "memory://", compiled=True, caller=Caller("some", frozenset({382, 383}))) as ask:
        await check_random_conditions(ask, LISTS[name], random.Random(f"{name} restricted"), 4)


async def check_random_conditions(ask: Callable[..., Any], listed: Listed, chance: random.Random, count: int) -> None:
    """Compare the list under random conditions to the whole list, filtered here."""
    whole = lists_in(await ask(listed.query(listed.selected)))
    nodes = [edge["node"] for each in whole for edge in each["edges"]]
    assert nodes
    assert all(each["totalCount"] == len(each["edges"]) for each in whole)
    for _ in range(count):
        where = random_where(chance, listed, nodes)
        found = lists_in(await ask(listed.query(listed.selected, where=True), where=where))
        expected = [[edge for edge in each["edges"] if meets(listed, edge["node"], where)] for each in whole]
        assert [each["edges"] for each in found] == expected, where
        assert [each["totalCount"] for each in found] == list(map(len, expected)), where
        # Other columns are selected, so that rows are read for the conditions alone.
        counted = lists_in(await ask(listed.query("totalCount nodes { type: __typename }", where=True), where=where))
        assert [each["totalCount"] for each in counted] == list(map(len, expected)), where


# The calls


SELECTING = {"group_id", "user_id", "bs_room_id", "id", "fkgroup", "game_type", "user_code", "status"}


def sent(calls: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the calls with the parameters that select rows, apart from the period."""
    found = []
    for call in calls:
        given = {name: value for name, value in call["params"].items() if name in SELECTING}
        found.append(" ".join([call["report"], *(f"{name}={value}" for name, value in sorted(given.items()))]))
    return sorted(found)


R2, R5, R7 = "api_bulk_games_report", "api_retail_movements", "transaction_report"
R8, R9, R11 = "api_groups_report", "api_users_report", "api_movements_external_report"
G1 = "get_game_log game_type=slot"
SENT = {
    "list: games(%s, where: {status: PLAYED, room: {eq: 1}})": (12, [f"{R2} bs_room_id=1 status=3"]),
    "list: games(%s, where: {status: PLAYED, room: {in: [1, 1]}})": (12, [f"{R2} bs_room_id=1 status=3"]),
    "list: games(%s, where: {room: {in: [1, 2]}, status: PLAYED})": (25, [f"{R2} status=3"]),
    "list: games(%s, where: {room: {eq: 99}})": (0, [f"{R2} bs_room_id=99"]),
    "list: games(%s, where: {status: UNKNOWN})": (0, [R2]),
    "list: games(%s, roomId: 1, where: {room: {eq: 2}})": (0, []),
    "list: games(%s, roomId: 1, where: {room: {eq: 1}})": (15, [f"{R2} bs_room_id=1"]),
    "list: games(%s, status: PLAYED, where: {status: SELLING})": (0, []),
    "list: games(%s, where: {configuration: {in: []}})": (0, []),
    "room(id: 1) { name list: games(%s, where: {status: PLAYED}) @@ }": (12, [f"{R2} bs_room_id=1 status=3"]),
    "group(id: 382) { list: transactions(%s, where: {group: {eq: 383}}) @@ }": (0, [f"{R8} id=382"]),
    "group(id: 383) { list: transactions(%s, where: {group: {in: [383, 1]}}) @@ }": (
        18, [f"{R5} group_id=383", f"{R8} id=383"],
    ),
    "user(id: 2053) { list: transactions(%s, where: {group: {eq: 383}}) @@ }": (
        5, [f"{R7} user_id=2053", f"{R9} id=2053"],
    ),
    "user(id: 2053) { list: transactions(%s, where: {user: {eq: 2054}}) @@ }": (0, [f"{R9} id=2053"]),
    "user(id: 2053) { list: transactions(%s, inGroup: 383, where: {group: {eq: 382}}) @@ }": (0, [f"{R9} id=2053"]),
    'group(id: 383) { list: transactions(%s, where: {currency: {startsWith: "Real"}}) @@ }': (
        18, [f"{R5} group_id=383", f"{R8} id=383", *(f"{R7} user_id={user}" for user in range(2051, 2055))],
    ),
    'list: gameLogs(%s, where: {userCode: {eq: "nobody"}})': (0, [f"{G1} user_code=nobody"]),
    'list: gameLogs(%s, where: {userCode: {eq: ""}})': (0, [G1]),
    "list: gameLogs(%s, where: {userCode: {in: []}})": (0, []),
    'list: gameLogs(%s, where: {provider: {eq: "a", in: ["b"]}})': (0, []),
    'user(id: 2053) { list: gameLogs(%s, where: {userCode: {eq: "a", in: []}}) @@ }': (0, [f"{R9} id=2053"]),
    "list: financialMovements(%s, where: {group: {eq: 382}, type: [1]})": (96, [f"{R11} group_id=382"]),
    "list: financialMovements(%s, where: {group: {eq: 999999}})": (0, [f"{R11} group_id=999999"]),
    "list: financialMovements(%s, groupId: 382, where: {group: {eq: 383}})": (0, [f"{R11} group_id=382"]),
    "list: financialMovements(%s, where: {type: []})": (0, []),
    "list: financialMovements(%s, where: {amount: {eq: 5, gt: 5}})": (0, []),
}  # fmt: skip


def asked(query: str) -> str:
    below = "{ totalCount }"
    return "{ " + (query % DURING).replace("@@", below) + ("" if "@@" in query else f" {below}") + " }"


@pytest.mark.parametrize("query", SENT)
async def test_a_condition_goes_to_the_report_that_takes_it(query: str, graph: Graph) -> None:
    count, calls = SENT[query]
    answer = await graph.ask(asked(query))
    assert answer.errors == []
    assert [each["totalCount"] for each in lists_in(answer.data)] == [count]
    assert sent(answer.calls) == sorted(calls)


async def test_a_level_reads_only_the_parents_that_the_conditions_allow(graph: Graph) -> None:
    query = "{ groups(ids: [382, 383, 384]) { nodes { id list: transactions(%s, where: {group: {in: [383]}}) @@ } } }"
    answer = await graph.ask((query % DURING).replace("@@", "{ totalCount }"))
    assert answer.errors == []
    assert [each["totalCount"] for each in lists_in(answer.data)] == [0, 18, 0]
    assert [call for call in sent(answer.calls) if call.startswith(R5)] == [f"{R5} group_id=383"]


async def test_what_is_sent_is_explained(graph: Graph) -> None:
    query = asked("list: games(%s, where: {status: PLAYED, room: {eq: 1}})")

    async def run(session: Session) -> None:
        await graph.executor(session).run(Operation(query))

    plan = (await foresee(graph.new_session(), run)).to_dict()
    assert [(part["report"], part["parameters"]) for part in plan["plan"]] == [("R2", {"bs_room_id": 1, "status": 3})]


async def test_a_prediction_takes_every_made_up_row_for_one_that_is_met(graph: Graph) -> None:
    during = DURING.replace("09:00", "11:00")
    query = f'{{ list: games({during}, where: {{paid: {{gt: "100000"}}}}) {{ nodes {{ duration }} }} }}'

    async def run(session: Session) -> None:
        await graph.executor(session).run(Operation(query))

    plan = (await foresee(graph.new_session(), run)).to_dict()
    assert [part["report"] for part in plan["plan"]] == ["R2", "R4"]
    assert plan["fewest"] == 1 < plan["calls"]


# Pages


KEEPING: dict[str, dict[str, Any]] = {
    "Query.financialMovements": {"type": [1]}, "Query.gameLogs": {"bet": {"gt": "0"}},
    "Group.transactions": {"type": {"eq": "Bingo - Wager"}}, "Query.games": {"status": "PLAYED"},
}  # fmt: skip


@pytest.mark.parametrize("name", KEEPING)
async def test_cursors_are_valid_with_and_without_conditions(name: str, graph: Graph) -> None:
    listed = LISTS[name]
    where = KEEPING[name]
    whole = lists_in(await graph.data(listed.query(listed.selected)))[0]["edges"]
    kept = [edge for edge in whole if meets(listed, edge["node"], where)]
    assert 2 < len(kept) < len(whole)
    after = kept[1]["cursor"]
    page = f'first: 2, after: "{after}"'
    selected = f"pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} {listed.selected}"
    (found,) = lists_in(await graph.data(listed.query(selected, page=page, where=True), where=where))
    assert found["edges"] == kept[2:4]
    assert found["totalCount"] == len(kept)
    assert found["pageInfo"] == {
        "hasNextPage": len(kept) > 4, "hasPreviousPage": True, "startCursor": kept[2]["cursor"],
        "endCursor": kept[2:4][-1]["cursor"],
    }  # fmt: skip
    # A cursor of a row that the conditions leave out stands where the row was.
    gone = next(place for place, edge in enumerate(whole) if edge not in kept)
    page = f'first: 1000, after: "{whole[gone]["cursor"]}"'
    (found,) = lists_in(await graph.data(listed.query(listed.selected, page=page, where=True), where=where))
    assert found["edges"] == [edge for edge in whole[gone:] if edge in kept]
    # A cursor of the filtered list leads on in the whole one.
    page = f'first: 1000, after: "{after}"'
    (found,) = lists_in(await graph.data(listed.query(listed.selected, page=page)))
    assert found["edges"] == whole[whole.index(kept[1]) + 1 :]


async def test_only_the_nodes_that_are_left_count(sandbox: Sandbox) -> None:
    during = DURING.replace("09:00", "06:00")
    async with Graph(sandbox, most_nodes=20) as graph:
        query = f"query ($where: GameWhere) {{ list: games({during}, where: $where) {{ totalCount nodes {{ id }} }} }}"
        answer = await graph.ask(query)
        assert [error["extensions"]["code"] for error in answer.errors] == ["ANSWER_TOO_LARGE"]
        data = await graph.data(query, where={"room": {"eq": "1"}, "status": "CANCELLED"})
        assert data["list"]["totalCount"] == len(data["list"]["nodes"]) <= 20


# Refusals

MANY = [str(number) for number in range(1, 10_001)]
REFUSED: list[tuple[str, Any, str]] = [
    ("TransactionWhere", {"user": {"in": MANY}},
     "where.user.in: 10000 values are too many; give up to 1000 at a time."),
    ("TransactionWhere", {"type": {"in": MANY}},
     "where.type.in: 10000 values are too many; give up to 1000 at a time."),
    ("TransactionWhere", {"user": {"eq": "abc"}},
     'where.user.eq: "abc" is not an id; ids are whole numbers, such as "382".'),
    ("TransactionWhere", {"user": {"in": ["1", "1.5"]}},
     'where.user.in: "1.5" is not an id; ids are whole numbers, such as "382".'),
    ("TransactionWhere", {"user": None}, "where.user: null is not a condition; leave `user` out instead."),
    ("TransactionWhere", {"user": {"eq": None}}, "where.user.eq: null is not a condition; leave `eq` out instead."),
    ("TransactionWhere", {"user": {"in": None}}, "where.user.in: null is not a condition; leave `in` out instead."),
    ("TransactionWhere", {"type": {"startsWith": None}},
     "where.type.startsWith: null is not a condition; leave `startsWith` out instead."),
    ("TransactionWhere", {"user": {}},
     "where.user: there is no operator; give one of eq, in, or leave the filter out."),
    ("TransactionWhere", {"type": {}},
     "where.type: there is no operator; give one of eq, in, startsWith, or leave the filter out."),
    ("TransactionWhere", {"amount": {}},
     "where.amount: there is no operator; give one of eq, lt, lte, gt, gte, or leave the filter out."),
]  # fmt: skip


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(("kind", "where", "message"), REFUSED)
async def test_a_condition_that_is_no_condition_is_refused_before_any_call(
    kind: str, where: Any, message: str, compiled: bool, sandbox: Sandbox
) -> None:
    query = f"query ($where: {kind}) {{ group(id: 383) {{ transactions({DURING}, where: $where) {{ totalCount }} }} }}"
    async with Graph(sandbox, compiled=compiled) as graph:
        answer = await graph.ask(query, where=where)
    assert [(error["message"], error["extensions"]["code"]) for error in answer.errors] == [(message, "BAD_USER_INPUT")]
    assert answer.data == {"group": {"transactions": None}}
    assert sent(answer.calls) == [f"{R8} id=383"]


@pytest.mark.parametrize("where", [None, {}])
async def test_no_condition_is_the_whole_list(where: Any, graph: Graph) -> None:
    listed = LISTS["Group.transactions"]
    whole = await graph.data(listed.query(listed.selected))
    assert await graph.data(listed.query(listed.selected, where=True), where=where) == whole


async def test_a_forgotten_variable_is_refused(graph: Graph) -> None:
    transactions = f"transactions({DURING}, where: {{user: {{eq: $id}}}}) {{ totalCount }}"
    query = f"query ($id: ID) {{ group(id: 383) {{ {transactions} }} }}"
    answer = await graph.ask(query)
    assert [error["message"] for error in answer.errors] == [
        "where.user: there is no operator; give one of eq, in, or leave the filter out."
    ]


# How values are compared


async def test_ids_are_numbers_and_decimals_are_exact(graph: Graph) -> None:
    transactions = f"transactions({DURING}, where: $where) {{ nodes {{ id amount }} }}"
    query = f"query ($where: TransactionWhere) {{ group(id: 383) {{ {transactions} }} }}"

    async def found(where: Any) -> list[Any]:
        data = await graph.data(query, where=where)
        nodes: list[Any] = data["group"]["transactions"]["nodes"]
        return nodes

    whole = await found({})
    amount = whole[0]["amount"]
    same = [node for node in whole if node["amount"] == amount]
    assert await found({"amount": {"eq": amount}}) == same
    assert await found({"amount": {"eq": f"{amount}000"}}) == same
    assert await found({"amount": {"eq": f"{amount}0000000000000000000000000001"}}) == []
    assert await found({"amount": {"lte": amount, "gte": amount}}) == same
    assert await found({"user": {"eq": "02053"}}) == await found({"user": {"eq": "2053"}}) != []
    assert await found({"type": {"eq": "bingo - wager"}}) == []
