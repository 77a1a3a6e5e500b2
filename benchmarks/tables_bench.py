"""How fast a table is served: rows a second, the first byte, and the server's memory, over HTTP from another process.

    python benchmarks/tables_bench.py [--rows 1000000] [--days 30] [--formats parquet,csv,ndjson,arrow]
    python benchmarks/tables_bench.py --sandbox [--users 2000] [--days 30]

By default the rows are made up, as the graph's answers would have them: what is measured is everything from an answer's
objects to the client, and the making up, which the server does itself. With `--sandbox` the whole server stands over
the sandbox: the first reading warms its days cache, the second one is measured.

    python benchmarks/tables_bench.py --today [--write docs/how-to/bi-tools.md]

puts the table beside what people do today: the same rows, paged from the GraphQL API with gql into a DataFrame of
pandas. Both from a warm server over the sandbox, and both with exact money.
"""

import argparse
import asyncio
import datetime
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import orjson
import pandas
import pyarrow as pa
import uvicorn
from gql import Client, gql
from gql.transport.httpx import HTTPXTransport
from starlette.applications import Starlette
from starlette.middleware import Middleware

from schema.graph import schema
from server.auth.authenticator import Authenticator
from server.auth.middleware import AuthMiddleware
from server.execution.execution import Outcome
from server.execution.operation import Operation
from server.execution.saved import saved_queries
from server.http.listening import GraphServer, listen
from server.tables.config import TablesConfig
from server.tables.routes import TablesEndpoint
from server.tables.table import Tables
from tests.served import served
from tests.stand import Sandbox

NAME = "GroupTransactions"
FIRST = datetime.date(2026, 1, 1)
PAGED = """query Paged($first: Date!, $last: Date!, $after: String) { group(id: 382) { id
  transactions(during: {dates: {from: $first, to: $last}}, first: 1000, after: $after) {
    pageInfo { endCursor hasNextPage }
    nodes { id timestamp type amount ticketId user { id username } game { id } } } } }"""


def made_up(day: str, rows: int) -> dict[str, Any]:
    """An answer of so many transactions of one day."""
    # fmt: off
    return {"group": {"id": "382", "transactions": {"nodes": [
        {
            "id": str(956_000_000 + number), "timestamp": f"{day}T{number % 24:02}:{number % 60:02}:07+00:00",
            "type": "Bingo - Wager", "amount": f"-{number % 900}.{number % 100:02}",
            "ticketId": None if number % 3 else f"{number}q7c7",
            "user": {"id": str(2000 + number % 500), "username": f"user.{number % 500}"},
            "game": {"id": str(9_567_000 + number % 300)} if number % 2 else None,
        }
        for number in range(rows)
    ]}}}
    # fmt: on


def serve(rows: int) -> None:
    """Serve tables of made-up rows until stopped; the address is the one line of stdout."""

    async def run(operation: Operation) -> Outcome:
        await asyncio.sleep(0)
        return Outcome(made_up(operation.variables["during"]["dates"]["from"], rows))

    endpoint = TablesEndpoint(Tables(saved_queries(), schema), run, TablesConfig())
    bound = listen("127.0.0.1", 0)
    config = uvicorn.Config(
        Starlette(routes=endpoint.routes(), middleware=[Middleware(AuthMiddleware, callers=Authenticator())]),
        log_config=None,
        access_log=False,
        lifespan="off",
    )
    host, port = bound.getsockname()
    server = GraphServer(config, lambda: print(f"http://{host}:{port}", flush=True))  # noqa: T201
    asyncio.run(server.serve(sockets=[bound]))


