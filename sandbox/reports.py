"""GameHub's reports as one table: action, report type, parameters, rows.

Signs: R7 has the view of the user's wallet: a wager is negative, a refund and a prize are positive. R5 and R11 have
every amount without a sign. R1's refunds and payments are negative; its net is the sum of wagers, refunds and payments,
which is what the business keeps. R4's refunds are an amount without a sign.

A page has PAGE rows unless `per_page` says otherwise. `page` counts from 1. A page beyond the last one is empty
(10002).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sandbox import movement
from sandbox.errors import ReportError
from sandbox.frames import resolve
from sandbox.games import STATUSES, bulk_games, game_details, game_summary, games_on_sale
from sandbox.money import SQL_LOCAL_MONEY, SQL_MONEY, SQL_NUMBER, local_money
from sandbox.people import BASE_CURRENCY
from sandbox.store import SandboxStore
from sandbox.win import TICKET_CODE

PAGE = 50
INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)

Row = dict[str, Any]
# The values of a report's parameters and of the clock: now, oldest, and the start and end of the frame.
Values = dict[str, Any]


@dataclass(frozen=True)
class SandboxParameter:
    """A parameter: its name, the function that reads its text, and whether it is required."""

    name: str
    read: Callable[[SandboxStore, Mapping[str, str], str], Values]
    required: bool = False


@dataclass(frozen=True)
class SandboxReport:
    """A report: its address, its parameters, the function that finds its rows, and the key of the rows."""

    action: str
    type: str
    parameters: tuple[SandboxParameter, ...]
    rows: Callable[[SandboxStore, Values], list[Row] | Row]
    key: str = "report"
    after: Row = field(default_factory=dict)


def _integer(text: str) -> int:
    if not INTEGER.fullmatch(text):
        raise ReportError("10017")
    return int(text)


def _text(store: SandboxStore, params: Mapping[str, str], name: str) -> Values:
    return {name: params[name]}


def _game(store: SandboxStore, params: Mapping[str, str], name: str) -> Values:
    return {name: _integer(params[name])}


def _known(code: str, ids: Callable[[SandboxStore], Any]) -> Callable[[SandboxStore, Mapping[str, str], str], Values]:
    """Return a reader of an id that must be one of `ids`. It refuses other ids with `code`."""

    def read(store: SandboxStore, params: Mapping[str, str], name: str) -> Values:
        id = _integer(params[name])
        if not any(each.id == id for each in ids(store)):
            raise ReportError(code)
        return {name: id}

    return read


def _status(store: SandboxStore, params: Mapping[str, str], name: str) -> Values:
    if params[name] not in map(str, STATUSES):
        raise ReportError("10015")
    return {name: int(params[name])}


def _frame(store: SandboxStore, params: Mapping[str, str], name: str) -> Values:
    start, end = resolve(name, params, store.world.clock)
    return {"start": start, "end": end}


def _page(store: SandboxStore, params: Mapping[str, str], name: str) -> Values:
    size, page = _integer(params.get(name, str(PAGE))), _integer(params.get("page", "1"))
    if page < 1 or size < -1 or size == 0:
        raise ReportError("10017")
    return {"limit": size, "offset": (page - 1) * max(size, 0)}


GROUP, USER, ROOM = (
    _known("10011", lambda store: store.world.groups),
    _known("10013", lambda store: store.world.players),
    _known("10014", lambda store: store.world.rooms),
)


def answer(store: SandboxStore, report: SandboxReport, params: Mapping[str, str]) -> list[Row] | Row:
    """Return a report's current rows. Raise ReportError: a missing parameter and an empty answer are both 10002."""
    clock, world = store.world.clock, store.world
    values: Values = {"now": clock.now(), "oldest": clock.midnight(world.first_day(clock.today()))}
    for parameter in report.parameters:
        if params.get(parameter.name, "") != "" or parameter.read is _page:
            values |= parameter.read(store, params, parameter.name)
        elif parameter.required:
            raise ReportError("10002")
    if "start" in values:
        values["start"], values["end"] = world.visible((values["start"], values["end"]))
        if values["end"] < values["start"]:
            raise ReportError("10002")
    rows = report.rows(store, values)
    if not rows:
        raise ReportError("10002")
    return rows


