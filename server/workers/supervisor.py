"""The supervisor: it starts the workers on one socket, restarts those that die, and replaces or ends all at a signal.

SIGHUP replaces the workers one by one: a new worker answers requests before the old one stops taking them. SIGTERM and
SIGINT end all workers, and a second signal kills them. The supervisor has no thread and no event loop, so a worker is a
copy of it (`fork`) that shares the memory of everything imported before.
"""

import gc
import os
import selectors
import shutil
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, NoReturn, TypeVar

import structlog

from server import logs
from server.cli.terminal import FAILED
from server.listening import service_manager
from server.listening.listening_socket import ListeningSocket
from server.workers.fair_accept import OpenConnections
from server.workers.figures import bury
from server.workers.worker import READY, RETIRE, SIGNALLED, STOP, ServingWorker

S = TypeVar("S")

# A worker that lives longer than this has started well: the next start of its place is not delayed.
STEADY_SECONDS = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
# A signal to the whole process group reaches the supervisor, too, within this time.
GROUP_SECONDS = 0.3
# A worker that does not answer requests after this time is killed.
START_SECONDS = 120.0
# The time for the end of a worker, in addition to DRAIN_SECONDS and STOP_SECONDS.
EXTRA_SECONDS = 15.0

log = structlog.get_logger(__name__)

# Runs a worker in its own process, with the settings as they are now, and returns its exit code.
Work = Callable[[ServingWorker, S], int]


