"""The spool: files that are written once and served many times. It is limited; the least recently used files go first.

A file is written under another name, flushed to the disk (fsync) and renamed when it is complete, so no reader sees a
part of it. Its name contains its key, the hash of its content (its ETag), the reading times of its rows, and its
ending. So a later server finds the files again. The hash is checked before the first use after a start, and after every
change of the file. A damaged file is removed and written again.

The files are private to this user. When the disk is full, files without readers are removed.

A replaced file stays for some time, because clients may still read it in parts.
"""

import asyncio
import datetime
import errno
import hashlib
import os
import shutil
import time
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import structlog

from server.execution.freshness import Freshness
from server.tables.config import FileCounts
from server.tables.folders import FolderLock, remove_dead
from server.tables.reading import ReadCost
from upstream import private
from upstream.values.days import microseconds

_ABANDONED_SECONDS = 86_400.0
_HASH = 32
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)
_SECOND = datetime.timedelta(seconds=1)
# The time for which a client that reads a file in parts can continue with it.
READING = datetime.timedelta(seconds=600)
# The delay after which a change becomes known at the latest: the longest duration of a call.
LATE = datetime.timedelta(seconds=120)
# The error numbers of a full disk.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

Stamp = tuple[int, int, int]

log = structlog.get_logger(__name__)


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


@dataclass(slots=True, eq=False)
class Snapshot:
    """A file of the spool. It is not removed while it has `readers`.

    `modified` is when its content was read first, and at least a second after the content before it, so that a date
    identifies a content. `shown` is when it was last served to a client that did not read it in parts yet. `stamp` is
    the stamp of the file (see `stamp_of`) at the last successful check of its hash; None if it was not checked yet.
    """

    path: Path
    etag: str
    size: int
    times: SpoolTimes
    modified: datetime.datetime
    shown: datetime.datetime | None = None
    readers: int = field(default=0)
    stamp: Stamp | None = None
    checking: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

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


