"""Thirty nights of exports, with late rows, corrections, an outage, a killed run, two runs at once and wrong settings.

After each night, every day in the folder has exactly the rows of the sandbox's database, to the cent, or is listed as
open or failed. So have the tables of the dlt source, which takes longer and does not run in nights in which nothing new
happens: it catches up. The clock stands still during a night.
"""

import asyncio
import datetime
import hashlib
import io
import signal
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pyarrow.parquet as pq
import pytest

from sandbox.app import Sandbox, app
from sandbox.clock import Clock
from sandbox.faults import ScriptedFault
from sandbox.store import SandboxStore
from sandbox.tokens import AGENT, AGENT_TOKEN, TOKEN
from sandbox.world import World
from server.app import create_app
from server.export.day import DayRecord, DayStatus
from server.export.due import DueOptions
from server.export.entities import EntityChoice, EntityVariable
from server.export.job import ExportJob, ExportOptions, ExportSource, source_of
from server.export.ledger import WrongExport
from server.export.run import RunResult
from server.export.writer import form_of
from server.services import GraphServices, build, build_server
from server.settings.live import LiveSettings
from server.settings.reading import load
from server.tables.table import Table, Tables, table_of
from server.tables.window import window_of
from tests.dlt_example import imported, let_days_end, pipeline_into
from tests.server.serving import serving

UTC = ZoneInfo("UTC")
FIRST = datetime.date(2026, 3, 1)
DAY = datetime.timedelta(days=1)
NIGHTS = 30
GROUPS = ("382", "383")
LOOKBACK = 2
GRACE = datetime.timedelta(hours=6)
# The oldest day that changes is seven days old.
DLT_LOOKBACK = 7
# The first nights, those in which rows change or the sandbox fails, the nights after, and one after a long pause.
DLT_NIGHTS = {1, 2, 6, 9, 11, 13, 15, 16, 21, 22, 30}
# The tables, their id and their amounts.
COLUMNS = {"GroupTransactions": ["id", "amount"], "GameLogs": ["id", "bet", "win"]}
TABLE_NAMES = {"GroupTransactions": "group_transactions", "GameLogs": "game_logs"}


