"""A bad value in one column of one row: the other values are answered, whatever is selected around it.

Every column of the reports that list rows is made bad, in one row of few and of many, for both engines and every
setting of the cache, also beside an alias that selects the bad column.
"""

import builtins
import copy
import datetime
import itertools
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import structlog

from resolvers.caller import Caller
from resolvers.session import Session
from server.execution.operation import Operation
from tests.executors import executor_of
from tests.upstream.redis_server import RedisServer, redis_connection
from tests.upstream.server import ReceivedRequest, Reply, Server, serving
from upstream.agents import Agent, Agents
from upstream.caching.cache import DayCache, open_store
from upstream.client import GameHubConfig, GameLogConfig, Upstream
from upstream.journal import Journal
from upstream.transport.secret import Secret

UTC = ZoneInfo("UTC")
NOW = datetime.datetime(2026, 3, 15, 12, tzinfo=datetime.UTC)
NOON = 1_773_230_400  # 2026-03-11 12:00 UTC
DAY = 'during: {dates: {from: "2026-03-11", to: "2026-03-11"}}'
QUARTER = 'during: {dates: {from: "2026-01-01", to: "2026-03-11"}}'
BAD: Any = {"wrong": 1}


@dataclass(frozen=True)
class Case:
    """A report: a good row of it, the field that lists it, and where the columns of a row stand there.

    The fields of the `nullable` columns may be null. The server itself needs the `keys`.
    """

    report: str
    row: dict[str, Any]
    list: str
    path: tuple[str, ...]
    columns: dict[str, str]
    nullable: frozenset[str]
    keys: frozenset[str]
    id: str | None = None
    types: dict[str, str] = field(default_factory=dict)

    def rows(self, count: int) -> "builtins.list[dict[str, Any]]":
        found = []
        for number in range(count):
            row = copy.deepcopy(self.row)
            if self.id is not None:
                row[self.id] = 1000 + number
            elif self.report == "R1":  # which has one row a day
                row["timestamp"] = str(datetime.date(2026, 1, 1) + datetime.timedelta(days=number))
            found.append(row)
        return found

    def query(self, *selections: str) -> str:
        """Return a query with the list once for each selection, under the aliases a, b, …"""
        opened, closed = self.list.split("…")
        first, _, rest = opened.partition("@")
        named = zip("ab", selections, strict=False)
        lists = " ".join(f"{alias}: {rest}{{ {selected} }}{closed}" for alias, selected in named)
        return f"{{ {first}{lists}{' }' * first.count('{')} }}"


def case(
    report: str, row: dict[str, Any], listed: str, path: str, columns: dict[str, str], required: str, keys: str,
    id: str | None = None,
) -> Case:  # fmt: skip
    needed = frozenset(required.split())
    return Case(
        report, row, listed, tuple(path.split(".")), columns, frozenset(columns) - needed, frozenset(keys.split()), id
    )


