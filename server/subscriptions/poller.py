"""Poll topics: make the call of a topic again and again, and yield what is new.

Servers that share a Redis share their polls without an election. A poll uses any reading that is newer than the last
one, whichever server made it, and the next poll is due one interval after that reading. So the servers come to the same
phase, the first of them that is due makes the call, and the others use its answer. If this server dies, the next poll
of another one makes the call.
"""

import asyncio
import datetime
from collections.abc import AsyncGenerator, Collection, Sequence
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import msgspec
import structlog

from resolvers.topics.poll import Poll
from resolvers.topics.topic import Resume, Topic
from upstream.caching.day_reader import EXCUSED
from upstream.call import Answer, Call, Provenance
from upstream.errors import Malformed, Unavailable, UpstreamError
from upstream.resilience.deadline import within
from upstream.values import interval as intervals
from upstream.values.days import microseconds
from upstream.values.interval import Interval

# Rows of yesterday that are booked late are looked for this often; then the trust of the cache in yesterday decides.
LATE_SECONDS = 60.0
_DAY = datetime.timedelta(days=1)
_MICROSECOND = datetime.timedelta(microseconds=1)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
# A reading stays for other servers a little longer than the interval of polls, in seconds.
SLACK = 2.0
# An answer to an event comes from a poll, so it says nothing about the cost of the call, and is compared with nothing.
_FROM_POLL: dict[str, Any] = {"provenance": Provenance(outcome="hit"), "entries": None, "bytes": 0}
# The new rows of one poll. Each is looked up among the others, once for every operation.
MOST_ROWS = 100

log = structlog.get_logger(__name__)


class FreshRoom(Protocol):
    """The upstream room, which reads rows again that were read before a moment."""

    async def fetch(self, call: Call, *, not_before: datetime.datetime | None = None, keep: float = 0.0) -> Answer[Any]:
        """Return the rows of a call. Other servers find them for `keep` seconds. Raises UpstreamError."""
        ...


class Poller(Protocol):
    """Finds out what is new in topics."""

    def polls(self, topic: Topic) -> AsyncGenerator[Poll]:
        """Yield the first poll of a topic, and each later one with a change. A failure is yielded once in a row.

        The first poll without a failure of a topic of rows has no new rows: it says what is known.
        """
        ...

    async def since(self, topic: Topic, resume: Resume, known: datetime.datetime) -> Sequence[Poll]:
        """Return the rows after a place, as polls. The topic was polled at the moment `known`. Raises UpstreamError."""
        ...