class Business:
    """The sandbox in this process, with a clock that the test turns and a database that it changes."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock(UTC, 0)
        self.turn(FIRST)
        self.file = folder / "world.sqlite"
        # The history is long enough for all nights.
        self.store = SandboxStore(self.file, World(7, 12, 1, 3, self.clock))
        self.store.prepare()
        object.__setattr__(self.store.world, "days", NIGHTS + 5)
        self._make_only_new_days()
        self.sandbox = Sandbox(self.store, UTC)
        self.books = sqlite3.connect(self.file, isolation_level=None)

    def _make_only_new_days(self) -> None:
        """Leave out the history before the first night: no night asks for it."""
        with self.store._transaction():
            for day in self.store.world.wanted_days(FIRST):
                if day < FIRST - 2 * DAY:
                    self.store._insert("day", [(day.isoformat(), 0)])

    def turn(self, day: datetime.date, hour: int = 2) -> None:
        """Set the clock."""
        moment = datetime.datetime.combine(day, datetime.time(hour), UTC)
        object.__setattr__(self.clock, "frozen", int(moment.timestamp()))

    @property
    def now(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self.clock.now(), UTC)

    def movements(self, group: str, day: datetime.date) -> dict[str, int]:
        """The movements of a group on a day, in cents without a sign, by id."""
        start, end = self.clock.bounds(day)
        found = self.books.execute(
            "SELECT id, cents FROM movement WHERE group_id = ? AND ts >= ? AND ts < ?", (int(group), start, end)
        )
        return {str(id): cents for id, cents in found}

    def spins(self, day: datetime.date) -> dict[str, tuple[int, int]]:
        """The bets and wins of a day, in cents, by id."""
        start, end = self.clock.bounds(day)
        found = self.books.execute("SELECT id, bet, win FROM spin WHERE ts >= ? AND ts < ?", (start, end))
        return {str(id): (bet, win) for id, bet, win in found}

    def truth(self, table: str, entity: str, day: datetime.date) -> Mapping[str, Any]:
        """The figures of a day of a table, in cents, by id."""
        if table == "GameLogs":
            return self.spins(day)
        return self.movements(entity.removeprefix("group="), day)

    def book_late(self, group: str, day: datetime.date) -> None:
        """Book another wager on a day that is over, and another spin."""
        id, ts = self._last("movement", day, f"group_id = {group} AND kind = 1")
        self.books.execute(
            "INSERT INTO movement SELECT ?, ts, kind, 1234, user_id, group_id, game_id, ticket_id, paper FROM movement "
            "WHERE id = ?", (self._last("movement", day)[0] + 1, id),
        )  # fmt: skip
        self._book_total(group, day, 1234)
        last, _ = self._last("spin", day)
        self.books.execute(
            "INSERT INTO spin SELECT ?, ts, user_id, game, free, 77, 0, user_start, agent_start FROM spin WHERE id = ?",
            (last + 1, last),
        )
        assert ts

    def correct(self, group: str, day: datetime.date) -> None:
        """Correct the amount of a wager of a day that is over."""
        id, _ = self._last("movement", day, f"group_id = {group} AND kind = 1")
        self.books.execute("UPDATE movement SET cents = cents + 5 WHERE id = ?", (id,))
        self._book_total(group, day, 5)

    def exchange(self, group: str, day: datetime.date) -> None:
        """Move a cent from one wager to another, so that all totals stay as they are."""
        ids = self.books.execute(
            "SELECT id FROM movement WHERE group_id = ? AND kind = 1 AND ts >= ? AND ts < ? LIMIT 2",
            (int(group), *self.clock.bounds(day)),
        ).fetchall()
        for (id,), cents in zip(ids, (1, -1), strict=True):
            self.books.execute("UPDATE movement SET cents = cents + ? WHERE id = ?", (cents, id))

    def _last(self, table: str, day: datetime.date, where: str = "1") -> tuple[int, int]:
        found = self.books.execute(
            f"SELECT id, ts FROM {table} WHERE ts >= ? AND ts < ? AND {where} ORDER BY id DESC LIMIT 1",
            self.clock.bounds(day),
        ).fetchone()
        assert found is not None
        return tuple(found)

    def _book_total(self, group: str, day: datetime.date, cents: int) -> None:
        changed = self.books.execute(
            "UPDATE daily SET wagers = wagers + ? WHERE group_id = ? AND day = ?", (cents, int(group), day.isoformat())
        )
        assert changed.rowcount == 1


class LoadedTables:
    """The tables that the dlt source fills each night from a server of the same graph.

    dlt does not see fingerprints, so it reads the last days again that may have changed.
    """

    def __init__(self, address: str, business: Business, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.address = address
        self.business = business
        self.package = imported(monkeypatch)
        import dlt

        destination = dlt.destinations.duckdb(str(folder / "loaded.duckdb"))
        self.pipeline = pipeline_into(destination, folder, "nights")
        let_days_end(monkeypatch, self.package, lambda: business.now)

    def load(self) -> dict[tuple[str, str, str], str]:
        """Load a night. Return the days that could not be loaded, with the reasons."""
        source = self.package.gamehub_graph(
            self.address, (FIRST - DAY).isoformat(), {"group": GROUPS}, [*COLUMNS], lookback_days=DLT_LOOKBACK
        )
        try:
            self.package.load(self.pipeline, source)
        except self.package.LoadIncomplete as incomplete:
            failed: dict[tuple[str, str, str], str] = incomplete.failed
            return failed
        return {}

    def compare(self, failed: Mapping[tuple[str, str, str], str]) -> int:
        """Compare every closed day that did not fail with the database. Return how many there were."""
        with self.pipeline.sql_client() as client:
            parts = client.execute_sql("SELECT table_name, part, row_count FROM loaded_days WHERE closed")
            assert parts is not None
            rows = {
                name: client.execute_sql(
                    f"SELECT loaded_entity, loaded_for, {', '.join(columns)} FROM {TABLE_NAMES[name]}"
                )
                for name, columns in COLUMNS.items()
            }
        found: dict[tuple[str, str, str], dict[str, Any]] = {}
        for name, each in rows.items():
            for entity, day, *values in each or ():
                found.setdefault((name, entity, day.isoformat()), {})[values[0]] = in_cents(name, values[1:])
        compared = 0
        for name, part, count in parts:
            *entities, last = part.split("/")[1:]
            entity, day = "".join(entities), last.removeprefix("day=")
            if (name, entity, day) in failed:
                continue
            got = found.get((name, entity, day), {})
            assert len(got) == count
            assert got == self.business.truth(name, entity, datetime.date.fromisoformat(day)), part
            compared += 1
        return compared


@dataclass
class Warehouse:
    """The folder, the services that fill it, and the tables that dlt fills."""

    out: Path
    business: Business
    services: GraphServices
    source: ExportSource
    tables: LoadedTables | None = None
    # The figures of each file, by table and hash: most files are the same after a night.
    known: dict[tuple[str, bytes], dict[str, Any]] = field(default_factory=dict)

    def job(self, name: str, source: ExportSource | None = None, table: Table | None = None) -> ExportJob:
        """The nightly command: yesterday, with two days again."""
        services, now = self.services, self.business.now
        table = table or Tables(services.saved, services.executor.schema)[name]
        options = ExportOptions(
            out=str(self.out),
            form=form_of("parquet"),
            window=window_of(table, {"period": "yesterday"}, now, UTC),
            each=EntityChoice(EntityVariable.GROUP, GROUPS) if name == "GroupTransactions" else None,
            days=DueOptions(lookback=LOOKBACK if name == "GroupTransactions" else 0),
            at_once=4,
        )
        return ExportJob(source or self.source, table, options)

    async def run(self, name: str, **more: Any) -> RunResult:
        job = self.job(name, **more)
        job.open()
        return await job.run(await job.plan())

    def records(self, name: str) -> list[DayRecord]:
        paths = sorted((self.out / "_ledger" / name / "days").rglob("*.json"))
        return [msgspec.json.decode(path.read_bytes(), type=DayRecord) for path in paths]

    def compare(self) -> int:
        """Compare every closed day with the database. Return how many there were."""
        closed = 0
        for name, columns in COLUMNS.items():
            for record in self.records(name):
                if record.closed:
                    rows = self._rows(name, record, columns)
                    assert rows == self.business.truth(name, record.entity, _date(record)), record
                    closed += 1
        self._every_day_is_accounted_for()
        return closed

    def _rows(self, name: str, record: DayRecord, columns: list[str]) -> dict[str, Any]:
        """Return the figures of a file, in cents, by id."""
        content = (self.out / name / record.path).read_bytes()
        key = (name, hashlib.sha256(content).digest())
        if key not in self.known:
            read = pq.read_table(io.BytesIO(content), columns=columns)
            rows = zip(*(read[column].to_pylist() for column in columns), strict=True)
            self.known[key] = {id: in_cents(name, values) for id, *values in rows}
            assert read.num_rows == len(self.known[key])
        assert len(self.known[key]) == record.rows
        return self.known[key]

    def _every_day_is_accounted_for(self) -> None:
        last = self.business.now.date() - DAY
        wanted = {(FIRST - DAY + number * DAY).isoformat() for number in range((last - FIRST).days + 2)}
        for name, entities in (("GroupTransactions", GROUPS), ("GameLogs", ("",))):
            records = self.records(name)
            for entity in entities:
                days = {record.day for record in records if record.entity.removeprefix("group=") == entity}
                assert days == wanted
        folders = {path.name for path in self.out.iterdir()}
        assert folders == {"GroupTransactions", "GameLogs", "_ledger"}
        assert not [path for path in self.out.rglob("_*") if path.is_file()]


def in_cents(table: str, amounts: Sequence[Decimal]) -> Any:
    """Return amounts in cents: of a movement without its sign, of a log the bet and the win."""
    cents = [int(amount * 100) for amount in amounts]
    return tuple(cents) if table == "GameLogs" else abs(cents[0])


def _date(record: DayRecord) -> datetime.date:
    return datetime.date.fromisoformat(record.day)


@contextmanager
def opened(business: Business, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveSettings]:
    """The settings of a graph over the business."""
    with serving(app(business.sandbox)) as address:
        for name, value in environment(address, folder).items():
            monkeypatch.setenv(name, value)
        yield LiveSettings(load(folder / "no.env"), env_file=None)


def environment(address: str, folder: Path) -> dict[str, str]:
    return {
        "GAMEHUB_URL": f"{address}/api/v1/",
        "GAMEHUB_TOKEN": TOKEN,
        "GAMELOG_URL": f"{address}/gamelog",
        "GAMELOG_AGENT_CODE": AGENT,
        "GAMELOG_AGENT_TOKEN": AGENT_TOKEN,
        "ERROR_JOURNAL": str(folder / "errors.sqlite"),
        "BREAKER_FAILURES": "0",  # the next night begins at once
    }


@pytest.mark.filterwarnings("ignore")  # what dlt and its libraries warn about is theirs
@pytest.mark.long
async def test_thirty_nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    business = Business(tmp_path)
    with opened(business, tmp_path, monkeypatch) as live:
        services = build(live, keep_days=False)
        source = replace(source_of(services, live), now=lambda: business.now)
        # The server finds changes at the time of the real clock, which is after every night. So its journal is its own.
        monkeypatch.setenv("ERROR_JOURNAL", str(tmp_path / "server.sqlite"))
        server = create_app(build_server(LiveSettings(load(tmp_path / "no.env"), env_file=None), closed=False))
        async with services.lifespan():
            with serving(server) as address:
                tables = LoadedTables(address, business, tmp_path, monkeypatch)
                warehouse = Warehouse(tmp_path / "lake", business, services, source, tables)
                for night in range(1, NIGHTS + 1):
                    await one_night(night, warehouse)


async def one_night(night: int, warehouse: Warehouse) -> None:
    """Let the events of a night happen, and check the folder after it."""
    business, today = warehouse.business, FIRST + (night - 1) * DAY
    business.turn(today)
    business.store.reach()
    assert warehouse.source.prints is not None
    warehouse.source.prints.forget()
    expected = {"GroupTransactions": 0, "GameLogs": 0}
    match night:
        case 6 | 13 | 21:
            business.book_late(GROUPS[night % 2], today - 5 * DAY)
        case 9:
            business.correct(GROUPS[0], today - 7 * DAY)
        case 11:
            business.exchange(GROUPS[1], today - 3 * DAY)  # only the lookback finds it
        case 15:
            business.sandbox.faults.add(ScriptedFault("500"))
            expected = {"GroupTransactions": 2 * (2 + LOOKBACK), "GameLogs": 2}
        case 18:
            await killed_run(warehouse)
    for name, failures in expected.items():
        if night == 20:
            jobs = [warehouse.job(name), warehouse.job(name)]
            plans = [await job.plan() for job in jobs]
            results = await asyncio.gather(*(job.run(plan) for job, plan in zip(jobs, plans, strict=True)))
            assert not results[0].written.keys() & results[1].written.keys()
            assert {*results[0].written, *results[1].written} == {*plans[0].due}
        else:
            results = [await warehouse.run(name)]
        assert [len(result.failed) for result in results] == [failures] * len(results)
        if night == 23:
            with pytest.raises(WrongExport, match="BUSINESS_TIMEZONE is Europe/Madrid, not UTC"):
                await warehouse.run(name, source=replace(warehouse.source, zone=ZoneInfo("Europe/Madrid")))
        if night == 25:
            with pytest.raises(WrongExport, match=r"that differs: column another is new\. Choose"):
                await warehouse.run(name, table=with_another_column(warehouse.services, name))
    closed_in_dlt = None
    if night in DLT_NIGHTS:
        assert warehouse.tables is not None
        failed_in_dlt = warehouse.tables.load()
        assert bool(failed_in_dlt) == (night == 15)
        closed_in_dlt = warehouse.tables.compare(failed_in_dlt)
    business.sandbox.faults.heal()
    closed = warehouse.compare()
    if night == 15:
        failed = [record for record in warehouse.records("GameLogs") if record.status is DayStatus.FAILED]
        assert [record.day for record in failed] == [(today - 2 * DAY).isoformat(), (today - DAY).isoformat()]
    else:
        # All but yesterday, which was not over long enough.
        assert closed == 3 * (night - 1)
        assert closed_in_dlt in (closed, None)
    if night == NIGHTS:
        for name in expected:
            found = await warehouse.job(name).verify(None)
            assert found.problems == []
            assert found.files == found.compared + len(expected) - (name == "GameLogs")


def with_another_column(services: GraphServices, name: str) -> Table:
    """The same table, with a column that somebody has added to its query."""
    saved = next(one for one in services.saved if one.name == name)
    table = table_of(
        replace(saved, text=saved.text.replace("nodes @rows {", "nodes @rows { another: id")), services.executor.schema
    )
    assert table is not None
    return table


async def killed_run(warehouse: Warehouse) -> None:
    """Run the command as a process that is killed when it has written a day and begun another one."""
    business = warehouse.business
    business.sandbox.latency = 0.3
    words = [sys.executable, "-m", "tests.server.export.test_nights", str(warehouse.out), business.now.isoformat()]
    process = await asyncio.create_subprocess_exec(*words)
    claims = warehouse.out / "_ledger" / "GroupTransactions" / "claims"
    records = len(warehouse.records("GroupTransactions"))
    while len(warehouse.records("GroupTransactions")) == records or not list(claims.rglob("*.json")):
        assert process.returncode is None
        await asyncio.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    business.sandbox.latency = 0
    assert list(claims.rglob("*.json"))


def main(out: str, now: str) -> None:
    """Export in a process of its own."""
    live = LiveSettings(load(Path("no.env")), env_file=None)
    services = build(live, keep_days=False)
    moment = datetime.datetime.fromisoformat(now)
    business: Any = type("Now", (), {"now": moment})()
    source = replace(source_of(services, live), now=lambda: moment)

    async def run() -> None:
        async with services.lifespan():
            await Warehouse(Path(out), business, services, source).run("GroupTransactions")

    asyncio.run(run())


if __name__ == "__main__":
    main(*sys.argv[1:])
