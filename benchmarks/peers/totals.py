"""A total, and the rows of which a client would add it up: what each takes in calls, bytes and time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median
from typing import Any

import orjson

from peers import load, process, servers, world
from peers.agreement import data
from peers.upstream import HOST, Upstream, running

# Only this server has totals. The other servers, and this one too, give the rows.
ROWS = """query Rows($group: ID!, $first: Int, $during: Period!) {
  group(id: $group) {
    users(first: $first) { nodes { id username gameLogs(during: $during, first: 1000) { nodes { bet win } } } }
  }
}"""
TOTALS = """query Totals($during: Period!) {
  gameLogs(during: $during) {
    totals { count bet win }
    buckets(by: [USER], orderBy: WIN_DESC, first: 10) { totals { bet win } }
  }
}"""
SIZE = 500  # users, each with twenty game logs


@dataclass(slots=True)
class TotalCost:
    """Hold the cost of one way: the calls by report, and of each round the seconds and the CPU seconds of an answer."""

    server: servers.Running
    what: str
    question: load.Question
    length: int
    calls: dict[str, int]
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def title(self) -> str:
        return f"{servers.SERVERS[self.server.name].title}: {self.what}"

    async def press(self, seconds: float) -> None:
        """Measure one round."""
        before = process.cpu(self.server.pid)
        pressed = await load.press(HOST, self.server.port, [self.question], seconds, 3)
        self.cpu.append((process.cpu(self.server.pid) - before) / len(pressed.seconds))
        self.seconds.append(median(pressed.seconds))


async def costs(names: Sequence[str], seconds: float, rounds: int, upstream: Upstream) -> list[TotalCost]:
    """Return the cost of the total, and of the rows from each server. Raise AssertionError if the figures differ.

    Each round measures all ways one after the other.
    """
    (one,) = world.worlds(SIZE, 1)
    day = one.day.isoformat()
    during = {"dates": {"from": day, "to": day}}
    rows = orjson.dumps({"query": ROWS, "variables": {"group": str(one.group), "first": SIZE, "during": during}})
    total = orjson.dumps({"query": TOTALS, "variables": {"during": during}})
    found: list[TotalCost] = []
    figures: set[tuple[int, Decimal, Decimal]] = set()
    with running(names, upstream) as started:
        for server in started:
            ways = [("rows", rows)] + ([("a total", total)] if servers.SERVERS[server.name].looks_beyond else [])
            for what, body in ways:
                await data(server, body)
                upstream.calls()
                # The second answer, so that a server that keeps days has them.
                answer, length = await data(server, body)
                calls = dict(sorted(upstream.calls().items()))
                figures.add(_figures(orjson.loads(answer)))
                found.append(TotalCost(server, what, load.Question(server.request(body), length), length, calls))
        if len(figures) != 1:
            raise AssertionError(f"the figures differ: {figures}")
        for _ in range(rounds):
            for each in found:
                await each.press(seconds)
    return sorted(found, key=lambda each: median(each.seconds))


def table(found: Sequence[TotalCost]) -> str:
    """Return the costs as Markdown. The ratios are medians of the ratios of each round to this server's total."""
    lines = ["| what a client asks | calls | bytes | ms | × the total | CPU, ms |", "|---|---|---:|---:|---:|---:|"]
    total = next((each for each in found if (each.server.name, each.what) == ("ours", "a total")), found[0])
    for each in found:
        calls = ", ".join(f"{count} {report}" for report, count in each.calls.items()) or "none"
        times = median(own / other for own, other in zip(each.seconds, total.seconds, strict=True))
        lines.append(
            f"| {each.title} | {calls} | {each.length:,} | {median(each.seconds) * 1000:,.1f} | {times:,.2f} | "
            f"{median(each.cpu) * 1000:,.1f} |"
        )
    return "\n".join(lines)


def _figures(answer: Any) -> tuple[int, Decimal, Decimal]:
    """Return the number of logs, the bets and the wins of an answer."""
    if "gameLogs" in answer:
        totals = answer["gameLogs"]["totals"]
        return totals["count"], Decimal(totals["bet"]), Decimal(totals["win"])
    logs = [log for user in answer["group"]["users"]["nodes"] for log in user["gameLogs"]["nodes"]]
    return len(logs), sum(Decimal(log["bet"]) for log in logs), sum(Decimal(log["win"]) for log in logs)
