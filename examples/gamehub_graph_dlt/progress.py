"""The progress of one table and entity: which days are loaded, and which days a run reads.

It is a part of the state of the pipeline, which dlt stores in the destination together with the rows:

    first         the first day of the days that were read one after the other
    closed_until  the last of these days that was over when it was read: the cursor
    read_until    the last of these days
    failed        what could not be read, with the reason: days, or "all" for a refused table
"""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ONE_DAY = datetime.timedelta(days=1)
ALL = "all"


@dataclass(frozen=True)
class Wish:
    """The days that a run is to read: those from `since` on that are not loaded, and some that are.

    The last `lookback_days` that were over are read again, and so are the days of `refresh`, both included.
    """

    since: datetime.date
    lookback_days: int = 3
    refresh: tuple[datetime.date, datetime.date] | None = None


class Progress:
    """The progress of one table and entity, over its part of the state."""

    def __init__(self, state: dict[str, Any], closed_until: datetime.date) -> None:
        self._state = state
        self._closed_until = closed_until
        self.failed: dict[str, str] = state.setdefault("failed", {})

    def days(self, wish: Wish, today: datetime.date) -> Iterator[tuple[datetime.date, bool]]:
        """Yield the days to read, each once, and whether an earlier run has read it.

        First come the days that failed and those of `refresh`, then the newest, and last those before the first one.
        Only the newest move the cursor. The caller notes each day before it takes the next one.
        """
        first, cursor, known = self._date("first") or wish.since, self._date("closed_until"), self._date("read_until")
        start = first if cursor is None else max(cursor + ONE_DAY - wish.lookback_days * ONE_DAY, first)
        newest, earlier = _range(start, today), _range(wish.since, first - ONE_DAY)
        again = {datetime.date.fromisoformat(day) for day in self.failed if day != ALL}
        again.update(_range(*wish.refresh) if wish.refresh else ())
        for day in sorted(again.difference(newest, earlier)):
            if day <= today:
                yield day, True
        self._state["first"] = first.isoformat()
        for day in newest:
            yield day, known is not None and day <= known
            self._state["read_until"] = max(day, known or day).isoformat()
            if day <= self._closed_until:
                self._state["closed_until"] = max(day, cursor or day).isoformat()
        for day in earlier:
            yield day, False
        self._state["first"] = min(first, wish.since).isoformat()

    def note(self, day: datetime.date | None, failure: str | None) -> None:
        """Note whether a day (None: all rows of a table without days) is loaded now."""
        name = ALL if day is None else day.isoformat()
        if failure is None:
            self.failed.pop(name, None)
        else:
            self.failed[name] = failure

    def _date(self, name: str) -> datetime.date | None:
        text = self._state.get(name)
        return None if text is None else datetime.date.fromisoformat(text)


def _range(first: datetime.date, last: datetime.date) -> list[datetime.date]:
    return [first + number * ONE_DAY for number in range((last - first).days + 1)]
