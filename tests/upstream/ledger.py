"""An upstream in a few lines: rows with times, listed in one fixed order. A test can make it fail."""

import asyncio
import datetime
from collections.abc import Callable
from typing import Any

from upstream.caching.trust import Trust
from upstream.call import Answer, Call
from upstream.client import Listener
from upstream.errors import UpstreamError
from upstream.reports.rows import GroupMovementRow
from upstream.values.days import microseconds

START = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
MONTH = 30 * 86_400.0
# Every closed day is trusted for a month, whatever its age.
LONG = Trust(open=5.0, yesterday=MONTH, week=MONTH, month=MONTH, older=MONTH, empty=MONTH)


class Clock:
    """The time, which stands still until it is moved."""

    def __init__(self, now: datetime.datetime) -> None:
        self.now = now

    def __call__(self) -> datetime.datetime:
        return self.now

    def seconds(self) -> float:
        return self.now.timestamp()

    def move(self, **by: float) -> None:
        self.now += datetime.timedelta(**by)


def movement(number: int, time: datetime.datetime, user: int = 1) -> GroupMovementRow:
    """A row of R5."""
    return GroupMovementRow(
        movement_id=number,
        timestamp=microseconds(time),
        group_id=5,
        user_id=user,
        type="Bingo - Wager",
        currency_amount="1.00",
    )


class Ledger:
    """Replace `Upstream`. `calls` records the calls; answers wait until `gate` is set."""

    def __init__(self, order: Callable[[Any], Any], reverse: bool = False) -> None:
        self.rows: list[Any] = []
        self.arrived: dict[int, datetime.datetime] = {}
        self.order = order
        self.reverse = reverse
        self.calls: list[Call] = []
        self.errors: list[UpstreamError] = []
        self.error: UpstreamError | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    def add(self, row: Any, now: datetime.datetime = START) -> None:
        """Let a row arrive."""
        self.rows.append(row)
        self.arrived[row.movement_id] = now

    def listed(self, call: Call) -> list[Any]:
        """Return the rows of a call, in the upstream's order."""
        assert call.interval is not None
        start, end = microseconds(call.interval.start), microseconds(call.interval.end)
        found = [row for row in self.rows if start <= row.timestamp < end]
        return sorted(found, key=self.order, reverse=self.reverse)

    async def fetch(self, call: Call, observe: Listener | None = None) -> Answer[Any]:
        self.calls.append(call)
        error = self.error or (self.errors.pop(0) if self.errors else None)
        rows = self.listed(call) if error is None else []
        await asyncio.sleep(0)
        await self.gate.wait()
        if error is not None:
            raise error
        return Answer(rows, 1, 100 * len(rows), 0.25)

    @property
    def spans(self) -> list[str]:
        """Return the requested periods since the last call of this method, in whole hours of UTC."""
        lines = []
        for call in self.calls:
            assert call.interval is not None
            lines.append(f"{call.interval.start:%m-%dT%H} {call.interval.end:%m-%dT%H}")
        self.calls.clear()
        return lines
