"""Decide which days of an export are read by a run. It reads no rows."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from server.export.day import DayRecord, DayStatus, Partition, PrintSource
from server.export.ledger import WrongExport
from server.export.prints import DayPrints
from server.export.writer import DayWriter
from server.tables.config import Changed, unchanged
from server.tables.spool.spool import LATE
from server.tables.window import TableWindow

# Closed days outside the window whose fingerprints are compared: those that ended at most so long ago.
CHECKED_DAYS = 31


class DueReason(Enum):
    """Say why a day is read."""

    NEW = "new"
    OPEN = "open"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    DAMAGED = "damaged"
    CHANGED = "changed"
    LOOKBACK = "lookback"
    REFRESH = "refresh"


@dataclass(frozen=True, slots=True)
class DayRange:
    """A range of days, both included."""

    first: datetime.date
    last: datetime.date

    @classmethod
    def of(cls, text: str) -> "DayRange":
        """Return the range of a text: `2026-03-01..2026-03-07`, or one day. Raises WrongExport."""
        first, dots, last = text.partition("..")
        try:
            found = cls(datetime.date.fromisoformat(first), datetime.date.fromisoformat(last if dots else first))
        except ValueError:
            raise WrongExport(f"{text!r} is no range of days: write 2026-03-01..2026-03-07, or 2026-03-01") from None
        if found.first > found.last:
            raise WrongExport(f"{text!r} ends before it begins")
        return found

    def __contains__(self, day: datetime.date | None) -> bool:
        return day is not None and self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class DueOptions:
    """Which closed days are read again: the last `lookback` days, a range, or with `refresh` all days of the window."""

    lookback: int = 0
    again: DayRange | None = None
    refresh: bool = False


def whole_days(window: TableWindow) -> None:
    """Raise WrongExport for a window that begins or ends inside a day: a part must never replace a whole day."""
    for name, piece, day in (
        ("since", window.pieces[0], window.pieces[0].day),
        ("until", window.pieces[-1], window.pieces[-1].day + datetime.timedelta(days=1)),
    ):
        if not piece.whole:
            raise WrongExport(
                f"an export has whole days of {window.zone.key}, and the window has only a part of {piece.text}: write "
                f"--{name} {day.isoformat()}"
            )


async def due(
    writer: DayWriter,
    window: TableWindow | None,
    entities: Sequence[str],
    records: Mapping[Partition, DayRecord],
    options: DueOptions = DueOptions(),
    changed: Changed = unchanged,
    *,
    also: Iterable[str] = (),
) -> dict[Partition, DueReason]:
    """Return the days to read, in order: those of the window, and those that earlier runs left unfinished.

    `also` are entities without new days, such as groups that are gone: only days that are in the ledger are read.
    """
    if window is None:
        return {Partition(entity, "all"): DueReason.NEW for entity in entities}
    files, interrupted = writer.ledger.files(), writer.ledger.interrupted()
    known = {*entities, *also}
    mine = {partition: record for partition, record in records.items() if partition.entity in known}
    found: dict[Partition, DueReason] = {}
    for partition, record in mine.items():
        if record.status is not DayStatus.CLOSED:
            found[partition] = DueReason(record.status.value)
        elif partition in interrupted:
            found[partition] = DueReason.INTERRUPTED
        elif files.get(record.path) != record.bytes:
            found[partition] = DueReason.DAMAGED
    found |= {partition: DueReason.INTERRUPTED for partition in interrupted if partition.entity in known}
    began = writer.now()
    for entity in entities:
        for piece in window.pieces:
            partition = Partition(entity, piece.text)
            if partition not in mine and not _ahead(writer, piece.interval.start, began):
                found.setdefault(partition, DueReason.NEW)
    wanted = {piece.text for piece in window.pieces}
    closed = {partition: record for partition, record in mine.items() if partition not in found}
    last = {entity: _last_days(closed, entity, options.lookback) for entity in known} if options.lookback else {}
    for partition in closed:
        if (options.refresh and partition.day in wanted) or (
            options.again is not None and partition.date in options.again
        ):
            found[partition] = DueReason.REFRESH
        elif partition.day in last.get(partition.entity, ()):
            found[partition] = DueReason.LOOKBACK
    rest = {partition: record for partition, record in closed.items() if partition not in found}
    since = (began - datetime.timedelta(days=CHECKED_DAYS)).astimezone(writer.zone).date().isoformat()
    recent = {
        partition: record for partition, record in rest.items() if partition.day >= since or partition.day in wanted
    }
    found |= dict.fromkeys(await _changed(recent, changed), DueReason.CHANGED)
    if writer.prints is not None:
        found |= dict.fromkeys(await differing(writer.prints, recent.values()), DueReason.CHANGED)
    return {partition: found[partition] for partition in sorted(found, key=lambda one: (one.entity, one.day))}


async def differing(prints: DayPrints, records: Iterable[DayRecord]) -> list[Partition]:
    """Return the days whose fingerprint is another now."""
    by_source: dict[PrintSource, list[tuple[Partition, datetime.date, str]]] = {}
    for record in records:
        date = record.partition.date
        for one in record.prints:
            if date is not None:
                by_source.setdefault(one.source, []).append((record.partition, date, one.value))
    found = []
    for source, known in by_source.items():
        if await prints.same_count(source, {date: value for _, date, value in known}):
            continue
        taken = (await prints.take([source], [date for _, date, _ in known]))[source]
        found += [partition for partition, date, value in known if date in taken and taken[date].value != value]
    return found


async def _changed(records: Mapping[Partition, DayRecord], changed: Changed) -> list[Partition]:
    """Return the days that the server found changed, or an operator had it forget, after they were read."""
    dates = sorted({date for partition in records if (date := partition.date) is not None})
    newest = await changed(dates[0], dates[-1]) if dates else None
    if newest is None:
        return []
    found = []
    moments: dict[datetime.date, datetime.datetime | None] = {}
    for partition, record in records.items():
        date = partition.date
        if date is None or not _older(record, newest):
            continue
        if date not in moments:
            moments[date] = await changed(date, date)
        moment = moments[date]
        if moment is not None and _older(record, moment):
            found.append(partition)
    return found


def _older(record: DayRecord, moment: datetime.datetime) -> bool:
    """Return whether a partition may have rows that were read before a moment."""
    times = [time for time in (record.read_at, record.began) if time is not None]
    return not times or moment > max(times[0], times[-1] - LATE)


def _last_days(records: Mapping[Partition, DayRecord], entity: str, count: int) -> set[str]:
    """Return the last days of an entity."""
    return set(sorted(partition.day for partition in records if partition.entity == entity)[-count:])


def _ahead(writer: DayWriter, start: datetime.datetime, now: datetime.datetime) -> bool:
    """Return whether a day cannot have rows yet: only some tables have rows of the future, such as games."""
    return start > now and (writer.table.time is None or writer.table.time.during != "any")
