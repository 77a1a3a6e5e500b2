"""API keys: 256 random bits that are shown once. An SQLite file stores their SHA-256; a running server follows it.

A key has the form `ghk_<id>_<secret>`. The id is public: it finds the row to compare with, and its owner sees it.
"""

import json
import os
import re
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import structlog

from resolvers.caller import EVERYONE, Caller
from upstream import private

PREFIX = "ghk"
# Bridges a moment in which the file cannot be read. A longer time would keep revoked keys valid.
STALE_SECONDS = 30.0
# A revoked key opens nothing after this time.
LOOK_SECONDS = 0.25

_KEY = re.compile(rf"{PREFIX}_([0-9a-f]{{8}})_([A-Za-z0-9_-]{{43}})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_TRIES = 20
_PAUSE = 0.05
_SCHEMA = """
CREATE TABLE IF NOT EXISTS key (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    digest BLOB NOT NULL,
    last_four TEXT NOT NULL,
    groups TEXT NOT NULL,
    powers TEXT NOT NULL,
    requests INTEGER,
    calls INTEGER,
    created TEXT NOT NULL,
    expires TEXT,
    revoked TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS name_in_use ON key (name) WHERE revoked IS NULL;
"""
_COLUMNS = "id, name, digest, last_four, groups, powers, requests, calls, created, expires, revoked"

log = structlog.get_logger(__name__)


class KeysUnreadable(Exception):
    """The file of keys exists but cannot be read, so it is unknown which keys are valid."""


class KeyTrouble(Exception):
    """A command on the keys failed. The text says why."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests and upstream calls per minute. 0 means no limit, None means the limit of the setting."""

    requests: int | None = None
    calls: int | None = None


AS_SET = Rates()
UNLIMITED = Rates(0, 0)


@dataclass(frozen=True, slots=True)
class Key:
    """The stored facts about a key: everything but the key itself."""

    id: str
    caller: Caller
    digest: bytes
    last_four: str
    rates: Rates
    created: datetime
    expires: datetime | None
    revoked: datetime | None

    def lives(self, now: datetime | None = None) -> bool:
        """Return whether the key is valid, by default now."""
        return self.revoked is None and (self.expires is None or (now or datetime.now(UTC)) < self.expires)


def looks_like_key(text: str) -> bool:
    """Return whether a text has the form of a key."""
    return _KEY.fullmatch(text) is not None


class KeyFile:
    """The file of keys that `gamehub-graph keys` writes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self, caller: Caller, rates: Rates = AS_SET, expires: datetime | None = None) -> tuple[Key, str]:
        """Create a key. Return it with its text, which is stored nowhere. Raises KeyTrouble."""
        if not _NAME.fullmatch(caller.name) or caller.name == EVERYONE.name:
            raise KeyTrouble(
                f"{caller.name[:64]!r} is no name for a key; allowed are up to 64 letters, digits and . _ @ -, "
                f"and not the word {EVERYONE.name}"
            )
        now = datetime.now(UTC).replace(microsecond=0)
        if expires is not None:
            expires = expires.replace(microsecond=0)
            if expires <= now:
                raise KeyTrouble("the key would expire before it is made")
        secret = secrets.token_urlsafe(32)
        id = secrets.token_hex(4)
        text = f"{PREFIX}_{id}_{secret}"
        key = Key(id, caller, sha256(text.encode()).digest(), secret[-4:], rates, now, expires, None)
        row = (
            key.id, caller.name, key.digest, key.last_four,
            json.dumps(None if caller.groups is None else sorted(caller.groups)),
            json.dumps(sorted(caller.permissions)),
            rates.requests, rates.calls, _text(now), _text(expires), None,
        )  # fmt: skip
        with self._writing() as connection:
            try:
                connection.execute(f"INSERT INTO key ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            except sqlite3.IntegrityError:
                raise KeyTrouble(
                    f"there is a key named {caller.name}: revoke it first, or choose another name"
                ) from None
        return key, text

    def revoke(self, which: str) -> Key:
        """Revoke a key by its name or its id. Raises KeyTrouble."""
        with self._writing() as connection:
            live = [key for key in _read(connection) if key.revoked is None]
            found = next((key for key in live if key.id == which), None) or next(
                (key for key in live if key.caller.name == which), None
            )
            if found is None:
                raise KeyTrouble(f"there is no key {which[:64]!r}, or it is revoked; `keys list` shows them")
            connection.execute("UPDATE key SET revoked = ? WHERE id = ?", (_text(datetime.now(UTC)), found.id))
        return found

    def listed(self) -> list[Key]:
        """Return all keys, the oldest first. Raises KeyTrouble."""
        if not self.path.exists():
            return []
        try:
            with closing(sqlite3.connect(self.path, timeout=5.0)) as connection:
                return _read(connection)
        except (sqlite3.Error, ValueError) as error:
            raise KeyTrouble(f"{self.path} cannot be read: {error}") from None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            self._prepare()
            with closing(sqlite3.connect(self.path, timeout=5.0)) as connection, connection:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise KeyTrouble(
                f"{self.path} cannot be written: {error}; make room on its disk if it is full, or set KEYS_FILE"
            ) from None

    def _prepare(self) -> None:
        private.make_file(self.path)  # SQLite gives its other files the same rights
        for last in (*[False] * (_TRIES - 1), True):
            try:
                with closing(sqlite3.connect(self.path, timeout=5.0)) as connection:
                    connection.execute("PRAGMA journal_mode = WAL")
                    connection.executescript(_SCHEMA)
                return
            except sqlite3.OperationalError as error:
                # While WAL is set, two processes that open a new file together find it locked.
                if last or "locked" not in str(error):
                    raise
            time.sleep(_PAUSE)


class Keys:
    """The current keys. The file is looked at four times per second, and for every key that is not known.

    A missing file contains no key. An unreadable file is logged, and its last content stays valid for a short time.
    After that every lookup raises KeysUnreadable.
    """

    def __init__(self, path: Path, stale_seconds: float = STALE_SECONDS, look_seconds: float = LOOK_SECONDS) -> None:
        self._path = path
        self._stale_seconds = stale_seconds
        self._look_seconds = look_seconds
        self._look_at = 0.0  # the time of the next look
        self._keys: dict[str, Key] = {}
        self._by_digest: dict[bytes, Key] = {}
        self._connection: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._version: int | None = None
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
            self._forget()

    def _look(self, *, at_once: bool = False) -> None:
        """Read the file again if it is time to look, and if it has changed. Raises KeysUnreadable."""
        if time.monotonic() < self._look_at and not at_once:
            return
        with self._lock:
            try:
                self._renew()
            except (sqlite3.Error, OSError, ValueError) as error:
                self._forget()
                self._look_at = 0.0
                if not self._complained:
                    log.error("the file of API keys cannot be read", file=str(self._path), why=str(error))
                    self._complained = True
                if self._read_at is None or time.monotonic() - self._read_at > self._stale_seconds:
                    self._set([])
                    raise KeysUnreadable from None
            else:
                self._complained = False
                self._read_at = time.monotonic()
                self._look_at = self._read_at + self._look_seconds

    def _renew(self) -> None:
        try:
            seen = os.stat(self._path)
        except FileNotFoundError:
            self._forget()
            self._set([])
            return
        inode = (seen.st_dev, seen.st_ino)
        if self._connection is None or inode != self._inode:
            self._forget()
            # Not read-only: a reader of a WAL file writes into the shared memory beside it.
            self._connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=rw", uri=True, timeout=0.25, check_same_thread=False
            )
            self._inode = inode
        version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._set(_read(self._connection))
            self._version = version

    def _set(self, keys: Sequence[Key]) -> None:
        self._keys = {key.id: key for key in keys}
        self._by_digest = {key.digest: key for key in keys}

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._inode = self._version = None


def _read(connection: sqlite3.Connection) -> list[Key]:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'key'").fetchone() is None:
        return []  # new and still empty
    return [_key(row) for row in connection.execute(f"SELECT {_COLUMNS} FROM key ORDER BY created, rowid")]


def _key(row: Sequence[Any]) -> Key:
    """Return the key of a row of the file."""
    id, name, digest, last_four, groups, permissions, requests, calls, created, expires, revoked = row
    seen = json.loads(groups)
    caller = Caller(name, None if seen is None else frozenset(seen), frozenset(json.loads(permissions)))
    made = datetime.fromisoformat(created)
    rates = AS_SET if requests is None and calls is None else Rates(requests, calls)
    return Key(id, caller, digest, last_four, rates, made, _time(expires), _time(revoked))


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
