"""Write tables to files: one partition per day, and a manifest of what is written, so that nothing is read twice.

    OUT/NAME/day=2026-02-01/part.parquet
    OUT/NAME/_manifest.json

A finished day is not read again unless it changed, or the caller requests it (`refresh`). A run that failed continues
where it stopped. OUT is a folder or an address that fsspec knows (`s3://…`). A table without time is one file, which is
written again by every run.
"""

import asyncio
import datetime
import hashlib
import os
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import orjson
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

from server.execution import freshness
from server.tables.arrow import slices
from server.tables.config import Changed, unchanged
from server.tables.formats import FORMATS, Format
from server.tables.reading import BATCH_ROWS, Run, TableFailed, one_day
from server.tables.spool import LATE
from server.tables.table import Table
from server.tables.window import TableWindow
from server.tables.writing import write_file
from upstream.caching.trust import Trust
from upstream.values.days import Piece, end

MANIFEST = "_manifest.json"
AT_ONCE = 2
TRUST = Trust()
WHOLE = "all"  # the partition of a table without time


class WrongExport(ValueError):
    """An export is impossible with these options. The text says why and what to do."""


@dataclass(frozen=True, slots=True)
class ExportedPart:
    """A written partition: its rows, its bytes, the hash of the file, and whether its day is over.

    `begun` is the time when its writing began, `read_at` the time when its oldest row was read, and `next_check` the
    end of the trust in its rows. Older manifests do not have these.
    """

    path: str
    window: str | None
    rows: int
    bytes: int
    sha256: str
    closed: bool
    begun: str | None = None
    read_at: str | None = None
    next_check: str | None = None

    def older(self, moment: datetime.datetime) -> bool:
        """Return whether the partition may contain rows that were read before a moment."""
        times = [datetime.datetime.fromisoformat(time) for time in (self.read_at, self.begun) if time is not None]
        return not times or moment > max(times[0], times[-1] - LATE)


class Manifest:
    """The manifest: a file beside the partitions. Each partition is added when it is complete."""

    def __init__(self, out: str, table: Table, form: Format, variables: Mapping[str, Any]) -> None:
        self.out = out
        self.table = table
        self.form = form
        self.variables = dict(variables)
        self._fs, root = fsspec.core.url_to_fs(out)
        self._root = f"{root.rstrip('/')}/{table.name}"
        self._of = {
            "table": table.name,
            "format": form.name,
            "variables": self.variables,
            "document": hashlib.sha256(table.document.encode()).hexdigest(),
        }
        self.parts: dict[str, ExportedPart] = {}
        with suppress(FileNotFoundError):
            known = orjson.loads(self._fs.cat_file(f"{self._root}/{MANIFEST}"))
            for name, value in self._of.items():
                if known.get(name) != value:
                    raise WrongExport(
                        f"{out} holds an export of {table.name} with another {name} ({known.get(name)}, not {value}): "
                        "choose another --out, or remove that one"
                    )
            self.parts = {day: ExportedPart(**part) for day, part in known["partitions"].items()}

    def path(self, day: str) -> str:
        """Return the path of a partition in the folder of the table."""
        return f"part.{self.form.name}" if day == WHOLE else f"day={day}/part.{self.form.name}"

    def exported(self, piece: Piece) -> ExportedPart | None:
        """Return the partition of a day that was finished when it was written; None if there is none."""
        part = self.parts.get(_day(piece))
        if part is None or not part.closed or part.window != _text(piece):
            return None
        try:
            return part if self._fs.size(f"{self._root}/{part.path}") == part.bytes else None
        except FileNotFoundError:
            return None

    def put(self, local: Path, path: str) -> None:
        """Move a file to its place, as a whole or not at all."""
        target = f"{self._root}/{path}"
        self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
        if isinstance(self._fs, LocalFileSystem):  # here readers could see half a file
            self._fs.put_file(str(local), target + ".writing")
            os.replace(target + ".writing", target)
        else:
            self._fs.put_file(str(local), target)

    def note(self, day: str, part: ExportedPart) -> None:
        """Add a complete partition to the manifest."""
        self.parts[day] = part
        with _temporary() as local:
            content = {**self._of, "partitions": {day: asdict(self.parts[day]) for day in sorted(self.parts)}}
            local.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
            self.put(local, MANIFEST)


