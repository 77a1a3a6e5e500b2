"""The places that the server writes to are checked at its start."""

from pathlib import Path

import pytest

from server.settings.reading import load
from server.settings.settings import NAMES
from server.settings.writable import unwritable


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_places_that_can_be_written_are_made(tmp_path: Path) -> None:
    Path(".env").write_text("TABLES_SPOOL_DIR=new/spool\nERROR_JOURNAL=new/journal/errors.sqlite\n")
    assert unwritable(load()) == ([], [])
    assert (tmp_path / "new" / "spool").stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "new" / "spool").iterdir()) == []
    assert not (tmp_path / "new" / "journal" / "errors.sqlite").exists()


def test_a_setting_that_cannot_be_written_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    Path(".env").write_text("TABLES_SPOOL_DIR=file/spool\nERROR_JOURNAL=folder\n")
    assert unwritable(load()) == (
        [
            f"ERROR_JOURNAL names '{tmp_path / 'folder'}', which is no file that this user can write; allowed is the "
            "path of a file that can be written",
            f"TABLES_SPOOL_DIR names '{tmp_path / 'file' / 'spool'}', where this user cannot write: Not a directory; "
            "allowed is the path of a folder that can be written",
        ],
        [],
    )  # fmt: skip


def test_a_default_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / ".local").touch()
    wrong, doubtful = unwritable(load())
    assert wrong == []
    (line,) = doubtful
    assert line.startswith("the default of ERROR_JOURNAL names ")
    assert line.endswith("Not a directory; set it to the path of a file that can be written")