CASES = [
    case(
        "R1",
        {
            "timestamp": "2026-03-11", "group_id": 382, "total_wagers_real": "30.00", "total_wins_real": "20.00",
            "total_refunds_real": "0.00", "total_paid": "-20.00", "total_paid_tickets": 2, "net": "10.00",
            "group_name": "Here",
        },
        f'group(id: "382") {{ @dailyMovements({QUARTER})…', "group.@",
        {
            "total_wagers_real": "totalWagers", "total_wins_real": "totalWins", "total_refunds_real": "totalRefunds",
            "total_paid": "totalPaid", "total_paid_tickets": "paidTickets", "net": "net",
        },
        "total_wagers_real total_wins_real total_refunds_real total_paid total_paid_tickets net", "timestamp group_id",
    ),
    case(
        "R2",
        {
            "id": 1, "room_id": 5, "room_name": "Room", "card_price": "1.00", "cards_bought": 3, "wagered": "3.00",
            "paid": "2.00", "status": 3, "status_name": "Played", "game_configuration_id": 7, "starts_at": NOON,
            "finished_at": NOON + 60, "game_configuration_name": "C", "game_configuration_key": 2,
        },
        f"@games({DAY}, first: 1000) {{ nodes…}}", "@.nodes",
        {
            "card_price": "cardPrice", "cards_bought": "cardsBought", "wagered": "wagered", "paid": "paid",
            "status": "status", "finished_at": "endsAt", "room_name": "room { name }",
            "game_configuration_id": "configuration { id }", "game_configuration_name": "configuration { name }",
            "game_configuration_key": "configuration { key }", "room_id": "room { id }",
        },
        "", "id starts_at", "id",
    ),
    case(
        "R5",
        {
            "movement_id": 1, "timestamp": NOON, "group_id": 382, "group_name": "Here", "user_id": 9, "username": "ana",
            "type": "Bingo - Wager", "currency_amount": "1.00", "ticket_id": "7-1", "game_id": 4,
        },
        f'group(id: "382") {{ @transactions({DAY}, first: 1000) {{ nodes…}}', "group.@.nodes",
        {
            "user_id": "user { id }", "username": "user { username }", "type": "type", "currency_amount": "amount",
            "ticket_id": "ticketId", "game_id": "game { id }",
        },
        "type", "movement_id timestamp group_id", "movement_id",
    ),
    case(
        "R7",
        {
            "movement_id": 1, "timestamp": "2026-03-11 12:00:00", "group_id": 382, "group_name": "Here",
            "movement_type": "Bingo - Wager", "currency_amount": "-1.00", "currency_id": "EUR",
            "base_currency_amount": "-1.10", "base_currency_id": "USD",
        },
        f'user(id: "9") {{ @transactions({DAY}, first: 1000) {{ nodes…}}', "user.@.nodes",
        {
            "group_id": "group { id }", "group_name": "group { name }", "movement_type": "type",
            "currency_amount": "amount", "currency_id": "currency", "base_currency_amount": "baseAmount",
            "base_currency_id": "baseCurrency",
        },
        "movement_type", "movement_id timestamp", "movement_id",
    ),
    case(
        "R8", {"id": 1, "external_group_id": "g", "name": "Here", "type": "Local"},
        "@groups(first: 1000) { nodes…}", "@.nodes",
        {"external_group_id": "externalId", "name": "name", "type": "type"}, "", "id", "id",
    ),
    case(
        "R9",
        {"id": 1, "external_user_id": "u", "username": "ana", "group_id": 382, "fkgroup": "Here"},
        "@users(first: 1000) { nodes…}", "@.nodes",
        {
            "external_user_id": "externalId", "username": "username", "group_id": "group { id }",
            "fkgroup": "group { name }",
        },
        "", "id", "id",
    ),
    case(
        "R10", {"description": "PJP", "value": "5.00", "value_max": "9.00", "percentage": "1.50", "seed": "2.00"},
        "@progressiveJackpots…", "@",
        {
            "description": "description", "value": "value", "value_max": "valueMax", "percentage": "percentage",
            "seed": "seed",
        },
        "description value", "",
    ),
    case(
        "R11",
        {
            "timestamp": NOON, "group_id": 382, "type": 1, "subtype": 1, "currency_amount": "1.00", "user_id": 9,
            "username": "ana", "game_id": 4, "external_group_id": "g", "external_user_id": "u",
        },
        f"@financialMovements({DAY}, first: 1000) {{ nodes…}}", "@.nodes",
        {
            "username": "user { username }", "external_user_id": "user { externalId }",
            "external_group_id": "group { externalId }",
        },
        "", "timestamp group_id type subtype currency_amount user_id game_id",
    ),
    case(
        "G1",
        {
            "history_id": 1, "agent_code": "a", "user_code": "ana", "provider_code": "p", "game_code": "g",
            "type": "BASE", "bet_money": 1.5, "win_money": 2, "txn_id": "t", "txn_type": "debit_credit",
            "user_start_balance": 1, "user_end_balance": 2, "agent_start_balance": 3, "agent_end_balance": 4,
            "created_at": "2026-03-11T12:00:00.000Z",
        },
        f"@gameLogs({DAY}, first: 1000) {{ nodes…}}", "@.nodes",
        {
            "agent_code": "agentCode", "user_code": "userCode", "provider_code": "providerCode",
            "game_code": "gameCode", "type": "type", "bet_money": "bet", "win_money": "win", "txn_id": "txnId",
            "txn_type": "txnType", "user_start_balance": "userStartBalance", "user_end_balance": "userEndBalance",
            "agent_start_balance": "agentStartBalance", "agent_end_balance": "agentEndBalance",
        },
        "agent_code user_code provider_code game_code type bet_money win_money txn_id txn_type",
        "history_id created_at", "history_id",
    ),
]  # fmt: skip
TYPES = {
    "R1": "users_report", "R2": "api_bulk_games_report", "R5": "api_retail_movements", "R7": "transaction_report",
    "R8": "api_groups_report", "R9": "api_users_report", "R10": "progressive_jackpot_summary",
    "R11": "api_movements_external_report", "R3": "api_retail_game_details",
    "R4": "api_retail_game_details_simplified",
}  # fmt: skip
LISTED = {case.report: case for case in CASES}


