"""Reconciliation: an unchanged world gives no difference, and every changed digit gives exactly its own."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from resolvers.reconcile.figures import Difference
from server.http.request_error import RequestError
from server.reconcile.period import days_of, last_days
from server.reconcile.reconciliation import People, Reconciliation, ReconciliationResult
from tests.programs import run
from tests.server.changing_proxy import ChangedDigit, ChangingProxy, changing_proxy, other
from tests.server.tables.conftest import settings
from tests.stand import Sandbox
from upstream.agents import Agent, Agents
from upstream.call import Answer, Call
from upstream.client import GameHubConfig, GameLogConfig, Upstream
from upstream.reports import table as reports
from upstream.transport.secret import Secret
from upstream.values.days import pieces
from upstream.values.interval import dates

pytestmark = pytest.mark.asyncio(loop_scope="module")

ZONE = ZoneInfo("UTC")
DAY = date(2026, 3, 13)
FRAME = dates(DAY, DAY, ZONE)
DAILY, MOVEMENTS, TRANSACTIONS = "users_report", "api_retail_movements", "transaction_report"
FINANCE, GAMES = "api_movements_external_report", "api_bulk_games_report"
DETAILS, SUMMARY = "api_retail_game_details", "api_retail_game_details_simplified"
LOG = "get_game_log"


def noon() -> datetime:
    """Return the moment at which the sandbox's clock stands still."""
    return datetime(2026, 3, 15, 12, tzinfo=UTC)


class Books:
    """Both upstreams, as the gateway reads them anew."""

    def __init__(self, upstream: Upstream, proxy: ChangingProxy) -> None:
        self.upstream = upstream
        self.proxy = proxy

    async def anew(self, call: Call) -> Answer[Any]:
        return await self.upstream.fetch(call)

    async def rows(self, report: reports.Report, **params: Any) -> list[Any]:
        frame = FRAME if report.frame is not None else None
        return list((await self.upstream.fetch(Call.of(report, frame, **params))).rows)

    async def compare(
        self, *slips: ChangedDigit, group: int | None = None
    ) -> tuple[ReconciliationResult, list[Difference]]:
        """Return the differences that are found with these digits changed."""
        found: list[Difference] = []
        self.proxy.changes = slips
        try:
            work = Reconciliation(
                self,
                ZONE,
                People(),
                group=group,
                on_difference=lambda day, difference: found.append(difference),
                now=noon,
            )
            return await work.run(pieces(FRAME, ZONE)), found
        finally:
            self.proxy.changes = ()


@pytest.fixture(scope="module")
def small() -> Iterator[Sandbox]:
    with Sandbox(users=20, rooms=1, days=3) as sandbox:
        yield sandbox


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def books(small: Sandbox) -> AsyncIterator[Books]:
    agents = Agents(Agent(small.agent_code, Secret(small.agent_token)))
    async with (
        changing_proxy(small) as proxy,
        Upstream(
            GameHubConfig(lambda: proxy.gamehub_url, Secret(small.gamehub_token), ZONE),
            GameLogConfig(lambda: proxy.gamelog_url, agents, ZONE),
        ) as upstream,
    ):
        yield Books(upstream, proxy)


