"""This server side by side with the servers a user would pick instead, on the same questions and upstream work.

    python benchmarks/engine_bench.py --servers ours,mercurius,floor --queries walk50 --concurrency 1 --rounds 3

One run, in rounds: every server in turn, each round. A server is one process on core 0; the load and the upstream,
which answers recorded bodies from memory, are on core 1. Before anything is timed, all answers must be the same in
`data`, and all servers must make the same calls.
"""

import argparse
import asyncio
import gc
import json
import os
import platform
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

# ruff: noqa: E402  # found by the path above
from peers import chart, counting, feel, load, process, servers, totals, world
from peers.agreement import agree, check_calls
from peers.queries import QUERIES, Query
from peers.upstream import HOST, Upstream, running


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


Results = dict[tuple[str, str, int], Figures]  # by server, query and concurrency


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
GROWTH = ("ours", "mercurius", "floor")


async def measure(names: Sequence[str], name: str, plan: Plan, rounds: int, upstream: Upstream) -> Results:
    """Every server with one query, but for those that cannot answer it."""
    query = QUERIES[name]
    names = [server for server in names if name not in servers.SERVERS[server].cannot]
    results: Results = {}
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


@dataclass(frozen=True, slots=True)
class Goal:
    """The rate aimed at, as a multiple of that of mercurius, and the most CPU time of an answer."""

    query: str
    concurrency: int
    factor: float
    milliseconds: float | None = None
    server: str = "ours"


GOALS = (
    Goal("walk50", 1, 1.5),
    Goal("walk50", 16, 1.6, 6.0),
    Goal("walk500", 1, 1.8),
    Goal("walk2000", 1, 2.2),
    Goal("medium", 1, 0.85),
    Goal("medium", 16, 0.5, 0.45),
    Goal("small", 1, 0.7, 0.3),
    Goal("small", 16, 0.4, 0.22),
    Goal("walk50", 1, 15.0, 0.35, "warm"),
)
MOST_MEMORY = 0.5  # of mercurius, on walk50
RESTRICTED = 1.15  # times the CPU time of the same walk without a key
REMADE = 1.3  # times our own cold rate, with cached days and without stored answers


def goals(results: Results) -> str:
    """What is aimed at beside what was measured, as Markdown."""
    lines = ["| goal | × mercurius, jit | measured | CPU, ms | measured |", "|---|---:|---:|---:|---:|"]
    for goal in GOALS:
        own, other = (results.get((name, goal.query, goal.concurrency)) for name in (goal.server, "mercurius"))
        if own and other:
            title = f"{goal.query}, concurrency {goal.concurrency}" + (", repeated" if goal.server == "warm" else "")
            most = f"≤ {goal.milliseconds}" if goal.milliseconds is not None else ""
            rate = f"≥ {goal.factor} | {own.rate / other.rate:.2f}"
            lines.append(f"| {title} | {rate} | {most} | {own.work * 1000:,.2f} |")
    found = {server: figures for (server, *rest), figures in results.items() if rest == ["walk50", 1]}
    if {"ours", "mercurius"} <= found.keys():
        share = max(found["ours"].peak) / max(found["mercurius"].peak)
        lines.append(f"| memory on walk50 | ≤ {MOST_MEMORY} | {share:.2f} | | |")
    if {"ours", "restricted"} <= found.keys():
        times = found["restricted"].work / found["ours"].work
        lines.append(f"| walk50, key of some groups | | | ≤ {RESTRICTED} × ours | {times:.2f} × |")
    if {"ours", "warm-remade"} <= found.keys():
        times = found["warm-remade"].rate / found["ours"].rate
        lines.append(f"| walk50, repeated, answers made anew | ≥ {REMADE} × ours | {times:.2f} × | | |")
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


