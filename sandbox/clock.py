"""The sandbox's clock: the real time, or a time that stands still so that tests get exact answers."""

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

# Ids count days from this date, so that a day's ids do not depend on when the world was built.
EPOCH = date(2000, 1, 1)


@dataclass(frozen=True)
class Clock:
    """A clock in unix seconds. `frozen` (unix seconds) stops it at that moment. A day is a day of `timezone`."""

    timezone: ZoneInfo
    frozen: int | None = None

    def now(self) -> int:
        """Return the current time in whole unix seconds."""
        return int(time.time()) if self.frozen is None else self.frozen

    def today(self) -> date:
        """Return the current day in the clock's time zone."""
        return self.day_of(self.now())

    def day_of(self, instant: int) -> date:
        """Return the day of a unix second. Raise OverflowError or ValueError after the year 9999."""
        return datetime.fromtimestamp(instant, self.timezone).date()

    def local(self, instant: int) -> str:
        """Return a unix second as `Y-m-d H:i:s` in the clock's time zone, without an offset."""
        return datetime.fromtimestamp(instant, self.timezone).isoformat(sep=" ")[:19]

    def bounds(self, day: date) -> tuple[int, int]:
        """Return the first second of a day and of the next day. They are 23, 24 or 25 hours apart."""
        return self.midnight(day), self.midnight(day + timedelta(days=1))

    def midnight(self, day: date) -> int:
        """Return the unix second at which a day begins."""
        return int(datetime(day.year, day.month, day.day, tzinfo=self.timezone).timestamp())


def parse_instant(text: str, timezone: ZoneInfo) -> int:
    """Return the unix seconds of an ISO 8601 text. A text without an offset is read in `timezone`. Raise ValueError."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone)).astimezone(UTC).timestamp())


def day_number(day: date) -> int:
    """Return the number of days since EPOCH."""
    return (day - EPOCH).days
