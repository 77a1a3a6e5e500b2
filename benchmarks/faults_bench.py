"""Measure the cost of upstream faults at the served graph, over a sandbox behind a faulty proxy.

    python benchmarks/faults_bench.py [--queries 100] [--kinds 500,hang] [--cancelled 10000] [--only matrix,slow]

Prints, and exits with 1 where a bound is missed:

- matrix: every kind of fault (tests/faults/kinds.py) × so many queries: wrong rows, secrets, and the longest query;
- some: p99 with one in a hundred upstream calls failing, against healthy (at most 2 ×);
- hung: p99 of GameHub queries while Game History hangs, against healthy (at most 1.1 ×);
- total: upstream requests under total failure, for each call (at most 1.2);
- cancelled: clients that leave, with innocent ones beside them: slots lost, innocents failed (none).
"""

# ruff: noqa: T201

import argparse
import asyncio
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.faults.kinds import KINDS
from tests.faults.proxy import Proxy, proxied
from tests.faults.truth import secrets_in, untrue
from tests.served import served
from tests.stand import Sandbox

DEADLINE = 1.0
# A relation begins when the one that it hangs on has its rows: so many deadlines may follow each other in a query.
LEVELS = 3
DAYS = [f'during: {{dates: {{from: "2026-03-{day:02}", to: "2026-03-{day:02}"}}}}' for day in range(1, 15)]
SHAPES = [
    "{ user(id: USER) { id username group { name } } }",
    "{ user(id: USER) { username transactions(DAY) { nodes { amount timestamp } } } }",
    "{ user(id: USER) { username gameLogs(DAY) { nodes { bet win } } } }",
    "{ group(id: GROUP) { users { nodes { username transactions(DAY) { totalCount } } } } }",
    "{ group(id: GROUP) { dailyMovements(DAY) { net } transactions(DAY, first: 5) { nodes { amount } } } }",
    "{ gameLogs(DAY, first: 5) { totalCount nodes { bet win } } progressiveJackpots { description } }",
]


@dataclass(frozen=True)
class FaultyGraph:
    """The served graph, the proxy behind it, and the folder of its files."""

    proxy: Proxy
    client: httpx.AsyncClient
    address: str
    secrets: list[str]
    folder: Path

    async def ask(self, query: str) -> tuple[dict[str, Any], float, str]:
        """An answer, the seconds it took, and its text."""
        began = time.monotonic()
        answer = await self.client.post("/graphql", json={"query": query}, headers={"X-Graph-Trace": "1"})
        return answer.json(), time.monotonic() - began, answer.text


def queries(count: int, shapes: list[str] = SHAPES) -> list[str]:
    """So many different queries."""
    chance = random.Random(7)
    return [
        shapes[number % len(shapes)]
        .replace("USER", str(chance.randint(2001, 2060)))
        .replace("GROUP", str(chance.choice((382, 383, 384))))
        .replace("DAY", chance.choice(DAYS))
        for number in range(count)
    ]


async def gathered(asks: list[Callable[[], Awaitable[Any]]], at_once: int) -> list[Any]:
    """The results, a few at once."""
    slots = asyncio.Semaphore(at_once)

    async def one(ask: Callable[[], Awaitable[Any]]) -> Any:
        async with slots:
            return await ask()

    return await asyncio.gather(*map(one, asks))


def quantile(seconds: list[float], share: float) -> float:
    """The value below which that share lies."""
    return sorted(seconds)[min(int(share * len(seconds)), len(seconds) - 1)]


