"""The file of API keys: an SQLite file that `gamehub-graph keys` writes. A running server follows it."""

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from resolvers.caller import Caller
from server.auth import key
from server.auth.key import AS_SET, COLUMNS, Key, KeyTrouble, Rates
from upstream import private

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
_INSERT = f"INSERT INTO key ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
_REVOKE = "UPDATE key SET revoked = ? WHERE id = ?"
# SQLite answers with these if it may not write a file, or the files beside it.
_NOT_WRITABLE = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN})

Stamp = tuple[int, int, int, int]

log = structlog.get_logger(__name__)


class KeyFile:
    """The file of keys. Only commands write it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self, caller: Caller, rates: Rates = AS_SET, expires: datetime | None = None) -> tuple[Key, str]:
        """Create a key. Return it with its text, which is stored nowhere. Raises KeyTrouble."""
        made, text = key.new(caller, rates, expires)
        with self._writing() as connection:
            try:
                connection.execute(_INSERT, made.row)
            except sqlite3.IntegrityError:
                raise KeyTrouble(
                    f"there is a key named {caller.name}: revoke it first, or choose another name"
                ) from None
        return made, text

    def revoke(self, which: str) -> Key:
        """Revoke a key by its name or its id. Raises KeyTrouble."""
        with self._writing() as connection:
            ended = key.found(_read(connection), which).ended()
            connection.execute(_REVOKE, (ended.row[-1], ended.id))
        return ended

    def join(self, others: Iterable[Key]) -> list[Key]:
        """Add keys and revocations. Return what changed. Raises KeyTrouble; then nothing is changed."""
        with self._writing() as connection:
            changed = key.merged(_read(connection), others)
            # First the revocations: they make names free.
            connection.executemany(_REVOKE, [(one.row[-1], one.id) for one in changed if one.revoked is not None])
            connection.executemany(_INSERT, [one.row for one in changed])
        return changed

    def listed(self) -> list[Key]:
        """Return all keys, the oldest first. Raises KeyTrouble."""
        reader = KeyFileReader(self.path)
        try:
            return reader.changed() or []
        except (sqlite3.Error, OSError, ValueError) as error:
            raise KeyTrouble(f"{self.path} cannot be read: {error}") from None
        finally:
            reader.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            self._prepare()
            with closing(sqlite3.connect(self.path, timeout=5.0)) as connection:
                with connection:
                    connection.execute("BEGIN IMMEDIATE")
                    yield connection
                # Whoever copies only the main file of a running server has the last revocation, too.
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except (sqlite3.Error, OSError) as error:
            raise KeyTrouble(
                f"{self.path} cannot be written: {error}; make room on its disk if it is full, or set KEYS_FILE"
            ) from None

    def _prepare(self) -> None:
        private.make_file(self.path)  # SQLite gives its other files the same rights
        for last in (*[False] * (_TRIES - 1), True):
            try:
                with closing(sqlite3.connect(self.path, timeout=5.0)) as connection:
                    connection.executescript(_SCHEMA)  # before WAL, so that the main file has the table
                    connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                # While WAL is set, two processes that open a new file together find it locked.
                if last or "locked" not in str(error):
                    raise
            time.sleep(_PAUSE)


class KeyFileReader:
    """Read the keys of a file when it has changed. A file that can be read but not written is read, too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._version: int | None = None
        self._copied: tuple[Stamp | None, ...] | None = None  # the stamps of the files that were read by a copy

    def changed(self) -> list[Key] | None:
        """Return the keys, the oldest first; None if they are the same as before. A missing file has no keys.

        Raises sqlite3.Error, OSError or ValueError if the file is there but cannot be read.
        """
        try:
            seen = os.stat(self.path)
        except FileNotFoundError:
            if self._connection is not None:
                log.error("the file of API keys is gone, so no key is valid", file=str(self.path))
            self.close()
            return []
        if self._copied is not None and self._copied == self._stamps():
            return None
        try:
            return self._changed((seen.st_dev, seen.st_ino))
        except sqlite3.OperationalError as error:
            self.close()
            if error.sqlite_errorcode & 0xFF not in _NOT_WRITABLE:
                raise
            return self._read_copy()

    def close(self) -> None:
        """Close the file. The next reading returns all keys."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._inode = self._version = self._copied = None

    def _changed(self, inode: tuple[int, int]) -> list[Key] | None:
        if self._connection is None or inode != self._inode:
            self.close()
            # Not read-only: a reader of a WAL file writes into the shared memory beside it.
            self._connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode=rw", uri=True, timeout=0.25, check_same_thread=False
            )
            self._inode = inode
        version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return None
        keys = _read(self._connection)
        self._version = version
        return keys

    def _read_copy(self) -> list[Key]:
        """Read a file that SQLite may not write, nor the files beside it: on a read-only mount, or of another user."""
        stamps = self._stamps()
        wal = self._wal.read_bytes() if stamps[1] is not None else b""
        if wal:
            with TemporaryDirectory() as folder:
                copy = Path(folder) / self.path.name
                copy.write_bytes(self.path.read_bytes())
                copy.with_name(self._wal.name).write_bytes(wal)
                with closing(sqlite3.connect(copy)) as connection:
                    keys = _read(connection)
        else:
            address = f"{self.path.absolute().as_uri()}?mode=ro&immutable=1"
            with closing(sqlite3.connect(address, uri=True)) as connection:
                keys = _read(connection)
        if self._stamps() != stamps:
            raise OSError("it changed while it was read")
        self._copied = stamps
        return keys

    def _stamps(self) -> tuple[Stamp | None, ...]:
        return tuple(_stamp(path) for path in (self.path, self._wal))

    @property
    def _wal(self) -> Path:
        return self.path.with_name(f"{self.path.name}-wal")


def write(path: Path, keys: Sequence[Key]) -> None:
    """Write keys into a new file. It replaces a file of this name when it is complete. Raises KeyTrouble."""
    try:
        private.make_folder(path.parent)
        with TemporaryDirectory(prefix=".", dir=path.parent) as folder:
            file = Path(folder) / path.name
            private.make_file(file)
            with closing(sqlite3.connect(file)) as connection, connection:
                connection.executescript(_SCHEMA)
                connection.executemany(_INSERT, [one.row for one in keys])
            file.replace(path)
    except (sqlite3.Error, OSError) as error:
        raise KeyTrouble(f"{path} cannot be written: {error}") from None


def _read(connection: sqlite3.Connection) -> list[Key]:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'key'").fetchone() is not None:
        return [Key.of_row(row) for row in connection.execute(f"SELECT {COLUMNS} FROM key ORDER BY created, rowid")]
    if connection.execute("PRAGMA page_count").fetchone()[0]:
        raise ValueError(
            "it has no table of keys: a copy lacks the file whose name ends in -wal, or it is another file"
        )
    return []  # new and still empty


def _stamp(path: Path) -> Stamp | None:
    try:
        seen = path.stat()
    except FileNotFoundError:
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino, seen.st_dev
