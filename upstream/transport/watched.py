"""Files that change while the process runs. Their value is read again when one of them has changed."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import structlog

T = TypeVar("T")

# A file that was written this recently (in nanoseconds) may be written again with the same time: the clock of a file
# system has coarse ticks.
TICK = 50_000_000

log = structlog.get_logger(__name__)

Stamp = tuple[tuple[int, int, int], ...]


class Watched(Generic[T]):
    """The current value of a file, or of several files that belong together.

    If a changed file cannot be used, the last good value stays: files are often half written, or missing for a moment
    while they are replaced. This is logged once per change, unless `quiet`. `read` takes the first file and raises
    ValueError or OSError; their texts must not contain a secret.
    """

    def __init__(
        self,
        path: Path,
        read: Callable[[Path], T],
        first: T | None = None,
        *,
        others: tuple[Path, ...] = (),
        quiet: bool = False,
    ) -> None:
        self.path = path
        self._quiet = quiet
        # Texts, because `stat` of a `Path` takes longer, and every call does it.
        self._names = tuple(str(each) for each in (path, *others))
        self._read = read
        self._stamp = self._look()
        self._value = read(path) if first is None else first

    @property
    def value(self) -> T:
        """The value now. Reads the files again if they have changed."""
        stamp = self._look()
        if stamp is not None and (stamp != self._stamp or time.time_ns() - max(stamp)[0] < TICK):
            self._renew(stamp)
        return self._value

    def renew(self) -> None:
        """Read the files again, even if they look unchanged."""
        stamp = self._look()
        if stamp is not None:
            self._renew(stamp)

    def _renew(self, stamp: Stamp) -> None:
        known = self._quiet or stamp == self._stamp
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
        """Return a stamp that changes whenever a file changes, or the link to it (Kubernetes links mounted secrets)."""
        try:
            if len(self._names) == 1:
                seen = os.stat(self._names[0])
                return ((seen.st_mtime_ns, seen.st_size, seen.st_ino),)
            return tuple([(seen.st_mtime_ns, seen.st_size, seen.st_ino) for seen in map(os.stat, self._names)])
        except OSError:
            return None


class Lately(Generic[T]):
    """The value of a function. It is called at most once in so many seconds."""

    def __init__(self, read: Callable[[], T], seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._until = 0.0
        self._value: T | None = None

    def __call__(self) -> T:
        """Return the value. Raise what the function raises."""
        now = time.monotonic()
        if now >= self._until:
            self._value = self._read()
            self._until = now + self._seconds
        return self._value  # type: ignore[return-value]  # it was read
