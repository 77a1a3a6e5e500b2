"""A bad value in a column that a condition needs is the error of the list. In any other column it is none (C34)."""

from pathlib import Path
from typing import Any

import pytest

from tests.schema.test_bad_values import BAD, LISTED, standing

# For each report: the column, a condition that needs it, and one that does not. Both let every row pass.
CONDITIONS = {
    "R2": ("wagered", '{wagered: {gt: "0"}}', "{room: {eq: 5}}"),
    "R5": ("currency_amount", '{amount: {lt: "0"}}', '{type: {startsWith: "Bingo"}}'),
    "R7": ("currency_amount", '{amount: {lt: "0"}}', "{group: {in: [382, 383]}}"),
    "G1": ("win_money", '{win: {gte: "2"}}', '{provider: {eq: "p"}}'),
}


@pytest.mark.parametrize("count", [3, 60])
@pytest.mark.parametrize("cache", ["off", "memory://"])
@pytest.mark.parametrize("report", CONDITIONS)
async def test_only_a_needed_column_fails(report: str, cache: str, count: int, tmp_path: Path) -> None:
    case, (column, needing, other) = LISTED[report], CONDITIONS[report]

    def query(where: str, selected: str) -> str:
        return case.query(selected).replace("first: 1000", f"first: 1000, where: {where}")

    def listed(data: Any) -> Any:
        for part in case.path[:-1]:
            data = data["a" if part == "@" else part]
        return data

    async with standing(cache, tmp_path) as stand:
        stand.rows[report] = case.rows(count)
        stand.rows[report][1][column] = BAD
        # Ask twice, so that the second answer comes from the cache if there is one.
        for compiled in (True, False, True):
            data, errors = await stand.ask(query(other, "__typename"), compiled)
            assert errors == []
            assert len(listed(data)["nodes"]) == count
            _, wanted = await stand.ask(query(other, case.columns[column]), compiled)
            data, errors = await stand.ask(query(needing, "__typename"), compiled)
            assert listed(data) is None
            (error,), expected = errors, wanted[0]
            assert error["message"] == expected["message"]
            assert error["path"] == expected["path"][: len(error["path"])]
            codes = [{**each["extensions"], "correlationId": ""} for each in (error, expected)]
            assert codes[0] == codes[1] == {
                "code": "UPSTREAM_MALFORMED", "report": report, "column": column, "correlationId": "",
            }  # fmt: skip


@pytest.mark.parametrize("compiled", [True, False])
async def test_every_condition_needs_its_column_of_every_row(compiled: bool, tmp_path: Path) -> None:
    case = LISTED["R5"]
    where = 'where: {type: {eq: "Bingo - Refund"}, amount: {lt: "0"}}'
    async with standing("off", tmp_path) as stand:
        stand.rows["R5"] = case.rows(6)
        stand.rows["R5"][1] |= {"currency_amount": BAD}
        data, errors = await stand.ask(case.query("id").replace("first: 1000", where), compiled)
        assert [error["extensions"]["column"] for error in errors] == ["currency_amount"]
        assert data == {"group": {"a": None}}
