"""Totals of long periods are added up some days at a time, and cached days keep their sums. No figure changes by it."""

import asyncio
import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from resolvers.caller import EVERYONE, Caller
from schema.mapping.totals import by_days
from tests.audience import Audience, of_groups
from tests.effort import tries
from tests.graph import Graph
from tests.stand import Sandbox
from upstream.caching.day_entry import HEAD
from upstream.call import Call
from upstream.decoding.distinct import distinct
from upstream.reports.table import GROUP_MOVEMENTS

DAYS = '{dates: {from: "2026-03-04", to: "2026-03-14"}}'
MOVEMENTS = """totals { count users games sums { net credits debits smallest largest CURRENCY } first last }
  a: buckets(by: [DAY, TYPE], first: 1000) { key { day type } totals { count sums { net CURRENCY } } }
  b: buckets(by: [USER], orderBy: NET_DESC, first: 9) { key { user { id username } } totals { count games } }"""
# The games of a wallet's movements are in the report of the group.
WALLETS = MOVEMENTS.replace("games", "")
LOGS = """totals { count users bet win ggr rtp first last }
  a: buckets(by: [HOUR, PROVIDER], first: 1000) { key { hour provider } totals { count bet users } }
  b: buckets(by: [USER, AGENT], orderBy: GGR_DESC, first: 9) { key { user { username } agentCode } totals { win } }"""
GAMES = """totals { count cardsBought wagered paid }
  a: buckets(by: [ROOM, STATUS], first: 1000) { key { room { id name } status } totals { count wagered } }"""
FINANCE = """totals { count users sums { amount CURRENCY } }
  a: buckets(by: [GROUP, TYPE], first: 1000) { key { group { id name } type } totals { count sums { amount } } }
  b: buckets(by: [DAY], orderBy: COUNT_DESC, first: 3) { key { day } totals { users } }"""
# Each list, with a place for its arguments and for what is selected of it.
LISTS = {
    "R5": ('group(id: "383") { list: transactions(ARGS) { BELOW } }', MOVEMENTS, 'amount: {gt: "1"}'),
    "R5 of many": ('groups(ids: ["383", "384"]) { nodes { list: transactions(ARGS) { BELOW } } }', MOVEMENTS, ""),
    "R7": ('user(id: "2052") { list: transactions(ARGS) { BELOW } }', WALLETS, 'type: {in: ["Bingo - Wager"]}'),
    "R7 of many": ('group(id: "383") { users { nodes { list: transactions(ARGS) { BELOW } } } }', WALLETS, ""),
    "R5 for R7": ('group(id: "383") { users { nodes { list: transactions(inGroup: "383", ARGS) { BELOW } } } }',
                  WALLETS, 'amount: {lt: "0"}'),
    "the games of R7": ('user(id: "2053") { list: transactions(ARGS) { BELOW } }', MOVEMENTS, ""),
    "G1": ("list: gameLogs(ARGS) { BELOW }", LOGS, 'type: {eq: "FREE"}'),
    "G1 of many": ('group(id: "383") { users { nodes { list: gameLogs(ARGS) { BELOW } } } }', LOGS, 'win: {gt: "0"}'),
    "R2": ('list: games(roomId: "2", ARGS) { BELOW }', GAMES, 'wagered: {gte: "1"}'),
    "R2 of many": ("rooms(during: {frame: YESTERDAY}) { list: games(ARGS) { BELOW } }", GAMES, "status: PLAYED"),
    "R11 of many": ('groups(ids: ["382", "383"]) { nodes { list: financialMovements(ARGS) { BELOW } } }', FINANCE, ""),
    "R11": ("list: financialMovements(ARGS) { BELOW }", FINANCE, "type: [100]"),
    "R11 below": ('list: financialMovements(groupId: "382", ARGS) { BELOW }', FINANCE, 'group: {eq: "383"}'),
}  # fmt: skip
EACH = [name for name in LISTS if name not in ("R11", "the games of R7", "R5 for R7", "R2 of many")]


def query(name: str, *, days: str = DAYS, where: bool = False, currency: bool = False, nodes: bool = False) -> str:
    """Return a query for the totals of a list, also for a node if its rows shall be read whole."""
    text, below, condition = LISTS[name]
    arguments = f"during: {days}" + (f", where: {{{condition}}}" if where and condition else "")
    below = below.replace("CURRENCY", "currency" if currency else "") + " totalCount"
    return (
        "{ "
        + text.replace("ARGS", arguments).replace("BELOW", below + (" nodes { __typename }" if nodes else ""))
        + " }"
    )


def without_nodes(data: Any) -> Any:
    """Return an answer without the nodes of its lists."""
    if isinstance(data, list):
        return [without_nodes(each) for each in data]
    if not isinstance(data, dict):
        return data
    return {name: without_nodes(value) for name, value in data.items() if name != "nodes" or "totals" not in data}


@contextmanager
def reading(few: int, rows: int) -> Iterator[None]:
    """Read so many days, or about so many rows, at a time."""
    before = by_days.FEW_DAYS, by_days.ROWS
    by_days.FEW_DAYS, by_days.ROWS = few, rows
    try:
        yield
    finally:
        by_days.FEW_DAYS, by_days.ROWS = before