def system(report: str) -> str:
    """Return the name of the system of a report, as messages give it."""
    return "Game History" if report == "G1" else "GameHub"


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@dataclass
class Stand:
    """A graph over a scripted upstream that answers each report with its own `rows`."""

    server: Server
    upstream: Upstream
    cached: DayCache
    rows: dict[str, Any]

    async def ask(self, query: str, compiled: bool, caller: Caller | None = None) -> tuple[Any, list[dict[str, Any]]]:
        options: dict[str, Any] = {} if caller is None else {"caller": caller}
        session = Session(self.cached, UTC, now=NOW, **options)
        outcome = await executor_of(lambda operation: session, compiled=compiled).run(Operation(query))
        session.close()
        return outcome.data, outcome.errors


@asynccontextmanager
async def standing(cache: str, folder: Path, series: str = "") -> AsyncIterator[Stand]:
    async with serving() as server:
        with Journal(folder / "errors.sqlite") as journal:
            upstream = Upstream(
                GameHubConfig(url=lambda: server.url, token=Secret("token"), timezone=UTC, timeout=20.0),
                GameLogConfig(
                    url=lambda: server.url, agents=Agents(Agent("a", Secret("secret"))), timezone=UTC, timeout=20.0
                ),
                journal,
            )
            async with (
                upstream,
                redis_connection(cache) as redis,
                DayCache(
                    upstream, open_store(cache, redis=redis), UTC, origin=lambda: series, now=lambda: NOW
                ) as cached,
            ):
                stand = Stand(server, upstream, cached, {})
                server.reply = lambda request: answer(stand, request)
                yield stand


def answer(stand: Stand, request: ReceivedRequest) -> Reply:
    if request.method == "POST":
        rows = stand.rows.get("G1", [])
        return Reply({"status": 1, "total_count": len(rows), "page": 0, "perPage": 10_000, "slot": rows})
    report = next(code for code, name in TYPES.items() if name == request.query["report_type"])
    rows = stand.rows.get(report)
    if rows is None:
        rows = {"R8": [{"id": 382, "name": "Here"}], "R9": [{"id": 9, "username": "ana"}]}.get(report, [])
    if report == "R1":
        # A day with a bad value is not stored, so that it is read separately the next time.
        first, last = (request.query[f"timestamp_range_{end}"] for end in ("from", "to"))
        rows = [row for row in rows if not isinstance(row["timestamp"], str) or first <= row["timestamp"] <= last]
    return Reply({"error": False, "report": rows})


SERIES = itertools.count()


