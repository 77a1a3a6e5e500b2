"""A storm of clients that go away: no slot is lost, and no other client's query is cancelled."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator

import httpx
import orjson
import pytest

from tests.effort import tries
from tests.served import served
from tests.stand import Sandbox

CANCELLED = tries(2_000)
SLOTS = 4
AT_ONCE = 200
# One call that the root field waits for itself, and two that loaders wait for.
QUERY = """query Storm($user: ID!) {
  progressiveJackpots { description }
  user(id: $user) { id username transactions(during: {dates: {from: "2026-03-10", to: "2026-03-10"}}) { totalCount } }
}"""
WALK = """{ group(id: 382) { users { nodes { id
  transactions(during: {dates: {from: "2026-03-10", to: "2026-03-10"}}) { totalCount } } } } }"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox that takes its time."""
    with Sandbox(latency=0.02) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def address(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A graph of its own process over the sandbox, with fewer slots than the storm has clients."""
    with served(
        tmp_path_factory.mktemp("storm"),
        GAMEHUB_URL=sandbox.gamehub_url,
        GAMEHUB_TOKEN=sandbox.gamehub_token,
        GAMEHUB_CONCURRENCY=str(SLOTS),
        CACHE_URL="off",
    ) as address:
        yield address


async def _ask(client: httpx.AsyncClient, query: str, **variables: str) -> object:
    answer = await client.post("/graphql", json={"query": query, "variables": variables})
    assert answer.status_code == 200
    return answer.json()


def _connect(address: str) -> Callable[[str, str], Awaitable[asyncio.StreamWriter]]:
    host, _, port = address.removeprefix("http://").partition(":")

    async def send(query: str, user: str) -> asyncio.StreamWriter:
        body = orjson.dumps({"query": query, "variables": {"user": user}})
        head = f"POST /graphql HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        return writer

    return send


async def test_cancelled_requests_cost_nobody_anything(address: str) -> None:
    send = _connect(address)
    chance = random.Random(7)
    users = [str(user) for user in range(2001, 2009)]
    slots = asyncio.Semaphore(AT_ONCE)
    cancelled = 0

    async def leave(user: str, patience: float) -> None:
        nonlocal cancelled
        async with slots:
            writer = await send(QUERY, user)
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


NAME = "query Name($user: ID!) { user(id: $user) { id username } }"


async def test_who_goes_away_stops_the_work_that_nobody_else_waits_for(address: str, sandbox: Sandbox) -> None:
    send = _connect(address)
    sandbox.heal()
    async with httpx.AsyncClient(base_url=address, timeout=30, trust_env=False) as client:
        truth = await _ask(client, NAME, user="2001")
        # Every slot is taken by a call that would hang for as long as GAMEHUB_TIMEOUT allows.
        await asyncio.to_thread(sandbox.fault, "hang", "api_users_report", 1000)
        await asyncio.to_thread(sandbox.reset)
        users = set(map(str, range(2051, 2051 + SLOTS)))  # none of those above, whose calls may yet come
        writers = [await send(NAME, user) for user in users]
        while not users <= {str(call["params"].get("id")) for call in await asyncio.to_thread(sandbox.calls)}:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        waiting = asyncio.create_task(_ask(client, NAME, user="2001"))
        done, _ = await asyncio.wait((waiting,), timeout=0.5)
        assert not done
        sandbox.heal()
        for writer in writers:
            writer.transport.abort()
        async with asyncio.timeout(10):
            assert await waiting == truth


async def test_who_stays_has_the_answer_that_another_gave_up(address: str, sandbox: Sandbox) -> None:
    send, user = _connect(address), "2040"  # none of those above, whose calls may yet come
    sandbox.heal()
    async with httpx.AsyncClient(base_url=address, timeout=30, trust_env=False) as client:
        truth = await _ask(client, NAME, user=user)
        await asyncio.to_thread(sandbox.reset)
        await asyncio.to_thread(sandbox.fault, "slow", "api_users_report", 1000, 1.0)
        first = await send(NAME, user)
        await asyncio.sleep(0.2)
        second = asyncio.create_task(_ask(client, NAME, user=user))
        await asyncio.sleep(0.2)
        first.transport.abort()
        assert await second == truth
        made = [call for call in await asyncio.to_thread(sandbox.calls) if call["params"].get("id") == user]
        assert len(made) == 1
    sandbox.heal()