def calls(sandbox: Sandbox) -> list[str]:
    """Return the reports that were called since the last reset."""
    return [call["report"] for call in sandbox.calls()]


@settings(max_examples=tries(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(list(LISTS)),
    few=st.integers(1, 4),
    rows=st.sampled_from([1, 500, 100_000]),
    caller=st.sampled_from([EVERYONE, EVERYONE, of_groups(383), of_groups(383, 386)]),
    cached=st.booleans(),
    compiled=st.booleans(),
    where=st.booleans(),
    currency=st.booleans(),
    fault=st.sampled_from([None, None, None, "repeat", "total"]),
    days=st.sampled_from([
        DAYS, '{between: {from: "2026-03-09T10:30:00Z", until: "2026-03-13T07:00:00Z"}}', "{frame: THIS_WEEK}",
    ]),
)  # fmt: skip
def test_some_days_at_a_time_give_the_totals_of_the_rows(
    name: str,
    few: int,
    rows: int,
    caller: Caller,
    cached: bool,
    compiled: bool,
    where: bool,
    currency: bool,
    fault: str | None,
    days: str,
    sandbox: Sandbox,
) -> None:
    # Movements of R11 have no ids. Every answer has its first row twice, and more answers have more copies.
    assume(fault != "repeat" or not name.startswith("R11"))

    async def ask() -> None:
        options: dict[str, Any] = {"days": days, "where": where, "currency": currency}
        async with Audience(sandbox, cached=False) as audience:
            expected = await audience.ask(query(name, nodes=True, **options), caller)
        async with Audience(sandbox, cached) as audience:
            if not compiled:
                audience.executor.engine = None
            with reading(few, rows):
                for _ in range(3):
                    found = await audience.ask(query(name, **options), caller)
                    assert found["data"] == without_nodes(expected["data"])
                    codes = [
                        [error["extensions"]["code"] for error in one.get("errors", [])] for one in (found, expected)
                    ]
                    assert codes[0] == codes[1]

    if fault is not None:
        sandbox.fault(fault)
    try:
        asyncio.run(ask())
    finally:
        sandbox.heal()


@pytest.mark.parametrize("name", EACH)
async def test_a_total_of_cached_days_makes_no_call_and_reads_no_row(name: str, sandbox: Sandbox) -> None:
    async with Audience(sandbox) as audience:
        first = await audience.ask(query(name))
        store = audience.upstream._cached.store
        for key, (value, until, number) in store._entries.items():
            if len(key[1]) == 10:  # the rows of a day, of which nothing is left now
                store._entries[key] = value[:HEAD], until, number
        sandbox.reset()
        again = await audience.ask(query(name))
        assert again["data"] == first["data"]
        assert calls(sandbox) == []
        days = [step for step in again["extensions"]["trace"] if step["report"] == name.partition(" ")[0]]
        assert {step["way"] for step in days} == {"kept"}
        assert {step["cache"] for step in days} == {"hit"}
        assert audience.sums is not None
        assert 0 < audience.sums.bytes <= audience.sums.limit


async def test_another_window_uses_the_days_that_it_shares(sandbox: Sandbox) -> None:
    async with Audience(sandbox) as audience:
        await audience.data(query("R5"))
        sandbox.reset()
        days = '{dates: {from: "2026-03-09", to: "2026-03-15"}}'
        found = await audience.ask(query("R5", days=days))
        ways = [step["way"] for step in found["extensions"]["trace"] if step["report"] == "R5"]
        assert sorted(ways) == ["kept"] * 6 + ["per_key"]
        assert calls(sandbox) == ["api_retail_movements"]
    async with Audience(sandbox, cached=False) as other:
        assert await other.data(query("R5", days=days)) == found["data"]


async def test_a_day_that_was_read_again_has_another_sum(sandbox: Sandbox) -> None:
    """The rows of a day are changed as a late correction would change them (C25)."""
    async with Audience(sandbox) as audience:
        first = await audience.data(query("R5"))
        before, upstream = audience.upstream._upstream, _Corrected(audience.upstream._upstream)
        audience.upstream._reader._source = upstream
        assert await audience.data(query("R5")) == first
        assert upstream.calls == 0
        day = datetime.date(2026, 3, 10)
        await audience.upstream.forget("R5", first_day=day, last_day=day)
        second = await audience.data(query("R5"))
        assert upstream.calls == 1
        old, new = (data["group"]["list"]["totals"] for data in (first, second))
        assert new["count"] == old["count"] - 1
        assert await audience.data(query("R5")) == second
        audience.upstream._reader._source = before


class _Corrected:
    """The upstream after a movement of a day was removed."""

    def __init__(self, upstream: Any) -> None:
        self.upstream = upstream
        self.calls = 0

    async def fetch(self, call: Call) -> Any:
        self.calls += 1
        answer = await self.upstream.fetch(call)
        del answer.rows[-1]
        return answer


async def test_callers_share_no_sums(sandbox: Sandbox) -> None:
    text = query("R11", days="{frame: YESTERDAY}")
    async with Audience(sandbox) as audience:
        everything = await audience.data(text)
        some = await audience.data(text, of_groups(383))
        assert some["list"]["totals"]["count"] < everything["list"]["totals"]["count"]
        assert await audience.data(text, of_groups(383)) == some
        assert await audience.data(text) == everything
    async with Audience(sandbox, cached=False) as audience:
        assert await audience.data(text, of_groups(383)) == some


async def test_many_rows_are_read_in_several_calls(sandbox: Sandbox) -> None:
    """At first a week is read. Then the number of its rows says how many days are read at once."""
    with reading(7, 600):
        async with Graph(sandbox) as graph:
            await graph.data(query("R5", days='{dates: {from: "2026-02-20", to: "2026-03-14"}}'))
            periods = [call["params"] for call in sandbox.calls() if call["report"] == "api_retail_movements"]
    assert len(periods) > 3
    assert len(periods) < 20


@pytest.mark.parametrize("days", [1, 3, 50])
async def test_an_id_on_two_days_is_an_error_as_in_the_list(days: int, sandbox: Sandbox) -> None:
    async with Graph(sandbox) as graph:
        graph.upstream = _Twice(graph.upstream)  # type: ignore[assignment]
        with reading(days, 1):
            for nodes in (True, False):
                answer = await graph.ask(query("R5", nodes=nodes))
                assert answer.data == {"group": {"list": None}}
                (error,) = answer.errors
                assert error["message"].startswith("R5: two different rows have the movement_id ")
                assert error["extensions"]["code"] == "UPSTREAM_MALFORMED"


class _Twice:
    """An upstream that gives the last movement of each day the same id."""

    def __init__(self, upstream: Any) -> None:
        self._upstream = upstream

    async def fetch(self, call: Call) -> Any:
        answer = await self._upstream.fetch(call.with_columns(None))
        if call.report is GROUP_MOVEMENTS:
            lasts = {row.timestamp // 86_400_000_000: row for row in answer.rows}
            for row in lasts.values():
                row.movement_id = 77_777_777
            distinct(call.report, answer.rows)
        return answer


async def test_explain_shows_the_way_of_a_total(sandbox: Sandbox) -> None:
    """It says what is read, how many days keep their sums, and how many nodes and pages need not be sent."""
    async with Audience(sandbox) as audience:
        (cold,) = (await audience.ask(query("R5"), explain=True))["extensions"]["explain"]["totals"]
        first = await audience.data(query("R5"))
        days = '{dates: {from: "2026-03-06", to: "2026-03-15"}}'
        sandbox.reset()
        plan = (await audience.ask(query("R5", days=days), explain=True))["extensions"]["explain"]
        assert calls(sandbox) == []
        (warm,) = plan["totals"]
        (again,) = (await audience.ask(query("R5"), explain=True))["extensions"]["explain"]["totals"]
    # A week at first, and then all the other days.
    assert {name: cold[name] for name in ("field", "reports", "lists", "calls", "days", "keptDays")} == {
        "field": "Group.transactions", "reports": ["R5"], "lists": 1, "calls": 2, "days": 11, "keptDays": 0,
    }  # fmt: skip
    assert (warm["days"], warm["keptDays"], warm["calls"]) == (10, 9, 1)
    assert [part["way"] for part in plan["plan"] if part["report"] == "R5"] == ["kept", "per_key"]
    count = first["group"]["list"]["totals"]["count"]
    assert again == {
        "field": "Group.transactions", "reports": ["R5"], "lists": 1, "calls": 0, "rows": count, "days": 11,
        "keptDays": 11, "saves": {"nodes": count, "pages": -(-count // 1000)},
    }  # fmt: skip


@pytest.mark.parametrize("zone", ["Europe/Madrid", "America/New_York"])
async def test_days_of_25_hours_have_their_rows_once(zone: str) -> None:
    """The hour that clocks show twice lies in one of the days that are read apart (C29)."""
    now, days = {
        "Europe/Madrid": ("2026-10-28T12:00:00+00:00", '{dates: {from: "2026-10-23", to: "2026-10-27"}}'),
        "America/New_York": ("2026-11-04T12:00:00+00:00", '{dates: {from: "2026-10-30", to: "2026-11-03"}}'),
    }[zone]
    with Sandbox(now=now, users=40, days=8, timezone=zone, log_timezone=zone) as sandbox:
        async with Graph(sandbox, ZoneInfo(zone), now) as graph:
            found = await graph.data("{ users(first: 1) { nodes { id group { id } } } }")
            (user,) = found["users"]["nodes"]
            for name in ("R5", "R7", "G1", "R2", "R11"):
                texts = [
                    query(name, days=days, nodes=nodes).replace('"383"', f'"{user["group"]["id"]}"')
                    for nodes in (True, False)
                ]
                expected = await graph.data(texts[0].replace('"2052"', f'"{user["id"]}"'))
                for few in (1, 2):
                    with reading(few, 1):
                        assert await graph.data(texts[1].replace('"2052"', f'"{user["id"]}"')) == without_nodes(
                            expected
                        )
