"""The spool: files that are written once and served many times. It is limited; the least recently used files go first.

A file is written under another name, flushed to the disk (fsync) and renamed when it is complete, so no reader sees a
part of it. Its name says all about it (see `snapshot`). So other processes of the folder find it, and a later server,
too. The hash is checked before the first use of a found file, and after every change of a file. A damaged file is
removed and written again.

Several processes may share a folder that is not temporary, and hosts may share a store (see `store`). Before a process
writes a file, it looks there for one that meets the conditions. A process removes no file that another one holds.

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
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from server.tables.config import FileCounts
from server.tables.spool.folders import FolderLock, remove_dead
from server.tables.spool.snapshot import (
    HASH,
    READING,
    Snapshot,
    SnapshotName,
    SpoolTimes,
    hash_of,
    stamp_of,
)
from upstream import private

if TYPE_CHECKING:  # it imports fsspec, which only a store needs
    from server.tables.spool.store import SpoolStore

_ABANDONED_SECONDS = 86_400.0
# The delay after which a change becomes known at the latest: the longest duration of a call.
LATE = datetime.timedelta(seconds=120)
# The error numbers of a full disk.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# So often a process looks how many bytes the others have written.
SURVEY_SECONDS = 10.0
# A file of another process is not removed before this age: its first reader may not hold it yet.
YOUNG_SECONDS = 10.0
# Another process may have shown a replaced file until it was replaced.
_REPLACED = 2 * READING

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The conditions that a file must meet at the moment `now`.

    Its rows are trusted, they were not read before `not_before`, and its days did not change later (`changed` is the
    last change). A client that reads in parts (`reading`) continues with the same file: `tag` is the
    beginning of its hash.
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
        if times.begun > self.now + LATE:  # the clock of the host that wrote it is ahead, so `until` is too late
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

    def named(self, file: Snapshot | None) -> bool:
        """Return whether a file is the one that the client continues with, if it names one."""
        return file is not None and (self.tag is None or file.etag.startswith(self.tag))


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file as an answer read it: its key, its days (None: rows without a day), its hash.

    With `reading`, a client continued with a file that it had parts of: see `Wanted`.
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
    """The files of a folder, which the first file creates. `folder` returns its path and whether it is temporary.

    A temporary folder belongs to this process alone. `store` has the files of other hosts.
    """

    def __init__(
        self,
        folder: Callable[[], tuple[Path, bool]],
        limit: int,
        store: "SpoolStore | None" = None,
        counts: FileCounts | None = None,
    ) -> None:
        self._counts = counts if counts is not None else FileCounts()
        self._where = folder
        self._folder: Path | None = None
        self._temporary = False
        self._limit = limit
        self._store = store
        self._files: OrderedDict[str, Snapshot] = OrderedDict()
        self._earlier: defaultdict[str, list[Snapshot]] = defaultdict(list)
        self._under_way: dict[str, _SpoolWriting] = {}
        self._searches: dict[tuple[str, str | None], asyncio.Task[None]] = {}
        self._numbers = count()
        self._opening = asyncio.Lock()
        self._lock: FolderLock | None = None
        self._surveyed = 0.0

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
                folder, files = await asyncio.to_thread(self._open, wanted.now)
                self._add_all(files)
                self._folder = folder
        found = await self._checked(key, wanted)
        if not wanted.named(found) and (self._store is not None or not self._temporary):
            await self._search(key, wanted)
            found = await self._checked(key, wanted)
        return found

    def find(self, key: str, wanted: Wanted) -> Snapshot | None:
        """Return the file of a key that meets the conditions, if it is there as it was written."""
        found = self._find(key, wanted)
        return found if found is not None and found.checked else None

    async def _checked(self, key: str, wanted: Wanted) -> Snapshot | None:
        while (found := self._find(key, wanted)) is not None and not found.checked:
            await self._check(key, found)
        return found

    def _find(self, key: str, wanted: Wanted) -> Snapshot | None:
        known = self._files.get(key)
        if not wanted.named(known):
            earlier = [file for file in self._earlier.get(key, ()) if wanted.named(file)]
            there = (file for file in earlier if file.is_current(wanted.now) and stamp_of(file.path))
            found = max(there, key=lambda file: file.times.begun, default=None)
            if found is not None:
                return found
        if known is None or not wanted.met(known) or stamp_of(known.path) is None:
            return None
        self._files.move_to_end(key)
        known.use(visibly=not self._temporary)
        if not wanted.reading or known.shown is None:
            known.shown = wanted.now
        return known

    async def _check(self, key: str, file: Snapshot) -> None:
        """Check the hash of a file, once for all waiters. Remove a file with another hash."""
        async with file.checking:
            stamp = stamp_of(file.path)
            if file.checked or stamp is None:
                return
            if await asyncio.to_thread(hash_of, file.path) == file.etag:
                file.stamp = stamp
                return
            log.warning("a file of a table is not as it was written; it is written anew", file=str(file.path))
            self._forget(key, file)
            file.path.unlink(missing_ok=True)

    async def _search(self, key: str, wanted: Wanted) -> None:
        """Look for files of a key that other processes wrote, once for all waiters."""
        place = (key, wanted.tag)
        task = self._searches.get(place)
        if task is None:
            task = self._searches[place] = asyncio.create_task(self._find_others(key, wanted))
            task.add_done_callback(lambda _: self._searches.pop(place, None))
        await asyncio.shield(task)

    async def _find_others(self, key: str, wanted: Wanted) -> None:
        folder = self._folder
        assert folder is not None
        if not self._temporary:
            known = {file.path.name for file in self._of(key)}
            self._add_all((await asyncio.to_thread(_look_around, folder, known, wanted.now, f"{key}."))[0])
            if wanted.named(self._find(key, wanted)):
                return
        if self._store is None:
            return
        known = {file.path.name for file in self._of(key)}
        name = _best(await self._store.names(key), known, wanted)
        if name is None:
            return
        part = self._part(key)
        try:
            if await self._store.fetch(key, name, part):
                await asyncio.to_thread(_put, part, folder / name)
                self._add_all(_snapshots(folder, (name,), wanted.now))
                await self._make_fit(wanted.now)
        except OSError as error:  # a full disk, say: the answer does not need the file of the store
            log.warning("a file of a table from the store cannot be kept", why=error.strerror or type(error).__name__)
        finally:
            part.unlink(missing_ok=True)

    def _of(self, key: str) -> Iterator[Snapshot]:
        """Yield the files of a key."""
        yield from self._earlier.get(key, ())
        if key in self._files:
            yield self._files[key]

    def _add_all(self, files: Iterable[Snapshot]) -> None:
        """Add files that other processes wrote, unless another task has added them meanwhile."""
        for file in files:
            if not any(known.path == file.path for known in self._of(file.key)):
                self._add(file.key, file)

    def _add(self, key: str, file: Snapshot) -> None:
        """Add a file of a key: the newest one is served, and the others only to clients that have parts of them."""
        known = self._files.pop(key, None)
        if known is not None and known.times.begun > file.times.begun:
            known, file = file, known
        self._files[key] = file
        if known is None:
            return
        file.follow(known)
        if known.path != file.path:
            if known.found and known.shown is not None:
                known.shown = min(known.shown, max(file.times.begun, known.times.begun))
            self._earlier[key].append(known)

    def _forget(self, key: str, file: Snapshot) -> None:
        if self._files.get(key) is file:
            del self._files[key]
        if file in self._earlier.get(key, ()):
            self._earlier[key].remove(file)

    def _begin(
        self, key: str, ending: str, wanted: Wanted, write: Callable[[Path], Awaitable[SpoolTimes]]
    ) -> _SpoolWriting:
        task = asyncio.create_task(self._write(key, ending, wanted.now, write))
        task.add_done_callback(lambda done: self._done(key, done))
        self._under_way[key] = _SpoolWriting(task, wanted.now, wanted.not_before)
        return self._under_way[key]

    async def aclose(self) -> None:
        """Cancel running writes, and remove a temporary folder."""
        tasks = [*(writing.task for writing in self._under_way.values()), *self._searches.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._store is not None:
            await self._store.aclose()
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

    def _part(self, key: str) -> Path:
        """Return the path of a file that is not complete yet. Hosts with equal process ids may share the folder."""
        assert self._folder is not None
        return self._folder / f".{key}.{os.getpid()}-{id(self):x}.{next(self._numbers)}.part"

    async def _write(
        self, key: str, ending: str, now: datetime.datetime, write: Callable[[Path], Awaitable[SpoolTimes]]
    ) -> Snapshot:
        part = self._part(key)
        try:
            while True:
                try:
                    times = await write(part)
                    snapshot = await asyncio.to_thread(self._take_in, part, key, ending, times)
                    break
                except OSError as error:
                    if error.errno not in FULL or not await self._make_room():
                        raise
        finally:
            part.unlink(missing_ok=True)
        self._add(key, snapshot)
        if not self._temporary and time.monotonic() - self._surveyed > SURVEY_SECONDS:
            await self._survey(now)
        await self._make_fit(now, snapshot)
        if self._store is not None:
            await self._store.publish(key, snapshot.path)
        return snapshot

    def _take_in(self, part: Path, key: str, ending: str, times: SpoolTimes) -> Snapshot:
        assert self._folder is not None
        etag = hash_of(part)
        path = self._folder / f"{key}.{etag}.{times.text}.{ending}"
        _put(part, path)
        modified = times.newest.replace(microsecond=0)
        return Snapshot(path, etag, path.stat().st_size, times, modified, stamp=stamp_of(path))

    async def _make_room(self) -> bool:
        """Remove all files without readers. Return whether there were any."""
        return sum([await self._remove(key, file) for key, file in list(self._all())]) > 0

    def _all(self) -> Iterator[tuple[str, Snapshot]]:
        """Yield the files with their keys: replaced ones, then the others, the least recently used first."""
        for key, files in self._earlier.items():
            for file in files:
                yield key, file
        yield from self._files.items()

    async def _remove(self, key: str, file: Snapshot) -> bool:
        """Remove a file. Return False if a process holds it."""
        if not await asyncio.to_thread(file.remove):
            return False
        self._forget(key, file)
        return True

    async def _survey(self, now: datetime.datetime) -> None:
        """Learn which files the other processes of the folder have written, used and removed."""
        folder = self._folder
        assert folder is not None
        known = {file.path.name: (key, file) for key, file in self._all()}
        found, uses = await asyncio.to_thread(_look_around, folder, known.keys(), now)
        self._surveyed = time.monotonic()
        for name, (key, file) in known.items():
            if name in uses:
                file.used = max(file.used, uses[name])
            elif not file.readers:
                self._forget(key, file)
        self._add_all(found)
        self._files = OrderedDict(sorted(self._files.items(), key=lambda pair: pair[1].used))

    async def _make_fit(self, now: datetime.datetime, newest: Snapshot | None = None) -> None:
        """Remove files that no client can be reading, then the least recently used ones until the limit is met."""
        for key, files in list(self._earlier.items()):
            for file in list(files):
                if not file.is_current(now) and (self._temporary or self._replaced(key, now)):
                    await self._remove(key, file)
            if not files:
                self._earlier.pop(key, None)
        size = sum(file.size for _, file in self._all())
        for key, file in list(self._all()):
            if size <= self._limit:
                return
            if file is not newest and not _young(file) and await self._remove(key, file):
                size -= file.size

    def _replaced(self, key: str, now: datetime.datetime) -> bool:
        """Return whether the files of a key were replaced so long ago that clients of no process read them."""
        newest = self._files.get(key)
        return newest is None or now - newest.times.begun >= _REPLACED

    def _open(self, now: datetime.datetime) -> tuple[Path, list[Snapshot]]:
        """Return the folder, and the files of earlier servers and of other processes."""
        folder, self._temporary = self._where()
        while self._temporary and self._lock is None:
            try:
                self._lock = FolderLock(folder)
            except FileNotFoundError:
                folder, self._temporary = self._where()
        if self._temporary:
            remove_dead(folder)
        found: list[tuple[SpoolTimes, str]] = []
        for path in folder.iterdir():
            with suppress(FileNotFoundError):  # another process removed it
                if not path.is_file():
                    continue
                if path.suffix == ".part" and time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                    path.unlink()
                name = SnapshotName.read(path.name)
                if name is None:
                    continue  # not a file of the spool
                if name.times is None:
                    path.unlink()  # an early version wrote it, without reading times
                    continue
                private.close(path)
                found.append((name.times, path.name))
        found.sort(key=lambda pair: pair[0].begun)
        return folder, _snapshots(folder, (name for _, name in found), now)


def _look_around(
    folder: Path, known: Collection[str], now: datetime.datetime, prefix: str = ""
) -> tuple[list[Snapshot], dict[str, float]]:
    """Return the files of a folder that are not known, and when the known ones were last used, by their names."""
    new, uses = [], {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(prefix):
                continue
            if entry.name not in known:
                new.append(entry.name)
                continue
            with suppress(OSError):  # another process has just removed it
                status = entry.stat()
                uses[entry.name] = max(status.st_atime, status.st_mtime)
    return _snapshots(folder, new, now), uses


def _snapshots(folder: Path, names: Iterable[str], now: datetime.datetime) -> list[Snapshot]:
    """Return files that other processes wrote. Names of anything else are left out."""
    found = []
    for text in names:
        name = SnapshotName.read(text)
        if name is not None and name.times is not None:
            with suppress(OSError):  # another process has just removed it
                found.append(Snapshot.of(folder / text, name, now))
    return found


def _best(names: Iterable[str], known: set[str], wanted: Wanted) -> str | None:
    """Return the name of the file of a store that meets the conditions best; None if none does."""
    best: tuple[bool, datetime.datetime, str] | None = None
    for text in names:
        name = SnapshotName.read(text)
        if name is None or name.times is None or text in known:
            continue
        times = name.times
        file = Snapshot(Path(text), name.etag, 0, times, times.newest, shown=min(wanted.now, times.until))
        continued = wanted.tag is not None and wanted.named(file)
        found = (continued, times.begun, text)
        if (continued or wanted.met(file)) and (best is None or found > best):
            best = found
    return None if best is None else best[2]


def _young(file: Snapshot) -> bool:
    """Return whether another process wrote a file a moment ago."""
    stamp = stamp_of(file.path) if file.found else None
    return stamp is not None and time.time() - stamp[0] / 1e9 < YOUNG_SECONDS


def _put(part: Path, path: Path) -> None:
    """Give a complete file its name, so that it exists after a crash. Raises OSError."""
    private.close(part)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.rename(path)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def key_of(*parts: object) -> str:
    """Return the key of a file, from everything that its content depends on."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:HASH]
