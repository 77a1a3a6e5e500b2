"""An impossible code of one user fails for that user alone, also in a batch, whichever way it is read."""

import pytest

from resolvers.caller import EVERYONE, Caller
from tests.strangers.client import Client
from tests.strangers.stranger import MADRID, Stranger
from upstream.caching.cache import DayCache, open_store

BAD = "Ctrl\x07Name"


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("bulk", [False, True, None])
@pytest.mark.parametrize("caller", [EVERYONE, Caller("partner", frozenset({382, 390}))], ids=["open", "restricted"])
async def test_an_impossible_code_is_its_users_error(
    stranger: Stranger, client: Client, compiled: bool, cached: bool, bulk: bool | None, caller: Caller
) -> None:
    next(user for user in stranger.world.users if user.id == 61).username = BAD
    query = '{ users(ids: ["61", "60", "62"]) { nodes { id gameLogs { totalCount } } } }'
    async with client:
        upstream = client.upstream
        if cached:
            client.upstream = DayCache(upstream, open_store("memory://"), MADRID, day_zone=MADRID)  # type: ignore[assignment]
        answer = await client.outcome(query, compiled=compiled, bulk=bulk, caller=caller)
        client.upstream = upstream
    counts = {user["id"]: user["gameLogs"] and user["gameLogs"]["totalCount"] for user in answer.data["users"]["nodes"]}
    assert (counts["60"], counts["62"]) == (7, 0)
    assert counts["61"] is None
    (error,) = answer.errors
    assert (error["path"], error["extensions"]["code"]) == (["users", "nodes", 1, "gameLogs"], "UPSTREAM_MALFORMED")


async def test_an_impossible_type_of_game_is_the_callers_fault(client: Client) -> None:
    query = '{ user(id: "60") { gameLogs(gameType: "total_count") { totalCount } } }'
    async with client:
        answer = await client.outcome(query, compiled=True)
    assert [error["extensions"]["code"] for error in answer.errors] == ["BAD_USER_INPUT"]
