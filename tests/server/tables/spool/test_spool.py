"""The spool: files that are whole or not there, written once, bounded, and found again with their moments."""

# ruff: noqa: ASYNC240 (files of a few bytes)
import asyncio
import datetime
import errno
import os
import stat
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from server.execution.freshness import Freshness
from server.tables.config import TablesConfig
from server.tables.spool import spool as spool_module
from server.tables.spool.folders import PREFIX
from server.tables.spool.snapshot import READING, Snapshot, SpoolTimes, hash_of
from server.tables.spool.spool import LATE, Spool, Wanted, key_of

NOON = datetime.datetime(2026, 3, 15, 12, tzinfo=datetime.UTC)
A, B, C = ("a" * 32, "b" * 32, "c" * 32)


def second(number: float) -> datetime.datetime:
    return NOON + datetime.timedelta(seconds=number)


def writing(text: bytes, begun: float = 0, *, oldest: float | None = None, until: float = 60) -> Callable[[Path], Any]:
    """Writes a file whose rows were read at a moment, and are trusted until another."""
    read = None if oldest is None else Freshness(second(oldest), second(begun), second(until))

    async def write(path: Path) -> SpoolTimes:
        await asyncio.sleep(0.01)
        path.write_bytes(text)
        return SpoolTimes(second(begun), read, second(until))

    return write


def at(number: float, **wanted: Any) -> Wanted:
    return Wanted(second(number), **wanted)


async def never(path: Path) -> SpoolTimes:
    raise AssertionError("nothing was to be written")


async def test_one_writes_and_all_wait_even_if_the_first_one_leaves(tmp_path: Path) -> None:
    spool, begun, go = Spool(lambda: (tmp_path, False), 100), asyncio.Semaphore(0), asyncio.Event()

    async def slowly(path: Path) -> SpoolTimes:
        begun.release()
        await go.wait()
        path.write_bytes(b"x")
        return SpoolTimes(NOON, None, second(60))

    first = asyncio.create_task(spool.get(A, "csv", at(0), slowly))
    await begun.acquire()
    others = [asyncio.create_task(spool.get(A, "csv", at(0), slowly)) for _ in range(3)]
    first.cancel()
    await asyncio.sleep(0)
    go.set()
    assert {(await other).path.read_bytes() for other in others} == {b"x"}
    assert first.cancelled()
    assert begun.locked()


async def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    async def fail(path: Path) -> SpoolTimes:
        path.write_bytes(b"half")
        raise ConnectionError

    spool = Spool(lambda: (tmp_path, False), 100)
    with pytest.raises(ConnectionError):
        await spool.get(A, "csv", at(0), fail)
    assert list(tmp_path.iterdir()) == []
    assert (await spool.get(A, "csv", at(0), writing(b"whole"))).size == 5


async def test_a_file_is_written_anew_when_the_trust_in_its_rows_ends(tmp_path: Path) -> None:
    spool = Spool(lambda: (tmp_path, False), 100)
    first = await spool.get(A, "csv", at(0), writing(b"1"))
    assert await spool.get(A, "csv", at(59), never) is first
    second_one = await spool.get(A, "csv", at(60), writing(b"2", 60, until=120))
    assert (second_one.path.read_bytes(), second_one.etag != first.etag) == (b"2", True)


@pytest.mark.parametrize(
    ("wanted", "met"),
    [
        (at(50), True),
        (at(60), False),
        (at(50, not_before=second(-30)), True),
        (at(50, not_before=second(-29)), False),
        (at(50, changed=second(-30)), True),
        (at(50, changed=second(-29)), False),
        (at(50, changed=second(1)), False),
        (at(500, reading=True), True),
        (at(500, reading=True, changed=second(10)), True),
        (at(500, reading=True, not_before=second(-29)), False),
        (at(10 + READING.total_seconds(), reading=True), False),
    ],
)
def test_which_file_will_do(tmp_path: Path, wanted: Wanted, met: bool) -> None:
    times = SpoolTimes(second(0), Freshness(second(-30), second(1), second(60)), second(60))
    file = Snapshot(tmp_path, "", 1, times, times.newest, shown=second(10))
    assert wanted.met(file) is met


