"""This server side by side with the servers a user would pick instead, on the same questions and upstream work.

    python benchmarks/engine_bench.py --servers ours,mercurius,floor --queries walk50 --concurrency 1 --rounds 3

One run, in rounds: every server in turn, each round. A server is one process on core 0; the load and the upstream, which
answers recorded bodies from memory, are on core 1. Before anything is timed, all answers must be the same in `data`, and
all servers must make the same calls.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson
import uvloop

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from peers import load, process, servers, world  # noqa: E402  # found by the path above

HOST = "127.0.0.1"
WALK = """query Walk($group: ID!, $first: Int, $during: Period!) {
  group(id: $group) {
    id
    name
    users(first: $first) {
      nodes {
        id
        username
        transactions(during: $during, inGroup: $group, first: 1000) {
          totalCount
          nodes { id timestamp type amount ticketId }
        }
        gameLogs(during: $during, first: 1000) {
          totalCount
          nodes { id gameCode type bet win createdAt }
        }
      }
    }
  }
}"""
MEDIUM = "query Medium($group: ID!, $first: Int) { group(id: $group) { id name users(first: $first) { nodes { id username } } } }"
SMALL = "query Small($group: ID!) { group(id: $group) { id name } }"


@dataclass(frozen=True, slots=True)
class Query:
    """A question: its text, the size of the world it is asked of, the variables it takes, and the calls it must make."""

    text: str
    size: int
    variables: tuple[str, ...]
    calls: Mapping[str, int]

    def body(self, world: world.World) -> bytes:
        """The request's body."""
        day = world.day.isoformat()
        told = {"group": str(world.group), "first": self.size, "during": {"dates": {"from": day, "to": day}}}
        return orjson.dumps({"query": self.text, "variables": {name: told[name] for name in self.variables}})


def _walk(size: int) -> Query:
    pages = -(-size * world.A_USER // 10_000)
    return Query(WALK, size, ("group", "first", "during"), {"R8": 1, "R9": 1, "R5": 1, "G1": pages})


QUERIES = {
    **{f"walk{size}": _walk(size) for size in world.SIZES},
    "medium": Query(MEDIUM, 50, ("group", "first"), {"R8": 1, "R9": 1}),
    "small": Query(SMALL, 50, ("group",), {"R8": 1}),
}


@dataclass(slots=True)
class Figures:
    """What one server came to with one query at one concurrency: a list has an entry a round."""

    rates: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # of each answer, of all rounds
    cpu: list[float] = field(default_factory=list)  # seconds an answer
    memory: list[int] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    def percentile(self, share: float) -> float:
        """Seconds within which such a share of the answers came."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Upstream:
    """The replay server, on core 1."""

    def __init__(self, recorded: world.Recorded) -> None:
        self.port = servers.free_port()
        self._process = subprocess.Popen(
            ["taskset", "-c", str(servers.OTHER_CORE), sys.executable, "-m", "peers.replay", str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'benchmarks'}:{ROOT}"},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(recorded)).encode())
        self._process.stdin.close()
        self._process.stdout.readline()

    def environment(self) -> dict[str, str]:
        """How servers reach it, in the words of our settings, and what else ours is told."""
        address = f"http://{HOST}:{self.port}"
        return {
            "GAMEHUB_URL": f"{address}/api/v1/",
            "GAMEHUB_TOKEN": world.TOKEN,
            "GAMELOG_URL": f"{address}{world.GAMELOG_PATH}",
            "GAMELOG_AGENT_CODE": world.AGENT,
            "GAMELOG_AGENT_TOKEN": world.AGENT_TOKEN,
            "MOVEMENT_JOIN": "trust",
            "CACHE_URL": "off",
        }

    def calls(self) -> Counter[str]:
        """The calls since this was asked last, by report."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{HOST}:{self.port}/calls") as answer:
            return Counter(json.load(answer))

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def running(names: Sequence[str], upstream: Upstream, extra: Mapping[str, Mapping[str, str]]) -> Iterator[list[servers.Running]]:
    """The servers, all of them started."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        told = upstream.environment() | {"ERROR_JOURNAL": str(folder / "errors.sqlite")}
        yield [stack.enter_context(servers.run(name, told | dict(extra.get(name, {})), folder)) for name in names]


async def data(server: servers.Running, body: bytes) -> tuple[bytes, int]:
    """The answer's `data`, written one way with its keys in their order, and the length of the whole body."""
    client = await load.connect(HOST, server.port)
    await client.ask(load.request(HOST, server.port, "/graphql", body))
    answer = orjson.loads(client.body)
    client.close()
    if not client.ok or answer.get("errors") or not answer.get("data"):
        raise AssertionError(f"{server.name}: {client.body[:1000]!r}")
    return orjson.dumps(answer["data"]), client.length