class Run:
    """One run: its options, the upstream, and what its parts came to so far. Each part is a method."""

    def __init__(self, options: argparse.Namespace, upstream: Upstream) -> None:
        self._options = options
        self._upstream = upstream
        self.results: Results = {}
        self.kept: Results = {}
        self.felt: dict[str, feel.Felt] = {}
        self.page: list[str] = []

    def tell(self, heading: str, text: str) -> None:
        """Print a section, and keep it for the page."""
        self.page.append(f"### {heading}\n\n{text}")
        sys.stdout.write(f"\n{heading}\n{text}\n")
        sys.stdout.flush()

    async def peers(self) -> None:
        """Measure every server with every query."""
        for name in self._options.queries:
            plan = self._plan(name)
            self.results |= await self._measure(self._options.servers, name, plan)
            for concurrency in plan.concurrencies:
                self.tell(f"{name}, concurrency {concurrency}", table(self.results, name, concurrency))

    async def days(self) -> None:
        """Measure the walk with cached days, with and without stored answers, and with a key of some groups."""
        names = ["ours", "warm-remade", "warm", "restricted", *({"mercurius"} & set(self._options.servers))]
        self.kept = await self._measure(names, "walk50", Plan((1,), self._plan("walk50").seconds))
        self.tell("The same walk: with cached days, and with a key of some groups", table(self.kept, "walk50", 1))

    async def growth(self) -> None:
        """Measure larger worlds, where that is not done yet."""
        grown: Results = {}
        for name in (f"walk{size}" for size in world.SIZES):
            keys = ((server, name, 1) for server in GROWTH)
            measured = {key: self.results[key] for key in keys if key in self.results}
            if len(measured) < len(GROWTH):
                measured = await self._measure(GROWTH, name, Plan((1,), 1.0))
            grown |= measured
        self.tell("Growth", growth(grown))

    async def breakdown(self) -> None:
        """Sample where this server spends its time."""
        for name in [name for name in self._options.queries if QUERIES[name].size == world.SIZES[0]]:
            told = await breakdown(name, 4.0, self._upstream, self._options.lines)
            self.tell(f"Where the time goes: {name}", told)

    async def counts(self) -> None:
        """Count what a query costs this server."""
        self.tell("The counted costs of a query", counting.table(*await counting.counts(self._upstream)))

    def close(self) -> None:
        """Stop the upstream."""
        self._upstream.close()

    async def feel(self) -> None:
        """Measure what users feel."""
        names = self._options.servers if self._options.servers != list(servers.PEERS) else feel.SERVERS
        latencies = [int(latency) for latency in self._options.latencies]
        found = self.felt = await feel.feel(names, latencies, self._options.seconds or 1.0, self._upstream)
        for latency in latencies:
            self.tell(f"What users feel: an upstream of {latency} ms", feel.table(found, latency))
        if feel.AGAIN_LATENCY in latencies:
            self.tell(f"The repeated walk: an upstream of {feel.AGAIN_LATENCY} ms", feel.table_again(found))

    async def totals(self) -> None:
        """Compare a total with the rows that a client would add up."""
        # The floor is written by hand for other questions.
        names = [name for name in self._options.servers if name != "floor"]
        found = await totals.costs(names, self._options.seconds or 2.0, self._options.rounds, self._upstream)
        self.tell(f"A total, and its {totals.SIZE * world.A_USER:,} rows", totals.table(found))

    async def _measure(self, names: Sequence[str], query: str, plan: Plan) -> Results:
        return await measure(names, query, plan, self._options.rounds, self._upstream)

    def _plan(self, name: str) -> Plan:
        known, chosen = PLANS.get(name, Plan((1,), 2.0)), self._options.concurrency
        concurrencies = tuple(map(int, chosen)) if chosen else known.concurrencies
        return Plan(concurrencies, self._options.seconds or known.seconds)


PARTS = {
    "peers": Run.peers,
    "days": Run.days,
    "growth": Run.growth,
    "breakdown": Run.breakdown,
    "counts": Run.counts,
    "feel": Run.feel,
    "totals": Run.totals,
}


async def main() -> None:
    """Measure, print and write."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--part", type=listed, default=list(PARTS), help=", ".join(PARTS))
    options.add_argument("--servers", type=listed, default=list(servers.PEERS), help=", ".join(servers.SERVERS))
    options.add_argument("--queries", type=listed, default=list(PLANS), help=", ".join(QUERIES))
    options.add_argument("--concurrency", type=listed, help="instead of 1, or 1 and 16")
    options.add_argument(
        "--seconds", type=float, help="of each round, instead of 1.5 to 2.5; of each rate of `feel`, instead of 1"
    )
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--lines", type=int, default=0, help="of the breakdown: how many lines of code to tell")
    options.add_argument(
        "--latencies", type=listed, default=list(feel.LATENCIES), help="of the upstream of `feel`, milliseconds"
    )
    options.add_argument("--write", type=Path, metavar="PAGE")
    arguments = options.parse_args()
    os.sched_setaffinity(0, {servers.OTHER_CORE})
    gc.disable()  # a load generator makes no cycles
    began = time.perf_counter()
    run = Run(arguments, Upstream(world.record()))
    try:
        for name in (name for name in PARTS if name in arguments.part):
            await PARTS[name](run)
    finally:
        run.close()
    if len(reached := goals(run.results | run.kept).splitlines()) > 2:
        run.tell("Goals", "\n".join(reached))
    run.page.append(f"### Versions\n\n{versions(list(dict.fromkeys([*arguments.servers, *run.felt])))}")
    sys.stdout.write(f"\n{time.perf_counter() - began:.0f} s\n")
    if arguments.write is not None:
        head, _, rest = arguments.write.read_text().partition("<!-- bench -->")
        _, _, tail = rest.partition("<!-- /bench -->")
        text = "\n\n".join(run.page)
        arguments.write.write_text(f"{head}<!-- bench -->\n{text}\n<!-- /bench -->{tail}")
        if run.results:
            arguments.write.with_suffix(".svg").write_text(chart_of(run.results))


if __name__ == "__main__":
    uvloop.run(main())
