"""An operation waits for its own calls. However many it makes, none is refused because of the others."""

import asyncio

import pytest

from resolvers.prices import Prices
from tests.strangers.client import Client
from tests.strangers.stranger import Stranger
from tests.strangers.world import Game, moment
from upstream.reports.table import System

QUERY = """{ games(first: 1000) { nodes { id prizes { id wonAtCard winners { username cardId amount } }
  winners { ticketId } } } }"""


@pytest.mark.parametrize("compiled", [False, True])
async def test_an_operation_does_not_overflow_its_own_queue(stranger: Stranger, client: Client, compiled: bool) -> None:
    """120 calls, where two run at once and three may wait. Another operation gets its turn meanwhile."""
    at = moment("2022-10-31 09:00:00")
    stranger.world.games = [Game(5000 + number, 1, at, 3, ends=at) for number in range(60)]
    client.upstream_options |= {"concurrency": 2, "most_waiting": 3}
    client.options["prices"] = Prices({System.GAMEHUB: 2, System.GAMELOG: 2})
    async with client:
        whole, small = await asyncio.gather(
            client.outcome(QUERY, compiled=compiled),
            client.outcome('{ user(id: "60") { username } }', compiled=compiled),
        )
    assert (whole.errors, small.errors) == ([], [])
    assert len(whole.data["games"]["nodes"]) == 60
    calls = [call.split()[0] for call in stranger.calls()]
    assert calls.count("api_retail_game_details") == calls.count("api_retail_game_details_simplified") == 60


async def test_an_operation_that_is_given_up_leaves_no_turn_taken(stranger: Stranger, client: Client) -> None:
    stranger.faults["api_retail_game_details"] = "slow"
    client.options["prices"] = Prices({System.GAMEHUB: 1, System.GAMELOG: 1})
    details = " ".join(f'g{id}: game(id: "{id}") {{ profit }}' for id in (1384861, 1384862, 1384863))
    async with client:
        task = asyncio.ensure_future(client.outcome(f"{{ {details} }}", compiled=True))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        stranger.faults.clear()
        answer = await client.outcome(f"{{ {details} }}", compiled=True)
    assert answer.errors == []
