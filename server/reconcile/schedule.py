"""Compare the reports inside the server, every few hours, and store the result of the last comparison."""

import asyncio
import datetime
import os
import pickle
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from copy import copy
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from prometheus_client import Metric
from prometheus_client.registry import Collector

from resolvers.reconcile.figures import Difference
from server.gateway import Gateway
from server.metrics.families import Merge, counter, gauge
from server.reconcile.opening import over
from server.reconcile.period import last_days
from server.reconcile.reconciliation import COMPARISONS, Reconciliation
from server.reconcile.scheduled_run import ScheduledRun
from server.reconcile.shared_rounds import SharedRounds
from server.settings.settings import Settings
from upstream import private
from upstream.resilience.queue import QUEUE_CALLER, QueueCaller

# Few calls at a time, so that callers find free slots of the upstreams.
AT_ONCE = 2
LEAST_PAUSE = 1.0
# The upstreams' queues serve callers in turns. The schedule is one of them.
CALLER_NAME = "reconcile"

log = structlog.get_logger(__name__)

OnDifference = Callable[[datetime.date, Difference], None]
Make = Callable[[OnDifference], Reconciliation]


class Schedule(Collector):
    """Compare the last days every `hours` hours while the schedule is open; never, if `hours` is 0.

    One process of a server has it open. It writes the state into a file of the private `folder`, so that the others can
    show it. Of several servers with common `rounds`, one compares.
    """

    def __init__(
        self,
        make: Make,
        zone: ZoneInfo,
        hours: float,
        days: int,
        folder: Path | None = None,
        rounds: SharedRounds | None = None,
    ) -> None:
        self.hours = hours
        self.days = days
        self.last: ScheduledRun | None = None
        self.current: ScheduledRun | None = None
        self.next: datetime.datetime | None = None
        self._make = make
        self._zone = zone
        self._runs = 0
        self._file = None if folder is None else folder / "reconciliation"
        self._open = False
        self._rounds = rounds

    @classmethod
    def of(cls, gateway: Gateway, settings: Settings, folder: Path | None = None) -> "Schedule":
        """Return the schedule of the settings."""
        zone = ZoneInfo(settings.gamehub_timezone)
        return cls(
            lambda on_difference: over(gateway, zone, on_difference, at_once=AT_ONCE),
            zone,
            settings.reconcile_every,
            settings.reconcile_days,
            folder,
            SharedRounds.of(gateway, settings.reconcile_days),
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Run the schedule until the server stops. This also cancels a running comparison."""
        if not self.hours:
            yield
            return
        self._open = True
        task = asyncio.create_task(self._repeat())
        try:
            yield
        finally:
            self._open = False
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            if self._rounds is not None:
                await self._rounds.aclose()

    async def _repeat(self) -> None:
        QUEUE_CALLER.set(QueueCaller(CALLER_NAME))
        while True:
            last = self.last = await self._round()
            left = self.hours * 3600 - (_now() - last.started).total_seconds()
            pause = max(min(left, self.hours * 3600), last.seconds / 10, LEAST_PAUSE)
            self.next = _now() + datetime.timedelta(seconds=pause)
            await self._publish()
            await asyncio.sleep(pause)

    async def _round(self) -> ScheduledRun:
        """Return the comparison of this round: that of another server, or an own one."""
        rounds = self._rounds
        if rounds is None:
            return await self._run()
        self.next = None
        await self._publish()
        found = await rounds.take(_now() - datetime.timedelta(hours=self.hours))
        if isinstance(found, ScheduledRun):
            return found
        try:
            run = await self._run()
        except BaseException:
            if found is not None:
                found.give_up()
            raise
        if found is not None:
            rounds.done(found, run, self.hours * 3600)
        return run

    async def _run(self) -> ScheduledRun:
        now = _now()
        pieces = last_days(self.days, now, self._zone)
        run = self.current = ScheduledRun(now, [piece.text for piece in pieces])
        await self._publish()
        begun = time.monotonic()
        work = self._make(run.add)
        run.result = work.result
        try:
            await work.run(pieces)
        except Exception:
            # The schedule goes on: a fault of one run must not end the later ones.
            log.exception("reconcile.broken")
            run.result.failures.append("the comparison ended with a fault of this server; the log says more")
        finally:
            self.current = None
        run.seconds = time.monotonic() - begun
        self._runs += 1
        result = run.result
        write = log.info if result.exit_code == 0 else log.warning
        write(
            "reconcile.done",
            days=result.days,
            seconds=round(run.seconds, 1),
            differences=result.differences.total(),
            failures=len(result.failures),
        )
        return run

    @property
    def shown(self) -> "Schedule":
        """Return the schedule with the state of the process that has it open."""
        if self._open or self._file is None:
            return self
        shown = copy(self)
        with suppress(OSError, EOFError):
            shown.current, shown.last, shown.next, shown._runs = pickle.loads(self._file.read_bytes())
        return shown

    async def _publish(self) -> None:
        """Write the state for the other processes."""
        if self._file is None:
            return
        content = pickle.dumps((self.current, self.last, self.next, self._runs))
        try:
            await asyncio.to_thread(_write, self._file, content)
        except OSError as error:
            log.warning("the state of the comparison cannot be written for the other workers", why=str(error))

    def to_dict(self) -> dict[str, Any]:
        """Return the state for its JSON."""
        return {
            "everyHours": self.hours,
            "days": self.days,
            "runs": self._runs,
            "runningSince": self.current.started if self.current is not None else None,
            "next": self.next if self.current is None else None,
            "last": self.last.to_dict() if self.last is not None else None,
        }

    def collect(self) -> Iterable[Metric]:
        """Return the figures of the last run for `/metrics`; none without a schedule."""
        if not self.hours:
            return
        yield counter(
            "reconcile_runs",
            "Comparisons of the reports inside this server that have ended (RECONCILE_EVERY).",
            [],
            {(): self._runs},
        )
        if self.last is None:
            return
        result = self.last.result
        for what, help, counted in (
            (
                "differences",
                "Differences that the last comparison found, by what was compared: reports contradict each other.",
                result.differences,
            ),
            ("compared", "Rows that the last comparison compared, by what was compared.", result.compared),
        ):
            values = {(comparison,): counted[comparison] for comparison in COMPARISONS}
            yield gauge(f"reconcile_{what}", help, ["comparison"], values, Merge.LARGEST)
        for what, help, value in (
            ("failures", "Parts of the last comparison that could not be read.", len(result.failures)),
            ("day_count", "Days that the last comparison compared.", result.days),
            (
                "last_run_timestamp_seconds",
                "When the last comparison began, in seconds since 1970.",
                self.last.started.timestamp(),
            ),
            ("last_duration_seconds", "Seconds that the last comparison took.", self.last.seconds),
        ):
            yield gauge(f"reconcile_{what}", help, [], {(): value}, Merge.LARGEST)


def _write(path: Path, content: bytes) -> None:
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with open(new, "wb", opener=private.opener) as file:
        file.write(content)
    new.rename(path)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
