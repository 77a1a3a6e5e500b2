"""Mistakes of a client: `BAD_USER_INPUT` at the field, without an upstream call; all other fields are answered."""

import base64
from typing import Any

import pytest

from tests.strangers.client import Client
from tests.strangers.stranger import Stranger


def _cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _day(first: str, last: str) -> dict[str, Any]:
    return {"dates": {"from": first, "to": last}}


def _between(start: str, end: str) -> dict[str, Any]:
    return {"between": {"from": start, "until": end}}


OTHER_ROWS = _cursor("[-1667207400000000,390,60,1384861,1,1,3,0]")  # the amount is a text
OF_A_USER = _cursor("[382,0]")
FIELDS = {
    **{
        f"id {id!r}": f'group(id: "{id}") {{ id }}'
        for id in ("", "x", "-1", "0", "1.5", " 382", "382 ", "1e3", "٣", "0x10", "9223372036854775808", "9" * 30)
    },
    "user id": 'user(id: "u1") { id }',
    "room id": 'room(id: "first") { id }',
    "game id": 'game(id: "12a") { id }',
    "ids": 'groups(ids: ["382", "x"]) { totalCount }',
    "user ids": 'users(ids: ["60", ""]) { totalCount }',
    "groupId": 'users(groupId: "x") { totalCount }',
    "groupId of movements": 'financialMovements(groupId: "x") { totalCount }',
    "roomId": 'games(roomId: "x") { totalCount }',
    "status": "games(status: UNKNOWN) { totalCount }",
    "first too large": "groups(first: 1001) { totalCount }",
    "first negative": "groups(first: -1) { totalCount }",
    **{
        f"after {after!r}": f'groups(after: "{after}") {{ totalCount }}'
        for after in (
            "", "x", "%%%%", "é", "AAAA", _cursor("382"), _cursor("[1.5,0]"), _cursor("null"), _cursor("{}"),
            _cursor("[null]"), _cursor("[true,0]"), _cursor("[382, 0]"),
            # It is well formed, but its parts are not those of a group.
            _cursor("[]"), _cursor("[382]"), _cursor('["382",0]'), _cursor('[382,"0"]'), _cursor("[382,0,0]"),
            _cursor("[[382],0]"),
        )
    },
    "after of other rows": f'financialMovements(after: "{OTHER_ROWS}") {{ totalCount }}',
    "an empty search": 'users(username: "") { totalCount }',
    "a long search": f'users(username: "{"x" * 1001}") {{ totalCount }}',
    "a search over lines": 'users(username: "a\\nb") { totalCount }',
    "a game type of nothing but a name of the answer": 'gameLogs(gameType: "status") { totalCount }',
    "a long game type": f'gameLogs(gameType: "{"x" * 201}") {{ totalCount }}',
}  # fmt: skip


@pytest.mark.parametrize("name", list(FIELDS))
async def test_a_field_alone_fails(stranger: Stranger, client: Client, name: str) -> None:
    async with client:
        result = await client.ask(f"{{ bad: {FIELDS[name]} progressiveJackpots {{ description }} }}")
    assert result.data is not None
    assert result.data["bad"] is None
    assert len(result.data["progressiveJackpots"]) == 2
    assert [(error.path, error.extensions["code"]) for error in result.errors] == [(["bad"], "BAD_USER_INPUT")]
    assert "fault of this server" not in result.errors[0].message


NESTED = {
    "users of a group": 'group(id: "382") { name bad: users(first: 1001) { totalCount } }',
    "a search": 'group(id: "382") { name bad: users(username: "") { totalCount } }',
    "inGroup": 'user(id: "60") { username bad: transactions(inGroup: "x") { totalCount } }',
    "a cursor": 'user(id: "60") { username bad: gameLogs(after: "x") { totalCount } }',
    "a cursor of other rows": f'user(id: "60") {{ username bad: gameLogs(after: "{OF_A_USER}") {{ totalCount }} }}',
    "a game type": 'user(id: "60") { username bad: gameLogs(gameType: "total_count") { totalCount } }',
    "a status": 'room(id: "1") { name bad: games(status: UNKNOWN) { totalCount } }',
    "a period": 'room(id: "1") { name bad: gamesOnSale(during: {dates: {from: "2022-02-02", to: "2022-02-01"}}) '
    "{ id } }",
}


