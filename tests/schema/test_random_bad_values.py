"""Random values in random columns of every list: the answer is what a row-by-row decoder says of each row (C34).

The answer from partial rows, which are checked where they are used, is compared with the answer of graphql-core from
rows of which every column was decoded. The decoder of a single row says which values are bad.
"""

import itertools
import json
import random
from collections import Counter
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from resolvers.session import Session
from server.execution.operation import Operation
from tests.effort import tries
from tests.executors import executor_of
from tests.schema.test_bad_values import LISTED, NOW, UTC, Case, Stand, standing
from upstream.decoding import partial_rows
from upstream.decoding.envelope import LogPage, log_page, report_rows
from upstream.decoding.lazy_rows import LazyRows
from upstream.errors import Malformed
from upstream.reports.table import GROUP_MOVEMENTS, REPORTS
from upstream.values import figures
from upstream.values.bad_value import BadValue

# Good values in other forms, bad ones, and values that only look like a good one.
VALUES: list[Any] = [
    None, "", 0, "0", 7, "7", -1, 1.5, "1.50", "1,5", "x", True, False, [], [1], {}, {"wrong": 1}, 3_000_000_000,
    "9" * 120, "2026-03-11 12:00:00", "a\"b", "ü", 1e25,
]  # fmt: skip


def spoiled(case: Case, drawn: random.Random) -> list[dict[str, Any]]:
    """Return rows of a report in which some values are random."""
    rows = case.rows(drawn.choice([1, 2, 30]))
    for _ in range(drawn.choice([0, 1, 1, 2, 5])):
        column = drawn.choice(sorted(case.columns))
        row = drawn.choice(rows)
        if drawn.random() < 0.1:
            row.pop(column, None)
        else:
            row[column] = drawn.choice(VALUES)
    return rows


def decoded(report: str, rows: list[dict[str, Any]]) -> LazyRows:
    """Return all columns of the rows of an answer."""
    (found,) = (each for each in REPORTS if each.code == report)
    if report == "G1":
        page = log_page(found, "slot", json.dumps({"status": 1, "total_count": len(rows), "slot": rows}).encode(), UTC)
        assert isinstance(page, LogPage)
        answer: Any = page.rows
    else:
        answer = report_rows(found, json.dumps({"error": False, "report": rows}).encode(), UTC)
    assert isinstance(answer, LazyRows)
    return answer


def bad_cells(case: Case, rows: list[dict[str, Any]], columns: list[str]) -> set[tuple[int, str]]:
    """Return the bad values among these columns, by the number of the row. Each row is decoded alone."""
    found = set()
    for number, row in enumerate(rows, 1):
        (alone,) = decoded(case.report, [row])
        bad = {name for name in columns if isinstance(getattr(alone, name), BadValue)}
        if case.report == "R5" and isinstance(attrgetter("type")(alone), BadValue):
            bad.discard("currency_amount")  # the amount has no sign without its type, so its error names the type
        found |= {(number, name) for name in bad}
    return found


def told(errors: list[dict[str, Any]]) -> list[Any]:
    """Return what errors say, apart from their correlation ids, which differ between answers."""
    return sorted(
        ((error["path"], error["message"], error["extensions"] | {"correlationId": ""}) for error in errors), key=repr
    )


async def asked(stand: Stand, query: str, *, compiled: bool, whole: bool) -> tuple[Any, list[Any]]:
    session = Session(stand.cached, UTC, now=NOW, whole=whole)
    outcome = await executor_of(lambda operation: session, compiled=compiled).run(Operation(query))
    session.close()
    return outcome.data, outcome.errors


@pytest.mark.parametrize("report", LISTED)
async def test_an_answer_is_what_the_rows_say_one_by_one(
    report: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, drawn, seen = LISTED[report], random.Random(f"bad values {report}"), Counter[str]()
    async with standing("off", tmp_path) as stand:
        for _ in range(tries(15)):
            rows = stand.rows[report] = spoiled(case, drawn)
            columns = drawn.sample(sorted(case.columns), drawn.randint(1, min(4, len(case.columns))))
            query = case.query(" ".join(case.columns[name] for name in columns))
            whole = drawn.random() < 0.3  # as tables read
            monkeypatch.setattr(partial_rows, "_LONG_ANSWER", 1 << 30)
            expected, errors = await asked(stand, query, compiled=False, whole=whole)
            # A bad value in a column that may not be null ends the list: one of its errors stands for all.
            nullable = all(name in case.nullable for name in columns)
            for compiled, longest in itertools.product((True, False), (0, 16_384)):
                monkeypatch.setattr(partial_rows, "_LONG_ANSWER", longest)
                data, others = await asked(stand, query, compiled=compiled, whole=whole)
                assert data == expected, (rows, query)
                assert told(others) == told(errors) if nullable else bool(others) == bool(errors), (rows, query)
            bad = bad_cells(case, rows, columns)
            named = {error["extensions"].get("column") for error in errors}
            assert errors or not bad, (rows, query)
            assert not nullable or {name for _, name in bad} <= named, (rows, query)
            seen["bad" if bad else "good"] += 1
    assert min(seen["bad"], seen["good"]) > 2, seen


def test_a_sum_of_amounts_raises_the_error_of_a_bad_one(monkeypatch: pytest.MonkeyPatch) -> None:
    case, drawn, seen = LISTED["R5"], random.Random("sums"), Counter[str]()
    monkeypatch.setattr(partial_rows, "_LONG_ANSWER", 0)
    for _ in range(tries(150)):
        rows = case.rows(30)
        for _ in range(drawn.choice([0, 0, 1, 2])):
            drawn.choice(rows)["currency_amount"] = drawn.choice([1, "2", 1.5, "-3", None, True, "x", {}, [], "1e5"])
        body = json.dumps({"error": False, "report": rows}).encode()
        columns = {"type", "currency_amount"}
        found = report_rows(GROUP_MOVEMENTS, body, UTC, columns)
        assert isinstance(found, LazyRows)
        bad = bad_cells(case, rows, ["currency_amount"])
        if bad:
            with pytest.raises(Malformed, match=f"R5, row {min(bad)[0]}, column currency_amount: "):
                figures.of_movements(found.require(columns))
        else:
            expected = sum(map(Decimal, map(attrgetter("currency_amount"), decoded("R5", rows))))
            total = figures.of_movements(found.require(columns))
            assert total is not None
            assert total.wagers == expected
        seen["bad" if bad else "good"] += 1
    assert min(seen.values()) > 50, seen


async def test_a_bad_amount_of_a_long_answer_is_recorded_when_it_is_used(tmp_path: Path) -> None:
    case = LISTED["G1"]
    async with standing("off", tmp_path) as stand:
        stand.rows["G1"] = case.rows(60)
        stand.rows["G1"][7]["bet_money"] = "1,5"
        for selected, counted in (("gameCode", {}), ("gameCode win", {}), ("bet", {("G1", "bet_money"): 1})):
            await stand.ask(case.query(selected), True)
            assert stand.upstream.stats()["Game History"]["irregular"] == counted
        assert stand.upstream._journal is not None
        (entry,) = stand.upstream._journal.entries()
        assert entry.message == "G1, row 8, column bet_money: '1,5' is not an amount"
        assert entry.payload
        assert b'"history_id"' in entry.payload
