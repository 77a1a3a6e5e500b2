"""The bookmark of one stream and entity: which days are loaded, and which days a run reads.

first         the first day of the days that were read one after the other
closed_until  the last of these days that was over when it was read
read_until    the last of these days
failed        what could not be read, with the reason: days, or "all"
rows          the number of rows of each day, so that rows which vanish later can be marked
"""

import datetime
from collections.abc import Iterator
from typing import Any

from server.export.due import DayRange

ONE_DAY = datetime.timedelta(days=1)
ALL = "all"


class Bookmark:
    """A bookmark, over its part of the state."""

    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state
        self.failed: dict[str, str] = state.setdefault("failed", {})
        self.rows: dict[str, int] = state.setdefault("rows", {})

    def days(
        self,
        first: datetime.date,
        last: datetime.date,
        closed_until: datetime.date,
        lookback_days: int,
        refresh: DayRange | None = None,
    ) -> Iterator[tuple[datetime.date, bool]]:
        """Yield the days to read, each once, and whether an earlier run has read it.

        First come the days that failed and those of `refresh`, both ends included. Then come the newest, and last
        those before the first one. Only the newest move the bookmark. The caller notes each day before it takes the
        next one.
        """
        known, cursor, read_until = (self._day(name) for name in ("first", "closed_until", "read_until"))
        begin = known or first
        start = begin if cursor is None else max(cursor + ONE_DAY - lookback_days * ONE_DAY, begin)
        newest, earlier = _range(start, last), _range(first, min(begin - ONE_DAY, last))
        again = {datetime.date.fromisoformat(day) for day in self.failed if day != ALL}
        again.update(_range(refresh.first, min(refresh.last, last)) if refresh else ())
        for day in sorted(again.difference(newest, earlier)):
            yield day, True
        if newest:
            self._state["first"] = begin.isoformat()
        for day in newest:
            yield day, read_until is not None and day <= read_until
            self._state["read_until"] = max(day, read_until or day).isoformat()
            if day <= closed_until:
                self._state["closed_until"] = max(day, cursor or day).isoformat()
        for day in earlier:
            yield day, False
        if known is not None and earlier and earlier[-1] == known - ONE_DAY:
            self._state["first"] = first.isoformat()

    def note(self, name: str, rows: int) -> int:
        """Note a part that is read, and return the number of rows that it had before."""
        self.failed.pop(name, None)
        before = self.rows.get(name, 0)
        self.rows[name] = rows
        return before

    def _day(self, name: str) -> datetime.date | None:
        text = self._state.get(name)
        return None if text is None else datetime.date.fromisoformat(text)


def _range(first: datetime.date, last: datetime.date) -> list[datetime.date]:
    return [first + number * ONE_DAY for number in range((last - first).days + 1)]
