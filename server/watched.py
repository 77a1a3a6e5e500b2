"""A file that may change at any moment: its value is read again when the file has changed."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import structlog

T = TypeVar("T")

# A file that was written this recently (in nanoseconds) may be written again without a later time: clocks of file
# systems tick.
TICK = 50_000_000

log = structlog.get_logger(__name__)


class Watched(Generic[T]):
    """The value read from a file, as the file stands now.

    A change that cannot be used is logged once, and the last good value stays: a file is often seen half written, or
    not at all while it is being replaced. `read` raises ValueError or OSError, whose texts hold no secret.
    """

    def __init__(self, path: Path, read: Callable[[Path], T], first: T | None = None) -> None:
        self.path = path
        self._name = str(path)  # looked at with every call, where a `Path` would take longer than the look itself
        self._read = read
        self._stamp = self._look()
        self._value = read(path) if first is None else first

    @property
    def value(self) -> T:
        stamp = self._look()
        if stamp is not None and (stamp != self._stamp or time.time_ns() - stamp[0] < TICK):
            self._renew(stamp)
        return self._value

    def _renew(self, stamp: tuple[int, int, int]) -> None:
        known = stamp == self._stamp
        self._stamp = stamp
        try:
            self._value = self._read(self.path)
        except (OSError, ValueError) as error:
            if not known:
                log.warning(
                    "a changed file cannot be used, its last good value stays", file=str(self.path), why=str(error)
                )
        else:
            if not known:
                log.info("a changed file was read again", file=str(self.path))

    def _look(self) -> tuple[int, int, int] | None:
        """What changes whenever the file does, or the link to it (as secrets in Kubernetes are)."""
        try:
            seen = os.stat(self._name)
        except OSError:
            return None
        return seen.st_mtime_ns, seen.st_size, seen.st_ino