class LocalPoller:
    """Polls topics in this process, as long as the polls are taken. `shared`: other servers poll them, too."""

    def __init__(
        self, room: FreshRoom, zone: ZoneInfo, seconds: float, timeout: float, *, shared: bool = False
    ) -> None:
        self._room = room
        self._zone = zone
        self._seconds = seconds
        self._timeout = timeout
        self._shared = shared

    async def polls(self, topic: Topic) -> AsyncGenerator[Poll]:
        """Yield the first poll of a topic, and each later one with a change."""
        reader = _RowReader(self, topic) if topic.each_row else _StateReader(self, topic)
        loop = asyncio.get_running_loop()
        failed = False
        while True:
            began, now = loop.time(), datetime.datetime.now(datetime.UTC)
            pause = self._seconds
            try:
                found = await reader.read(now)
                if self._shared and reader.read_at is not None:
                    # One interval after the reading, whichever server made it.
                    pause -= (now - reader.read_at).total_seconds()
            except UpstreamError as problem:
                if not failed:
                    failed = reader.failed = True
                    yield Poll(topic.call(self.today(now)), now, error=problem, added=() if topic.each_row else None)
            else:
                failed = reader.failed = False
                for poll in found:
                    yield poll
            await asyncio.sleep(min(max(pause - (loop.time() - began), 0.0), self._seconds))

    async def since(self, topic: Topic, resume: Resume, known: datetime.datetime) -> Sequence[Poll]:
        """Return the rows after a place, as polls."""
        now = datetime.datetime.now(datetime.UTC)
        today = now.astimezone(self._zone).date()
        first = min(resume.moment.astimezone(self._zone).date(), today)
        spans: list[tuple[Interval, datetime.datetime | None]] = [
            (intervals.dates(today - _DAY, today, self._zone), known)
        ]
        if first < today - _DAY:
            spans.insert(0, (intervals.dates(first, today - 2 * _DAY, self._zone), None))
        polls: list[Poll] = []
        for interval, fresh in spans:
            call, answer = await self.fetch(topic, interval, fresh)
            id = call.report.id
            assert id is not None
            found = {getattr(row, id): place for place, row in enumerate(answer.rows) if getattr(row, id) > resume.id}
            polls += _polls_of(call, now, answer, found)
        return polls

    def today(self, now: datetime.datetime) -> Interval:
        """Return the business day of a moment."""
        day = now.astimezone(self._zone).date()
        return intervals.dates(day, day, self._zone)

    def yesterday(self, now: datetime.datetime) -> Interval:
        """Return the business day before that of a moment."""
        day = now.astimezone(self._zone).date() - _DAY
        return intervals.dates(day, day, self._zone)

    def newer(self, now: datetime.datetime, last: datetime.datetime | None) -> datetime.datetime:
        """Return the moment at which a reading must have begun to be the next one after the `last`."""
        return now if last is None or not self._shared else last + _MICROSECOND

    async def fetch(
        self, topic: Topic, interval: Interval, not_before: datetime.datetime | None
    ) -> tuple[Call, Answer[Any]]:
        """Return the call of a topic for a period, with its answer. Raises UpstreamError, also for stale rows."""
        columns = topic.report.keys if topic.each_row else None
        call = topic.call(interval, columns)
        options: dict[str, Any] = {} if not_before is None else {"not_before": not_before}
        if self._shared and not_before is not None:
            options["keep"] = self._seconds + SLACK
        try:
            with within(self._timeout):
                answer = await self._room.fetch(call, **options)
            answer.require(columns) if columns is not None else answer.read(None)
        except UpstreamError:
            raise
        except Exception:
            log.exception("a poll failed", topic=str(topic))
            raise Malformed(
                f"{call.report.code}: the poll failed; the log says more", report=call.report.code
            ) from None
        if answer.provenance.stale_since is not None:
            # The cache replaced the answer by older rows. For a poll, they say nothing.
            code = next((made.error for made in answer.provenance.calls if made.error), Unavailable.code)
            kind = next((each for each in EXCUSED if each.code == code), Unavailable)
            raise kind(f"{call.report.code}: {kind.plain}", report=call.report.code)
        return call, answer


class _StateReader:
    """Reads a topic whose rows together are a state."""

    def __init__(self, poller: LocalPoller, topic: Topic) -> None:
        self._poller = poller
        self._topic = topic
        self._last: list[Any] | None = None
        self.failed = False
        self.read_at: datetime.datetime | None = None

    async def read(self, now: datetime.datetime) -> Sequence[Poll]:
        """Return a poll if the state has changed, or if the last poll failed."""
        fresh = self._poller.newer(now, self.read_at)
        call, answer = await self._poller.fetch(self._topic, self._poller.today(now), fresh)
        self.read_at = _read_at(answer)
        rows = list(answer.rows)
        if rows == self._last and not self.failed:
            return ()
        self._last = rows
        return (Poll(call, now, msgspec.structs.replace(answer, **_FROM_POLL)),)


