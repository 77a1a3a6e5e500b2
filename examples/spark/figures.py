"""Read an export with Spark: the rows and the sum of the amounts of each group and day.

The folder of a table is one dataset: Spark finds `group` and `day` in the names of its folders, and reads only the days
of the filter. Amounts are exact decimals.
"""

import argparse
import json
import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as f


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="the folder of a table, such as lake/GroupTransactions")
    parser.add_argument("--since", required=True, help="the first day")
    said = parser.parse_args()

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    rows = session.read.parquet(said.folder).where(f.col("day") >= said.since)
    found = rows.groupBy("group", "day").agg(f.count("*").alias("rows"), f.sum("amount").alias("amount"))
    figures = [[row["group"], str(row["day"]), row["rows"], str(row["amount"])] for row in found.collect()]
    json.dump(sorted(figures), sys.stdout)
    session.stop()


if __name__ == "__main__":
    main()
