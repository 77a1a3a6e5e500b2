"""Subscriptions that the server ends or refuses: slow readers, tokens that expire, clients that say nothing."""

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import httpx
from websockets.exceptions import ConnectionClosed

from tests.served import served
from tests.server.auth.echo import issuing
from tests.server.subscriptions.moving import MovingSandbox
from tests.server.subscriptions.socket_client import connected, narrow_socket, opened
from tests.server.subscriptions.stream_reader import EVENTS, events

GROUP = 382
JACKPOTS = "subscription { progressiveJackpots { value } }"


async def test_the_engine_of_graphql_core(moving: MovingSandbox, tmp_path: Path) -> None:
    query = "subscription ($group: ID!) { transactionAdded(groupId: $group) { id user { username group { id } } } }"
    with served(tmp_path, **moving.settings(ENGINE="graphql", CLIENT_TIMEOUT="1", CACHE_URL="off")) as address:
        async with connected(address) as client:
            await client.subscribe("a", query, group=GROUP)
            await client.subscribe("j", JACKPOTS)
            assert len((await client.data("j"))["progressiveJackpots"]) == 2
            await moving.polled()
            (id,) = moving.book(GROUP, 100)
            found = (await client.data("a"))["transactionAdded"]
            assert (found["id"], found["user"]["group"]) == (id, {"id": str(GROUP)})
        async with opened(address) as client:
            assert await client.closed() == (4408, "Connection initialisation timeout")


async def test_too_many_operations_on_a_connection(address: str) -> None:
    async with connected(address) as client:
        for number in range(100):
            await client.subscribe(str(number), JACKPOTS)
        for _ in range(100):
            assert (await client.receive())["type"] == "next"
        await client.subscribe("more", JACKPOTS)
        message = await client.receive()
        assert (message["id"], message["type"]) == ("more", "error")
        assert message["payload"][0]["extensions"] == {"code": "TOO_MANY_SUBSCRIPTIONS"}


async def test_too_many_connections_of_a_caller(moving: MovingSandbox, tmp_path: Path) -> None:
    with served(tmp_path, **moving.settings(MAX_CALLER_SUBSCRIPTIONS="2")) as address:
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(connected(address)) for _ in range(2)]
            third = await stack.enter_async_context(opened(address))
            await third.send("connection_init")
            code, reason = await third.closed()
            assert (code, "2 connections" in reason) == (1013, True)
            await clients[0].connection.close()
            async with asyncio.timeout(30):
                while True:  # the server notices a moment later
                    again = await stack.enter_async_context(opened(address))
                    await again.send("connection_init")
                    with suppress(ConnectionClosed):
                        assert await again.receive() == {"type": "connection_ack"}
                        return


async def test_a_client_that_does_not_read(moving: MovingSandbox, address: str) -> None:
    """It is ended, and told from where it can go on.

    The library stops to read from the socket when some messages wait for the test. Then the buffers of the network
    fill.
    """
    texts = " ".join(f"id{number}: nodeId" for number in range(90))
    query = f"subscription ($group: ID!) {{ transactionAdded(groupId: $group) {{ id nodeId {texts} }} }}"
    async with opened(address, narrow_socket(address)) as slow:
        await slow.init()
        await slow.subscribe("a", query, group=GROUP)
        await moving.polled()
        booked = []
        for polls in (2, 1):
            booked += moving.book(GROUP, *[1] * 900)
            await moving.polled(polls)
        seen, message = [], await slow.receive()
        while message["type"] == "next":
            seen.append(message["payload"]["data"]["transactionAdded"])
            message = await slow.receive()
    assert message["type"] == "error"
    (problem,) = message["payload"]
    assert problem["extensions"] == {"code": "SLOW_READER", "after": seen[-1]["nodeId"]}
    assert [one["id"] for one in seen] == booked[: len(seen)]
    assert len(seen) < len(booked)


async def test_a_token_that_expires(moving: MovingSandbox, tmp_path: Path) -> None:
    """A stream ends with the token that opened it."""
    with issuing() as issuer:
        tokens = {"JWT_JWKS_URL": issuer.url, "JWT_ISSUER": "https://issuer.example", "JWT_AUDIENCE": "graph"}
        log = tmp_path / "log"
        settings = moving.settings(AUTH="required", JWT_LEEWAY="0", LOG_LEVEL="info", **tokens)
        with served(tmp_path, log, **settings) as address:
            token = issuer.token("first", exp=time.time() + 2, groups="*", powers=["explore"])
            headers = {"Authorization": f"Bearer {token}", "Accept": EVENTS}
            async with httpx.AsyncClient(trust_env=False, timeout=30, headers=headers) as client:
                async with client.stream("POST", f"{address}/graphql", json={"query": JACKPOTS}) as response:
                    text = "".join([piece async for piece in response.aiter_text()])
                refused = await client.post(f"{address}/graphql", json={"query": JACKPOTS})
            assert refused.status_code == 401
    *_, (name, last), end = events(iter([text]))
    assert (name, end) == ("next", ("complete", None))
    assert last["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    assert token not in log.read_text()


async def test_documents_and_rates(moving: MovingSandbox, tmp_path: Path) -> None:
    """The rules of requests hold for each operation of a connection."""
    with served(tmp_path, **moving.settings(DOCUMENTS="saved", RATE_REQUESTS="4")) as address:
        async with connected(address) as client:
            for code in ("DOCUMENT_NOT_REGISTERED",) * 3 + ("TOO_MANY_REQUESTS",):
                await client.subscribe("a", JACKPOTS)
                message = await client.receive()
                assert (message["id"], message["type"]) == ("a", "error")
                assert message["payload"][0]["extensions"] == {"code": code}
