"""This server side by side with the servers a user would pick instead, on the same questions and upstream work.

    python benchmarks/engine_bench.py --servers ours,mercurius,floor --queries walk50 --concurrency 1 --rounds 3

One run, in rounds: every server in turn, each round. A server is one process on core 0; the load and the upstream,
which answers recorded bodies from memory, are on core 1. Before anything is timed, all answers must be the same in
`data`, and all servers must make the same calls.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import os
import platform
import signal
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

from peers import chart, load, process, servers, world  # noqa: E402  # found by the path above

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
MEDIUM = """query Medium($group: ID!, $first: Int) {
  group(id: $group) { id name users(first: $first) { nodes { id username } } }
}"""
SMALL = "query Small($group: ID!) { group(id: $group) { id name } }"


@dataclass(frozen=True, slots=True)
class Query:
    """A question: its text, the size of its world, the variables it takes, and the calls that it must make."""

    text: str
    size: int
    variables: tuple[str, ...]
    calls: Mapping[str, int]

    def body(self, world: world.World) -> bytes:
        """The request's body."""
        day = world.day.isoformat()
        variables = {"group": str(world.group), "first": self.size, "during": {"dates": {"from": day, "to": day}}}
        return orjson.dumps({"query": self.text, "variables": {name: variables[name] for name in self.variables}})


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
    idle: int = 0  # resident bytes before the first request

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def work(self) -> float:
        return statistics.median(self.cpu)

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
        """Return the settings by which servers reach it, with the names of our settings."""
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
        """Return the calls since the last call of this method, by report."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{HOST}:{self.port}/calls") as answer:
            return Counter(json.load(answer))

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def running(
    names: Sequence[str], upstream: Upstream, extra: Mapping[str, str] | None = None
) -> Iterator[list[servers.Running]]:
    """The servers, all of them started."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = upstream.environment() | {"ERROR_JOURNAL": str(folder / "errors.sqlite"), **(extra or {})}
        yield [stack.enter_context(servers.run(name, settings, folder)) for name in names]


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
            answer, length = await data(server, body)
            check_calls(server.name, query, 1, upstream)
            if first is not None and answer != first:
                at = next(
                    (place for place, pair in enumerate(zip(answer, first, strict=False)) if pair[0] != pair[1]), 0
                )
                near = slice(max(0, at - 100), at + 100)
                raise AssertionError(f"{server.name} answers\n{answer[near]!r}, not\n{first[near]!r}")
            first = answer
            sent = load.request(HOST, server.port, "/graphql", body)
            questions[server.name].append(load.Question(sent, length))
    return questions


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured of a query: at which concurrencies, for how many seconds a round."""

    concurrencies: tuple[int, ...]
    seconds: float


PLANS = {
    "walk50": Plan((1, 16), 2.5),
    "medium": Plan((1, 16), 1.5),
    "small": Plan((1, 16), 1.5),
    "walk500": Plan((1,), 2.0),
    "walk2000": Plan((1,), 2.0),
}
PARTS = ("peers", "days", "growth", "breakdown")
GROWTH = ("ours", "mercurius", "floor")


async def measure(
    names: Sequence[str], name: str, plan: Plan, rounds: int, upstream: Upstream
) -> dict[tuple[str, str, int], Figures]:
    """Every server with one query, but for those that cannot answer it."""
    query = QUERIES[name]
    names = [server for server in names if name not in servers.SERVERS[server].cannot]
    results: dict[tuple[str, str, int], Figures] = {}
    with running(names, upstream) as found:
        idle = {server.name: process.memory(server.pid)[0] for server in found}
        for concurrency in plan.concurrencies:
            questions = await agree(found, query, world.worlds(query.size, concurrency), upstream)
            # A just-in-time compiler wants to see some answers first, however slow the machine is.
            at_least = max(1, 60 // concurrency) if query.size == world.SIZES[0] else 2
            for server in found:
                await load.press(HOST, server.port, questions[server.name], min(plan.seconds, 1.5), at_least)
                process.forget_peak(server.pid)
            for number in range(rounds):
                # Another server begins each round, so that none always follows the same one.
                for server in found[number % len(found) :] + found[: number % len(found)]:
                    figures = results.setdefault((server.name, name, concurrency), Figures(idle=idle[server.name]))
                    await one_round(server, query, questions[server.name], plan.seconds, upstream, figures)
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
    upstream.calls()
    before = process.cpu(server.pid)
    pressed = await load.press(HOST, server.port, questions, seconds, 2)
    spent, answers = process.cpu(server.pid) - before, len(pressed.seconds)
    check_calls(server.name, query, answers, upstream)
    figures.rates.append(answers / pressed.elapsed)
    figures.seconds += pressed.seconds
    figures.cpu.append(spent / answers)
    now, peak = process.memory(server.pid)
    figures.memory.append(now)
    figures.peak.append(peak)


def check_calls(name: str, query: Query, answers: int, upstream: Upstream) -> None:
    """Raises AssertionError if a server made other calls than so many answers take; `warm` keeps what it has read."""
    calls, due = upstream.calls(), Counter({report: count * answers for report, count in query.calls.items()})
    if calls != due and name != "warm":
        raise AssertionError(f"{name} made the calls {dict(calls)} for {answers} answers, not {dict(due)}")


async def breakdown(name: str, seconds: float, upstream: Upstream, most: int) -> str:
    """Where the CPU time of one answer of ours goes, as Markdown; of its lines, so many that take most."""
    query = QUERIES[name]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "profile.json"
        with running(["profiled"], upstream, {"PROFILE": str(target)}) as (server,):
            questions = (await agree([server], query, world.worlds(query.size, 1), upstream))[server.name]
            answers = 0
            for length in (2.0, seconds):  # the first of these warms it up
                pressed = await load.press(HOST, server.port, questions, length, 2)
                answers = len(pressed.seconds)
                target.unlink(missing_ok=True)
                os.kill(server.pid, signal.SIGUSR2)
                while not target.exists():  # noqa: ASYNC110  # another process writes it
                    await asyncio.sleep(0.01)
            recorded = json.loads(target.read_text())
    milliseconds = 1000 / answers
    total, whole = sum(recorded["samples"].values()), recorded["process"] * milliseconds
    parts = {part: count / total * recorded["main"] * milliseconds for part, count in recorded["samples"].items()}
    parts["other threads: HTTP client in Rust, large bodies"] = (recorded["process"] - recorded["main"]) * milliseconds
    lines = [f"| part of `{name}` | CPU, ms | share |", "|---|---:|---:|"]
    for part, spent in sorted(parts.items(), key=lambda pair: -pair[1]):
        lines.append(f"| {part} | {spent:,.2f} | {spent / whole:.0%} |")
    lines.append(f"| all | {whole:,.2f} | 100% |")
    if most:
        for line, count in Counter(recorded["functions"]).most_common(most):
            spent = count / total * recorded["main"] * milliseconds
            lines.append(f"| `{line}` | {spent:,.2f} | {spent / whole:.0%} |")
    collected = recorded["gc"] * milliseconds
    return (
        "\n".join(lines) + f"\n\nIn these, garbage collection: {collected:,.2f} ms. {answers} answers, sampled each ms."
    )


Results = Mapping[tuple[str, str, int], Figures]


def table(results: Results, name: str, concurrency: int) -> str:
    """The servers with one query at one concurrency, as Markdown, the fastest first."""
    found = {server: figures for (server, *rest), figures in results.items() if rest == [name, concurrency]}
    columns = [
        "server",
        "requests/s",
        "× mercurius",
        "× ours",
        "p50, ms",
        "p99, ms",
        "CPU, ms",
        "CPU, × mercurius",
        "peak, MiB",
        "now, MiB",
    ]
    lines = ["| " + " | ".join(columns) + " |", "|---" + "|---:" * (len(columns) - 1) + "|"]
    for server, figures in sorted(found.items(), key=lambda pair: -pair[1].rate):
        ratios = [f"{figures.rate / found[base].rate:.2f}" if base in found else "" for base in ("mercurius", "ours")]
        title = servers.SERVERS[server].title
        cells = [
            f"**{title}**" if server == "ours" else title,
            f"{figures.rate:,.1f}",
            *ratios,
            *(f"{figures.percentile(share) * 1000:,.1f}" for share in (0.5, 0.99)),
            f"{figures.work * 1000:,.2f}",
            f"{figures.work / found['mercurius'].work:.2f}" if "mercurius" in found else "",
            *(f"{mebibytes(max(values)):,.0f}" for values in (figures.peak, figures.memory)),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def mebibytes(size: float) -> float:
    return size / (1 << 20)


def growth(results: Results) -> str:
    """Time and memory a row, as worlds grow, as Markdown. A row is a row of an upstream."""
    lines = [
        "| server | users | rows | s an answer | µs a row | CPU, µs a row | peak, MiB | KiB a row above idle |",
        "|---|" + "---:|" * 7,
    ]
    for (server, name, _), figures in sorted(results.items(), key=lambda pair: (pair[0][0], QUERIES[pair[0][1]].size)):
        size = QUERIES[name].size
        rows, seconds = 2 * world.A_USER * size + size + 1, figures.percentile(0.5)
        lines.append(
            f"| {servers.SERVERS[server].title} | {size:,} | {rows:,} | {seconds:,.3f} | {seconds / rows * 1e6:,.2f} | "
            f"{figures.work / rows * 1e6:,.2f} | {mebibytes(max(figures.peak)):,.0f} | "
            f"{(max(figures.peak) - figures.idle) / rows / 1024:,.2f} |"
        )
    return "\n".join(lines)


# What is aimed at: a query at a concurrency, a base, at least so many times its rate.
GOALS = (
    ("walk50", 1, "mercurius", 3.5),
    ("walk50", 1, "strawberry", 18.0),
    ("walk50", 1, "floor", 0.8),
    ("walk50", 16, "mercurius", 2.2),
    ("walk500", 1, "mercurius", 2.5),
    ("walk2000", 1, "mercurius", 2.5),
    ("medium", 1, "mercurius", 1.0),
    ("small", 1, "mercurius", 1.0),
    ("medium", 16, "mercurius", 0.8),
    ("small", 16, "mercurius", 0.8),
)
MOST_MEMORY = 0.75  # of mercurius, on walk50
WARM = 1.3  # times our own cold rate


def goals(results: Results, kept: Results) -> str:
    """What is aimed at beside what was measured, as Markdown."""
    lines = ["| ours | goal | measured |", "|---|---|---:|"]
    for name, concurrency, base, factor in GOALS:
        ours, other = (results.get((server, name, concurrency)) for server in ("ours", base))
        if ours and other:
            title = servers.SERVERS[base].title
            lines.append(f"| {name}, concurrency {concurrency} | ≥ {factor} × {title} | {ours.rate / other.rate:.2f} |")
    ours, other = (results.get((server, "walk50", 1)) for server in ("ours", "mercurius"))
    if ours and other:
        share = max(ours.peak) / max(other.peak)
        lines.append(f"| memory on walk50 | ≤ {MOST_MEMORY} × mercurius, jit | {share:.2f} |")
    warm, cold = (kept.get((server, "walk50", 1)) for server in ("warm", "ours"))
    if warm and cold:
        lines.append(f"| walk50, days kept | ≥ {WARM} × cold | {warm.rate / cold.rate:.2f} |")
    return "\n".join(lines)


def chart_of(results: Results) -> str:
    """The rates as bars."""
    charts = []
    for name, concurrency in dict.fromkeys((name, concurrency) for _, name, concurrency in results):
        rows = [
            (servers.SERVERS[server].title, figures.rate, f"{figures.rate:,.1f}", server == "ours")
            for (server, *rest), figures in results.items()
            if rest == [name, concurrency]
        ]
        rows.sort(key=lambda row: -row[1])
        charts.append((f"{name}, concurrency {concurrency}: requests/s", rows))
    return chart.bars(charts)


def versions(names: Sequence[str]) -> str:
    """What the figures belong to."""
    lines = [f"- {servers.SERVERS[name].title}: {servers.versions(name)}" for name in names]
    processor = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    system = f"{platform.system()} {platform.release()}, {processor}, {os.cpu_count()} cores"
    return "\n".join([f"- Python {platform.python_version()}, Node {servers.node_version()}; {system}", *lines])


def listed(text: str) -> list[str]:
    """The words of an option that takes several."""
    return [word for word in text.split(",") if word]


async def main() -> None:
    """Measure, print and write."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--part", type=listed, default=list(PARTS), help=", ".join(PARTS))
    options.add_argument("--servers", type=listed, default=list(servers.PEERS), help=", ".join(servers.SERVERS))
    options.add_argument("--queries", type=listed, default=list(PLANS), help=", ".join(QUERIES))
    options.add_argument("--concurrency", type=listed, help="instead of 1, or 1 and 16")
    options.add_argument("--seconds", type=float, help="of each round, instead of 1.5 to 2.5")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--lines", type=int, default=0, help="of the breakdown: how many lines of code to tell")
    options.add_argument("--write", type=Path, metavar="PAGE")
    arguments = options.parse_args()
    os.sched_setaffinity(0, {servers.OTHER_CORE})
    gc.disable()  # a load generator makes no cycles
    began = time.perf_counter()
    upstream = Upstream(world.record())

    def plan(name: str) -> Plan:
        known = PLANS.get(name, Plan((1,), 2.0))
        concurrencies = tuple(map(int, arguments.concurrency)) if arguments.concurrency else known.concurrencies
        return Plan(concurrencies, arguments.seconds or known.seconds)

    page: list[str] = []

    def tell(heading: str, text: str) -> None:
        page.append(f"### {heading}\n\n{text}")
        sys.stdout.write(f"\n{heading}\n{text}\n")
        sys.stdout.flush()

    results: dict[tuple[str, str, int], Figures] = {}
    kept: dict[tuple[str, str, int], Figures] = {}
    try:
        if "peers" in arguments.part:
            for name in arguments.queries:
                results |= await measure(arguments.servers, name, plan(name), arguments.rounds, upstream)
                for concurrency in plan(name).concurrencies:
                    tell(f"{name}, concurrency {concurrency}", table(results, name, concurrency))
        if "days" in arguments.part:
            kept = await measure(
                ["ours", "warm"], "walk50", Plan((1,), plan("walk50").seconds), arguments.rounds, upstream
            )
            tell("Days kept", table(kept, "walk50", 1))
        if "growth" in arguments.part:
            grown = {}
            for name in (f"walk{size}" for size in world.SIZES):
                measured = {key: results[key] for key in ((server, name, 1) for server in GROWTH) if key in results}
                if len(measured) < len(GROWTH):
                    measured = await measure(GROWTH, name, Plan((1,), 1.0), arguments.rounds, upstream)
                grown |= measured
            tell("Growth", growth(grown))
        if "breakdown" in arguments.part:
            for name in [name for name in arguments.queries if QUERIES[name].size == world.SIZES[0]]:
                tell(f"Where the time goes: {name}", await breakdown(name, 4.0, upstream, arguments.lines))
    finally:
        upstream.close()
    if len(reached := goals(results, kept).splitlines()) > 2:
        tell("Goals", "\n".join(reached))
    page.append(f"### Versions\n\n{versions(arguments.servers)}")
    sys.stdout.write(f"\n{time.perf_counter() - began:.0f} s\n")
    if arguments.write is not None:
        head, _, rest = arguments.write.read_text().partition("<!-- bench -->")
        _, _, tail = rest.partition("<!-- /bench -->")
        text = "\n\n".join(page)
        arguments.write.write_text(f"{head}<!-- bench -->\n{text}\n<!-- /bench -->{tail}")
        if results:
            arguments.write.with_suffix(".svg").write_text(chart_of(results))


if __name__ == "__main__":
    uvloop.run(main())
