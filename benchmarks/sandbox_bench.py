"""How fast the sandbox builds a world, and how fast it answers a report of 10,000 rows.

    python benchmarks/sandbox_bench.py [--users 2000] [--days 10]

Prints rows a second, seconds, and peak memory of the build; then for each big report its rows, the milliseconds inside
the sandbox (query and JSON, best of five), and the size of the answer.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson

from sandbox.clock import Clock, parse_instant
from sandbox.gamelog import METHOD, game_log
from sandbox.reports import BY_TYPE, answer
from sandbox.store import SandboxStore
from sandbox.tokens import AGENT, AGENT_TOKEN, SandboxTokens
from sandbox.world import World

UTC = ZoneInfo("UTC")
NOW = "2026-03-15T12:00:00"
ROWS = "10000"


def build(folder: Path, users: int, days: int) -> SandboxStore:
    """Builds a world and prints how fast."""
    store = SandboxStore(folder / f"{users}.sqlite", World(7, users, 3, days, Clock(UTC, parse_instant(NOW, UTC))))
    written = 0

    def progress(rows: int, done: int, of: int) -> None:
        nonlocal written
        written = rows

    start = time.perf_counter()
    store.prepare()
    store.reach(progress)
    took = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    rate = f"{written:,} rows in {took:.1f} s, {written / took:,.0f} rows/s"
    sys.stdout.write(f"{users} users, {days} days: {rate}, {memory} MB\n")
    return store


def ask(store: SandboxStore) -> None:
    """Prints how fast a report of 10,000 rows is."""
    month = {"timestamp": "this_month", "starts_at": "this_month", "per_page": ROWS}
    year = {"timestamp": "this_year", "starts_at": "this_year", "per_page": ROWS}
    requests = {
        "api_bulk_games_report": year,
        "api_movements_external_report": {**month, "group_id": "382"},
        "transaction_report": {**year, "user_id": "2001"},
        "api_retail_movements": {**month, "group_id": "383"},
        "api_users_report": {},
    }
    log = {"method": METHOD, "agent_code": AGENT, "agent_token": AGENT_TOKEN, "game_type": "slot", "page": 0}
    log |= {"start": "2026-03-01 00:00:00", "end": "2026-03-15 23:59:59", "perPage": int(ROWS)}
    calls = {
        name: lambda name=name, params=params: answer(store, BY_TYPE[name], params) for name, params in requests.items()
    }
    calls[METHOD] = lambda: game_log(store, SandboxTokens(), UTC, log)["slot"]
    for name, call in calls.items():
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            rows = call()
            body = orjson.dumps(rows)
            best = min(best, time.perf_counter() - start)
        sys.stdout.write(f"  {name:32} {len(rows):>7,} rows {best * 1000:7.1f} ms {len(body) / 1e6:6.1f} MB\n")


def main() -> None:
    """Measure."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--users", type=int, default=2000)
    options.add_argument("--days", type=int, default=10)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for users, days in ((60, 30), (chosen.users, chosen.days)):
            store = build(Path(folder), users, days)
            ask(store)
            store.close()


if __name__ == "__main__":
    main()
