"""Decide how long cached rows are trusted before they are checked: the older their day, the longer (C25)."""

import datetime
from dataclasses import dataclass
from zoneinfo import ZoneInfo

_DAY = datetime.timedelta(days=1)
# For so many days after its end a day belongs to the last week, or to the last month.
_WEEK, _MONTH = 7 * _DAY, 31 * _DAY


@dataclass(frozen=True, slots=True)
class Trust:
    """Hold the table of trust, in seconds.

    `open` is for a day that is not over and for rows without a day, the others for a day that ended at most a day, a
    week, a month or longer ago. `empty` is the maximum for a closed day without rows: an empty answer may be a short
    disturbance of the upstream. A day counts as open for `grace` after its end, for games that cross midnight.
    """

    open: float = 5.0
    yesterday: float = 300.0
    week: float = 3600.0
    month: float = 86_400.0
    older: float = 30 * 86_400.0
    empty: float = 120.0
    grace: datetime.timedelta = datetime.timedelta(hours=6)

    @property
    def longest(self) -> float:
        """Return the longest time that rows are trusted."""
        return max(self.open, self.yesterday, self.week, self.month, self.older)

    def closed(self, ended: datetime.datetime, now: datetime.datetime) -> bool:
        """Return whether a day that ended (or ends) at this moment counts as over."""
        return ended + self.grace <= now

    def closed_until(self, now: datetime.datetime, zone: ZoneInfo) -> datetime.date:
        """Return the last day of a zone that counts as over. All days before it do, too."""
        return (now - self.grace).astimezone(zone).date() - _DAY

    def seconds(self, ended: datetime.datetime, now: datetime.datetime, *, empty: bool = False) -> float:
        """Return how long rows that were read at `now` are trusted, of a day that ended (or ends) at `ended`."""
        if not self.closed(ended, now):
            return self.open
        age = now - ended
        if age <= _DAY:
            found = self.yesterday
        elif age <= _WEEK:
            found = self.week
        elif age <= _MONTH:
            found = self.month
        else:
            found = self.older
        return min(found, self.empty) if empty else found
