"""Export days of the sandbox, and compare the figures that Spark reads with those of DuckDB.

`make spark` runs it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

HERE = Path(__file__).parent


def main() -> int:
    """Run the check. Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True, help="the interpreter that has pyspark")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lake = f"{folder}/lake"
        words = ["GroupTransactions", "--each", "group", "--during", "last_week", "--out", lake]
        command = [Path(sys.executable).with_name("gamehub-graph"), "export", *words]
        subprocess.run(command, check=True, env={**os.environ, "LOG_LEVEL": "error"})
        table = f"{lake}/GroupTransactions"
        days = duckdb.sql(f"SELECT DISTINCT day::text FROM '{table}/**/*.parquet' ORDER BY 1").fetchall()
        since = days[2][0]  # Spark leaves the first two days out
        own = duckdb.sql(
            f"SELECT \"group\", day::text, count(*), sum(amount)::text FROM '{table}/**/*.parquet' "
            f"WHERE day >= '{since}' GROUP BY ALL"
        )
        expected = sorted(list(row) for row in own.fetchall())
        spark = [said.python, HERE / "figures.py", table, "--since", since]
        found = json.loads(subprocess.run(spark, check=True, stdout=subprocess.PIPE).stdout)
    print(f"{len(found)} groups and days, {sum(row[2] for row in found)} rows")
    if found != expected:
        print("Spark:", found, "DuckDB:", expected, sep="\n")
        return 1
    print("Spark and DuckDB agree")
    return 0


if __name__ == "__main__":
    sys.exit(main())
