"""What users feel: answers from an upstream that takes its time, while more and more requests arrive.

Requests arrive at random moments, whether earlier ones are answered or not. Half of them are dashboards: the walks of a
few groups, over and over. The others are lists of users and walks that nobody asked for before. The rate doubles until
a percent of the answers takes longer than a second. Every server has the response cache of its documentation, if it has
one, and keeps rows that can change for as long as this server does by default.
"""

import asyncio
import bisect
import itertools
import random
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from peers import load, process, servers, world
from peers.agreement import data
from peers.queries import QUERIES
from peers.replay import Served
from peers.upstream import HOST, Upstream, running

SERVERS = (
    "warm",
    "mercurius",
    "mercurius-cached",
    "yoga-cached",
    "apollo-cached",
    "hive-cached",
    "hive-router-cached",
    "grafast",
    "grafbase-cached",
    "tailcall",
    "strawberry",
    "ariadne",
    "floor",
)
LATENCIES = (5, 50, 200)  # milliseconds
SLOTS = 16
FIRST_RATE, MOST_RATE = 10, 2_560  # requests a second
PATIENCE = 1.0  # seconds within which 99 % of the answers must come
MIX = {"dashboard": 0.5, "list": 0.3, "walk": 0.2}
DASHBOARDS, GROUPS = 4, 32
AGAIN = (1, 16)  # concurrencies of the repeated walk
AGAIN_LATENCY = 50
WARM_UP = 60
REST, MOST_RESTS = 0.2, 50  # seconds, and how often, until a server that was asked too much is idle again
OPEN = ("R8", "R9")  # reports whose rows can change at any time; the others are of a day that is over


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its kind, and the number of its world."""

    kind: str
    world: int


@dataclass(slots=True)
class Level:
    """The figures of a server at one rate of arrivals."""

    rate: int
    seconds: dict[str, list[float]]  # of each answer, by kind; infinite if none came in time
    calls: float  # of the upstream, an answer
    bytes: float
    ages: dict[str, list[float]] = field(default_factory=dict)  # of the oldest rows of an answer: open, closed

    @property
    def all(self) -> list[float]:
        """The seconds of all answers."""
        return list(itertools.chain.from_iterable(self.seconds.values()))

    @property
    def sustained(self) -> bool:
        """Whether 99 % of the answers came in time."""
        return percentile(self.all, 0.99) < PATIENCE


@dataclass(slots=True)
class Felt:
    """The figures of a server: by latency its levels, and by concurrency the seconds of the repeated walk."""

    levels: dict[int, list[Level]] = field(default_factory=dict)
    again: dict[int, list[float]] = field(default_factory=dict)
    again_calls: dict[int, float] = field(default_factory=dict)


class Worlds:
    """Worlds of 50 users, handed out: each latency has its own, so that no cache knows them."""

    def __init__(self) -> None:
        self._all = iter(world.worlds(world.SIZES[0]))

    def take(self, count: int) -> list[world.World]:
        """Return so many worlds that nobody had before."""
        return list(itertools.islice(self._all, count))


def percentile(seconds: Sequence[float], share: float) -> float:
    """Return the seconds within which such a share of the answers came."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("inf")


async def feel(names: Sequence[str], latencies: Sequence[int], seconds: float, upstream: Upstream) -> dict[str, Felt]:
    """Measure the servers, one after the other. Raises AssertionError if their answers differ."""
    answers: dict[bytes, bytes] = {}
    found = {}
    for name in names:
        upstream.pace(0, SLOTS)
        with running([name], upstream) as (server,):
            felt = found[name] = Felt()
            worlds = Worlds()
            await _warm_up(server, worlds.take(AGAIN[-1]), answers)
            for latency in latencies:
                upstream.pace(latency / 1000, SLOTS)
                share = (world.MOST_WORLDS - 3 * AGAIN[-1]) // len(latencies)
                felt.levels[latency] = await _rise(server, worlds.take(share), seconds, upstream)
                await _rest(server)
                if latency == AGAIN_LATENCY:
                    for concurrency in AGAIN:
                        await _again(server, worlds.take(concurrency), seconds, upstream, felt)
    return found


