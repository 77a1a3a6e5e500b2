"""Rooms (R2): a separate call for a room is made only if its games do not show that it exists."""

import pytest

from tests.strangers.client import Client
from tests.strangers.stranger import Stranger

TODAY = "2022-10-31 00:00:00/2022-10-31 23:59:59"
YESTERDAY = "2022-10-30 00:00:00/2022-10-30 23:59:59"
MONTH = "2022-09-30 00:00:00/2022-10-31 23:59:59"
SEPTEMBER = "2022-09-01 00:00:00/2022-09-30 23:59:59"
LAST_MONTH = "during: {frame: LAST_MONTH}"
CALLS = {
    # No game of room 1 in September, of room 2 one on its last day.
    f'room(id: "1") {{ id games({LAST_MONTH}) {{ totalCount }} }}': [("bs_room_id=1", SEPTEMBER)],
    f'room(id: "2") {{ games({LAST_MONTH}) {{ totalCount }} }}': [("bs_room_id=2", SEPTEMBER)],
    'room(id: "1") { games(status: SELLING) { totalCount } }': [("bs_room_id=1 status=1", TODAY)],
    'room(id: "1") { a: games(status: SELLING) { totalCount } ... on Room { b: games { totalCount } } }': [
        ("bs_room_id=1", TODAY), ("bs_room_id=1 status=1", TODAY),
    ],
    'room(id: "1") { name games { totalCount } }': [("bs_room_id=1", TODAY)],
    'room(id: "1") { name games(during: {frame: YESTERDAY}) { totalCount } }': [("bs_room_id=1", YESTERDAY)],
    # The last month of the name is that before today, whatever games are selected.
    f'room(id: "1") {{ name games({LAST_MONTH}) {{ totalCount }} }}': [
        ("bs_room_id=1", SEPTEMBER), ("bs_room_id=1", TODAY),
    ],
    'a: room(id: "1") { games { totalCount } } b: room(id: "1") { id }': [("bs_room_id=1", TODAY)],
    'room(id: "1") { id }': [("bs_room_id=1", TODAY)],
    'room(id: "1") { games(first: -1) { totalCount } }': [("bs_room_id=1", TODAY)],
    "games { nodes { room { id games { totalCount } } } }": [("", TODAY)],
}  # fmt: skip


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("query", list(CALLS))
async def test_a_room_takes_these_calls_and_no_others(
    stranger: Stranger, client: Client, query: str, compiled: bool
) -> None:
    async with client:
        answer = await client.outcome(f"{{ {query} }}", compiled=compiled)
    assert answer.data
    assert None not in answer.data.values()
    expected = [" ".join(filter(None, ("api_bulk_games_report", *call))) for call in CALLS[query]]
    assert stranger.calls() == sorted(expected)


@pytest.mark.parametrize("fields", ["id", "name", "games { totalCount }", "games(status: PLAYED) { nodes { id } }"])
async def test_a_room_that_there_is_not_is_null(client: Client, fields: str) -> None:
    async with client:
        assert await client.data(f'{{ room(id: "77") {{ {fields} }} }}') == {"room": None}


@pytest.mark.parametrize("during", ["TODAY", "YESTERDAY", "LAST_MONTH", "THIS_YEAR"])
async def test_a_rooms_name_does_not_depend_on_the_games_beside_it(
    stranger: Stranger, client: Client, during: str
) -> None:
    """Room 2 had its last game more than a month ago."""
    stranger.world.games = [game for game in stranger.world.games if game.room == 1 or game.id == 1384850]
    stranger.world.games[0].at = stranger.world.games[0].at.replace(day=1)
    async with client:
        for room in ("1", "2"):
            alone = await client.data(f'{{ room(id: "{room}") {{ name }} }}')
            both = await client.data(
                f'{{ room(id: "{room}") {{ name games(during: {{frame: {during}}}) {{ totalCount }} }} }}'
            )
            assert both["room"]["name"] == alone["room"]["name"]
