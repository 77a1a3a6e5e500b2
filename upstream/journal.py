"""Record every failed call in an embedded SQLite file, for the vendor (C10, "Recommendations").

A thread of its own writes, so that the event loop only hands over an entry. If the journal cannot be written, this is
logged and no call fails. Only this user can read the file.
"""

import datetime
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import structlog

from upstream import private
from upstream.errors import UpstreamError
from upstream.evidence import evidence

_log = structlog.get_logger("upstream.journal")

PAYLOAD_LIMIT = 16 * 1024
_PENDING = 1000
_MOST_COUNTS = 100_000
_TRIES = 20
_PAUSE = 0.05
_SCHEMA = """
CREATE TABLE IF NOT EXISTS error (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    code TEXT NOT NULL,
    report TEXT NOT NULL,
    params TEXT NOT NULL,
    status INTEGER,
    upstream_code TEXT,
    message TEXT NOT NULL,
    payload BLOB,
    size INTEGER NOT NULL,
    request TEXT NOT NULL DEFAULT '',
    caller TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS note (
    name TEXT PRIMARY KEY,
    text TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS usage (
    field TEXT NOT NULL,
    client TEXT NOT NULL,
    version TEXT NOT NULL,
    operations INTEGER NOT NULL,
    last TEXT NOT NULL,
    PRIMARY KEY (field, client, version)
) WITHOUT ROWID;
"""
_COUNT = """
INSERT INTO usage VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
SET operations = operations + excluded.operations, last = max(last, excluded.last)
"""
_DROP_OLDEST_COUNTS = """
DELETE FROM usage WHERE (field, client, version) IN (
    SELECT field, client, version FROM usage ORDER BY last LIMIT max(0, (SELECT count(*) FROM usage) - ?)
)
"""
_COUNTING_SINCE = "usage since"
_COLUMNS = "at, correlation_id, code, report, params, status, upstream_code, message, payload, request, caller"
# Columns that the files of earlier versions lack. Earlier versions can still write to a file that has them.
_ADDED = ("request", "caller")
_MARKS = ", ".join("?" * 12)


