"""The dlt source loads nights of changing days into DuckDB and PostgreSQL, and comes to the figures of the sandbox."""

import datetime
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr

from server.app import create_app
from server.services import build_server
from server.settings.live import LiveSettings
from server.settings.settings import Settings
from tests.dlt_example import imported, let_days_end, pipeline_into
from tests.postgres_server import postgres
from tests.server.serving import serving
from tests.stand import Sandbox

R5 = "api_retail_movements"
# What dlt and its libraries warn about is theirs.
pytestmark = pytest.mark.filterwarnings("ignore")


@dataclass
class Night:
    """A world that the test changes, and a graph over it. `now` is the moment that the graph is made to say."""

    address: str
    sandbox: Sandbox
    database: Path
    now: datetime.datetime = datetime.datetime(2026, 3, 15, 12, tzinfo=datetime.UTC)

    def change(self, statement: str, **values: Any) -> None:
        """Change rows of the world."""
        with closing(sqlite3.connect(self.database)) as world, world:
            assert world.execute(statement, values).rowcount > 0

    def figures(self, days: dict[int, list[str]]) -> dict[tuple[str, str], tuple[int, Decimal]]:
        """Return the number and the sum of the movements of these days of groups, by group and day."""
        found = {}
        with closing(sqlite3.connect(self.database)) as world:
            for group, dates in days.items():
                for day in dates:
                    statement = "SELECT count(*), sum(CASE kind WHEN 1 THEN -cents ELSE cents END) FROM movement"
                    span = f"strftime('%s', '{day}') + 0 AND strftime('%s', '{day}', '+1 day') - 1"
                    (row,) = world.execute(f"{statement} WHERE group_id = {group} AND ts BETWEEN {span}")
                    if row[0]:
                        found[f"group={group}", day] = (row[0], Decimal(row[1]) / 100)
        return found

    def wagers(self, days: dict[int, list[str]]) -> dict[str, Decimal]:
        """Return the wagers of these days of groups, by group."""
        with closing(sqlite3.connect(self.database)) as world:
            return {
                f"group={group}": Decimal(
                    world.execute(
                        f"SELECT sum(wagers) FROM daily WHERE group_id = {group} AND day BETWEEN ? AND ?",
                        (dates[0], dates[-1]),
                    ).fetchone()[0]
                )
                / 100
                for group, dates in days.items()
            }


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    """A small world and a graph over it."""
    database = tmp_path / "world.sqlite"
    with Sandbox(users=12, days=8, rooms=1, database=database) as sandbox:
        settings = Settings(
            gamehub_url=sandbox.gamehub_url,
            gamehub_token=SecretStr(sandbox.gamehub_token),
            error_journal=tmp_path / "errors.sqlite",
        )
        with serving(create_app(build_server(LiveSettings(settings, env_file=None), closed=False))) as address:
            yield Night(address, sandbox, database)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres() as address:
        yield address


@pytest.fixture(params=["duckdb", "postgres"])
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    import dlt

    if request.param == "duckdb":
        return dlt.destinations.duckdb(str(tmp_path / "loaded.duckdb"))
    return dlt.destinations.postgres(request.getfixturevalue("database"))


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Any:
    return imported(monkeypatch)


