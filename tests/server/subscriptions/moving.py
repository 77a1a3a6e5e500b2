"""A sandbox whose data moves when a test wants it: rows are written into the file of its world."""

import asyncio
import sqlite3
import time
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from sandbox.clock import day_number
from tests.stand import Sandbox, afternoon

# The ids that the world of so few users reserves for the movements of a day.
STRIDE = 100_000


class MovingSandbox(Sandbox):
    """The sandbox on the real clock. Nothing else happens in the groups of a test, unless the test writes it.

    It is afternoon in its time zone: yesterday is closed, and the day does not end during a test.
    """

    def __init__(self, folder: Path) -> None:
        self.database = folder / "world.sqlite"
        self.zone = afternoon()
        super().__init__(
            now=None, days=2, users=60, database=self.database, timezone=self.zone.key, log_timezone=self.zone.key
        )

    def settings(self, **more: str) -> dict[str, str]:
        """Return the settings of a server over this sandbox."""
        return {
            "GAMEHUB_URL": self.gamehub_url,
            "GAMEHUB_TOKEN": self.gamehub_token,
            "GAMEHUB_TIMEZONE": self.timezone,
            "GAMELOG_URL": self.gamelog_url,
            "GAMELOG_TIMEZONE": self.log_timezone,
            "GAMELOG_AGENT_CODE": self.agent_code,
            "GAMELOG_AGENT_TOKEN": self.agent_token,
            "SUBSCRIPTION_SECONDS": "0.2",
            **more,
        }

    def stand_still(self) -> None:
        """Remove everything that the world would still do today."""
        now = int(time.time())
        self._write("DELETE FROM movement WHERE ts >= ?", (now,))
        self._write("DELETE FROM jackpot_value WHERE ts >= ?", (now,))

    def book(self, group: int, *cents: int, days_ago: int = 0) -> list[str]:
        """Book wagers of the first user of a group, one after the other. Return their ids."""
        now = datetime.now(self.zone) - timedelta(days_ago)
        first = day_number(now.date()) * STRIDE
        ids = []
        with closing(self._connect()) as connection, connection:
            (user,) = connection.execute("SELECT min(id) FROM user WHERE group_id = ?", (group,)).fetchone()
            (last,) = connection.execute(
                "SELECT max(id) FROM movement WHERE id BETWEEN ? AND ?", (first, first + STRIDE - 1)
            ).fetchone()
            for number, each in enumerate(cents, 1):
                id = (last or first) + number
                values = (id, int(now.timestamp()), each, user, group)
                connection.execute("INSERT INTO movement VALUES (?, ?, 1, ?, ?, ?, NULL, NULL, 0)", values)
                ids.append(str(id))
        return ids

    def move_jackpot(self, cents: int) -> None:
        """Give the first jackpot this value from now on."""
        values = (int(time.time()), cents)
        self._write("INSERT OR REPLACE INTO jackpot_value SELECT min(id), ?, ?, 0 FROM jackpot", values)

    def lose_yesterday(self, group: int) -> None:
        """Take one movement of yesterday out of a group."""
        midnight = int(datetime.now(self.zone).replace(hour=0, minute=0, second=0, microsecond=0).timestamp())
        self._write(
            "DELETE FROM movement WHERE id = (SELECT max(id) FROM movement WHERE ts < ? AND group_id = ?)",
            (midnight, group),
        )

    def counts(self) -> dict[str, int]:
        """Return the number of upstream calls of each report since `reset`."""
        found: dict[str, int] = {}
        for call in self.calls():
            found[call["report"]] = found.get(call["report"], 0) + 1
        return found

    async def polled(self, times: int = 2, report: str = "api_retail_movements") -> None:
        """Wait until a report was polled some times: what is booked then is new."""
        self.reset()
        async with asyncio.timeout(30):
            while self.counts().get(report, 0) < times:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    def _write(self, sql: str, parameters: tuple[object, ...]) -> None:
        with closing(self._connect()) as connection, connection:
            connection.execute(sql, parameters)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.database, timeout=30)
