"""The current API keys of a server: those of a file (see `key_file`), which it follows."""

import sqlite3
import threading
import time
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import structlog

from server.auth.key import Key, KeysUnreadable, looks_like_key
from server.auth.key_file import KeyFileReader

# Bridges a moment in which the keys cannot be read. A longer time would keep revoked keys valid.
STALE_SECONDS = 30.0
# A revoked key opens nothing after this time.
LOOK_SECONDS = 0.25

log = structlog.get_logger(__name__)


class Keys:
    """The current keys. The file is looked at four times per second, and for every key that is not known.

    A missing file contains no key. An unreadable file is logged, and its last content stays valid for a short time.
    After that every lookup raises KeysUnreadable.
    """

    def __init__(self, path: Path, stale_seconds: float = STALE_SECONDS, look_seconds: float = LOOK_SECONDS) -> None:
        self._file = KeyFileReader(path)
        self._stale_seconds = stale_seconds
        self._look_seconds = look_seconds
        self._look_at = 0.0  # the time of the next look
        self._keys: dict[str, Key] = {}
        self._by_digest: dict[bytes, Key] = {}
        self._read_at: float | None = None  # the last time at which the file was readable
        self._complained = False
        self._lock = threading.Lock()

    def key(self, text: str) -> Key | None:
        """Return the valid key of a text; None if there is none. Raises KeysUnreadable.

        The time that this takes does not show how much of the text was right: the whole text is hashed.
        """
        digest = sha256(text.encode()).digest()
        self._look()
        key = self._by_digest.get(digest)
        if key is None and looks_like_key(text):
            self._look(at_once=True)
            key = self._by_digest.get(digest)
        return key if key is not None and key.lives() else None

    def by_id(self, id: str) -> Key | None:
        """Return the valid key of an id; None if there is none. Raises KeysUnreadable."""
        self._look()
        if id not in self._keys:
            self._look(at_once=True)
        key = self._keys.get(id)
        return key if key is not None and key.lives() else None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def _look(self, *, at_once: bool = False) -> None:
        """Read the file again if it is time to look, and if it has changed. Raises KeysUnreadable."""
        if time.monotonic() < self._look_at and not at_once:
            return
        with self._lock:
            try:
                changed = self._file.changed()
            except (sqlite3.Error, OSError, ValueError) as error:
                self._file.close()
                self._look_at = 0.0
                if not self._complained:
                    log.error("the file of API keys cannot be read", file=str(self._file.path), why=str(error))
                    self._complained = True
                if self._read_at is None or time.monotonic() - self._read_at > self._stale_seconds:
                    self._set(())
                    raise KeysUnreadable from None
            else:
                if changed is not None:
                    self._set(changed)
                self._complained = False
                self._read_at = time.monotonic()
                self._look_at = self._read_at + self._look_seconds

    def _set(self, keys: Iterable[Key]) -> None:
        self._keys = {key.id: key for key in keys}
        self._by_digest = {key.digest: key for key in self._keys.values()}