async def _warm_up(server: servers.Running, worlds: Sequence[world.World], answers: dict[bytes, bytes]) -> None:
    """Compare the server's answers with those of the others, then let its just-in-time compiler see some."""
    for query in (QUERIES["walk50"], QUERIES["medium"]):
        body = query.body(worlds[0])
        answer, _ = await data(server, body)
        if answers.setdefault(body, answer) != answer:
            raise AssertionError(f"{server.name} answers otherwise than the servers before it")
        questions = [load.Question(server.request(query.body(each))) for each in worlds]
        await load.press(HOST, server.port, questions, 0, -(-WARM_UP // len(questions)))


async def _rise(
    server: servers.Running, worlds: Sequence[world.World], seconds: float, upstream: Upstream
) -> list[Level]:
    """Double the rate until the server does not sustain it."""
    levels: list[Level] = []
    dashboards = [load.Question(server.request(QUERIES["walk50"].body(each))) for each in worlds[:DASHBOARDS]]
    await load.press(HOST, server.port, dashboards, 0, 1)
    fresh = itertools.cycle(worlds[GROUPS:])
    served: dict[tuple[str, int], list[float]] = defaultdict(list)
    rate = FIRST_RATE
    while rate <= MOST_RATE and (not levels or levels[-1].sustained):
        length = seconds * 2 if not levels else seconds
        arrivals = list(_arrivals(server, worlds, fresh, rate, length))
        upstream.served()
        answered = await load.arrive(HOST, server.port, arrivals, PATIENCE)
        calls = upstream.served()
        for call in calls:
            served[call.report, call.world].append(call.at)
        levels.append(_level(rate, answered, calls, served))
        rate *= 2
    return levels


async def _rest(server: servers.Running) -> None:
    """Let the server end what nobody waits for any more."""
    for _ in range(MOST_RESTS):
        before = process.cpu(server.pid)
        await asyncio.sleep(REST)
        if process.cpu(server.pid) - before < REST / 5:
            return


def _arrivals(
    server: servers.Running,
    worlds: Sequence[world.World],
    fresh: Iterator[world.World],
    rate: int,
    seconds: float,
) -> Iterator[load.Arrival[Asked]]:
    """Yield requests at random moments; the same for every server."""
    chance = random.Random(rate)
    at = 0.0
    while (at := at + chance.expovariate(rate)) < seconds:
        kind = chance.choices(list(MIX), list(MIX.values()))[0]
        if kind == "walk":
            each = next(fresh)
        else:
            each = worlds[chance.randrange(DASHBOARDS if kind == "dashboard" else GROUPS)]
        query = QUERIES["medium" if kind == "list" else "walk50"]
        yield load.Arrival(at, server.request(query.body(each)), Asked(kind, each.number))


def _level(
    rate: int,
    answered: Sequence[load.Answered[Asked]],
    calls: Sequence[Served],
    served: Mapping[tuple[str, int], Sequence[float]],
) -> Level:
    seconds: dict[str, list[float]] = {kind: [] for kind in MIX}
    ages: dict[str, list[float]] = {"open": [], "closed": []}
    for answer in answered:
        asked = answer.label
        seconds[asked.kind].append(answer.seconds)
        if answer.seconds < float("inf"):
            query = QUERIES["medium" if asked.kind == "list" else "walk50"]
            for report in query.calls:
                times = served.get((report, asked.world), ())
                if place := bisect.bisect(times, answer.at):
                    ages["open" if report in OPEN else "closed"].append(answer.at - times[place - 1])
    sizes = sum(call.size for call in calls)
    return Level(rate, seconds, len(calls) / len(answered), sizes / len(answered), ages)


async def _again(
    server: servers.Running, worlds: Sequence[world.World], seconds: float, upstream: Upstream, felt: Felt
) -> None:
    """Ask for walks again and again, by clients that each have one of their own."""
    questions = [load.Question(server.request(QUERIES["walk50"].body(each))) for each in worlds]
    await load.press(HOST, server.port, questions, 0, 2)
    upstream.served()
    pressed = await load.press(HOST, server.port, questions, seconds, 2)
    felt.again[len(worlds)] = pressed.seconds
    felt.again_calls[len(worlds)] = len(upstream.served()) / len(pressed.seconds)


def table(found: Mapping[str, Felt], latency: int) -> str:
    """The servers over an upstream of one latency, as Markdown, the one that sustains most first."""
    columns = [
        "server",
        f"answers/s at p99 < {PATIENCE:.0f} s",
        "× mercurius with cache",
        f"p50 at {FIRST_RATE}/s, ms",
        "p99",
        *(f"{kind}: p50" for kind in MIX),
        "calls an answer",
        "KiB an answer",
        "age of open rows, s: median, most",
        "age of closed days, s: median, most",
    ]
    lines = ["| " + " | ".join(columns) + " |", "|---" + "|---:" * (len(columns) - 1) + "|"]
    ranked = sorted(found.items(), key=lambda pair: -_capacity(pair[1].levels[latency]))
    base = found.get("mercurius-cached")
    for name, felt in ranked:
        levels = felt.levels[latency]
        first, capacity = levels[0], _capacity(levels)
        most = _capacity(base.levels[latency]) if base is not None else 0
        open_rows, closed_days = (
            [age for level in levels if level.sustained for age in level.ages[kind]] for kind in ("open", "closed")
        )
        title = servers.SERVERS[name].title
        cells = [
            f"**{title}**" if name == "warm" else title,
            f"{capacity:,}" + ("+" if capacity == MOST_RATE else ""),
            f"{capacity / most:.2f}" if most else "",
            *(_milliseconds(percentile(first.all, share)) for share in (0.5, 0.99)),
            *(_milliseconds(percentile(first.seconds[kind], 0.5)) for kind in MIX),
            f"{first.calls:.2f}",
            f"{first.bytes / 1024:,.0f}",
            *(_spread(ages) for ages in (open_rows, closed_days)),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def table_again(found: Mapping[str, Felt]) -> str:
    """The repeated walk, as Markdown."""
    lines = [
        "| server | clients | p50, ms | × mercurius | p99, ms | × mercurius | calls an answer |",
        "|---|" + "---:|" * 6,
    ]
    for concurrency in AGAIN:
        base = found["mercurius"].again.get(concurrency) if "mercurius" in found else None
        rows = [(name, felt) for name, felt in found.items() if concurrency in felt.again]
        for name, felt in sorted(rows, key=lambda pair: percentile(pair[1].again[concurrency], 0.5)):
            title = servers.SERVERS[name].title
            cells = [f"**{title}**" if name == "warm" else title, f"{concurrency}"]
            for share in (0.5, 0.99):
                took = percentile(felt.again[concurrency], share)
                cells += [_milliseconds(took), f"{took / percentile(base, share):.3f}" if base else ""]
            lines.append("| " + " | ".join([*cells, f"{felt.again_calls[concurrency]:.2f}"]) + " |")
    return "\n".join(lines)


def _capacity(levels: Sequence[Level]) -> int:
    """The highest rate that was sustained, 0 if none was."""
    return max((level.rate for level in levels if level.sustained), default=0)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.1f}" if seconds < float("inf") else "late"


def _spread(ages: Sequence[float]) -> str:
    return f"{statistics.median(ages):.1f}, {max(ages):.1f}" if ages else "–"
