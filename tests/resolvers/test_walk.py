"""The walk over the 50 users of a group: how many upstream calls it takes, cold and warm, in every form."""

import datetime
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from resolvers.prices import Prices
from resolvers.rules.join import Join, MovementJoin
from tests.graph import Graph
from tests.stand import Sandbox
from upstream.caching.cache import DayCache, open_store

WALK = (Path(__file__).parents[2] / "queries" / "GroupWalkInGroup.graphql").read_text()
EVERYWHERE = WALK.replace(", inGroup: $group", "")
TODAY = {"frame": "TODAY"}
DAYS = {"dates": {"from": "2026-03-13", "to": "2026-03-15"}}
FOUR = {"api_groups_report": 1, "api_retail_movements": 1, "api_users_report": 1, "get_game_log": 1}
FIFTY = {"api_groups_report": 1, "api_users_report": 1, "get_game_log": 1, "transaction_report": 50}


@pytest.fixture
async def shared(sandbox: Sandbox) -> AsyncIterator[Graph]:
    """The graph of a server: what one operation learns, the next one knows."""
    async with Graph(sandbox, prices=Prices(), join=Join()) as graph:
        yield graph


async def test_four_calls_and_three_more_where_the_comparison_runs(shared: Graph) -> None:
    first = await shared.ask(WALK, group="382", during=TODAY)
    assert first.reports == FOUR | {"transaction_report": 3}
    again = await shared.ask(WALK, group="382", during=TODAY)
    assert again.reports == FOUR
    assert again.data == first.data


async def test_fifty_three_calls_for_all_that_roaming_users_did_and_not_a_row_is_missing(shared: Graph) -> None:
    within = await shared.data(WALK, group="382", during=TODAY)
    everywhere = await shared.ask(EVERYWHERE, group="382", during=TODAY)
    assert everywhere.reports == FIFTY
    assert everywhere.data is not None
    more = 0
    for here, all_of_it in zip(
        within["group"]["users"]["nodes"], everywhere.data["group"]["users"]["nodes"], strict=True
    ):
        assert here["gameLogs"] == all_of_it["gameLogs"]
        movements = all_of_it["transactions"]["nodes"]
        assert [each for each in movements if each in here["transactions"]["nodes"]] == here["transactions"]["nodes"]
        more += len(movements) - len(here["transactions"]["nodes"])
    assert more > 0, "nobody roams, so nothing was shown"


async def test_a_column_that_the_group_does_not_tell_takes_a_call_a_user(shared: Graph) -> None:
    found = await shared.ask(WALK.replace("amount", "amount currency"), group="382", during=TODAY)
    assert found.reports == FIFTY


async def test_never_and_trust(sandbox: Sandbox) -> None:
    async with Graph(sandbox, prices=Prices(), join=Join(MovementJoin.NEVER)) as graph:
        assert (await graph.ask(WALK, group="382", during=TODAY)).reports == FIFTY
    async with Graph(sandbox, prices=Prices(), join=Join(MovementJoin.TRUST)) as graph:
        assert (await graph.ask(WALK, group="382", during=TODAY)).reports == FOUR
        assert (await graph.ask(EVERYWHERE, group="382", during=TODAY)).reports == FOUR


async def test_few_users_of_a_group_are_narrow_calls(shared: Graph) -> None:
    query = """query ($ids: [ID!], $during: Period) { users(ids: $ids) { nodes {
      transactions(during: $during, inGroup: 382) { totalCount nodes { id amount } } } } }"""
    await shared.ask(WALK, group="382", during=DAYS)
    found = await shared.ask(query, ids=["2001", "2002"], during=DAYS)
    assert found.reports == {"api_users_report": 2, "transaction_report": 2}


async def test_warm_it_takes_none_and_a_minute_later_today_alone(sandbox: Sandbox) -> None:
    async with Graph(sandbox, prices=Prices(), join=Join()) as graph:
        upstream = graph.upstream
        clock = graph.now
        cached = DayCache(upstream, open_store("memory://"), graph.zone, now=lambda: clock)
        graph.upstream = cached  # type: ignore[assignment]
        cold = await graph.ask(WALK, group="382", during=DAYS)
        warm = await graph.ask(WALK, group="382", during=DAYS)
        assert warm.calls == []
        assert warm.data == cold.data
        clock += datetime.timedelta(minutes=1)
        later = await graph.ask(WALK, group="382", during=DAYS)
        assert later.reports == FOUR
        assert later.data == cold.data
        today = [call["params"] for call in later.calls if call["report"] == "api_retail_movements"]
        assert [(call["timestamp_range_from"], call["timestamp_range_to"]) for call in today] == [
            ("2026-03-15", "2026-03-15")
        ]
        await cached.aclose()
        graph.upstream = upstream
