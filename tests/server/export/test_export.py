"""Whole days in a folder with a ledger: what a run reads, what it leaves, and what it refuses."""

# ruff: noqa: ASYNC240 (files of a few bytes)

import asyncio
import datetime
import hashlib
import multiprocessing
import os
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import orjson
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from server.execution.execution import Outcome
from server.execution.operation import Operation
from server.export import ledger as ledgers
from server.export.day import DayError, DayRecord, DayStatus, Partition
from server.export.destination import Destination, DestinationFailed, WrongDestination
from server.export.due import DayRange, DueOptions, DueReason, whole_days
from server.export.job import ExportJob, ExportOptions, ExportSource
from server.export.ledger import DamagedLedger, Holder, WrongExport
from server.export.run import RunResult
from server.export.writer import WrongFormat, form_of
from server.tables.table import Table, Tables
from server.tables.window import TableWindow, window_of
from tests.server.tables import library
from tests.server.tables.conftest import NOW, saved
from upstream.call import Reading

UTC = ZoneInfo("UTC")
DAY = datetime.date(2026, 3, 1)
READ_AT = NOW - datetime.timedelta(hours=2)
SECOND = datetime.timedelta(seconds=1)
TABLES = Tables([saved(library.LOANS), saved(library.BOOKS)], library.schema)
LOANS = TABLES["Loans"]


class Lending:
    """Run a table's document for days that are not broken, and record these days."""

    def __init__(self, *broken: str, price: str = ".50", recovers: bool = False) -> None:
        self.broken = set(broken)
        self.price = price
        self.recovers = recovers
        self.days: list[str] = []
        self.readings: list[Reading] = []
        self.demanded: set[datetime.datetime | None] = set()

    async def __call__(self, operation: Operation) -> Outcome:
        day = operation.variables["during"]["dates"]["from"]
        if day in self.broken:
            if self.recovers:
                self.broken.discard(day)
            return Outcome(errors=[{"message": "Closed.", "extensions": {"code": "UPSTREAM_ERROR"}}])
        self.days.append(day)
        self.demanded.add(operation.options.not_before)
        rows = {"loans": [{"id": day, "price": f"{int(day[-2:])}{self.price}"}]}
        return Outcome(rows, readings=self.readings)


def window(since: str, until: str) -> TableWindow:
    found = window_of(LOANS, {"since": since, "until": until}, NOW, UTC)
    assert found is not None
    return found


def job(
    out: Path | str, lending: Lending, span: TableWindow, *, table: Table = LOANS, form: str = "csv", **more: Any
) -> ExportJob:
    """An export of the library at noon on 15 March."""
    source = ExportSource(run=lending, zone=UTC, upstream="library", now=lambda: NOW)
    source = replace(
        source, **{name: more.pop(name) for name in ("zone", "upstream", "changed", "now") if name in more}
    )
    return ExportJob(source, table, ExportOptions(out=str(out), form=form_of(form), window=span, **more))


async def run(out: Path, lending: Lending, span: TableWindow, **more: Any) -> RunResult:
    """Export what is due."""
    work = job(out, lending, span, **more)
    work.open()
    return await work.run(await work.plan())


async def due(out: Path, span: TableWindow, **more: Any) -> Mapping[str, DueReason]:
    work = job(out, Lending(), span, **more)
    work.open()
    return {partition.day: reason for partition, reason in (await work.plan()).due.items()}


def read(out: Path) -> dict[str, DayRecord]:
    """The records of the ledger, by day."""
    paths = (out / "_ledger" / "Loans" / "days").rglob("*.json")
    records = [msgspec.json.decode(path.read_bytes(), type=DayRecord) for path in paths]
    return {record.day: record for record in records}