def _daily(store: SandboxStore, values: Values) -> list[Row]:
    """Return R1: whole days from the daily totals; a day that is not over or not completely in the frame, from its
    movements.
    """
    clock = store.world.clock
    group = next(each for each in store.world.groups if each.id == values["groupid"])
    start, end = values["start"], min(values["end"], values["now"])
    day, days = clock.day_of(start), []
    while start <= end and day <= clock.day_of(end):
        days.append(day)
        day += timedelta(days=1)
    parameters = {"group": group.id, "first": days[0].isoformat(), "last": days[-1].isoformat()} if days else {}
    whole = (
        {
            row["day"]: row
            for row in store.query(
                "SELECT * FROM daily WHERE group_id = :group AND day BETWEEN :first AND :last", parameters
            )
        }
        if days
        else {}
    )
    rows = []
    for day in days:
        midnight, next_midnight = clock.bounds(day)
        if start <= midnight and next_midnight - 1 <= end:
            total = whole.get(day.isoformat())
        else:
            total = _part_of_day(store, group.id, max(start, midnight), min(end, next_midnight - 1))
        if not total:
            continue
        rows.append(
            {
                "timestamp": day.isoformat(),
                "group_name": group.name,
                "group_id": group.id,
                "external_group_id": group.external_id,
                "total_wagers_real": local_money(total["wagers"], group.currency),
                "total_wins_real": local_money(total["won"], group.currency),
                "total_refunds_real": local_money(-total["refunds"], group.currency),
                "total_paid": local_money(-total["paid"], group.currency),
                "total_paid_tickets": total["tickets"],
                "net": local_money(total["wagers"] - total["refunds"] - total["paid"], group.currency),
            }
        )
    return rows


def _part_of_day(store: SandboxStore, group: int, start: int, end: int) -> Row | None:
    first, last = store.world.id_range(start, end)
    parameters = {"group": group, "start": start, "end": end, "first": first, "last": last}
    refunds, payments = (", ".join(str(kind.id) for kind in kinds) for kinds in (movement.REFUNDS, movement.PAYMENTS))
    totals = store.query(
        f"""SELECT count(*) AS movements,
            coalesce(sum(CASE WHEN kind = {movement.WAGER.id} THEN cents END), 0) AS wagers,
            coalesce(sum(CASE WHEN kind IN ({refunds}) THEN cents END), 0) AS refunds,
            coalesce(sum(CASE WHEN kind IN ({payments}) THEN cents END), 0) AS paid,
            count(DISTINCT CASE WHEN kind IN ({payments}) THEN ticket_id END) AS tickets
        FROM movement WHERE group_id = :group AND id BETWEEN :first AND :last AND ts BETWEEN :start AND :end""",
        parameters,
    )[0]
    won = store.query(
        """SELECT coalesce(sum(amount), 0) AS won FROM win
        WHERE group_id = :group AND id BETWEEN :first AND :last AND won_at BETWEEN :start AND :end""",
        parameters,
    )[0]
    return totals | won if totals["movements"] or won["won"] else None


def _case(column: str) -> str:
    return " ".join(
        ["CASE m.kind", *(f"WHEN {kind.id} THEN {getattr(kind, column)!r}" for kind in movement.KINDS), "END"]
    )


GROUP_COLUMNS = {"group_name": "g.name", "group_id": "m.group_id", "external_group_id": "g.external_id"}


def _of_group(store: SandboxStore, values: Values) -> str:
    return "m.group_id = :group_id"


def _of_user(store: SandboxStore, values: Values) -> str:
    return "m.user_id = :user_id"


