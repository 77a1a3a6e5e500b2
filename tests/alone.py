"""Turns between the workers of one run: a test marked `alone` runs while no other worker runs a test.

Each worker asks for two file locks before a test. The first is a queue: whoever waits for its turn holds it, so that a
test that waits is next. The second is the machine: `alone` takes it whole, every other test shares it. A worker keeps
the machine until its next test is not `alone`: otherwise each of these tests would wait for a test of every other one.
"""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path


class Turns:
    """The turns of one worker. Every worker of a run names the same folder."""

    def __init__(self, folder: Path) -> None:
        self._queue = folder / "queue.lock"
        self._machine = folder / "machine.lock"
        self._kept: ExitStack | None = None

    @contextmanager
    def turn(self, *, alone: bool, next_alone: bool = False) -> Iterator[None]:
        """Wait until a test may run, and keep its turn as long as the block lasts, or until the next one is over."""
        held = self._kept or self._wait(alone)
        self._kept = None
        with held:
            yield
            if alone and next_alone:
                self._kept = held.pop_all()

    def _wait(self, alone: bool) -> ExitStack:
        with self._queue.open("w") as queue, ExitStack() as stack:
            machine = stack.enter_context(self._machine.open("w"))
            fcntl.flock(queue, fcntl.LOCK_EX)
            fcntl.flock(machine, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            return stack.pop_all()