async def test_a_day_that_fails_does_not_stop_the_others_and_is_tried_again(tmp_path: Path) -> None:
    broken, span = Lending("2026-03-03"), window("2026-03-01", "2026-03-06")
    result = await run(tmp_path, broken, span, form="parquet")
    assert {partition.day: error.message for partition, error in result.failed.items()} == {"2026-03-03": "Closed."}
    assert sorted(broken.days) == ["2026-03-01", "2026-03-02", "2026-03-04", "2026-03-05"]
    records = read(tmp_path)
    assert {day: record.status.value for day, record in records.items()} == {
        **dict.fromkeys(broken.days, "closed"),
        "2026-03-03": "failed",
    }
    assert records["2026-03-03"].error == DayError("UPSTREAM_ERROR", "Closed.")

    mended = Lending()
    # A later window does not leave the failed day behind.
    result = await run(tmp_path, mended, window("2026-03-06", "2026-03-07"), form="parquet")
    assert sorted(mended.days) == ["2026-03-03", "2026-03-06"]
    assert not result.failed
    for day, record in read(tmp_path).items():
        body = (tmp_path / "Loans" / record.path).read_bytes()
        assert (record.rows, record.bytes, record.sha256) == (1, len(body), hashlib.sha256(body).hexdigest())
        assert (record.path, record.status.value) == (f"day={day}/part.parquet", "closed")
    table = ds.dataset(tmp_path / "Loans", format="parquet", partitioning="hive").to_table()
    assert pa.compute.sum(table["price"]).as_py() == Decimal("24.00")
    assert sorted(table["day"].to_pylist()) == sorted(table["id"].to_pylist())


async def test_a_short_failure_is_mended_at_the_end_of_the_same_run(tmp_path: Path) -> None:
    lending = Lending("2026-03-01", recovers=True)
    result = await run(tmp_path, lending, window("2026-03-01", "2026-03-03"))
    assert not result.failed
    assert lending.days == ["2026-03-02", "2026-03-01"]  # at the end
    assert {record.status.value for record in read(tmp_path).values()} == {"closed"}


async def test_a_killed_run_goes_on_and_the_files_are_the_same(tmp_path: Path) -> None:
    span = window("2026-03-01", "2026-03-05")
    await run(tmp_path / "whole", Lending(), span, form="parquet")
    await run(tmp_path / "killed", Lending(), window("2026-03-01", "2026-03-03"), form="parquet")
    dead = multiprocessing.get_context("spawn").Process(target=os.getpid)
    dead.start()
    dead.join()
    # It was killed while it wrote the second day, and had begun the third.
    claims, writing = (tmp_path / "killed" / "_ledger" / "Loans" / name for name in ("claims", "_writing"))
    assert dead.pid is not None
    holder = Holder(os.uname().nodename, dead.pid, "killed", datetime.datetime.now(UTC) + ledgers.LEASE)
    for day in ("2026-03-02", "2026-03-03"):
        (claims / f"day={day}.1.json").write_bytes(msgspec.json.encode(holder))
    (writing / f"_{holder.host}-{dead.pid}-abc").write_bytes(b"half")

    again = Lending()
    await run(tmp_path / "killed", again, span, form="parquet")
    assert sorted(again.days) == ["2026-03-02", "2026-03-03", "2026-03-04"]
    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    assert not list(claims.iterdir())
    assert not list(writing.iterdir())


def files(out: Path) -> dict[str, bytes]:
    """The files of the rows, with their bytes."""
    root = out / "Loans"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


async def test_open_days_are_read_again_whatever_the_window_is_until_they_are_over(tmp_path: Path) -> None:
    lending = Lending()
    await run(tmp_path, lending, window("2026-03-14", "2026-03-16"))
    assert {day: record.status.value for day, record in read(tmp_path).items()} == {
        "2026-03-14": "closed",
        "2026-03-15": "open",
    }
    later = NOW + datetime.timedelta(days=1)
    for moment, days in ((later, ["2026-03-15", "2026-03-16"]), (later + SECOND, ["2026-03-16"])):
        lending = Lending(price=".75")
        await run(tmp_path, lending, window("2026-03-16", "2026-03-17"), now=lambda moment=moment: moment)
        assert sorted(lending.days) == days
    record = read(tmp_path)["2026-03-15"]
    assert (record.status, record.began) == (DayStatus.CLOSED, later)
    assert (tmp_path / "Loans" / record.path).read_bytes() == b"id,price\r\n2026-03-15,15.75\r\n"


async def test_a_file_that_is_gone_or_cut_is_written_again(tmp_path: Path) -> None:
    span = window("2026-03-01", "2026-03-04")
    await run(tmp_path, Lending(), span)
    (tmp_path / "Loans" / "day=2026-03-01" / "part.csv").unlink()
    (tmp_path / "Loans" / "day=2026-03-02" / "part.csv").write_bytes(b"id,")
    assert await due(tmp_path, span) == {"2026-03-01": DueReason.DAMAGED, "2026-03-02": DueReason.DAMAGED}


