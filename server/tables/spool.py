"""The spool: files that were written once, whole, and are served many times; bounded, the longest unused go first.

A file is written under another name and renamed when it is whole, so nobody ever sees a part of one. Its name is its
key, the hash of what it holds (its ETag) and its ending, so a folder that outlives the server is found again.
"""

import asyncio
import hashlib
import os
import shutil
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

_ABANDONED_SECONDS = 86_400.0
_HASH = 32


@dataclass(slots=True, eq=False)
class Snapshot:
    """A file of the spool. `readers` are those that are served from it now: it is not removed under them."""

    path: Path
    etag: str
    size: int
    written: float
    readers: int = field(default=0)


class Spool:
    """The files of a folder, made when the first one is written. `folder` says where, and whether it is temporary."""

    def __init__(
        self, folder: Callable[[], tuple[Path, bool]], limit: int, now: Callable[[], float] = time.time
    ) -> None:
        self._where = folder
        self._folder: Path | None = None
        self._temporary = False
        self._limit = limit
        self._now = now
        self._kept: OrderedDict[str, Snapshot] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[Snapshot]] = {}
        self._numbers = count()
        self._opening = asyncio.Lock()

    async def get(self, key: str, ending: str, fresh_for: float, write: Callable[[Path], Awaitable[None]]) -> Snapshot:
        """The file of a key, written anew if it is older than `fresh_for` seconds; written once for all who wait.

        Raises what `write` raises; then there is no file.
        """
        async with self._opening:
            if self._folder is None:
                await asyncio.to_thread(self._open)
        known = self._kept.get(key)
        if known is not None and self._now() - known.written < fresh_for and known.path.exists():
            self._kept.move_to_end(key)
            return known
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._write(key, ending, write))
            task.add_done_callback(lambda done: self._done(key, done))
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """End the writing, and remove the folder if it is a temporary one."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._folder is not None and self._temporary:
            await asyncio.to_thread(shutil.rmtree, self._folder, True)

    def _done(self, key: str, task: asyncio.Task[Snapshot]) -> None:
        self._under_way.pop(key, None)
        if not task.cancelled():
            task.exception()  # those who wait are told; if nobody waits any longer, nobody need be

    async def _write(self, key: str, ending: str, write: Callable[[Path], Awaitable[None]]) -> Snapshot:
        assert self._folder is not None
        part = self._folder / f".{key}.{os.getpid()}.{next(self._numbers)}.part"
        try:
            await write(part)
            return await asyncio.to_thread(self._take_in, part, key, ending)
        finally:
            part.unlink(missing_ok=True)

    def _take_in(self, part: Path, key: str, ending: str) -> Snapshot:
        assert self._folder is not None
        with part.open("rb") as file:
            etag = hashlib.file_digest(file, "sha256").hexdigest()[:_HASH]
        path = self._folder / f"{key}.{etag}.{ending}"
        part.rename(path)
        known = self._kept.pop(key, None)
        snapshot = Snapshot(path, etag, path.stat().st_size, self._now())
        self._kept[key] = snapshot
        if known is not None and known.path != path:
            self._remove(known)
        self._bound()
        return snapshot

    def _bound(self) -> None:
        """Remove the longest unused, though never the newest one, until the rest is within the limit."""
        size = sum(snapshot.size for snapshot in self._kept.values())
        for key, snapshot in list(self._kept.items())[:-1]:
            if size <= self._limit:
                return
            if not snapshot.readers:
                del self._kept[key]
                self._remove(snapshot)
                size -= snapshot.size

    def _remove(self, snapshot: Snapshot) -> None:
        if not snapshot.readers:
            snapshot.path.unlink(missing_ok=True)

    def _open(self) -> None:
        """Find what an earlier server has left."""
        self._folder, self._temporary = self._where()
        found = []
        for path in self._folder.iterdir():
            told = path.stat()
            if path.suffix == ".part" and self._now() - told.st_mtime > _ABANDONED_SECONDS:
                path.unlink(missing_ok=True)
            key, _, rest = path.name.partition(".")
            etag = rest.partition(".")[0]
            if path.suffix != ".part" and len(key) == len(etag) == _HASH:
                found.append((key, Snapshot(path, etag, told.st_size, told.st_mtime)))
        for key, snapshot in sorted(found, key=lambda pair: pair[1].written):
            older = self._kept.pop(key, None)
            if older is not None:
                self._remove(older)
            self._kept[key] = snapshot


def key_of(*parts: object) -> str:
    """The key of a file, from all that it depends on."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:_HASH]
