"""The hour that clocks show twice: the moment of a user's movement in it is read from the group's report (C29).

R7 tells local times, which mean two moments in that hour. It is read for both of them, with the first one as long as
no other report tells more. R5 has the same movements in unix seconds. Pure: it calls nothing.
"""

import copy
import datetime
from collections.abc import Iterable, Mapping, Sequence
from zoneinfo import ZoneInfo

from upstream.caching.days import microseconds
from upstream.decoding.bad_value import BadValue
from upstream.decoding.moment import repeated
from upstream.interval import Interval
from upstream.reports.rows import UserTransactionRow

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def stretches(interval: Interval, zone: ZoneInfo) -> list[Interval]:
    """Return the stretches of time that touch an interval and are shown twice, each with both showings."""
    return [Interval(_time(first), _time(last)) for first, last in repeated(interval.start, interval.end, zone)]


def widened(interval: Interval, found: Iterable[Interval]) -> Interval:
    """Return the interval with the whole of each stretch; the interval itself where nothing is added."""
    start = min((each.start for each in found), default=interval.start)
    end = max((each.end for each in found), default=interval.end)
    if interval.start <= start and end <= interval.end:
        return interval
    return Interval(min(start, interval.start), max(end, interval.end))


def groups_of(rows: Iterable[UserTransactionRow], stretch: Interval) -> set[int]:
    """Return the groups in which movements of a stretch were made."""
    found = (row.group_id for row in rows if _within(row.timestamp, stretch))
    return {group for group in found if group is not None and not isinstance(group, BadValue)}


def settled(
    rows: Sequence[UserTransactionRow], moments: Mapping[int, int], found: Sequence[Interval], interval: Interval
) -> list[UserTransactionRow]:
    """Return the rows of the interval, with the moments that are known by movement id in place of R7's own."""
    kept = []
    for row in rows:
        moment = moments.get(row.movement_id, row.timestamp)
        if moment != row.timestamp and any(_within(row.timestamp, each) for each in found):
            row = copy.copy(row)  # rows are shared
            row.timestamp = moment
        if _within(row.timestamp, interval):
            kept.append(row)
    return kept


def _within(moment: int, interval: Interval) -> bool:
    return microseconds(interval.start) <= moment < microseconds(interval.end)


def _time(moment: int) -> datetime.datetime:
    return _EPOCH + datetime.timedelta(microseconds=moment)
