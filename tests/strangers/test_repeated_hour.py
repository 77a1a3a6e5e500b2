"""The hour that comes twice: a user's movement in it has one moment, however it is read."""

import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resolvers.caller import EVERYONE, Caller
from tests.strangers.client import Client
from tests.strangers.stranger import MADRID, Stranger
from tests.strangers.world import WAGER, Movement, moment
from upstream.caching.cache import DayCache, open_store

FIRST, SECOND = "2022-10-30T02:{:02}:00+02:00", "2022-10-30T02:{:02}:00+01:00"
DAY = '{dates: {from: "2022-10-30", to: "2022-10-30"}}'
SUMMER = datetime.datetime(2022, 10, 30, 0, 0, tzinfo=datetime.UTC)  # 02:00 for the first time


def between(start: datetime.datetime, end: datetime.datetime) -> str:
    return f'{{between: {{from: "{start.isoformat()}", until: "{end.isoformat()}"}}}}'


def populate(stranger: Stranger, minutes: list[int]) -> None:
    """A movement of user 60 in group 390 at each of these minutes after 02:00 summer time, by id."""
    stranger.world.movements = [
        Movement(9000 + number, SUMMER + datetime.timedelta(minutes=minute), 60, 390, WAGER, "-1.00")
        for number, minute in enumerate(minutes)
    ]


async def read(client: Client, during: str, compiled: bool, caller: Caller = EVERYONE) -> dict[str, Any]:
    """Return the moments by movement of the user, alone and among others, and of the group. They must be equal."""
    fields = f"transactions(during: {during}) {{ nodes {{ id timestamp }} }}"
    answers = [
        await client.outcome(f"{{ {query} }}", compiled=compiled, caller=caller)
        for query in (
            f'found: user(id: "60") {{ {fields} }}',
            f'users(ids: ["61", "60", "62"]) {{ nodes {{ id {fields} }} }}',
            f'found: group(id: "390") {{ {fields} }}',
        )
    ]
    assert [answer.errors for answer in answers] == [[], [], []]
    alone, many, group = (answer.data for answer in answers)
    (among,) = (user for user in many["users"]["nodes"] if user["id"] == "60")
    found = [
        {each["id"]: each["timestamp"] for each in one["transactions"]["nodes"]}
        for one in (alone["found"], among, group["found"])
    ]
    assert found[0] == found[1] == found[2]
    return found[0]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(-70, 190), min_size=1, max_size=6),
    st.tuples(st.integers(-80, 200), st.integers(-80, 200)).filter(lambda bounds: bounds[0] < bounds[1]),
    st.booleans(),
    st.booleans(),
)
async def test_a_movement_has_one_moment(
    stranger: Stranger, minutes: list[int], bounds: tuple[int, int], compiled: bool, cached: bool
) -> None:
    """It does not depend on the period, the neighbours, their order, or the cache."""
    stranger.reset()
    populate(stranger, minutes)
    start, end = (SUMMER + datetime.timedelta(minutes=bound) for bound in bounds)
    expected = {
        str(each.id): each.at.astimezone(MADRID).isoformat()
        for each in stranger.world.movements
        if start <= each.at < end
    }
    async with Client(stranger) as client:
        upstream = client.upstream
        if cached:
            client.upstream = DayCache(upstream, open_store("memory://"), MADRID, day_zone=MADRID)  # type: ignore[assignment]
            await read(client, DAY, compiled)
        assert await read(client, between(start, end), compiled) == expected
        if cached:
            assert (
                await read(client, between(start, end), compiled, Caller("partner", frozenset({382, 390}))) == expected
            )
        client.upstream = upstream


@pytest.mark.parametrize("compiled", [False, True])
async def test_what_no_other_report_has_is_shown_at_the_earlier_moment(
    stranger: Stranger, client: Client, compiled: bool
) -> None:
    """R5 does not list the movement of a group that it does not know. Both possible moments are read."""
    populate(stranger, [75])
    stranger.world.movements[0].group = 0
    query = '{{ user(id: "60") {{ transactions(during: {}) {{ nodes {{ timestamp }} }} }} }}'
    hours = [SUMMER + datetime.timedelta(hours=hours) for hours in range(3)]
    async with client:
        answers = [
            await client.outcome(query.format(between(*hours[number : number + 2])), compiled=compiled)
            for number in (0, 1)
        ]
    assert [answer.data["user"]["transactions"]["nodes"] for answer in answers] == [
        [{"timestamp": FIRST.format(15)}], [],
    ]  # fmt: skip


async def test_only_that_hour_costs_calls(stranger: Stranger, client: Client) -> None:
    async with client:
        await client.data(f'{{ user(id: "2092") {{ transactions(during: {DAY}) {{ nodes {{ timestamp }} }} }} }}')
        assert stranger.calls() == [
            "api_retail_movements group_id=390 2022-10-30 01:59:59/2022-10-30 03:00:00",
            "api_users_report id=2092",
            "transaction_report user_id=2092 2022-10-30 00:00:00/2022-10-30 23:59:59",
        ]
        await client.data('{ user(id: "2092") { transactions { nodes { timestamp } } } }')
        assert len(stranger.calls()) == 2


@pytest.mark.parametrize("zone", ["UTC", "America/Bogota"])
async def test_clocks_that_never_change_cost_no_call(stranger: Stranger, client: Client, zone: str) -> None:
    stranger.become(zone=ZoneInfo(zone))
    async with client:
        await client.data(f'{{ user(id: "2092") {{ transactions(during: {DAY}) {{ nodes {{ timestamp }} }} }} }}')
    assert [call.split()[0] for call in stranger.calls()] == ["api_users_report", "transaction_report"]


class TestAmountOfUnknownSign:
    """A movement whose type has no documented sign, and that is missing in its user's own report."""

    @pytest.fixture(autouse=True)
    def _strange(self, stranger: Stranger) -> None:
        stranger.become(unknown="empty", of_groups_alone=(9001,))
        at = moment("2022-10-31 09:00:00")
        stranger.world.movements = [
            Movement(9001, at, 999, 390, "Corrección", "-2.00"), Movement(9000, at, 60, 390, WAGER, "-1.00"),
        ]  # fmt: skip

    @pytest.mark.parametrize("compiled", [False, True])
    @pytest.mark.parametrize("groups", [None, (390,), (390, 382)])
    async def test_only_the_amount_of_that_row_is_unknown(
        self, client: Client, compiled: bool, groups: tuple[int, ...] | None
    ) -> None:
        caller = EVERYONE if groups is None else Caller("partner", frozenset(groups))
        query = '{ group(id: "390") { transactions { totalCount nodes { id type amount } } } }'
        async with client:
            answer = await client.outcome(query, compiled=compiled, caller=caller)
        assert answer.data["group"]["transactions"] == {
            "totalCount": 2,
            "nodes": [
                {"id": "9001", "type": "Corrección", "amount": None},
                {"id": "9000", "type": WAGER, "amount": "-1.00"},
            ],
        }
        (error,) = answer.errors
        assert error["path"] == ["group", "transactions", "nodes", 0, "amount"]
        assert error["extensions"]["code"] == "UPSTREAM_INCOMPLETE"