@pytest.mark.parametrize("name", list(NESTED))
async def test_a_field_of_an_entity_alone_fails(client: Client, name: str) -> None:
    async with client:
        result = await client.ask(f"{{ {NESTED[name]} }}")
    (entity,) = result.data.values()
    assert entity["bad"] is None
    assert any(value for field, value in entity.items() if field != "bad")
    assert [error.extensions["code"] for error in result.errors] == ["BAD_USER_INPUT"]
    assert result.errors[0].path[-1] == "bad"


PERIODS = {
    "from after to": _day("2022-10-31", "2022-10-30"),
    "from after until": _between("2022-10-31T10:00:00Z", "2022-10-31T09:00:00Z"),
    "from is until": _between("2022-10-31T10:00:00Z", "2022-10-31T10:00:00Z"),
    "from is until by another clock": _between("2022-10-31T10:00:00Z", "2022-10-31T11:00:00+01:00"),
    "no such day": _day("2022-02-29", "2022-03-01"),
    "no day": _day("yesterday", "2022-03-01"),
    "a day written otherwise": _day("31/10/2022", "31/10/2022"),
    "a time for a day": _day("2022-10-31T00:00:00Z", "2022-10-31"),
    "no offset": _between("2022-10-31T10:00:00", "2022-10-31T11:00:00"),
    "no such time": _between("2022-10-31T25:00:00Z", "2022-10-31T26:00:00Z"),
    "nothing": {},
    "null": {"frame": None},
    "two at once": {"frame": "TODAY", **_day("2022-10-31", "2022-10-31")},
    "no such frame": {"frame": "NEXT_WEEK"},
    "the end of the calendar": _day("9999-12-31", "9999-12-31"),
    "the start of the calendar": _day("0001-01-01", "0001-01-01"),
    "before the calendar": _between("0001-01-01T00:00:00+05:00", "2022-10-31T11:00:00Z"),
    "after the calendar": _between("2022-10-31T11:00:00Z", "9999-12-31T23:59:59-05:00"),
    "before any computer": _day("1900-01-01", "1900-01-02"),
    "a far future": _between("2200-01-01T00:00:00Z", "2200-01-02T00:00:00Z"),
}


@pytest.mark.parametrize("name", list(PERIODS))
@pytest.mark.parametrize("field", ["games", "gameLogs"])
async def test_periods(stranger: Stranger, client: Client, name: str, field: str) -> None:
    async with client:
        result = await client.ask(f"query ($p: Period) {{ {field}(during: $p) {{ totalCount }} }}", p=PERIODS[name])
    assert result.data is None or result.data == {field: None}
    assert {error.extensions["code"] for error in result.errors} == {"BAD_USER_INPUT"}
    assert stranger.calls() == []


@pytest.mark.parametrize("count", [1000, 1001])
async def test_how_many_ids(client: Client, count: int) -> None:
    async with client:
        result = await client.ask(
            "query ($ids: [ID!]) { users(ids: $ids) { totalCount } }", ids=[str(number + 1) for number in range(count)]
        )
    if count == 1000:
        assert result.data == {"users": {"totalCount": 5}}
    else:
        assert result.data == {"users": None}
        assert result.errors[0].extensions["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    "query", ["{", "{ nothing }", '{ group(id: "1") }', "{ group { id } }", "query A { a } query B { b }"]
)
async def test_a_document_that_does_not_fit(client: Client, query: str) -> None:
    async with client:
        result = await client.ask(query)
    assert result.data is None
    assert {error.extensions["code"] for error in result.errors} <= {
        "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED",
    }  # fmt: skip


async def test_bad_input_reaches_no_upstream(stranger: Stranger, client: Client) -> None:
    async with client:
        for name, field in FIELDS.items():
            if "of other rows" not in name and "after" not in name:
                await client.ask(f"{{ {field} }}")
    assert stranger.calls() == []
