"""The record of one exported day, as the ledger has it."""

import datetime
from enum import Enum
from typing import Any

import msgspec

WHOLE = "all"  # the day of a table without time


class DayStatus(Enum):
    """Say how far a day is: over when it was read, not over, or not readable at the last try."""

    CLOSED = "closed"
    OPEN = "open"
    FAILED = "failed"


class Partition(msgspec.Struct, frozen=True, order=True):
    """A part of an export: one day of one entity. `entity` is written as in the path, `group=382`; it may be empty."""

    entity: str
    day: str

    @property
    def place(self) -> str:
        """Return its folder: `group=382/day=2026-02-01`. It is empty for a table without time and entity."""
        day = "" if self.day == WHOLE else f"day={self.day}"
        return "/".join(part for part in (self.entity, day) if part)

    @property
    def name(self) -> str:
        """Return its name in the ledger: that of its folder, or `all`."""
        return self.place or WHOLE

    @property
    def date(self) -> datetime.date | None:
        """Return the day; None for a table without time."""
        return None if self.day == WHOLE else datetime.date.fromisoformat(self.day)

    @property
    def key(self) -> str | None:
        """Return the id of the entity."""
        return self.entity.partition("=")[2] or None


class DayPrint(msgspec.Struct, frozen=True):
    """The statement of a cheap call about a day when its rows were read. It shows later whether the day changed.

    `value` is a digest of the daily totals (R1), or the number of rows (G1), and empty if it could not be read.
    `totals` are the same figures of the exported rows, if these are the rows that the report adds up, and `agrees` says
    whether they were equal.
    """

    report: str
    parameters: dict[str, Any]
    agent: str = ""
    value: str = ""
    totals: dict[str, str] | None = None
    agrees: bool | None = None

    @property
    def source(self) -> "PrintSource":
        """Return the call that tells the value."""
        return PrintSource(self.report, tuple(sorted(self.parameters.items())), self.agent)


class PrintSource(msgspec.Struct, frozen=True, order=True):
    """A call that tells the fingerprint of a day: R1 with a group, or G1 with the parameters of a log."""

    report: str
    parameters: tuple[tuple[str, Any], ...]
    agent: str = ""


class DayError(msgspec.Struct, frozen=True):
    """The error of the last try to read a day."""

    code: str
    message: str


class DayRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The record of one day. The fields about the file are None until the day was read once.

    A day that fails later keeps its file and the facts about it. `began` is when the reading began, `read_at` when the
    oldest row was read, and `next_check` the end of the trust in the rows. `first` and `last` are the least and the
    greatest time of the rows.
    """

    entity: str = ""
    day: str
    status: DayStatus
    path: str
    interval: str | None = None
    rows: int | None = None
    bytes: int | None = None
    sha256: str | None = None
    began: datetime.datetime | None = None
    read_at: datetime.datetime | None = None
    next_check: datetime.datetime | None = None
    written_at: datetime.datetime | None = None
    first: str | None = None
    last: str | None = None
    prints: list[DayPrint] = []
    readings: list[dict[str, Any]] = []
    error: DayError | None = None
    product: str = ""

    @property
    def partition(self) -> Partition:
        """Return the part of the export that this record is about."""
        return Partition(self.entity, self.day)

    @property
    def closed(self) -> bool:
        """Return whether the day was over when it was read."""
        return self.status is DayStatus.CLOSED
