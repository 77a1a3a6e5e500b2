"""The tap writes Singer's messages: nights of changing days into a target of the Singer SDK, and the command itself."""

import asyncio
import datetime
import io
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from pydantic import SecretStr
from singer_sdk import Tap, Target
from singer_sdk.sinks import RecordSink
from singer_sdk.testing import SuiteConfig
from singer_sdk.testing.runners import TapTestRunner
from singer_sdk.testing.suites import tap_stream_attribute_tests, tap_stream_tests
from singer_sdk.testing.tap_tests import TapValidFinalStateTest

from schema import graph as schema
from server.cli.commands.tap import tap
from server.execution.saved import saved_queries
from server.services import build
from server.settings.live import LiveSettings
from server.settings.settings import NAMES, Settings
from server.singer.catalog import catalog_of, selected
from server.singer.config import TapConfig, WrongTap
from server.singer.tap import TapRun, streams_of
from server.tables.table import Tables
from tests.server.tables.conftest import settings
from tests.stand import Sandbox

COMMAND = Path(sys.executable).with_name("gamehub-graph")
R5 = "api_retail_movements"
TABLES = Tables(saved_queries(), schema.schema)
IN_DAY = "group_id = 382 AND ts BETWEEN strftime('%s', :day) + 0 AND strftime('%s', :day, '+1 day') - 1"

# These warnings come from the SDK and its libraries.
pytestmark = pytest.mark.filterwarnings("ignore")


class Warehouse(Target):
    """A target of the SDK, which checks the messages, and keeps the rows by their keys."""

    name = "warehouse"
    config_jsonschema = {"type": "object", "properties": {}}

    def __init__(self) -> None:
        super().__init__(config={}, parse_env_config=False)
        self.rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.states: list[dict[str, Any]] = []

    def get_sink_class(self, stream_name: str) -> Any:
        rows = self.rows

        class KeptRows(RecordSink):
            def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
                key = (self.stream_name, *(record[name] for name in self.key_properties))
                # The SDK leaves out _sdc_deleted_at, unless the target is to have such columns.
                if record["loaded_gone"]:
                    assert record["amount"] is None
                    del rows[key]
                else:
                    rows[key] = record

        return KeptRows

    def take(self, messages: bytes) -> None:
        """Process the messages of a run."""
        self.states += [one["value"] for one in map(json.loads, messages.splitlines()) if one["type"] == "STATE"]
        self.listen(io.StringIO(messages.decode()))

    @property
    def figures(self) -> dict[str, tuple[int, Decimal]]:
        """Return the number and the sum of the movements of each day."""
        found: dict[str, tuple[int, Decimal]] = {}
        for row in self.rows.values():
            day = row["loaded_for"].isoformat()
            count, total = found.get(day, (0, Decimal()))
            found[day] = count + 1, total + Decimal(row["amount"])
        return found