class Warehouse:
    """A pipeline into one destination, and what is in it."""

    def __init__(self, package: Any, night: Night, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.package = package
        self.night = night
        self.read: list[str] = []

    def load(self, now: str, groups: tuple[int, ...], since: str = "2026-03-10", **options: Any) -> list[str]:
        """Load as of a moment. Return the days whose movements were requested, by group and day."""
        self.night.now = datetime.datetime.fromisoformat(now)
        tables = ["GroupTransactions", "DailyMovements"]
        entities = {"group": [str(group) for group in groups]}
        source = self.package.gamehub_graph(self.night.address, since, entities, tables, **options)
        self.night.sandbox.reset()
        try:
            self.package.load(self.pipeline, source)
        finally:
            self.read = sorted(
                f"{call['params']['group_id']} {call['params']['timestamp_range_from']}"
                for call in self.night.sandbox.calls()
                # Calls of other months look for the currency of a group.
                if call["report"] == R5 and call["params"]["timestamp_range_from"].startswith("2026-03")
            )
        return self.read

    def rows(self, statement: str) -> list[Any]:
        with self.pipeline.sql_client() as client:
            return list(client.execute_sql(statement))

    def figures(self) -> dict[tuple[str, str], tuple[int, Decimal]]:
        """Return the number and the sum of the loaded movements, by group and day."""
        statement = "SELECT loaded_entity, loaded_for, count(*), sum(amount) FROM group_transactions GROUP BY 1, 2"
        return {(entity, day.isoformat()): (count, total) for entity, day, count, total in self.rows(statement)}

    def audit(self) -> dict[str, tuple[int, bool]]:
        """Return the number of rows of each part of the movements, and whether its day was over."""
        statement = "SELECT part, row_count, closed FROM loaded_days WHERE table_name = 'GroupTransactions'"
        return {part.removeprefix("GroupTransactions/"): (rows, closed) for part, rows, closed in self.rows(statement)}


@pytest.fixture
def warehouse(
    package: Any, night: Night, destination: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Warehouse:
    """A warehouse for which the graph has the days of the night."""
    let_days_end(monkeypatch, package, lambda: night.now)
    return Warehouse(package, night, pipeline_into(destination, tmp_path, "nights"))


def span(day: str) -> dict[str, int]:
    """Return the seconds of a day."""
    start = datetime.datetime.fromisoformat(f"{day}T00:00:00+00:00")
    return {"start": int(start.timestamp()), "end": int(start.timestamp()) + 86399}


def test_nights(night: Night, warehouse: Warehouse) -> None:
    """Late rows, a second group, a day that becomes empty, a failure and its repair, a backfill, and a correction."""
    in_day = "group_id = :group AND ts BETWEEN :start AND :end"
    late = f"UPDATE movement SET group_id = :to WHERE {in_day} AND kind = 1"
    # These wagers are booked late.
    night.change(late, to=9_382, group=382, **span("2026-03-10"))

    assert warehouse.load("2026-03-11T02:00:00+00:00", (382,)) == ["382 2026-03-10", "382 2026-03-11"]
    days = {382: ["2026-03-10", "2026-03-11"]}
    assert warehouse.figures() == night.figures(days)
    assert [closed for _, closed in warehouse.audit().values()] == [False, False]

    # The second group starts at its first day, and the rows of the first group stay.
    night.change(late, to=382, group=9_382, **span("2026-03-10"))
    both = (382, 383)
    expected = [f"{group} 2026-03-{day}" for group in both for day in (10, 11, 12)]
    assert warehouse.load("2026-03-12T08:00:00+00:00", both) == expected
    days = {group: ["2026-03-10", "2026-03-11", "2026-03-12"] for group in both}
    assert warehouse.figures() == night.figures(days)
    assert warehouse.audit()["group=382/day=2026-03-11"][1] is True
    assert warehouse.audit()["group=383/day=2026-03-12"][1] is False

    # A day becomes empty, and one day cannot be read: the others are loaded, and the run ends with an error.
    night.change(f"DELETE FROM movement WHERE {in_day}", group=382, **span("2026-03-11"))
    night.sandbox.fault("400", R5, times=1)
    with pytest.raises(warehouse.package.LoadIncomplete) as incomplete:
        warehouse.load("2026-03-13T08:00:00+00:00", both, lookback_days=1)
    assert list(incomplete.value.failed) == [("GroupTransactions", "group=382", "2026-03-11")]
    assert "it could not be read anew: the server has rows of" in str(incomplete.value)
    assert warehouse.read[1:] == [
        "382 2026-03-12",
        "382 2026-03-13",
        "383 2026-03-11",
        "383 2026-03-12",
        "383 2026-03-13",
    ]
    days = {group: [*days[group], "2026-03-13"] for group in both}
    figures = warehouse.figures()
    assert figures.pop(("group=382", "2026-03-11"))[0] > 0  # its old rows
    assert figures == night.figures(days)

    # The next run reads it again, although it is older than the days that are read again anyway.
    assert "382 2026-03-11" in warehouse.load("2026-03-13T09:00:00+00:00", both, lookback_days=0)
    assert warehouse.figures() == night.figures(days)
    assert warehouse.audit()["group=382/day=2026-03-11"] == (0, True)

    # An earlier first day loads the days before, and the cursor stays.
    earlier = ["2026-03-08", "2026-03-09"]
    expected = [f"382 {day}" for day in (*earlier, "2026-03-13")]
    assert warehouse.load("2026-03-13T10:00:00+00:00", (382,), "2026-03-08", lookback_days=0) == expected
    assert warehouse.load("2026-03-13T11:00:00+00:00", (382,), "2026-03-08", lookback_days=0) == ["382 2026-03-13"]
    days[382] = [*earlier, *days[382]]
    assert warehouse.figures() == night.figures(days)

    # A run that reads an old day again loads its corrections.
    night.change(f"UPDATE movement SET cents = cents + 1 WHERE {in_day}", group=382, **span("2026-03-08"))
    expected = ["382 2026-03-08", "382 2026-03-13"]
    assert warehouse.load("2026-03-13T12:00:00+00:00", (382,), lookback_days=0, refresh=["2026-03-08"]) == expected
    assert warehouse.figures() == night.figures(days)

    assert warehouse.package.differences(warehouse.pipeline) == []
    statement = (
        "SELECT loaded_entity, sum(total_wagers) FROM daily_movements WHERE loaded_for > '2026-03-09' GROUP BY 1"
    )
    days[382] = days[382][2:]
    assert dict(warehouse.rows(statement)) == night.wagers(days)


class ScriptedServer:
    """A server with a table of days and one without, whose rows the test sets."""

    def __init__(self, package: Any) -> None:
        self.package = package
        self.rows: dict[str, pa.Table | Exception] = {}
        self.timezone = "UTC"

    def list(self) -> Any:
        day = datetime.date(2026, 3, 10)
        tables = [("Bets", ("group",), True), ("Shops", (), False)]
        found = {name: self.package.server.ServerTable(name, *rest) for name, *rest in tables}
        now = datetime.datetime(2026, 3, 11, tzinfo=datetime.UTC)
        return self.package.server.ServerList(found, "1.0", now, self.timezone, day, day)

    def read(self, table: Any, entity: dict[str, str], day: Any, not_before: Any) -> Any:
        rows = self.rows["/".join([table.name, *entity.values()])]
        if isinstance(rows, Exception):
            raise rows
        return self.package.server.DayRows(rows, datetime.datetime(2026, 3, 11, tzinfo=datetime.UTC))


def test_columns_entities_and_zones(
    package: Any, destination: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ScriptedServer(package)
    monkeypatch.setattr(package.source, "TableServer", lambda *_: server)
    pipeline = pipeline_into(destination, tmp_path, "columns")
    most = Decimal("9" * 28 + "." + "9" * 10)
    least = most.copy_negate()
    bets = pa.table({"amount": pa.array([most, least], pa.decimal128(38, 10)), "note": ["", None]})
    shops = pa.table({"id": ["1", "2"], "tags": [["a", "b"], []]})
    server.rows = {"Bets/1": bets, "Bets/2": bets, "Shops": shops}

    def load(*groups: str) -> dict[tuple[str, str, str], str]:
        """Load, and return what could not be loaded."""
        try:
            entities = {"group": groups or ("1", "2")}
            source = package.gamehub_graph("", "2026-03-10", entities, refresh=["2026-03-10"])
            package.load(pipeline, source)
        except package.LoadIncomplete as incomplete:
            failed: dict[tuple[str, str, str], str] = incomplete.failed
            return failed
        return {}

    def rows(statement: str) -> list[Any]:
        with pipeline.sql_client() as client:
            return [tuple(row) for row in client.execute_sql(statement)]

    assert load() == {}
    per_row = "SELECT loaded_entity, loaded_row, amount, note FROM bets ORDER BY 1, 2"
    assert rows(per_row) == [(f"group={group}", *row) for group in "12" for row in ((0, most, ""), (1, least, None))]
    hashes = rows("SELECT part, row_count, row_hash, closed, version FROM loaded_days ORDER BY 1")
    assert [(part, count, closed, version) for part, count, _, closed, version in hashes] == [
        ("Bets/group=1/day=2026-03-10", 2, True, "1.0"),
        ("Bets/group=2/day=2026-03-10", 2, True, "1.0"),
        ("Shops/all", 2, False, "1.0"),
    ]
    assert hashes[0][2] == hashes[1][2] != hashes[2][2]

    # A column more appears; a table without days is replaced; a group that does not exist stops nothing else.
    server.rows["Bets/2"] = bets.slice(0, 1).append_column("wheel", pa.array([7], pa.int64()))
    server.rows["Shops"] = shops.slice(0, 1)
    server.rows["Bets/1"] = package.server.TableRefused("NOT_FOUND: there is no group")
    assert load() == {("Bets", "group=1", "all"): "NOT_FOUND: there is no group"}
    assert load("2") == {}
    assert rows("SELECT loaded_entity, wheel FROM bets ORDER BY 1, 2") == [
        ("group=1", None), ("group=1", None), ("group=2", 7),
    ]  # fmt: skip
    assert rows("SELECT id FROM shops") == [("1",)]

    # A column with another type loads nothing of it, and is named. It is loaded when the type is right again.
    server.rows["Bets/1"] = bets.set_column(0, "amount", pa.array([1.5, 2.5]))
    wrong = "the column amount was decimal128(38, 10) and is double now: load into another table"
    assert load() == {("Bets", "group=1", "all"): wrong}
    server.rows["Bets/1"] = bets
    assert load() == {}
    assert rows("SELECT count(*), sum(amount) FROM bets") == [(3, most)]
    assert package.differences(pipeline) == []
    with pipeline.sql_client() as client:
        client.execute_sql("DELETE FROM bets WHERE loaded_entity = 'group=1' AND loaded_row = 0")
    assert package.differences(pipeline) == ["Bets, group=1, 2026-03-10: 1 rows, but 2 were read"]

    server.timezone = "Europe/Madrid"
    with pytest.raises(Exception, match="in the zone UTC, and the server's zone is Europe/Madrid now"):
        load()
