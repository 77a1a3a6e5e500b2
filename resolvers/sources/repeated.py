"""Find the moments of R7's rows in the hour that clocks show twice (C29). Pure: it calls nothing.

R7 has local times, which mean two moments in that hour. R5 has the same movements in unix seconds. A row that R5 does
not have keeps the first of the two moments.
"""

import copy
import datetime
from collections.abc import Iterable, Mapping, Sequence
from zoneinfo import ZoneInfo

from upstream.reports.rows import UserTransactionRow
from upstream.values.bad_value import BadValue
from upstream.values.days import microseconds
from upstream.values.interval import Interval
from upstream.values.moment import repeated

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def stretches(interval: Interval, zone: ZoneInfo) -> list[Interval]:
    """Return the periods that clocks show twice and that touch an interval, each from its first to its second end."""
    return [Interval(_time(first), _time(last)) for first, last in repeated(interval.start, interval.end, zone)]


def widened(interval: Interval, found: Iterable[Interval]) -> Interval:
    """Return the interval extended by these periods; the interval itself if nothing is added."""
    start = min((each.start for each in found), default=interval.start)
    end = max((each.end for each in found), default=interval.end)
    if interval.start <= start and end <= interval.end:
        return interval
    return Interval(min(start, interval.start), max(end, interval.end))


def groups_of(rows: Iterable[UserTransactionRow], stretch: Interval) -> set[int]:
    """Return the groups of the movements of a period."""
    found = (row.group_id for row in rows if _within(row.timestamp, stretch))
    return {group for group in found if group is not None and not isinstance(group, BadValue)}


def settled(
    rows: Sequence[UserTransactionRow], moments: Mapping[int, int], found: Sequence[Interval], interval: Interval
) -> list[UserTransactionRow]:
    """Return the rows of the interval. `moments` by movement id replace R7's own."""
    distinct = []
    for row in rows:
        moment = moments.get(row.movement_id, row.timestamp)
        if moment != row.timestamp and any(_within(row.timestamp, each) for each in found):
            row = copy.copy(row)  # rows are shared
            row.timestamp = moment
        if _within(row.timestamp, interval):
            distinct.append(row)
    return distinct


def _within(moment: int, interval: Interval) -> bool:
    return microseconds(interval.start) <= moment < microseconds(interval.end)


def _time(moment: int) -> datetime.datetime:
    return _EPOCH + datetime.timedelta(microseconds=moment)
