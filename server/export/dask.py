"""The same export on a Dask cluster: one task per day. The tasks of a worker share its services.

Workers read the settings of the upstreams from their own environment, as the server does. They write the files to the
path of the command, so this path must mean the same place on every worker.
"""

import asyncio
import datetime
import secrets
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
from distributed import Client, get_client, wait

from server.export.cluster_budget import Budgets, ClusterBucket, handed_out, queue_of
from server.export.day import DayError, DayRecord, Partition, PrintSource
from server.export.destination import Destination, DestinationFailed
from server.export.due import DueReason
from server.export.identity import FolderIdentity
from server.export.job import ExportJob, ExportPlan, source_of
from server.export.ledger import Ledger, WrongExport
from server.export.run import Done, ExportRun, RunResult, log_day, log_failure, worth_another_try
from server.export.writer import DayWriter, form_of
from server.services import GraphServices, build
from server.settings.live import LiveSettings
from server.settings.reading import load
from server.tables.table import Tables
from upstream.reports.table import System

# So long a run waits for the scheduler, for its first worker, and for a worker when all have left.
PATIENCE_SECONDS = 30.0
_LOOK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PartitionTask:
    """The work of one task, as it is sent to a worker: texts and numbers instead of objects of a process.

    `identity` is that of the folder: a worker with other settings must not write. `budgets` are the
    shared rates, by system.
    """

    identity: bytes
    variables: Mapping[str, Any]
    out: str
    partition: Partition
    reason: str
    known: bytes | None
    sources: bytes
    not_before: datetime.datetime | None
    budgets: Budgets


@dataclass(slots=True)
class ClusterRun:
    """The state of a run on a cluster."""

    job: ExportJob
    plan: ExportPlan
    done: Done
    budgets: Budgets
    result: RunResult = field(default_factory=RunResult)

    def task(self, partition: Partition) -> PartitionTask:
        """Return the task of a day."""
        job, plan = self.job, self.plan
        known = plan.records.get(partition)
        sources = sorted(self.job.writer.sources.get(partition.entity, ()))
        return PartitionTask(
            msgspec.json.encode(job.identity),
            job.options.variables,
            job.ledger.destination.address,
            partition,
            plan.due[partition].value,
            None if known is None else msgspec.json.encode(known),
            msgspec.json.encode(sources),
            job.options.not_before,
            self.budgets,
        )

    def take(self, outcome: bytes, *, last: bool) -> None:
        """Add the outcome of a task."""
        found = msgspec.json.decode(outcome, type=TaskOutcome)
        if found.refused is not None:
            raise WrongExport(found.refused)
        partition = found.partition
        if found.failed is not None:
            self.result.failed[partition] = found.failed
            self.result.stopped = self.result.stopped or found.stopped
            log_failure(self.job.table.name, partition, found.failed, last=last)
            return
        assert found.record is not None
        self.result.failed.pop(partition, None)
        target = self.result.by_others if found.by_other else self.result.written
        target[partition] = found.record
        reason = "other_run" if found.by_other else self.plan.due[partition].value
        log_day(self.job.table.name, found.record, reason, found.seconds)


class TaskOutcome(msgspec.Struct):
    """The outcome of a task: the record of the day, or its failure, or why the worker cannot write at all."""

    partition: Partition
    record: DayRecord | None = None
    by_other: bool = False
    failed: DayError | None = None
    stopped: str | None = None
    refused: str | None = None
    seconds: float = 0.0


def run(job: ExportJob, plan: ExportPlan, scheduler: str, done: Done) -> RunResult:
    """Write the days of a plan on a cluster. Raises DestinationFailed if there is no cluster to work on."""
    try:
        client = Client(scheduler, timeout=PATIENCE_SECONDS)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as error:
        raise DestinationFailed(
            f"the scheduler {scheduler} cannot be reached: {' '.join(str(error).split())}"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE_SECONDS)
        except TimeoutError:
            raise DestinationFailed(
                f"the scheduler {scheduler} has no workers: start one with `dask worker {scheduler}`"
            ) from None
        settings = load()
        rates = {
            System.GAMEHUB.name: settings.gamehub_calls_per_minute,
            System.GAMELOG.name: settings.gamelog_calls_per_minute,
        }
        if settings.cache_in_redis:
            rates = {}  # the workers share them through Redis, with the servers
        name = f"gamehub-graph-{secrets.token_hex(4)}"
        job.writer.learn(plan.records.values())
        with handed_out(client, name, {system: most for system, most in rates.items() if most}) as shared:
            state = ClusterRun(job, plan, done, shared)
            _all(client, state, list(plan.due), last=False)
            again = [one for one in state.result.failed if worth_another_try(state.result.failed[one])]
            if again and state.result.stopped is None:
                _all(client, state, again, last=True)
    return state.result


