"""The world's database: one SQLite file in WAL mode, made day by day, shared by any number of processes.

Each day is one transaction that starts with the write lock, so a second process finds the day already made. If a
process dies in the middle, the whole days remain, and the next process continues from there.
"""

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from datetime import date
from pathlib import Path
from typing import Any

from sandbox.bingo import bingo
from sandbox.money import local_money
from sandbox.people import CURRENCIES
from sandbox.slots import slots, transaction_id
from sandbox.world import World

# Money is in cents of the base currency, times are unix seconds. The strips of a game and its wins have consecutive
# ids.
SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE day (day TEXT PRIMARY KEY, rows INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE "group" (id INTEGER PRIMARY KEY, external_id INTEGER, name TEXT, type TEXT, parent INTEGER, currency TEXT,
    rate INTEGER, cashier INTEGER);
CREATE TABLE user (id INTEGER PRIMARY KEY, external_id INTEGER, username TEXT, group_id INTEGER);
CREATE UNIQUE INDEX user_username ON user (username);
CREATE TABLE jackpot (id INTEGER PRIMARY KEY, name TEXT, percent INTEGER, seed_percent INTEGER, base INTEGER,
    maximum INTEGER, seed_maximum INTEGER);
CREATE TABLE room (id INTEGER PRIMARY KEY, name TEXT, variant TEXT, balls INTEGER, delay INTEGER,
    jackpot_id INTEGER);
CREATE TABLE configuration (id INTEGER PRIMARY KEY, name TEXT, key INTEGER, price INTEGER, build_method TEXT,
    prize_mode TEXT, jackpot_percent INTEGER, continuous_name TEXT, continuous_games INTEGER);

CREATE TABLE game (id INTEGER PRIMARY KEY, room_id INTEGER, configuration_id INTEGER, starts_at INTEGER,
    ends_at INTEGER, outcome INTEGER, calls INTEGER, first_ticket INTEGER, tickets INTEGER, first_win INTEGER,
    wins INTEGER, cards INTEGER, players INTEGER, wagered INTEGER, to_prizes INTEGER, to_jackpot INTEGER, paid INTEGER,
    refunded_tickets INTEGER, refunded INTEGER, winnable INTEGER, prizes_json BLOB, winners_json BLOB);
CREATE INDEX game_starts_at ON game (starts_at);
CREATE TABLE ticket (id INTEGER PRIMARY KEY, game_id INTEGER, user_id INTEGER, group_id INTEGER, cards INTEGER,
    paper INTEGER, bought_at INTEGER, refunded_at INTEGER);
CREATE TABLE win (id INTEGER PRIMARY KEY, game_id INTEGER, ticket_id INTEGER, card INTEGER, prize INTEGER,
    amount INTEGER, call INTEGER, ordinal INTEGER, user_id INTEGER, group_id INTEGER, paper INTEGER, won_at INTEGER,
    paid_at INTEGER);
CREATE TABLE movement (id INTEGER PRIMARY KEY, ts INTEGER, kind INTEGER, cents INTEGER, user_id INTEGER,
    group_id INTEGER, game_id INTEGER, ticket_id INTEGER, paper INTEGER);
CREATE INDEX movement_group ON movement (group_id);
CREATE INDEX movement_user ON movement (user_id);
CREATE TABLE jackpot_value (jackpot_id INTEGER, ts INTEGER, value INTEGER, seed INTEGER,
    PRIMARY KEY (jackpot_id, ts)) WITHOUT ROWID;
CREATE TABLE daily (group_id INTEGER, day TEXT, wagers INTEGER, refunds INTEGER, paid INTEGER, won INTEGER,
    tickets INTEGER, PRIMARY KEY (group_id, day)) WITHOUT ROWID;
CREATE TABLE spin (id INTEGER PRIMARY KEY, ts INTEGER, user_id INTEGER, game INTEGER, free INTEGER, bet INTEGER,
    win INTEGER, user_start INTEGER, agent_start INTEGER);
CREATE INDEX spin_user ON spin (user_id);
"""
# The tables whose ids contain the day.
BY_ID = ("ticket", "win", "movement", "spin")

LOCK_SECONDS = 600
MODE_SECONDS = 30
# The progress that is reported: rows written so far, days done, days to do.
Progress = Callable[[int, int, int], None]
# The modules that decide the content of a world. Their text is the format of its file.
MAKERS = (
    *("bingo", "cards", "chance", "clock", "draw", "money", "movement", "people", "play", "rooms", "slots", "store"),
    *("win", "world"),
)


class WorldFileError(Exception):
    """The file cannot be used as a world's database. The text says why."""


class SandboxStore:
    """The database of one world. `connection` reads and writes; use it in one thread at a time."""

    def __init__(self, path: Path, world: World) -> None:
        """Open or create the file. Raise WorldFileError if that fails."""
        self.world = world
        self.latest: date | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.connection = sqlite3.connect(
                path, isolation_level=None, timeout=LOCK_SECONDS, check_same_thread=False, cached_statements=512
            )
            # Data that is lost when the machine dies can be made again.
            self._write_ahead()
            for pragma in ("synchronous=OFF", "cache_size=-65536", "temp_store=MEMORY"):
                self.connection.execute(f"PRAGMA {pragma}")
        except (OSError, sqlite3.Error) as error:
            raise WorldFileError(f"{path} cannot be used as a database: {error}") from error
        self.connection.create_function("local_money", 2, local_money, deterministic=True)
        self.connection.create_function("local_time", 1, world.clock.local, deterministic=True)
        self.connection.create_function("transaction_id", 1, transaction_id, deterministic=True)

    def _write_ahead(self) -> None:
        # While one process sets this mode, other processes that open a new file find it locked, whatever their time-out
        # is.
        until = time.monotonic() + MODE_SECONDS
        while True:
            try:
                self.connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
            time.sleep(0.01)

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def query(self, sql: str, parameters: Mapping[str, object] | Sequence[object] = ()) -> list[dict[str, Any]]:
        """Return all rows of a query, each as a dict by column name, in the order of the columns."""
        cursor = self.connection.execute(sql, parameters)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def prepare(self) -> str | None:
        """Create the tables if the file has none for this world. Return why an existing world had to be replaced."""
        wanted = {
            "seed": str(self.world.seed),
            "users": str(self.world.users),
            "rooms": str(self.world.room_count),
            "timezone": str(self.world.clock.timezone),
            "format": world_format(),
        }
        with self._transaction():
            tables = [row[0] for row in self.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            if tables and "meta" not in tables:
                raise WorldFileError("the file is a database, but not a sandbox's: it is left alone")
            found = dict(self.connection.execute("SELECT name, value FROM meta")) if tables else {}
            if found == wanted:
                return None
            for table in tables:
                self.connection.execute(f'DROP TABLE "{table}"')
            for statement in SCHEMA.split(";\n")[:-1]:
                self.connection.execute(statement)
            self._insert("meta", wanted.items())
            self._write_people()
        changed = [name for name in wanted if found and found.get(name) != wanted[name]]
        return f"it had another {', another '.join(changed)}" if changed else None

    def reach(self, progress: Progress | None = None) -> None:
        """Make the days that are needed today and missing. This is cheap if none is missing."""
        today = self.world.clock.today()
        if self.latest == today:
            return
        made = {row[0] for row in self.connection.execute("SELECT day FROM day")}
        missing = [day for day in self.world.wanted_days(today) if day.isoformat() not in made]
        written = 0
        for done, day in enumerate(missing, 1):
            written += self._make(day)
            if progress:
                progress(written, done, len(missing))
        self.latest = today

    def trim(self) -> None:
        """Delete the days that are older than the history."""
        first = self.world.first_day(self.world.clock.today())
        with self._transaction():
            gone = self.connection.execute("DELETE FROM day WHERE day < ?", (first.isoformat(),)).rowcount
            if not gone:
                return
            for table in BY_ID:
                self.connection.execute(f"DELETE FROM {table} WHERE id < ?", (self.world.first_id(first),))
            self.connection.execute("DELETE FROM game WHERE id < ?", (self.world.first_game(first),))
            self.connection.execute("DELETE FROM daily WHERE day < ?", (first.isoformat(),))
            self.connection.execute("DELETE FROM jackpot_value WHERE ts < ?", (self.world.clock.midnight(first),))

    def _make(self, day: date) -> int:
        """Write a day, unless another process has written it. Return the number of rows."""
        with self._transaction():
            if self.connection.execute("SELECT 1 FROM day WHERE day = ?", (day.isoformat(),)).fetchone():
                return 0
            rows = {**bingo(self.world, day), **slots(self.world, day)}
            counts = {table: self._insert(table, lines) for table, lines in rows.items()}
            if max(counts[table] for table in BY_ID) > self.world.stride or counts["game"] > self.world.game_stride:
                raise WorldFileError(f"{day} has more rows than ids were set aside for")
            written = sum(counts.values())
            self._insert("day", [(day.isoformat(), written)])
        return written

    def _write_people(self) -> None:
        world = self.world
        self._insert(
            "group",
            (
                (
                    *(each.id, each.external_id, each.name, each.type, each.parent),
                    *(each.currency, CURRENCIES[each.currency], each.cashier),
                )
                for each in world.groups
            ),
        )
        self._insert("user", ((each.id, each.external_id, each.username, each.group) for each in world.players))
        self._insert(
            "room",
            (
                (each.id, each.name, each.variant, each.balls, each.delay, each.jackpot.id if each.jackpot else None)
                for each in world.rooms
            ),
        )
        self._insert("configuration", (astuple(each) for room in world.rooms for each in room.configurations))
        # The jackpot's last field, the call until which it can be won, is stored with every game.
        self._insert("jackpot", (astuple(room.jackpot)[:-1] for room in world.rooms if room.jackpot))

    def _insert(self, table: str, rows: Iterable[Sequence[object]]) -> int:
        width = len(self.connection.execute(f'SELECT * FROM "{table}" LIMIT 0').description)
        marks = ", ".join("?" * width)
        return self.connection.executemany(f'INSERT INTO "{table}" VALUES ({marks})', rows).rowcount

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")


def world_format() -> str:
    """Return the version of a file's content.

    It changes with the code that makes it, so no stale world is ever served.
    """
    texts = (Path(__file__).with_name(f"{name}.py").read_bytes() for name in MAKERS)
    return hashlib.sha256(b"".join(texts)).hexdigest()[:12]
