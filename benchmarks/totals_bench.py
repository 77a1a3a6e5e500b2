"""Memory of totals over more and more days, beside a total over rows that are read whole.

    python benchmarks/totals_bench.py [--rows 20000] [--days 4,16,64] [--write docs/explanation/performance.md]

A process of its own is the upstream: a group with so many movements a day (R5). Each measurement is a new process with
a cache of 16 MiB, which has answered a total of one day before. It prints by how many MiB its memory grew at most, the
calls, and the seconds of the processor; then the same of a total of the last day's sums, which are kept.
"""

import argparse
import asyncio
import datetime
import json
import re
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from resolvers.prices import Prices
from resolvers.session import Session
from schema.graph import schema
from server.execution.execution import Executor
from server.execution.operation import Operation
from server.garbage import settle
from server.kept_sums import KeptSums
from upstream.caching.cache import DayCache, open_store
from upstream.client import GameHubConfig, Upstream
from upstream.transport.secret import Secret

UTC = ZoneInfo("UTC")
NOW = datetime.datetime(2026, 3, 15, 12, tzinfo=datetime.UTC)
LAST = datetime.date(2026, 3, 14)
DAY = datetime.timedelta(days=1)
WAYS = {
    "totals alone": "totals { count users sums { net } } buckets(by: [TYPE]) { key { type } totals { count } }",
    "totals and rows": "totals { count users sums { net } } nodes { __typename }",
}
CACHE = 16 << 20
BEGIN, END = "<!-- totals -->", "<!-- /totals -->"


def movement(day: int, number: int, of: int) -> str:
    """Return a row of R5, as the upstream writes it."""
    id, user = day * of + number, 2_000 + number % 500
    return (
        f'{{"movement_id":{id},"timestamp":{day * 86_400 + number * 86_400 // of},"group_id":382,'
        f'"external_group_id":"382","group_name":"Salon Rex","user_id":{user},"external_user_id":"{user}",'
        f'"username":"player{user}","type":"{"Bingo - Prize" if number % 9 == 0 else "Bingo - Wager"}",'
        f'"currency_amount":"{number % 100}.50","ticket_id":"{id}q8bs","game_id":{9_000_000 + id // 40}}}'
    )


class MovementReports(BaseHTTPRequestHandler):
    """Answer the reports of one group."""

    rows = 1

    def do_GET(self) -> None:
        """Answer with the group, or with its movements of the requested days."""
        given = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        if given["report_type"] == "api_retail_movements":
            texts = [value for name, value in given.items() if re.fullmatch(r"\d{4}-\d\d-\d\d", value)]
            first, last = (datetime.date.fromisoformat(text) for text in sorted(texts))
            begin = (first - datetime.date(1970, 1, 1)).days
            days = range(begin, begin + (last - first).days + 1)
            report = ",".join(movement(day, number, self.rows) for day in days for number in range(self.rows))
        else:
            report = '{"id":382,"external_group_id":"382","name":"Salon Rex","type":"Local"}'
        body = f'{{"error":false,"report":[{report}]}}'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Write no line for a request."""


def serve(rows: int) -> None:
    """Serve the upstream until the process ends, and print its port."""
    MovementReports.rows = rows
    server = ThreadingHTTPServer(("127.0.0.1", 0), MovementReports)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


def memory(name: str) -> float:
    """Return a figure of the memory of this process in MiB: VmRSS, or VmHWM for the largest since `forget_peak`."""
    (found,) = re.findall(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found) / 1024


def forget_peak() -> None:
    """Let the largest size of the memory begin with the present one."""
    Path("/proc/self/clear_refs").write_text("5")


def query(way: str, days: int) -> str:
    """Return the query of so many days."""
    during = f'{{dates: {{from: "{LAST - DAY * (days - 1)}", to: "{LAST}"}}}}'
    return f'{{ group(id: "382") {{ transactions(during: {during}) {{ {WAYS[way]} }} }} }}'


async def measure(port: int, way: str, days: int) -> None:
    """Print what a total costs in this process."""
    config = GameHubConfig(url=lambda: f"http://127.0.0.1:{port}", token=Secret("token"), timezone=UTC, timeout=600.0)
    async with Upstream(config, None) as upstream:
        upstream_calls = 0

        class Counted:
            async def fetch(self, call: Any) -> Any:
                nonlocal upstream_calls
                upstream_calls += 1
                return await upstream.fetch(call)

        async with DayCache(Counted(), open_store("memory://", limit=CACHE), UTC, now=lambda: NOW) as cache:
            sums, prices = KeptSums(cache.would_read), Prices()

            def session(operation: Operation) -> Session:
                return Session(cache, UTC, now=NOW, prices=prices, sums=sums)

            executor = Executor(schema, session, leave=Session.close)

            async def ask(days: int) -> dict[str, Any]:
                nonlocal upstream_calls
                upstream_calls, began = 0, time.process_time()
                forget_peak()
                before = memory("VmRSS")
                outcome = await executor.run(Operation(query(way, days)))
                assert outcome.errors == [], outcome.errors
                grown = memory("VmHWM") - before
                return {
                    "mib": round(grown),
                    "calls": upstream_calls,
                    "seconds": round(time.process_time() - began, 2),
                    "count": outcome.data["group"]["transactions"]["totals"]["count"],
                }

            await ask(1)
            settle()
            sys.stdout.write(json.dumps([await ask(days), await ask(days)]))


def measured(port: int, way: str, days: int) -> list[dict[str, Any]]:
    """Return what a total costs in a process of its own, and what it costs again."""
    command = [sys.executable, __file__, "--measure", f"{port} {days} {way}"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])


def table(port: int, rows: int, lengths: list[int]) -> list[str]:
    """Return the lines of the table."""
    lines = ["| what is selected | days | rows | MiB more | calls | CPU s | again: calls, CPU s |",
             "|---|---:|---:|---:|---:|---:|---|"]  # fmt: skip
    for way in WAYS:
        for days in lengths:
            first, again = measured(port, way, days)
            assert first["count"] == again["count"] == days * rows
            lines.append(
                f"| {way} | {days} | {first['count']:,} | {first['mib']} | {first['calls']} | {first['seconds']} | "
                f"{again['calls']}, {again['seconds']} |"
            )
            sys.stderr.write(f"{lines[-1]}\n")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000, help="movements a day")
    parser.add_argument("--days", default="4,16,64")
    parser.add_argument("--write", type=Path, help="the page whose table is written anew")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        return serve(given.serve)
    if given.measure:
        port, days, way = given.measure.split(" ", 2)
        return asyncio.run(measure(int(port), way, int(days)))
    command = [sys.executable, __file__, "--serve", str(given.rows)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as upstream:
        assert upstream.stdout is not None
        try:
            lines = table(int(upstream.stdout.readline()), given.rows, list(map(int, given.days.split(","))))
        finally:
            upstream.terminate()
    found = "\n".join(lines)
    sys.stdout.write(f"{found}\n")
    if given.write:
        text = given.write.read_text()
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        given.write.write_text(f"{before}{BEGIN}\n\n{found}\n\n{END}{after}")
    return None


if __name__ == "__main__":
    main()
