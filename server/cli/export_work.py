"""The work of `gamehub-graph export`, from its options to its summary."""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import typer

from server import garbage
from server.cli.commands.export import WINDOW
from server.cli.progress import progress
from server.cli.terminal import FAILED, WRONG_USE, say
from server.export.day import Partition
from server.export.destination import DestinationFailed, WrongDestination
from server.export.due import DayRange, DueOptions, whole_days
from server.export.entities import EntityChoice
from server.export.job import ExportJob, ExportOptions, ExportPlan, after, source_of
from server.export.ledger import DamagedLedger, WrongExport
from server.export.run import RunResult
from server.export.summary import summary_of
from server.export.writer import WrongFormat, form_of
from server.http.request_error import RequestError
from server.services import build
from server.settings.live import LiveSettings
from server.tables import parameters
from server.tables.reading import TableFailed
from server.tables.table import Tables
from server.tables.window import window_of

SHOWN_FAILURES = 20


class ExportStopped(Exception):
    """An export cannot begin, or go on. The text says why in one line; `code` is the exit code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """The options of the command. `each` are those about entities: `--each`, `--ids` and `--below`."""

    name: str
    out: str
    form: str
    pairs: list[tuple[str, str]]
    each: tuple[str | None, str | None, str | None]
    lookback: int
    refresh: str | None
    at_once: int
    scheduler: str | None
    json: bool = False


class ExportWork:
    """One run of the command. Raises ExportStopped."""

    def __init__(self, request: ExportRequest, live: LiveSettings, *, sandbox: bool) -> None:
        self.request = request
        self.services = build(live, keep_days=False)
        with _stopping():
            self.job = self._job(live, sandbox=sandbox)
        garbage.exclude_present()

    def write(self) -> dict[str, Any]:
        """Write what is due, and return the summary. One line about it goes to stdout."""
        job, request = self.job, self.request
        with _stopping(), _ended_by_sigterm():
            job.open()
            if request.scheduler is None:
                plan, result = asyncio.run(self._locally())
            else:
                plan = asyncio.run(self._planned())
                cluster = import_module("server.export.dask")
                with _shown(request.name, plan) as done:
                    result = cluster.run(job, plan, request.scheduler, done)
        records = after(plan, result)
        summary = summary_of(request.name, job.ledger.destination.address, plan.due, records, result)
        self._say_failures(summary)
        count = len(summary["written"])
        self._say(
            f"{request.name}: {count} of {plan.days} partitions written, {summary['rows']} rows in "
            f"{summary['files']} files in {request.out}"
        )
        return summary

    def verify(self) -> dict[str, Any]:
        """Compare the export with its ledger and the source, and return the summary."""
        job, request = self.job, self.request
        timed = any(name in ("period", "since", "until") for name, _ in request.pairs)
        with _stopping():
            job.open(begin=False)

            async def compare() -> Any:
                async with self.services.lifespan():
                    return await job.verify(job.options.window if timed else None)

            found = asyncio.run(compare())
        problems = []
        for partition, text in found.problems:
            about = {} if partition is None else {"entity": partition.entity, "day": partition.day}
            problems.append({**about, "problem": text})
            say(f"{request.name}{'' if partition is None else ' ' + partition.name}: {text}")
        if problems:
            say("read these days again with --refresh A..B")
        self._say(
            f"{request.name}: {found.files} files are compared with their hashes, {found.compared} totals with R1 and "
            f"G1: {len(problems) or 'no'} problems"
        )
        return {"ok": not problems, "files": found.files, "compared": found.compared, "problems": problems}

    def _say_failures(self, summary: Mapping[str, Any]) -> None:
        name, failed = self.request.name, summary["failed"]
        if summary["error"] is not None:
            say(f"{summary['error']}: {len(failed)} days are not written")
            return
        for failure in failed[:SHOWN_FAILURES]:
            entity = f"{failure['entity']} " if "entity" in failure else ""
            say(f"{name} {entity}on {failure['day']}: {failure['message']} ({failure['code']})")
        if (left := len(failed) - SHOWN_FAILURES) > 0:
            say(f"{left} more days failed; the ledger names them")
        if failed:
            say("the other days are exported; the next run reads the failed ones again")

    def _say(self, line: str) -> None:
        """Write the result for people; with `--json` the summary takes its place."""
        if not self.request.json:
            typer.echo(line)

    def _job(self, live: LiveSettings, *, sandbox: bool) -> ExportJob:
        request, services = self.request, self.services
        now, zone = datetime.now(UTC), services.tables.zone
        table = Tables(services.saved, services.executor.schema).find(request.name)
        each, ids, below = request.each
        if each is None and (ids or below):
            raise WrongExport("--ids and --below need --each")
        choice = None if each is None else EntityChoice.of(table, each, ids, below)
        given = _with_days(request.pairs)
        pairs = given if each is None else [*given, (each, "0")]
        variables, times, limit = parameters.read(table, pairs)
        if limit is not None:
            raise WrongExport("an export is whole: it takes no limit")
        window = window_of(table, times, now, zone)
        if window is not None:
            whole_days(window)
        again = None if request.refresh in (None, WINDOW) else DayRange.of(request.refresh or "")
        options = ExportOptions(
            out=request.out,
            form=form_of(request.form),
            variables={name: value for name, value in variables.items() if name != each},
            window=window,
            each=choice,
            days=DueOptions(request.lookback, again, request.refresh == WINDOW),
            at_once=request.at_once,
            not_before=None if request.refresh is None else now,
        )
        return ExportJob(source_of(services, live, sandbox=sandbox), table, options)

    async def _planned(self) -> ExportPlan:
        async with self.services.lifespan():
            return await self.job.plan()

    async def _locally(self) -> tuple[ExportPlan, RunResult]:
        async with self.services.lifespan():
            plan = await self.job.plan()
            with _shown(self.request.name, plan) as done:
                return plan, await self.job.run(plan, done)


def _with_days(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the parameters of a table, with `since` and `until` for a period that is a range of days."""
    names = [name for name, _ in pairs]
    period = dict(pairs).get("period", "")
    if not period[:1].isdigit():
        return pairs
    if "since" in names or "until" in names:
        raise WrongExport("say either --during, or --since and --until")
    days = DayRange.of(period)
    after = days.last + timedelta(days=1)
    rest = [pair for pair in pairs if pair[0] != "period"]
    return [*rest, ("since", days.first.isoformat()), ("until", after.isoformat())]