def test_a_change_may_become_known_late(tmp_path: Path) -> None:
    """Rows that were read long ago may stand beside those that changed: the writing is what counts, less that time."""
    late = LATE.total_seconds()
    times = SpoolTimes(second(0), Freshness(second(-9999), second(1), second(9999)), second(9999))
    file = Snapshot(tmp_path, "", 1, times, times.newest)
    assert at(10, changed=second(-late)).met(file)
    assert not at(10, changed=second(-late + 1)).met(file)


async def test_a_file_that_is_being_written_is_fresh_only_if_its_rows_are_read_now(tmp_path: Path) -> None:
    """A request for fresh rows shares a writing with the same demand, and waits for the end of any other."""
    spool, go, texts = Spool(lambda: (tmp_path, False), 100), asyncio.Event(), iter((b"1", b"2", b"3"))

    def slowly(begun: float, oldest: float) -> Callable[[Path], Awaitable[SpoolTimes]]:
        async def write(path: Path) -> SpoolTimes:
            await go.wait()
            path.write_bytes(next(texts))
            return SpoolTimes(second(begun), Freshness(second(oldest), second(begun), second(600)), second(600))

        return write

    plain = asyncio.create_task(spool.get(A, "csv", at(0), slowly(0, -100)))
    await asyncio.sleep(0)
    fresh = asyncio.create_task(spool.get(A, "csv", at(1, not_before=second(1)), slowly(1, 1)))
    shared = asyncio.create_task(spool.get(A, "csv", at(1.5, not_before=second(1)), slowly(1.5, 1.5)))
    changed = asyncio.create_task(spool.get(A, "csv", at(1.7, changed=second(0.5)), slowly(1.7, 1)))
    await asyncio.sleep(0.01)
    go.set()
    files = [(await task).path.read_bytes() for task in (plain, fresh, shared, changed)]
    assert files == [b"1", b"2", b"2", b"2"]


async def test_the_longest_unused_goes_unless_it_is_being_read(tmp_path: Path) -> None:
    spool = Spool(lambda: (tmp_path, False), 25)
    a, b, c = [await spool.get(key, "csv", at(0), writing(key[:8].encode())) for key in (A, B, C)]
    await spool.get(A, "csv", at(0), never)
    c.readers = 1
    await spool.get("d" * 32, "csv", at(0), writing(b"d" * 8))
    assert [one.path.exists() for one in (a, b, c)] == [True, False, True]
    await spool.get("e" * 32, "csv", at(0), writing(b"e" * 20))
    assert [one.path.exists() for one in (a, b, c)] == [False, False, True]


async def test_who_reads_in_parts_goes_on_with_the_file_that_another_one_follows(tmp_path: Path) -> None:
    spool = Spool(lambda: (tmp_path, False), 100)
    first = await spool.get(A, "csv", at(0), writing(b"1"))
    newer = await spool.get(A, "csv", at(70), writing(b"2", 70, until=1000))
    assert await spool.get(A, "csv", at(80, reading=True, tag=first.etag), never) is first
    assert await spool.get(A, "csv", at(80, reading=True, tag=first.etag[:6]), never) is first
    assert await spool.get(A, "csv", at(80, reading=True, tag=newer.etag), never) is newer
    assert await spool.get(A, "csv", at(80, reading=True, tag="other"), never) is newer
    # It is removed when no reader can use it any more, also none that another process of the folder has served.
    gone = READING.total_seconds() + 1
    assert await spool.get(A, "csv", at(gone, reading=True, tag=first.etag), never) is newer
    await spool.get(C, "csv", at(gone), writing(b"4", gone, until=gone))
    assert first.path.exists()
    gone = 70 + 2 * READING.total_seconds()
    await spool.get(B, "csv", at(gone), writing(b"3", gone, until=gone))
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == [b"2", b"3", b"4"]


async def test_files_that_others_followed_count_for_the_limit(tmp_path: Path) -> None:
    spool = Spool(lambda: (tmp_path, False), 15)
    await spool.get(A, "csv", at(0), writing(b"1" * 8))
    await spool.get(A, "csv", at(70), writing(b"2" * 8, 70))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"2" * 8]