async def matrix(graph: FaultyGraph, kinds: list[str], count: int) -> bool:
    """Every kind of fault with every query."""
    texts = queries(count)
    truths = [answer for answer, _, _ in await gathered([lambda q=q: graph.ask(q) for q in texts], 8)]  # type: ignore[misc]
    assert not any("errors" in answer for answer in truths)
    wrong, shown, longest, failed = 0, 0, 0.0, 0
    for kind in kinds:
        graph.proxy.strike(KINDS[kind])
        found = await gathered([lambda q=q: graph.ask(q) for q in texts], 25)  # type: ignore[misc]
        graph.proxy.heal()
        worst = max(seconds for _, seconds, _ in found)
        lies = [each for (answer, _, _), truth in zip(found, truths, strict=True) for each in untrue(answer, truth)]
        wrong += len(lies)
        shown += sum(bool(secrets_in(text, graph.secrets)) for _, _, text in found)
        failed += sum("errors" in answer for answer, _, _ in found)
        longest = max(longest, worst)
        print(f"  {kind:<22} longest {worst:6.2f} s  wrong {len(lies)}  {lies[:1] or ''}", flush=True)
    with sqlite3.connect(graph.folder / "errors.sqlite") as journal:
        kept = repr(journal.execute("SELECT * FROM error").fetchall())
    log = (graph.folder / "log").read_text()
    shown += len(secrets_in(kept, graph.secrets)) + len(secrets_in(log, graph.secrets))
    print(
        f"matrix: {len(kinds)} kinds × {count} queries: {wrong} wrong places, {shown} secrets shown, "
        f"{failed} answers with errors, longest query {longest:.2f} s of {LEVELS} deadlines of {DEADLINE:g} s"
    )
    return wrong == shown == 0 and longest <= LEVELS * DEADLINE * 1.1


async def latencies(graph: FaultyGraph, shapes: list[str], count: int, at_once: int = 4) -> list[float]:
    """How long queries take."""
    found = await gathered([lambda q=q: graph.ask(q) for q in queries(count, shapes)], at_once)  # type: ignore[misc]
    return [seconds for _, seconds, _ in found]


async def some(graph: FaultyGraph, count: int) -> bool:
    """One call in a hundred fails."""
    healthy: list[float] = []
    failing: list[float] = []
    # In turns, so that whatever else this machine does befalls both alike.
    for _ in range(5):
        graph.proxy.heal()
        healthy += await latencies(graph, SHAPES, count)
        graph.proxy.strike(KINDS["503 and a date"], share=0.01)
        failing += await latencies(graph, SHAPES, count)
    graph.proxy.heal()
    ratio = quantile(failing, 0.99) / quantile(healthy, 0.99)
    print(
        f"some: p99 healthy {quantile(healthy, 0.99) * 1000:.0f} ms, with 1 % failing calls "
        f"{quantile(failing, 0.99) * 1000:.0f} ms: {ratio:.2f} × (at most 2)"
    )
    return ratio <= 2


async def hung(graph: FaultyGraph, count: int) -> bool:
    """Game History hangs, and gets requests all the time."""
    quiet: list[float] = []
    beside: list[float] = []
    for _ in range(5):
        graph.proxy.heal()
        quiet += await latencies(graph, SHAPES[:1], count)
        graph.proxy.strike(KINDS["hang"], method="POST")
        waiting = [
            asyncio.create_task(graph.ask(SHAPES[2].replace("USER", str(user)).replace("DAY", DAYS[0])))
            for user in range(2001, 2041)
        ]
        await asyncio.sleep(1)  # until every one of them hangs
        beside += await latencies(graph, SHAPES[:1], count)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.sleep(0.5)
    graph.proxy.heal()
    ratio = quantile(beside, 0.99) / quantile(quiet, 0.99)
    print(
        f"hung: p99 of GameHub queries quiet {quantile(quiet, 0.99) * 1000:.1f} ms, beside 40 queries on a hung "
        f"Game History {quantile(beside, 0.99) * 1000:.1f} ms: {ratio:.2f} × (at most 1.1)"
    )
    return ratio <= 1.1


async def total(graph: FaultyGraph, count: int) -> bool:
    """Everything fails: each query makes one call, had it no second chance."""
    graph.proxy.strike(KINDS["503 and a date"])
    texts = [f"{{ user(id: {user}) {{ username }} }}" for user in range(1, count + 1)]
    await gathered([lambda q=q: graph.ask(q) for q in texts], 8)  # type: ignore[misc]
    requests = graph.proxy.calls
    graph.proxy.heal()
    print(f"total: {requests} upstream requests for {count} calls that all fail: {requests / count:.2f} (at most 1.2)")
    return requests <= 1.2 * count


