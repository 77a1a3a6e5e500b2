"""A statement that got past the check reaches nothing in its process, and its process never stays."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from server.http.request_error import RequestError
from server.sql.process import ResultColumn, Workers

LIMIT = 3.0
ENDLESS = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 - 1 FROM r) SELECT count(*) FROM r"


async def no_part(scan: int, part: int, columns: Sequence[str]) -> int:
    raise AssertionError("no table is read")


def task(text: str) -> dict[str, Any]:
    return {
        "text": text, "scans": [], "catalog": [], "zone": "UTC", "mebibytes": 128, "seconds": LIMIT, "threads": 2,
    }  # fmt: skip


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    found = Workers(2)
    yield found
    await found.aclose()
    assert children() == []


def children() -> list[str]:
    """Return the commands of the processes for statements below this one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            command = (entry / "cmdline").read_text()
        except (OSError, IndexError):
            continue
        if parent == os.getpid() and "server.sql.worker" in command:
            found.append(entry.name)
    return found


def environment(process: str) -> list[bytes]:
    return Path(f"/proc/{process}/environ").read_bytes().split(b"\0")


def left_behind() -> list[Path]:
    return list(Path("/tmp").glob("gamehub-graph-sql*"))


async def ask(workers: Workers, text: str, seconds: float = 60) -> tuple[list[ResultColumn], pa.Table]:
    columns: list[ResultColumn] = []
    batches: list[pa.RecordBatch] = []
    schema: Any = None
    async for found in workers.run(task(text), no_part, seconds):
        if isinstance(found, list):
            columns = found
        elif isinstance(found, pa.Schema):
            schema = found
        else:
            batches.append(found)
    return columns, pa.Table.from_batches(batches, schema)


async def refused(workers: Workers, text: str, seconds: float = 60) -> tuple[int, str, str]:
    with pytest.raises(RequestError) as refusal:
        await ask(workers, text, seconds)
    one = refusal.value.errors[0]
    return refusal.value.status, one["extensions"]["code"], one["message"]


async def test_a_result_comes_in_batches(workers: Workers) -> None:
    columns, rows = await ask(workers, "SELECT i AS n, 'x' AS t FROM range(100000) AS r(i)")
    assert columns == [ResultColumn("n", "BIGINT"), ResultColumn("t", "VARCHAR")]
    assert rows.num_rows == 100_000
    assert max(batch.num_rows for batch in rows.to_batches()) <= 32_768


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/proc/self/environ')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/*')",
        "COPY (SELECT 1) TO '/tmp/gamehub-graph-sql.csv'",
        "ATTACH '/tmp/gamehub-graph-sql.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
        "RESET lock_configuration",
        "PRAGMA memory_limit='100GB'",
        "CALL pragma_database_size()",
        "EXPORT DATABASE '/tmp/gamehub-graph-sql'",
        "SELECT * FROM task",
        "SELECT * FROM 'https://example.com/x.parquet'",
        "SELECT getenv('HOME')",
    ],
)
async def test_a_process_reaches_no_file_setting_or_extension(workers: Workers, text: str) -> None:
    if text.startswith("CALL"):  # it reads the size of the database in memory, and nothing else
        assert (await ask(workers, text))[1].num_rows >= 1
        return
    status, code, message = await refused(workers, text)
    assert (status, code) == (400, "SQL_INVALID"), message
    assert not left_behind()


async def test_the_environment_of_a_process_is_empty(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAMEHUB_TOKEN", "secret")
    await ask(workers, "SELECT 1")
    for _ in range(600):  # until the process for the next statement has begun
        if children():
            break
        await asyncio.sleep(0.1)
    (spare,) = children()
    variables = environment(spare)
    assert {line.partition(b"=")[0] for line in variables if line} <= {
        b"LANG", b"MALLOC_ARENA_MAX", b"ARROW_DEFAULT_MEMORY_POOL", b"LC_CTYPE",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "SELECT repeat('x', 3000000000)",
        "SELECT list(i) FROM range(1000000000) AS r(i)",
    ],
)
async def test_memory_is_limited(workers: Workers, text: str) -> None:
    status, code, message = await refused(workers, text)
    assert (status, code) == (400, "SQL_LIMIT"), message
    assert "memory" in message


async def test_time_is_limited(workers: Workers) -> None:
    status, code, message = await refused(workers, ENDLESS, LIMIT)
    assert (status, code) == (400, "SQL_LIMIT")
    assert message == "The statement ran longer than 3 s (SQL_SECONDS) and was ended: ask for less."
    # The next statement has a process of its own.
    assert (await ask(workers, "SELECT 1"))[1].num_rows == 1


async def test_a_process_that_dies_is_an_error(workers: Workers) -> None:
    asking = asyncio.create_task(refused(workers, ENDLESS))
    running: list[str] = []
    for _ in range(600):  # until the process works
        await asyncio.sleep(0.1)
        running = [one for one in children() if _seconds(one) > 1.5]
        if running:
            break
    os.kill(int(running[0]), signal.SIGKILL)
    status, code, _ = await asking
    assert (status, code) == (500, "SQL_PROCESS_LOST")


def _seconds(process: str) -> float:
    """Return the time of the processor that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_a_caller_that_leaves_ends_the_process(workers: Workers) -> None:
    rows = workers.run(task("SELECT * FROM range(100000000) AS r(i)"), no_part, 60)
    assert isinstance(await anext(rows), list)
    await anext(rows)
    await anext(rows)
    await rows.aclose()
    await asyncio.sleep(0)
    assert len(children()) <= 1  # only the one for the next statement


async def test_statements_wait_for_their_turn_and_too_many_are_refused() -> None:
    workers = Workers(1)
    try:
        asked = [asyncio.create_task(ask(workers, f"SELECT {number}")) for number in range(9)]
        await asyncio.sleep(0)
        status, code, _ = await refused(workers, "SELECT 10")
        assert (status, code) == (503, "OVERLOADED")
        for number, (_, rows) in enumerate(await asyncio.gather(*asked)):
            assert rows.column(0).to_pylist() == [number]
    finally:
        await workers.aclose()
