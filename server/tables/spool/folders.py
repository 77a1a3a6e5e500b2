"""Temporary folders that are removed with their server, even if the server was killed.

A server locks a file in its folder. The system ends the lock with the process. So an unlocked folder belonged to a dead
server, and the next server removes it.
"""

import fcntl
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

import structlog

from upstream import private

PREFIX = "gamehub-graph-tables-"
_LOCK = ".lock"
_ABANDONED_SECONDS = 86_400.0

log = structlog.get_logger(__name__)


class FolderLock:
    """The lock of a folder, until this process releases it or ends.

    Raises FileNotFoundError if another process removed the folder in the moment before it was locked.
    """

    def __init__(self, folder: Path) -> None:
        self._handle = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, private.FILE)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            os.stat(folder / _LOCK)
        except OSError:
            os.close(self._handle)
            raise

    def release(self) -> None:
        """Release the lock."""
        os.close(self._handle)


def remove_dead(own: Path) -> None:
    """Remove the folders of dead servers that are beside our own."""
    for folder in own.parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # it belongs to another user, or another server is removing it
            if folder != own and not folder.is_symlink() and folder.stat().st_uid == os.geteuid():
                _remove_if_dead(folder)


def _remove_if_dead(folder: Path) -> None:
    """Remove a folder that is not locked. Raises OSError."""
    try:
        handle = os.open(folder / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        # Earlier versions had no lock.
        if time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS:
            _remove(folder)
        return
    try:
        fcntl.flock(
            handle, fcntl.LOCK_EX | fcntl.LOCK_NB
        )  # locked until everything is removed, so that no other process takes it
        _remove(folder)
    finally:
        os.close(handle)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    log.info("the folder of a dead server was removed", folder=str(folder))