async def cancelled(graph: FaultyGraph, count: int) -> bool:
    """Clients that leave before their answer, and others who stay."""
    chance = random.Random(7)
    host, _, port = graph.address.removeprefix("http://").partition(":")
    texts = queries(60)
    truths = {query: (await graph.ask(query))[0]["data"] for query in texts}
    slots = asyncio.Semaphore(100)

    async def leave() -> None:
        body = httpx.Request("POST", "http://x", json={"query": chance.choice(texts)}).content
        head = f"POST /graphql HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        async with slots:
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            await asyncio.sleep(chance.random() * 0.05)
            writer.transport.abort()

    storm = asyncio.gather(*(leave() for _ in range(count)))
    innocent = wrong = 0
    while not storm.done():
        some_texts = chance.sample(texts, 8)
        for query, (answer, _, _) in zip(some_texts, await asyncio.gather(*map(graph.ask, some_texts)), strict=True):
            innocent += 1
            wrong += "errors" in answer or answer["data"] != truths[query]
    await storm
    await asyncio.sleep(1)
    # As many calls at once as there are slots: had one been lost, one of them would wait for another.
    began = time.monotonic()
    answers = await asyncio.gather(*map(graph.ask, texts))
    after = sum("errors" in answer for answer, _, _ in answers)
    print(
        f"cancelled: {count} requests; {wrong} of {innocent} innocent ones failed; "
        f"60 queries afterwards: {after} failed, {time.monotonic() - began:.2f} s"
    )
    return wrong == after == 0


async def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--queries", type=int, default=100)
    options.add_argument("--kinds", default="")
    options.add_argument("--cancelled", type=int, default=10_000)
    options.add_argument("--only", default="matrix,some,hung,total,cancelled")
    given = options.parse_args()
    kinds = given.kinds.split(",") if given.kinds else list(KINDS)
    parts: dict[str, tuple[dict[str, str], Callable[[FaultyGraph], Awaitable[bool]]]] = {
        "matrix": ({"BREAKER_FAILURES": "0"}, lambda graph: matrix(graph, kinds, given.queries)),
        "some": ({}, lambda graph: some(graph, given.queries)),
        "hung": ({"GAMELOG_TIMEOUT": "60"}, lambda graph: hung(graph, given.queries)),
        "total": ({"BREAKER_FAILURES": "0"}, lambda graph: total(graph, max(given.queries, 100))),
        "cancelled": (
            {"GAMEHUB_TIMEOUT": "30", "GAMELOG_TIMEOUT": "30"},
            lambda graph: cancelled(graph, given.cancelled),
        ),
    }
    good = True
    with Sandbox() as sandbox:
        for name in given.only.split(","):
            settings, part = parts[name]
            async with AsyncExitStack() as stack:
                proxy = await stack.enter_async_context(proxied(sandbox))
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                common = {
                    "GAMEHUB_URL": proxy.gamehub_url,
                    "GAMEHUB_TOKEN": sandbox.gamehub_token,
                    "GAMELOG_URL": proxy.gamelog_url,
                    "GAMELOG_AGENT_CODE": sandbox.agent_code,
                    "GAMELOG_AGENT_TOKEN": sandbox.agent_token,
                    "GAMEHUB_TIMEOUT": str(DEADLINE),
                    "GAMELOG_TIMEOUT": str(DEADLINE),
                    "MAX_UPSTREAM_MEBIBYTES": "4",
                    "CACHE_URL": "off",
                    "LOG_LEVEL": "info",
                }
                address = stack.enter_context(served(folder, folder / "log", **{**common, **settings}))
                client = httpx.AsyncClient(base_url=address, timeout=60, trust_env=False)
                await stack.enter_async_context(client)
                secrets = [sandbox.gamehub_token, sandbox.agent_token]
                good &= await part(FaultyGraph(proxy, client, address, secrets, folder))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
