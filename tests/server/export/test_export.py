"""`gamehub-graph export`: partitions by day with a manifest, resumed where it stopped, here or on a cluster."""

# ruff: noqa: ASYNC240 (files of a few bytes)

import datetime
import hashlib
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import fsspec
import orjson
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from distributed import LocalCluster

from server.execution.execution import Outcome
from server.execution.operation import Operation
from server.export.export import Manifest, WrongExport, export, form_of, missing
from server.tables.reading import TableFailed
from server.tables.table import Tables
from server.tables.window import TableWindow, window_of
from tests.server.tables import library
from tests.server.tables.conftest import NOW, saved, settings
from tests.stand import Sandbox
from upstream.call import Reading

UTC = ZoneInfo("UTC")
DAY = datetime.date(2026, 3, 1)
READ_AT = NOW - datetime.timedelta(hours=2)
SECOND = datetime.timedelta(seconds=1)
TABLES = Tables([saved(library.LOANS), saved(library.BOOKS)], library.schema)
LOANS = TABLES["Loans"]


class Lending:
    """Run a table's document for days that are not broken, and record these days."""

    def __init__(self, broken: str = "") -> None:
        self.broken = broken
        self.days: list[str] = []
        self.readings: list[Reading] = []
        self.demanded: set[datetime.datetime | None] = set()

    async def __call__(self, operation: Operation) -> Outcome:
        day = operation.variables["during"]["dates"]["from"]
        if day == self.broken:
            return Outcome(errors=[{"message": "Closed.", "extensions": {"code": "UPSTREAM_ERROR"}}])
        self.days.append(day)
        self.demanded.add(operation.options.not_before)
        rows = {"loans": [{"id": day, "price": f"{int(day[-2:])}.50"}]}
        return Outcome(rows, readings=self.readings)


def window(since: str, until: str) -> TableWindow:
    found = window_of(LOANS, {"since": since, "until": until}, NOW, UTC)
    assert found is not None
    return found


async def run(manifest: Manifest, span: TableWindow, lending: Lending, **options: Any) -> None:
    """Export what is missing of a window."""
    await export(manifest, await missing(manifest, span, **options), span, lending, NOW)


def read(folder: str) -> Any:
    return orjson.loads(Path(folder, "Loans", "_manifest.json").read_bytes())["partitions"]


async def test_a_broken_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    out, broken = str(tmp_path), Lending("2026-03-03")
    with pytest.raises(TableFailed, match="Closed") as failed:
        await run(Manifest(out, LOANS, form_of("parquet"), {}), window("2026-03-01", "2026-03-06"), broken)
    assert failed.value.day == datetime.date(2026, 3, 3)
    assert set(read(out)) >= {"2026-03-01", "2026-03-02"}
    assert not list(tmp_path.rglob("*writing"))

    mended = Lending()
    await run(Manifest(out, LOANS, form_of("parquet"), {}), window("2026-03-01", "2026-03-06"), mended)
    assert sorted(mended.days + broken.days) == [f"2026-03-0{day}" for day in range(1, 6)]
    for day, part in read(out).items():
        body = (tmp_path / "Loans" / part["path"]).read_bytes()
        assert (part["rows"], part["bytes"], part["sha256"]) == (1, len(body), hashlib.sha256(body).hexdigest())
        assert part["path"] == f"day={day}/part.parquet"
    table = ds.dataset(tmp_path / "Loans", format="parquet", partitioning="hive").to_table()
    assert pa.compute.sum(table["price"]).as_py() == Decimal("17.50")
    assert sorted(table["day"].to_pylist()) == sorted(table["id"].to_pylist())


async def test_days_that_are_not_over_or_whose_file_is_gone_are_read_again(tmp_path: Path) -> None:
    lending, span = Lending(), window("2026-03-13", "2026-03-16")
    manifest = Manifest(str(tmp_path), LOANS, form_of("csv"), {})
    await run(manifest, span, lending)
    lending.days.clear()
    await run(Manifest(str(tmp_path), LOANS, form_of("csv"), {}), span, lending)
    assert lending.days == ["2026-03-15"]
    (tmp_path / "Loans" / "day=2026-03-13" / "part.csv").unlink()
    await run(Manifest(str(tmp_path), LOANS, form_of("csv"), {}), span, lending)
    assert sorted(lending.days) == ["2026-03-13", "2026-03-15", "2026-03-15"]


async def test_a_partition_tells_when_its_rows_were_read(tmp_path: Path) -> None:
    lending = Lending()
    lending.readings = [
        Reading("R5", DAY, DAY, READ_AT, READ_AT + SECOND),
        Reading("R8", None, None, NOW, NOW + SECOND),
    ]
    await run(Manifest(str(tmp_path), LOANS, form_of("parquet"), {}), window("2026-03-01", "2026-03-02"), lending)
    (part,) = read(str(tmp_path)).values()
    assert (part["read_at"], part["next_check"]) == (READ_AT.isoformat(), (READ_AT + SECOND).isoformat())
    assert datetime.datetime.fromisoformat(part["begun"]) <= datetime.datetime.now(datetime.UTC)
    metadata = pq.read_schema(tmp_path / "Loans" / part["path"]).metadata[b"freshness"]
    assert [one["readAt"] for one in orjson.loads(metadata)] == [READ_AT.isoformat(), NOW.isoformat()]