def _of_family(store: SandboxStore, values: Values) -> str:
    """Return a group and its descendants, or every group if none is given."""
    groups = store.world.groups
    family = [each.id for each in groups if values.get("group_id") in (None, each.id)]
    for parent in family if "group_id" in values else ():
        family += [each.id for each in groups if each.parent == parent]
    if len(family) == 1:
        return _of_group(store, values)
    # The plus stops the query planner from reading group by group, which would need a sort. The ids are in order
    # already.
    return f"+m.group_id IN ({', '.join(map(str, family))})"


def _movements(
    columns: Mapping[str, str], scope: Callable[[SandboxStore, Values], str], order: str
) -> Callable[[SandboxStore, Values], list[Row]]:
    """Return R5, R7 and R11: the movements of a scope, in the order of their ids."""
    sql = f"""SELECT {", ".join(f"{value} AS {name}" for name, value in columns.items())}
        FROM movement m CROSS JOIN "group" g ON g.id = m.group_id CROSS JOIN user u ON u.id = m.user_id
        WHERE m.id BETWEEN :first_id AND :last_id AND m.ts BETWEEN :start AND :end AND {{}}
        ORDER BY m.id {order} LIMIT :limit OFFSET :offset"""

    def rows(store: SandboxStore, values: Values) -> list[Row]:
        end = min(values["end"], values["now"])
        if end < values["start"]:
            return []
        first_id, last_id = store.world.id_range(values["start"], end)
        parameters = {"limit": -1, "offset": 0, **values, "end": end, "first_id": first_id, "last_id": last_id}
        return store.query(sql.format(scope(store, values)), parameters)

    return rows


def _groups(store: SandboxStore, values: Values) -> list[Row]:
    """Return R8: groups by id."""
    return [
        {"id": group.id, "external_group_id": group.external_id, "name": group.name, "type": group.type}
        for group in store.world.groups
        if values.get("id") in (None, group.id)
    ]


def _users(store: SandboxStore, values: Values) -> list[Row]:
    """Return R9: users by id. `fkgroup` is the group's name in a row, and the group's id as a filter."""
    groups = {group.id: group for group in store.world.groups}
    searched = values.get("username", "").lower()
    return [
        {
            "id": user.id,
            "external_user_id": user.external_id,
            "username": user.username,
            "fkgroup": groups[user.group].name,
            "group_id": user.group,
            "external_group_id": groups[user.group].external_id,
        }
        for user in store.world.players
        if values.get("id") in (None, user.id)
        and values.get("fkgroup") in (None, user.group)
        and searched in user.username.lower()
    ]


def _jackpots(store: SandboxStore, values: Values) -> list[Row]:
    """Return R10: every progressive jackpot now."""
    amounts = {
        "value": "v.value",
        "value_max": "j.maximum",
        "percentage": "j.percent * 100",
        "seed": "v.seed",
        "seed_base": "j.base",
        "seed_max": "j.seed_maximum",
        "seed_percentage": "j.seed_percent * 100",
    }
    columns = ", ".join(f"{SQL_MONEY.format(f'({cents})')} AS {name}" for name, cents in amounts.items())
    return store.query(
        f"""SELECT j.name AS description, {columns} FROM jackpot j JOIN jackpot_value v ON v.jackpot_id = j.id
            AND v.ts = (SELECT max(ts) FROM jackpot_value WHERE jackpot_id = j.id AND ts <= :now) ORDER BY j.id""",
        values,
    )


_WHO = {"user_id": "m.user_id", "external_user_id": "u.external_id"}
_NUMBER = TICKET_CODE.format("m.ticket_id")
_API_REFUND = f"m.kind = {movement.API_REFUND.id}"
_SIGN = f"CASE WHEN m.kind = {movement.WAGER.id} THEN '-' ELSE '' END"

