"""The oracle's two upstream systems, over real HTTP: GameHub's reports and the Game History log of any business.

One process serves many businesses, each below a path of its own. Parameters are checked as strictly as the documents
allow; `complaints` holds what a correct client never sends.
"""

import asyncio
import datetime
import re
import socket
import threading
import time
import traceback
import unicodedata
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl
from zlib import crc32
from zoneinfo import ZoneInfo

import orjson
import uvicorn

from tests.oracle.business import (
    ADMIN,
    NORTH,
    ROOMS,
    STATUSES,
    Business,
    Financial,
    Game,
    Log,
    Movement,
    User,
    Win,
)

TOKEN = "oracle-token-1"
AGENT_TOKENS = {ADMIN: "oracle-admin", NORTH: "oracle-north"}


@dataclass
class System:
    """The choices of one pair of upstream systems where the documents leave something open."""

    business: Business
    zone: ZoneInfo
    log_zone: ZoneInfo
    loose: bool = False  # names and codes are compared without case, accents and trailing blanks
    exact: bool = True  # Game History compares `end` with milliseconds; otherwise to the second
    texts: bool = False  # ids are texts
    numbers: bool = False  # money is a JSON number
    empty: str = "10002"  # or "list"
    failing: int = 0  # so many percent of the different calls fail, each time they are made
    seed: str = ""  # says which calls
    complaints: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)

    def fails(self, call: Iterable[tuple[str, object]]) -> bool:
        """Return whether a call fails."""
        return crc32(f"{self.seed} {sorted(call)}".encode()) % 100 < self.failing


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, code: str) -> None:
        self.status, self.code = status, code


def fold(name: str) -> str:
    """A name as a loose comparison sees it."""
    letters = unicodedata.normalize("NFD", name.rstrip(" ").casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


_REPORTS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], str | None]] = {
    "users_report": ("reports", ("groupid",), (), "timestamp"),
    "api_bulk_games_report": ("reports", (), ("bs_room_id", "status", "per_page"), "starts_at"),
    "api_retail_game_details": ("reports", ("id",), (), None),
    "api_retail_game_details_simplified": ("reports", ("id",), (), None),
    "api_retail_movements": ("reports", ("group_id",), (), "timestamp"),
    "api_selling_and_preselling_games_report": ("reports", ("bs_room_id",), (), "starts_at"),
    "transaction_report": ("reports", ("user_id",), ("per_page",), "timestamp"),
    "api_groups_report": ("reports", (), ("id",), None),
    "api_users_report": ("reports", (), ("id", "username", "fkgroup"), None),
    "progressive_jackpot_summary": ("reports", (), (), None),
    "api_movements_external_report": ("group_reports", (), ("group_id", "per_page"), "timestamp"),
}
_UNKNOWN = {
    ("users_report", "groupid"): "10011",
    ("api_retail_movements", "group_id"): "10011",
    ("api_movements_external_report", "group_id"): "10011",
    ("api_groups_report", "id"): "10011",
    ("api_users_report", "fkgroup"): "10011",
    ("api_users_report", "id"): "10013",
    ("transaction_report", "user_id"): "10013",
    ("api_bulk_games_report", "bs_room_id"): "10014",
    ("api_selling_and_preselling_games_report", "bs_room_id"): "10014",
    ("api_retail_game_details", "id"): "10016",
    ("api_retail_game_details_simplified", "id"): "10016",
}

Wall = tuple[datetime.datetime, datetime.datetime]


