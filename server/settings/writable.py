"""Check at the start that the server can write where its settings say."""

import os
import tempfile
from pathlib import Path

from server.settings.settings import Settings
from upstream import private


def unwritable(settings: Settings) -> tuple[list[str], list[str]]:
    """Return a line for each setting of a place that cannot be written, and a line for each such default.

    The server can run without the default places: it fails only where it needs them.
    """
    wrong, doubtful = [], []
    places = {"ERROR_JOURNAL": _of_file(settings.journal_file), "TABLES_SPOOL_DIR": _of_spool(settings)}
    for name, why in places.items():
        if why is None:
            continue
        if name.lower() in settings.model_fields_set:
            wrong.append(f"{name} {why}; allowed is {_allowed(name)}")
        else:
            doubtful.append(f"the default of {name} {why}; set it to {_allowed(name)}")
    return wrong, doubtful


def _of_spool(settings: Settings) -> str | None:
    if settings.tables_spool_dir is not None:
        return _of_folder(settings.tables_spool_dir.absolute())
    try:
        return _of_folder(Path(tempfile.gettempdir()))
    except OSError as error:  # no folder for temporary files
        return f"is no folder that can be written: {error.strerror}"


def _of_file(path: Path) -> str | None:
    if path.exists() and not (path.is_file() and os.access(path, os.R_OK | os.W_OK)):
        return f"names {str(path)!r}, which is no file that this user can write"
    return _of_folder(path.parent)  # SQLite writes more files beside it


def _of_folder(path: Path) -> str | None:
    """Return why a folder, which is made if it is missing, cannot be written; None if it can."""
    try:
        private.make_folder(path)
        with tempfile.TemporaryFile(dir=path):
            return None
    except OSError as error:
        return f"names {str(path)!r}, where this user cannot write: {error.strerror}"


def _allowed(name: str) -> str:
    extra = Settings.model_fields[name.lower()].json_schema_extra
    assert isinstance(extra, dict)
    return str(extra["allowed"])
