"""The same export on a Dask cluster: one task per day. Each task builds its own services on its worker.

Workers read the settings of the upstreams from their own environment, as the server does. They write the files to the
path of the command, so this path must mean the same place on every worker.
"""

import asyncio
import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from distributed import Client, as_completed

from server.export.export import ExportedPart, Manifest, form_of, write_part
from server.services import build
from server.settings.live import LiveSettings
from server.settings.reading import load
from server.tables.table import Tables
from server.tables.window import TableWindow
from upstream.values.days import Piece


@dataclass(frozen=True, slots=True)
class PartitionTask:
    """The work of one task, as it is sent to a worker: names instead of objects that belong to a process."""

    table: str
    variables: Mapping[str, Any]
    form: str
    out: str
    piece: Piece | None
    window: TableWindow | None
    now: datetime.datetime
    not_before: datetime.datetime | None


def export(
    manifest: Manifest,
    pieces: Iterable[Piece | None],
    window: TableWindow | None,
    now: datetime.datetime,
    scheduler: str,
    written: Callable[[str, ExportedPart], None] = lambda day, part: None,
    not_before: datetime.datetime | None = None,
) -> None:
    """Write these partitions of a window. Raises the first failure, once the others are noted."""
    failure: Exception | None = None
    with Client(scheduler) as client:  # type: ignore[no-untyped-call]
        futures = {}
        for piece in pieces:
            name, day = manifest.table.name, "all" if piece is None else piece.text
            work = PartitionTask(
                name, manifest.variables, manifest.form.name, manifest.out, piece, window, now, not_before
            )
            future = client.submit(task, work, pure=False, key=f"{name}-{day}-{now.isoformat()}")
            futures[future] = day
        for future in as_completed(list(futures)):  # type: ignore[no-untyped-call]
            try:
                part = ExportedPart(**future.result())
            except Exception as error:
                failure = failure or error
                continue
            manifest.note(futures[future], part)
            written(futures[future], part)
    if failure is not None:
        raise failure


def task(work: PartitionTask) -> dict[str, Any]:
    """Write one partition, on a worker."""

    async def write() -> ExportedPart:
        services = build(LiveSettings(load()))
        table = Tables(services.saved, services.executor.schema).find(work.table)
        manifest = Manifest(work.out, table, form_of(work.form), work.variables)
        async with services.lifespan():
            run = services.executor.run
            return await write_part(manifest, work.piece, run, work.now, work.window, work.not_before)

    return asdict(asyncio.run(write()))