class World:
    """A world that the test changes, and the tap over it as of a moment."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.database = folder / "world.sqlite"
        self.failures: list[str] = []
        settings = Settings(
            gamehub_url=sandbox.gamehub_url,
            gamehub_token=SecretStr(sandbox.gamehub_token),
            error_journal=folder / "errors.sqlite",
        )
        self.services = build(LiveSettings(settings, env_file=None))

    def change(self, statement: str, day: str) -> None:
        """Change movements of a day, which must be there. The statement has its WHERE."""
        with closing(sqlite3.connect(self.database)) as world, world:
            assert world.execute(f"{statement} AND {IN_DAY}", {"day": day}).rowcount > 0

    def figures(self, *days: str) -> dict[str, tuple[int, Decimal]]:
        statement = f"SELECT count(*), sum(CASE kind WHEN 1 THEN -cents ELSE cents END) FROM movement WHERE {IN_DAY}"
        with closing(sqlite3.connect(self.database)) as world:
            rows = {day: world.execute(statement, {"day": day}).fetchone() for day in days}
        return {day: (count, Decimal(cents) / 100) for day, (count, cents) in rows.items() if count}

    async def run(self, now: str, state: dict[str, Any], **config: Any) -> bytes:
        """Return the messages of a run as of a moment."""
        content = {"start_date": "2026-03-10", "group": ["382"], "tables": ["GroupTransactions"], **config}
        chosen = TapConfig.read(content)
        written = io.BytesIO()
        async with self.services.lifespan():
            clock = replace(self.services.tables, now=lambda: datetime.datetime.fromisoformat(now))
            run = TapRun(chosen, clock, self.services.executor.run, written, json.loads(json.dumps(state)))
            self.sandbox.reset()
            await run.sync(streams_of(TABLES, chosen))
        self.failures = run.failures
        return written.getvalue()

    @property
    def days(self) -> list[str]:
        """Return the days whose movements were requested by the last run."""
        calls = [call["params"] for call in self.sandbox.calls() if call["report"] == R5]
        # Calls of other months look for the currency of the group.
        return [day for call in calls if (day := call["timestamp_range_from"]).startswith("2026-03")]


@pytest.fixture
def small_world(tmp_path: Path) -> Iterator[World]:
    with Sandbox(users=12, days=8, rooms=1, database=tmp_path / "world.sqlite") as sandbox:
        yield World(sandbox, tmp_path)


def test_nights(small_world: World) -> None:
    """Late rows, rows that vanish, an empty day, a failure and its repair, a backfill: the target has what there is."""
    world, target = small_world, Warehouse()

    def night(now: str, **config: Any) -> list[str]:
        state = target.states[-1] if target.states else {}
        target.take(asyncio.run(world.run(now, state, **config)))
        return world.days

    world.change("UPDATE movement SET group_id = 9382 WHERE TRUE", "2026-03-10")
    assert night("2026-03-11T02:00:00+00:00") == ["2026-03-10", "2026-03-11"]
    assert target.figures == world.figures("2026-03-11")

    # The rows of the 10th are booked late, and some of the 11th vanish.
    with closing(sqlite3.connect(world.database)) as rows, rows:
        rows.execute("UPDATE movement SET group_id = 382 WHERE group_id = 9382")
    world.change("DELETE FROM movement WHERE kind = 1", "2026-03-11")
    assert night("2026-03-12T08:00:00+00:00") == ["2026-03-10", "2026-03-11", "2026-03-12"]
    assert target.figures == world.figures("2026-03-10", "2026-03-11", "2026-03-12")

    # A day becomes empty, but cannot be read at first. It stops no other, and the next run reads it.
    world.change("DELETE FROM movement WHERE TRUE", "2026-03-11")
    world.sandbox.fault("400", R5, times=1)
    days = ["2026-03-11", "2026-03-12", "2026-03-13"]
    assert night("2026-03-13T08:00:00+00:00", lookback_days=1) == days
    (failure,) = world.failures
    assert failure.startswith("GroupTransactions, group=382, 2026-03-11: ")
    assert night("2026-03-13T09:00:00+00:00", lookback_days=0) == ["2026-03-11", "2026-03-13"]
    assert world.failures == []

    # An earlier first day moves no bookmark.
    before = target.states[-1]["bookmarks"]["GroupTransactions"]["group=382"]["closed_until"]
    earlier = ["2026-03-08", "2026-03-09"]
    found = night("2026-03-13T10:00:00+00:00", lookback_days=0, start_date="2026-03-08T00:00:00Z")
    assert found == ["2026-03-13", *earlier]
    assert night("2026-03-13T11:00:00+00:00", lookback_days=0, start_date="2026-03-08") == ["2026-03-13"]
    assert target.states[-1]["bookmarks"]["GroupTransactions"]["group=382"]["closed_until"] == before == "2026-03-12"
    assert target.figures == world.figures(*earlier, "2026-03-10", *days)

    # Rows of long ago vanish: a run that reads their day again marks them.
    world.change("DELETE FROM movement WHERE kind = 1", "2026-03-08")
    assert night("2026-03-29T08:00:00+00:00", lookback_days=0, end_date="2026-03-13") == ["2026-03-13"]
    found = night("2026-03-29T08:00:00+00:00", lookback_days=0, end_date="2026-03-13", refresh="2026-03-08..2026-03-09")
    assert found == earlier
    assert target.figures == world.figures(*earlier, "2026-03-10", *days)


def test_a_column_of_another_type_ends_its_stream_alone(small_world: World) -> None:
    day = {"start_date": "2026-03-10", "end_date": "2026-03-10", "tables": ["DailyMovements", "GroupTransactions"]}
    now = "2026-03-13T08:00:00+00:00"
    state = of_kind(asyncio.run(small_world.run(now, {}, **day)), "STATE")[-1]["value"]
    assert small_world.failures == []
    del state["columns"]["GroupTransactions"]["ticketId"]  # a new column is fine
    state["columns"]["DailyMovements"]["net"] = "double"
    messages = asyncio.run(small_world.run(now, state, **day))
    assert small_world.failures == [
        "DailyMovements: the column net was double and is decimal128(38, 10) now: load into another table, with a new "
        "state"
    ]
    assert [one["stream"] for one in of_kind(messages, "SCHEMA")] == ["GroupTransactions"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({}, "start_date is None; it must be a date such as 2026-03-01"),
        ({"start_date": "March"}, "start_date is 'March'; it must be a date such as 2026-03-01"),
        ({"start_date": "2026-03-01", "lookback_days": -1}, "lookback_days is -1; it must be a whole number from 0"),
        (
            {"start_date": "2026-03-01", "refresh": "2026-03-05..2026-03-01"},
            "refresh is '2026-03-05..2026-03-01'; it must be days such as 2026-03-01..2026-03-05",
        ),
        (
            {"start_date": "2026-03-01", "refresh": ["2026-03-05"]},
            "refresh is ['2026-03-05']; it must be days such as 2026-03-01..2026-03-05",
        ),
        ({"start_date": "2026-03-01", "group": {"id": 1}}, "group is {'id': 1}; it must be a list of texts"),
        (
            {"start_date": "2026-03-01", "tables": ["Nothing"]},
            "there is no table 'Nothing'; there are DailyMovements, ",
        ),
    ],
)
def test_a_wrong_configuration(content: dict[str, Any], says: str) -> None:
    with pytest.raises(WrongTap) as wrong:
        streams_of(TABLES, TapConfig.read(content))
    assert str(wrong.value).startswith(says)


def test_a_catalog_selects_streams_and_columns() -> None:
    streams = streams_of(TABLES, TapConfig.read({"start_date": "2026-03-01", "group": 382}))
    # Those that need a room or a user are not there.
    names = [stream.name for stream in streams]
    assert {"GroupTransactions", "DailyMovements", "Groups"} <= set(names)
    assert not {"Games", "UserTransactions"} & set(names)
    catalog = json.loads(json.dumps(catalog_of(streams)))
    assert [stream.name for stream in selected(streams, catalog)] == names
    for entry in catalog["streams"]:
        entry["metadata"][0]["metadata"]["selected"] = entry["stream"] == "GroupTransactions"
        for field in entry["metadata"][1:]:
            field["metadata"]["selected"] = field["breadcrumb"][1] in ("amount", "timestamp")
    (stream,) = selected(streams, catalog)
    assert list(stream.schema()["properties"]) == [
        "timestamp", "amount", "loaded_entity", "loaded_for", "loaded_row", "loaded_gone",
        "_sdc_deleted_at",
    ]  # fmt: skip
    assert stream.schema()["properties"]["amount"] == {
        "type": ["null", "string"], "format": "x-singer.decimal", "precision": 38, "scale": 10,
    }  # fmt: skip
    catalog["streams"][0].update(tap_stream_id="Nothing")
    catalog["streams"][0]["metadata"][0]["metadata"]["selected"] = True
    with pytest.raises(WrongTap, match="the catalog selects Nothing, which cannot be read; there are"):
        selected(streams, catalog)


class TapCommand:
    """The command, in a folder with its files."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder = folder
        clean = {name: value for name, value in os.environ.items() if name not in NAMES}
        self.environment = {**clean, **settings(sandbox), "ERROR_JOURNAL": str(folder / "errors.sqlite")}

    def start(self, **files: Any) -> "subprocess.Popen[bytes]":
        """Start it with these files, such as `config`; True is an option without a file."""
        words = [word for name, content in files.items() for word in (f"--{name}", self.written(name, content))]
        command = [str(COMMAND), "tap", *(str(word) for word in words if word is not True)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=pipe, stderr=pipe)

    def written(self, name: str, content: Any) -> Any:
        """Write a file, and return its path."""
        if content is True:
            return True
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(content))
        return path

    def call(self, capture: pytest.CaptureFixture[bytes], code: int = 0, **files: Any) -> tuple[bytes, str]:
        """Run it in this process. Return what it wrote to stdout and to stderr."""
        capture.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.setattr("server.logs.set_up", lambda *_: None)
            for name in NAMES:
                patch.delenv(name, raising=False)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            found = 0
            try:
                tap(**{name: self.written(name, content) for name, content in files.items()})
            except typer.Exit as end:
                found = end.exit_code
        assert found == code
        out, err = capture.readouterr()
        return out, err.decode()


