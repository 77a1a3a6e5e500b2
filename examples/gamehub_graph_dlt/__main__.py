"""Load from the command line: `python -m gamehub_graph_dlt --group 382 --since 2026-03-01`."""

import argparse
import sys

import dlt

from . import LoadIncomplete, differences, gamehub_graph, load


def main() -> int:
    """Load, or check what is loaded. Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m gamehub_graph_dlt")
    parser.add_argument("--address", default="http://127.0.0.1:8000")
    parser.add_argument("--since", required=True, help="the first day to have; an earlier one loads the days before")
    for name in ("group", "room", "user"):
        parser.add_argument(f"--{name}", action="append", default=[], help="may be repeated")
    parser.add_argument("--table", action="append", help="may be repeated; without it, all that can be loaded")
    parser.add_argument("--lookback-days", type=int, default=3, help="days that were over are read again")
    parser.add_argument("--refresh", metavar="A..B", help="read these days again")
    parser.add_argument("--destination", default="duckdb", help="a destination of dlt")
    parser.add_argument("--dataset", default="bingo")
    parser.add_argument("--check", action="store_true", help="compare the tables with the audit table at the end")
    given = parser.parse_args()
    pipeline = dlt.pipeline("gamehub_graph", destination=given.destination, dataset_name=given.dataset)
    source = gamehub_graph(
        given.address,
        given.since,
        entities={name: getattr(given, name) for name in ("group", "room", "user")},
        tables=given.table,
        lookback_days=given.lookback_days,
        refresh=given.refresh.split("..") if given.refresh else None,
    )
    wrong: list[str] = []
    try:
        print(load(pipeline, source))  # noqa: T201
    except LoadIncomplete as incomplete:
        wrong.append(str(incomplete))
    wrong += differences(pipeline) if given.check else []
    for line in wrong:
        print(line, file=sys.stderr)  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