@dataclass(frozen=True, slots=True)
class Wanted:
    """The conditions that a file must meet at the moment `now`.

    Its rows are trusted, they were not read before `not_before`, and its days did not change later (`changed` is the
    last change). A client that reads in parts (`reading`) continues with the same file; `tag` identifies it.
    """

    now: datetime.datetime
    not_before: datetime.datetime | None = None
    changed: datetime.datetime | None = None
    reading: bool = False
    tag: str | None = None

    def met(self, file: Snapshot) -> bool:
        """Return whether a file meets the conditions."""
        times = file.times
        if self.reading and self.not_before is None and file.is_current(self.now):
            return True
        if self.now >= times.until or (self.not_before is not None and times.oldest < self.not_before):
            return False
        return self.changed is None or self.changed <= max(times.oldest, times.begun - LATE)

    def shared(self, writing: "_SpoolWriting") -> bool:
        """Return whether a file that is being written will meet the conditions: its rows are fresh for every caller."""
        if self.changed is not None and self.changed > writing.begun:
            return False
        if self.not_before is None:
            return True
        demanded = writing.not_before
        return demanded is not None and demanded >= min(self.not_before, writing.begun)


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file as an answer read it: its key, its days (None: rows without a day), its hash.

    With `reading`, a client continued with a file that it had parts of; `tag` identifies that file.
    """

    key: str
    days: tuple[datetime.date | None, datetime.date | None]
    etag: str
    reading: bool = False
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class _SpoolWriting:
    """A file that is being written: when this began, and a moment before which none of its rows was read."""

    task: "asyncio.Task[Snapshot]"
    begun: datetime.datetime
    not_before: datetime.datetime | None


class Spool:
    """The files of a folder, which the first file creates. `folder` returns its path and whether it is temporary."""

    def __init__(self, folder: Callable[[], tuple[Path, bool]], limit: int, counts: FileCounts | None = None) -> None:
        self._counts = counts if counts is not None else FileCounts()
        self._where = folder
        self._folder: Path | None = None
        self._temporary = False
        self._limit = limit
        self._files: OrderedDict[str, Snapshot] = OrderedDict()
        self._earlier: defaultdict[str, list[Snapshot]] = defaultdict(list)
        self._under_way: dict[str, _SpoolWriting] = {}
        self._numbers = count()
        self._opening = asyncio.Lock()
        self._lock: FolderLock | None = None

    async def get(
        self, key: str, ending: str, wanted: Wanted, write: Callable[[Path], Awaitable[SpoolTimes]]
    ) -> Snapshot:
        """Return the file of a key. If none meets the conditions, write one; all waiters share it.

        Raises what `write` raises, and OSError if the file cannot be stored. Then there is no file.
        """
        while True:
            found = await self.look(key, wanted)
            if found is not None:
                self._counts.reused += 1
                return found
            writing = self._under_way.get(key)
            if writing is None:
                writing = self._begin(key, ending, wanted, write)
            elif not wanted.shared(writing):
                await asyncio.wait({writing.task})
                continue
            snapshot = await asyncio.shield(writing.task)
            if stamp_of(snapshot.path) is None:
                continue  # it was removed to make room in the meantime
            snapshot.shown = wanted.now
            return snapshot

    async def look(self, key: str, wanted: Wanted) -> Snapshot | None:
        """Return the file of a key that meets the conditions, after a check of its hash; None if there is none."""
        async with self._opening:
            if self._folder is None:
                await asyncio.to_thread(self._open)
        while (found := self._find(key, wanted)) is not None and not found.checked:
            await self._check(key, found)
        return found

    def find(self, key: str, wanted: Wanted) -> Snapshot | None:
        """Return the file of a key that meets the conditions, if it is there as it was written."""
        found = self._find(key, wanted)
        return found if found is not None and found.checked else None

    def _find(self, key: str, wanted: Wanted) -> Snapshot | None:
        known = self._files.get(key)
        if wanted.tag is not None and (known is None or known.etag != wanted.tag):
            earlier = (file for file in self._earlier.get(key, ()) if file.etag == wanted.tag)
            found = next((file for file in earlier if file.is_current(wanted.now) and stamp_of(file.path)), None)
            if found is not None:
                return found
        if known is None or not wanted.met(known) or stamp_of(known.path) is None:
            return None
        self._files.move_to_end(key)
        if not wanted.reading or known.shown is None:
            known.shown = wanted.now
        return known

    async def _check(self, key: str, file: Snapshot) -> None:
        """Check the hash of a file, once for all waiters. Remove a file with another hash."""
        async with file.checking:
            if file.checked or stamp_of(file.path) is None:
                return
            stamp, etag = await asyncio.to_thread(_examined, file.path)
            if etag == file.etag:
                file.stamp = stamp
                return
            log.warning("a file of a table is not as it was written; it is written anew", file=str(file.path))
            if self._files.get(key) is file:
                del self._files[key]
            if file in self._earlier.get(key, ()):
                self._earlier[key].remove(file)
            file.path.unlink(missing_ok=True)

    def _begin(
        self, key: str, ending: str, wanted: Wanted, write: Callable[[Path], Awaitable[SpoolTimes]]
    ) -> _SpoolWriting:
        task = asyncio.create_task(self._write(key, ending, wanted.now, write))
        task.add_done_callback(lambda done: self._done(key, done))
        self._under_way[key] = _SpoolWriting(task, wanted.now, wanted.not_before)
        return self._under_way[key]

    async def aclose(self) -> None:
        """Cancel running writes, and remove a temporary folder."""
        tasks = [writing.task for writing in self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._folder is not None and self._temporary:
            await asyncio.to_thread(shutil.rmtree, self._folder, True)
        if self._lock is not None:
            self._lock.release()

    def _done(self, key: str, task: "asyncio.Task[Snapshot]") -> None:
        self._under_way.pop(key, None)
        if not task.cancelled():
            # Waiters receive the exception; without waiters it is not needed.
            if task.exception() is None:
                self._counts.made += 1
            else:
                self._counts.failed += 1

    async def _write(
        self, key: str, ending: str, now: datetime.datetime, write: Callable[[Path], Awaitable[SpoolTimes]]
    ) -> Snapshot:
        assert self._folder is not None
        part = self._folder / f".{key}.{os.getpid()}.{next(self._numbers)}.part"
        try:
            while True:
                try:
                    times = await write(part)
                    return await asyncio.to_thread(self._take_in, part, key, ending, times, now)
                except OSError as error:
                    if error.errno not in FULL or not self._make_room():
                        raise
        finally:
            part.unlink(missing_ok=True)

    def _make_room(self) -> bool:
        """Remove all files without readers. Return whether there were any."""
        removed = 0
        # Copies, because a thread may add another file in the meantime.
        for key, file in list(self._files.items()):
            if not file.readers:
                self._files.pop(key, None)
                file.path.unlink(missing_ok=True)
                removed += 1
        for files in list(self._earlier.values()):
            for file in [file for file in files if not file.readers]:
                files.remove(file)
                file.path.unlink(missing_ok=True)
                removed += 1
        return removed > 0

    def _take_in(self, part: Path, key: str, ending: str, times: SpoolTimes, now: datetime.datetime) -> Snapshot:
        assert self._folder is not None
        private.close(part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
            etag = hashlib.file_digest(file, "sha256").hexdigest()[:_HASH]
        path = self._folder / f"{key}.{etag}.{times.text}.{ending}"
        part.rename(path)
        _sync_folder(self._folder)
        known = self._files.pop(key, None)
        modified = times.newest.replace(microsecond=0)
        if known is not None:
            modified = known.modified if known.etag == etag else max(modified, known.modified + _SECOND)
        snapshot = Snapshot(path, etag, path.stat().st_size, times, modified, stamp=stamp_of(path))
        self._files[key] = snapshot
        if known is not None and known.path != path:
            self._earlier[key].append(known)
        self._drop_earlier(now)
        self._bound()
        return snapshot

    def _drop_earlier(self, now: datetime.datetime) -> None:
        """Remove replaced files that no client can be reading."""
        for key, files in list(self._earlier.items()):
            for file in files:
                if not file.is_current(now):
                    file.path.unlink(missing_ok=True)
            self._earlier[key] = [file for file in files if file.is_current(now)]
            if not self._earlier[key]:
                del self._earlier[key]

    def _bound(self) -> None:
        """Remove replaced files, then the least recently used, but never the newest, until the limit is met."""
        earlier = [(key, file) for key, files in self._earlier.items() for file in files]
        size = sum(file.size for file in (*self._files.values(), *(file for _, file in earlier)))
        for key, file in earlier:
            if size > self._limit and not file.readers:
                self._earlier[key].remove(file)
                file.path.unlink(missing_ok=True)
                size -= file.size
        for key, file in list(self._files.items())[:-1]:
            if size > self._limit and not file.readers:
                del self._files[key]
                file.path.unlink(missing_ok=True)
                size -= file.size

    def _open(self) -> None:
        """Find the files of an earlier server."""
        folder, self._temporary = self._where()
        while self._temporary and self._lock is None:
            try:
                self._lock = FolderLock(folder)
            except FileNotFoundError:
                folder, self._temporary = self._where()
        if self._temporary:
            remove_dead(folder)
        found: dict[str, Snapshot] = {}
        for path in folder.iterdir():
            status = path.stat()
            if path.suffix == ".part":
                if time.time() - status.st_mtime > _ABANDONED_SECONDS:
                    path.unlink(missing_ok=True)
                continue
            key, etag, moments, *_ = (*path.name.split("."), "", "", "")
            if len(key) != _HASH or len(etag) != _HASH or not path.is_file():
                continue  # not a file of the spool
            file = None
            with suppress(ValueError, OverflowError):
                times = SpoolTimes.read(moments)
                file = Snapshot(path, etag, status.st_size, times, times.newest.replace(microsecond=0))
            known = found.get(key)
            if file is None or (known is not None and known.times.begun > file.times.begun):
                path.unlink(missing_ok=True)  # it has no reading times, or it was replaced
                continue
            if known is not None:
                known.path.unlink(missing_ok=True)
            private.close(path)
            found[key] = file
        self._files.update(sorted(found.items(), key=lambda pair: pair[1].times.begun))
        self._folder = folder


def stamp_of(path: Path) -> Stamp | None:
    """Return a stamp that changes whenever a file changes; None if the file does not exist."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino


def _examined(path: Path) -> tuple[Stamp | None, str]:
    """Return the stamp of a file and its hash; None as the hash of a file that cannot be read."""
    stamp = stamp_of(path)
    try:
        with path.open("rb") as file:
            return stamp, hashlib.file_digest(file, "sha256").hexdigest()[:_HASH]
    except OSError:
        return stamp, ""


def _sync_folder(folder: Path) -> None:
    """Flush the names of a folder to the disk, so that a renamed file exists after a crash."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def key_of(*parts: object) -> str:
    """Return the key of a file, from everything that its content depends on."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:_HASH]
