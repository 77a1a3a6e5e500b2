"""The poller on an upstream that a test holds: rows that come late, midnight, failures."""

import asyncio
import datetime
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from resolvers.topics.poll import Poll
from resolvers.topics.topic import Resume, Topic
from server.subscriptions import poller as module
from server.subscriptions.ending import SubscriptionEnded
from server.subscriptions.poller import LocalPoller
from server.subscriptions.subscriber import Subscriber
from upstream.call import Answer, Call
from upstream.errors import Unavailable
from upstream.reports import rows
from upstream.reports import table as reports
from upstream.values.days import microseconds

UTC = ZoneInfo("UTC")
DAY = datetime.timedelta(days=1)
TOPIC = Topic(reports.GROUP_MOVEMENTS, (("group_id", 7),), each_row=True)


class Room:
    """An upstream with the rows that a test books. It notes the days that are read."""

    def __init__(self) -> None:
        self.booked: dict[int, datetime.datetime] = {}
        self.read: list[tuple[int, bool]] = []  # the days of each call, and whether it must be fresh
        self.fails = False

    async def fetch(self, call: Call, *, not_before: datetime.datetime | None = None, keep: float = 0.0) -> Answer[Any]:
        """Return the rows of the period of a call."""
        interval = call.interval
        self.read.append(((interval.end - interval.start).days, not_before is not None))
        if self.fails:
            raise Unavailable("R5: out of reach")
        found = [
            rows.GroupMovementRow(movement_id=id, timestamp=microseconds(at), type="Bingo - Wager", currency_amount="1")
            for id, at in self.booked.items()
            if interval.start <= at < interval.end
        ]
        return Answer(found)


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
async def polls(room: Room) -> AsyncIterator[AsyncGenerator[Poll]]:
    async with aclosing(LocalPoller(room, UTC, 0.01, 10).polls(TOPIC)) as found:
        yield found


async def added(polls: AsyncGenerator[Poll]) -> tuple[int, ...]:
    async with asyncio.timeout(30):
        poll: Poll = await anext(polls)
    assert poll.error is None
    assert poll.rows.keys() == set(poll.added)
    return tuple(poll.added)


async def test_rows_that_are_booked_late(
    room: Room, polls: AsyncGenerator[Poll], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.datetime.now(UTC)
    room.booked = {1: now - DAY, 5: now}
    assert await added(polls) == ()  # what is known is not new
    assert room.read == [(2, True)]
    room.booked |= {7: now, 6: now - datetime.timedelta(microseconds=1)}
    assert await added(polls) == (6, 7)  # the oldest first
    assert room.read[1:] == [(1, True)] * (len(room.read) - 1)
    room.booked |= {3: now, 8: now}
    assert await added(polls) == (3, 8)  # a smaller id is new, too
    # Yesterday is read again after a while, as far as the cache trusts it no longer.
    monkeypatch.setattr(module, "LATE_SECONDS", 0.0)
    room.booked[2] = now - DAY
    async with aclosing(LocalPoller(room, UTC, 0.01, 10).polls(TOPIC)) as others:
        assert await added(others) == ()
        room.booked[4] = now - DAY
        assert await added(others) == (4,)
        assert (1, False) in room.read


async def test_failures(room: Room, polls: AsyncGenerator[Poll]) -> None:
    room.fails = True
    async with asyncio.timeout(30):
        first = await anext(polls)
        assert (first.error.code, first.added) == ("UPSTREAM_UNAVAILABLE", ())
        # The failure is said once. The rows since the topic began are new when the report is back.
        following = asyncio.ensure_future(anext(polls))
        while len(room.read) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert not following.done()
        room.booked = {1: datetime.datetime.now(UTC) - DAY, 2: datetime.datetime.now(UTC)}
        room.fails = False
        known = await following
    assert known.added == ()
    assert await added(polls) == (2,)


async def test_a_failure_of_yesterday_loses_nothing(room: Room, polls: AsyncGenerator[Poll]) -> None:
    assert await added(polls) == ()
    room.booked[1] = datetime.datetime.now(UTC)
    room.fails = True
    async with asyncio.timeout(30):
        assert (await anext(polls)).error is not None
    room.fails = False
    assert await added(polls) == (1,)


async def test_resume(room: Room) -> None:
    now = datetime.datetime.now(UTC)
    room.booked = {1: now - 4 * DAY, 2: now - 3 * DAY, 3: now - DAY, **dict.fromkeys(range(4, 254), now)}
    found = await LocalPoller(room, UTC, 1, 10).since(TOPIC, Resume(1, now - 4 * DAY), now)
    assert [id for poll in found for id in poll.added] == list(range(2, 254))
    assert max(len(poll.added) for poll in found) == module.MOST_ROWS
    # Only the two days that the topic reads must be as new as its polls.
    assert room.read == [(3, False), (2, True)]


async def test_a_state(room: Room) -> None:
    jackpots = [rows.ProgressiveJackpotRow(description="a", value="1.00")]

    class Jackpots:
        async def fetch(
            self, call: Call, *, not_before: datetime.datetime | None = None, keep: float = 0.0
        ) -> Answer[Any]:
            assert not_before is not None
            return Answer(list(jackpots))

    async with aclosing(LocalPoller(Jackpots(), UTC, 0.01, 10).polls(Topic(reports.PROGRESSIVE_JACKPOTS))) as found:
        assert (await anext(found)).added is None
        following = asyncio.ensure_future(anext(found))
        await asyncio.sleep(0.1)
        assert not following.done()  # nothing has changed
        jackpots[0] = rows.ProgressiveJackpotRow(description="a", value="2.00")
        async with asyncio.timeout(30):
            assert (await following).answer.rows == jackpots


async def test_a_slow_reader() -> None:
    call = TOPIC.call(None)
    now = datetime.datetime.now(UTC)
    subscriber = Subscriber(3)
    subscriber.put(Poll(call, now, added=(1, 2)))
    assert (await subscriber.next()).added == (1, 2)
    subscriber.put(Poll(call, now, added=(3, 4)))
    subscriber.put(Poll(call, now, added=(5, 6)))
    with pytest.raises(SubscriptionEnded) as ended:
        await subscriber.next()
    assert ended.value.errors[0]["extensions"] == {"code": "SLOW_READER"}
    # Of a state, only the newest waits.
    subscriber = Subscriber(1)
    newest = Poll(call, now)
    for poll in (Poll(call, now), Poll(call, now), newest):
        subscriber.put(poll)
    assert await subscriber.next() is newest


@pytest.mark.parametrize("before", [{}, {5: DAY, 7: 0 * DAY, 6: 0 * DAY}])
async def test_each_poll_has_the_place_from_which_to_go_on(
    room: Room, polls: AsyncGenerator[Poll], before: dict[int, datetime.timedelta]
) -> None:
    now = datetime.datetime.now(UTC)
    room.booked = {id: now - age for id, age in before.items()}
    async with asyncio.timeout(30):
        first = await anext(polls)
        assert first.newest is not None
        new = range(8, 8 + 2 * module.MOST_ROWS)
        room.booked |= dict.fromkeys(new, now)
        places = [first.newest, *[(await anext(polls)).newest for _ in range(2)]]
    assert [place.id for place in places if place] == [max(before, default=0), new[module.MOST_ROWS - 1], new[-1]]
    for place in places:
        assert place is not None
        found = await LocalPoller(room, UTC, 1, 10).since(TOPIC, place, now)
        assert [id for poll in found for id in poll.added or ()] == [id for id in new if id > place.id]