@pytest.mark.parametrize("count", [3, 60])
@pytest.mark.parametrize("cache", ["off", "memory://", "redis"])
@pytest.mark.parametrize("report", LISTED)
async def test_a_bad_value_hurts_its_own_place_alone(
    report: str, cache: str, count: int, redis: str, tmp_path: Path
) -> None:
    case = LISTED[report]
    url = redis if cache == "redis" else cache
    async with standing(url, tmp_path, f"clean {next(SERIES)}") as stand:
        stand.rows[report] = case.rows(count)
        everything = " ".join(case.columns.values())
        clean, errors = await stand.ask(case.query(everything), True)
        assert errors == []
    for bad in case.columns:
        async with standing(url, tmp_path, f"{report} {bad} {next(SERIES)}") as stand:
            stand.rows[report] = case.rows(count)
            stand.rows[report][1][bad] = BAD
            # Ask again where there is a cache, so that the answer comes from it.
            for compiled in (True, False, True) if cache != "off" else (True, False):
                await check(stand, case, bad, compiled, clean)


async def check(stand: Stand, case: Case, bad: str, compiled: bool, clean: Any) -> None:
    # The wallet's amount of R5 depends on the type, too.
    spoilt = {bad, "currency_amount"} if (case.report, bad) == ("R5", "type") else {bad}
    others = " ".join(selected for column, selected in case.columns.items() if column not in spoilt)
    expected = listed(case, clean, "a")
    # Movements and logs are listed with the newest first.
    place = len(expected) - 2 if case.report in ("R5", "R7", "G1") else 1
    for query in (case.query(others), case.query(others, case.columns[bad])):
        data, errors = await stand.ask(query, compiled)
        assert listed(case, data, "a") == [only(row, others) for row in expected], (bad, compiled)
        if " b:" not in query:
            assert errors == []
            continue
        (error,) = errors
        assert error["extensions"] | {"correlationId": ""} == {
            "code": "UPSTREAM_MALFORMED", "report": case.report, "column": bad, "correlationId": "",
        }  # fmt: skip
        assert len(error["extensions"]["correlationId"]) == 12
        # The row is numbered in the call that returned it: one day of R1 may be read separately.
        row = "[12]" if case.report == "R1" else "2"
        assert re.match(f"{system(case.report)} {case.report}, row {row}, column {bad}: ", error["message"])
        keys = place_of(case.columns[bad])
        assert error["path"] == [*("b" if part == "@" else part for part in case.path), place, *keys]
        beside = listed(case, data, "b")
        if bad not in case.nullable:
            assert beside is None
            continue
        for number, row in enumerate(beside):
            assert within(row, keys) == (None if number == place else within(expected[number], keys))


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("cache", ["off", "memory://"])
@pytest.mark.parametrize("report", LISTED)
async def test_without_what_tells_rows_apart_there_are_none(
    report: str, cache: str, compiled: bool, tmp_path: Path
) -> None:
    case = LISTED[report]
    for key in case.keys:
        async with standing(cache, tmp_path) as stand:
            stand.rows[report] = case.rows(3)
            stand.rows[report][1][key] = BAD
            data, errors = await stand.ask(case.query("__typename"), compiled)
            assert listed(case, data, "a") is None, key
            (error,) = errors
            assert error["extensions"]["code"] == "UPSTREAM_MALFORMED"
            assert error["message"].startswith(f"{system(report)} {report}, row 2, column {key}: ")
            assert error["path"] == [part if part != "@" else "a" for part in case.path[: case.path.index("@") + 1]]


def within(value: Any, keys: list[str]) -> Any:
    for key in keys:
        value = value and value[key]
    return value


def place_of(selected: str) -> list[str]:
    return selected.replace("{", " ").replace("}", " ").split()


def listed(case: Case, data: Any, alias: str) -> Any:
    for part in case.path:
        data = data and data[alias if part == "@" else part]
    return data


def only(row: dict[str, Any], others: str) -> dict[str, Any]:
    """Return the selected fields of a row that was selected completely."""
    selected = re.findall(r"(\w+)(?: \{ (\w+) \})?", others)
    found: dict[str, Any] = {}
    for name, inner in selected:
        if inner:
            found.setdefault(name, {})[inner] = row[name][inner]
        else:
            found[name] = row[name]
    return found