def statements(differences: list[Difference]) -> dict[tuple[str, str, str], dict[str, str | None]]:
    """By what was compared, key and column: what each report says."""
    found = {
        (one.compared, one.key, one.column): {f"{each.report} {each.column}": each.value for each in one.statements}
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
    assert result.compared == {
        "daily": 5,
        "games": 118,
        "movements": 836,
        "logs": 447,
        "names": 53,
        "sale": 30,
        "jackpots": 1,
    }


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
    slips = [ChangedDigit(DAILY, ("group_id", group), (column,)) for group in groups for _, column in columns]
    rows = {group: (await books.rows(reports.DAILY_MOVEMENTS, groupid=group))[0] for group in groups}
    _, found = await books.compare(*slips)
    assert statements(found) == {
        ("daily", f"group {group}", name): {
            f"R1 {column}": str(other(getattr(rows[group], column))),
            **dict.fromkeys(others, str(getattr(rows[group], column))),
        }
        for group in groups
        for (name, column), others in columns.items()
    }


async def test_movements_that_one_side_lacks(books: Books) -> None:
    """Another movement id: R5 has one that R7 does not have, and the other way round."""
    row = (await books.rows(reports.GROUP_MOVEMENTS, group_id=383))[3]
    _, found = await books.compare(ChangedDigit(MOVEMENTS, ("movement_id", row.movement_id), ("movement_id",)))
    keys = {(one.key, one.column, one.statements[0].report, one.statements[1].value) for one in found}
    wrong = other(row.movement_id)
    if any(one.column != "(row)" for one in found):  # the wrong id is that of another movement
        assert all(one.key == f"movement {wrong}" or one.column == "(row)" for one in found)
        keys = {key for key in keys if key[1] == "(row)"}
    assert (f"movement {row.movement_id} of user {row.user_id}", "(row)", "R7", None) in keys


async def test_a_movement_of_another_amount(books: Books) -> None:
    """A changed amount of R5 shows in the movement, beside R7 and R11, and in the totals of the day."""
    mine = await books.rows(reports.GROUP_MOVEMENTS, group_id=382)
    prize = next(row for row in mine if row.type == "Bingo - Prize")
    _, found = await books.compare(ChangedDigit(MOVEMENTS, ("movement_id", prize.movement_id), ("currency_amount",)))
    amount = Decimal(prize.currency_amount)
    changed = Decimal(str(other(int(amount) if amount == int(amount) else float(amount))))
    (daily,) = await books.rows(reports.DAILY_MOVEMENTS, groupid=382)
    moment = datetime.fromtimestamp(prize.timestamp / 1_000_000, UTC).isoformat()
    more = changed - amount
    assert statements(found) == {
        ("movements", f"movement {prize.movement_id}", "amount"): {
            "R5 currency_amount": money(str(changed)),
            "R7 currency_amount": prize.currency_amount,
        },
        ("movements", f"group 382, movement of {moment}", "amount"): {
            "R5 currency_amount": money(str(changed)),
            "R11 currency_amount": prize.currency_amount,
        },
        ("daily", "group 382", "paid"): {
            "R1 total_paid": daily.total_paid,
            "R5 sum": money(str(Decimal(daily.total_paid) - more)),
            "R11 sum": daily.total_paid,
        },
        ("daily", "group 382", "net"): {
            "R1 net": daily.net,
            "R5 sum": money(str(Decimal(daily.net) - more)),
            "R11 sum": daily.net,
        },
    }


async def test_a_financial_movement_of_another_game(books: Books) -> None:
    """R11 has no ids: its rows are compared with those of R5 by all that they have."""
    row = next(row for row in await books.rows(reports.FINANCIAL_MOVEMENTS, group_id=383) if row.type == 1)
    rows = await books.rows(reports.FINANCIAL_MOVEMENTS)
    assert sum(one.timestamp == row.timestamp for one in rows) == 1
    change = ChangedDigit(FINANCE, ("timestamp", row.timestamp // 1_000_000), ("game_id",))
    _, found = await books.compare(change)
    moment = datetime.fromtimestamp(row.timestamp / 1_000_000, UTC).isoformat()
    assert statements(found) == {
        ("movements", f"group 383, movement of {moment}", "game"): {
            "R5 game_id": str(row.game_id),
            "R11 game_id": str(other(row.game_id)),
        }
    }


async def test_a_type_that_no_document_names(books: Books) -> None:
    row = next(row for row in await books.rows(reports.FINANCIAL_MOVEMENTS, group_id=383) if row.type == 1)
    change = ChangedDigit(FINANCE, ("timestamp", row.timestamp // 1_000_000), ("type",))
    result, found = await books.compare(change)
    assert {one.column for one in found} == {"wagers", "net", "type"}
    assert result.notes == ["2026-03-13: group 383: 1 movements of R11 of the type '2/1' are in no total"]


async def test_a_name_is_one_difference_however_many_rows_have_it(books: Books) -> None:
    name = (await books.rows(reports.GROUPS, id=383))[0].name
    _, found = await books.compare(ChangedDigit("api_groups_report", ("id", 383), ("name",)))
    assert [(one.compared, one.key, one.column) for one in found] == [("names", "group 383", "name")]
    assert [str(one) for one in found[0].statements] == [
        f"R8 id, name 383, {other(name)}",
        f"R9 group_id, fkgroup 383, {name}",
    ]


async def test_the_formula_of_profit(books: Books) -> None:
    game = next(row for row in await books.rows(reports.ROOM_GAMES) if row.status == 3)
    (detail,) = await books.rows(reports.GAME_DETAIL, id=game.id)
    _, found = await books.compare(ChangedDigit(DETAILS, ("game_id", game.id), ("profit",)))
    key = f"game {game.id}"
    assert statements(found) == {
        ("games", key, "profit"): {
            "R3 profit": other(detail.profit),
            "R3 wagered - wagers_to_prizes - wagers_to_pjp": detail.profit,
        },
        ("games", key, "net win"): {"R4 net_win_real": detail.profit, "R3 profit": other(detail.profit)},
    }


async def test_refunds_of_games_in_two_currencies(books: Books) -> None:
    """R11 has the refunds of group 386 in euros, R4 those of the game in dollars."""
    refunds = [row for row in await books.rows(reports.FINANCIAL_MOVEMENTS) if row.type == 3]
    game = next(row.game_id for row in refunds if row.group_id == 386)
    (summary,) = await books.rows(reports.GAME_SUMMARY, id=game)
    _, found = await books.compare(
        ChangedDigit(SUMMARY, ("bs_game_id_main", game), ("total_tickets_refunded",)),
        ChangedDigit(SUMMARY, ("bs_game_id_main", game), ("total_refunds_real",)),
    )
    assert statements(found) == {
        ("games", f"game {game}", "tickets refunded"): {
            "R4 total_tickets_refunded": str(other(summary.total_tickets_refunded)),
            "R11 refunds": str(summary.total_tickets_refunded),
        },
        ("games", f"game {game}", "refunds"): {
            "R4 total_refunds_real": other(summary.total_refunds_real),
            "R11 sum of refunds": summary.total_refunds_real,
        },
    }


class Recased(ChangedDigit):
    """Every name of a report in capitals."""

    def strike(self, request: dict[str, Any], rows: list[Any]) -> None:
        if request.get("report_type", request.get("method")) == self.report:
            for row in rows:
                for column in self.column:
                    row[column] = row[column].upper() + " "


async def test_names_that_differ_in_case_alone_are_the_same(books: Books) -> None:
    nothing = ("id", None)
    _, found = await books.compare(
        Recased(MOVEMENTS, nothing, ("username", "group_name", "type")),
        Recased(FINANCE, nothing, ("username",)),
        Recased("api_groups_report", nothing, ("name",)),
        Recased(DAILY, nothing, ("group_name",)),
        Recased(GAMES, nothing, ("room_name", "game_configuration_name", "status_name")),
    )
    assert found == []


class Gone(ChangedDigit):
    """A row that is missing."""

    def strike(self, request: dict[str, Any], rows: list[Any]) -> None:
        if request.get("report_type", request.get("method")) == self.report:
            rows[:] = [row for row in rows if row[self.key[0]] != self.key[1]]


async def test_a_user_who_is_missing_in_the_list(books: Books) -> None:
    name = (await books.rows(reports.GAME_LOGS, game_type="slot"))[0].user_code
    id = next(row.id for row in await books.rows(reports.USERS) if row.username == name)
    _, found = await books.compare(Gone("api_users_report", ("id", id), ()))
    assert statements(found) == {
        ("names", f"user {id}", "(row)"): {"R11 user_id": str(id), "R9 id": None},
        ("logs", f"user {name}", "(row)"): {"G1 of the agent user_code": name, "R9 username": None},
    }


async def test_what_cannot_be_compared_is_told_and_the_rest_goes_on(books: Books, small: Sandbox) -> None:
    """R5 of a group names another group: that is a malformed answer, and no difference."""
    row = (await books.rows(reports.GROUP_MOVEMENTS, group_id=383))[0]
    result, found = await books.compare(ChangedDigit(MOVEMENTS, ("movement_id", row.movement_id), ("group_id",)))
    assert (found, result.exit_code) == ([], 2)
    (failure,) = result.failures
    assert failure.startswith("2026-03-13: daily totals and movements: R5: a row has group_id ")
    assert result.compared["games"] == 118
    assert result.compared["logs"] == 447


async def test_a_game_that_cannot_be_read_leaves_the_others(books: Books) -> None:
    game = (await books.rows(reports.ROOM_GAMES))[5].id
    result, found = await books.compare(ChangedDigit(DETAILS, ("game_id", game), ("game_id",)))
    assert (found, result.exit_code, result.compared["games"]) == ([], 2, 117)
    (failure,) = result.failures
    assert failure.startswith(f"2026-03-13: game {game}: R3: a row has game_id ")


NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)


async def test_the_days() -> None:
    def days(**given: str) -> tuple[list[str], list[str]]:
        over, others = days_of(given, NOW, ZONE)
        return [piece.text for piece in over], [piece.text for piece in others]

    assert days(period="yesterday") == (["2026-03-14"], [])
    assert days(period="2026-03-13..2026-03-15") == (["2026-03-13", "2026-03-14"], ["2026-03-15"])
    assert days(since="2026-03-13", until="2026-03-14") == (["2026-03-13"], [])
    assert len(days(period="last_month")[0]) == 28
    assert [piece.text for piece in last_days(2, NOW, ZONE)] == ["2026-03-13", "2026-03-14"]
    assert [piece.text for piece in last_days(1, NOW, ZoneInfo("Pacific/Auckland"))] == ["2026-03-15"]
    for given, says in (
        ({}, "Say which days"),
        ({"period": "2026-03-15..2026-03-13"}, "is no range of days"),
        ({"period": "2026-02-30..2026-03-13"}, "is no range of days"),
        ({"period": "soon"}, "There is no period 'soon'"),
        ({"since": "2026-03-13T06:00:00", "until": "2026-03-14"}, "Only whole days"),
    ):
        with pytest.raises(RequestError, match=says):
            days(**given)


async def command(sandbox: Sandbox, folder: Path, *words: str, **more: str) -> tuple[int | None, str, str]:
    environment = {**os.environ, **settings(sandbox), **more, "ERROR_JOURNAL": str(folder / "errors.sqlite")}
    words = ("reconcile", *words)
    done = await asyncio.to_thread(run, *words, folder=folder, environment=environment, fresh="json" in words)
    return done.returncode, done.stdout, done.stderr


async def test_the_command(books: Books, small: Sandbox, tmp_path: Path) -> None:
    through = {"GAMEHUB_URL": books.proxy.gamehub_url, "GAMELOG_URL": books.proxy.gamelog_url}
    words = ("--during", "2026-03-13..2026-03-13")
    alike = await command(small, tmp_path, *words, **through)
    assert alike[:2] == (
        0,
        "1 days; daily: 5 compared, 0 differ, movements: 836 compared, 0 differ, games: 118 compared, 0 differ, "
        "logs: 447 compared, 0 differ, names: 53 compared, 0 differ, sale: 0 compared, 0 differ, "
        "jackpots: 1 compared, 0 differ\n",
    )
    assert "reconcile 2026-03-13" in alike[2]
    (daily,) = await books.rows(reports.DAILY_MOVEMENTS, groupid=384)
    books.proxy.changes = [ChangedDigit(DAILY, ("group_id", 384), ("net",))]
    try:
        table, found = await asyncio.gather(
            command(small, tmp_path, *words, **through),
            command(small, tmp_path, "--since", "2026-03-13", "--until", "2026-03-14", "--format", "json", **through),
        )
    finally:
        books.proxy.changes = ()
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
