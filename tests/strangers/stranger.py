"""Both upstream systems as another vendor might have built them, with quirks, written from the document's text alone.

The systems answer over real HTTP, check parameters as strictly as the document allows, filter, page, and record every
request without its token. `complaints` lists what was wrong with requests: a correct client leaves it empty.
"""

import asyncio
import datetime
import json
import re
import socket
import threading
import time
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self
from zoneinfo import ZoneInfo

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.strangers.world import (
    ROOMS,
    STATUSES,
    Count,
    Daily,
    Empty,
    Financial,
    Game,
    Group,
    Id,
    Log,
    Moment,
    Money,
    Movement,
    User,
    World,
)

MADRID = ZoneInfo("Europe/Madrid")


@dataclass(frozen=True)
class Quirks:
    """The choices of this system where the document leaves something open."""

    ids: str = "number"  # or "text"
    money: str = "text"  # or "number"
    counts: str = "number"  # or "text"
    key: str = "mixed"  # "Report" for R1 alone; or "report", "Report"
    single: str = "object"  # or "list"
    external: bool = True
    room_name: bool = True
    bare_users: bool = False  # R9 as in its example: id, username, fkgroup
    group_type: bool = True
    empty: str = "10002"  # or "list"
    unknown: str = "code"  # 10011, 10013, 10014, 10016; or "empty"
    php: bool = False  # an empty object is `[]`
    absent: str = "none"  # optional columns that are not known: left out ("none"), "null", or "false" for objects
    order: str = "newest"  # or "oldest"
    extra: bool = False  # columns that the document does not have
    zone: ZoneInfo = MADRID
    log_zone: ZoneInfo = MADRID
    unpaged_default: int = 2  # rows of R2, R7 and R11 where `per_page` is not sent
    code_from: str = "username"
    code_case: str = "as is"  # or "upper"
    equality: str = "case"  # how user codes are compared: "exact", "case", or "loose" (no accents, trailing blanks)
    of_groups_alone: tuple[int, ...] = ()  # movements that stand in R5, but not in R7
    page_cap: int = 1_000_000
    over_cap: str = "refuse"  # or "clip"
    agent_of_group: Mapping[int, str] = field(default_factory=dict)
    no_slash: str = "404"  # what `…/reports?…` gets; or "308"
    prefix: str = "/api/v1"


@dataclass(frozen=True)
class ReportRequest:
    """One request: the report, its parameters without the frame's, and the frame as (first second, last second)."""

    report: str
    params: tuple[tuple[str, str], ...]
    frame: tuple[str, str] | None

    def __str__(self) -> str:
        """Return the request in one line, such as `transaction_report user_id=60 2022-10-31 00:00:00/2022-10-31
        23:59:59`.
        """
        parts = [self.report, *(f"{name}={value}" for name, value in self.params)]
        return " ".join([*parts, "/".join(self.frame)] if self.frame else parts)


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, code: str, message: str = "No.") -> None:
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Frame:
    """A time frame in the system's time zone. Both ends are included."""

    first: datetime.datetime
    last: datetime.datetime

    def holds(self, moment: datetime.datetime, zone: ZoneInfo) -> bool:
        wall = moment.astimezone(zone).replace(tzinfo=None, microsecond=0)
        return self.first <= wall <= self.last

    def __str__(self) -> str:
        return f"{self.first}/{self.last}"