REPORTS = (
    SandboxReport(
        "reports",
        "users_report",
        (SandboxParameter("groupid", GROUP, required=True), SandboxParameter("timestamp", _frame, required=True)),
        _daily,
        key="Report",
    ),
    SandboxReport(
        "reports",
        "api_bulk_games_report",
        (
            SandboxParameter("starts_at", _frame, required=True),
            SandboxParameter("bs_room_id", ROOM),
            SandboxParameter("status", _status),
            SandboxParameter("per_page", _page),
        ),
        bulk_games,
    ),
    SandboxReport("reports", "api_retail_game_details", (SandboxParameter("id", _game, required=True),), game_details),
    SandboxReport(
        "reports", "api_retail_game_details_simplified", (SandboxParameter("id", _game, required=True),), game_summary
    ),
    SandboxReport(
        "reports",
        "api_retail_movements",
        (SandboxParameter("timestamp", _frame, required=True), SandboxParameter("group_id", GROUP, required=True)),
        _movements(
            {
                "movement_id": "m.id",
                "timestamp": "m.ts",
                "group_id": "m.group_id",
                "external_group_id": "g.external_id",
                "group_name": "g.name",
                **_WHO,
                "username": "u.username",
                "type": _case("text"),
                "currency_amount": SQL_NUMBER.format("(m.cents * g.rate)", 10_000),
                # A ticket sold online has no number. A refund for a cancelled game has neither a ticket nor a number.
                "ticket_id": f"CASE WHEN m.paper AND NOT {_API_REFUND} THEN {_NUMBER} ELSE '' END",
                "game_id": f"CASE WHEN {_API_REFUND} THEN '' ELSE m.game_id END",
            },
            _of_group,
            "DESC",
        ),
    ),
    SandboxReport(
        "reports",
        "api_selling_and_preselling_games_report",
        (SandboxParameter("starts_at", _frame, required=True), SandboxParameter("bs_room_id", ROOM, required=True)),
        games_on_sale,
    ),
    SandboxReport(
        "reports",
        "transaction_report",
        (
            SandboxParameter("user_id", USER, required=True),
            SandboxParameter("timestamp", _frame, required=True),
            SandboxParameter("per_page", _page),
        ),
        _movements(
            {
                "movement_id": "m.id",
                "timestamp": "local_time(m.ts)",
                **GROUP_COLUMNS,
                "movement_type": _case("text"),
                "currency_amount": f"{_SIGN} || {SQL_LOCAL_MONEY.format('m.cents', 'g.currency')}",
                "currency_id": "g.currency",
                "base_currency_amount": f"{_SIGN} || {SQL_MONEY.format('m.cents')}",
                "base_currency_id": f"'{BASE_CURRENCY}'",
            },
            _of_user,
            "DESC",
        ),
    ),
    SandboxReport("reports", "api_groups_report", (SandboxParameter("id", GROUP),), _groups),
    SandboxReport(
        "reports",
        "api_users_report",
        (SandboxParameter("id", USER), SandboxParameter("username", _text), SandboxParameter("fkgroup", GROUP)),
        _users,
        after={"break": False},
    ),
    SandboxReport("reports", "progressive_jackpot_summary", (), _jackpots),
    SandboxReport(
        "group_reports",
        "api_movements_external_report",
        (
            SandboxParameter("timestamp", _frame, required=True),
            SandboxParameter("group_id", GROUP),
            SandboxParameter("per_page", _page),
        ),
        _movements(
            {
                "timestamp": "m.ts",
                "group_id": "m.group_id",
                "external_group_id": "g.external_id",
                "type": _case("type"),
                "subtype": _case("subtype"),
                "currency_amount": SQL_LOCAL_MONEY.format("m.cents", "g.currency"),
                **_WHO,
                "game_id": "m.game_id",
                "username": "u.username",
            },
            _of_family,
            "ASC",
        ),
    ),
)
BY_TYPE = {report.type: report for report in REPORTS}
ACTIONS = {report.action for report in REPORTS}