async def test_a_folder_that_outlives_the_server_is_found_again(tmp_path: Path) -> None:
    key = key_of("x", 1)
    first = await Spool(lambda: (tmp_path, False), 100).get(
        key, "csv", at(0), writing(b"kept", oldest=-1.5, until=60.25)
    )
    again = await Spool(lambda: (tmp_path, False), 100).get(key, "csv", at(60), never)
    assert (again.path, again.etag, again.times) == (first.path, first.etag, first.times)
    assert again.times.rows == Freshness(second(-1.5), second(0), second(60.25))
    other = key_of("y", 1)
    plain = await Spool(lambda: (tmp_path, False), 100).get(other, "csv", at(0), writing(b"rows of nobody"))
    assert (await Spool(lambda: (tmp_path, False), 100).get(other, "csv", at(59), never)).times == plain.times


async def test_on_a_full_disk_files_that_nobody_reads_make_room_once(tmp_path: Path) -> None:
    spool = Spool(lambda: (tmp_path, False), 100)
    read, unread = [await spool.get(key, "csv", at(0), writing(key[:1].encode())) for key in (A, B)]
    await spool.get(B, "csv", at(70), writing(b"newer", 70))
    read.readers = 1
    tries: list[int] = []

    def full(times: int) -> Callable[[Path], Any]:
        async def write(path: Path) -> SpoolTimes:
            tries.append(len(list(tmp_path.glob("*.csv"))))
            if len(tries) <= times:
                raise OSError(errno.ENOSPC, "No space left on device")
            path.write_bytes(b"new")
            return SpoolTimes(NOON, None, second(600))

        return write

    assert (await spool.get(C, "csv", at(71), full(1))).path.read_bytes() == b"new"
    assert (tries, unread.path.exists(), read.path.exists()) == ([3, 1], False, True)
    tries.clear()
    # If nothing is left to remove, the answer has the error.
    with pytest.raises(OSError, match="No space left"):
        await spool.get("d" * 32, "csv", at(72), full(9))
    assert tries == [2, 1]
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"a"]


@pytest.mark.parametrize("spoil", [lambda text: text[:3], lambda text: text[:-1] + b"X", lambda text: text + b"X"])
async def test_a_file_that_is_not_as_it_was_written_is_not_served_after_a_start(
    spoil: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    first = await Spool(lambda: (tmp_path, False), 100).get(A, "csv", at(0), writing(b"whole"))
    first.path.write_bytes(spoil(first.path.read_bytes()))
    spool = Spool(lambda: (tmp_path, False), 100)
    again = await asyncio.gather(*(spool.get(A, "csv", at(1), writing(b"whole")) for _ in range(3)))
    assert {(file.path.read_bytes(), file.etag, file.size) for file in again} == {(b"whole", first.etag, 5)}
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"whole"]


async def test_a_file_that_changes_while_the_server_runs_is_written_anew(tmp_path: Path) -> None:
    spool = Spool(lambda: (tmp_path, False), 100)
    first = await spool.get(A, "csv", at(0), writing(b"whole"))
    first.path.write_bytes(b"half")
    assert (await spool.get(A, "csv", at(1), writing(b"whole"))).path.read_bytes() == b"whole"
    # The file that another one follows is compared, too.
    newer = await spool.get(A, "csv", at(70), writing(b"newer", 70, until=1000))
    first.path.write_bytes(b"half")
    assert await spool.get(A, "csv", at(80, reading=True, tag=first.etag), never) is newer


async def test_a_file_is_compared_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await Spool(lambda: (tmp_path, False), 100).get(A, "csv", at(0), writing(b"whole"))
    looks: list[Path] = []
    monkeypatch.setattr(spool_module, "hash_of", lambda path: looks.append(path) or hash_of(path))  # type: ignore[func-returns-value]
    spool = Spool(lambda: (tmp_path, False), 100)
    files = await asyncio.gather(*(spool.get(A, "csv", at(1), never) for _ in range(5)))
    assert await spool.get(A, "csv", at(2), never) is files[0]
    assert len(looks) == 1


async def test_files_are_for_this_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "spool"
    config = TablesConfig(spool_dir=folder)
    file = await Spool(config.spool_folder, 100).get(A, "csv", at(0), writing(b"x"))
    assert (stat.S_IMODE(folder.stat().st_mode), stat.S_IMODE(file.path.stat().st_mode)) == (0o700, 0o600)
    # Those of an earlier version are closed to others.
    file.path.chmod(0o644)
    again = await Spool(config.spool_folder, 100).get(A, "csv", at(1), never)
    assert stat.S_IMODE(again.path.stat().st_mode) == 0o600


