"""The values of columns of whole lists are those of the fields, whether the rows tell them or objects are needed."""

import datetime
import decimal
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from resolvers import edges
from resolvers.key_rows import KeyRows
from resolvers.lookup import Lookup
from resolvers.session import Session
from schema.mapping.entity import ENTITIES
from schema.mapping.lists.column_values import column_values, columns_read
from schema.mapping.lists.listed import NOTHING_GIVEN, Given
from tests.graph import Graph
from upstream.reports import table as reports
from upstream.values.interval import Interval

START, END = "2026-03-15T06:00:00+00:00", "2026-03-15T12:00:00+00:00"
INTERVAL = Interval(datetime.datetime.fromisoformat(START), datetime.datetime.fromisoformat(END))
DURING = f'during: {{between: {{from: "{START}", until: "{END}"}}}}, first: 1000'
FIELDS = {"user.id": "user { id }", "group.id": "group { id }", "game.id": "game { id }", "room.id": "room { id }",
          "configuration.id": "configuration { id }"}  # fmt: skip
NUMBERS = {*FIELDS, "id"}
AMOUNTS = {"amount", "baseAmount", "bet", "win", "wagered", "paid", "cardPrice", "netWin"}


def written(name: str, value: Any) -> Any:
    """Return a value in the form in which the graph writes it."""
    if value is None:
        return None
    if name in ("timestamp", "createdAt", "startsAt"):
        moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(microseconds=value)
        return moment.isoformat()
    if name in AMOUNTS:
        assert type(value) is decimal.Decimal
        return str(value)
    if name in NUMBERS:
        assert type(value) is int
        return str(value)
    return value.name if name == "status" else value


def selected(node: Mapping[str, Any], name: str) -> Any:
    top, _, below = name.partition(".")
    return node[top] if not below or node[top] is None else node[top][below]


def as_rows(names: Sequence[str], values: Any) -> list[tuple[Any, ...]]:
    assert not isinstance(values, Exception), values
    assert list(values) == list(names)
    found = [tuple(map(written, names, row)) for row in zip(*values.values(), strict=True)]
    return sorted(found, key=repr)


def query(names: Sequence[str]) -> str:
    return "nodes { " + " ".join(FIELDS.get(name, name) for name in names) + " }"


def as_nodes(names: Sequence[str], nodes: Sequence[Any]) -> list[tuple[Any, ...]]:
    return sorted((tuple(selected(node, name) for name in names) for node in nodes), key=repr)


async def read(
    session: Session,
    kind: str,
    found: Sequence[Any],
    names: Sequence[str],
    interval: Interval | None = INTERVAL,
    given: Given = NOTHING_GIVEN,
) -> list[Any]:
    assert all(isinstance(rows, KeyRows) for rows in found)
    assert sum(map(len, found)) > 0
    return list(await column_values(ENTITIES[kind], found, names, session, interval=interval, given=given))


MOVEMENT = ["id", "timestamp", "type", "amount", "user.id", "group.id", "ticketId", "game.id"]


@pytest.mark.parametrize("names", [MOVEMENT, ["currency", "amount", "baseAmount"], ["user.id", "currency"]])
async def test_movements_of_groups(names: list[str], graph: Graph) -> None:
    of_groups = f"transactions({DURING}) {{ {query(names)} }}"
    answer = await graph.data(f"{{ groups(first: 6) {{ nodes {{ id {of_groups} }} }} }}")
    groups = answer["groups"]["nodes"]
    session = graph.new_session()
    kind, keys = ENTITIES["Transaction"], [int(group["id"]) for group in groups]
    columns = columns_read(kind, names, session)
    found = await session.rows_of(Lookup(edges.MOVEMENTS_OF_GROUP, INTERVAL), keys, columns)
    parents = [ENTITIES["Group"].of({"id": key}, session=session) for key in keys]
    values = await read(session, "Transaction", found, names, given=Given(parent="group", parents=parents))
    for group, one in zip(groups, values, strict=True):
        assert as_rows(names, one) == as_nodes(names, group["transactions"]["nodes"])