async def write_part(
    manifest: Manifest,
    piece: Piece | None,
    run: Run,
    now: datetime.datetime,
    window: TableWindow | None,
    not_before: datetime.datetime | None = None,
) -> ExportedPart:
    """Read one partition and write its file. Raises TableFailed."""
    begun = datetime.datetime.now(datetime.UTC)
    day = await one_day(manifest.table, manifest.variables, piece, run, manifest.form.shape, not_before)

    async def batches() -> AsyncGenerator[pa.RecordBatch]:
        for part in slices(day.rows, BATCH_ROWS):
            yield part

    path = manifest.path(_day(piece))
    with _temporary() as local:
        describe = partial(freshness.text, day.readings)
        rows = await write_file(local, manifest.table, manifest.form, batches(), freshness=describe)
        with local.open("rb") as file:
            sha256 = await asyncio.to_thread(lambda: hashlib.file_digest(file, "sha256").hexdigest())
        size = local.stat().st_size
        await asyncio.to_thread(manifest.put, local, path)
    closed = piece is not None and window is not None and TRUST.closed(end(piece.day, window.zone), now)
    fresh = freshness.Freshness.of(day.readings)
    read = (None, None) if fresh is None else (fresh.oldest.isoformat(), fresh.until.isoformat())
    return ExportedPart(path, _text(piece), rows, size, sha256, closed, begun.isoformat(), *read)


async def export(
    manifest: Manifest,
    pieces: Iterable[Piece | None],
    window: TableWindow | None,
    run: Run,
    now: datetime.datetime,
    written: Callable[[str, ExportedPart], None] = lambda day, part: None,
    not_before: datetime.datetime | None = None,
) -> None:
    """Write these partitions of a window, two at a time. Raises the first failure.

    After a failure the running partitions are finished, and no new ones begin.
    """
    turns, noting = asyncio.Semaphore(AT_ONCE), asyncio.Lock()
    failures: list[Exception] = []

    async def one(piece: Piece | None) -> None:
        async with turns:
            if failures:
                return
            try:
                part = await write_part(manifest, piece, run, now, window, not_before)
            except (TableFailed, OSError) as failed:
                failures.append(failed)
                return
            async with noting:
                await asyncio.to_thread(manifest.note, _day(piece), part)
            written(_day(piece), part)

    async with asyncio.TaskGroup() as group:
        for piece in pieces:
            group.create_task(one(piece))
    if failures:
        raise failures[0]


async def missing(
    manifest: Manifest, window: TableWindow | None, changed: Changed = unchanged, *, refresh: bool = False
) -> list[Piece | None]:
    """Return the partitions of a window that must be read; all of them with `refresh`."""
    pieces: list[Piece | None] = [None] if window is None else list(window.pieces)
    if refresh or window is None:
        return pieces
    newest = await changed(window.pieces[0].day, window.pieces[-1].day)
    found: list[Piece | None] = []
    for piece in window.pieces:
        exported = manifest.exported(piece)
        if exported is not None and newest is not None and exported.older(newest):
            moment = await changed(piece.day, piece.day)
            exported = None if moment is not None and exported.older(moment) else exported
        if exported is None:
            found.append(piece)
    return found


def form_of(name: str) -> Format:
    """Return the format of a name. Raises WrongExport."""
    if name not in FORMATS:
        raise WrongExport(f"there is no format {name!r}; there are {', '.join(FORMATS)}")
    return FORMATS[name]


def _day(piece: Piece | None) -> str:
    return WHOLE if piece is None else piece.text


def _text(piece: Piece | None) -> str | None:
    return None if piece is None else f"{piece.interval.start.isoformat()}/{piece.interval.end.isoformat()}"


@contextmanager
def _temporary() -> Iterator[Path]:
    handle, name = tempfile.mkstemp(prefix="gamehub-graph-")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
