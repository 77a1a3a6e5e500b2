"""Every kind of fault, against the served graph: no wrong rows, no hangs, no secrets in readable texts."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.faults.kinds import KINDS
from tests.faults.proxy import Proxy, proxied
from tests.faults.truth import secrets_in, untrue
from tests.served import served
from tests.stand import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Three kinds wait for it, without work. A shorter one would need the machine alone.
DEADLINE = 3.0
DAY = 'during: {dates: {from: "2026-03-10", to: "2026-03-10"}}'
QUERIES = [
    query.replace("DAY", DAY)
    for query in (
        "{ group(id: 382) { name users { nodes { id username } } } }",
        "{ group(id: 383) { users { nodes { username transactions(DAY) { nodes { amount timestamp } } } } } }",
        "{ group(id: 382) { dailyMovements(DAY) { net } transactions(DAY, first: 5) { nodes { amount } } } }",
        "{ gameLogs(DAY, first: 5) { totalCount nodes { bet win } } progressiveJackpots { description } }",
        "{ user(id: 2051) { username gameLogs(DAY) { nodes { bet win } } } }",
    )
]


@dataclass(frozen=True)
class FaultyGraph:
    """The served graph over faulty upstreams, and the folder of its files."""

    proxy: Proxy
    client: httpx.AsyncClient
    truth: list[dict[str, Any]]
    secrets: list[str]
    folder: Path

    async def ask(self, query: str) -> httpx.Response:
        """Return a query's answer, with its trace. After the deadline and a tenth it is a hang."""
        return await self.client.post("/graphql", json={"query": query}, headers={"X-Graph-Trace": "1"})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def graph(world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FaultyGraph]:
    folder = tmp_path_factory.mktemp("faults")
    world.heal()
    settings = {
        "GAMEHUB_TOKEN": world.gamehub_token,
        "GAMELOG_AGENT_CODE": world.agent_code,
        "GAMELOG_AGENT_TOKEN": world.agent_token,
        "GAMEHUB_TIMEOUT": str(DEADLINE),
        "GAMELOG_TIMEOUT": str(DEADLINE),
        "MAX_UPSTREAM_MEBIBYTES": "4",
        "BREAKER_FAILURES": "0",
        "CACHE_URL": "off",
        "LOG_LEVEL": "debug",
    }
    async with proxied(world) as proxy:
        urls = {"GAMEHUB_URL": proxy.gamehub_url, "GAMELOG_URL": proxy.gamelog_url}
        with served(folder, folder / "log", **urls, **settings) as address:
            # Later than any deadline, since what one relation waits for may begin when another has failed.
            async with httpx.AsyncClient(base_url=address, timeout=4 * DEADLINE, trust_env=False) as client:
                truth = [(await client.post("/graphql", json={"query": query})).json() for query in QUERIES]
                assert [answer.get("errors") for answer in truth] == [None] * len(QUERIES)
                yield FaultyGraph(proxy, client, truth, [world.gamehub_token, world.agent_token], folder)


async def test_there_are_as_many_kinds_as_promised() -> None:
    assert len(KINDS) >= 32


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_is_true_or_an_error(kind: str, graph: FaultyGraph) -> None:
    graph.proxy.strike(KINDS[kind])
    answers = await asyncio.gather(*map(graph.ask, QUERIES))
    struck = graph.proxy.calls
    graph.proxy.heal()
    assert struck >= len(QUERIES)
    assert [answer.status_code for answer in answers] == [200] * len(QUERIES)
    wrong = [untrue(answer.json(), truth) for answer, truth in zip(answers, graph.truth, strict=True)]
    assert wrong == [[]] * len(QUERIES)
    texts = "".join(answer.text for answer in answers)
    assert secrets_in(texts, graph.secrets) == []
    # A fault that changes nothing tries nothing.
    if kind not in ("slow", "trickle", "byte order mark"):
        assert any("errors" in answer.json() for answer in answers)


async def test_no_secret_is_left_behind(graph: FaultyGraph) -> None:
    for kind in ("500", "page", "401", "redirect"):
        graph.proxy.strike(KINDS[kind])
        await asyncio.gather(*map(graph.ask, QUERIES[1:4]))
    graph.proxy.heal()
    ready = await graph.client.get("/readyz")
    log = (graph.folder / "log").read_text()
    assert "upstream.failed" in log
    with sqlite3.connect(graph.folder / "errors.sqlite") as journal:
        rows = journal.execute("SELECT * FROM error").fetchall()
    assert len(rows) > 5
    for text in (ready.text, log, repr(rows)):
        assert secrets_in(text, graph.secrets) == []


async def test_nothing_is_left_of_it(graph: FaultyGraph) -> None:
    answers = await asyncio.gather(*map(graph.ask, QUERIES * 4))
    assert [untrue(answer.json(), truth) for answer, truth in zip(answers, graph.truth * 4, strict=True)] == [[]] * 20
    assert [answer.json().get("errors") for answer in answers] == [None] * len(answers)
