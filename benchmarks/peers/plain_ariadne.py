"""The walk on Ariadne, schema first, with aiodataloader."""

from pathlib import Path
from typing import Any

from aiodataloader import DataLoader
from ariadne import ObjectType, QueryType, ScalarType, make_executable_schema
from ariadne.asgi import GraphQL

from peers.sources import Row, Sources, amount, moment, money

sources = Sources()
query, group, user = QueryType(), ObjectType("Group"), ObjectType("User")
scalars = [ScalarType("Decimal", serializer=str), ScalarType("DateTime", serializer=lambda value: value.isoformat())]


class Transactions(DataLoader[tuple[int, int, str, str], list[Row]]):
    async def batch_load_fn(self, keys: list[tuple[int, int, str, str]]) -> list[list[Row]]:
        wholes = {rest: await sources.movements(*rest) for rest in {key[1:] for key in keys}}
        return [wholes[key[1:]].get(key[0], []) for key in keys]


class Logs(DataLoader[tuple[str, str, str], list[Row]]):
    async def batch_load_fn(self, keys: list[tuple[str, str, str]]) -> list[list[Row]]:
        wholes = {rest: await sources.logs(*rest) for rest in {key[1:] for key in keys}}
        return [wholes[key[1:]].get(key[0], []) for key in keys]


@query.field("group")
async def resolve_group(_: Any, info: Any, id: str) -> Row | None:
    return await sources.group(int(id))


@group.field("users")
async def resolve_users(parent: Row, info: Any, first: int) -> Row:
    rows = await sources.users(parent["id"])
    return {"nodes": rows[:first], "totalCount": len(rows)}


@user.field("transactions")
async def resolve_transactions(parent: Row, info: Any, during: Row, inGroup: str, first: int) -> Row:
    days = during["dates"]["from"], during["dates"]["to"]
    rows = await info.context["transactions"].load((parent["id"], int(inGroup), *days))
    nodes = [
        {
            "id": row["movement_id"],
            "timestamp": moment(row["timestamp"]),
            "type": row["type"],
            "amount": amount(row),
            "ticketId": row["ticket_id"] or None,
        }
        for row in rows[:first]
    ]
    return {"nodes": nodes, "totalCount": len(rows)}


@user.field("gameLogs")
async def resolve_logs(parent: Row, info: Any, during: Row, first: int) -> Row:
    days = during["dates"]["from"], during["dates"]["to"]
    rows = await info.context["logs"].load((parent["username"], *days))
    nodes = [
        {
            "id": row["history_id"],
            "gameCode": row["game_code"],
            "type": row["type"],
            "bet": money(row["bet_money"]),
            "win": money(row["win_money"]),
            "createdAt": moment(row["created_at"]),
        }
        for row in rows[:first]
    ]
    return {"nodes": nodes, "totalCount": len(rows)}


schema = make_executable_schema((Path(__file__).parent / "schema.graphql").read_text(), query, group, user, *scalars)
app = GraphQL(
    schema,
    context_value=lambda request, data=None: {"transactions": Transactions(), "logs": Logs()},
    introspection=False,
    explorer=None,
)
