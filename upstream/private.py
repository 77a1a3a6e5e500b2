"""Make files that only this user can read: mode 0600, in folders that are made with mode 0700."""

import os
import stat
from contextlib import suppress
from pathlib import Path

FOLDER = 0o700
FILE = 0o600
_OTHERS = 0o077


def make_folder(path: Path) -> None:
    """Make a folder unless it is there. One that is there keeps its mode: other programs may use it too."""
    path.mkdir(mode=FOLDER, parents=True, exist_ok=True)


def make_file(path: Path) -> None:
    """Make an empty file, and its folder; close a file that is there to others. Raises OSError."""
    make_folder(path.parent)
    try:
        # An existing file is never opened here, because closing it would end the locks of SQLite.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE))
    except FileExistsError:
        close(path)


def close(path: Path) -> None:
    """Take the rights of others from a file, as far as it is ours."""
    with suppress(PermissionError, FileNotFoundError):
        if stat.S_IMODE(path.stat().st_mode) & _OTHERS:
            path.chmod(FILE)


def opener(path: str, flags: int) -> int:
    """Open a file as `open` does, for this user alone if it is new."""
    return os.open(path, flags, FILE)
