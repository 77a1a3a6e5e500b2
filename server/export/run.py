"""Run an export in this process: some days at a time, the failed ones once more at the end.

A day that fails does not stop the others. An error of the destination does: no other day could be written either.
"""

import asyncio
import datetime
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
import structlog

from server.export.day import DayError, DayRecord, DayStatus, Partition
from server.export.destination import DestinationFailed
from server.export.due import DueReason
from server.export.ledger import LEASE, DamagedLedger, DayClaim, Holder
from server.export.writer import DayWriter
from server.tables.reading import TableFailed

AT_ONCE = 2
POLL_SECONDS = 1.0
# How long to wait, again and again, if the rate of the vendor is used up.
PAUSES = (5.0, 10.0, 20.0, 40.0, *(60.0,) * 8)
# Errors that a second try cannot mend.
LASTING = frozenset({"NOT_FOUND", "BAD_USER_INPUT", "UNAUTHENTICATED", "GRAPHQL_VALIDATION_FAILED"})

log = structlog.get_logger("server.export")

Done = Callable[[Partition], None]


@dataclass(slots=True)
class RunResult:
    """The outcome of a run: the records of the days that it wrote, those that another run wrote, and the failures.

    `stopped` is the error of the destination that ended the run.
    """

    written: dict[Partition, DayRecord] = field(default_factory=dict)
    by_others: dict[Partition, DayRecord] = field(default_factory=dict)
    failed: dict[Partition, DayError] = field(default_factory=dict)
    stopped: str | None = None


