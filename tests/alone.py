"""Turns between the workers of one run: a test marked `alone` runs while no other worker runs a test.

Each worker asks for two file locks before a test. The first is a queue: whoever waits for its turn holds it, so that a
test that waits is next. The second is the machine: `alone` takes it whole, every other test shares it.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Turns:
    """The turns of one worker. Every worker of a run names the same folder."""

    def __init__(self, folder: Path) -> None:
        self._queue = folder / "queue.lock"
        self._machine = folder / "machine.lock"

    @contextmanager
    def turn(self, *, alone: bool) -> Iterator[None]:
        """Wait until a test may run, and keep its turn as long as the block lasts."""
        with self._queue.open("w") as queue, self._machine.open("w") as machine:
            fcntl.flock(queue, fcntl.LOCK_EX)
            fcntl.flock(machine, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            fcntl.flock(queue, fcntl.LOCK_UN)
            yield
