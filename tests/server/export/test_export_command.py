"""`gamehub-graph export` as people and schedulers run it: over HTTP against the sandbox, here or on a cluster."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import orjson
import polars
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from distributed import Client, LocalCluster

from server.export import dask as cluster_export
from server.export.day import DayRecord
from server.export.destination import DestinationFailed
from tests.programs import Piped, run
from tests.server.tables.conftest import settings
from tests.stand import Sandbox

GROUP = ("GroupTransactions", "--var", "group=382")
DAYS = ("--since", "2026-03-12", "--until", "2026-03-14")


def command(sandbox: Sandbox, folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **settings(sandbox), "ERROR_JOURNAL": str(folder / "errors.sqlite"), **more}
    return run("export", *words, folder=folder, environment=environment, fresh="--verify" in words)


def records(out: Path, table: str) -> list[DayRecord]:
    paths = sorted((out / "_ledger" / table / "days").rglob("*.json"))
    return [msgspec.json.decode(path.read_bytes(), type=DayRecord) for path in paths]


def test_the_summary_the_metrics_the_log_and_the_hook_tell_of_a_run(sandbox: Sandbox, tmp_path: Path) -> None:
    script = tmp_path / "hook.py"
    script.write_text(
        "import os, sys; open(sys.argv[1], 'w').write(sys.stdin.read() + os.environ['GAMEHUB_GRAPH_EXIT_CODE'])"
    )
    hook = f"{sys.executable} {script}"
    words = [*GROUP, *DAYS, "--out", "out", "--json", "--metrics", "export.prom"]
    words += ["--on-success", f"{hook} good", "--on-failure", f"{hook} bad"]
    done = command(sandbox, tmp_path, *words, LOG_FORMAT="json")
    assert done.returncode == 0, done.stderr
    summary = orjson.loads(done.stdout)
    known = records(tmp_path / "out", "GroupTransactions")
    assert summary["ok"] is True
    assert summary["rows"] == sum(record.rows for record in known) > 1000
    assert [(one["day"], one["status"], one["reason"]) for one in summary["written"]] == [
        ("2026-03-12", "closed", "new"),
        ("2026-03-13", "closed", "new"),
    ]
    assert (summary["failed"], summary["totals_differ"], summary["files"]) == ([], [], 2)
    lines = [orjson.loads(line) for line in done.stderr.splitlines()]
    assert sorted((one["event"], one["day"], one["rows"]) for one in lines) == [
        ("export.day", record.day, record.rows) for record in known
    ]
    metrics = (tmp_path / "export.prom").read_text()
    assert f'gamehub_graph_export_rows{{table="GroupTransactions"}} {float(summary["rows"])}' in metrics
    assert 'gamehub_graph_export_failed_days{table="GroupTransactions"} 0.0' in metrics
    assert orjson.loads((tmp_path / "good").read_text()[:-1]) == summary
    assert (tmp_path / "good").read_text()[-1] == "0"

    # R1 tells the totals of R5, so a row that was lost is found without reading the rows again.
    for record in known:
        assert [(one.report, one.agrees) for one in record.prints] == [("R1", True)]
    verified = command(sandbox, tmp_path, *GROUP, "--out", "out", "--verify")
    assert verified.returncode == 0, verified.stderr
    assert verified.stdout == (
        "GroupTransactions: 2 files are compared with their hashes, 2 totals with R1 and G1: no problems\n"
    )

    sandbox.fault("500")
    words[words.index("2026-03-12")] = "2026-03-11"
    failed = command(sandbox, tmp_path, *words)
    assert failed.returncode == 1
    summary = orjson.loads(failed.stdout)
    assert [(one["day"], one["code"]) for one in summary["failed"]] == [("2026-03-11", "UPSTREAM_ERROR")]
    assert (tmp_path / "bad").read_text()[-1] == "1"
    sandbox.heal()
    # A window that lies elsewhere reads the failed day, too.
    done = command(
        sandbox, tmp_path, *GROUP, "--since", "2026-03-13", "--until", "2026-03-14", "--out", "out", "--json"
    )
    assert [(one["day"], one["reason"]) for one in orjson.loads(done.stdout)["written"]] == [("2026-03-11", "failed")]


def test_a_folder_for_each_group_is_one_dataset(sandbox: Sandbox, tmp_path: Path) -> None:
    words = ["GroupTransactions", "--each", "group", *DAYS, "--out", "out", "--at-once", "4"]
    done = command(sandbox, tmp_path, *words)
    assert done.returncode == 0, done.stderr
    known = records(tmp_path / "out", "GroupTransactions")
    by_group = {record.entity: 0 for record in known}
    for record in known:
        by_group[record.entity] += record.rows
    assert len(by_group) > 5
    folder = tmp_path / "out" / "GroupTransactions"
    whole = pq.read_table(folder)
    assert whole.num_rows == sum(by_group.values())
    frame = polars.scan_parquet(folder).group_by("group").len().collect()
    filled = {group: count for group, count in by_group.items() if count}
    assert {f"group={group}": count for group, count in frame.rows()} == filled
    counted = duckdb.sql(f"SELECT \"group\", count(*) FROM '{folder}/**/*.parquet' WHERE day = '2026-03-12' GROUP BY 1")
    day = {record.entity: record.rows for record in known if record.day == "2026-03-12" and record.rows}
    assert {f"group={group}": count for group, count in counted.fetchall()} == day
    assert (
        ds.dataset(folder, partitioning="hive").to_table(columns=["group", "day", "amount"]).num_rows == whole.num_rows
    )

    one = command(sandbox, tmp_path, "GroupTransactions", "--each", "group", "--ids", "382", *DAYS, "--out", "out")
    assert one.stdout.startswith("GroupTransactions: 0 of 2 partitions written, "), one.stderr
    below = command(sandbox, tmp_path, "Users", "--each", "group", "--below", "347", "--out", "users")
    assert below.returncode == 0, below.stderr
    assert {record.path for record in records(tmp_path / "users", "Users")} >= {"group=347/part.parquet"}
    rooms = command(sandbox, tmp_path, "Games", "--each", "room", *DAYS, "--out", "games")
    assert rooms.returncode == 0, rooms.stderr
    assert {record.entity for record in records(tmp_path / "games", "Games")} == {"room=1", "room=2", "room=3"}


def test_on_a_cluster_the_same_files_come_out(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*GROUP, *DAYS, "--out"]
    alone = command(sandbox, tmp_path, *words, str(tmp_path / "alone"))
    assert alone.returncode == 0, alone.stderr
    assert alone.stdout.startswith("GroupTransactions: 2 of 2 partitions written, ")
    for name, value in settings(sandbox).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ERROR_JOURNAL", str(tmp_path / "errors.sqlite"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        # A relative folder is that of the command, not of the workers. They share the rate of the vendor.
        cluster_words = ["--engine", "dask", "--scheduler", cluster.scheduler_address]
        many = command(sandbox, tmp_path, *words, "many", *cluster_words, GAMEHUB_CALLS_PER_MINUTE="600")
        other = command(sandbox, tmp_path, *words, "other", *cluster_words, BUSINESS_TIMEZONE="Europe/Madrid")
        sandbox.reset()
        sandbox.fault("slow", value=1.0)
        with cluster.get_client() as client, ThreadPoolExecutor(1) as beside:
            busy = beside.submit(command, sandbox, tmp_path, *words, "killed", *cluster_words)
            killed = kill_a_worker(client, sandbox)
            survived = busy.result(timeout=120)
            workers = set(client.run(os.getpid).values())
        sandbox.heal()
    assert survived.returncode == 0, survived.stderr
    assert survived.stdout == alone.stdout.replace(f"{tmp_path}/alone", "killed")
    assert hashes(tmp_path / "killed") == hashes(tmp_path / "alone")
    assert killed not in workers
    assert many.returncode == 0, many.stderr
    assert many.stdout == alone.stdout.replace(f"{tmp_path}/alone", "many")
    assert hashes(tmp_path / "many") == hashes(tmp_path / "alone")
    assert other.returncode == 2
    assert "a worker has other settings than this command: BUSINESS_TIMEZONE is UTC, not Europe/Madrid" in other.stderr


def kill_a_worker(client: Client, sandbox: Sandbox) -> int:
    """Kill a worker that waits for the rows of its day. Return the id of its process."""
    pids = client.run(os.getpid)
    end = time.monotonic() + 60
    while True:
        assert time.monotonic() < end
        busy = [worker for worker, tasks in client.processing().items() if tasks]  # type: ignore[no-untyped-call]
        if len(busy) == 2:
            break
        time.sleep(0.02)
    time.sleep(0.5)  # within the first answer
    os.kill(pids[busy[0]], signal.SIGKILL)
    return int(pids[busy[0]])


def hashes(out: Path) -> dict[str, str]:
    """The hashes of the files, which are those of the ledger."""
    found = {
        str(path.relative_to(out / "GroupTransactions")): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (out / "GroupTransactions").rglob("*.parquet")
    }
    assert {record.path: record.sha256 for record in records(out, "GroupTransactions")} == found
    return found


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["Nothing"], "There is no table 'Nothing'; there are DailyMovements,"),
        (["Groups", "--during", "today"], "The table Groups has no parameter 'period'; it has limit."),
        (["Groups", "--format", "pdf"], "there is no format 'pdf'"),
        (["Groups", "--var", "limit=1"], "an export is whole: it takes no limit"),
        (["Groups", "--engine", "dask"], "--engine is local, or dask with the --scheduler it is to use"),
        (["Groups", "--each", "group"], "Groups cannot be divided by group: its variables are none"),
        (["Users", "--each", "table"], "--each is group, room or user, not 'table'"),
        (["Users", "--each", "group", "--ids", "a"], "'a' is no id: write numbers"),
        (["Users", "--ids", "382"], "--ids and --below need --each"),
        ([*GROUP, "--refresh", "2026-03-09..2026-03-01"], "'2026-03-09..2026-03-01' ends before it begins"),
        ([*GROUP, "--during", "2026-03-09..2026-03-01"], "'2026-03-09..2026-03-01' ends before it begins"),
        ([*GROUP, "--during", "2026-03-09", "--since", "2026-03-09"], "say either --during, or --since and --until"),
        (["GroupTransactions", "--during", "today"], "needs group: add --var group=… to the command"),
        ([*GROUP, "--since", "2026-03-12T12:00:00"], "a part of 2026-03-12: write --since 2026-03-12"),
    ],
)
def test_wrong_options_are_one_line(sandbox: Sandbox, tmp_path: Path, words: list[str], says: str) -> None:
    done = command(sandbox, tmp_path, *words, "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert says in line


def test_a_scheduler_that_is_not_there_or_has_no_workers_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_export, "PATIENCE_SECONDS", 0.5)
    nothing: Any = None
    with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=0, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        address = cluster.scheduler_address
        with pytest.raises(DestinationFailed, match=f"the scheduler {address} has no workers: start one with"):
            cluster_export.run(nothing, nothing, address, nothing)
    with pytest.raises(DestinationFailed, match=f"the scheduler {address} cannot be reached: ") as failed:
        cluster_export.run(nothing, nothing, address, nothing)
    assert "\n" not in str(failed.value)


def test_a_run_that_gets_sigterm_gives_its_claims_back(sandbox: Sandbox, tmp_path: Path) -> None:
    """The next run may be on another host, which cannot see that the process of a claim has ended."""
    out = tmp_path / "out"
    words = (*GROUP, "--since", "2026-03-12", "--until", "2026-03-13", "--out", str(out))
    environment = {**os.environ, **settings(sandbox), "ERROR_JOURNAL": str(tmp_path / "errors.sqlite")}
    claims = out / "_ledger" / "GroupTransactions" / "claims"
    sandbox.fault("slow", value=2)
    try:
        with (tmp_path / "log").open("w") as log:
            going = Piped("gamehub-graph", "export", *words, folder=tmp_path, environment=environment, stderr=log)
            end = time.monotonic() + 60
            while not (claims.is_dir() and list(claims.iterdir())):
                assert time.monotonic() < end
                time.sleep(0.02)
            going.terminate()
            going.close(60)
    finally:
        sandbox.heal()
    assert going.returncode == 1
    said = (tmp_path / "log").read_text().splitlines()[-1]
    assert said == "gamehub-graph: stopped by SIGTERM: the next run goes on with the days that are left"
    assert list(claims.iterdir()) == []
    assert records(out, "GroupTransactions") == []
    done = command(sandbox, tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert [record.status.value for record in records(out, "GroupTransactions")] == ["closed"]
