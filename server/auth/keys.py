"""The current API keys of a server. It follows a file here; `shared_keys` follows a Redis."""

import sqlite3
import threading
import time
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import structlog

from server.auth.key import Key, KeysUnreadable, looks_like_key
from server.auth.key_file import KeyFileReader

# Bridges a moment in which the keys cannot be read. A longer time would keep revoked keys valid.
STALE_SECONDS = 30.0
# A revoked key opens nothing after this time.
LOOK_SECONDS = 0.25

log = structlog.get_logger(__name__)


class KnownKeys:
    """Some keys, by their ids and by their hashes."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self.by_id = {key.id: key for key in keys}
        self.by_digest = {key.digest: key for key in self.by_id.values()}

    @property
    def all(self) -> Iterable[Key]:
        """Return all keys, also those that are not valid."""
        return self.by_id.values()

    def of_id(self, id: str) -> Key | None:
        """Return the valid key of an id; None if there is none."""
        key = self.by_id.get(id)
        return key if key is not None and key.lives() else None

    def of_digest(self, digest: bytes) -> Key | None:
        """Return the valid key of a hash; None if there is none."""
        key = self.by_digest.get(digest)
        return key if key is not None and key.lives() else None


class CurrentKeys(Protocol):
    """The current keys of a server, from a file or from a Redis. Lookups raise KeysUnreadable."""

    def key(self, text: str) -> Key | None:
        """Return the valid key of a text; None if there is none."""
        ...

    def by_id(self, id: str) -> Key | None:
        """Return the valid key of an id; None if there is none."""
        ...

    async def find(self, text: str) -> Key | None:
        """Return the valid key of a text, also if it was created a moment ago."""
        ...

    async def find_id(self, id: str) -> Key | None:
        """Return the valid key of an id, also if it was created a moment ago."""
        ...

    async def follow(self) -> None:
        """Begin to follow the keys."""
        ...

    async def aclose(self) -> None:
        """Stop to follow the keys."""
        ...


class Keys:
    """The current keys of a file. The file is looked at four times per second, and for every key that is not known.

    A missing file contains no key. An unreadable file is logged, and its last content stays valid for a short time.
    After that every lookup raises KeysUnreadable.
    """

    def __init__(self, path: Path, stale_seconds: float = STALE_SECONDS, look_seconds: float = LOOK_SECONDS) -> None:
        self._file = KeyFileReader(path)
        self._stale_seconds = stale_seconds
        self._look_seconds = look_seconds
        self._look_at = 0.0  # the time of the next look
        self._known = KnownKeys()
        self._read_at: float | None = None  # the last time at which the file was readable
        self._complained = False
        self._lock = threading.Lock()

    def key(self, text: str) -> Key | None:
        """Return the valid key of a text; None if there is none. Raises KeysUnreadable.

        The time that this takes does not show how much of the text was right: the whole text is hashed.
        """
        digest = sha256(text.encode()).digest()
        self._look()
        if digest not in self._known.by_digest and looks_like_key(text):
            self._look(at_once=True)
        return self._known.of_digest(digest)

    def by_id(self, id: str) -> Key | None:
        """Return the valid key of an id; None if there is none. Raises KeysUnreadable."""
        self._look()
        if id not in self._known.by_id:
            self._look(at_once=True)
        return self._known.of_id(id)

    async def find(self, text: str) -> Key | None:
        return self.key(text)

    async def find_id(self, id: str) -> Key | None:
        return self.by_id(id)

    async def follow(self) -> None:
        return None  # a lookup looks at the file

    async def aclose(self) -> None:
        self.close()

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
                    self._known = KnownKeys()
                    raise KeysUnreadable(
                        "The file of API keys cannot be read, so no key lets anybody in: make room on its disk "
                        "(KEYS_FILE) if it is full. The log says why."
                    ) from None
            else:
                if changed is not None:
                    self._known = KnownKeys(changed)
                self._complained = False
                self._read_at = time.monotonic()
                self._look_at = self._read_at + self._look_seconds
