"""The error journal as a table, and the times that people type."""

import csv
import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from server.cli.journal_table import COLUMNS, export, since
from upstream.errors import Malformed
from upstream.journal import Journal

NOW = datetime.datetime(2026, 3, 15, 12, tzinfo=datetime.UTC)
MADRID = ZoneInfo("Europe/Madrid")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90m", "2026-03-15T10:30:00+00:00"),
        ("2h", "2026-03-15T10:00:00+00:00"),
        ("3d", "2026-03-12T12:00:00+00:00"),
        ("1w", "2026-03-08T12:00:00+00:00"),
        ("2026-03-15", "2026-03-15T00:00:00+01:00"),
        ("2026-03-15T12:00", "2026-03-15T12:00:00+01:00"),
        ("2026-03-15T12:00Z", "2026-03-15T12:00:00+00:00"),
    ],
)
def test_since(text: str, moment: str) -> None:
    assert since(text, NOW, MADRID).isoformat() == moment


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "999999w", "-2h"])
def test_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="is no time: 2h, 3d"):
        since(text, NOW, MADRID)


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_each_sign_of_a_formula_gets_an_apostrophe(sign: str, tmp_path: Path) -> None:
    with Journal(tmp_path / "errors.sqlite") as journal:
        journal.record(Malformed(f"{sign}1+1", report="R8"))
        export(journal, tmp_path / "errors.csv", None)
    with (tmp_path / "errors.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["message"] == f"'{sign}1+1"


def test_a_spreadsheet_runs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "errors.csv"
    with Journal(tmp_path / "errors.sqlite") as journal:
        journal.record(Malformed("=1+1", report="R8", params={"id": 1}, payload=b"@cmd", correlation_id="c"))
        assert export(journal, path, None) == 1
    with path.open(newline="") as file:
        header, row = csv.reader(file)
    assert tuple(header) == COLUMNS
    cells = dict(zip(header, row, strict=True))
    assert (cells["message"], cells["payload"], cells["params"]) == ("'=1+1", "'@cmd", '{"id": 1}')