class _RowReader:
    """Reads a topic of which each new row is an event: today in every poll, and yesterday for rows booked late."""

    def __init__(self, poller: LocalPoller, topic: Topic) -> None:
        self._poller = poller
        self._topic = topic
        self._began = datetime.datetime.now(datetime.UTC)
        self._day: Interval | None = None
        # The ids that are known: of yesterday, and of today.
        self._earlier: set[int] = set()
        self._current: set[int] = set()
        self._newest = Resume(0, self._began)
        self._look_back = 0.0
        self.failed = False
        self.read_at: datetime.datetime | None = None

    async def read(self, now: datetime.datetime) -> Sequence[Poll]:
        """Return the polls with new rows. The first poll without a failure is returned in any case."""
        loop, today = asyncio.get_running_loop(), self._poller.today(now)
        first = self._day is None
        newer = self._poller.newer(now, self.read_at)
        fresh: list[tuple[Interval, datetime.datetime | None]] = [(today, newer)]
        due = loop.time() >= self._look_back or self._day != today
        if first:
            fresh = [(intervals_joined(self._poller.yesterday(now), today), newer)]
        elif due:
            fresh.insert(0, (self._poller.yesterday(now), None))
        # A failure of one call leaves the rows of the other for the next poll.
        found = [await self._poller.fetch(self._topic, *each) for each in fresh]
        self.read_at = _read_at(found[-1][1])
        if self._day != today:
            self._day, self._earlier, self._current = today, self._current, set()
        if due:
            self._look_back = loop.time() + LATE_SECONDS
        polls: list[Poll] = []
        for call, answer in found:
            added = self._added(call, answer, first=first)
            if first:
                self._newest = self._newest_of(call, answer, added)
                polls.append(Poll(call, now, added=(), newest=self._newest))
            for poll in _polls_of(call, now, answer, added):
                self._newest = poll.newest = max(self._newest, _last_of(poll), key=lambda place: place.id)
                polls.append(poll)
        return polls

    def _newest_of(self, call: Call, answer: Answer[Any], added: Collection[int]) -> Resume:
        """Return the place after the rows of the first answer that are not new."""
        assert call.interval is not None
        nothing = Resume(0, call.interval.start)
        known = [row for row in answer.rows if getattr(row, str(call.report.id)) not in added]
        return max((_place_of(call, row) for row in known), default=nothing, key=lambda place: place.id)

    def _added(self, call: Call, answer: Answer[Any], *, first: bool) -> dict[int, int]:
        """Return the places of the new rows of an answer by their ids, which are known from now on."""
        id, moment = call.report.id, call.report.moment
        assert id is not None
        assert moment is not None
        assert self._day is not None
        midnight, began = microseconds(self._day.start), microseconds(self._began)
        found: dict[int, int] = {}
        for place, row in enumerate(answer.rows):
            key, at = getattr(row, id), getattr(row, moment)
            if key in self._current or key in self._earlier:
                continue
            (self._earlier if at < midnight else self._current).add(key)
            # After failures, the first answer also has the rows that were booked since the topic began.
            if not first or (self.failed and at >= began):
                found[key] = place
        return found


def _place_of(call: Call, row: Any) -> Resume:
    """Return the place after a row."""
    moment = _EPOCH + getattr(row, str(call.report.moment)) * _MICROSECOND
    return Resume(getattr(row, str(call.report.id)), moment)


def _last_of(poll: Poll) -> Resume:
    """Return the place after the new rows of a poll."""
    assert poll.answer is not None
    assert poll.added
    last = next(row for row in poll.answer.rows if getattr(row, str(poll.call.report.id)) == poll.added[-1])
    return _place_of(poll.call, last)


def _read_at(answer: Answer[Any]) -> datetime.datetime | None:
    """Return when the rows of an answer were read; the earliest moment if there are several."""
    return min((reading.read_at for reading in answer.provenance.readings), default=None)


def intervals_joined(first: Interval, second: Interval) -> Interval:
    """Return the period of two days that follow one another."""
    assert first.days is not None
    assert second.days is not None
    return Interval(first.start, second.end, (first.days[0], second.days[1]))


def _polls_of(call: Call, read_at: datetime.datetime, answer: Answer[Any], found: dict[int, int]) -> list[Poll]:
    """Return polls with some rows of an answer, in the order of their ids, given the places of these ids."""
    ids = sorted(found)
    polls = []
    for begin in range(0, len(ids), MOST_ROWS):
        some = ids[begin : begin + MOST_ROWS]
        rows = answer.some(sorted(found[id] for id in some))
        polls.append(Poll(call, read_at, msgspec.structs.replace(rows, **_FROM_POLL), added=tuple(some)))
    return polls