@contextmanager
def serving(rows: int) -> Iterator[tuple[str, int]]:
    """The address and the process of a server of made-up rows."""
    with subprocess.Popen(
        [sys.executable, __file__, "--serve", str(rows)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.terminate()


class Load:
    """What a process took while a `with` block lasted: the most memory in MiB, and seconds of a processor.

    The latter say more than seconds on the clock where others share the machine.
    """

    def __init__(self, pid: int) -> None:
        self._file = Path(f"/proc/{pid}/statm")
        self._stat = Path(f"/proc/{pid}/stat")
        self._stop = threading.Event()
        self.most = 0.0
        self.seconds = 0.0

    def _processor(self) -> float:
        user, system = self._stat.read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            pages = int(self._file.read_text().split()[1])
            self.most = max(self.most, pages * os.sysconf("SC_PAGE_SIZE") / 2**20)

    def read(self) -> None:
        """Take down the seconds so far."""
        self.seconds = self._processor() - self._began

    def __enter__(self) -> "Load":
        self._began = self._processor()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def read(address: str, form: str, query: str) -> tuple[float, float, int]:
    """Read a table; the seconds to its first byte and to its last, and its bytes."""
    began, first, size = time.perf_counter(), 0.0, 0
    url = f"{address}/tables/{NAME}.{form}?group=382&{query}"
    with httpx.stream("GET", url, headers={"accept-encoding": "identity"}, trust_env=False, timeout=600) as answer:
        assert answer.status_code == 200, answer.read()
        for chunk in answer.iter_raw():
            first = first or time.perf_counter() - began
            size += len(chunk)
    return first, time.perf_counter() - began, size


def line(form: str, rows: int, measured: tuple[float, float, int], load: Load) -> None:
    """Print one measurement."""
    first, seconds, size = measured
    print(  # noqa: T201
        f"{form:<8}{rows:>10,}{seconds:>8.2f} s{rows / seconds:>10,.0f} rows/s{first:>8.2f} s first byte"
        f"{size / 2**20:>8.1f} MiB{load.most:>7.0f} MiB RSS{load.seconds:>7.2f} s CPU"
    )


def bench_made_up(rows: int, days: int, formats: list[str]) -> None:
    """Every format over made-up rows."""
    began = time.perf_counter()
    made_up("2026-01-01", rows // days)
    seconds = (time.perf_counter() - began) * days
    query = f"since={FIRST}&until={FIRST + datetime.timedelta(days=days)}"
    print(f"made-up rows; the server makes them up in {seconds:.1f} s of its own")  # noqa: T201
    for form in formats:
        with serving(rows // days) as (address, pid), Load(pid) as load:
            httpx.get(f"{address}/tables", trust_env=False)  # pyarrow is imported by the first request
            measured = read(address, form, query)
            load.read()
            line(form, rows // days * days, measured, load)


def bench_sandbox(users: int, days: int, formats: list[str]) -> None:
    """Every format over the sandbox, from a warm days cache."""
    with tempfile.TemporaryDirectory() as folder, Sandbox(users=users, days=days, now=None) as sandbox:
        today = datetime.datetime.now(datetime.UTC).date()
        query = f"since={today - datetime.timedelta(days=days - 1)}&until={today - datetime.timedelta(days=1)}"
        settings = {"GAMEHUB_URL": sandbox.gamehub_url, "GAMEHUB_TOKEN": sandbox.gamehub_token}
        for form in formats:
            with served(Path(folder), **settings) as address:
                pid = int(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()[-1])
                warmed = httpx.get(f"{address}/tables/{NAME}.ndjson?group=382&{query}", trust_env=False, timeout=600)
                with Load(pid) as load:
                    measured = read(address, form, query)
                    load.read()
                    line(form, warmed.content.count(b"\n"), measured, load)


def paged(address: str, first: str, last: str) -> Any:
    """The rows as people read them today: page by page, into a DataFrame."""
    client = Client(transport=HTTPXTransport(url=f"{address}/graphql", timeout=600, trust_env=False))
    rows: list[dict[str, Any]] = []
    after = None
    with client as session:
        while True:
            document = gql(PAGED)
            document.variable_values = {"first": first, "last": last, "after": after}
            page = session.execute(document)["group"]["transactions"]
            rows += page["nodes"]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
    frame = pandas.json_normalize(rows, sep="_")
    frame["amount"] = frame["amount"].map(Decimal)
    frame["timestamp"] = pandas.to_datetime(frame["timestamp"])
    return frame


def odata(address: str, query: str) -> Any:
    """The rows of the OData feed, page by page, into a DataFrame."""
    rows: list[dict[str, Any]] = []
    url = f"{address}/odata/{NAME}?group=382&{query}"
    with httpx.Client(
        trust_env=False, timeout=600, headers={"accept": "application/json;IEEE754Compatible=true"}
    ) as client:
        while url:
            page = orjson.loads(client.get(url).content)
            rows += page["value"]
            url = page.get("@odata.nextLink", "")
    frame = pandas.DataFrame(rows)
    frame["amount"] = frame["amount"].map(Decimal)
    frame["timestamp"] = pandas.to_datetime(frame["timestamp"])
    return frame


def arrow(url: str) -> Any:
    """The rows of Arrow's stream."""
    return pa.ipc.open_stream(httpx.get(url, trust_env=False, timeout=600).content).read_pandas()


def bench_today(users: int, days: int, page: Path | None) -> None:
    """What people do today, and the table in three ways; the best of three, from a warm server."""
    with tempfile.TemporaryDirectory() as folder, Sandbox(users=users, days=days, now=None) as sandbox:
        today = datetime.datetime.now(datetime.UTC).date()
        first, last = today - datetime.timedelta(days=days - 1), today - datetime.timedelta(days=2)
        query = f"since={first}&until={last + datetime.timedelta(days=1)}"
        upstreams = {"GAMEHUB_URL": sandbox.gamehub_url, "GAMEHUB_TOKEN": sandbox.gamehub_token}
        with served(Path(folder), TABLES_OPEN_SECONDS="0", **upstreams) as address:
            table = f"{address}/tables/{NAME}"
            typed = {"converters": {"amount": Decimal}, "parse_dates": ["timestamp"], "dtype": {"id": str}}
            anew = count(10**9)  # another limit is another file
            ways: dict[str, Callable[[], Any]] = {
                "GraphQL, paged with gql, `pandas.json_normalize`": lambda: paged(address, str(first), str(last)),
                "OData, paged": lambda: odata(address, query),
                "Arrow, streamed": lambda: arrow(f"{table}.arrow?group=382&{query}"),
                "CSV, written anew": lambda: pandas.read_csv(
                    f"{table}.csv?group=382&{query}&limit={next(anew)}", **typed
                ),
                "Parquet, written anew": lambda: pandas.read_parquet(
                    f"{table}.parquet?group=382&{query}&limit={next(anew)}"
                ),
                "Parquet, kept from an earlier reading": lambda: pandas.read_parquet(
                    f"{table}.parquet?group=382&{query}"
                ),
            }
            lines = ["| way | rows | seconds | rows/s | times as fast |", "|---|---|---|---|---|"]
            rows, base, truth = 0, 0.0, None
            for way, run in ways.items():
                run()  # warms the days cache, and writes the file that others are served from, too
                seconds = []
                for _ in range(3):
                    began = time.perf_counter()
                    frame = run()
                    seconds.append(time.perf_counter() - began)
                best = min(seconds)
                rows, base = rows or len(frame), base or best
                truth = truth if truth is not None else frame["amount"].sum()
                assert (len(frame), frame["amount"].sum()) == (rows, truth), way
                lines.append(f"| {way} | {rows:,} | {best:.2f} | {rows / best:,.0f} | {base / best:.1f} |")
    report = "\n".join(lines)
    print(report)  # noqa: T201
    if page is not None:
        text = page.read_text("utf-8")
        head, rest = text.split("<!-- today -->")
        page.write_text(f"{head}<!-- today -->\n{report}\n<!-- /today -->{rest.split('<!-- /today -->')[1]}", "utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--formats", default="parquet,csv,ndjson,arrow,json")
    parser.add_argument("--sandbox", action="store_true")
    parser.add_argument("--today", action="store_true")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        serve(given.serve)
    elif given.today:
        bench_today(given.users, given.days, given.write)
    elif given.sandbox:
        bench_sandbox(given.users, given.days, given.formats.split(","))
    else:
        bench_made_up(given.rows, given.days, given.formats.split(","))
