"""Connections by the Relay specification: all pages together are the whole list, whatever changes in between."""

from typing import Any

import pytest

from tests.strangers.client import Client
from tests.strangers.stranger import Stranger
from tests.strangers.world import Financial, Group, Log, Movement, User, moment

MONTH = "during: {frame: THIS_MONTH}"
LISTS = {
    "groups": ("groups", "", "id"),
    "users": ("users", "", "id"),
    "users of a group": ("users", 'group(id: "391")', "id"),
    "movements of a group": ("transactions", 'group(id: "382")', "id"),
    "movements of a user": ("transactions", 'user(id: "60")', "id"),
    "financial movements": ("financialMovements", "", "timestamp"),
    "financial movements of a group": ("financialMovements", 'group(id: "380")', "timestamp"),
    "games": ("games", "", "id"),
    "games of a room": ("games", 'room(id: "2")', "id"),
    "logs": ("gameLogs", "", "id"),
    "logs of a user": ("gameLogs", 'user(id: "60")', "id"),
}


def _query(name: str) -> tuple[str, tuple[str, ...]]:
    field, root, key = LISTS[name]
    period = f"{MONTH}, " if field not in ("groups", "users") else ""
    inner = f"""{field}({period}first: $first, after: $after) {{ totalCount nodes {{ {key} }}
      edges {{ cursor node {{ {key} }} }}
      pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }}"""
    body = f"{root} {{ {inner} }}" if root else inner
    return f"query ($first: Int, $after: String) {{ {body} }}", (*([root.split("(")[0]] if root else []), field)


async def _page(client: Client, name: str, first: int | None, after: str | None) -> Any:
    query, path = _query(name)
    page = await client.data(query, first=first, after=after)
    for step in path:
        page = page[step]
    assert [edge["node"] for edge in page["edges"]] == page["nodes"]
    cursors = [edge["cursor"] for edge in page["edges"]]
    assert page["pageInfo"]["startCursor"] == (cursors[0] if cursors else None)
    assert page["pageInfo"]["endCursor"] == (cursors[-1] if cursors else None)
    return page


@pytest.mark.parametrize("name", list(LISTS))
@pytest.mark.parametrize("first", [1, 3])
async def test_all_pages_are_the_whole_list(client: Client, name: str, first: int) -> None:
    async with client:
        whole = await _page(client, name, None, None)
        assert whole["totalCount"] == len(whole["nodes"]) > 1
        assert whole["pageInfo"]["hasNextPage"] is whole["pageInfo"]["hasPreviousPage"] is False
        assert len({edge["cursor"] for edge in whole["edges"]}) == whole["totalCount"]
        walked: list[Any] = []
        after = None
        while True:
            page = await _page(client, name, first, after)
            assert page["totalCount"] == whole["totalCount"]
            assert page["pageInfo"]["hasPreviousPage"] is bool(walked)
            walked += page["edges"]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        assert walked == whole["edges"]
        beyond = await _page(client, name, first, after)
        assert beyond["nodes"] == []
        assert beyond["pageInfo"]["hasNextPage"] is False
        assert beyond["pageInfo"]["hasPreviousPage"] is True


def _insert(stranger: Stranger) -> None:
    """Add rows at both ends and in the middle of every list."""
    world = stranger.world
    world.groups += [Group(1, "First", "Local", 380), Group(385, "Middle", "Local", 380)]
    world.users += [User(1, "first", 391), User(2095, "middle", 391), User(99999, "last", 391)]
    for id, at in ((3507, "2022-10-31 10:59:00"), (3508, "2022-10-31 10:59:01")):
        world.movements.append(Movement(id, moment(at), 60, 382, "Bingo - Wager", "-1.00"))
    for at in ("2022-10-31 10:59:00", "2022-10-31 08:00:00", "2022-10-31 09:00:30"):
        world.financial.append(Financial(moment(at), 382, 3, 2, "5.00", 60, 1384862))
    for id, at in ((990, "2022-10-31 10:59:00"), (991, "2022-10-31 08:00:00"), (1, "2022-10-31 09:00:00")):
        world.logs.append(Log(id, moment(at), 60, "1", "0", "5", "4"))
    game = world.games[-1]
    for id, at in ((5, "2022-10-31 07:00:00"), (6, "2022-10-31 10:15:00"), (7, "2022-10-31 20:00:00")):
        world.games.append(type(game)(**{**vars(game), "id": id, "at": moment(at)}))


