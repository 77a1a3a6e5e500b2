"""The floor: the walk written out by hand, without GraphQL, on the same parts as the real server."""

import datetime
import functools
import os
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import orjson
from pyreqwest.client import ClientBuilder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PAGE = 10_000
WAGER = "Bingo - Wager"


class Group(msgspec.Struct, gc=False):
    id: int
    name: str


class User(msgspec.Struct, gc=False):
    id: int
    username: str


class Movement(msgspec.Struct, gc=False):
    movement_id: int
    timestamp: int
    user_id: int
    type: str
    currency_amount: float
    ticket_id: str


class Log(msgspec.Struct, gc=False):
    history_id: int
    user_code: str
    game_code: str
    type: str
    bet_money: float
    win_money: float
    created_at: str


class Groups(msgspec.Struct, gc=False):
    report: list[Group]


class Users(msgspec.Struct, gc=False):
    report: list[User]


class Movements(msgspec.Struct, gc=False):
    report: list[Movement]


class Logs(msgspec.Struct, gc=False):
    total_count: int
    slot: list[Log]


groups, users, movements, logs = (msgspec.json.Decoder(kind) for kind in (Groups, Users, Movements, Logs))
SIXTY = [f":{number:02}" for number in range(60)]
ENDS = [f":{number:02}+00:00" for number in range(60)]


@functools.lru_cache(maxsize=1_000)
def hour(number: int) -> str:
    """How a moment in an hour since 1970 begins."""
    return datetime.datetime.fromtimestamp(number * 3600, datetime.UTC).isoformat()[:13]


def moment(at: int) -> str:
    """A moment in UTC; fewer objects than `isoformat`."""
    minutes, seconds = divmod(at, 60)
    return hour(minutes // 60) + SIXTY[minutes % 60] + ENDS[seconds]


async def report(kind: str, **params: str) -> bytes:
    parameters = {"api_token": os.environ["GAMEHUB_TOKEN"], "report_type": kind, **params}
    answer = await app.state.client.get(f"{os.environ['GAMEHUB_URL']}reports/").query(parameters).build().send()
    return await answer.bytes()


async def page_of_logs(first: str, last: str, page: int) -> Any:
    body = {
        "method": "get_game_log",
        "agent_code": os.environ["GAMELOG_AGENT_CODE"],
        "agent_token": os.environ["GAMELOG_AGENT_TOKEN"],
        "game_type": "slot",
        "start": f"{first} 00:00:00",
        "end": f"{last} 23:59:59",
        "page": page,
        "perPage": PAGE,
    }
    answer = await app.state.client.post(os.environ["GAMELOG_URL"]).body_json(body).build().send()
    return logs.decode(await answer.bytes())


async def answer(request: Request) -> Response:
    operation = orjson.loads(await request.body())
    variables, query = operation["variables"], operation["query"]
    id = variables["group"]
    (group,) = groups.decode(await report("api_groups_report", id=id)).report
    group_data: dict[str, Any] = {"id": str(group.id), "name": group.name}
    if "users" in query:
        people = users.decode(await report("api_users_report", fkgroup=id)).report
        nodes = [{"id": str(user.id), "username": user.username} for user in people[: variables["first"]]]
        if "gameLogs" in query:
            await fill(nodes, id, variables["during"]["dates"])
        group_data["users"] = {"nodes": nodes}
    return Response(orjson.dumps({"data": {"group": group_data}}), media_type="application/json")


async def fill(nodes: list[dict[str, Any]], group: str, dates: dict[str, str]) -> None:
    first, last = dates["from"], dates["to"]
    frame = {"timestamp": "range", "timestamp_range_from": first, "timestamp_range_to": last}
    moved = defaultdict(list)
    for row in movements.decode(await report("api_retail_movements", group_id=group, **frame)).report:
        kind, amount = row.type, row.currency_amount
        moved[row.user_id].append(
            {
                "id": str(row.movement_id),
                "timestamp": moment(row.timestamp),
                "type": kind,
                "amount": f"{-amount if amount and kind == WAGER else amount:.2f}",
                "ticketId": row.ticket_id or None,
            }
        )
    page = await page_of_logs(first, last, 0)
    rows = page.slot
    for number in range(1, -(-page.total_count // PAGE)):
        rows += (await page_of_logs(first, last, number)).slot
    played = defaultdict(list)
    for row in reversed(rows):
        played[row.user_code].append(
            {
                "id": str(row.history_id),
                "gameCode": row.game_code,
                "type": row.type,
                "bet": f"{row.bet_money:.2f}",
                "win": f"{row.win_money:.2f}",
                "createdAt": row.created_at[:19] + "+00:00",
            }
        )
    for node in nodes:
        transactions, own = moved[int(node["id"])], played[node["username"]]
        node["transactions"] = {"totalCount": len(transactions), "nodes": transactions}
        node["gameLogs"] = {"totalCount": len(own), "nodes": own}


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with ClientBuilder().no_proxy().build() as app.state.client:
        yield


app = Starlette(routes=[Route("/graphql", answer, methods=["POST"])], lifespan=lifespan)
