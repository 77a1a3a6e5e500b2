"""One changed value of every column of every report: `reconcile` names it, or a table says why it cannot."""

import datetime
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from resolvers.reconcile.figures import WHOLE_ROW, Difference
from server.reconcile.reconciliation import ReconciliationResult
from tests.server.reconcile.books import Books, opened
from tests.server.reconcile.mutations import Mutation, columns, place_of
from tests.stand import Sandbox
from upstream.call import Call
from upstream.reports import table as reports
from upstream.values.interval import dates

pytestmark = pytest.mark.asyncio(loop_scope="module")

# On 25 October 2026 the clocks of Madrid show the hour from two to three twice.
DAY, NOW, ZONE = datetime.date(2026, 10, 25), "2026-10-27T12:00:00+00:00", "Europe/Madrid"

# What no second report has, and no rule can know.
CANNOT_BE_FOUND = {
    "R3 tickets.cards.numbers": "the numbers of a card are in no other report",
    "R8 type": "the type of a group is in no other report",
    "R10 value": "the state of a jackpot is in no other report; only its range is known",
    "R10 value_max": "the state of a jackpot is in no other report; only its range is known",
    "R10 seed": "the state of a jackpot is in no other report; only its range is known",
    "R10 seed_base": "the state of a jackpot is in no other report; only its range is known",
    "R10 seed_max": "the state of a jackpot is in no other report; only its range is known",
    "R10 seed_percentage": "the share of the hidden jackpot is in no other report; only its range is known",
}
# The column by which the rows of a report are found: a changed one is a row that is missing, and another too many.
KEYS = {
    *("R2 id", "R4 bs_game_id_main", "R5 movement_id", "R6 id", "R7 movement_id", "R8 id", "R9 id"),
    *("R3 tickets.ticket_id", "G1 history_id"),
}
AT_LEAST = 115 / 120
# The reports by the parts in which they are changed, which may run side by side.
PARTS = ("R1 R5 R7 R8 R9 R10 R11 G1", "R2 R4 R6", "R3")


def printed(number: Any) -> bool:
    return "q" in str(number)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def books() -> AsyncIterator[Books]:
    with Sandbox(users=20, rooms=1, days=3, now=NOW, timezone=ZONE, log_timezone=ZONE) as sandbox:
        async with opened(sandbox, DAY, NOW) as books:
            # A mutation changes every answer of its report that passes: the unchanged ones must be known by then.
            await books.compare()
            yield books


async def calls(books: Books) -> dict[str, list[tuple[Call, int | None]]]:
    """Return the calls whose answers are changed, by report, and the row in each; None for any row."""
    played = [row for row in await books.rows(books.call(reports.ROOM_GAMES)) if row.status == 3]
    # A game whose jackpot was won, and which a printed ticket won, has a value in every column.
    game = next(
        row
        for row in played
        if any(one.prize_name == "PJP" for one in row.winners) and any(one.ticket_id is not None for one in row.winners)
    )
    movements = books.call(reports.GROUP_MOVEMENTS, group_id=382)
    refunded = {row.ticket_id for row in await books.rows(movements) if row.type == "Bingo - Refund"}
    wager = next(
        place
        for place, row in enumerate(await books.rows(movements))
        if row.type == "Bingo - Wager" and row.ticket_id not in (None, *refunded)
    )
    now = datetime.datetime.fromisoformat(NOW).date()
    sale = dates(now, now + datetime.timedelta(days=1), books.zone)
    logs = books.call(reports.GAME_LOGS, game_type="slot")
    # The last row: the next history id is no row's.
    of_user = books.call(reports.GAME_LOGS, game_type="slot", user_code=(await books.rows(logs))[-1].user_code)
    last = {call: len(await books.rows(call)) - 1 for call in (logs, of_user)}
    groups = [row.id for row in await books.rows(books.call(reports.GROUPS))]
    games = [row.id for row in await books.rows(books.call(reports.ROOM_GAMES))]
    return {
        "R1": [(books.call(reports.DAILY_MOVEMENTS, groupid=382), 0)],
        "R2": [(books.call(reports.ROOM_GAMES), games.index(game.id))],
        "R3": [(books.call(reports.GAME_DETAIL, id=game.id), 0)],
        "R4": [(books.call(reports.GAME_SUMMARY, id=game.id), 0)],
        "R5": [(movements, wager)],
        "R6": [(Call.of(reports.GAMES_ON_SALE, sale, bs_room_id=1), None)],
        "R7": [(books.call(reports.USER_TRANSACTIONS, user_id=2001), None)],
        "R8": [(books.call(reports.GROUPS), groups.index(382))],
        "R9": [(books.call(reports.USERS), None)],
        "R10": [(books.call(reports.PROGRESSIVE_JACKPOTS), 0)],
        "R11": [(books.call(reports.FINANCIAL_MOVEMENTS), None)],
        "G1": list(last.items()),
    }