@pytest.mark.parametrize("names", [MOVEMENT, ["currency", "type", "user.id", "group.id"]])
async def test_transactions_of_users(names: list[str], graph: Graph) -> None:
    answer = await graph.data(f"{{ users(first: 9) {{ nodes {{ id transactions({DURING}) {{ {query(names)} }} }} }} }}")
    users = answer["users"]["nodes"]
    session = graph.new_session()
    keys = [int(user["id"]) for user in users]
    columns = columns_read(ENTITIES["Transaction"], names, session)
    found = await session.rows_of(Lookup(edges.TRANSACTIONS_OF_USER, INTERVAL), keys, columns)
    parents = [ENTITIES["User"].of({"id": key}, session=session) for key in keys]
    values = await read(session, "Transaction", found, names, given=Given(parent="user", parents=parents))
    for user, one in zip(users, values, strict=True):
        assert as_rows(names, one) == as_nodes(names, user["transactions"]["nodes"])


@pytest.mark.parametrize("names", [
    ["id", "status", "room.id", "configuration.id", "wagered", "paid", "startsAt"], ["netWin", "players"],
])  # fmt: skip
async def test_games(names: list[str], graph: Graph) -> None:
    during = 'during: {between: {from: "2026-03-15T11:00:00Z", until: "2026-03-15T12:00:00Z"}}, first: 1000'
    answer = await graph.data(f"{{ games({during}) {{ {query(names)} }} }}")
    session = graph.new_session()
    hour = Interval(
        datetime.datetime(2026, 3, 15, 11, tzinfo=datetime.UTC), datetime.datetime(2026, 3, 15, 12, tzinfo=datetime.UTC)
    )
    found = await session.all(reports.ROOM_GAMES, hour)
    (values,) = await read(session, "Game", [found], names, hour)
    assert as_rows(names, values) == as_nodes(names, answer["games"]["nodes"])


async def test_game_logs(graph: Graph) -> None:
    names = ["id", "createdAt", "agentCode", "userCode", "providerCode", "gameCode", "type", "bet", "win"]
    answer = await graph.data(f"{{ gameLogs({DURING}) {{ totalCount {query(names)} }} }}")
    assert answer["gameLogs"]["totalCount"] == len(answer["gameLogs"]["nodes"])
    session = graph.new_session()
    columns = columns_read(ENTITIES["GameLog"], names, session)
    found = await session.all(reports.GAME_LOGS, INTERVAL, columns=columns, game_type="slot")
    (values,) = await read(session, "GameLog", [found], names)
    assert as_rows(names, values) == as_nodes(names, answer["gameLogs"]["nodes"])


async def test_financial_movements(graph: Graph) -> None:
    names = ["timestamp", "type", "subtype", "amount", "group.id", "user.id", "game.id"]
    during = DURING.replace(START, "2026-03-15T11:00:00+00:00")
    answer = await graph.data(f"{{ financialMovements({during}) {{ totalCount {query(names)} }} }}")
    nodes = answer["financialMovements"]["nodes"]
    assert answer["financialMovements"]["totalCount"] == len(nodes)
    session = graph.new_session()
    hour = Interval(datetime.datetime(2026, 3, 15, 11, tzinfo=datetime.UTC), INTERVAL.end)
    columns = columns_read(ENTITIES["FinancialMovement"], names, session)
    found = await session.all(reports.FINANCIAL_MOVEMENTS, hour, columns=columns)
    (values,) = await read(session, "FinancialMovement", [found], names, hour)
    assert as_rows(names, values) == as_nodes(names, nodes)


async def test_an_error_stays_in_its_place(graph: Graph) -> None:
    session = graph.new_session()
    error = ValueError("no rows")
    found: list[Any] = [error, KeyRows()]
    values = await column_values(ENTITIES["Transaction"], found, ["amount"], session)
    assert values == [error, {"amount": []}]