async def test_days_that_changed_after_they_were_read_are_read_again(tmp_path: Path) -> None:
    spans: list[tuple[datetime.date | None, datetime.date | None]] = []
    moments: dict[datetime.date, datetime.datetime] = {}

    async def changed(first: datetime.date | None, last: datetime.date | None) -> datetime.datetime | None:
        spans.append((first, last))
        assert first is not None
        assert last is not None
        return max((moment for day, moment in moments.items() if first <= day <= last), default=None)

    span, out = window("2026-03-01", "2026-03-06"), str(tmp_path)
    await run(Manifest(out, LOANS, form_of("csv"), {}), span, Lending(), changed=changed)
    for moment, days in ((READ_AT, []), (datetime.datetime.now(datetime.UTC) + SECOND, ["2026-03-03"])):
        moments[datetime.date(2026, 3, 3)] = moment
        lending = Lending()
        await run(Manifest(out, LOANS, form_of("csv"), {}), span, lending, changed=changed)
        assert lending.days == days
    spans.clear()
    moments.clear()
    await run(Manifest(out, LOANS, form_of("csv"), {}), span, Lending(), changed=changed)
    assert spans == [(datetime.date(2026, 3, 1), datetime.date(2026, 3, 5))]  # one question where nothing changed


async def test_a_manifest_of_before_is_understood(tmp_path: Path) -> None:
    span = window("2026-03-01", "2026-03-02")
    await run(Manifest(str(tmp_path), LOANS, form_of("csv"), {}), span, Lending())
    file = tmp_path / "Loans" / "_manifest.json"
    metadata = orjson.loads(file.read_bytes())
    for name in ("begun", "read_at", "next_check"):
        del metadata["partitions"]["2026-03-01"][name]
    file.write_bytes(orjson.dumps(metadata))
    lending = Lending()
    await run(Manifest(str(tmp_path), LOANS, form_of("csv"), {}), span, lending)
    assert lending.days == []


async def test_all_days_are_read_again_past_what_is_kept(tmp_path: Path) -> None:
    span, out, again = window("2026-03-01", "2026-03-04"), str(tmp_path), Lending()
    await run(Manifest(out, LOANS, form_of("csv"), {}), span, Lending())
    manifest = Manifest(out, LOANS, form_of("csv"), {})
    await export(manifest, await missing(manifest, span, refresh=True), span, again, NOW, not_before=NOW)
    assert sorted(again.days) == ["2026-03-01", "2026-03-02", "2026-03-03"]
    assert again.demanded == {NOW}


async def test_an_export_of_something_else_is_not_written_over(tmp_path: Path) -> None:
    await run(
        Manifest(str(tmp_path), LOANS, form_of("csv"), {"count": 1}), window("2026-03-01", "2026-03-02"), Lending()
    )
    with pytest.raises(WrongExport, match="holds an export of Loans with another format"):
        Manifest(str(tmp_path), LOANS, form_of("parquet"), {"count": 1})
    with pytest.raises(WrongExport, match="with another variables"):
        Manifest(str(tmp_path), LOANS, form_of("csv"), {"count": 2})
    with pytest.raises(WrongExport, match="there is no format 'pdf'; there are csv,"):
        form_of("pdf")


async def test_an_object_store(tmp_path: Path) -> None:
    await run(Manifest("memory://store/x", LOANS, form_of("csv"), {}), window("2026-03-01", "2026-03-02"), Lending())
    body = fsspec.filesystem("memory").cat_file("/store/x/Loans/day=2026-03-01/part.csv")
    assert body == b"id,price\r\n2026-03-01,1.50\r\n"
    again = Lending()
    await run(Manifest("memory://store/x", LOANS, form_of("csv"), {}), window("2026-03-01", "2026-03-02"), again)
    assert again.days == []


def command(sandbox: Sandbox, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("gamehub-graph"), "export", *words],
        env={**os.environ, **settings(sandbox), "ERROR_JOURNAL": str(folder / "errors.sqlite")},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_on_a_cluster_the_same_files_come_out(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["GroupTransactions", "--var", "group=382", "--since", "2026-03-12", "--until", "2026-03-14", "--out"]
    alone = command(sandbox, tmp_path, *words, str(tmp_path / "alone"))
    assert alone.returncode == 0, alone.stderr
    assert alone.stdout.startswith("GroupTransactions: 2 of 2 partitions written, ")
    for name, value in settings(sandbox).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ERROR_JOURNAL", str(tmp_path / "errors.sqlite"))
    monkeypatch.chdir(tmp_path)
    with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=1, threads_per_worker=2, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        many = command(
            sandbox,
            tmp_path,
            *words,
            str(tmp_path / "many"),
            "--engine",
            "dask",
            "--scheduler",
            cluster.scheduler_address,
        )
    assert many.returncode == 0, many.stderr
    assert many.stdout == alone.stdout.replace("alone", "many")
    assert written(tmp_path / "many") == written(tmp_path / "alone")


def written(out: Path) -> dict[str, tuple[int, Any]]:
    """The rows of each partition that a manifest has, and their number. Their bytes also contain the reading times."""
    parts = orjson.loads((out / "GroupTransactions" / "_manifest.json").read_bytes())["partitions"]
    files = {str(path.relative_to(out / "GroupTransactions")) for path in out.rglob("*.parquet")}
    assert {part["path"] for part in parts.values()} == files
    return {
        day: (part["rows"], pq.read_table(out / "GroupTransactions" / part["path"], partitioning=None).to_pylist())
        for day, part in parts.items()
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["Nothing"], "There is no table 'Nothing'; there are DailyMovements,"),
        (["Groups", "--during", "today"], "The table Groups has no parameter 'period'; it has limit."),
        (["Groups", "--format", "pdf"], "there is no format 'pdf'"),
        (["Groups", "--var", "limit=1"], "an export is whole: it takes no limit"),
        (["Groups", "--engine", "dask"], "--engine is local, or dask with the --scheduler it is to use"),
    ],
)
def test_what_is_wrong_is_one_line(sandbox: Sandbox, tmp_path: Path, words: list[str], says: str) -> None:
    done = command(sandbox, tmp_path, *words, "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert says in line