class JournalUnreadable(Exception):
    """Say that the file of the journal cannot be read, and why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Hold a failed call. `at` is in UTC; `payload` is the answer of the upstream, see `upstream/evidence.py`.

    The payload contains no tokens, of rows only what a fault report needs, and at most 16 KiB. `request` is the id of
    the request that made the call, as its answer and its line in the log have it, and `caller` the name of its caller.
    """

    at: datetime.datetime
    correlation_id: str
    code: str
    report: str
    params: dict[str, Any]
    status: int | None
    upstream_code: str | None
    message: str
    payload: bytes | None
    request: str = ""
    caller: str = ""

    def line(self) -> str:
        """Return the entry as a line of JSON."""
        payload = self.payload.decode("utf-8", "replace") if self.payload is not None else None
        values = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps(values | {"at": self.at.isoformat(), "payload": payload}, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class FieldUsage:
    """Hold how many operations of a client selected a field, and the last day on which one did."""

    client: str
    version: str
    operations: int
    last: datetime.date


def _entry(at: str, correlation_id: str, code: str, report: str, params: str, *rest: Any) -> Entry:
    return Entry(datetime.datetime.fromisoformat(at), correlation_id, code, report, json.loads(params), *rest)


class Journal:
    """Keep a journal in the file `path`: the newest `max_entries` errors, and at most `max_bytes` of them."""

    def __init__(self, path: Path | str, *, max_entries: int = 10_000, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._path = Path(path)
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._pending: set[Future[None]] = set()
        self._rows: list[tuple[object, ...]] = []  # errors that are not written yet
        self._lock = threading.Lock()
        self._lost = 0  # changes since the last successful write
        self._unreadable = False
        self.recorded = 0
        self.dropped = 0

    def __enter__(self) -> Self:
        """Return the journal."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def record(self, error: UpstreamError) -> None:
        """Keep an error. Returns at once; what cannot be written is logged."""
        self.recorded += 1
        payload = evidence(error.payload[:PAYLOAD_LIMIT], error.column) if error.payload is not None else None
        params = json.dumps(error.params, ensure_ascii=False, default=str)
        size = len(params) + len(error.message) + len(payload or b"") + 200
        at = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
        row = (
            at, error.correlation_id, error.code, error.report, params, error.status, error.upstream_code,
            error.message, payload, error.request, error.caller, size,
        )  # fmt: skip
        with self._lock:
            full = len(self._rows) >= _PENDING
            if not full:
                self._rows.append(row)
        if full:
            self.dropped += 1
            _log.warning("journal.full", correlation_id=error.correlation_id)
        elif not self._submit(self._write, correlation_id=error.correlation_id):
            self.dropped += 1

    def note(self, name: str, text: str | None) -> None:
        """Note something under a name, in place of what was noted there; None removes it.

        Returns at once; a failure is logged.
        """
        self._submit(partial(self._note, name, text), note=name)

    def count(self, day: datetime.date, counts: Mapping[tuple[str, str, str], int]) -> None:
        """Add operations of a day by field, client and version. Returns at once; a failure is logged."""
        self._submit(partial(self._count, day.isoformat(), counts), note=_COUNTING_SINCE)

    def noted(self, name: str) -> str | None:
        """Return the last note under a name, or None, also if the journal cannot be read."""
        self.flush()
        if not self._path.exists():
            return None
        try:
            with self._connection() as connection:
                found = connection.execute("SELECT text FROM note WHERE name = ?", (name,)).fetchone()
        except sqlite3.Error as error:
            self._complain(error)
            return None
        self._unreadable = False
        return found[0] if found else None

    def noted_under(self, prefix: str) -> dict[str, str]:
        """Return the notes whose names begin with a prefix, by the rest of the name; none if it cannot be read."""
        self.flush()
        if not self._path.exists():
            return {}
        try:
            with self._connection() as connection:
                found = connection.execute(
                    "SELECT substr(name, ?), text FROM note WHERE substr(name, 1, ?) = ?",
                    (len(prefix) + 1, len(prefix), prefix),
                ).fetchall()
        except sqlite3.Error as error:
            self._complain(error)
            return {}
        self._unreadable = False
        return dict(found)

    def counted(self, field: str) -> tuple[datetime.date | None, list[FieldUsage]]:
        """Return since when operations are counted, None if they are not, and who selected a field, the newest first.

        Raises JournalUnreadable.
        """
        self.flush()
        if not self._path.exists():
            return None, []
        try:
            with self._connection() as connection:
                since = connection.execute("SELECT text FROM note WHERE name = ?", (_COUNTING_SINCE,)).fetchone()
                found = connection.execute(
                    "SELECT client, version, operations, last FROM usage WHERE field = ? "
                    "ORDER BY last DESC, operations DESC, client, version",
                    (field,),
                ).fetchall()
        except sqlite3.Error as error:
            raise JournalUnreadable(f"{self._path} cannot be read: {error}") from None
        day = datetime.date.fromisoformat
        rows = [FieldUsage(client, version, operations, day(last)) for client, version, operations, last in found]
        return day(since[0]) if since else None, rows

    def entries(
        self, since: datetime.datetime | None = None, limit: int | None = None, request: str | None = None
    ) -> list[Entry]:
        """Return the newest `limit` entries since an aware time, the oldest of them first. Raises JournalUnreadable.

        With `request`, only those of the request with this id, or the one with this correlation id.
        """
        self.flush()
        if not self._path.exists():
            return []
        start = since.astimezone(datetime.UTC).isoformat(timespec="microseconds") if since is not None else ""
        try:
            with self._connection() as connection:
                found = connection.execute(
                    f"SELECT {_COLUMNS} FROM error WHERE at >= ? AND (? IS NULL OR ? IN (request, correlation_id)) "
                    "ORDER BY id DESC LIMIT ?",
                    (start, request, request, -1 if limit is None else limit),
                ).fetchall()
        except sqlite3.Error as error:
            raise JournalUnreadable(
                f"{self._path} cannot be read: {error}; make room on its disk if it is full"
            ) from None
        return [_entry(*row) for row in reversed(found)]

    def export(self, path: Path | str, since: datetime.datetime | None = None, request: str | None = None) -> int:
        """Write the entries to a file, one JSON object a line, to be sent to the vendor; returns their number.

        Without the names of callers, which are no business of the vendor.
        """
        found = [replace(entry, caller="") for entry in self.entries(since, request=request)]
        part = Path(f"{path}.part")
        part.write_text("".join(entry.line() + "\n" for entry in found), encoding="utf-8")
        os.replace(part, path)
        return len(found)

    def flush(self, timeout: float = 10.0) -> None:
        """Wait until what was recorded so far is written."""
        with self._lock:
            pending = set(self._pending)
        wait(pending, timeout)

    def close(self) -> None:
        """Write what is left, and end the thread."""
        self._writer.shutdown(wait=True)

    def _written(self, future: "Future[None]") -> None:
        with self._lock:
            self._pending.discard(future)

    def _write(self) -> None:
        """Write all errors that were recorded meanwhile. In a storm of errors these are many."""
        with self._lock:
            rows, self._rows = self._rows, []
        if not rows:
            return

        def insert(connection: sqlite3.Connection) -> None:
            connection.executemany(f"INSERT INTO error ({_COLUMNS}, size) VALUES ({_MARKS})", rows)
            self._drop_oldest(connection)

        self._change(insert, len(rows), correlation_id=rows[0][1])

    def _submit(self, write: Callable[[], None], **facts: object) -> bool:
        """Have the thread write. Return False, and log these facts, if the journal is closed."""
        try:
            future = self._writer.submit(write)
        except RuntimeError:
            _log.warning("journal.closed", **facts)
            return False
        with self._lock:
            self._pending.add(future)
        future.add_done_callback(self._written)
        return True

    def _count(self, day: str, counts: Mapping[tuple[str, str, str], int]) -> None:
        def add(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR IGNORE INTO note VALUES (?, ?)", (_COUNTING_SINCE, day))
            connection.executemany(_COUNT, [(*place, count, day) for place, count in counts.items()])
            connection.execute(_DROP_OLDEST_COUNTS, (_MOST_COUNTS,))

        self._change(add)

    def _note(self, name: str, text: str | None) -> None:
        def change(connection: sqlite3.Connection) -> None:
            if text is None:
                connection.execute("DELETE FROM note WHERE name = ?", (name,))
            else:
                connection.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, text))

        self._change(change)

    def _change(self, change: Callable[[sqlite3.Connection], object], count: int = 1, **facts: object) -> None:
        """Write a change, or several. A failure is logged once, until writing works again."""
        for last in (*[False] * (_TRIES - 1), True):
            try:
                self._make_private()
                with self._connection() as connection, connection:
                    change(connection)
                if self._lost:
                    _log.info("journal.writable", path=str(self._path), lost=self._lost)
                    self._lost = 0
                return
            except (sqlite3.Error, OSError) as error:
                # While WAL is set, a second process that opens a new file finds it locked, whatever the time-out.
                if last or not (isinstance(error, sqlite3.OperationalError) and "locked" in str(error)):
                    if not self._lost:
                        _log.warning("journal.unwritable", path=str(self._path), reason=str(error), **facts)
                    self._lost += count
                    self.dropped += count
                    return
            time.sleep(_PAUSE)

    def _complain(self, error: sqlite3.Error) -> None:
        """Log that the journal cannot be read, once until it can be read again."""
        if not self._unreadable:
            _log.warning("journal.unreadable", path=str(self._path), reason=str(error))
        self._unreadable = True

    def _make_private(self) -> None:
        """Make the file, or close the one that is there, and those that SQLite has beside it, to others."""
        private.make_file(self._path)
        for ending in ("-wal", "-shm"):
            private.close(self._path.with_name(self._path.name + ending))

    def _drop_oldest(self, connection: sqlite3.Connection) -> None:
        count, size = connection.execute("SELECT count(*), coalesce(sum(size), 0) FROM error").fetchone()
        while count > 1 and (count > self._max_entries or size > self._max_bytes):
            oldest, freed = connection.execute("SELECT id, size FROM error ORDER BY id LIMIT 1").fetchone()
            connection.execute("DELETE FROM error WHERE id = ?", (oldest,))
            count, size = count - 1, size - freed

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        # Opened for each use: failures are rare, several processes may share the file, and somebody may remove it.
        with closing(sqlite3.connect(self._path, timeout=5.0)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_SCHEMA)
            there = {name for _, name, *_ in connection.execute("PRAGMA table_info(error)")}
            for column in _ADDED:
                if column not in there:
                    with suppress(sqlite3.OperationalError):  # another process has added it
                        connection.execute(f"ALTER TABLE error ADD COLUMN {column} TEXT NOT NULL DEFAULT ''")
            yield connection
