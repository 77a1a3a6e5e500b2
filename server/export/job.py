"""An export from its options to its outcome: which folder, which entities, which days, and what came of them."""

import asyncio
import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from server.export.day import WHOLE, DayRecord, DayStatus, Partition
from server.export.destination import Destination
from server.export.due import DueOptions, DueReason, due
from server.export.entities import EntityChoice
from server.export.identity import FolderIdentity
from server.export.ledger import Ledger
from server.export.prints import DayPrints
from server.export.run import AT_ONCE, Done, ExportRun, RunResult
from server.export.verify import Verification, verify
from server.export.writer import DayWriter
from server.services import GraphServices
from server.settings.live import LiveSettings
from server.tables.config import Changed, unchanged
from server.tables.formats import Format
from server.tables.reading import Run
from server.tables.table import Table
from server.tables.window import TableWindow
from upstream.caching.trust import Trust


def _real_time() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSource:
    """Where the rows come from: the executor, the business time zone, and a hash that identifies the upstreams.

    `prints` reads fingerprints of days, and `changed` returns when days were last found changed or were forgotten.
    `trust` says when a day is closed.
    """

    run: Run
    zone: ZoneInfo
    upstream: str
    prints: DayPrints | None = None
    changed: Changed = unchanged
    now: Callable[[], datetime.datetime] = _real_time
    trust: Trust = field(default_factory=Trust)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """The choices of one export. `variables` are those of the table, without that of `each`."""

    out: str
    form: Format
    variables: Mapping[str, Any] = field(default_factory=dict)
    window: TableWindow | None = None
    each: EntityChoice | None = None
    days: DueOptions = field(default_factory=DueOptions)
    at_once: int = AT_ONCE
    not_before: datetime.datetime | None = None


@dataclass(slots=True)
class ExportPlan:
    """The days that are due, all records before the run, and the number of days of the window and of those due."""

    due: dict[Partition, DueReason]
    records: dict[Partition, DayRecord]
    days: int


class ExportJob:
    """One export of one table. Raises WrongDestination, WrongExport, DestinationFailed and DamagedLedger."""

    def __init__(self, source: ExportSource, table: Table, options: ExportOptions) -> None:
        self.table = table
        self.source = source
        self.options = options
        self.ledger = Ledger(Destination(options.out), table.name)
        self.writer = DayWriter(
            self.ledger,
            table,
            options.form,
            options.variables,
            source.zone,
            source.run,
            source.prints,
            source.now,
            source.trust,
        )

    @property
    def identity(self) -> FolderIdentity:
        """Return the identity that the folder must have."""
        options, source = self.options, self.source
        each = None if options.each is None else options.each.each.value
        return FolderIdentity.of(self.table, options.form, options.variables, each, source.zone, source.upstream)

    def open(self, *, begin: bool = True) -> None:
        """Begin or continue the export in its folder. Without `begin`, it must exist, and nothing is written."""
        self.ledger.open(self.identity, begin=begin)

    async def plan(self) -> ExportPlan:
        """Return what is to do. Raises TableFailed if the entities cannot be listed."""
        options = self.options
        records = await asyncio.to_thread(self.ledger.records)
        entities, also = [""], set()
        if options.each is not None:
            entities = await options.each.find(self.source.run, options.window)
            if options.each.open:
                also = {partition.entity for partition in records}
        found = await due(
            self.writer, options.window, entities, records, options.days, self.source.changed, also=also
        )  # fmt: skip
        days = [WHOLE] if options.window is None else [piece.text for piece in options.window.pieces]
        asked = {Partition(entity, day) for entity in entities for day in days}
        return ExportPlan(found, records, len(asked | found.keys()))

    async def run(self, plan: ExportPlan, done: Done = lambda partition: None) -> RunResult:
        """Write the days of a plan in this process."""
        options = self.options
        run = ExportRun(self.writer, plan.records, options.not_before, options.at_once, done)
        return await run.run(plan.due)

    async def verify(self, window: TableWindow | None) -> Verification:
        """Compare the days of a window with the ledger and with R1 and G1; all days without a window."""
        records = list((await asyncio.to_thread(self.ledger.records)).values())
        if window is not None:
            wanted = {piece.text for piece in window.pieces}
            records = [record for record in records if record.day in wanted]
        return await verify(self.ledger, records, self.source.prints, whole=window is None)


def after(plan: ExportPlan, result: RunResult) -> dict[Partition, DayRecord]:
    """Return the records after a run, without reading the ledger again."""
    found = {**plan.records, **result.written, **result.by_others}
    for partition, error in result.failed.items():
        record = found.get(partition) or DayRecord(
            entity=partition.entity, day=partition.day, status=DayStatus.FAILED, path=""
        )
        found[partition] = msgspec.structs.replace(record, status=DayStatus.FAILED, error=error)
    return found


def source_of(services: GraphServices, live: LiveSettings, *, sandbox: bool = False) -> ExportSource:
    """Return the source of rows over the upstreams of the settings.

    A sandbox of the command listens on another port each time, so its address does not identify it.
    """
    settings, gateway = live.first, services.gateway
    zone, gamehub_zone = services.tables.zone, ZoneInfo(settings.gamehub_timezone)
    return ExportSource(
        run=services.executor.run,
        zone=zone,
        upstream=f"sandbox {gamehub_zone.key}" if sandbox else services.tables.origin(),
        prints=DayPrints(gateway.anew, zone, gamehub_zone),
        changed=services.tables.changed,
        trust=services.tables.trust,
    )
