"""Reconciliation: an unchanged world gives no difference, and every changed digit gives exactly its own."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from resolvers.reconcile import Difference
from server.reconcile import People, Reconciliation, Result, days_of
from server.refusal import Refusal
from tests.server.slips import Door, Slip, other, slippery
from tests.server.tables.conftest import settings
from tests.stand import Sandbox
from upstream import reports
from upstream.agents import Agent, Agents
from upstream.call import Answer, Call
from upstream.client import GameHubConfig, GameLogConfig, Upstream
from upstream.days import pieces
from upstream.interval import dates
from upstream.secret import Secret

pytestmark = pytest.mark.asyncio(loop_scope="module")

ZONE = ZoneInfo("UTC")
DAY = date(2026, 3, 13)
FRAME = dates(DAY, DAY, ZONE)
DAILY, MOVEMENTS, TRANSACTIONS = "users_report", "api_retail_movements", "transaction_report"
FINANCE, GAMES = "api_movements_external_report", "api_bulk_games_report"
DETAILS, SUMMARY = "api_retail_game_details", "api_retail_game_details_simplified"
LOG = "get_game_log"


class Books:
    """Both upstreams, as the gateway reads them anew."""

    def __init__(self, upstream: Upstream, door: Door) -> None:
        self.upstream = upstream
        self.door = door

    async def anew(self, call: Call) -> Answer[Any]:
        return await self.upstream.fetch(call)

    async def rows(self, report: reports.Report, **params: Any) -> list[Any]:
        frame = FRAME if report.frame is not None else None
        return list((await self.upstream.fetch(Call.of(report, frame, **params))).rows)

    async def compare(self, *slips: Slip, group: int | None = None) -> tuple[Result, list[Difference]]:
        """What is found with these digits changed."""
        found: list[Difference] = []
        self.door.slips = slips
        try:
            work = Reconciliation(
                self, ZONE, People(), group=group, tell=lambda day, difference: found.append(difference)
            )
            return await work.run(pieces(FRAME, ZONE)), found
        finally:
            self.door.slips = ()


@pytest.fixture(scope="module")
def small() -> Iterator[Sandbox]:
    with Sandbox(users=20, rooms=1, days=3) as sandbox:
        yield sandbox


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def books(small: Sandbox) -> AsyncIterator[Books]:
    agents = Agents(Agent(small.agent_code, Secret(small.agent_token)))
    async with (
        slippery(small) as door,
        Upstream(
            GameHubConfig(lambda: door.gamehub_url, Secret(small.gamehub_token), ZONE),
            GameLogConfig(lambda: door.gamelog_url, agents, ZONE),
        ) as upstream,
    ):
        yield Books(upstream, door)


def told(differences: list[Difference]) -> dict[tuple[str, str, str], dict[str, str | None]]:
    """By what was compared, key and column: what each report says."""
    found = {
        (one.compared, one.key, one.column): {f"{each.report} {each.column}": each.value for each in one.told}
        for one in differences
    }
    assert len(found) == len(differences)
    return found


def money(value: str | int | float) -> str:
    text = f"{Decimal(str(value)):f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}"


async def test_an_unchanged_world_has_no_differences(books: Books) -> None:
    result, found = await books.compare()
    assert found == []
    assert (result.days, result.notes, result.failures, result.exit_code) == (1, [], [], 0)
    assert result.compared == {"daily": 5, "games": 118, "movements": 836, "logs": 447}


async def test_of_one_group(books: Books) -> None:
    result, found = await books.compare(group=386)
    movements = await books.rows(reports.GROUP_MOVEMENTS, group_id=386)
    assert (found, result.exit_code) == ([], 0)
    assert result.compared["daily"] == 1
    assert result.compared["movements"] == len(movements) > 50
    assert 0 < result.compared["logs"] < 447
    none, _ = await books.compare(group=999)
    assert (none.failures, none.exit_code) == (["there is no group 999"], 2)


async def test_a_day_s_totals(books: Books) -> None:
    """Every figure of R1, each in the row of a group; that of euros is one of them."""
    columns = {
        ("wagers", "total_wagers_real"): ("R5 sum", "R11 sum"),
        ("wins", "total_wins_real"): ("R3 sum of win_info",),
        ("refunds", "total_refunds_real"): ("R5 sum", "R11 sum"),
        ("paid", "total_paid"): ("R5 sum", "R11 sum"),
        ("net", "net"): ("R5 sum", "R11 sum"),
        ("tickets", "total_paid_tickets"): ("R5 tickets",),
    }
    groups = (382, 386)
    slips = [Slip(DAILY, ("group_id", group), (column,)) for group in groups for _, column in columns]
    rows = {group: (await books.rows(reports.DAILY_MOVEMENTS, groupid=group))[0] for group in groups}
    _, found = await books.compare(*slips)
    assert told(found) == {
        ("daily", f"group {group}", name): {
            f"R1 {column}": str(other(getattr(rows[group], column))),
            **dict.fromkeys(others, str(getattr(rows[group], column))),
        }
        for group in groups
        for (name, column), others in columns.items()
    }


async def test_movements_of_groups(books: Books) -> None:
    """Every column of R5 that another report tells; an amount shows in the day's totals, too."""
    mine = await books.rows(reports.GROUP_MOVEMENTS, group_id=382)
    wagers = [row for row in mine if row.type == "Bingo - Wager"]
    prize = next(row for row in mine if row.type == "Bingo - Prize")
    columns = {
        "timestamp": "time",
        "external_group_id": "external group",
        "group_name": "group name",
        "user_id": "user",
    }
    slips = [
        Slip(MOVEMENTS, ("movement_id", row.movement_id), (column,))
        for row, column in zip(wagers[10:], columns, strict=False)
    ]
    slips.append(Slip(MOVEMENTS, ("movement_id", prize.movement_id), ("currency_amount",)))
    _, found = await books.compare(*slips)
    places = {("movements", f"movement {slip.key[1]}", columns.get(str(slip.column[0]), "amount")) for slip in slips}
    day = {("daily", "group 382", name) for name in ("paid", "net")}
    assert set(told(found)) == places | day
    amount = Decimal(prize.currency_amount)
    changed = Decimal(str(other(int(amount) if amount == int(amount) else float(amount))))
    assert told(found)["movements", f"movement {prize.movement_id}", "amount"] == {
        "R5 currency_amount": money(str(changed)),
        "R7 currency_amount": prize.currency_amount,
    }
    (daily,) = await books.rows(reports.DAILY_MOVEMENTS, groupid=382)
    assert told(found)["daily", "group 382", "paid"] == {
        "R1 total_paid": daily.total_paid,
        "R5 sum": money(str(Decimal(daily.total_paid) + amount - changed)),
        "R11 sum": daily.total_paid,
    }


