"""Watch files that may change at any moment, and read their value again when one of them has changed."""

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

Stamp = tuple[tuple[int, int, int], ...]


class Watched(Generic[T]):
    """Hold the present value of a file, or of several files that belong together.

    If a change cannot be used, this is logged once, and the last good value stays: a file is often half written, or
    missing during a replacement. `read` gets the first file and raises ValueError or OSError, whose texts contain no
    secret.
    """

    def __init__(
        self, path: Path, read: Callable[[Path], T], first: T | None = None, *, others: tuple[Path, ...] = ()
    ) -> None:
        self.path = path
        # Checked in every call: a `Path` would take longer than the check itself.
        self._names = tuple(str(each) for each in (path, *others))
        self._read = read
        self._stamp = self._look()
        self._value = read(path) if first is None else first

    @property
    def value(self) -> T:
        stamp = self._look()
        if stamp is not None and (stamp != self._stamp or time.time_ns() - max(stamp)[0] < TICK):
            self._renew(stamp)
        return self._value

    def _renew(self, stamp: Stamp) -> None:
        known = stamp == self._stamp
        self._stamp = stamp
        try:
            self._value = self._read(self.path)
        except (OSError, ValueError) as error:
            if not known:
                log.warning(
                    "a changed file cannot be used, its last good value stays", file=self._shown(), why=str(error)
                )
        else:
            if not known:
                log.info("a changed file was read again", file=self._shown())

    def _shown(self) -> str:
        return ", ".join(dict.fromkeys(self._names))

    def _look(self) -> Stamp | None:
        """Return values that change when the file does, or the link to it (as with secrets in Kubernetes)."""
        try:
            if len(self._names) == 1:
                seen = os.stat(self._names[0])
                return ((seen.st_mtime_ns, seen.st_size, seen.st_ino),)
            return tuple([(seen.st_mtime_ns, seen.st_size, seen.st_ino) for seen in map(os.stat, self._names)])
        except OSError:
            return None
