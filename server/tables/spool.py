"""The spool: files that were written once, whole, and are served many times; bounded, the longest unused go first.

A file is written under another name, put on the disk (fsync) and renamed when it is whole, so nobody ever sees a part
of one. Its name is its key, the hash of what it holds (its ETag), the moments at which its rows were read, and its
ending, so a folder that outlives the server is found again. The hash is compared before the first use after a start,
and after every change of the file: a file that was cut or altered is removed and written anew.

Files are for this user alone. When the disk is full, files that nobody reads make room.

A file that another one follows stays for a while: clients that read it in parts go on with it.
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
from server.tables.folders import FolderLock, remove_dead
from upstream import private
from upstream.caching.days import microseconds

_ABANDONED_SECONDS = 86_400.0
_HASH = 32
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)
# A client that reads a file in parts goes on for so long with the file that it began.
READING = datetime.timedelta(seconds=600)
# A change may become known so long after the moment that it is noted for: a call lasts no longer.
LATE = datetime.timedelta(seconds=120)
# The error numbers of a system that has no room for a file.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

Stamp = tuple[int, int, int]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SpoolTimes:
    """When the writing of a file began, when its rows were read (None: it holds no upstream rows), its last moment."""

    begun: datetime.datetime
    rows: Freshness | None
    until: datetime.datetime

    @property
    def oldest(self) -> datetime.datetime:
        """Return the moment at which the oldest row was read."""
        return self.begun if self.rows is None else self.rows.oldest

    @property
    def newest(self) -> datetime.datetime:
        """Return the moment at which the newest row was read."""
        return self.begun if self.rows is None else self.rows.newest

    @property
    def text(self) -> str:
        """The moments as the name of a file has them."""
        rows = () if self.rows is None else (self.rows.oldest, self.rows.newest, self.rows.until)
        return "-".join(str(microseconds(moment)) for moment in (self.begun, self.until, *rows))

    @classmethod
    def read(cls, text: str) -> "SpoolTimes":
        """Return the moments of a file. Raises ValueError for a name that has none."""
        begun, until, *rows = [_EPOCH + int(part) * _MICROSECOND for part in text.split("-")]
        return cls(begun, Freshness(*rows) if rows else None, until)


@dataclass(slots=True, eq=False)
class Snapshot:
    """A file of the spool. `readers` are those that are served from it now: it is not removed under them.

    `shown` is the moment at which it was served last to a client that did not yet read it in parts. `stamp` is what the
    system said of the file (see `stamp_of`) when its hash was right; None: its hash was not yet compared.
    """

    path: Path
    etag: str
    size: int
    times: SpoolTimes
    shown: datetime.datetime | None = None
    readers: int = field(default=0)
    stamp: Stamp | None = None
    checking: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    @property
    def checked(self) -> bool:
        """Return whether its hash was right, and it has not changed since."""
        return self.stamp is not None and self.stamp == stamp_of(self.path)

    def kept(self, now: datetime.datetime) -> bool:
        """Return whether there may be clients that read it in parts."""
        return self.readers > 0 or (self.shown is not None and now - self.shown < READING)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which file will do at the moment `now`.

    Its rows are trusted, they were not read before `not_before`, and its days did not change after that (`changed` is
    the last change). Whoever reads in parts (`reading`) goes on with the file that was begun; `tag` says which.
    """

    now: datetime.datetime
    not_before: datetime.datetime | None = None
    changed: datetime.datetime | None = None
    reading: bool = False
    tag: str | None = None

    def met(self, file: Snapshot) -> bool:
        """Return whether a file will do."""
        times = file.times
        if self.reading and self.not_before is None and file.kept(self.now):
            return True
        if self.now >= times.until or (self.not_before is not None and times.oldest < self.not_before):
            return False
        return self.changed is None or self.changed <= max(times.oldest, times.begun - LATE)

    def shared(self, writing: "_SpoolWriting") -> bool:
        """Return whether a file that is being written will do: what is read just now is fresh for everyone."""
        if self.changed is not None and self.changed > writing.begun:
            return False
        if self.not_before is None:
            return True
        demanded = writing.not_before
        return demanded is not None and demanded >= min(self.not_before, writing.begun)


@dataclass(frozen=True, slots=True)
class _SpoolWriting:
    """A file that is being written: since when, and before which moment none of its rows was read."""

    task: "asyncio.Task[Snapshot]"
    begun: datetime.datetime
    not_before: datetime.datetime | None