async def test_names_of_all_kinds_may_stand_in_the_folder(tmp_path: Path) -> None:
    names = ["README", ".hidden", f"{A}.{B}", f"{A}.{B}.x-y.csv", f"{C}.{B}.{10**40}-1.csv", f"{A}.part"]
    for name in names:
        (tmp_path / name).write_bytes(b"?")
    current = SpoolTimes(second(0), None, second(9)).text
    folders = [tmp_path / name for name in (f"{B}.{A}.1-2.csv", f"{A}.{B}.{current}.csv", f"{B}.part")]
    for folder in folders:
        folder.mkdir()
        os.utime(folder, (0, 0))
    spool = Spool(lambda: (tmp_path, False), 100)
    assert (await spool.get(A, "csv", at(0), writing(b"x"))).size == 1
    assert (await spool.get(C, "csv", at(0), writing(b"y" * 100))).size == 100  # others go, as far as they are old
    assert all(folder.is_dir() for folder in folders)


def test_the_folders_of_dead_servers_go_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    code = """
import sys
import time
from pathlib import Path
from server.tables.spool.folders import FolderLock
held = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""
    folders = [tmp_path / f"{PREFIX}{name}" for name in ("dead", "living", "new", "own")]
    for folder in folders:
        folder.mkdir()
    dead, living, new, own = folders
    (dead / "x.csv").write_bytes(b"rows")
    # A folder that was just made is not held yet.
    servers = [
        subprocess.Popen([sys.executable, "-c", code, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for folder in (dead, living)
    ]
    try:
        for server in servers:
            assert server.stdout is not None
            assert server.stdout.readline() == b"held\n"
        servers[0].kill()
        servers[0].wait()
        spool = Spool(lambda: (own, True), 100)

        async def live() -> None:
            await spool.get(A, "csv", at(0), writing(b"x"))
            assert [folder.exists() for folder in folders] == [False, True, True, True]
            await spool.aclose()

        asyncio.run(live())
        assert [folder.exists() for folder in (living, new, own)] == [True, True, False]
    finally:
        for server in servers:
            server.kill()
            server.communicate()


async def test_files_without_moments_are_not_found_again(tmp_path: Path) -> None:
    """They were written by a version that did not say when it had read their rows."""
    (tmp_path / f"{A}.{B}.csv").write_bytes(b"old")
    (tmp_path / "notes.txt").write_bytes(b"somebody else's")
    await Spool(lambda: (tmp_path, False), 100).get(C, "csv", at(0), writing(b"new"))
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == [b"new", b"somebody else's"]


async def test_a_temporary_folder_goes_with_the_server(tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    spool = Spool(lambda: (folder, True), 100)
    await spool.get(A, "csv", at(0), writing(b"x"))
    await spool.aclose()
    assert not folder.exists()


async def test_a_date_identifies_a_content(tmp_path: Path) -> None:
    """The same content keeps its date. Another content has a later one, even if it was read in the same second."""
    spool = Spool(lambda: (tmp_path, False), 100)
    first = await spool.get(A, "csv", at(0), writing(b"one"))
    same = await spool.get(A, "csv", at(70), writing(b"one", 70, until=71))
    assert same.modified == first.modified == second(0)
    other = await spool.get(A, "csv", at(71.2), writing(b"two", 71.2, until=71.4))
    assert other.modified == second(71)
    again = await spool.get(A, "csv", at(71.5), writing(b"one", 71.5, until=100))
    assert again.modified == second(72)
    # Another server says the same.
    assert (await Spool(lambda: (tmp_path, False), 100).get(A, "csv", at(72), never)).modified == second(72)


def twins(folder: Path, limit: int = 100) -> tuple[Spool, Spool]:
    """Two processes that share a folder."""
    return Spool(lambda: (folder, False), limit), Spool(lambda: (folder, False), limit)


async def test_a_process_serves_what_another_one_wrote(tmp_path: Path) -> None:
    one, other = twins(tmp_path)
    await other.get(C, "csv", at(0), writing(b"opened before the first file"))
    first = await one.get(A, "csv", at(0), writing(b"1", until=60))
    again = await other.get(A, "csv", at(59), never)
    assert (again.path, again.etag, again.times, again.modified) == (
        first.path,
        first.etag,
        first.times,
        first.modified,
    )
    # A newer file of the other process is found when the own one will not do any more.
    newer = await other.get(A, "csv", at(60), writing(b"2", 60, until=120))
    assert (await one.get(A, "csv", at(61), never)).etag == newer.etag
    # Both continue with the first one, whoever served it.
    for spool in (one, other):
        parts = at(100, reading=True, tag=first.etag)
        assert (await spool.get(A, "csv", parts, never)).path == first.path
    late = 60 + READING.total_seconds()
    assert (await one.get(A, "csv", at(late, reading=True, tag=first.etag), writing(b"3", late))).etag != first.etag


@pytest.mark.parametrize(("ahead", "used"), [(0, True), (60, True), (121, False), (3600, False)])
async def test_a_file_from_the_future_is_not_used(ahead: float, used: bool, tmp_path: Path) -> None:
    """Its host has another time. A file may be begun a little later than the request that waits for it."""
    one, other = twins(tmp_path)
    await one.get(A, "csv", at(ahead), writing(b"theirs", ahead, until=ahead + 3600))
    found = await other.get(A, "csv", at(0), writing(b"own", 0))
    assert found.path.read_bytes() == (b"theirs" if used else b"own")


async def test_parts_without_a_name_come_from_the_file_that_another_process_began_with(tmp_path: Path) -> None:
    one, other = twins(tmp_path)
    first = await one.get(A, "csv", at(0), writing(b"1", until=60))
    last = 59 + READING.total_seconds()
    assert (await other.get(A, "csv", at(last, reading=True), never)).path == first.path
    assert (await other.get(A, "csv", at(last + 2, reading=True), writing(b"2", last, until=9999))).path != first.path


async def test_no_process_removes_what_another_one_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "SURVEY_SECONDS", -1.0)
    one, other = twins(tmp_path, 20)
    held = await one.get(A, "csv", at(0), writing(b"a" * 8))
    let_go = await one.get(B, "csv", at(0), writing(b"b" * 8))
    held.hold()
    await other.get(C, "csv", at(0), writing(b"c" * 16))
    assert (held.path.exists(), let_go.path.exists()) == (True, True)  # a first reader may be about to hold it
    monkeypatch.setattr(spool_module, "YOUNG_SECONDS", -1.0)
    await other.get("d" * 32, "csv", at(0), writing(b"d" * 8))
    assert sorted(path.name[0] for path in tmp_path.iterdir()) == ["a", "d"]  # together they keep to the limit
    with pytest.raises(FileNotFoundError):
        let_go.hold()
    held.release()
    await other.get("e" * 32, "csv", at(0), writing(b"e" * 16))
    assert sorted(path.name[0] for path in tmp_path.iterdir()) == ["e"]
    assert (await one.get(A, "csv", at(1), writing(b"again"))).path.read_bytes() == b"again"


async def test_the_use_of_one_process_counts_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SURVEY_SECONDS", "YOUNG_SECONDS"):
        monkeypatch.setattr(spool_module, name, -1.0)
    one, other = twins(tmp_path, 25)
    files = [await other.get(key, "csv", at(0), writing(key[:8].encode())) for key in (A, B, C)]
    for file, ago in zip(files, (300, 200, 100), strict=True):
        os.utime(file.path, (time.time() - ago, time.time() - 400))
        file.stamp = None
        file.used = time.time() - ago
    await one.get(A, "csv", at(1), never)
    await other.get("d" * 32, "csv", at(1), writing(b"d" * 8))
    assert [file.path.exists() for file in files] == [True, False, True]


async def test_a_damaged_file_of_another_process_is_written_again(tmp_path: Path) -> None:
    one, other = twins(tmp_path)
    first = await one.get(A, "csv", at(0), writing(b"whole"))
    first.path.write_bytes(b"half")
    assert (await other.get(A, "csv", at(1), writing(b"whole"))).path.read_bytes() == b"whole"