async def agree(
    found: Sequence[servers.Running], query: Query, worlds: Sequence[world.World], upstream: Upstream
) -> dict[str, list[load.Question]]:
    """The questions for each server, once all have answered them alike, with the calls that the query must make."""
    questions: dict[str, list[load.Question]] = {server.name: [] for server in found}
    for each in worlds:
        body, first = query.body(each), None
        for server in found:
            upstream.calls()
            told, length = await data(server, body)
            calls = upstream.calls()
            if calls != Counter(query.calls):
                raise AssertionError(f"{server.name} makes the calls {dict(calls)}, not {query.calls}")
            if first is not None and told != first:
                at = next((place for place, pair in enumerate(zip(told, first, strict=False)) if pair[0] != pair[1]), 0)
                near = slice(max(0, at - 100), at + 100)
                raise AssertionError(f"{server.name} answers\n{told[near]!r}, not\n{first[near]!r}")
            first = told
            asked = load.request(HOST, server.port, "/graphql", body)
            questions[server.name].append(load.Question(asked, length))
    return questions


async def measure(
    names: Sequence[str], name: str, concurrencies: Sequence[int], rounds: int, seconds: float, upstream: Upstream
) -> dict[tuple[str, str, int], Figures]:
    """Every server with one query."""
    query = QUERIES[name]
    results: dict[tuple[str, str, int], Figures] = {}
    with running(names, upstream, {}) as found:
        for concurrency in concurrencies:
            questions = await agree(found, query, world.worlds(query.size, concurrency), upstream)
            for server in found:
                await load.press(HOST, server.port, questions[server.name], min(seconds, 2), 2)
                process.forget_peak(server.pid)
            for number in range(rounds):
                # Another server begins each round, so that none always follows the same one.
                for server in found[number % len(found) :] + found[: number % len(found)]:
                    figures = results.setdefault((server.name, name, concurrency), Figures())
                    await one_round(server, query, questions[server.name], seconds, upstream, figures)
    return results


async def one_round(
    server: servers.Running,
    query: Query,
    questions: Sequence[load.Question],
    seconds: float,
    upstream: Upstream,
    figures: Figures,
) -> None:
    """One server for some seconds. Raises AssertionError if its calls are not those that so many answers take."""
    await load.press(HOST, server.port, questions, 0.2, 1)
    upstream.calls()
    before = process.cpu(server.pid)
    pressed = await load.press(HOST, server.port, questions, seconds, 2)
    spent, answers = process.cpu(server.pid) - before, len(pressed.seconds)
    calls, due = upstream.calls(), {report: count * answers for report, count in query.calls.items()}
    if calls != Counter(due):
        raise AssertionError(f"{server.name} made the calls {dict(calls)} for {answers} answers, not {due}")
    figures.rates.append(answers / pressed.elapsed)
    figures.seconds += pressed.seconds
    figures.cpu.append(spent / answers)
    now, peak = process.memory(server.pid)
    figures.memory.append(now)
    figures.peak.append(peak)


def table(results: Mapping[tuple[str, str, int], Figures], name: str, concurrency: int) -> str:
    """The servers with one query at one concurrency, as Markdown, the fastest first."""
    found = {server: figures for (server, *rest), figures in results.items() if rest == [name, concurrency]}
    columns = ["server", "requests/s", "of mercurius", "of ours", "p50, ms", "p99, ms", "CPU, ms", "peak, MiB", "now, MiB"]
    lines = ["| " + " | ".join(columns) + " |", "|---" + "|---:" * (len(columns) - 1) + "|"]
    for server, figures in sorted(found.items(), key=lambda pair: -pair[1].rate):
        ratios = [f"{figures.rate / found[base].rate:.2f}" if base in found else "" for base in ("mercurius", "ours")]
        cells = [
            servers.SERVERS[server].title,
            f"{figures.rate:,.1f}",
            *ratios,
            *(f"{figures.percentile(share) * 1000:,.1f}" for share in (0.5, 0.99)),
            f"{statistics.median(figures.cpu) * 1000:,.2f}",
            *(f"{max(values) / (1 << 20):,.0f}" for values in (figures.peak, figures.memory)),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def listed(text: str) -> list[str]:
    """The words of an option that takes several."""
    return [word for word in text.split(",") if word]


async def main() -> None:
    """Measure, print and write."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--servers", type=listed, default=list(servers.SERVERS), help=", ".join(servers.SERVERS))
    options.add_argument("--queries", type=listed, default=["walk50", "medium", "small"], help=", ".join(QUERIES))
    options.add_argument("--concurrency", type=listed, default=["1", "16"])
    options.add_argument("--seconds", type=float, default=3.0, help="of each round")
    options.add_argument("--rounds", type=int, default=3)
    told = options.parse_args()
    os.sched_setaffinity(0, {servers.OTHER_CORE})
    began = time.perf_counter()
    upstream = Upstream(world.record())
    results: dict[tuple[str, str, int], Figures] = {}
    try:
        for name in told.queries:
            concurrencies = [int(number) for number in told.concurrency]
            results |= await measure(told.servers, name, concurrencies, told.rounds, told.seconds, upstream)
            for concurrency in concurrencies:
                sys.stdout.write(f"\n{name}, concurrency {concurrency}\n{table(results, name, concurrency)}\n")
                sys.stdout.flush()
    finally:
        upstream.close()
    sys.stdout.write(f"\n{time.perf_counter() - began:.0f} s\n")


if __name__ == "__main__":
    uvloop.run(main())