async def test_movements_of_users(books: Books) -> None:
    mine = [row for row in await books.rows(reports.USER_TRANSACTIONS, user_id=2001) if row.group_id == 382]
    columns = {
        "timestamp": ("time",),
        "movement_type": ("type",),
        "currency_amount": ("amount", "base amount"),
        "base_currency_amount": ("base amount",),
        "group_name": ("group name",),
        "external_group_id": ("external group",),
    }
    slips = {
        Slip(TRANSACTIONS, ("movement_id", row.movement_id), (column,)): names
        for row, (column, names) in zip(mine[5:], columns.items(), strict=False)
    }
    _, found = await books.compare(*slips)
    assert set(told(found)) == {
        ("movements", f"movement {slip.key[1]}", name) for slip, names in slips.items() for name in names
    }
    _, row = mine[5], mine[7]
    changed = other(row.currency_amount)
    assert told(found)["movements", f"movement {row.movement_id}", "amount"] == {
        "R5 currency_amount": row.currency_amount.removeprefix("-"),
        "R7 currency_amount": changed,
    }


async def test_movements_that_one_side_lacks(books: Books) -> None:
    """Another movement id: R5 tells one that R7 does not, and the other way round."""
    row = (await books.rows(reports.GROUP_MOVEMENTS, group_id=383))[3]
    _, found = await books.compare(Slip(MOVEMENTS, ("movement_id", row.movement_id), ("movement_id",)))
    keys = {(one.key, one.column, one.told[0].report, one.told[1].value) for one in found}
    wrong = other(row.movement_id)
    if any(one.column != "(row)" for one in found):  # the wrong id is that of another movement
        assert all(one.key == f"movement {wrong}" or one.column == "(row)" for one in found)
        keys = {key for key in keys if key[1] == "(row)"}
    assert (f"movement {row.movement_id} of user {row.user_id}", "(row)", "R7", None) in keys