async def test_days_of_the_future_are_not_read(tmp_path: Path) -> None:
    lending = Lending()
    await run(tmp_path, lending, window("2026-03-15", "2026-03-20"))
    assert lending.days == ["2026-03-15"]


async def test_lookback_and_refresh(tmp_path: Path) -> None:
    span = window("2026-03-01", "2026-03-06")
    await run(tmp_path, Lending(), span)
    assert await due(tmp_path, span) == {}
    today = window("2026-03-15", "2026-03-16")
    assert await due(tmp_path, today, days=DueOptions(lookback=2)) == {
        "2026-03-04": DueReason.LOOKBACK,
        "2026-03-05": DueReason.LOOKBACK,
        "2026-03-15": DueReason.NEW,
    }
    again = DayRange.of("2026-03-02..2026-03-03")
    assert await due(tmp_path, today, days=DueOptions(again=again)) == {
        "2026-03-02": DueReason.REFRESH,
        "2026-03-03": DueReason.REFRESH,
        "2026-03-15": DueReason.NEW,
    }
    assert list(await due(tmp_path, window("2026-03-01", "2026-03-03"), days=DueOptions(refresh=True))) == [
        "2026-03-01",
        "2026-03-02",
    ]
    lending = Lending()
    await run(tmp_path, lending, span, days=DueOptions(refresh=True), not_before=NOW)
    assert len(lending.days) == 5
    assert lending.demanded == {NOW}
    for text in ("yesterday", "2026-03-02..", "2026-03-03..2026-03-02"):
        with pytest.raises(WrongExport, match=r"no range of days|ends before it begins"):
            DayRange.of(text)


async def test_a_day_that_is_read_again_with_the_same_rows_keeps_its_file(tmp_path: Path) -> None:
    span = window("2026-03-01", "2026-03-03")
    await run(tmp_path, Lending(), span, form="parquet")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "Loans").rglob("*.parquet")}
    lending = Lending()
    lending.readings = [Reading("R5", DAY, DAY, READ_AT, READ_AT + SECOND)]
    await run(tmp_path, lending, span, form="parquet", days=DueOptions(refresh=True))
    assert len(lending.days) == 2
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "Loans").rglob("*.parquet")} == before
    assert {record.read_at for record in read(tmp_path).values()} == {READ_AT}


async def test_a_record_tells_when_its_rows_were_read(tmp_path: Path) -> None:
    lending = Lending()
    lending.readings = [
        Reading("R5", DAY, DAY, READ_AT, READ_AT + SECOND),
        Reading("R8", None, None, NOW, NOW + SECOND),
    ]
    await run(tmp_path, lending, window("2026-03-01", "2026-03-02"), form="parquet")
    (record,) = read(tmp_path).values()
    # A day of the last month is trusted for a day.
    assert (record.read_at, record.next_check) == (READ_AT, READ_AT + datetime.timedelta(days=1))
    assert (record.began, record.interval) == (NOW, "2026-03-01T00:00:00+00:00/2026-03-02T00:00:00+00:00")
    assert [one["readAt"] for one in record.readings] == [READ_AT.isoformat(), NOW.isoformat()]


async def test_days_that_changed_after_they_were_read_are_read_again(tmp_path: Path) -> None:
    spans: list[tuple[datetime.date | None, datetime.date | None]] = []
    moments: dict[datetime.date, datetime.datetime] = {}

    async def changed(first: datetime.date | None, last: datetime.date | None) -> datetime.datetime | None:
        spans.append((first, last))
        assert first is not None
        assert last is not None
        return max((moment for day, moment in moments.items() if first <= day <= last), default=None)

    span = window("2026-03-01", "2026-03-06")
    await run(tmp_path, Lending(), span)
    for moment, days in ((READ_AT, {}), (NOW + SECOND, {"2026-03-03": DueReason.CHANGED})):
        moments[datetime.date(2026, 3, 3)] = moment
        assert await due(tmp_path, span, changed=changed) == days
    spans.clear()
    moments.clear()
    assert await due(tmp_path, span, changed=changed) == {}
    assert spans == [(datetime.date(2026, 3, 1), datetime.date(2026, 3, 5))]  # one question where nothing changed