@pytest.mark.parametrize("name", list(LISTS))
async def test_rows_inserted_between_pages_repeat_and_lose_none(stranger: Stranger, client: Client, name: str) -> None:
    async with client:
        before = await _page(client, name, None, None)
        page = await _page(client, name, 2, None)
        _insert(stranger)
        walked = list(page["nodes"])
        cursors = [edge["cursor"] for edge in page["edges"]]
        while page["pageInfo"]["hasNextPage"]:
            page = await _page(client, name, 2, page["pageInfo"]["endCursor"])
            walked += page["nodes"]
            cursors += [edge["cursor"] for edge in page["edges"]]
        after = await _page(client, name, None, None)
    assert len(set(cursors)) == len(cursors)
    if LISTS[name][2] == "id":
        ids = [node["id"] for node in walked]
        assert len(set(ids)) == len(ids)
        assert {node["id"] for node in before["nodes"]} <= set(ids) <= {node["id"] for node in after["nodes"]}
    else:
        assert len(walked) >= len(before["nodes"])


async def test_a_cursor_of_a_row_that_is_gone_still_stands(stranger: Stranger, client: Client) -> None:
    async with client:
        page = await _page(client, "users", 3, None)
        gone = page["nodes"][-1]["id"]
        stranger.world.users = [user for user in stranger.world.users if str(user.id) != gone]
        rest = await _page(client, "users", None, page["pageInfo"]["endCursor"])
    assert [node["id"] for node in rest["nodes"]] == [
        "61",
        "62",
        "2090",
        "2091",
        "2092",
        "8241",
        "8242",
        "8243",
        "8244",
    ]


async def test_a_hundred_come_where_nothing_is_said_and_a_thousand_at_most(stranger: Stranger, client: Client) -> None:
    stranger.world.users += [User(5000 + number, f"many{number}", 347) for number in range(1100)]
    async with client:
        default = await _page(client, "users", None, None)
        most = await _page(client, "users", 1000, None)
        none = await _page(client, "users", 0, None)
    assert (len(default["nodes"]), default["totalCount"], default["pageInfo"]["hasNextPage"]) == (100, 1112, True)
    assert len(most["nodes"]) == 1000
    assert (none["nodes"], none["totalCount"], none["pageInfo"]["hasNextPage"]) == ([], 1112, True)


async def test_the_pages_of_the_upstream_do_not_show(stranger: Stranger, client: Client) -> None:
    async with client:
        whole = await client.data("{ gameLogs { totalCount nodes { id } } }")
    client.upstream_options["page_size"] = 4
    stranger.calls()
    async with client:
        assert await client.data("{ gameLogs { totalCount nodes { id } } }") == whole
    pages = [call.split(" page=")[1].split()[0] for call in stranger.calls()]
    assert sorted(pages) == sorted(map(str, range(8)))


async def test_a_vendor_with_smaller_pages_than_the_document_says(stranger: Stranger, client: Client) -> None:
    """It refuses a page that is too large: the result is an error, never a short list."""
    stranger.become(page_cap=7, over_cap="refuse")
    async with client:
        result = await client.ask("{ gameLogs { totalCount } }")
    if result.errors:
        assert result.data == {"gameLogs": None}
        assert result.errors[0].extensions["code"] == "UPSTREAM_CONTRACT"
    else:
        assert result.data == {"gameLogs": {"totalCount": 30}}
    client.upstream_options["page_size"] = 7
    async with client:
        assert await client.data("{ gameLogs { totalCount } }") == {"gameLogs": {"totalCount": 30}}


@pytest.mark.parametrize("times", [1, 1000])
async def test_a_log_that_grows_while_it_is_read(stranger: Stranger, client: Client, times: int) -> None:
    """The list is complete, or an error: no row appears twice and none is lost."""
    left = times

    def grow(page: int) -> None:
        nonlocal left
        if page == 1 and left:
            left -= 1
            stranger.world.logs.append(Log(2000 + left, moment("2022-10-31 10:59:00"), 61, "1", "0", "5", "4"))

    stranger.before_page = grow
    client.upstream_options["page_size"] = 10
    async with client:
        result = await client.ask("{ gameLogs { totalCount nodes { id } } }")
    if result.errors:
        assert result.data == {"gameLogs": None}
        assert result.errors[0].extensions["code"] == "UPSTREAM_INCOMPLETE"
    else:
        ids = [node["id"] for node in result.data["gameLogs"]["nodes"]]
        assert len(set(ids)) == len(ids) == result.data["gameLogs"]["totalCount"] >= 31