async def test_financial_movements(books: Books) -> None:
    """R11 has no ids: a changed amount, type or group shows in the totals."""
    rows = await books.rows(reports.FINANCIAL_MOVEMENTS, group_id=383)
    moments = [row.timestamp for row in await books.rows(reports.FINANCIAL_MOVEMENTS)]
    row = next(row for row in rows if row.type == 1 and moments.count(row.timestamp) == 1)
    slip = Slip(FINANCE, ("timestamp", row.timestamp // 1_000_000), ("currency_amount",))
    _, found = await books.compare(slip)
    (daily,) = await books.rows(reports.DAILY_MOVEMENTS, groupid=383)
    more = Decimal(other(row.currency_amount)) - Decimal(row.currency_amount)
    assert told(found) == {
        ("daily", "group 383", name): {
            f"R1 {column}": getattr(daily, column),
            "R5 sum": getattr(daily, column),
            "R11 sum": money(str(Decimal(getattr(daily, column)) + more)),
        }
        for name, column in (("wagers", "total_wagers_real"), ("net", "net"))
    }
    result, found = await books.compare(replace(slip, column=("type",)))
    assert {one.column for one in found} == {"wagers", "net"}
    assert result.notes == ["2026-03-13: group 383: 1 movements of R11 of the type '2/1' are in no total"]


FIGURES: dict[str, dict[str, str]] = {
    GAMES: {
        "room_id": "room id",
        "room_name": "room",
        "game_configuration_id": "configuration id",
        "game_configuration_name": "configuration",
        "game_configuration_key": "configuration key",
        "status": "status",
        "status_name": "status name",
        "card_price": "card price",
        "cards_bought": "cards",
        "wagered": "wagered",
        "paid": "paid",
        "starts_at": "start",
        "finished_at": "end",
    },
    DETAILS: {
        "room_name": "room",
        "game_variant": "variant",
        "room_id": "room id",
        "game_configuration_id": "configuration id",
        "paid": "paid",
        "configuration": "configuration",
        "configuration_key": "configuration key",
        "available_balls": "balls there are",
        "balls_delay": "balls' delay",
        "jackpot_build_method": "build method",
        "starts_at": "start",
        "ends_at": "end",
        "players": "players",
        "cards_bought": "cards",
        "wagered": "wagered",
        "wagers_to_prizes": "wagers to prizes",
        "wagers_to_pjp": "wagers to jackpot",
        "card_price": "card price",
        "status_id": "status",
        "status_name": "status name",
        "balls": "draw",
    },
    SUMMARY: {
        "bs_room_id": "room",
        "bs_game_variant_description": "variant",
        "bs_game_configuration_description": "configuration",
        "game_available_balls": "balls there are",
        "draw_balls_delay": "balls' delay",
        "jackpot_build_method": "build method",
        "pjp_id": "jackpot",
        "pjp_winnable_until_call_included": "jackpot's last call",
        "starts_at": "start",
        "ends_at": "end",
        "duration": "duration",
        "total_players": "players",
        "total_tickets": "cards",
        "total_wagers_to_prizes_real": "wagers to prizes",
        "total_wagers_to_pjp_real": "wagers to jackpot",
        "total_wagers_real": "wagered",
        "card_price": "card price",
        "status": "status",
        "balls": "draw",
        "bs_game_id_main": "id",  # the last, since it makes another game of it
    },
}
KEYS = {GAMES: ("R2", "id"), DETAILS: ("R3", "game_id"), SUMMARY: ("R4", "bs_game_id_main")}


@pytest.mark.parametrize("report", FIGURES)
async def test_figures_of_games(report: str, books: Books) -> None:
    """Every figure that another report tells, each changed in a game of its own."""
    code, key = KEYS[report]
    played = [row for row in await books.rows(reports.ROOM_GAMES) if row.status == 3 and row.prizes]
    slips = {
        Slip(report, (key, row.id), (column,)): name
        for row, (column, name) in zip(played, FIGURES[report].items(), strict=False)
    }
    assert len(slips) == len(FIGURES[report])
    _, found = await books.compare(*slips)
    places = {("games", f"game {slip.key[1]}", name) for slip, name in slips.items()}
    # Of a time that R4 tells wrongly its own duration knows, too.
    more = {
        ("games", f"game {slip.key[1]}", "duration")
        for slip in slips
        if report == SUMMARY and slip.column[0] in ("starts_at", "ends_at")
    }
    assert set(told(found)) == places | more
    for slip, name in slips.items():
        said = told(found)["games", f"game {slip.key[1]}", name]
        (mine,) = [value for where, value in said.items() if where == f"{code} {slip.column[0]}"]
        others = {value for where, value in said.items() if where != f"{code} {slip.column[0]}"}
        assert len(others) == 1
        assert mine not in others


WINNER = {
    "user_name": "user name",
    "user_id": "user",
    "external_user_id": "external user",
    "card_id": "card",
    "call_number": "call",
    "card_holder_name": "card holder",
    "prize_name": "prize",
}
TICKET = {"amount_won": "amount", "user_id": "user", "external_user_id": "external user", "ticket_id": "ticket"}
PARTS: dict[str, dict[tuple[str | int, ...], list[tuple[str, str, str]]]] = {
    GAMES: {
        ("prizes", 0, "paid"): [("prize", "paid", "R2 R3")],
        ("prizes", 0, "id"): [("prize", "id", "R2 R3")],
        ("prizes", 0, "call_number"): [("prize", "call", "R2 R3")],
        ("prizes", 0, "prize_name"): [("prize", "name", "R2 R3")],
        **{("winners", 0, column): [("winner", name, "R2 R3")] for column, name in WINNER.items()},
    },
    DETAILS: {
        ("prizes", 0, "paid"): [("prize", "paid", "R2 R3"), ("prize", "paid", "R3 R4")],
        ("prizes", 0, "id"): [("prize", "id", "R2 R3")],
        ("prizes", 0, "call_number"): [("prize", "call", "R2 R3")],
        **{("prizes", 0, "winners", 0, column): [("winner of", name, "R3 R4")] for column, name in TICKET.items()},
        **{("winners", 0, column): [("winner", name, "R2 R3")] for column, name in WINNER.items()},
    },
    SUMMARY: {
        ("bs_game_prizes", 0, "amount"): [("prize", "paid", "R3 R4")],
        ("bs_game_prizes", 0, "winners", 0, "amount", "real"): [("winner of", "amount", "R3 R4")],
        ("bs_game_prizes", 0, "winners", 0, "user_id"): [("winner of", "user", "R3 R4")],
        ("bs_game_prizes", 0, "winners", 0, "external_user_id"): [("winner of", "external user", "R3 R4")],
        ("bs_game_prizes", 0, "winners", 0, "ticket_id"): [("winner of", "ticket", "R3 R4")],
    },
}


@pytest.mark.parametrize("report", PARTS)
async def test_prizes_and_winners(report: str, books: Books) -> None:
    """Every figure of a prize and of a winner, each changed in a game of its own."""
    games = [row for row in await books.rows(reports.ROOM_GAMES) if row.status == 3 and len(row.prizes or ()) > 2]
    slips = {
        Slip(report, (KEYS[report][1], row.id), path): (row.id, expected)
        for row, (path, expected) in zip(games, PARTS[report].items(), strict=False)
    }
    assert len(slips) == len(PARTS[report])
    _, found = await books.compare(*slips)
    places = [
        (*one.key.split(", ", 1), one.column, " ".join(each.report for each in one.told))
        for one in found
        if one.compared == "games"
    ]
    assert sorted(
        (game, next(what for what in ("winner of", "winner", "prize") if name.startswith(what)), column, who)
        for game, name, column, who in places
    ) == sorted((f"game {id}", *each) for id, expected in slips.values() for each in expected)


async def test_what_tickets_won(books: Books) -> None:
    """A digit of a ticket's prize: the wins of the group that sold it."""
    for row in await books.rows(reports.ROOM_GAMES):
        (detail,) = await books.rows(reports.GAME_DETAIL, id=row.id)
        ticket = next((n for n, one in enumerate(detail.tickets) if one.win_info), None)
        if ticket is not None:
            break
    (prize, *_) = detail.tickets[ticket].win_info[0].prizes
    path = ("tickets", ticket, "win_info", 0, "prizes", prize, "amount")
    _, found = await books.compare(Slip(DETAILS, ("game_id", row.id), path))
    group = detail.tickets[ticket].seller_group_id
    assert [(one.compared, one.key, one.column) for one in found] == [("daily", f"group {group}", "wins")]


@pytest.mark.parametrize("log", ["agent", "user"])
async def test_logs(log: str, books: Books) -> None:
    """Every column of the log, in the agent's and in the users' own; each in a row of its own."""
    found_rows = await books.rows(reports.GAME_LOGS, game_type="slot")
    columns = [
        *("agent_code", "provider_code", "game_code", "type", "bet_money", "win_money", "txn_id", "txn_type"),
        *("user_start_balance", "user_end_balance", "agent_start_balance", "agent_end_balance"),
    ]
    rows = dict(zip(columns, found_rows[20:], strict=False))
    slips = [Slip(LOG, ("history_id", row.history_id), (column,), log) for column, row in rows.items()]
    _, found = await books.compare(*slips)
    assert set(told(found)) == {("logs", f"log row {row.history_id}", column) for column, row in rows.items()}
    for column, row in rows.items():
        said = told(found)["logs", f"log row {row.history_id}", column]
        right = "G1 of the user" if log == "agent" else "G1 of the agent"
        assert said[f"{right} {column}"] == getattr(row, column)
        assert said[f"G1 of the {log} {column}"] != getattr(row, column)


async def test_what_cannot_be_compared_is_told_and_the_rest_goes_on(books: Books, small: Sandbox) -> None:
    """R5 of a group names another group: that is a malformed answer, and no difference."""
    row = (await books.rows(reports.GROUP_MOVEMENTS, group_id=383))[0]
    result, found = await books.compare(Slip(MOVEMENTS, ("movement_id", row.movement_id), ("group_id",)))
    assert (found, result.exit_code) == ([], 2)
    (failure,) = result.failures
    assert failure.startswith("2026-03-13: daily totals and movements: R5: a row is of group_id ")
    assert result.compared["games"] == 118
    assert result.compared["logs"] == 447


NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)


async def test_the_days() -> None:
    def days(**given: str) -> tuple[list[str], list[str]]:
        over, others = days_of(given, NOW, ZONE)
        return [piece.text for piece in over], [piece.text for piece in others]

    assert days(period="yesterday") == (["2026-03-14"], [])
    assert days(period="2026-03-13..2026-03-15") == (["2026-03-13", "2026-03-14"], ["2026-03-15"])
    assert days(since="2026-03-13", until="2026-03-14") == (["2026-03-13"], [])
    assert len(days(period="last_month")[0]) == 28
    for given, says in (
        ({}, "Say which days"),
        ({"period": "2026-03-15..2026-03-13"}, "is no range of days"),
        ({"period": "2026-02-30..2026-03-13"}, "is no range of days"),
        ({"period": "soon"}, "There is no period 'soon'"),
        ({"since": "2026-03-13T06:00:00", "until": "2026-03-14"}, "Only whole days"),
    ):
        with pytest.raises(Refusal, match=says):
            days(**given)  # type: ignore[arg-type]


async def command(sandbox: Sandbox, folder: Path, *words: str, **more: str) -> tuple[int | None, str, str]:
    done = await asyncio.create_subprocess_exec(
        *(Path(sys.executable).with_name("gamehub-graph"), "reconcile", *words),
        env={**os.environ, **settings(sandbox), **more, "ERROR_JOURNAL": str(folder / "errors.sqlite")},
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(done.communicate(), 60)
    return done.returncode, out.decode(), err.decode()


async def test_the_command(books: Books, small: Sandbox, tmp_path: Path) -> None:
    through = {"GAMEHUB_URL": books.door.gamehub_url, "GAMELOG_URL": books.door.gamelog_url}
    words = ("--during", "2026-03-13..2026-03-13")
    alike = await command(small, tmp_path, *words, **through)
    assert alike[:2] == (
        0,
        "1 days; daily: 5 compared, 0 differ, movements: 836 compared, 0 differ, games: 118 compared, 0 differ, "
        "logs: 447 compared, 0 differ\n",
    )
    assert "reconcile 2026-03-13" in alike[2]
    (daily,) = await books.rows(reports.DAILY_MOVEMENTS, groupid=384)
    books.door.slips = [Slip(DAILY, ("group_id", 384), ("net",))]
    try:
        table, found = await asyncio.gather(
            command(small, tmp_path, *words, **through),
            command(small, tmp_path, "--since", "2026-03-13", "--until", "2026-03-14", "--format", "json", **through),
        )
    finally:
        books.door.slips = ()
    assert table[0] == found[0] == 1
    line = table[1].splitlines()[1].split()
    assert line[:5] == ["2026-03-13", "daily", "group", "384", "net"]
    assert " ".join(line[5:]) == f"R1 net {other(daily.net)} | R5 sum {daily.net} | R11 sum {daily.net}"
    answer = json.loads(found[1])
    assert (answer["days"], answer["found"], answer["failures"]) == (1, {"daily": 1}, [])
    (difference,) = answer["differences"]
    assert (difference["day"], difference["key"], difference["column"]) == ("2026-03-13", "group 384", "net")
    assert difference["told"][0] == {"report": "R1", "column": "net", "value": other(daily.net)}


async def test_what_is_wrong_is_told_and_ends_with_2(small: Sandbox, tmp_path: Path) -> None:
    down = {"GAMEHUB_URL": "http://127.0.0.1:9/api/v1/"}
    alike = ("--during", "2026-03-13..2026-03-13")
    wrong, failed = await asyncio.gather(
        command(small, tmp_path, *alike, "--format", "pdf"), command(small, tmp_path, *alike, **down)
    )
    assert wrong == (2, "", "gamehub-graph: there is no format 'pdf'; there are table, json\n")
    assert (failed[0], failed[1]) == (2, "0 days; nothing to compare\n")
    assert "gamehub-graph: groups and users: " in failed[2]
