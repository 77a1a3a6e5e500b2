"""A file that changes is read again, and only then."""

import os
from pathlib import Path

from upstream.transport.watched import Watched


class Reads(list[str]):
    """A reader that notes what it read."""

    def __call__(self, path: Path) -> str:
        self.append(path.read_text())
        if not self[-1]:
            raise ValueError("empty")
        return self[-1]


def write(path: Path, text: str, seconds: int) -> None:
    path.write_text(text)
    os.utime(path, (seconds, seconds))


def test_a_change_is_read_once(tmp_path: Path) -> None:
    path, reads = tmp_path / "file", Reads()
    write(path, "a", 1000)
    watched = Watched(path, reads)
    assert [watched.value for _ in range(3)] == ["a", "a", "a"]
    write(path, "b", 1001)
    assert [watched.value for _ in range(3)] == ["b", "b", "b"]
    assert reads == ["a", "b"]


def test_the_last_good_value_stays(tmp_path: Path) -> None:
    path, reads = tmp_path / "file", Reads()
    write(path, "a", 1000)
    watched = Watched(path, reads)
    write(path, "", 1001)
    assert [watched.value for _ in range(3)] == ["a", "a", "a"]
    path.unlink()
    assert watched.value == "a"
    write(path, "c", 1002)
    assert watched.value == "c"


def test_a_change_within_one_tick_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    watched = Watched(path, Reads())
    stamp = path.stat()
    path.write_text("b")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert watched.value == "b"


def test_a_first_value_may_be_given(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "none", Reads(), "first")
    assert watched.value == "first"
