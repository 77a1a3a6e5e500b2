"""A storm of clients that go away: no slot is lost by it, and nobody else's query is cancelled."""

import asyncio
import random
from collections.abc import Iterator

import httpx
import orjson
import pytest

from tests.served import served
from tests.stand import Sandbox

CANCELLED = 10_000
AT_ONCE = 200
# One call that the root field waits for itself, and two that loaders wait for.
QUERY = """query Storm($user: ID!) {
  progressiveJackpots { description }
  user(id: $user) { id username transactions(during: {dates: {from: "2026-03-10", to: "2026-03-10"}}) { totalCount } }
}"""
WALK = """{ group(id: 382) { users { nodes { id
  transactions(during: {dates: {from: "2026-03-10", to: "2026-03-10"}}) { totalCount } } } } }"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A graph of its own process over a sandbox that takes its time, with fewer slots than the storm has clients."""
    folder = tmp_path_factory.mktemp("storm")
    with (
        Sandbox(latency=0.02) as sandbox,
        served(
            folder,
            GAMEHUB_URL=sandbox.gamehub_url,
            GAMEHUB_TOKEN=sandbox.gamehub_token,
            GAMEHUB_CONCURRENCY="4",
            CACHE_URL="off",
        ) as address,
    ):
        yield address


async def _ask(client: httpx.AsyncClient, query: str, **variables: str) -> object:
    answer = await client.post("/graphql", json={"query": query, "variables": variables})
    assert answer.status_code == 200
    return answer.json()


async def test_ten_thousand_cancelled_requests_cost_nobody_anything(address: str) -> None:
    host, _, port = address.removeprefix("http://").partition(":")
    chance = random.Random(7)
    users = [str(user) for user in range(2001, 2009)]
    slots = asyncio.Semaphore(AT_ONCE)
    cancelled = 0

    async def leave(user: str, patience: float) -> None:
        nonlocal cancelled
        body = orjson.dumps({"query": QUERY, "variables": {"user": user}})
        head = f"POST /graphql HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        async with slots:
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            await asyncio.sleep(patience)
            writer.transport.abort()
            cancelled += 1

    async with httpx.AsyncClient(base_url=address, timeout=30, trust_env=False) as client:
        expected = {user: await _ask(client, QUERY, user=user) for user in users}
        walk = await _ask(client, WALK)
        assert all("errors" not in answer for answer in [*expected.values(), walk])  # type: ignore[operator]

        storm = asyncio.gather(*(leave(chance.choice(users), chance.random() * 0.03) for _ in range(CANCELLED)))
        innocent = 0
        while not storm.done():
            answers = await asyncio.gather(*(_ask(client, QUERY, user=user) for user in users))
            assert answers == [expected[user] for user in users]
            innocent += len(answers)
        await storm
        assert cancelled == CANCELLED
        assert innocent >= len(users)
        # Fifty calls over four slots: had one been lost, they would take longer or never end.
        assert await _ask(client, WALK) == walk
