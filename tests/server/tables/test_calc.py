"""LibreOffice Calc opens the files of a table, and comes to the same sums as the graph's own rows."""

import csv
import io
import subprocess
from decimal import Decimal
from pathlib import Path

import httpx

from tests.requirements import require

WINDOW = "group=382&since=2026-03-13&until=2026-03-14"
CSV_OF_UTF8 = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,1"


def test_calc_reads_both_files(address: str, tmp_path: Path) -> None:
    """The workbook and the CSV, read by Calc and written anew, have the rows that the table has."""
    calc = require("soffice")
    rows = httpx.get(f"{address}/tables/GroupTransactions.json?{WINDOW}", trust_env=False, timeout=60).json()
    for form, reading in (("xlsx", []), ("csv", ["--infilter=CSV:44,34,76,1"])):
        answer = httpx.get(f"{address}/tables/GroupTransactions.{form}?{WINDOW}", trust_env=False, timeout=60)
        (tmp_path / f"as_{form}.{form}").write_bytes(answer.content)
        profile = f"-env:UserInstallation=file://{tmp_path}/profile"
        writing = ["--convert-to", CSV_OF_UTF8, "--outdir", str(tmp_path / "out"), str(tmp_path / f"as_{form}.{form}")]
        ran = subprocess.run([calc, "--headless", profile, *reading, *writing], capture_output=True, timeout=120)
        assert ran.returncode == 0, ran.stderr
    for name in ("as_xlsx", "as_csv"):
        (written,) = (tmp_path / "out").glob(f"{name}-*.csv")  # one for every sheet
        text = written.read_text("utf-8")
        found = list(csv.DictReader(io.StringIO(text)))
        assert len(found) == len(rows) > 1000, name
        assert sum(Decimal(row["amount"]) for row in found) == sum(Decimal(row["amount"]) for row in rows), name
        assert [row["id"] for row in found] == [row["id"] for row in rows], name
        assert [row["user_username"] for row in found] == [row["user_username"] or "" for row in rows], name
