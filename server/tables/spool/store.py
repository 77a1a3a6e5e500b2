"""The store of files that replicas on several hosts share: an object store, such as `s3://bucket/prefix`.

A replica puts a copy of every file that it writes into the store, under the name of the file. The others find it by its
key and copy it into their own folder before they send it. So a file can be removed from the store at any time.

Without the store each replica works with its own files. It tries again a few seconds later.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import structlog

from server.export.destination import Destination, DestinationFailed
from server.tables.spool.snapshot import READING, SnapshotName, SpoolTimes

PAUSE_SECONDS = 10.0
# So often a replica removes old files, and after so large a part of the limit.
SWEEP_SECONDS = 300.0
_SWEEP_PART = 20
# A replaced file stays longer than in a folder: the store does not know who still reads it.
_REPLACED = 6 * READING
# An answer waits for the store, but not for long. Neither the library of S3 nor fsspec tries a second time.
OPTIONS = {"config_kwargs": {"connect_timeout": 2, "read_timeout": 5, "retries": {"max_attempts": 0}}}

T = TypeVar("T")

log = structlog.get_logger(__name__)


class SpoolStore:
    """The files of replicas in an object store, with a limit of bytes. Raises WrongDestination for a wrong address."""

    def __init__(self, address: str, limit: int, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._destination = Destination(address, OPTIONS if address.startswith("s3") else {}, tries=1)
        self._limit = limit
        self._pause_seconds = pause_seconds
        self._rest_until = 0.0
        self._failed = False
        self._published = 0
        self._swept = 0.0
        self._sweeping: asyncio.Task[None] | None = None

    async def names(self, key: str) -> list[str]:
        """Return the names of the files of a key; none if the store does not answer."""
        return list(await self._tried(lambda: self._destination.names(key)) or ())

    async def fetch(self, key: str, name: str, file: Path) -> bool:
        """Copy a file of the store into a local file. Return whether it was there."""
        return bool(await self._tried(lambda: self._destination.fetch(f"{key}/{name}", file)))

    async def publish(self, key: str, file: Path) -> None:
        """Copy a local file into the store, where it appears as a whole."""
        size = await self._tried(lambda: self._put(key, file))
        self._published += size or 0
        due = time.monotonic() - self._swept > SWEEP_SECONDS or self._published * _SWEEP_PART > self._limit
        if size is not None and due and self._sweeping is None:
            self._published, self._swept = 0, time.monotonic()
            self._sweeping = asyncio.create_task(self._sweep())

    async def aclose(self) -> None:
        """Wait until nothing is removed any more."""
        if self._sweeping is not None:
            await self._sweeping

    def _put(self, key: str, file: Path) -> int:
        try:
            size = file.stat().st_size
            self._destination.publish(file, f"{key}/{file.name}")
        except FileNotFoundError:  # it was removed to make room
            return 0
        return size

    async def _sweep(self) -> None:
        try:
            await self._tried(self._remove_old)
        finally:
            self._sweeping = None

    def _remove_old(self) -> None:
        """Remove files that were replaced long ago, then the oldest ones until the limit is met."""
        files: list[tuple[SpoolTimes, str, int]] = []
        newest: dict[str, SpoolTimes] = {}
        for path, size in self._destination.names("").items():
            name = SnapshotName.read(path.rpartition("/")[2])
            if name is not None and name.times is not None:
                files.append((name.times, path, size))
                known = newest.get(name.key)
                if known is None or name.times.begun > known.begun:
                    newest[name.key] = name.times
        latest = max((times.begun for times in newest.values()), default=None)
        total = sum(size for _, _, size in files)
        for times, path, size in sorted(files, key=lambda one: one[0].begun):
            by = newest[path.rpartition("/")[2].partition(".")[0]]
            replaced = by.begun > times.begun and latest is not None and latest - by.begun > _REPLACED
            if replaced or total > self._limit:
                self._destination.remove(path)
                total -= size

    async def _tried(self, work: Callable[[], T]) -> T | None:
        """Return what a function returns in a thread; None if the store does not answer, or did not a moment ago."""
        if time.monotonic() < self._rest_until:
            return None
        try:
            found = await asyncio.to_thread(work)
        except DestinationFailed as failure:
            self._rest_until = time.monotonic() + self._pause_seconds
            if not self._failed:
                log.warning(
                    "the store of tables' files does not answer; this server uses its own files", why=str(failure)
                )
            self._failed = True
            return None
        if self._failed:
            log.info("the store of tables answers again")
            self._failed = False
        return found
