"""A total, and the rows of which a client would add it up: what each takes in calls, bytes and time."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import median
from typing import Any

import orjson

from peers import load, servers, world
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


@dataclass(frozen=True, slots=True)
class TotalCost:
    """Hold the cost of one way: the bytes of the answer, the calls by report, and the seconds."""

    title: str
    length: int
    calls: dict[str, int]
    seconds: float


async def costs(names: Sequence[str], seconds: float, upstream: Upstream) -> list[TotalCost]:
    """Return the cost of the total, and of the rows from each server. Raise AssertionError if the figures differ."""
    (one,) = world.worlds(SIZE, 1)
    day = one.day.isoformat()
    during = {"dates": {"from": day, "to": day}}
    rows = orjson.dumps({"query": ROWS, "variables": {"group": str(one.group), "first": SIZE, "during": during}})
    total = orjson.dumps({"query": TOTALS, "variables": {"during": during}})
    found: list[TotalCost] = []
    figures: set[tuple[int, Decimal, Decimal]] = set()
    with running(names, upstream) as started:
        for server in started:
            ways = [("rows", rows)] + ([("a total", total)] if server.name == "ours" else [])
            for what, body in ways:
                upstream.calls()
                answer, length = await data(server, body)
                calls = dict(sorted(upstream.calls().items()))
                figures.add(_figures(orjson.loads(answer)))
                question = load.Question(server.request(body), length)
                pressed = await load.press(HOST, server.port, [question], seconds, 3)
                title = f"{servers.SERVERS[server.name].title}: {what}"
                found.append(TotalCost(title, length, calls, median(pressed.seconds)))
    if len(figures) != 1:
        raise AssertionError(f"the figures differ: {figures}")
    return sorted(found, key=lambda each: each.seconds)


def table(found: Sequence[TotalCost]) -> str:
    """Return the costs as Markdown."""
    lines = ["| what a client asks | calls | bytes | ms |", "|---|---|---:|---:|"]
    for each in found:
        calls = ", ".join(f"{count} {report}" for report, count in each.calls.items())
        lines.append(f"| {each.title} | {calls} | {each.length:,} | {each.seconds * 1000:,.1f} |")
    return "\n".join(lines)


def _figures(answer: Any) -> tuple[int, Decimal, Decimal]:
    """Return the number of logs, the bets and the wins of an answer."""
    if "gameLogs" in answer:
        totals = answer["gameLogs"]["totals"]
        return totals["count"], Decimal(totals["bet"]), Decimal(totals["win"])
    logs = [log for user in answer["group"]["users"]["nodes"] for log in user["gameLogs"]["nodes"]]
    return len(logs), sum(Decimal(log["bet"]) for log in logs), sum(Decimal(log["win"]) for log in logs)