def of_kind(messages: bytes, kind: str) -> list[dict[str, Any]]:
    return [one for one in map(json.loads, messages.splitlines()) if one["type"] == kind]


def test_the_command_is_a_tap_and_resumes_after_a_kill(
    tmp_path: Path, sandbox: Sandbox, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    command = TapCommand(tmp_path, sandbox)
    config = {
        "start_date": "2026-03-12", "end_date": "2026-03-13", "lookback_days": 0, "group": ["382", "383"],
        "tables": ["DailyMovements", "GroupTransactions", "Groups"],
    }  # fmt: skip
    catalog = json.loads(command.call(capsysbinary, config=config, discover=True)[0])
    whole, _ = command.call(capsysbinary, config=config, catalog=catalog)
    assert_sdk_accepts(whole, catalog)

    # It is killed after the first state that has movements, while it writes.
    process = command.start(config=config, catalog=catalog)
    assert process.stdout is not None
    part = b""
    while not (b'"STATE"' in part and b'"RECORD","stream":"GroupTransactions"' in part.rpartition(b'"STATE"')[0]):
        part += process.stdout.readline()
    process.kill()
    process.communicate()
    process = command.start(config=config, catalog=catalog, state=of_kind(part, "STATE")[-1]["value"])
    rest, said = process.communicate(timeout=300)
    assert (process.returncode, said) == (0, b"")

    def records(messages: bytes) -> list[dict[str, Any]]:
        return [one["record"] for one in of_kind(messages, "RECORD") if one["stream"] != "Groups"]

    assert 0 < len(records(rest)) < len(records(whole))
    assert records(part) + records(rest) == records(whole)

    out, err = command.call(capsysbinary, code=2, config={**config, "start_date": "soon"})
    assert (out, err) == (b"", "gamehub-graph: start_date is 'soon'; it must be a date such as 2026-03-01\n")
    sandbox.fault("400", R5)
    out, err = command.call(capsysbinary, code=1, config={**config, "tables": ["GroupTransactions"]})
    assert err.count("GroupTransactions, group=38") == 4
    out = b"".join(line for line in out.splitlines(True) if line.startswith(b"{"))  # in a test, stdout has the log, too
    assert of_kind(out, "RECORD") == []
    (bookmark, _) = of_kind(out, "STATE")[-1]["value"]["bookmarks"]["GroupTransactions"].values()
    assert list(bookmark["failed"]) == ["2026-03-12", "2026-03-13"]


def assert_sdk_accepts(messages: bytes, catalog: dict[str, Any]) -> None:
    """Run the tests of the Singer SDK for taps over the messages of a run."""

    class Run(TapTestRunner):
        def new_tap(self) -> Any:
            return None

    runner = Run(Tap)
    runner._parse_records([json.loads(line) for line in messages.splitlines()])
    config = SuiteConfig()
    TapValidFinalStateTest().run(config, None, runner)
    assert [one["stream"] for one in runner.schema_messages] == [one["stream"] for one in catalog["streams"]]
    for entry in catalog["streams"]:
        properties = entry["schema"]["properties"]
        stream: Any = SimpleNamespace(
            name=entry["stream"],
            schema=entry["schema"],
            primary_keys=entry["key_properties"],
            stream_maps=[SimpleNamespace(transformed_schema=entry["schema"])],
        )
        for test in tap_stream_tests.tests:
            test().run(config, None, runner, stream)
        for test in tap_stream_attribute_tests.tests:
            for name in properties:
                if test.evaluate(stream, name, properties[name]):
                    test().run(config, None, runner, stream, name)
