"""A total is complete or an error: bad values, days that fail, too many buckets. The plan says which calls it needs."""

from pathlib import Path
from typing import Any

import pytest

from tests.audience import Audience
from tests.graph import Graph
from tests.schema.test_bad_values import BAD, LISTED, standing
from tests.stand import Sandbox

MOVEMENTS = """{ group(id: "382") { transactions(during: {dates: {from: "2026-03-09", to: "2026-03-15"}}) {
  totals { count users first SUMS }
  buckets(by: [TYPE] ORDER) { key { type } totals { count users } }
} } }"""
SUMS = "sums { net }"


@pytest.mark.parametrize("compiled", [True, False], ids=["engine", "graphql-core"])
@pytest.mark.parametrize("cache", ["off", "memory://"])
@pytest.mark.parametrize("count", [3, 80])
async def test_a_bad_amount_costs_its_own_figures_alone(count: int, cache: str, compiled: bool, tmp_path: Path) -> None:
    async with standing(cache, tmp_path, "totals") as stand:
        stand.rows["R5"] = LISTED["R5"].rows(count)
        good, errors = await stand.ask(
            MOVEMENTS.replace("SUMS", SUMS).replace("ORDER", ", orderBy: NET_DESC"), compiled
        )
        assert errors == []
        stand.rows["R5"][1]["currency_amount"] = BAD
    async with standing(cache, tmp_path, "spoilt totals") as spoilt:
        spoilt.rows["R5"] = stand.rows["R5"]
        for _ in range(2):
            plain = MOVEMENTS.replace("SUMS", "").replace("ORDER", "")
            data, errors = await spoilt.ask(plain, compiled)
            assert errors == []
            expected = good["group"]["transactions"]
            found = data["group"]["transactions"]
            assert found["totals"] == {name: expected["totals"][name] for name in ("count", "users", "first")}
            assert sorted(found["buckets"], key=str) == sorted(expected["buckets"], key=str)
            data, errors = await spoilt.ask(plain.replace("first", f"first {SUMS}"), compiled)
            assert data["group"]["transactions"]["totals"] is None
            assert sorted(found["buckets"], key=str) == sorted(data["group"]["transactions"]["buckets"], key=str)
            assert [(error["path"], error["extensions"]["column"]) for error in errors] == [
                (["group", "transactions", "totals", "sums"], "currency_amount")
            ]
            data, errors = await spoilt.ask(
                MOVEMENTS.replace("SUMS", "").replace("ORDER", ", orderBy: NET_DESC"), compiled
            )
            assert data["group"]["transactions"] == {"totals": found["totals"], "buckets": None}
            assert [error["path"] for error in errors] == [["group", "transactions", "buckets"]]


@pytest.mark.parametrize("compiled", [True, False], ids=["engine", "graphql-core"])
async def test_a_bad_day_is_no_part_of_a_sum(compiled: bool, tmp_path: Path) -> None:
    query = """{ group(id: "382") { dailyTotals(during: {dates: {from: "2026-01-01", to: "2026-01-31"}}) {
      from to totalWagers COLUMN
    } } }"""
    async with standing("off", tmp_path) as stand:
        stand.rows["R1"] = LISTED["R1"].rows(12)
        stand.rows["R1"][5]["net"] = BAD
        data, errors = await stand.ask(query.replace("COLUMN", ""), compiled)
        assert errors == []
        assert len(data["group"]["dailyTotals"]) == 1
        data, errors = await stand.ask(query.replace("COLUMN", "net"), compiled)
        assert data == {"group": {"dailyTotals": None}}
        (error,) = errors
        assert (error["path"], error["extensions"]["column"]) == (["group", "dailyTotals"], "net")


async def test_a_report_that_fails_is_the_error_of_the_list(sandbox: Sandbox) -> None:
    sandbox.fault("500", "api_retail_movements")
    query = """{ group(id: "383") { transactions(during: {frame: YESTERDAY}) { totals { count } } } }"""
    async with Graph(sandbox) as graph:
        answer = await graph.ask(query)
    assert answer.data == {"group": {"transactions": None}}
    assert [error["path"] for error in answer.errors] == [["group", "transactions"]]


async def test_too_many_buckets_are_refused(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schema.mapping.totals.adding.MOST_BUCKETS", 3)
    answer = await graph.ask(
        """{ group(id: "383") { transactions(during: {frame: YESTERDAY}) {
          few: buckets(by: [TYPE]) { key { type } } many: buckets(by: [USER]) { key { user { id } } }
        } } }"""
    )
    found = answer.data["group"]["transactions"]
    assert len(found["few"]) == 3
    assert found["many"] is None
    (error,) = answer.errors
    assert (error["message"], error["path"]) == (
        "buckets: there are more than 3. Use fewer parts in `by`.",
        ["group", "transactions", "many"],
    )


PLANNED: dict[str, tuple[str, dict[str, int]]] = {
    "top winners of a group": (
        """{ financialMovements(groupId: "383", during: {frame: YESTERDAY}, where: {type: [100], subtype: [2]}) {
          buckets(by: [USER], orderBy: AMOUNT_DESC) { key { user { username } } totals { sums { amount } } } } }""",
        {"R11": 1},
    ),
    "the figures of the games of a room": (
        """{ room(id: "2") { games(during: {frame: YESTERDAY}) {
          totals { count cardsBought wagered paid } buckets(by: [STATUS]) { key { status } totals { wagered } }
        } } }""",
        {"R2": 1},
    ),
    "the month of a group": ("""{ group(id: "383") { dailyTotals { from net } } }""", {"R1": 1, "R8": 1}),
    "a log": ("""{ gameLogs(during: {frame: YESTERDAY}) { totals { count bet win ggr rtp users } } }""", {"G1": 1}),
}


@pytest.mark.parametrize("name", PLANNED)
async def test_the_plan_has_the_calls_that_are_made(name: str, sandbox: Sandbox) -> None:
    query, calls = PLANNED[name]
    async with Audience(sandbox) as audience:
        planned = (await audience.ask(query, explain=True))["extensions"]["explain"]
        made: Any = (await audience.ask(query))["extensions"]["trace"]
        again = (await audience.ask(query, explain=True))["extensions"]["explain"]
    assert {part["report"]: part["calls"] for part in planned["plan"]} == calls
    assert sorted(step["report"] for step in made) == sorted(calls)
    assert again["calls"] == 0