DETAIL = {
    "game_id": 7,
    "players": 3,
    "prizes": [
        {"id": 1, "prize_name": "One line", "paid": "1.00", "winners": [{"ticket_id": "a", "amount_won": "1.00"}]},
        {"id": 2, "prize_name": "Fullhouse", "paid": "2.00", "winners": [{"ticket_id": "b", "amount_won": "2.00"}]},
    ],
    "progressive_jackpot": {"name": "PJP", "winners": [{"ticket_id": "b", "amount_won": "3.00"}]},
    "tickets": [{"ticket_id": "a", "created_at": NOON, "cards": [{"card_id": "c", "numbers": [1, 2]}]}],
}
INSIDE = [
    ("prizes[1].paid", ("prizes", 1, "paid"), "", "prizes { amount }", ["prizes", 1, "amount"]),
    ("prizes[0].id", ("prizes", 0, "id"), [], "prizes { id }", ["prizes", 0, "id"]),
    ("prizes[1].winners[0].amount_won", ("prizes", 1, "winners", 0, "amount_won"), "x",
     "prizes { winners { amount } }", ["prizes", 1, "winners", 0, "amount"]),
    ("progressive_jackpot.winners[0].amount_won", ("progressive_jackpot", "winners", 0, "amount_won"), None, "", []),
    ("tickets[0].created_at", ("tickets", 0, "created_at"), "soon",
     "tickets { createdAt }", ["tickets", 0, "createdAt"]),
    ("players", ("players",), 3_000_000_000, "players", ["players"]),
]  # fmt: skip
OTHERS = {
    "prizes": "prizes { name }", "players": "cardPrice", "tickets": "tickets { id cards { id numbers } }",
    "jackpot": "jackpot { name }",
}  # fmt: skip


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(("column", "place", "value", "selected", "path"), INSIDE)
async def test_a_bad_value_inside_a_row_hurts_its_own_place_alone(
    column: str, place: tuple[Any, ...], value: Any, selected: str, path: list[Any], compiled: bool, tmp_path: Path
) -> None:
    async with standing("off", tmp_path) as stand:
        stand.rows["R3"] = copy.deepcopy(DETAIL)
        query = f'{{ game(id: "7") {{ {" ".join(OTHERS.values())} }} }}'
        clean, errors = await stand.ask(query, compiled)
        assert errors == []
        inner: Any = stand.rows["R3"]
        for part in place[:-1]:
            inner = inner[part]
        inner[place[-1]] = value
        assert await stand.ask(query, compiled) == (clean, [])
        if not selected:
            return
        data, errors = await stand.ask(f'{{ game(id: "7") {{ {selected} }} clean: {query[2:-2]} }}', compiled)
        assert data["clean"] == clean["game"]
        (error,) = errors
        assert error["path"] == ["game", *path]
        assert error["extensions"]["column"] == column
        assert within(data, ["game", *path]) is None


@pytest.mark.parametrize("compiled", [True, False])
async def test_a_number_beyond_int_is_the_upstreams_fault(compiled: bool, tmp_path: Path) -> None:
    async with standing("off", tmp_path) as stand:
        stand.rows["R1"] = LISTED["R1"].rows(2)
        stand.rows["R1"][1]["total_paid_tickets"] = 3_000_000_000
        data, (error,) = await stand.ask(LISTED["R1"].query("paidTickets"), compiled)
        assert data == {"group": {"a": None}}
        assert error["message"] == (
            "GameHub R1, row 2, column total_paid_tickets: Expected `int` <= 2147483647. "
            "Try again; if it fails again, tell the operator."
        )
        assert error["path"] == ["group", "a", 1, "paidTickets"]