def test_a_window_has_whole_days() -> None:
    whole_days(window("2026-03-01", "2026-03-02T00:00:00Z"))
    with pytest.raises(WrongExport, match=r"whole days of UTC, .* a part of 2026-03-01: write --since 2026-03-01$"):
        whole_days(window("2026-03-01T12:00:00", "2026-03-03"))
    with pytest.raises(WrongExport, match=r"a part of 2026-03-02: write --until 2026-03-03$"):
        whole_days(window("2026-03-01", "2026-03-02T02:00:00"))


LOANS_TEXT = library.LOANS
OTHERS = {
    "column pages is new": LOANS_TEXT.replace("id price }", "id price pages }"),
    "column price is gone": LOANS_TEXT.replace("id price }", "id }"),
    "the columns have another order": LOANS_TEXT.replace("id price }", "price id }"),
    "column price is int64, not decimal128(38, 10)": LOANS_TEXT.replace("id price }", "id price: pages }"),
    "the text of the query is another": LOANS_TEXT.replace("count: $count", "count: 3").replace(
        ", $count: Int = 5", ""
    ),
}


@pytest.mark.parametrize("says", OTHERS)
async def test_another_query_is_refused_by_what_differs(tmp_path: Path, says: str) -> None:
    span = window("2026-03-01", "2026-03-02")
    await run(tmp_path, Lending(), span)
    other = Tables([saved(OTHERS[says])], library.schema)["Loans"]
    with pytest.raises(WrongExport) as refused:
        job(tmp_path, Lending(), span, table=other).open()
    assert f"holds an export of Loans that differs: {says}. Choose another --out" in str(refused.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"form": "parquet"}, "format is parquet, not csv"),
        ({"variables": {"count": 2}}, "variable count is 2, not 1"),
        ({"variables": {}}, "variable count is gone"),
        ({"zone": ZoneInfo("Europe/Madrid")}, "BUSINESS_TIMEZONE is Europe/Madrid, not UTC"),
        ({"upstream": "another"}, "the addresses or time zones of the upstreams are others"),
    ],
)
async def test_an_export_of_something_else_is_refused(tmp_path: Path, options: Any, says: str) -> None:
    span = window("2026-03-01", "2026-03-02")
    await run(tmp_path, Lending(), span, variables={"count": 1})
    with pytest.raises(WrongExport) as refused:
        job(tmp_path, Lending(), span, **{"variables": {"count": 1}, **options}).open()
    assert says in str(refused.value)


def test_unknown_formats_and_destinations_are_refused() -> None:
    with pytest.raises(WrongFormat, match="there is no format 'pdf'; there are csv,"):
        form_of("pdf")
    for address, says in (
        ("memory://x", "memory:// keeps nothing"),
        ("foo://x", "there is no destination foo://"),
        ("https://x/y", "can only be read"),
        ("gs://x/y", "gs:// cannot be used: Please install gcsfs"),
    ):
        with pytest.raises(WrongDestination, match=says):
            Destination(address)


def test_the_folder_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Loans" / "day=2026-03-01").mkdir(parents=True)
    (tmp_path / "Loans" / "day=2026-03-01" / "part.csv").write_text("id\n")
    with pytest.raises(WrongExport, match="holds 1 files and has no ledger"):
        job(tmp_path, Lending(), window("2026-03-01", "2026-03-02")).open()
    (tmp_path / "Loans" / "_manifest.json").write_text("{}")
    with pytest.raises(WrongExport, match="was written by an earlier version, whose manifest says neither"):
        job(tmp_path, Lending(), window("2026-03-01", "2026-03-02")).open()


@pytest.mark.parametrize("name", ["identity.json", "days/day=2026-03-01.json"])
async def test_a_damaged_ledger_is_one_line(tmp_path: Path, name: str) -> None:
    span = window("2026-03-01", "2026-03-02")
    await run(tmp_path, Lending(), span)
    file = tmp_path / "_ledger" / "Loans" / name
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(DamagedLedger, match=r"is damaged \(.*\): remove it") as damaged:
        await run(tmp_path, Lending(), span)
    assert "\n" not in str(damaged.value)