@dataclass(slots=True)
class ExportRun:
    """Write days through one writer. `not_before` is the moment before which no row may have been read.

    `done` is called once for each day, written or not. A day that failed is tried again if `tries` is 2. If it is
    `quiet`, the lines of the log are written elsewhere.
    """

    writer: DayWriter
    records: Mapping[Partition, DayRecord]
    not_before: datetime.datetime | None = None
    at_once: int = AT_ONCE
    done: Done = lambda partition: None
    tries: int = 2
    quiet: bool = False
    seconds: float = 0.0  # how long the last day took
    result: RunResult = field(default_factory=RunResult)
    _claims: set[DayClaim] = field(default_factory=set)
    _lasting: dict[str, DayError] = field(default_factory=dict)

    async def run(self, due: Mapping[Partition, DueReason]) -> RunResult:
        """Write these days. The result has every failure; nothing is raised for one."""
        self._look_ahead(due)
        renewing = asyncio.create_task(self._renew())
        try:
            await self._all(due, last=False)
            failed = self.result.failed
            again = {partition: due[partition] for partition in failed if worth_another_try(failed[partition])}
            if again and self.tries > 1 and self.result.stopped is None:
                await self._all(again, last=True)
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing
        return self.result

    def _look_ahead(self, due: Iterable[Partition]) -> None:
        now = self.writer.now()
        for partition in due:
            if self.writer.closed(partition, now) and (date := partition.date) is not None:
                self.writer.ahead.setdefault(partition.entity, [])
                self.writer.ahead[partition.entity] = [*self.writer.ahead[partition.entity], date]
        self.writer.learn(self.records.values())

    async def _all(self, due: Mapping[Partition, DueReason], *, last: bool) -> None:
        queue = deque(due)
        busy: list[Partition] = []

        async def work() -> None:
            while queue and self.result.stopped is None:
                partition = queue.popleft()
                if not await self._one(partition, due[partition], last=last):
                    busy.append(partition)
                elif not last:
                    self.done(partition)

        async with asyncio.TaskGroup() as group:
            for _ in range(self.at_once):
                group.create_task(work())
        for partition in busy:  # the other run is another process, so its end is no event here
            while self.result.stopped is None and not await self._one(partition, due[partition], last=last):  # noqa: ASYNC110
                await asyncio.sleep(POLL_SECONDS)
            self.done(partition)
        if self.result.stopped is not None:
            error = DayError("DESTINATION_FAILED", self.result.stopped)
            for partition in (*queue, *busy):
                if partition not in self.result.written:
                    self.result.failed.setdefault(partition, error)

    async def _one(self, partition: Partition, reason: DueReason, *, last: bool) -> bool:
        """Write a day. Return False if another run is writing it."""
        if (error := self._lasting.get(partition.entity)) is not None:
            self.result.failed[partition] = error
            return True
        started = time.monotonic()
        try:
            claim = await asyncio.to_thread(self.writer.ledger.claim, partition)
            if isinstance(claim, Holder):
                return False
            self._claims.add(claim)
            try:
                await self._claimed(partition, reason, started, last=last)
            finally:
                self._claims.discard(claim)
                await asyncio.to_thread(self.writer.ledger.release, claim)
        except (DestinationFailed, DamagedLedger) as failed:
            self.result.stopped = self.result.stopped or str(failed)
            if partition not in self.result.written:
                self._note_failure(partition, DayError("DESTINATION_FAILED", str(failed)), last=True)
        return True

    async def _claimed(self, partition: Partition, reason: DueReason, started: float, *, last: bool) -> None:
        ledger = self.writer.ledger
        before = await asyncio.to_thread(ledger.record, partition)
        known = self.records.get(partition)
        if before is not None and before != known and before.status is not DayStatus.FAILED:
            # Another run has written it since this one began.
            self.result.by_others[partition] = before
            self._note(before, "other_run", started)
            return
        try:
            record = await self._patiently(partition, before)
        except TableFailed as failed:
            error = DayError(failed.code, failed.message)
            if failed.code == "NOT_FOUND":
                self._lasting[partition.entity] = error
            if before is not None or failed.code != "NOT_FOUND":
                await asyncio.to_thread(ledger.write, failed_record(self.writer, partition, before, error))
            self._note_failure(partition, error, last=last)
            return
        self.result.failed.pop(partition, None)
        self.result.written[partition] = record
        self._note(record, reason.value, started)

    async def _patiently(self, partition: Partition, before: DayRecord | None) -> DayRecord:
        """Write a day. Wait if the calls per minute are used up: an export has the whole night."""
        for pause in PAUSES:
            try:
                return await self.writer.write(partition, before, self.not_before)
            except TableFailed as failed:
                if failed.code != "OVERLOADED":
                    raise
            await asyncio.sleep(pause)
        return await self.writer.write(partition, before, self.not_before)

    def _note_failure(self, partition: Partition, error: DayError, *, last: bool) -> None:
        self.result.failed[partition] = error
        if not self.quiet:
            log_failure(self.writer.table.name, partition, error, last=last or self.tries == 1)

    def _note(self, record: DayRecord, reason: str, started: float) -> None:
        self.seconds = round(time.monotonic() - started, 3)
        if not self.quiet:
            log_day(self.writer.table.name, record, reason, self.seconds)

    async def _renew(self) -> None:
        """Extend the claims of days that take long."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            with suppress(DestinationFailed):
                await asyncio.to_thread(self.writer.ledger.renew, list(self._claims))


def failed_record(writer: DayWriter, partition: Partition, before: DayRecord | None, error: DayError) -> DayRecord:
    """Return the record of a day that could not be read. It keeps the facts about the file of an earlier time."""
    if before is not None:
        return msgspec.structs.replace(before, status=DayStatus.FAILED, error=error)
    return DayRecord(
        entity=partition.entity,
        day=partition.day,
        status=DayStatus.FAILED,
        path=writer.path(partition),
        error=error,
    )


def worth_another_try(error: DayError) -> bool:
    """Return whether a day that failed may be readable a little later."""
    return error.code not in LASTING


def log_day(table: str, record: DayRecord, reason: str, seconds: float) -> None:
    """Write the line of the log about a day that is written, and one if its totals are not those of the source."""
    about = _about(table, record.partition)
    log.info(
        "export.day",
        **about,
        status=record.status.value,
        reason=reason,
        rows=record.rows,
        bytes=record.bytes,
        seconds=seconds,
    )
    for one in record.prints:
        if one.agrees is False:
            log.warning("export.totals_differ", **about, report=one.report, rows=one.totals)


def log_failure(table: str, partition: Partition, error: DayError, *, last: bool) -> None:
    """Write the line of the log about a day that failed."""
    again = not last and worth_another_try(error)
    log.warning(
        "export.day_failed", **_about(table, partition), code=error.code, error=error.message, tried_again=again
    )


def _about(table: str, partition: Partition) -> dict[str, str]:
    entity = {"entity": partition.entity} if partition.entity else {}
    return {"table": table, **entity, "day": partition.day}