class Upstreams:
    """Both systems of any number of businesses, on one free loopback port."""

    def __init__(self) -> None:
        self.systems: dict[str, System] = {}

    def add(self, name: str, system: System) -> None:
        """Serve a system below /name."""
        self.systems[name] = system

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(self._serve, interface="asgi3", lifespan="off", ws="none", log_level="critical")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()

    async def _serve(
        self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        name, _, path = scope["path"].removeprefix("/").partition("/")
        system = self.systems[name]
        try:
            if path == "log":
                status, answer = 200, GameHistory(system).answer(orjson.loads(body))
            else:
                status, answer = 200, GameHub(system).answer(path, scope["query_string"].decode())
        except Refused as refused:
            status, answer = refused.status, {"error": True, "code": refused.code, "message": "No."}
        except Exception:
            # Only a fault of this file comes here; the runner reports it.
            system.complaints.append(traceback.format_exc())
            status, answer = 500, {}
        await asyncio.sleep(0)
        headers = [(b"content-type", b"application/json")]
        body = orjson.dumps(answer)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _loosely(system: System, a: str, b: str) -> bool:
    return fold(a) == fold(b) if system.loose else a == b


class GameHub:
    """Answers the reports R1 to R11."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.business = system.business

    def answer(self, path: str, query: str) -> dict[str, Any]:
        """The body of an answer. Raises Refused."""
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
        params = dict(pairs)
        if len(params) != len(pairs):
            self._complain(f"a parameter twice: {query}")
        if params.pop("api_token", None) != TOKEN:
            raise Refused(401, "00001")
        report = params.pop("report_type", "")
        allowed = _REPORTS.get(report)
        if allowed is None or path != f"api/v1/{allowed[0]}/":
            self._complain(f"no report {report!r} at {path}")
            raise Refused(404, "10000")
        self.system.calls[report] += 1
        if self.system.fails(pairs):
            raise Refused(400, "20000")
        _, required, optional, name = allowed
        wall = self._frame(report, name, params) if name else None
        if set(params) - {*required, *optional} or set(required) - set(params):
            self._complain(f"{report} was sent {sorted(params)}")
            raise Refused(422, "10002")
        if "per_page" in optional and params.pop("per_page", None) != "-1":
            self._complain(f"{report}: per_page is not -1")
        for key, value in params.items():
            if key != "username" and not re.fullmatch("[1-9][0-9]{0,18}", value, re.ASCII):
                self._complain(f"{report}: {key}={value}")
                raise Refused(422, "10017")
            code = _UNKNOWN.get((report, key))
            if code is not None and not self._known(code, int(value)):
                raise Refused(422, code)
        rows = getattr(self, f"_{report}")(params, wall)
        if rows in ([], None) and self.system.empty == "10002":
            raise Refused(422, "10002")
        if rows is None:
            rows = []
        body: dict[str, Any] = {"error": False, "Report" if report == "users_report" else "report": rows}
        if report == "api_users_report":
            body["break"] = False
        return body

    def _complain(self, text: str) -> None:
        self.system.complaints.append(text)

    def _known(self, code: str, id: int) -> bool:
        business = self.business
        return {
            "10011": business.group(id) is not None,
            "10013": business.user(id) is not None,
            "10014": id in ROOMS,
            "10016": business.game(id) is not None,
        }[code]

    def _frame(self, report: str, name: str, params: dict[str, str]) -> Wall:
        kind = params.pop(name, "")
        parts = {key.removeprefix(f"{name}_range_"): params.pop(key) for key in list(params) if key.startswith(name)}
        names = {"range": {"from", "to"}, "datetime_range": {"from", "to", "from_time", "to_time"}}.get(kind)
        if parts.keys() != names:
            self._complain(f"{report}: the frame {kind} has {sorted(parts)}")
            raise Refused(422, "10012")
        first = datetime.datetime.strptime(f"{parts['from']} {parts.get('from_time', '00:00:00')}", "%Y-%m-%d %H:%M:%S")
        last = datetime.datetime.strptime(f"{parts['to']} {parts.get('to_time', '23:59:59')}", "%Y-%m-%d %H:%M:%S")
        if first > last:
            self._complain(f"{report}: a frame from {first} to {last}")
        return first, last

    def _in(self, at: datetime.datetime, wall: Wall | None) -> bool:
        assert wall is not None
        return wall[0] <= at.astimezone(self.system.zone).replace(tzinfo=None, microsecond=0) <= wall[1]

    # How values are written.

    def _id(self, id: int | None) -> Any:
        if id is None:
            return ""
        return str(id) if self.system.texts else id

    def _money(self, amount: str) -> Any:
        return orjson.Fragment(amount) if self.system.numbers else amount

    def _user(self, id: int | None, bare: bool = False) -> dict[str, Any]:
        user = self.business.user(id)
        if user is None:
            return {"user_id": ""}
        return {"user_id": self._id(id), **self._external("user", user.external, bare)}

    def _group(self, id: int, bare: bool = False, prefix: str = "") -> dict[str, Any]:
        group = self.business.group(id)
        assert group is not None
        found: dict[str, Any] = {f"{prefix}group_id": self._id(id)}
        if group.external is not None and not bare:
            found[f"external_{prefix}group_id"] = group.external
        return found

    def _external(self, what: str, external: str | None, bare: bool = False) -> dict[str, Any]:
        return {} if external is None or bare else {f"external_{what}_id": external}

    # The reports, in the order of the document.

    def _users_report(self, params: dict[str, str], wall: Wall) -> list[dict[str, Any]]:
        id = int(params["groupid"])
        group = self.business.group(id)
        assert group is not None
        return [
            {
                "timestamp": row.day.isoformat(), **self._group(id), "group_name": group.name,
                "total_wagers_real": self._money(row.wagers), "total_wins_real": self._money(row.wins),
                "total_refunds_real": self._money(row.refunds), "total_paid": self._money(row.paid),
                "total_paid_tickets": row.tickets, "net": self._money(row.net),
            }
            for row in reversed(self.business.daily())
            if row.group == id and wall[0].date() <= row.day <= wall[1].date()
        ]  # fmt: skip

    def _api_bulk_games_report(self, params: dict[str, str], wall: Wall) -> list[dict[str, Any]]:
        games = [game for game in self.business.games if self._in(game.starts, wall)]
        if "bs_room_id" in params:
            games = [game for game in games if game.room == int(params["bs_room_id"])]
        if "status" in params:
            games = [game for game in games if game.status == int(params["status"])]
        return [self._bulk(game) for game in games[::-1]]

    def _bulk(self, game: Game) -> dict[str, Any]:
        found = {
            "id": self._id(game.id), "room_id": self._id(game.room),
            "game_configuration_id": self._id(game.configuration[0]),
            "game_configuration_name": game.configuration[1], "game_configuration_key": game.configuration[2],
            "status": game.status, "status_name": STATUSES[game.status][1].title(),
            "card_price": self._money(game.card_price),
            "cards_bought": game.cards, "wagered": self._money(game.wagered), "paid": self._money(game.paid),
            "prizes": [
                {"id": self._id(p.id), "prize_name": p.name, "paid": self._money(p.amount), "call_number": p.call}
                for p in game.prizes
            ],
            "winners": self._winners(game),
            "starts_at": int(game.starts.timestamp()),
            "finished_at": None if game.ends is None else int(game.ends.timestamp()),
        }  # fmt: skip
        if game.room != 2:
            found["room_name"] = ROOMS[game.room]
        return found

    def _winners(self, game: Game) -> list[dict[str, Any]]:
        found = []
        for prize in game.prizes:
            user = self.business.user(prize.win.user)
            assert user is not None
            found.append(
                {
                    "user_name": user.name, **self._user(user.id, bare=prize.call % 5 == 0), "card_id": prize.win.card,
                    "call_number": prize.win.call, "card_holder_name": f"{user.name} *", "ticket_id": 0,
                    "prize_name": prize.name,
                }
            )  # fmt: skip
        return found

    def _ticket_win(self, win: Win) -> dict[str, Any]:
        return {
            "ticket_id": win.ticket, "amount_won": self._money(win.amount), **self._user(win.user),
            **self._group(win.group),
        }  # fmt: skip

    def _api_retail_game_details(self, params: dict[str, str], wall: None) -> dict[str, Any] | None:
        game = self.business.game(int(params["id"]))
        assert game is not None
        jackpot: Any = False
        if game.jackpot is not None:
            jackpot = {
                "name": game.jackpot.name, "pjp_winnable_until_call": game.jackpot.until,
                "winners": [self._ticket_win(win) for win in game.jackpot.wins],
            }  # fmt: skip
        return {
            "game_id": self._id(game.id), "room_name": ROOMS[game.room], "game_variant": game.variant,
            "room_id": self._id(game.room), "game_configuration_id": self._id(game.configuration[0]),
            "paid": self._money(game.paid), "configuration": game.configuration[1],
            "configuration_key": game.configuration[2], "available_balls": game.available, "balls_delay": game.delay,
            "jackpot_build_method": game.method, "progressive_jackpot": jackpot,
            "starts_at": int(game.starts.timestamp()),
            "ends_at": None if game.ends is None else int(game.ends.timestamp()), "players": game.players,
            "cards_bought": game.cards, "wagered": self._money(game.wagered),
            "wagers_to_prizes": self._money(game.to_prizes), "wagers_to_pjp": self._money(game.to_jackpot),
            "pjp_percentage": self._money(game.percentage), "profit": self._money(game.profit),
            "card_price": self._money(game.card_price), "status_id": game.status,
            "status_name": STATUSES[game.status][1],
            "prizes": [
                {
                    "id": self._id(p.id), "prize_name": p.name, "paid": self._money(p.amount),
                    "bs_user_bought_strip_id": p.strip, "won_at_card": p.at_card, "call_number": p.call,
                    "winners": [self._ticket_win(p.win)],
                }
                for p in game.prizes
            ],
            "tickets": [self._ticket(ticket) for ticket in game.tickets],
            "winners": self._winners(game), "balls": list(game.balls),
        }  # fmt: skip

    def _ticket(self, ticket: Any) -> dict[str, Any]:
        def party(known: tuple[int, int] | None) -> Any:
            return [] if known is None else {**self._user(known[0]), **self._group(known[1])}

        return {
            "ticket_id": ticket.id, "created_at": int(ticket.at.timestamp()),
            **self._group(ticket.seller, prefix="seller_"),
            "win_info": [
                {
                    "prizes": {
                        str(id): {"id": id, "name": name, "amount": self._money(amount)} for id, name, amount in won
                    } or [],
                    "card_id": card,
                }
                for card, won in ticket.wins
            ],
            "pay_info": party(ticket.paid_by), "sell_info": party(ticket.sold_by),
            "cards": [{"numbers": list(numbers), "card_id": card} for card, numbers in ticket.cards],
        }  # fmt: skip

    def _api_retail_game_details_simplified(self, params: dict[str, str], wall: None) -> dict[str, Any] | None:
        game = self.business.game(int(params["id"]))
        assert game is not None
        prizes = []
        for prize in game.prizes:
            user = self.business.user(prize.win.user)
            assert user is not None
            amount = {"real": self._money(prize.win.amount), "bonus": self._money(prize.win.bonus)}
            winner = {"username": user.name, **self._user(user.id), "amount": amount, "ticket_id": prize.win.ticket}
            prizes.append({"prize_name": prize.name, "amount": self._money(prize.amount), "winners": [winner]})
        # Prizes that several cards won stand here in another order than in the other reports.
        prizes.sort(key=lambda prize: [p.name for p in game.prizes].index(prize["prize_name"]))
        ordered: list[dict[str, Any]] = []
        for name in dict.fromkeys(prize["prize_name"] for prize in prizes):
            ordered += [prize for prize in prizes if prize["prize_name"] == name][::-1]
        return {
            "bs_game_id_main": self._id(game.id), "bs_room_id": ROOMS[game.room],
            "bs_game_variant_description": game.variant, "bs_game_configuration_description": game.configuration[1],
            "continuous_game_configuration_description": game.continuous_name, "continuous_games": game.continuous,
            "game_available_balls": game.available, "draw_balls_delay": game.delay,
            "jackpot_build_method": game.method, "jackpot_prize_mode": game.mode,
            "pjp_id": game.jackpot.name if game.jackpot else None,
            "pjp_winnable_until_call_included": game.jackpot.until if game.jackpot else None,
            "starts_at": int(game.starts.timestamp()),
            "ends_at": None if game.ends is None else int(game.ends.timestamp()),
            "duration": None if game.ends is None else int((game.ends - game.starts).total_seconds()),
            "total_players": game.players, "total_tickets": game.cards, "total_tickets_refunded": game.refunded,
            "total_wagers_to_prizes_real": self._money(game.to_prizes),
            "total_wagers_to_pjp_real": self._money(game.to_jackpot), "net_win_real": self._money(game.net_win),
            "total_wagers_real": self._money(game.wagered), "total_refunds_real": self._money(game.refunds),
            "card_price": self._money(game.card_price), "status": game.status, "bs_game_prizes": ordered,
            "balls": list(game.balls),
        }  # fmt: skip

    def _api_retail_movements(self, params: dict[str, str], wall: Wall) -> list[dict[str, Any]]:
        id = int(params["group_id"])
        rows = [row for row in self.business.movements if row.group == id and self._in(row.at, wall)]
        return [self._movement(row) for row in sorted(rows, key=lambda row: -row.id)]

    def _movement(self, row: Movement) -> dict[str, Any]:
        group, user = self.business.group(row.group), self.business.user(row.user)
        assert group is not None
        assert user is not None
        return {
            "movement_id": self._id(row.id), "timestamp": int(row.at.timestamp()),
            **self._group(row.group, row.bare), "group_name": group.name, **self._user(row.user, row.bare),
            "username": user.name, "type": row.kind, "currency_amount": self._money(row.amount.removeprefix("-")),
            "ticket_id": row.ticket or "", "game_id": self._id(row.game),
        }  # fmt: skip

    def _api_selling_and_preselling_games_report(self, params: dict[str, str], wall: Wall) -> list[dict[str, Any]]:
        return [
            {
                "id": self._id(game.id), "bs_room_id": ROOMS[game.room], "starts_at": int(game.starts.timestamp()),
                "cards_bought": game.cards, "canceled_tickets_sum": game.canceled,
                "card_price": self._money(game.card_price), "status": f"Currently {STATUSES[game.status][1]}",
                "prizes": [
                    {"id": prize.position, "description": prize.name, "amount": self._money(prize.amount)}
                    for prize in game.on_sale
                ],
            }
            for game in self.business.games
            if game.selling and game.room == int(params["bs_room_id"]) and self._in(game.starts, wall)
        ]  # fmt: skip

    def _transaction_report(self, params: dict[str, str], wall: Wall) -> list[dict[str, Any]]:
        id = int(params["user_id"])
        found = []
        for row in sorted(self.business.movements, key=lambda row: -row.id):
            if row.user != id or not self._in(row.at, wall):
                continue
            group = self.business.group(row.group)
            assert group is not None
            found.append(
                {
                    "movement_id": self._id(row.id),
                    "timestamp": f"{row.at.astimezone(self.system.zone):%Y-%m-%d %H:%M:%S}", "group_name": group.name,
                    **self._group(row.group, row.bare), "movement_type": row.kind,
                    "currency_amount": self._money(row.amount), "currency_id": group.currency,
                    "base_currency_amount": self._money(row.base), "base_currency_id": "Real USD",
                }
            )  # fmt: skip
        return found

    def _api_groups_report(self, params: dict[str, str], wall: None) -> list[dict[str, Any]]:
        groups = [group for group in self.business.groups if str(group.id) == params.get("id", str(group.id))]
        return [
            {"id": self._id(g.id), **self._external("group", g.external), "name": g.name, "type": g.kind}
            for g in sorted(groups, key=lambda group: group.name)
        ]

    def _api_users_report(self, params: dict[str, str], wall: None) -> list[dict[str, Any]]:
        return [
            {
                "id": self._id(user.id), **self._external("user", user.external), "username": user.name,
                "fkgroup": getattr(self.business.group(user.group), "name", None), **self._group(user.group),
            }
            for user in sorted(self.business.users, key=lambda user: user.name)
            if str(user.id) == params.get("id", str(user.id))
            if str(user.group) == params.get("fkgroup", str(user.group))
            if "username" not in params or contains(self.system, user, params["username"])
        ]  # fmt: skip

    def _progressive_jackpot_summary(self, params: dict[str, str], wall: None) -> list[dict[str, Any]]:
        return [
            {name: value if name == "description" else self._money(value) for name, value in jackpot.items()}
            for jackpot in self.business.jackpots
        ]

    def _api_movements_external_report(self, params: dict[str, str], wall: Wall) -> list[dict[str, Any]]:
        groups = {group.id for group in self.business.groups}
        if "group_id" in params:
            groups = self.business.below(int(params["group_id"]))
        rows = [row for row in self.business.financial if row.group in groups and self._in(row.at, wall)]
        return [self._financial(row) for row in rows]

    def _financial(self, row: Financial) -> dict[str, Any]:
        found = {
            "timestamp": int(row.at.timestamp()), **self._group(row.group, row.bare), "type": row.type,
            "subtype": row.subtype, "currency_amount": self._money(row.amount), **self._user(row.user, row.bare),
            "game_id": self._id(row.game),
        }  # fmt: skip
        user = self.business.user(row.user)
        if user is not None:
            found["username"] = user.name
        return found


def contains(system: System, user: User, text: str) -> bool:
    """Return whether the search inside names finds a user."""
    if system.loose:
        return fold(text) in fold(user.name)
    return text in user.name


class GameHistory:
    """Answers `get_game_log`."""

    def __init__(self, system: System) -> None:
        self.system = system

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """The body of an answer."""
        self.system.calls["get_game_log"] += 1
        known = {"method", "agent_code", "agent_token", "user_code", "game_type", "start", "end", "page", "perPage"}
        if body.keys() - known or body.get("method") != "get_game_log":
            self.system.complaints.append(f"get_game_log was sent {sorted(body)}")
        agent, kind = body.get("agent_code"), body["game_type"]
        if body.get("agent_token") != AGENT_TOKENS.get(str(agent)):
            return {"status": 0, "msg": "Invalid agent.", "detail": "the token is wrong"}
        if self.system.fails(body.items()):
            return {"status": 0, "msg": "Broken.", "detail": "try another time"}
        page, size = body["page"], body["perPage"]
        if not 0 < size <= 1_000_000:
            return {"status": 0, "msg": "Invalid Parameter.", "detail": "perPage must be less than or equal to 1000000"}
        start, end = (datetime.datetime.strptime(body[name], "%Y-%m-%d %H:%M:%S") for name in ("start", "end"))
        rows = [
            row
            for row in sorted(self.system.business.logs, key=lambda row: (row.at, row.id))
            if row.agent == agent and row.game_type == kind and self._in(row, start, end)
            if "user_code" not in body or _loosely(self.system, row.code, body["user_code"])
        ]
        here = rows[page * size : (page + 1) * size]
        counts = {"total_count": len(rows), "page": page, "perPage": size}
        return {"status": 1, **counts, kind: [self._row(row) for row in here]}

    def _in(self, row: Log, start: datetime.datetime, end: datetime.datetime) -> bool:
        wall = row.at.astimezone(self.system.log_zone).replace(tzinfo=None)
        return start <= (wall if self.system.exact else wall.replace(microsecond=0)) <= end

    def _row(self, row: Log) -> dict[str, Any]:
        balances = map(orjson.Fragment, row.balances)
        names = ("user_start_balance", "user_end_balance", "agent_start_balance", "agent_end_balance")
        return {
            "history_id": row.id, "agent_code": row.agent, "user_code": row.code, "provider_code": row.provider,
            "game_code": row.game, "type": row.kind, "bet_money": orjson.Fragment(row.bet),
            "win_money": orjson.Fragment(row.win), "txn_id": row.txn, "txn_type": row.txn_type,
            **dict(zip(names, balances, strict=True)),
            "created_at": f"{row.at:%Y-%m-%dT%H:%M:%S}.{row.at.microsecond // 1000:03d}Z",
        }  # fmt: skip