async def test_two_runs_at_once_lose_nothing_and_read_no_day_twice(tmp_path: Path) -> None:
    one, other, span = Lending(), Lending(), window("2026-03-01", "2026-03-14")
    first, second = job(tmp_path, one, span), job(tmp_path, other, span)
    first.open()
    second.open()
    plans = await first.plan(), await second.plan()
    results = await asyncio.gather(first.run(plans[0]), second.run(plans[1]))
    assert not results[0].failed
    assert not results[1].failed
    assert sorted(one.days + other.days) == [f"2026-03-{day:02}" for day in range(1, 14)]
    assert {record.status.value for record in read(tmp_path).values()} == {"closed"}
    assert len(read(tmp_path)) == 13
    written = {**results[0].written, **results[1].written}
    assert len(written) == 13


async def test_a_claim_of_a_living_process_is_waited_for_and_one_that_ran_out_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = job(tmp_path, Lending(), window("2026-03-01", "2026-03-02"))
    work.open()
    partition = Partition("", "2026-03-01")
    mine = work.ledger.claim(partition)
    assert not isinstance(mine, Holder)
    held = work.ledger.claim(partition)
    assert isinstance(held, Holder)
    assert held.pid == os.getpid()
    monkeypatch.setattr(ledgers, "_now", lambda: datetime.datetime.now(UTC) + 2 * ledgers.LEASE)
    taken = work.ledger.claim(partition)
    assert not isinstance(taken, Holder)
    assert taken.number == mine.number + 1
    work.ledger.release(taken)
    assert not list((tmp_path / "_ledger" / "Loans" / "claims").iterdir())


async def test_a_full_disk_ends_the_run_and_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def full(source: Any, target: Any) -> None:
        raise OSError(28, "No space left on device")

    span = window("2026-03-01", "2026-03-06")
    work = job(tmp_path, lending := Lending(), span)
    work.open()
    plan = await work.plan()
    with monkeypatch.context() as broken:
        broken.setattr("server.export.destination.os.replace", full)
        result = await work.run(plan)
    assert result.stopped is not None
    assert result.stopped.endswith("cannot be written: No space left on device")
    assert len(result.failed) == 5
    assert len(lending.days) <= 2
    assert not [path for path in tmp_path.rglob("_*") if path.is_file()]
    assert not files(tmp_path)
    await run(tmp_path, Lending(), span)
    assert len(files(tmp_path)) == 5


async def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DestinationFailed, match=r"cannot be (read|written): Not a directory"):
        await run(tmp_path / "file", Lending(), window("2026-03-01", "2026-03-02"))


async def test_verify_finds_damage_and_strangers(tmp_path: Path) -> None:
    span = window("2026-03-01", "2026-03-05")
    with pytest.raises(WrongExport, match="holds no export of Loans"):
        job(tmp_path, Lending(), span).open(begin=False)
    assert not list(tmp_path.iterdir())
    await run(tmp_path, Lending("2026-03-04"), span)
    one = tmp_path / "Loans" / "day=2026-03-01" / "part.csv"
    one.write_bytes(one.read_bytes().replace(b"1.50", b"9.50"))
    (tmp_path / "Loans" / "day=2026-03-02" / "part.csv").unlink()
    (tmp_path / "Loans" / "strange.csv").write_text("")
    found = await job(tmp_path, Lending(), span).verify(None)
    problems = [text for _, text in found.problems]
    assert found.files == 3
    assert problems[0].startswith("day=2026-03-01/part.csv is not what was written: its SHA-256 is ")
    assert problems[1:] == [
        "day=2026-03-02/part.csv is gone",
        "failed: Closed. (UPSTREAM_ERROR)",
        "Loans/strange.csv is not in the ledger",
    ]


async def test_a_table_without_time_is_one_file_that_every_run_writes(tmp_path: Path) -> None:
    async def books(operation: Operation) -> Outcome:
        book = dict.fromkeys(("title", "price", "pages", "lent", "cover", "printed", "readAt", "grades"))
        return Outcome({"books": [{"id": "1", **book, "author": None, "byline": None}]})

    source = ExportSource(run=books, zone=UTC, upstream="library", now=lambda: NOW)
    for _ in range(2):
        work = ExportJob(source, TABLES["Books"], ExportOptions(out=str(tmp_path), form=form_of("parquet")))
        work.open()
        result = await work.run(await work.plan())
        assert {(one.partition.name, one.status.value, one.rows) for one in result.written.values()} == {
            ("all", "open", 1)
        }
    assert pq.read_table(tmp_path / "Books").num_rows == 1
    assert orjson.loads((tmp_path / "_ledger/Books/days/all.json").read_bytes())["path"] == "part.parquet"
