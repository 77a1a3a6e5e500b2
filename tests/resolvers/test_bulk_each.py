"""A bulk way may take one call for each key of another edge: the rows are those of calls for each key."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.caller import EVERYONE, Caller
from resolvers.edges import EDGES, GAMES_OF_ROOM, Bulk, ReportEdge, by_parameter, distributed
from resolvers.lookup import Lookup
from resolvers.session import Session
from resolvers.way import BULK, PER_KEY, Way
from upstream.call import Answer, Call
from upstream.errors import NotFound, UpstreamError, UpstreamFailed
from upstream.reports import rows
from upstream.reports import table as reports
from upstream.values.interval import Interval

EVERY_GROUP = ReportEdge(reports.GROUPS, None, "id", rows=10, bulk=Bulk(reports.GROUPS, "id", 10))
USERS_BY_GROUP = Bulk(reports.USERS, "id", 50, each=EVERY_GROUP, by="fkgroup")
USER = ReportEdge(reports.USERS, "id", "id", one=True, bulk=USERS_BY_GROUP)
# There is no call for one name: each name is looked for in the users of each group.
USER_OF_NAME = ReportEdge(reports.USERS, None, "username", one=True, bulk=Bulk(
    reports.USERS, "username", 50, each=EVERY_GROUP, by="fkgroup",
))  # fmt: skip


@dataclass
class Business:
    """An upstream in this process: groups with the ids of their users. `broken` groups raise an error."""

    groups: dict[int, list[int]]
    broken: dict[int, UpstreamError] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def fetch(self, call: Call) -> Answer[Any]:
        """Return the rows of a call."""
        params = dict(call.params)
        self.calls.append((call.report.code, params))
        if call.report is reports.GROUPS:
            return Answer([rows.GroupRow(id=id, name=f"g{id}") for id in self.groups if params.get("id", id) == id])
        group = params.get("fkgroup")
        if group in self.broken:
            raise self.broken[int(group)]
        return Answer([
            rows.UserRow(id=id, username=f"u{id}", group_id=home, fkgroup=f"g{home}")
            for home, users in self.groups.items()
            for id in users
            if params.get("id", id) == id and (group is None or home == group)
        ])  # fmt: skip


def session(business: Business, way: str = "", caller: Caller = EVERYONE) -> Session:
    """Return a session that prefers the way of this name."""
    made = Session(business, ZoneInfo("UTC"), caller=caller)

    def choose(ways: Sequence[Way], before: str | None = None) -> Way:
        return next((each for each in ways if each.name == way), ways[0])

    made.choose = choose
    return made


GROUPS = st.lists(st.integers(0, 4), min_size=1, max_size=5).map(
    lambda sizes: {382 + group: [10 * group + user + 1 for user in range(size)] for group, size in enumerate(sizes)}
)


@given(GROUPS, st.lists(st.integers(1, 50), min_size=2, max_size=8, unique=True))
async def test_the_rows_are_those_of_calls_for_each_key(groups: dict[int, list[int]], keys: list[int]) -> None:
    business = Business(groups)
    single = await session(business, PER_KEY).rows_of(Lookup(USER), keys)
    assert [code for code, _ in business.calls] == ["R9"] * len(keys)
    business.calls.clear()
    together = await session(business, BULK).rows_of(Lookup(USER), keys)
    assert together == single
    assert business.calls == [("R8", {}), *(("R9", {"fkgroup": group}) for group in groups)]


async def test_an_edge_without_a_call_for_one_key_reads_one_key_this_way() -> None:
    business = Business({382: [1, 2], 383: [3]})
    made = session(business)
    found = await made.rows(Lookup(USER_OF_NAME), "u3")
    assert [row.id for row in found] == [3]
    assert await made.rows(Lookup(USER_OF_NAME), "nobody") == []
    assert business.calls == [("R8", {}), ("R9", {"fkgroup": 382}), ("R9", {"fkgroup": 383})], "each call is made once"


async def test_a_group_that_fails_makes_the_keys_be_read_one_by_one() -> None:
    business = Business({382: [1, 2], 383: [3]}, {383: UpstreamFailed("R9: broken")})
    found = await session(business, BULK).rows_of(Lookup(USER), [1, 2, 3])
    assert [[row.id for row in each] for each in found if not isinstance(each, Exception)] == [[1], [2], [3]]
    with pytest.raises(UpstreamFailed, match="R9: broken"):
        await session(business, BULK).rows(Lookup(USER_OF_NAME), "u1")


async def test_a_group_that_is_gone_has_no_rows() -> None:
    business = Business({382: [1, 2], 383: [3]}, {383: NotFound("R9: no such group")})
    found = await session(business).rows(Lookup(USER_OF_NAME), "u1")
    assert [row.id for row in found] == [1]


async def test_a_restricted_caller_reads_its_own_groups_only() -> None:
    business = Business({382: [1, 2], 383: [3]})
    made = session(business, caller=Caller("a", frozenset({382})))
    found = await made.rows_of(Lookup(USER_OF_NAME), ["u1", "u3"])
    assert [len(each) for each in found if not isinstance(each, Exception)] == [1, 0]
    assert ("R9", {"fkgroup": 383}) not in business.calls


async def test_it_is_priced_like_the_other_ways_and_its_calls_are_learnt() -> None:
    business = Business({382 + group: [10 * group + 1] for group in range(30)})
    made = Session(business, ZoneInfo("UTC"))
    keys = list(range(1, 200))
    before = made.loader.known(Lookup(USER), keys).bulk
    assert before is not None
    assert before.calls == 10, "the edge declares ten groups"
    assert before.price > made.prices.seconds(reports.USERS, 10, 0), "the other edge has to be read, too"
    await session(business, BULK).rows_of(Lookup(USER), keys)
    made.choose = lambda ways, before=None: ways[-1]  # type: ignore[misc]
    await made.rows_of(Lookup(USER), keys)
    after = made.loader.known(Lookup(USER), keys).bulk
    assert after is not None
    assert after.calls == 30
    step = next(step for step in made.steps if step.way == BULK and step.call.params)
    assert (step.keys, [way.name for way in step.rejected]) == (len(keys), [PER_KEY])


async def test_an_edge_of_one_relation_is_one_line() -> None:
    edge = distributed(reports.USERS, "username", each=EVERY_GROUP, by="fkgroup")
    assert EDGES[-1] is edge, "a prediction knows the edge, wherever it is declared"
    found = await session(Business({382: [1, 2], 383: [3]})).rows(Lookup(edge), "u3")
    assert [row.id for row in found] == [3]
    plain = by_parameter(reports.DAILY_MOVEMENTS, "groupid", rows=2)
    assert (plain.by, plain.column, plain.rows) == ("groupid", "group_id", 2), "the column follows from `echoes`"


async def test_the_other_report_is_read_for_the_period_if_it_has_one() -> None:
    intervals: list[tuple[str, Interval | None]] = []

    class Hourly(Business):
        async def fetch(self, call: Call) -> Answer[Any]:
            intervals.append((call.report.code, call.interval))
            if call.report is reports.ROOM_GAMES:
                return Answer([rows.RoomGameRow(id=7, room_id=1, starts_at=0)])
            return await super().fetch(call) if call.report is reports.GROUPS else Answer([])

    day = Interval(
        datetime.datetime(2026, 3, 14, tzinfo=datetime.UTC), datetime.datetime(2026, 3, 15, tzinfo=datetime.UTC)
    )
    made = session(Hourly({382: [1]}))
    by_group = distributed(reports.GROUP_MOVEMENTS, "user_id", each=EVERY_GROUP, by="group_id")
    assert await made.rows(Lookup(by_group, day), 1) == []
    by_room = distributed(reports.GAMES_ON_SALE, "id", each=GAMES_OF_ROOM, by="bs_room_id")
    assert await made.rows(Lookup(by_room, day), 7) == []
    assert intervals == [("R8", None), ("R5", day), ("R2", day), ("R6", day)]


def test_a_wrong_edge_names_what_is_missing() -> None:
    with pytest.raises(ValueError, match=r"R9: no parameter room in its line of upstream/reports/table.py"):
        by_parameter(reports.USERS, "room")
    with pytest.raises(ValueError, match=r"R9: no parameter room in its line of upstream/reports/table.py"):
        distributed(reports.USERS, "username", each=EVERY_GROUP, by="room")
    with pytest.raises(ValueError, match=r"R9: no column room_id in UserRow \(upstream/reports/rows.py\)"):
        distributed(reports.USERS, "room_id", each=EVERY_GROUP, by="fkgroup")
    with pytest.raises(ValueError, match="the edge `each` needs a `bulk` that reads all its keys"):
        distributed(reports.USERS, "username", each=by_parameter(reports.GROUPS, "id"), by="fkgroup")
