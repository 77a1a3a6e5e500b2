"""Game History's `get_game_log`: the slot rows of an agent, or of one of its players, page by page."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.clock import Clock
from sandbox.money import SQL_NUMBER
from sandbox.slots import GAMES, TYPES
from sandbox.store import SandboxStore
from sandbox.tokens import SandboxTokens

METHOD = "get_game_log"
MAXIMUM = 1_000_000
# The rows of each type of game. The players of this world play slots only.
GAME_TYPES = ("slot", "live")


class LogError(Exception):
    """A refused call: `msg` and `detail`, with status 0 and HTTP status 200."""

    def __init__(self, msg: str, detail: str) -> None:
        super().__init__(msg, detail)
        self.msg, self.detail = msg, detail


def _invalid(detail: str) -> LogError:
    return LogError("Invalid Parameter.", detail)


def _case(column: str, values: tuple[str, ...]) -> str:
    return " ".join([f"CASE {column}", *(f"WHEN {index} THEN '{value}'" for index, value in enumerate(values)), "END"])


def _double(cents: str) -> str:
    return SQL_NUMBER.format(cents, 100)


COLUMNS = {
    "history_id": "s.id",
    "agent_code": ":agent_code",
    "user_code": "u.username",
    "provider_code": _case("s.game", tuple(provider for provider, _ in GAMES)),
    "game_code": _case("s.game", tuple(game for _, game in GAMES)),
    "type": _case("s.free", TYPES),
    "bet_money": _double("s.bet"),
    "win_money": _double("s.win"),
    "txn_id": "transaction_id(s.id)",
    "txn_type": "'debit_credit'",
    "user_start_balance": _double("s.user_start"),
    "user_end_balance": _double("(s.user_start - s.bet + s.win)"),
    "agent_start_balance": _double("s.agent_start"),
    "agent_end_balance": _double("(s.agent_start + s.bet - s.win)"),
    "created_at": "strftime('%Y-%m-%dT%H:%M:%S.000Z', s.ts, 'unixepoch')",
}
CHOSEN = "s.id BETWEEN :first_id AND :last_id AND s.ts BETWEEN :start AND :end"


def game_log(store: SandboxStore, tokens: SandboxTokens, timezone: ZoneInfo, body: Any) -> dict[str, Any]:
    """Return the answer to a body. `start` and `end` are read in `timezone`, both included. Raise LogError."""
    if not isinstance(body, dict):
        raise _invalid("body must be a JSON object")
    if body.get("method") != METHOD:
        raise LogError("Invalid Method.", f"method must be {METHOD}")
    agent = tokens.agents.get(_text(body, "agent_code"))
    if agent is None or agent.token != _text(body, "agent_token"):
        raise LogError("Invalid Agent.", "agent_code or agent_token is wrong")
    game_type = _text(body, "game_type")
    if game_type not in GAME_TYPES:
        raise _invalid(f"game_type must be one of {', '.join(GAME_TYPES)}")
    start, end = (_instant(body, name, timezone, fold) for name, fold in (("start", 0), ("end", 1)))
    if end < start:
        raise _invalid("end must be greater than or equal to start")
    page, per_page = _number(body, "page", 0, None), _number(body, "perPage", 1, MAXIMUM)
    user = _user(store, body) if agent.serves else None
    if body.get("user_code") is not None and user is None:
        raise LogError("Invalid User.", "user_code does not exist")

    total, rows = 0, []
    start, end = store.world.visible((start, end))
    end = min(end, store.world.clock.now())
    if agent.serves and game_type == "slot" and start <= end:
        first_id, last_id = store.world.id_range(start, end)
        values = {"start": start, "end": end, "first_id": first_id, "last_id": last_id, "user": user}
        chosen = CHOSEN if user is None else f"{CHOSEN} AND s.user_id = :user"
        total = store.query(f"SELECT count(*) AS total FROM spin s WHERE {chosen}", values)[0]["total"]
        paging = {"agent_code": body["agent_code"], "limit": per_page, "offset": page * per_page}
        rows = (
            store.query(
                f"""SELECT {", ".join(f"{value} AS {name}" for name, value in COLUMNS.items())}
            FROM spin s CROSS JOIN user u ON u.id = s.user_id WHERE {chosen}
            ORDER BY s.id LIMIT :limit OFFSET :offset""",
                values | paging,
            )
            if page * per_page < total
            else []
        )
    return {"status": 1, "total_count": total, "page": page, "perPage": per_page, game_type: rows}


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise _invalid(f"{name} is required")
    return value


def _instant(body: dict[str, Any], name: str, timezone: ZoneInfo, fold: int) -> int:
    """Return the unix second of a text. In an hour that the clocks repeat, `start` means the first pass and `end` the
    second.
    """
    text = _text(body, name)
    try:
        moment = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone, fold=fold)
        instant = int(moment.timestamp())
        Clock(timezone).day_of(instant)
    except (ValueError, OverflowError) as error:
        raise _invalid(f"{name} must be a date and time in the format yyyy-MM-dd HH:mm:ss") from error
    return instant


def _number(body: dict[str, Any], name: str, least: int, most: int | None) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _invalid(f"{name} must be an integer number")
    if value < least:
        raise _invalid(f"{name} must be greater than or equal to {least}")
    if most is not None and value > most:
        raise _invalid(f"{name} must be less than or equal to {most}")
    # A page far beyond the last row is empty, and the database cannot count beyond 2^63.
    return min(value, 10**12)


def _user(store: SandboxStore, body: dict[str, Any]) -> int | None:
    code = body.get("user_code")
    return next((user.id for user in store.world.players if user.username == code), None)