async def test_bad_values_are_counted_logged_and_kept_once_an_answer(tmp_path: Path) -> None:
    case = LISTED["R7"]
    async with standing("memory://", tmp_path) as stand:
        stand.rows["R7"] = case.rows(4)
        for number in (1, 3):
            stand.rows["R7"][number]["base_currency_amount"] = ""
        stand.rows["R7"][2]["currency_id"] = 7
        with structlog.testing.capture_logs() as logs:
            answers = [await stand.ask(case.query("baseAmount"), compiled) for compiled in (True, False)]
        irregular = stand.upstream.stats()["GameHub"]["irregular"]
        calls = len(stand.server.requests) - 1  # one of them is that of the user
        assert irregular == {("R7", "base_currency_amount"): 2 * calls, ("R7", "currency_id"): calls}
        events = [entry for entry in logs if entry["event"] == "upstream.irregular"]
        assert [entry["columns"] for entry in events] == [{"base_currency_amount": 2, "currency_id": 1}] * calls
        ids = {error["extensions"]["correlationId"] for _, errors in answers for error in errors}
        assert len(ids) == calls
        journal = stand.upstream._journal
        assert journal is not None
        entries = journal.entries()
        assert {entry.correlation_id for entry in entries} == ids
        assert {entry.code for entry in entries} == {"UPSTREAM_MALFORMED"}


@pytest.mark.parametrize("compiled", [True, False])
async def test_a_restricted_caller_is_not_told_the_value(compiled: bool, tmp_path: Path) -> None:
    case = LISTED["R5"]
    async with standing("off", tmp_path) as stand:
        stand.rows["R9"] = [{"id": 9, "username": "ana", "group_id": 382}]
        stand.rows["R5"] = case.rows(3)
        stand.rows["R5"][1]["game_id"] = "secret 7"
        caller = Caller("guest", groups=frozenset({382}))
        data, errors = await stand.ask(case.query("type amount", "game { id }"), compiled, caller)
        assert data["group"]["a"]["nodes"] == [{"type": "Bingo - Wager", "amount": "-1.00"}] * 3
        assert data["group"]["b"]["nodes"] == [{"game": {"id": "4"}}, {"game": None}, {"game": {"id": "4"}}]
        (error,) = errors
        assert error["message"] == (
            "GameHub R5: the upstream answered with something other than its documented JSON. "
            "Try again; if it fails again, tell the operator."
        )
        assert error["extensions"]["column"] == "game_id"
        assert "secret" not in repr(errors)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("column", ["currency_amount", "currency_id", "movement_type", "group_name"])
async def test_the_bad_value_of_one_answer_leaves_the_other_answers_alone(
    column: str, compiled: bool, tmp_path: Path
) -> None:
    """Each user's transactions are an answer of their own. The lists of a level are written together."""
    case = LISTED["R7"]
    async with standing("off", tmp_path) as stand:
        stand.rows["R9"] = [{"id": number, "username": f"u{number}"} for number in (8, 9, 10)]
        usual = stand.server.reply

        def reply(request: ReceivedRequest) -> Any:
            if request.query.get("report_type") != TYPES["R7"]:
                return usual(request)
            rows = case.rows(3)
            if request.query["user_id"] == "9":
                rows[1][column] = BAD
            return Reply({"error": False, "report": rows})

        stand.server.reply = reply
        selected = case.columns[column]
        data, errors = await stand.ask(
            f"{{ users {{ nodes {{ id transactions({DAY}) {{ nodes {{ id {selected} }} }} }} }} }}", compiled
        )
    (error,) = errors
    path = ["users", "nodes", 1, "transactions", "nodes", 1, *place_of(selected)]
    assert (error["extensions"]["code"], error["extensions"]["column"], error["path"]) == (
        "UPSTREAM_MALFORMED", column, path,
    )  # fmt: skip
    first, second, third = [user["transactions"] for user in data["users"]["nodes"]]
    assert first == third
    assert None not in [within(row, place_of(selected)) for row in first["nodes"]]
    if column in case.nullable:
        assert second["nodes"][0] == first["nodes"][0]
        assert within(second["nodes"][1], place_of(selected)) is None
