"""The spool: files that are whole or not there, written once, bounded, and found again."""

# ruff: noqa: ASYNC240 (files of a few bytes)
import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from server.tables.spool import Spool, key_of


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def writing(text: bytes, written: list[bytes] | None = None) -> Callable[[Path], Awaitable[None]]:
    async def write(path: Path) -> None:
        await asyncio.sleep(0.01)
        path.write_bytes(text)
        if written is not None:
            written.append(text)

    return write


async def test_one_writes_and_all_wait_even_if_the_first_one_leaves(tmp_path: Path) -> None:
    spool, begun, go = Spool(lambda: (tmp_path, False), 100), asyncio.Semaphore(0), asyncio.Event()

    async def slowly(path: Path) -> None:
        begun.release()
        await go.wait()
        path.write_bytes(b"x")

    first = asyncio.create_task(spool.get("a", "csv", 60, slowly))
    await begun.acquire()
    others = [asyncio.create_task(spool.get("a", "csv", 60, slowly)) for _ in range(3)]
    first.cancel()
    await asyncio.sleep(0)
    go.set()
    assert {(await other).path.read_bytes() for other in others} == {b"x"}
    assert first.cancelled()
    assert begun.locked()


async def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    async def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise ConnectionError

    spool = Spool(lambda: (tmp_path, False), 100)
    with pytest.raises(ConnectionError):
        await spool.get("a", "csv", 60, fail)
    assert list(tmp_path.iterdir()) == []
    assert (await spool.get("a", "csv", 60, writing(b"whole"))).size == 5


async def test_what_is_too_old_is_written_anew(tmp_path: Path) -> None:
    clock = Clock()
    spool = Spool(lambda: (tmp_path, False), 100, clock)
    first = await spool.get("a", "csv", 60, writing(b"1"))
    clock.now += 59
    assert await spool.get("a", "csv", 60, writing(b"2")) is first
    clock.now += 1
    second = await spool.get("a", "csv", 60, writing(b"2"))
    assert second.etag != first.etag
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"2"]


async def test_the_longest_unused_goes_unless_it_is_being_read(tmp_path: Path) -> None:
    spool = Spool(lambda: (tmp_path, False), 25)
    a, b, c = [await spool.get(key, "csv", 60, writing(key.encode() * 8)) for key in "abc"]
    await spool.get("a", "csv", 60, writing(b"never"))
    c.readers = 1
    await spool.get("d", "csv", 60, writing(b"d" * 8))
    assert [one.path.exists() for one in (a, b, c)] == [True, False, True]
    await spool.get("e", "csv", 60, writing(b"e" * 20))
    assert [one.path.exists() for one in (a, b, c)] == [False, False, True]


async def test_a_folder_that_outlives_the_server_is_found_again(tmp_path: Path) -> None:
    key = key_of("x", 1)
    first = await Spool(lambda: (tmp_path, False), 100).get(key, "csv", 60, writing(b"kept"))
    again = await Spool(lambda: (tmp_path, False), 100).get(key, "csv", 60, writing(b"never"))
    assert (again.path, again.etag) == (first.path, first.etag)
    assert again.path.read_bytes() == b"kept"


async def test_a_temporary_folder_goes_with_the_server(tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    spool = Spool(lambda: (folder, True), 100)
    await spool.get("a", "csv", 60, writing(b"x"))
    await spool.aclose()
    assert not folder.exists()