class Spool:
    """The files of a folder, made when the first one is written. `folder` says where, and whether it is temporary."""

    def __init__(self, folder: Callable[[], tuple[Path, bool]], limit: int) -> None:
        self._where = folder
        self._folder: Path | None = None
        self._temporary = False
        self._limit = limit
        self._kept: OrderedDict[str, Snapshot] = OrderedDict()
        self._earlier: defaultdict[str, list[Snapshot]] = defaultdict(list)
        self._under_way: dict[str, _SpoolWriting] = {}
        self._numbers = count()
        self._opening = asyncio.Lock()
        self._held: FolderLock | None = None

    async def get(
        self, key: str, ending: str, wanted: Wanted, write: Callable[[Path], Awaitable[SpoolTimes]]
    ) -> Snapshot:
        """Return the file of a key; write it anew if none will do, once for all who wait.

        Raises what `write` raises, and OSError if the file cannot be kept; then there is no file.
        """
        async with self._opening:
            if self._folder is None:
                await asyncio.to_thread(self._open)
        while True:
            found = self._find(key, wanted)
            if found is not None and found.checked:
                return found
            if found is not None:
                await self._check(key, found)
                continue
            writing = self._under_way.get(key)
            if writing is None:
                writing = self._begin(key, ending, wanted, write)
            elif not wanted.shared(writing):
                await asyncio.wait({writing.task})
                continue
            snapshot = await asyncio.shield(writing.task)
            if stamp_of(snapshot.path) is None:
                continue  # removed to make room, before we were told
            snapshot.shown = wanted.now
            return snapshot

    def _find(self, key: str, wanted: Wanted) -> Snapshot | None:
        known = self._kept.get(key)
        if wanted.tag is not None and (known is None or known.etag != wanted.tag):
            earlier = (file for file in self._earlier.get(key, ()) if file.etag == wanted.tag)
            found = next((file for file in earlier if file.kept(wanted.now) and stamp_of(file.path)), None)
            if found is not None:
                return found
        if known is None or not wanted.met(known) or stamp_of(known.path) is None:
            return None
        self._kept.move_to_end(key)
        if not wanted.reading or known.shown is None:
            known.shown = wanted.now
        return known

    async def _check(self, key: str, file: Snapshot) -> None:
        """Compare the hash of a file, once for all who wait. One with another hash is removed."""
        async with file.checking:
            if file.checked or stamp_of(file.path) is None:
                return
            stamp, etag = await asyncio.to_thread(_examined, file.path)
            if etag == file.etag:
                file.stamp = stamp
                return
            log.warning("a file of a table is not as it was written; it is written anew", file=str(file.path))
            if self._kept.get(key) is file:
                del self._kept[key]
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
        """End the writing, and remove the folder if it is a temporary one."""
        tasks = [writing.task for writing in self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._folder is not None and self._temporary:
            await asyncio.to_thread(shutil.rmtree, self._folder, True)
        if self._held is not None:
            self._held.release()

    def _done(self, key: str, task: "asyncio.Task[Snapshot]") -> None:
        self._under_way.pop(key, None)
        if not task.cancelled():
            task.exception()  # those who wait are told; if nobody waits any longer, nobody need be

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
        """Remove all files that nobody reads now. Return whether there were any."""
        removed = 0
        # Copies, since another file may be taken in meanwhile, in a thread.
        for key, file in list(self._kept.items()):
            if not file.readers:
                self._kept.pop(key, None)
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
        known = self._kept.pop(key, None)
        snapshot = Snapshot(path, etag, path.stat().st_size, times, stamp=stamp_of(path))
        self._kept[key] = snapshot
        if known is not None and known.path != path:
            self._earlier[key].append(known)
        self._drop_earlier(now)
        self._bound()
        return snapshot

    def _drop_earlier(self, now: datetime.datetime) -> None:
        """Remove files that others followed, once nobody can be reading them any more."""
        for key, files in list(self._earlier.items()):
            for file in files:
                if not file.kept(now):
                    file.path.unlink(missing_ok=True)
            self._earlier[key] = [file for file in files if file.kept(now)]
            if not self._earlier[key]:
                del self._earlier[key]

    def _bound(self) -> None:
        """Remove earlier files, then the longest unused, but never the newest, until the rest is within the limit."""
        earlier = [(key, file) for key, files in self._earlier.items() for file in files]
        size = sum(file.size for file in (*self._kept.values(), *(file for _, file in earlier)))
        for key, file in earlier:
            if size > self._limit and not file.readers:
                self._earlier[key].remove(file)
                file.path.unlink(missing_ok=True)
                size -= file.size
        for key, file in list(self._kept.items())[:-1]:
            if size > self._limit and not file.readers:
                del self._kept[key]
                file.path.unlink(missing_ok=True)
                size -= file.size

    def _open(self) -> None:
        """Find what an earlier server has left."""
        folder, self._temporary = self._where()
        while self._temporary and self._held is None:
            try:
                self._held = FolderLock(folder)
            except FileNotFoundError:
                folder, self._temporary = self._where()
        if self._temporary:
            remove_dead(folder)
        found: dict[str, Snapshot] = {}
        for path in folder.iterdir():
            told = path.stat()
            if path.suffix == ".part":
                if time.time() - told.st_mtime > _ABANDONED_SECONDS:
                    path.unlink(missing_ok=True)
                continue
            key, etag, moments, *_ = (*path.name.split("."), "", "", "")
            if len(key) != _HASH or len(etag) != _HASH or not path.is_file():
                continue  # it is not ours
            file = None
            with suppress(ValueError, OverflowError):
                file = Snapshot(path, etag, told.st_size, SpoolTimes.read(moments))
            known = found.get(key)
            if file is None or (known is not None and known.times.begun > file.times.begun):
                path.unlink(missing_ok=True)  # it does not say when its rows were read, or another one followed it
                continue
            if known is not None:
                known.path.unlink(missing_ok=True)
            private.close(path)
            found[key] = file
        self._kept.update(sorted(found.items(), key=lambda pair: pair[1].times.begun))
        self._folder = folder


def stamp_of(path: Path) -> Stamp | None:
    """Return what changes whenever a file does: its time, size and number; None if it is not there."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino


def _examined(path: Path) -> tuple[Stamp | None, str]:
    """Return the stamp of a file and then its hash; no hash for a file that cannot be read."""
    stamp = stamp_of(path)
    try:
        with path.open("rb") as file:
            return stamp, hashlib.file_digest(file, "sha256").hexdigest()[:_HASH]
    except OSError:
        return stamp, ""


def _sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk, so that a renamed file is there after a crash."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def key_of(*parts: object) -> str:
    """The key of a file, from all that it depends on."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:_HASH]
