"""A file of the spool. Its name has all that another process must know about it.

The name consists of the key, the hash of the content (the ETag of the file), the reading times of its rows, and its
ending: `<key>.<etag>.<times>.<ending>`.
"""

import asyncio
import datetime
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from server.execution.freshness import Freshness
from server.tables.reading import ReadCost
from upstream.values.days import microseconds

# The number of digits of a hash in a name.
HASH = 32
# The time for which a client that reads a file in parts can continue with it.
READING = datetime.timedelta(seconds=600)
# So often the use of a file is noted for other processes.
_NOTE_SECONDS = 60.0
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)
_SECOND = datetime.timedelta(seconds=1)

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class SpoolTimes:
    """When the writing of a file began, when its rows were read (None: no upstream rows), and its last moment.

    `cost` is what reading the rows took. It is not in the name of the file, so it is None after a restart.
    """

    begun: datetime.datetime
    rows: Freshness | None
    until: datetime.datetime
    cost: ReadCost | None = None

    @property
    def oldest(self) -> datetime.datetime:
        """Return when the oldest row was read."""
        return self.begun if self.rows is None else self.rows.oldest

    @property
    def newest(self) -> datetime.datetime:
        """Return when the newest row was read."""
        return self.begun if self.rows is None else self.rows.newest

    @property
    def text(self) -> str:
        """Return the times for the name of a file."""
        rows = () if self.rows is None else (self.rows.oldest, self.rows.newest, self.rows.until)
        return "-".join(str(microseconds(moment)) for moment in (self.begun, self.until, *rows))

    @classmethod
    def read(cls, text: str) -> "SpoolTimes":
        """Return the times in the name of a file. Raises ValueError for a name without them."""
        begun, until, *rows = [_EPOCH + int(part) * _MICROSECOND for part in text.split("-")]
        return cls(begun, Freshness(*rows) if rows else None, until)


@dataclass(frozen=True, slots=True)
class SnapshotName:
    """The parts of the name of a file. `times` is None if the name has none that can be read."""

    key: str
    etag: str
    times: SpoolTimes | None

    @classmethod
    def read(cls, name: str) -> "SnapshotName | None":
        """Return the parts of a name; None for a file that is not of the spool."""
        key, etag, moments, *_ = (*name.split("."), "", "", "")
        if len(key) != HASH or len(etag) != HASH:
            return None
        times = None
        with suppress(ValueError, OverflowError, TypeError):
            times = SpoolTimes.read(moments)
        return cls(key, etag, times)


@dataclass(slots=True, eq=False)
class Snapshot:
    """A file of the spool. It is not removed while it is held, by any process.

    `modified` is when its content was read first, and at least a second after the content before it, so that a date
    identifies a content. `shown` is when it was last served to a client that did not read it in parts yet. `stamp` is
    the stamp of the file (see `stamp_of`) at the last successful check of its hash; None if it was not checked yet.
    `used` is when it was last used, as far as it is known. `found` says that another process wrote it.
    """

    path: Path
    etag: str
    size: int
    times: SpoolTimes
    modified: datetime.datetime
    shown: datetime.datetime | None = None
    readers: int = field(default=0)
    stamp: Stamp | None = None
    used: float = field(default_factory=time.time)
    found: bool = False
    _noted: float = field(default=0.0, repr=False)
    checking: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    _handle: IO[bytes] | None = field(default=None, repr=False)

    @classmethod
    def of(cls, path: Path, name: SnapshotName, now: datetime.datetime) -> "Snapshot":
        """Return a file that another process wrote. It may have been served as long as its rows were trusted.

        Raises OSError for a file that is gone, and for anything but a file.
        """
        assert name.times is not None
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise IsADirectoryError(path)
        modified = name.times.newest.replace(microsecond=0)
        shown = min(now, name.times.until)
        used = max(status.st_atime, status.st_mtime)
        return cls(path, name.etag, status.st_size, name.times, modified, shown, used=used, found=True)

    @property
    def checked(self) -> bool:
        """Return whether its hash was right and it has not changed since."""
        return self.stamp is not None and self.stamp == stamp_of(self.path)

    @property
    def key(self) -> str:
        """Return its key, with which its name begins."""
        return self.path.name.partition(".")[0]

    def is_current(self, now: datetime.datetime) -> bool:
        """Return whether clients may still read it in parts."""
        return self.readers > 0 or (self.shown is not None and now - self.shown < READING)

    def use(self, *, visibly: bool) -> None:
        """Note that it is used; `visibly` for other processes, once in a while: in the access time of the file."""
        self.used = now = time.time()
        if visibly and self.stamp is not None and now - self._noted > _NOTE_SECONDS:
            self._noted = now
            with suppress(OSError):
                os.utime(self.path, ns=(int(now * 1e9), self.stamp[0]))

    def follow(self, earlier: "Snapshot") -> None:
        """Take the place of an earlier file of the same key: the date changes with the content."""
        same = earlier.etag == self.etag
        self.modified = earlier.modified if same else max(self.modified, earlier.modified + _SECOND)

    @contextmanager
    def held(self) -> Iterator[Path]:
        """Keep the file until the end of the block. Raises FileNotFoundError if it was removed."""
        self.hold()
        try:
            yield self.path
        finally:
            self.release()

    def hold(self) -> None:
        """Keep the file until `release`. Raises FileNotFoundError if it was removed."""
        if self._handle is None:
            handle = self.path.open("rb")
            if not _locked(handle, fcntl.LOCK_SH) or stamp_of(self.path) is None:
                handle.close()
                raise FileNotFoundError(self.path)
            self._handle = handle
        self.readers += 1

    def release(self) -> None:
        """End a `hold`."""
        self.readers -= 1
        if not self.readers and self._handle is not None:
            self._handle.close()
            self._handle = None

    def remove(self) -> bool:
        """Remove the file, unless a process holds it. Return whether it is gone."""
        if self.readers:
            return False
        try:
            with self.path.open("r+b") as handle:
                if not _locked(handle, fcntl.LOCK_EX):
                    return False
                self.path.unlink(missing_ok=True)
        except FileNotFoundError:
            pass
        except OSError:
            self.path.unlink(missing_ok=True)
        return True


def stamp_of(path: Path) -> Stamp | None:
    """Return a stamp that changes whenever a file changes; None if the file does not exist."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino


def hash_of(path: Path) -> str:
    """Return the hash of a file; nothing for a file that cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:HASH]
    except OSError:
        return ""


def _locked(handle: IO[bytes], kind: int) -> bool:
    """Lock a file for this process. Return False if another one has locked it. Some network folders have no locks."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
