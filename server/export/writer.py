"""Read one day of a table and write its file and its record."""

import asyncio
import datetime
import hashlib
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from server.execution import freshness
from server.export.day import DayRecord, DayStatus, Partition, PrintSource
from server.export.ledger import Ledger
from server.export.prints import DayPrints, TakenPrint, printed, sources_of
from server.tables.arrow import slices
from server.tables.formats import FORMATS, Format
from server.tables.reading import BATCH_ROWS, Run, TableDay, one_day
from server.tables.table import Table
from server.tables.writing import write_file
from upstream.caching.trust import Trust
from upstream.values import days, interval
from upstream.values.days import Piece


class WrongFormat(ValueError):
    """There is no such format."""


@dataclass(slots=True)
class DayWriter:
    """Read days of one table and write them. `run` runs the document of the table.

    `sources` are the calls that tell the fingerprints of an entity, as far as they are known. `ahead` are the days of
    an entity that are going to be read: their fingerprints are read together.
    """

    ledger: Ledger
    table: Table
    form: Format
    variables: Mapping[str, Any]
    zone: ZoneInfo
    run: Run
    prints: DayPrints | None = None
    now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC)
    trust: Trust = field(default_factory=Trust)
    sources: dict[str, set[PrintSource]] = field(default_factory=dict)
    ahead: dict[str, Sequence[datetime.date]] = field(default_factory=dict)
    _taking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def path(self, partition: Partition) -> str:
        """Return the path of the file of a partition in the folder of the table."""
        return "/".join(part for part in (partition.place, f"part.{self.form.name}") if part)

    def closed(self, partition: Partition, at: datetime.datetime) -> bool:
        """Return whether a day is over at a moment. Rows without a day never are."""
        return partition.date is not None and self.trust.closed(days.end(partition.date, self.zone), at)

    def learn(self, records: Iterable[DayRecord]) -> None:
        """Learn from records which calls tell the fingerprints of each entity."""
        for record in records:
            if record.prints:
                self.sources.setdefault(record.entity, set()).update(one.source for one in record.prints)

    async def write(
        self,
        partition: Partition,
        before: DayRecord | None,
        not_before: datetime.datetime | None,
    ) -> DayRecord:
        """Read a partition and write its file and its record. Raises TableFailed and DestinationFailed."""
        began = self.now()
        piece = None if partition.date is None else piece_of(partition.date, self.zone)
        day, taken = await self._read(partition, piece, began, not_before)
        fresh = freshness.Freshness.of(day.readings)
        read_at = began if fresh is None else fresh.oldest
        closed = self.closed(partition, began)
        path = self.path(partition)
        with self.ledger.destination.unfinished(self.ledger.unfinished) as file:
            rows = await write_file(file, self.table, self.form, _batches(day.rows))
            sha256, size = await asyncio.to_thread(_hash, file)
            same = before is not None and (before.path, before.sha256) == (path, sha256)
            if not same or not await asyncio.to_thread(self._in_place, path, size):
                await asyncio.to_thread(self.ledger.destination.publish, file, f"{self.table.name}/{path}")
        first, last = _bounds(self.table, day.rows)
        record = DayRecord(
            entity=partition.entity,
            day=partition.day,
            status=DayStatus.CLOSED if closed else DayStatus.OPEN,
            path=path,
            interval=None if piece is None else _text(piece),
            rows=rows,
            bytes=size,
            sha256=sha256,
            began=began,
            read_at=read_at,
            next_check=self._next_check(piece, read_at, rows),
            written_at=self.now(),
            first=first,
            last=last,
            prints=[] if piece is None else printed(self.table, day, piece, taken),
            readings=[_without_check(one) for one in freshness.described(day.readings)],
            product=metadata.version("gamehub-graph"),
        )
        await asyncio.to_thread(self.ledger.write, record)
        return record

    def _in_place(self, path: str, size: int) -> bool:
        content = self.ledger.destination.names(f"{self.table.name}/{path}".rpartition("/")[0])
        return content.get(path.rpartition("/")[2]) == size

    async def _read(
        self,
        partition: Partition,
        piece: Piece | None,
        began: datetime.datetime,
        not_before: datetime.datetime | None,
    ) -> tuple[TableDay, list[tuple[PrintSource, TakenPrint | None]]]:
        """Read the rows of a partition, and the fingerprints of a day that is over.

        A fingerprint must not be newer than the rows, because a change between the two would never be found. If it is
        known only after the rows which call tells it, the rows are read again, unless their totals are the same.
        """
        given = dict(self.variables)
        if partition.key is not None:
            given[partition.entity.partition("=")[0]] = partition.key
        read = partial(one_day, self.table, given, piece, self.run, self.form.shape)
        date = partition.date
        if self.prints is None or piece is None or date is None or not self.closed(partition, began):
            return await read(not_before=not_before), []
        known = set(self.sources.get(partition.entity, ()))
        taken = await self._taken(partition, date, known)
        day = await read(not_before=not_before)
        if found := sources_of(day, piece) - known:
            self.sources.setdefault(partition.entity, set()).update(found)
            newer = await self._taken(partition, date, found)
            taken += newer
            prints = printed(self.table, day, piece, newer)
            if not all(one.agrees for one in prints):
                day = await read(not_before=began if not_before is None else not_before)
        return day, sorted(taken, key=lambda one: one[0])

    async def _taken(
        self, partition: Partition, date: datetime.date, sources: set[PrintSource]
    ) -> list[tuple[PrintSource, TakenPrint | None]]:
        assert self.prints is not None
        if not sources:
            return []
        ahead = self.ahead.get(partition.entity, ())
        async with self._taking:  # the first day reads those of all days
            found = await self.prints.take(sources, [*dict.fromkeys([date, *ahead])])
        return [(source, found[source].get(date)) for source in sorted(sources)]

    def _next_check(self, piece: Piece | None, read_at: datetime.datetime, rows: int) -> datetime.datetime:
        if piece is None:
            return read_at + datetime.timedelta(seconds=self.trust.open)
        seconds = self.trust.seconds(piece.interval.end, read_at, empty=not rows)
        return read_at + datetime.timedelta(seconds=seconds)


def form_of(name: str) -> Format:
    """Return the format of a name. Raises WrongFormat."""
    if name not in FORMATS:
        raise WrongFormat(f"there is no format {name!r}; there are {', '.join(FORMATS)}")
    return FORMATS[name]


def piece_of(date: datetime.date, zone: ZoneInfo) -> Piece:
    """Return a whole day of the business."""
    return days.pieces(interval.dates(date, date, zone), zone)[0]


async def _batches(rows: pa.RecordBatch) -> AsyncGenerator[pa.RecordBatch]:
    for part in slices(rows, BATCH_ROWS):
        yield part


def _bounds(table: Table, rows: pa.RecordBatch) -> tuple[str | None, str | None]:
    """Return the least and the greatest time of the rows."""
    if table.time is None or not rows.num_rows:
        return None, None
    bounds = pc.min_max(rows.column(table.columns.index(table.time))).as_py()
    return tuple(None if bounds[name] is None else bounds[name].isoformat() for name in ("min", "max"))  # type: ignore[return-value]


def _without_check(reading: dict[str, Any]) -> dict[str, Any]:
    """Return a reading without the end of its trust: an export does not cache the rows, so `next_check` has it."""
    return {name: value for name, value in reading.items() if name != "nextCheck"}


def _hash(file: Path) -> tuple[str, int]:
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return digest, file.stat().st_size


def _text(piece: Piece) -> str:
    return f"{piece.interval.start.isoformat()}/{piece.interval.end.isoformat()}"