def _all(client: Any, state: ClusterRun, partitions: list[Partition], *, last: bool) -> None:
    """Run the tasks of these days, some at a time. A killed worker's task runs on another one."""
    queue = deque(partitions)
    running: dict[Any, Partition] = {}
    alone = 0.0
    while queue or running:
        most = max(state.job.options.at_once, sum(client.nthreads().values()))
        while queue and len(running) < most and state.result.stopped is None:
            partition = queue.popleft()
            running[client.submit(task, state.task(partition), pure=False)] = partition
        if not running:
            break
        try:
            waited = wait(list(running), timeout=_LOOK_SECONDS, return_when="FIRST_COMPLETED")  # type: ignore[no-untyped-call]
        except TimeoutError:
            alone = 0.0 if client.nthreads() else alone + _LOOK_SECONDS
            if alone >= PATIENCE_SECONDS:
                state.result.stopped = "all workers have left the scheduler"
                break
            continue
        for future in waited.done:
            partition = running.pop(future)
            error = future.exception()
            if error is None:
                state.take(future.result(), last=last)
            else:
                text = f"its task failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
                state.result.failed[partition] = failure = DayError("TASK_FAILED", text)
                log_failure(state.job.table.name, partition, failure, last=last)
            if not last:
                state.done(partition)
    if state.result.stopped is not None:
        left = DayError("DESTINATION_FAILED", state.result.stopped)
        for partition in (*queue, *running.values()):
            state.result.failed.setdefault(partition, left)


# On a worker


@dataclass(frozen=True, slots=True)
class WorkerServices:
    """The services of a worker, open in an event loop of their own, and the hash that identifies their upstreams."""

    services: GraphServices
    live: LiveSettings
    loop: asyncio.AbstractEventLoop
    lifespan: AbstractAsyncContextManager[None]  # it ends when nothing refers to it


_opened: dict[str, WorkerServices] = {}
_opening = threading.Lock()


def services_of(budgets: Budgets) -> WorkerServices:
    """Return the services of this worker. They are built once for a run, because this takes seconds."""
    settings = load()
    key = f"{sorted(budgets.items())} {settings!r}"
    with _opening:
        if key not in _opened:
            buckets = {
                System[system]: ClusterBucket(most, queue_of(queue, get_client()))
                for system, (queue, most) in budgets.items()
            }
            live = LiveSettings(settings)
            services = build(live, keep_days=False, buckets=buckets)
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="gamehub-graph", daemon=True).start()
            lifespan = services.lifespan()
            asyncio.run_coroutine_threadsafe(lifespan.__aenter__(), loop).result()
            for old in _opened.values():
                with suppress(RuntimeError):
                    old.loop.call_soon_threadsafe(old.loop.stop)
            _opened.clear()
            _opened[key] = WorkerServices(services, live, loop, lifespan)
        return _opened[key]


def task(work: PartitionTask) -> bytes:
    """Write one day, on a worker."""
    room = services_of(work.budgets)
    return asyncio.run_coroutine_threadsafe(_write(room, work), room.loop).result()


async def _write(room: WorkerServices, work: PartitionTask) -> bytes:
    wanted = msgspec.json.decode(work.identity, type=FolderIdentity)
    services = room.services
    table = Tables(services.saved, services.executor.schema).find(wanted.table)
    source, form = source_of(services, room.live), form_of(wanted.format)
    own = FolderIdentity.of(table, form, work.variables, wanted.each, source.zone, source.upstream)
    outcome = TaskOutcome(work.partition)
    if found := wanted.differences(own):
        outcome.refused = f"a worker has other settings than this command: {'; '.join(found)}"
        return msgspec.json.encode(outcome)
    ledger = Ledger(Destination(work.out), table.name)
    writer = DayWriter(ledger, table, form, work.variables, source.zone, source.run, source.prints, trust=source.trust)
    writer.sources[work.partition.entity] = set(msgspec.json.decode(work.sources, type=list[PrintSource]))
    records = {} if work.known is None else {work.partition: msgspec.json.decode(work.known, type=DayRecord)}
    run = ExportRun(writer, records, work.not_before, 1, tries=1, quiet=True)
    result = await run.run({work.partition: DueReason(work.reason)})
    outcome.failed, outcome.stopped = result.failed.get(work.partition), result.stopped
    outcome.record = result.written.get(work.partition) or result.by_others.get(work.partition)
    outcome.by_other = work.partition in result.by_others
    outcome.seconds = run.seconds
    return msgspec.json.encode(outcome)