@dataclass(eq=False)
class WorkerProcess:
    """A worker as the supervisor sees it."""

    place: int
    pid: int
    channel: socket.socket
    ended: int  # a file that is readable when the process has ended
    since: float = field(default_factory=time.monotonic)
    ready: bool = False
    leaving: bool = False

    def say(self, word: bytes) -> None:
        """Tell the worker something."""
        with suppress(OSError):
            self.channel.send(word)

    def kill(self) -> None:
        """End the process at once."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class WorkerPlan(Generic[S]):
    """The work of a supervisor: how many workers it has, and how they work with the settings.

    `reload` returns the settings as they are now, or None if they are wrong. `listening` is called when all workers
    answer requests for the first time. A worker that should end may take `seconds`.
    """

    count: int
    work: Work[S]
    settings: S
    reload: Callable[[], S | None]
    listening: Callable[[], None]
    seconds: float


class Supervisor(Generic[S]):
    """The supervisor of the workers of a plan. They meet in a private folder, which is removed at the end."""

    def __init__(self, plan: WorkerPlan[S], bound: ListeningSocket, folder: Path) -> None:
        self._bound = bound
        self._folder = folder
        self._count = plan.count
        self._work = plan.work
        self._settings = plan.settings
        self._reload = plan.reload
        self._listening = plan.listening
        self._seconds = plan.seconds + EXTRA_SECONDS
        self._workers: dict[int, WorkerProcess] = {}  # by process id
        self._connections = OpenConnections(plan.count)
        self._selector = selectors.DefaultSelector()
        self._signals: list[int] = []
        self._begun = False  # whether all workers answered requests once
        self._stopping_since: float | None = None
        self._code = 0
        self._to_replace: list[int] = []  # places whose worker is replaced, the next first
        self._rolling = False  # whether this is the answer to SIGHUP
        self._pauses = [0.0] * plan.count
        self._starts: dict[int, float] = {}  # when a place gets its next worker
        self._asked: dict[int, float] = {}  # when a worker that got a signal of its own is replaced

    def run(self) -> int:
        """Run until a signal, or until the workers cannot start. Return the exit code."""
        wake, woken = socket.socketpair()
        for end in (wake, woken):
            end.setblocking(False)
        self._selector.register(wake, selectors.EVENT_READ)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _: self._signals.append(number))
        gc.collect()
        gc.freeze()  # so that the workers share what is imported
        self._start(0)
        try:
            while self._workers or self._starts:
                for key, _ in self._selector.select(self._until_next()):
                    if key.fileobj is wake:
                        wake.recv(4096)
                    elif key.data is not None:
                        self._see(key.data, ended=key.fd == key.data.ended)
                while self._signals:
                    self._signalled(self._signals.pop(0))
                self._act()
                logs.flush()
        finally:
            for worker in self._workers.values():
                worker.kill()
            signal.set_wakeup_fd(-1)
            self._bound.remove_file()
            shutil.rmtree(self._folder, ignore_errors=True)
        return self._code

    def _until_next(self) -> float | None:
        """Return the seconds until something is due."""
        due = [*self._starts.values(), *self._asked.values()]
        due += [worker.since + START_SECONDS for worker in self._workers.values() if not worker.ready]
        if self._stopping_since is not None:
            due.append(self._stopping_since + self._seconds)
        return max(min(due) - time.monotonic(), 0.0) if due else None

    def _start(self, place: int) -> None:
        """Start a worker."""
        ours, theirs = socket.socketpair()
        logs.flush()
        pid = os.fork()
        if pid == 0:
            self._become(place, ours, theirs)
        theirs.close()
        ours.setblocking(False)
        worker = WorkerProcess(place, pid, ours, os.pidfd_open(pid))
        self._workers[pid] = worker
        self._selector.register(ours, selectors.EVENT_READ, worker)
        self._selector.register(worker.ended, selectors.EVENT_READ, worker)
        log.info("worker.started", worker=place + 1, pid=pid)

    def _become(self, place: int, ours: socket.socket, theirs: socket.socket) -> NoReturn:
        """Be a worker until it ends."""
        code = FAILED
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, lambda *_: None)
            ours.close()
            for other in self._workers.values():
                other.channel.close()
                os.close(other.ended)
            self._selector.close()
            theirs.setblocking(False)
            code = self._work(ServingWorker(place, theirs, self._folder, self._connections), self._settings)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else FAILED
        except BaseException:
            log.exception("worker.failed", worker=place + 1, pid=os.getpid())
        finally:
            logs.flush()
            os._exit(code)

    def _see(self, worker: WorkerProcess, *, ended: bool) -> None:
        """Look at what a worker said, or at its end."""
        if worker.pid not in self._workers:
            return
        try:
            words = worker.channel.recv(64)
        except OSError:
            words = b""
        if READY in words:
            self._ready(worker)
        if SIGNALLED in words:
            self._asked.setdefault(worker.pid, time.monotonic() + GROUP_SECONDS)
        if ended:
            self._ended(worker)
        elif not words and worker.channel in self._selector.get_map():
            self._selector.unregister(worker.channel)  # it is about to end

    def _ready(self, worker: WorkerProcess) -> None:
        worker.ready = True
        log.info("worker.ready", worker=worker.place + 1, pid=worker.pid)
        for other in self._workers.values():
            if other.place == worker.place and other is not worker and not other.leaving:
                other.leaving = True
                other.say(RETIRE)
        if self._begun or self._stopping_since is not None:
            return
        if worker.place == 0 and self._count > 1:
            for place in range(1, self._count):
                self._start(place)
        elif sum(one.ready for one in self._workers.values()) == self._count:
            self._begun = True
            self._listening()

    def _ended(self, worker: WorkerProcess) -> None:
        """Bury a worker that has ended, and start another in its place if it was needed."""
        for file in (worker.channel, worker.ended):
            if file in self._selector.get_map():
                self._selector.unregister(file)
        worker.channel.close()
        os.close(worker.ended)
        status = os.waitpid(worker.pid, 0)[1]
        code = os.waitstatus_to_exitcode(status)
        del self._workers[worker.pid]
        self._asked.pop(worker.pid, None)
        bury(self._folder, worker.pid)
        if all(one.place != worker.place for one in self._workers.values()):
            self._connections.close(worker.place)
        facts = {"worker": worker.place + 1, "pid": worker.pid, "exit_code": code}
        if worker.leaving or self._stopping_since is not None:
            log.info("worker.ended", **facts)
            return
        if not self._begun and not worker.ready:
            # It has said why. The others would say the same.
            self._code = code or FAILED
            self._stop()
            return
        log.error("worker.died", **facts)
        if any(one.place == worker.place for one in self._workers.values()):
            # The worker that should replace another one: that one goes on.
            log.error("the restart of the workers was given up, and the old ones go on", worker=worker.place + 1)
            self._to_replace.clear()
            self._rolling = False
            service_manager.ready("serves; the restart of the workers was given up, see the log")
            return
        lived = time.monotonic() - worker.since
        pause = self._pauses[worker.place]
        pause = 0.0 if lived >= STEADY_SECONDS else min(max(2 * pause, FIRST_PAUSE), LONGEST_PAUSE)
        self._pauses[worker.place] = pause
        self._starts[worker.place] = time.monotonic() + pause

    def _signalled(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._restart()
        elif self._stopping_since is None:
            log.info("server.stopping", signal=signal.Signals(number).name)
            self._stop()
        else:
            log.warning("server.killed", why="a second signal came")
            self._code = FAILED
            for worker in self._workers.values():
                worker.kill()

    def _stop(self) -> None:
        """End all workers. They drain the socket together, so the supervisor must not hold it."""
        service_manager.stopping(service_manager.DRAINING)
        self._stopping_since = time.monotonic()
        self._starts.clear()
        self._to_replace.clear()
        self._bound.close()
        for worker in self._workers.values():
            worker.leaving = True
            worker.say(STOP)

    def _restart(self) -> None:
        """Replace all workers, with the settings as they are now."""
        if self._stopping_since is not None or not self._begun:
            return
        service_manager.reloading("replaces its workers")
        settings = self._reload()
        if settings is None:
            service_manager.ready("serves with the old settings, because the new ones are wrong, see the log")
            return
        log.info("server.restarting")
        self._settings = settings
        self._to_replace = list(range(self._count))
        self._rolling = True

    def _act(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        if self._stopping_since is not None:
            if now - self._stopping_since > self._seconds:
                for worker in self._workers.values():
                    log.error("worker.killed", worker=worker.place + 1, pid=worker.pid, why="it did not end in time")
                    worker.kill()
                self._stopping_since = now
            return
        for worker in self._workers.values():
            if not worker.ready and now - worker.since >= START_SECONDS:
                log.error("worker.killed", worker=worker.place + 1, pid=worker.pid, why="it did not start in time")
                worker.kill()
                worker.since = now
        for pid in [pid for pid, at in self._asked.items() if at <= now]:
            del self._asked[pid]
            place = self._workers[pid].place
            if place not in self._to_replace:
                self._to_replace.append(place)
        for place in [place for place, at in self._starts.items() if at <= now]:
            del self._starts[place]
            self._start(place)
        self._replace_next()

    def _replace_next(self) -> None:
        """Start the replacement of the next worker, when that of the one before is complete."""
        changing = any(worker.leaving or not worker.ready for worker in self._workers.values())
        if changing or self._starts:
            return
        if self._to_replace:
            self._start(self._to_replace.pop(0))
        elif self._rolling:
            self._rolling = False
            log.info("server.restarted")
            service_manager.ready(service_manager.SERVING)
