"""The walk on plain Strawberry, as its documentation teaches: types, resolvers, DataLoader, its own ASGI app."""

import datetime
from decimal import Decimal
from typing import Any

import strawberry
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader

from peers.sources import Row, Sources, amount, moment, money


@strawberry.input
class DateRange:
    from_: datetime.date = strawberry.field(name="from")
    to: datetime.date


@strawberry.input
class Period:
    dates: DateRange


@strawberry.type
class Transaction:
    id: strawberry.ID
    timestamp: datetime.datetime
    type: str
    amount: Decimal
    ticket_id: strawberry.ID | None


@strawberry.type
class GameLog:
    id: strawberry.ID
    game_code: str
    type: str
    bet: Decimal
    win: Decimal
    created_at: datetime.datetime


@strawberry.type
class TransactionConnection:
    nodes: list[Transaction]
    total_count: int


@strawberry.type
class GameLogConnection:
    nodes: list[GameLog]
    total_count: int


class Context(dict[str, Any]):
    """The sources, and the loaders of one request."""

    def __init__(self, sources: Sources) -> None:
        super().__init__()
        self.sources = sources
        self.transactions = DataLoader(self._transactions)
        self.logs = DataLoader(self._logs)

    async def _transactions(self, keys: list[tuple[int, int, str, str]]) -> list[list[Row]]:
        wholes = {rest: await self.sources.movements(*rest) for rest in {key[1:] for key in keys}}
        return [wholes[key[1:]].get(key[0], []) for key in keys]

    async def _logs(self, keys: list[tuple[str, str, str]]) -> list[list[Row]]:
        wholes = {rest: await self.sources.logs(*rest) for rest in {key[1:] for key in keys}}
        return [wholes[key[1:]].get(key[0], []) for key in keys]


Info = strawberry.Info[Context, None]


@strawberry.type
class User:
    id: strawberry.ID
    username: str | None

    @strawberry.field
    async def transactions(
        self, info: Info, during: Period, in_group: strawberry.ID, first: int = 100
    ) -> TransactionConnection:
        days = (during.dates.from_.isoformat(), during.dates.to.isoformat())
        rows = await info.context.transactions.load((int(self.id), int(in_group), *days))
        nodes = [
            Transaction(
                id=strawberry.ID(str(row["movement_id"])),
                timestamp=moment(row["timestamp"]),
                type=row["type"],
                amount=amount(row),
                ticket_id=strawberry.ID(row["ticket_id"]) if row["ticket_id"] else None,
            )
            for row in rows[:first]
        ]
        return TransactionConnection(nodes=nodes, total_count=len(rows))

    @strawberry.field
    async def game_logs(self, info: Info, during: Period, first: int = 100) -> GameLogConnection:
        days = (during.dates.from_.isoformat(), during.dates.to.isoformat())
        rows = await info.context.logs.load((self.username or "", *days))
        nodes = [
            GameLog(
                id=strawberry.ID(str(row["history_id"])),
                game_code=row["game_code"],
                type=row["type"],
                bet=money(row["bet_money"]),
                win=money(row["win_money"]),
                created_at=moment(row["created_at"]),
            )
            for row in rows[:first]
        ]
        return GameLogConnection(nodes=nodes, total_count=len(rows))


@strawberry.type
class UserConnection:
    nodes: list[User]
    total_count: int


@strawberry.type
class Group:
    id: strawberry.ID
    name: str | None

    @strawberry.field
    async def users(self, info: Info, first: int = 100) -> UserConnection:
        rows = await info.context.sources.users(int(self.id))
        nodes = [User(id=strawberry.ID(str(row["id"])), username=row["username"]) for row in rows[:first]]
        return UserConnection(nodes=nodes, total_count=len(rows))


@strawberry.type
class Query:
    @strawberry.field
    async def group(self, info: Info, id: strawberry.ID) -> Group | None:
        row = await info.context.sources.group(int(id))
        return Group(id=strawberry.ID(str(row["id"])), name=row["name"]) if row else None


class Served(GraphQL[Context, None]):
    """Strawberry's app with this context."""

    def __init__(self) -> None:
        super().__init__(strawberry.Schema(Query), graphql_ide=None)
        self._sources = Sources()

    async def get_context(self, request: Any, response: Any) -> Context:
        return Context(self._sources)


app = Served()