@contextmanager
def _shown(title: str, plan: ExportPlan) -> Iterator[Callable[[Partition], None]]:
    """Show a bar on a terminal. Elsewhere there is a line of the log for each day."""
    if not sys.stderr.isatty():
        yield lambda partition: None
        return
    with progress(title, len(plan.due), 0) as done:
        yield lambda partition: done(partition.name, None)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """End at SIGTERM as at Ctrl-C: the claims are given back, so the next run goes on at once, on any host."""
    received = []

    def interrupt(number: int, frame: Any) -> None:
        received.append(number)
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        if not received:
            raise
        raise ExportStopped("stopped by SIGTERM: the next run goes on with the days that are left", FAILED) from None
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _stopping() -> Iterator[None]:
    """Turn what prevents an export into one line and an exit code."""
    try:
        yield
    except parameters.MissingParameters as missing:
        raise ExportStopped(f"{missing.needs}: add --var {missing.names[0]}=… to the command", WRONG_USE) from None
    except (RequestError, WrongExport, WrongDestination, WrongFormat) as error:
        raise ExportStopped(str(error), WRONG_USE) from None
    except TableFailed as failed:
        raise ExportStopped(f"{failed.message} ({failed.code})", FAILED) from None
    except (DestinationFailed, DamagedLedger) as failed:
        raise ExportStopped(str(failed), FAILED) from None
