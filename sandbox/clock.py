"""The sandbox's clock: the real one, or one that stands still so that tests get exact answers."""

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

# Ids count days from here, so that a day's ids do not depend on when the world was built.
EPOCH = date(2000, 1, 1)


@dataclass(frozen=True)
class Clock:
    """Tells the time in unix seconds; `frozen` (unix seconds) stops it there. A day is a day of `timezone`."""

    timezone: ZoneInfo
    frozen: int | None = None

    def now(self) -> int:
        """The present instant, in whole unix seconds."""
        return int(time.time()) if self.frozen is None else self.frozen

    def today(self) -> date:
        """The present day in the clock's time zone."""
        return self.day_of(self.now())

    def day_of(self, instant: int) -> date:
        """The day on which a unix second falls. Raises OverflowError or ValueError beyond year 9999."""
        return datetime.fromtimestamp(instant, self.timezone).date()

    def local(self, instant: int) -> str:
        """A unix second as `Y-m-d H:i:s` in the clock's time zone, without an offset (C15)."""
        return datetime.fromtimestamp(instant, self.timezone).isoformat(sep=" ")[:19]

    def bounds(self, day: date) -> tuple[int, int]:
        """First second of a day and of the next one: 23, 24 or 25 hours apart."""
        return self.midnight(day), self.midnight(day + timedelta(days=1))

    def midnight(self, day: date) -> int:
        """The unix second at which a day begins."""
        return int(datetime(day.year, day.month, day.day, tzinfo=self.timezone).timestamp())


def parse_instant(text: str, timezone: ZoneInfo) -> int:
    """Unix seconds of an ISO 8601 text; without an offset it is read in `timezone`. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone)).astimezone(UTC).timestamp())


def day_number(day: date) -> int:
    """Days since EPOCH."""
    return (day - EPOCH).days
