"""A topic is what subscribers of one kind wait for: a call of a report that is made again and again."""

import datetime
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from resolvers.caller import Caller
from upstream.call import Call
from upstream.errors import NotFound
from upstream.reports.absence import absence
from upstream.reports.table import Report
from upstream.values import interval as intervals
from upstream.values.interval import Interval, SentFrame


@dataclass(frozen=True)
class Topic:
    """A report with its parameters. Equal topics share their polls.

    With `each_row`, every new row is an event of its own. Otherwise the rows together are the state of something, and
    an event is a change of this state.
    """

    report: Report
    params: tuple[tuple[str, str | int], ...] = ()
    each_row: bool = False

    def call(self, interval: Interval | None, columns: frozenset[str] | None = None) -> Call:
        """Return the call of this topic for a period."""
        return Call(self.report, self.params, interval if self.report.frame is not None else None, columns=columns)

    def __str__(self) -> str:
        return " ".join((self.report.code, *(f"{name}={value}" for name, value in self.params)))


@dataclass(frozen=True)
class Resume:
    """The place from which a subscription goes on: the id and the moment of the last row that its client received.

    The id 0 means that there was no row: all rows since the day of the moment come after it.
    """

    id: int
    moment: datetime.datetime


def named(caller: Caller, topic: Topic) -> None:
    """Raise `NotFound` if the topic names a group that the caller may not see, as if there were no such group."""
    if caller.groups is None:
        return
    for name, value in topic.params:
        if topic.report.parameters[name].names is not None and value not in caller.groups:
            raise NotFound(absence(topic.report, topic.params), report=topic.report.code)


def today(now: datetime.datetime, zone: ZoneInfo) -> Interval:
    """Return the business day of a moment."""
    return intervals.resolve(SentFrame.TODAY, now, zone)