async def mutations(books: Books, codes: str) -> list[Mutation]:
    """Return a mutation of every column, and two of each column of the game log: the agent's and a user's."""
    found = []
    raw: dict[Call, list[Any]] = {}
    chosen = await calls(books)
    for report, column in columns():
        for call, row in chosen[report.code] if report.code in codes.split() else ():
            if call not in raw:
                raw[call] = await books.raw(call)
            rows, start = (raw[call], ()) if row is None else (raw[call][row], (row,))
            # The number of a ticket that was sold online is in no other report.
            place = place_of(column, rows, start, printed if column == ("tickets", "ticket_id") else bool)
            assert place is not None, f"{report.code} {column} is in no row"
            found.append(Mutation(report, column, call, place))
    return found


def named(mutation: Mutation, result: ReconciliationResult, found: list[Difference]) -> bool:
    """Return whether a difference, or a failure, names the report and the column."""
    code, column = mutation.report.code, mutation.column[-1]
    for difference in found:
        for statement in difference.statements:
            if statement.report.split()[0] == code and (
                column in re.findall(r"\w+", statement.column)
                or (difference.column == WHOLE_ROW and str(mutation) in KEYS)
            ):
                return True
    return any(f"{code}:" in failure and column in failure for failure in result.failures)


async def test_a_day_of_25_hours_has_no_difference(books: Books) -> None:
    assert (books.frame.end - books.frame.start) == datetime.timedelta(hours=25)
    result, found = await books.compare()
    assert (found, result.notes, result.failures, result.days) == ([], [], [], 1)
    assert all(result.compared[name] for name in ("daily", "movements", "games", "logs", "names", "sale", "jackpots"))
    # Some movements lie in the hour that the clock shows twice, in both of its passes.
    start = int(datetime.datetime(2026, 10, 25, tzinfo=datetime.UTC).timestamp()) * 1_000_000
    rows = await books.rows(books.call(reports.FINANCIAL_MOVEMENTS))
    for hour in (0, 1):
        assert any(start + hour * 3_600_000_000 <= row.timestamp < start + (hour + 1) * 3_600_000_000 for row in rows)


async def test_nearly_every_column_can_be_found() -> None:
    every = {f"{report.code} {'.'.join(column)}" for report, column in columns()}
    assert len(every) >= 120
    assert set(CANNOT_BE_FOUND) <= every
    assert every >= KEYS
    assert 1 - len(CANNOT_BE_FOUND) / len(every) >= AT_LEAST
    assert sorted({name.split()[0] for name in every}) == sorted(" ".join(PARTS).split())


@pytest.mark.parametrize("codes", PARTS)
async def test_every_changed_value_is_named(codes: str, books: Books) -> None:
    """Change one value of each column, one at a time, and compare the whole day."""
    unnamed = set()
    for mutation in await mutations(books, codes):
        result, found = await books.compare(mutation)
        if not named(mutation, result, found):
            unnamed.add(str(mutation))
        # A changed value of one report makes no other reports differ from each other.
        for difference in found if str(mutation) not in KEYS else ():
            concerned = {statement.report.split()[0] for statement in difference.statements}
            assert mutation.report.code in concerned, (str(mutation), difference)
    assert unnamed == {name for name in CANNOT_BE_FOUND if name.split()[0] in codes.split()}