_ALLOWED: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], str | None]] = {
    # report: (action, required, optional, frame)
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
_OPTIONAL = {
    "type", "name", "username", "fkgroup", "finished_at", "ends_at", "players", "duration", "pay_info", "currency_id",
    "base_currency_id", "base_currency_amount", "status_name", "game_configuration_key", "configuration_key",
}  # fmt: skip


class Stranger:
    """Both systems on a free loopback port.

    `quirks`, `world`, `token`, `agents` and `faults` may be changed at any time; `reset` restores the first state. A
    fault is "500", "html", "cut", "list", "break", a code of the document such as "10018", or "slow" (half a second).

    The address changes with `reset`. A request to an earlier address belongs to an earlier test, which no longer waits
    for it; it is refused and not recorded.
    """

    def __init__(self) -> None:
        self._period = 0
        self._port = 0
        self.reset()

    def reset(self, **quirks: Any) -> None:
        """Restore the first world with these quirks, forget all requests, and take another address."""
        self._period += 1
        self.host = f"http://127.0.0.1:{self._port}/{self._period}"
        self.quirks = Quirks(**quirks)
        self.world = World()
        self.token = "strangers-token-1"
        self.agents = {"admin": "admin-secret", "north": "north-secret"}
        self.faults: dict[str, str] = {}
        self.requests: list[ReportRequest] = []
        self.complaints: list[str] = []
        self.before_page: Callable[[int], None] = lambda page: None

    def become(self, **quirks: Any) -> None:
        """Change some quirks."""
        self.quirks = replace(self.quirks, **quirks)

    def calls(self) -> list[str]:
        """Return the requests since the last call of this method, one per line, sorted."""
        lines = sorted(map(str, self.requests))
        self.requests.clear()
        return lines

    # Serving

    def __enter__(self) -> Self:
        app = Starlette(
            routes=[
                Route("/{period:int}/log", self.game_history, methods=["POST"]),
                Route("/{period:int}/{path:path}", self.gamehub, methods=["GET"]),
            ]
        )
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self._port = self.socket.getsockname()[1]
        self.reset()
        config = uvicorn.Config(app, lifespan="off", ws="none", log_level="critical", timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]}, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=5)
        self.socket.close()

    def _late(self, request: Request) -> bool:
        return bool(request.path_params["period"] != self._period)

    # GameHub

    async def gamehub(self, request: Request) -> Response:
        if self._late(request):
            return Response(status_code=410)
        quirks = self.quirks
        path = f"/{request.path_params['path']}"
        if not path.startswith(f"{quirks.prefix}/"):
            return self._error(Refused(404, "10000"), "")
        action = path.removeprefix(f"{quirks.prefix}/")
        if not action.endswith("/"):
            if quirks.no_slash == "308":
                return Response(status_code=308, headers={"location": f"/{self._period}{path}/?{request.url.query}"})
            self.complaints.append(f"no slash before the question mark: {path}")
            return self._error(Refused(404, "10000"), "")
        params = dict(request.query_params.multi_items())
        if len(params) != len(request.query_params.multi_items()):
            self.complaints.append("a parameter twice")
        token = params.pop("api_token", None)
        report = params.pop("report_type", "")
        fault = self.faults.get(report)
        try:
            if token != self.token:
                self.requests.append(ReportRequest(report, (("unauthorised", "yes"),), None))
                raise Refused(401, "00001", "These credentials do not match our records.")
            rows = self._read(action.rstrip("/"), report, params)
            if fault == "slow":
                await asyncio.sleep(0.5)
            elif fault and fault.isdigit() and len(fault) == 5:
                raise Refused({"1": 422, "0": 401}[fault[0]] if fault != "10018" else 400, fault)
        except Refused as refused:
            return self._error(refused, report)
        return self._answer(report, rows, fault)

    def _error(self, refused: Refused, report: str) -> Response:
        body = {"error": True, "code": refused.code, "message": refused.message}
        return JSONResponse(body, refused.status)

    def _answer(self, report: str, rows: Any, fault: str | None) -> Response:
        quirks = self.quirks
        if fault == "500":
            return Response("<h1>Whoops, looks like something went wrong.</h1>", 500, media_type="text/html")
        if fault == "html":
            return Response("<html>Maintenance</html>", media_type="text/html")
        if fault == "list":
            return JSONResponse([])
        if rows in ([], None):
            if quirks.empty == "10002":
                return self._error(Refused(422, "10002", "Empty data"), report)
            rows = []
        elif isinstance(rows, dict) and quirks.single == "list":
            rows = [rows]
        if isinstance(rows, list) and quirks.order == "oldest":
            rows = rows[::-1]
        key = {"mixed": "Report" if report == "users_report" else "report"}.get(quirks.key, quirks.key)
        body: dict[str, Any] = {"error": False, key: rows}
        if report == "api_users_report":
            body["break"] = fault == "break"
        if quirks.extra:
            body["meta"] = {"pages": 1}
        text = json.dumps(self._written(body), ensure_ascii=False)
        if fault == "cut":
            text = text[: len(text) // 2]
        return Response(text, media_type="application/json")

    def _written(self, value: Any) -> Any:
        """Return a value as this system writes it."""
        quirks = self.quirks
        if isinstance(value, Empty):
            return [] if quirks.php else {}
        if isinstance(value, dict):
            pairs = {
                name: self._written(item)
                for name, item in value.items()
                if quirks.external or not name.startswith("external_")
                if item is not None or name not in _OPTIONAL or quirks.absent != "none"
            }
            if quirks.extra and not any(name.isdigit() for name in pairs):
                pairs["x_new_column"] = {"a": [1, None]}
            return pairs
        if isinstance(value, list):
            return [self._written(item) for item in value]
        if isinstance(value, Id):
            return str(int(value)) if quirks.ids == "text" else int(value)
        if isinstance(value, Count):
            return str(int(value)) if quirks.counts == "text" else int(value)
        if isinstance(value, Money):
            if quirks.money == "text":
                return str(value)
            number = float(value)
            return int(number) if number.is_integer() else number
        if isinstance(value, Moment):
            seconds = int(value.at.timestamp())
            return str(seconds) if quirks.counts == "text" else seconds
        if isinstance(value, datetime.datetime):
            return f"{value.astimezone(quirks.zone):%Y-%m-%d %H:%M:%S}"
        if isinstance(value, datetime.date):
            return value.isoformat()
        return value

    def _read(self, action: str, report: str, params: dict[str, str]) -> Any:
        allowed = _ALLOWED.get(report)
        if allowed is None or allowed[0] != action:
            self.complaints.append(f"no report {report} under {action}")
            raise Refused(404, "10000")
        _, required, optional, frame_name = allowed
        frame = self._frame(report, frame_name, params) if frame_name else None
        names = ", ".join(sorted(params))
        listed = tuple(sorted(params.items()))
        self.requests.append(
            ReportRequest(report, tuple(pair for pair in listed if pair[0] != "per_page"), _ends(frame))
        )
        if set(params) - {*required, *optional} or set(required) - set(params):
            self.complaints.append(f"{report}: needs {required}, knows {optional}, was sent {names}")
            raise Refused(422, "10002", "Failed validation")
        for name, value in params.items():
            code = {"groupid": "10011", "group_id": "10011", "fkgroup": "10011", "user_id": "10013"}.get(
                name, {"bs_room_id": "10014", "id": "10017"}.get(name, "")
            )
            if code and not re.fullmatch("[1-9][0-9]{0,18}", value, re.ASCII):
                self.complaints.append(f"{report}: {name}={value}")
                raise Refused(422, code)
        if not re.fullmatch("[1-9]", params.get("status", "1")):
            self.complaints.append(f"{report}: status={params['status']}")
            raise Refused(422, "10015")
        limit: int | None = None
        if "per_page" in optional:
            limit = int(params.get("per_page", self.quirks.unpaged_default))
            limit = None if limit == -1 else limit
        if not frame:
            frame = Frame(datetime.datetime.min, datetime.datetime.max)
        if (bad := self._unknown(report, params)) and self.quirks.unknown == "code":
            raise Refused(422, bad)
        rows = getattr(self, f"_{report}")(params, frame)
        return rows if not isinstance(rows, list) else rows[:limit]

    def _unknown(self, report: str, params: dict[str, str]) -> str:
        """Return the code for an unknown id."""
        world = self.world
        for name, value in params.items():
            groups = ("groupid", "group_id", "fkgroup")
            if (name in groups or (name, report) == ("id", "api_groups_report")) and not world.group(int(value)):
                return "10011"
            if (name == "user_id" or (name, report) == ("id", "api_users_report")) and not world.user(int(value)):
                return "10013"
            if name == "bs_room_id" and int(value) not in ROOMS:
                return "10014"
            if "game_details" in report and not any(game.id == int(value) for game in world.games):
                return "10016"
        return ""

    def _frame(self, report: str, name: str, params: dict[str, str]) -> Frame:
        kind = params.pop(name, None)
        given = {key: params.pop(key) for key in list(params) if key.startswith(f"{name}_range_")}
        text = f"{report}: {name}={kind} {given}"
        dates = [f"{name}_range_from", f"{name}_range_to"]
        times = [f"{name}_range_from_time", f"{name}_range_to_time"]
        wanted = {"range": dates, "datetime_range": dates + times}.get(kind or "")
        try:
            # A named frame is refused, because the server never sends one.
            if wanted is None or set(wanted) != set(given):
                raise ValueError
            first, last = (self._day(given[key]) for key in dates)
            clocks = [datetime.time.min, datetime.time(23, 59, 59)]
            if kind == "datetime_range":
                clocks = [datetime.datetime.strptime(given[key], "%H:%M:%S").time() for key in times]
            frame = Frame(datetime.datetime.combine(first, clocks[0]), datetime.datetime.combine(last, clocks[1]))
            if frame.first > frame.last:
                raise ValueError
        except ValueError:
            self.complaints.append(text)
            raise Refused(422, "10012", "Invalid date") from None
        return frame

    def _day(self, text: str) -> datetime.date:
        if text.isdigit():
            return datetime.datetime.fromtimestamp(int(text), self.quirks.zone).date()
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            raise ValueError
        return datetime.date.fromisoformat(text)

    # The reports

    def _users_report(self, params: dict[str, str], frame: Frame) -> Any:
        def row(daily: Daily) -> dict[str, Any]:
            return {
                "timestamp": daily.day, "group_name": self._group_name(daily.group), "group_id": Id(daily.group),
                "external_group_id": f"G{daily.group}", "total_wagers_real": Money(daily.wagers),
                "total_wins_real": Money(daily.wins), "total_refunds_real": Money(daily.refunds),
                "total_paid": Money(daily.paid), "total_paid_tickets": Count(daily.tickets), "net": Money(daily.net),
            }  # fmt: skip

        kept = (daily for daily in self.world.daily if daily.group == int(params["groupid"]))
        return [row(daily) for daily in kept if frame.first.date() <= daily.day <= frame.last.date()]

    def _api_bulk_games_report(self, params: dict[str, str], frame: Frame) -> Any:
        def row(game: Game) -> dict[str, Any]:
            named = {"room_name": ROOMS[game.room]} if self.quirks.room_name else {}
            nothing: Any = [] if self.quirks.absent != "null" else None
            return {
                "id": Id(game.id), "room_id": Id(game.room), **named, "game_configuration_id": Id(134),
                "game_configuration_name": "The test", "game_configuration_key": Count(7), "status": Count(game.status),
                "status_name": STATUSES[game.status], "card_price": Money(game.price),
                "cards_bought": Count(game.cards), "wagered": Money(game.wagered), "paid": Money(game.paid),
                "prizes": nothing, "winners": nothing, **game.bulk, "starts_at": Moment(game.at),
                "finished_at": Moment(game.ends) if game.ends else None,
            }  # fmt: skip

        return [
            row(game)
            for game in self._games(frame)
            if params.get("bs_room_id", str(game.room)) == str(game.room)
            and params.get("status", str(game.status)) == str(game.status)
        ]

    def _games(self, frame: Frame) -> Iterable[Game]:
        kept = [game for game in self.world.games if frame.holds(game.at, self.quirks.zone)]
        return sorted(kept, key=lambda game: game.at, reverse=True)

    def _game(self, params: dict[str, str]) -> Game | None:
        return next((game for game in self.world.games if game.id == int(params["id"])), None)

    def _api_retail_game_details(self, params: dict[str, str], frame: Frame) -> Any:
        game = self._game(params)
        if game is None:
            return None
        no_object = {"none": False, "false": False, "null": None}[self.quirks.absent]
        row = {
            "game_id": Id(game.id), "room_name": ROOMS[game.room], "game_variant": "Bingo 90", "room_id": Id(game.room),
            "game_configuration_id": Id(134), "paid": Money(game.paid), "configuration": "The test",
            "configuration_key": Count(7), "available_balls": Count(90), "balls_delay": Count(3),
            "jackpot_build_method": "Wager", "progressive_jackpot": no_object, "starts_at": Moment(game.at),
            "ends_at": Moment(game.ends) if game.ends else None, "players": None, "cards_bought": Count(game.cards),
            "wagered": Money(game.wagered), "wagers_to_prizes": Money("0"), "wagers_to_pjp": Money("0"),
            "pjp_percentage": Money("0"), "profit": Money("0"), "card_price": Money(game.price),
            "status_id": Count(game.status), "status_name": STATUSES[game.status], "prizes": [], "tickets": [],
            "winners": [], "balls": [], **game.detail,
        }  # fmt: skip
        for ticket in row["tickets"] if self.quirks.absent == "false" else ():
            if ticket["pay_info"] is None:
                row["tickets"] = [{**each, "pay_info": each["pay_info"] or False} for each in row["tickets"]]
        if self.quirks.php:
            row["tickets"] = [{**each, "pay_info": each["pay_info"] or []} for each in row["tickets"]]
        return row

    def _api_retail_game_details_simplified(self, params: dict[str, str], frame: Frame) -> Any:
        game = self._game(params)
        if game is None:
            return None
        return {
            "bs_game_id_main": Id(game.id), "bs_room_id": ROOMS[game.room], "bs_game_variant_description": "Bingo 90",
            "bs_game_configuration_description": "The test", "game_available_balls": Count(90),
            "draw_balls_delay": Count(3), "jackpot_build_method": "Wager", "jackpot_prize_mode": "Full",
            "starts_at": Moment(game.at), "ends_at": Moment(game.ends) if game.ends else None, "duration": None,
            "total_players": Count(0), "total_tickets": Count(game.cards), "total_tickets_refunded": Count(0),
            "total_wagers_to_prizes_real": Money("0"), "total_wagers_to_pjp_real": Money("0"),
            "net_win_real": Money("0"), "total_wagers_real": Money(game.wagered), "total_refunds_real": Money("0"),
            "card_price": Money(game.price), "status": Count(game.status), "bs_game_prizes": [], "balls": [],
            **game.summary,
        }  # fmt: skip

    def _api_retail_movements(self, params: dict[str, str], frame: Frame) -> Any:
        def row(movement: Movement) -> dict[str, Any]:
            return {
                "movement_id": Id(movement.id), "timestamp": Moment(movement.at), "group_id": Id(movement.group),
                "external_group_id": f"G{movement.group}", "group_name": self._group_name(movement.group),
                "user_id": Id(movement.user), "external_user_id": f"X{movement.user}",
                "username": self._username(movement.user), "type": movement.type,
                "currency_amount": Money(movement.amount.lstrip("-")), "ticket_id": movement.ticket,
                "game_id": Id(movement.game) if movement.game else "",
            }  # fmt: skip

        group = int(params["group_id"])
        return [row(each) for each in self._movements(frame) if each.group == group]

    def _transaction_report(self, params: dict[str, str], frame: Frame) -> Any:
        def row(movement: Movement) -> dict[str, Any]:
            return {
                "movement_id": Id(movement.id), "timestamp": movement.at,
                "group_name": self._group_name(movement.group), "group_id": Id(movement.group),
                "external_group_id": f"G{movement.group}", "movement_type": movement.type,
                "currency_amount": Money(movement.amount), "currency_id": movement.currency,
                "base_currency_amount": Money(movement.base or movement.amount),
                "base_currency_id": "Real USD",
            }  # fmt: skip

        user, left_out = int(params["user_id"]), self.quirks.of_groups_alone
        return [row(each) for each in self._movements(frame) if each.user == user and each.id not in left_out]

    def _movements(self, frame: Frame) -> Iterable[Movement]:
        kept = [movement for movement in self.world.movements if frame.holds(movement.at, self.quirks.zone)]
        return sorted(kept, key=lambda movement: -movement.id)

    def _api_selling_and_preselling_games_report(self, params: dict[str, str], frame: Frame) -> Any:
        def row(game: Game) -> dict[str, Any]:
            return {
                "id": Id(game.id), "bs_room_id": ROOMS[game.room], "starts_at": Moment(game.at),
                "cards_bought": Count(game.cards), "canceled_tickets_sum": Count(game.cancelled_tickets),
                "card_price": Money(game.price), "prizes": game.sale,
                "status": {1384865: "Currently Selling", 1384866: "Preselling"}.get(game.id, "En venta"),
            }  # fmt: skip

        kept = (game for game in self._games(frame) if game.status in (1, 6))
        return [row(game) for game in kept if game.room == int(params["bs_room_id"])]

    def _api_groups_report(self, params: dict[str, str], frame: Frame) -> Any:
        def row(group: Group) -> dict[str, Any]:
            typed = {"type": group.type} if self.quirks.group_type else {}
            return {"id": Id(group.id), "external_group_id": f"G{group.id}", "name": group.name, **typed}

        groups = sorted(self.world.groups, key=lambda group: group.name)
        return [row(group) for group in groups if params.get("id", str(group.id)) == str(group.id)]

    def _api_users_report(self, params: dict[str, str], frame: Frame) -> Any:
        def row(user: User) -> dict[str, Any]:
            bare = {"id": Id(user.id), "username": user.username, "fkgroup": self._group_name(user.group)}
            if self.quirks.bare_users:
                return bare
            more = {"group_id": Id(user.group), "external_group_id": f"G{user.group}"}
            return {**bare, "external_user_id": user.external, **more}

        search = params.get("username", "").casefold()
        return [
            row(user)
            for user in sorted(self.world.users, key=lambda user: user.username)
            if params.get("id", str(user.id)) == str(user.id)
            and params.get("fkgroup", str(user.group)) == str(user.group)
            and search in user.username.casefold()
        ]

    def _progressive_jackpot_summary(self, params: dict[str, str], frame: Frame) -> Any:
        return list(self.world.jackpots)

    def _api_movements_external_report(self, params: dict[str, str], frame: Frame) -> Any:
        def row(movement: Financial) -> dict[str, Any]:
            return {
                "timestamp": Moment(movement.at), "group_id": Id(movement.group),
                "external_group_id": f"G{movement.group}", "type": Count(movement.type),
                "subtype": Count(movement.subtype), "currency_amount": Money(movement.amount),
                "user_id": Id(movement.user) if movement.user else None,
                "external_user_id": f"X{movement.user}" if movement.user else None,
                "game_id": Id(movement.game) if movement.game else None, "username": self._username(movement.user),
            }  # fmt: skip

        groups = self.world.below(int(params["group_id"])) if "group_id" in params else None
        return [
            row(movement)
            for movement in sorted(self.world.financial, key=lambda movement: movement.at, reverse=True)
            if frame.holds(movement.at, self.quirks.zone) and (groups is None or movement.group in groups)
        ]

    def _group_name(self, id: int) -> str | None:
        group = self.world.group(id)
        return group.name if group else None

    def _username(self, id: int | None) -> str | None:
        user = self.world.user(id)
        return user.username if user else None

    # Game History

    async def game_history(self, request: Request) -> Response:
        try:
            body = await request.json()
            if self._late(request):
                return Response(status_code=410)
            return self._log_page(body)
        except (ValueError, KeyError, TypeError) as error:
            self.complaints.append(f"get_game_log: {error!r}")
            return self._failure("Bad request.")
        except Refused as refused:
            return self._failure(refused.message, refused.status)

    def _failure(self, detail: str, status: int = 200) -> Response:
        return JSONResponse({"status": 0, "msg": "Invalid Parameter.", "detail": detail}, status)

    def _log_page(self, body: dict[str, Any]) -> Response:
        quirks = self.quirks
        needed = {"method", "agent_code", "agent_token", "game_type", "start", "end", "page", "perPage"}
        if set(body) - {"user_code"} != needed or body["method"] != "get_game_log":
            raise ValueError(f"the body has {sorted(body)}")
        clock = "%Y-%m-%d %H:%M:%S"
        frame = Frame(*(datetime.datetime.strptime(body[name], clock) for name in ("start", "end")))
        page, size, code = body["page"], body["perPage"], body.get("user_code")
        if type(page) is not int or type(size) is not int or page < 0 or size < 1 or frame.first > frame.last:
            raise ValueError(f"page {page}, perPage {size}, {frame}")
        named = {"agent": body["agent_code"], "game_type": body["game_type"], "page": str(page), "user_code": code}
        if self.agents.get(body["agent_code"]) != body["agent_token"]:
            self.requests.append(ReportRequest("get_game_log", (("unauthorised", "yes"),), None))
            raise Refused(401, "", "agent_token is wrong")
        params = tuple(sorted((name, value) for name, value in named.items() if value is not None))
        self.requests.append(ReportRequest("get_game_log", params, _ends(frame)))
        if size > quirks.page_cap and quirks.over_cap == "refuse":
            raise Refused(200, "", f"perPage must be less than or equal to {quirks.page_cap}")
        size = min(size, quirks.page_cap)
        self.before_page(page)
        fault = self.faults.get("get_game_log")
        if fault == "500":
            return Response("oops", 500)
        logs = [
            log
            for log in self.world.logs
            if frame.holds(log.at, quirks.log_zone)
            and log.game_type == body["game_type"]
            and self._agent(log) == body["agent_code"]
            and (code is None or self._same(self._code(log), code))
        ]
        logs.sort(key=lambda log: (log.at, log.id), reverse=quirks.order == "newest")
        answer = {"status": 1, "total_count": len(logs), "page": page, "perPage": size}
        rows = [self._log(log) for log in logs[page * size : (page + 1) * size]]
        return Response(
            json.dumps(self._written({**answer, body["game_type"]: rows}), ensure_ascii=False),
            media_type="application/json",
        )

    def _same(self, code: str, other: str) -> bool:
        """Return whether the system treats two user codes as one."""
        if self.quirks.equality == "exact":
            return code == other
        if self.quirks.equality == "case":
            return code.casefold() == other.casefold()
        plain = [unicodedata.normalize("NFD", text.casefold().rstrip(" ")) for text in (code, other)]
        one, two = ("".join(letter for letter in text if not unicodedata.combining(letter)) for text in plain)
        return one == two

    def _agent(self, log: Log) -> str:
        if log.agent:
            return log.agent
        user = self.world.user(log.user)
        return self.quirks.agent_of_group.get(user.group, "admin") if user else "admin"

    def _code(self, log: Log) -> str:
        user = self.world.user(log.user)
        if user is None:
            return log.stray
        code = {"username": user.username, "external_user_id": user.external, "id": str(user.id)}[self.quirks.code_from]
        return code.upper() if self.quirks.code_case == "upper" else code

    def _log(self, log: Log) -> dict[str, Any]:
        numbers = {"bet_money": log.bet, "win_money": log.win, "user_start_balance": log.start}
        numbers |= {"user_end_balance": log.end, "agent_start_balance": "22092000", "agent_end_balance": "22092000"}
        return {
            "history_id": Id(log.id), "agent_code": self._agent(log), "user_code": self._code(log),
            "provider_code": "PRAGMATIC", "game_code": "vs20doghouse", "type": "BASE",
            "txn_id": f"64a83f2fc597acc9004eec52c3f8{log.id}", "txn_type": "debit_credit",
            **{name: json.loads(text) for name, text in numbers.items()},
            "created_at": f"{log.at:%Y-%m-%dT%H:%M:%S}.{log.at.microsecond // 1000:03d}Z",
        }  # fmt: skip


def _ends(frame: Frame | None) -> tuple[str, str] | None:
    return (str(frame.first), str(frame.last)) if frame else None
