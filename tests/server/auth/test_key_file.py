"""Files of keys that cannot be written, copies of them, and keys from another file."""

import os
import pickle
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from resolvers.caller import Caller
from server.auth.key import KeysUnreadable, KeyTrouble
from server.auth.key_file import KeyFile, write
from server.auth.keys import Keys

ANNA = Caller("anna", frozenset({382}), frozenset({"explore"}))
BEN = Caller("ben", None, frozenset({"tables"}))
NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in which other users may read."""
    found = Path(tempfile.mkdtemp())
    found.chmod(0o755)
    yield found
    shutil.rmtree(found)


def as_reader(work: Callable[[], Any]) -> Any:
    """Return what a function returns for a user who owns none of the files: the superuser may write them all."""
    if os.geteuid() != 0:
        return work()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(writing, pickle.dumps(work()))
        except BaseException as error:  # reported by the parent
            os.write(writing, pickle.dumps(error))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        found = pickle.load(pipe)
    if isinstance(found, BaseException):
        raise found
    return found


def locked(folder: Path, *files: Path, unreadable: str = "") -> KeyFile:
    """A copy of files in a folder in which nothing can be written."""
    folder.mkdir()
    for file in files:
        copy = Path(shutil.copy(file, folder))
        copy.chmod(0o000 if copy.name == unreadable else 0o444)
    folder.chmod(0o555)
    return KeyFile(folder / files[0].name)


def names(file: KeyFile, *texts: str) -> Callable[[], list[str | None]]:
    """Look up keys by their texts, with the current keys of a file."""

    def looked_up() -> list[str | None]:
        keys = Keys(file.path, look_seconds=0)
        found = [None if (key := keys.key(text)) is None else key.caller.name for text in texts]
        assert [key.caller.name for key in file.listed()]
        keys.close()
        return found

    return looked_up


@pytest.mark.parametrize(
    ("copied", "unreadable"),
    [
        (("",), ""),
        (("", "-wal"), ""),
        (("", "-wal", "-shm"), ""),
        (("", "-wal", "-shm"), "keys.sqlite-shm"),
    ],
)
def test_a_copy_that_cannot_be_written_is_read(folder: Path, copied: tuple[str, ...], unreadable: str) -> None:
    file = KeyFile(folder / "keys.sqlite")
    _, anna = file.create(ANNA)
    with sqlite3.connect(file.path) as reader:  # as a running server
        reader.execute("SELECT * FROM key").fetchall()
        _, ben = file.create(BEN)
        file.revoke("anna")
        files = [file.path.with_name(file.path.name + end) for end in copied]
        assert all(path.exists() for path in files)
        copy = locked(folder / "copy", *files, unreadable=unreadable)
    reader.close()
    assert as_reader(names(copy, anna, ben)) == [None, "ben"]


def test_a_change_that_only_the_second_file_has_is_read(folder: Path) -> None:
    file = KeyFile(folder / "keys.sqlite")
    _, anna = file.create(ANNA)
    with sqlite3.connect(file.path) as writer:
        writer.execute("UPDATE key SET revoked = '2026-03-01T00:00:00+00:00'")
        writer.commit()
        copy = locked(folder / "copy", file.path, file.path.with_name("keys.sqlite-wal"))
        hidden = locked(
            folder / "hidden", file.path, file.path.with_name("keys.sqlite-wal"), unreadable="keys.sqlite-wal"
        )
    writer.close()
    assert as_reader(names(copy, anna)) == [None]
    with pytest.raises(KeysUnreadable):  # it is unknown what the second file says
        as_reader(names(hidden, anna))


def test_a_copy_that_is_replaced_is_read_again(folder: Path) -> None:
    file = KeyFile(folder / "keys.sqlite")
    _, anna = file.create(ANNA)
    first = locked(folder / "first", file.path)
    file.revoke("anna")
    second = locked(folder / "second", file.path)
    link = folder / "links" / "current"
    link.parent.mkdir()
    link.parent.chmod(0o777)
    link.symlink_to(first.path.parent)

    def looked_up() -> list[bool]:
        keys = Keys(link / "keys.sqlite", look_seconds=0)
        found = [keys.key(anna) is not None, keys.key(anna) is not None]
        link.unlink()
        link.symlink_to(second.path.parent)  # as Kubernetes replaces a file of a secret
        return [*found, keys.key(anna) is not None]

    assert as_reader(looked_up) == [True, True, False]


def test_a_copy_without_its_table_is_not_taken_for_one_without_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys.sqlite"
    with sqlite3.connect(path) as half:
        half.execute("PRAGMA user_version = 1")
    half.close()
    with pytest.raises(KeysUnreadable):
        Keys(path).key("anything")
    path.write_bytes(b"")  # as `keys create` begins
    assert Keys(path).key("anything") is None


def test_a_plain_copy_of_the_main_file_has_the_last_revocation(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.sqlite")
    _, anna = file.create(ANNA)
    server = Keys(file.path)
    assert server.key(anna) is not None
    file.revoke("anna")
    copy = Path(shutil.copy(file.path, tmp_path / "copy.sqlite"))
    assert Keys(copy).key(anna) is None
    server.close()


def test_a_backup_and_what_it_restores(tmp_path: Path) -> None:
    file, backup = KeyFile(tmp_path / "keys.sqlite"), tmp_path / "backups" / "keys.sqlite"
    _, anna = file.create(ANNA)
    _, ben = file.create(BEN)
    file.revoke("ben")
    write(backup, file.listed())
    assert [path.name for path in backup.parent.iterdir()] == ["keys.sqlite"]  # one file holds everything
    assert (backup.stat().st_mode & 0o777, KeyFile(backup).listed()) == (0o600, file.listed())
    file.revoke("anna")
    _, other = file.create(ANNA)
    assert file.join(KeyFile(backup).listed()) == []  # what was revoked since the backup stays revoked
    empty = KeyFile(tmp_path / "empty.sqlite")
    assert empty.join(KeyFile(backup).listed()) == KeyFile(backup).listed()
    assert [Keys(empty.path).key(text) is not None for text in (anna, ben, other)] == [True, False, False]
    with pytest.raises(KeyTrouble, match="two keys are named anna"):
        empty.join(key for key in file.listed() if key.revoked is None)
    assert empty.listed() == KeyFile(backup).listed()
    assert [key.caller.name for key in empty.join(file.listed())] == ["anna", "anna"]
    assert [Keys(empty.path).key(text) is not None for text in (anna, ben, other)] == [False, False, True]


def test_a_backup_into_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyTrouble, match="cannot be written"):
        write(tmp_path / "file" / "keys.sqlite", [])
