"""Subscribers of a topic share one poll and one answer. Without subscribers there is no poll."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import httpx

from resolvers.caller import Caller
from server.auth.key_file import KeyFile
from tests.served import launched, served
from tests.server.subscriptions.moving import MovingSandbox
from tests.server.subscriptions.socket_client import SocketClient, connected, opened
from tests.server.subscriptions.stream_reader import APOLLO, EVENTS, events, parts

GROUP, OTHER = 382, 347
ADDED = "subscription ($group: ID!) { transactionAdded(groupId: $group) { id nodeId user { id username } } }"
JACKPOTS = "subscription { progressiveJackpots { value } }"


async def test_a_thousand_subscribers_and_one_poll(moving: MovingSandbox, tmp_path: Path) -> None:
    """Each report is called once, whatever the number of subscribers. The next poll would come in an hour."""
    settings = moving.settings(SUBSCRIPTION_SECONDS="3600")
    with served(tmp_path, **settings) as address:
        moving.reset()
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(connected(address)) for _ in range(10)]

            async def use(client: SocketClient) -> None:
                for number in range(100):
                    await client.subscribe(str(number), JACKPOTS if number else ADDED, group=GROUP)
                for _ in range(99):
                    assert (await client.receive())["type"] == "next"

            await asyncio.gather(*map(use, clients))
            assert moving.counts() == {"progressive_jackpot_summary": 1, "api_retail_movements": 1}
            async with httpx.AsyncClient(trust_env=False) as http:
                figures = (await http.get(f"{address}/metrics")).text
            assert "gamehub_graph_subscriptions 1000.0" in figures
            assert "gamehub_graph_subscription_topics 2.0" in figures
            await clients[0].subscribe("one more", JACKPOTS)
            message = await clients[0].receive()
            assert message["type"] == "error"
            assert message["payload"][0]["extensions"] == {"code": "TOO_MANY_SUBSCRIPTIONS"}


async def test_no_poll_without_subscribers(moving: MovingSandbox, address: str) -> None:
    async with connected(address) as client:
        await client.subscribe("1", JACKPOTS)
        await client.data("1")
        await client.send("complete", "1")
        await client.send("ping")
        assert await client.receive() == {"type": "pong"}
        moving.reset()
        # A subscriber of another topic shows that time passes.
        await client.subscribe("2", "subscription { gamesOnSale(roomId: 2) { id } }")
        async with asyncio.timeout(30):
            while moving.counts().get("api_selling_and_preselling_games_report", 0) < 4:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert moving.counts().keys() == {"api_selling_and_preselling_games_report"}


async def test_an_upstream_that_fails(moving: MovingSandbox, tmp_path: Path) -> None:
    """A fault is sent once. Then the subscription goes on, and nothing is lost."""
    with served(tmp_path, **moving.settings(BREAKER_SECONDS="1")) as address:
        async with connected(address) as client:
            await client.subscribe("a", ADDED, group=GROUP)
            await moving.polled()
            moving.fault("400", "api_retail_movements")
            try:
                message = await client.receive()
                (first,) = moving.book(GROUP, 100)
                await moving.polled()
            finally:
                moving.heal()
            assert message["type"] == "next"
            assert message["payload"]["data"] is None
            (problem,) = message["payload"]["errors"]
            assert problem["path"] == ["transactionAdded"]
            assert problem["extensions"] == {"code": "UPSTREAM_ERROR", "report": "R5"}
            assert (await client.data("a"))["transactionAdded"]["id"] == first


async def test_callers_of_some_groups(moving: MovingSandbox, tmp_path: Path) -> None:
    keys = tmp_path / "keys.sqlite"
    _, own = KeyFile(keys).create(Caller("own", frozenset({GROUP}), frozenset({"explore"})))
    _, every = KeyFile(keys).create(Caller("every", None, frozenset({"explore"})))
    _, tables = KeyFile(keys).create(Caller("tables", None, frozenset({"tables"})))
    settings = moving.settings(KEYS_FILE=str(keys), AUTH="required", MAX_CALLER_SUBSCRIPTIONS="3", MAX_TOPICS="3")
    with served(tmp_path, **settings) as address:
        async with connected(address, {"Authorization": f"Bearer {own}"}) as restricted:
            moving.reset()
            await restricted.subscribe("hidden", ADDED, group=OTHER)
            message = await restricted.receive()
            assert (message["id"], message["type"]) == ("hidden", "error")
            (hidden,) = message["payload"]
            assert hidden["extensions"] == {"code": "NOT_FOUND", "report": "R5"}
            assert moving.counts() == {}  # it does not even cause a poll
            await restricted.subscribe("none", ADDED, group=999999)
            (missing,) = (await restricted.receive())["payload"]
            assert {**missing, "message": ""} == {**hidden, "message": ""}
            async with connected(address, **{"X-Api-Key": every}) as open_one:
                await restricted.subscribe("own", ADDED, group=GROUP)
                await open_one.subscribe("all", ADDED, group=GROUP)
                await moving.polled()
                (id,) = moving.book(GROUP, 700)
                assert (await restricted.data("own"))["transactionAdded"]["id"] == id
                assert (await open_one.data("all"))["transactionAdded"]["id"] == id
                # The limits: of one caller, and of different topics.
                await open_one.subscribe("2", JACKPOTS)
                await open_one.data("2")
                await open_one.subscribe("3", ADDED, group=OTHER)
                await open_one.subscribe("4", JACKPOTS)
                message = await open_one.receive()
                assert (message["id"], message["payload"][0]["extensions"]) == ("4", {"code": "TOO_MANY_SUBSCRIPTIONS"})
                assert "3 subscriptions" in message["payload"][0]["message"]
                await restricted.subscribe("room", "subscription { gamesOnSale(roomId: 1) { id } }")
                message = await restricted.receive()
                assert message["payload"][0]["extensions"] == {"code": "TOO_MANY_SUBSCRIPTIONS"}
                assert "topics" in message["payload"][0]["message"]
                KeyFile(keys).revoke("own")
                assert await restricted.closed() == (4403, "The key or token was revoked, or has expired.")
                await open_one.send("ping")
                assert await open_one.receive() == {"type": "pong"}
        for payload, why in (
            (None, "Say who you are"),
            ({"Authorization": f"Bearer {own}"}, "wrong, revoked or expired"),
            ({"headers": {"x-api-key": tables}}, "needs the permission explore"),
        ):
            async with opened(address) as client:
                await client.send("connection_init", payload=payload)
                code, reason = await client.closed()
                assert (code, why in reason) == (4403, True), reason


async def test_a_server_that_stops(moving: MovingSandbox, tmp_path: Path) -> None:
    """Every client hears why, and from where it can go on."""
    query = {"query": f'subscription {{ transactionAdded(groupId: "{GROUP}") {{ nodeId }} }}'}
    with launched(tmp_path, None, **moving.settings()) as (address, process):
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(connected(address))
            idle = await stack.enter_async_context(connected(address))
            http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=30))
            await client.subscribe("a", query["query"])
            streams = []
            for accept in (EVENTS, APOLLO):
                opening = http.stream("POST", f"{address}/graphql", json=query, headers={"Accept": accept})
                streams.append((await stack.enter_async_context(opening)).aiter_text())
            url = f"{address}/graphql/stream"
            token = {"X-GraphQL-Event-Stream-Token": (await http.put(url)).text, "Accept": EVENTS}
            empty = await stack.enter_async_context(http.stream("GET", url, headers=token))
            await moving.polled()
            moving.book(GROUP, 900)
            node = (await client.data("a"))["transactionAdded"]["nodeId"]
            texts = ["", ""]
            for place, stream in enumerate(streams):
                while node not in texts[place]:
                    texts[place] += await anext(stream)
            process.terminate()
            for place, stream in enumerate(streams):
                texts[place] += "".join([text async for text in stream])
            assert (await empty.aread()).endswith(b": end\n\n")
            assert await client.closed() == (1012, "This server stops. Subscribe again.")
            assert await idle.closed() == (1012, "This server stops. Subscribe again.")
        *_, (name, last) = events(iter([texts[0]]))
        *_, end = parts(iter([texts[1]]))
        assert name == "next"  # without `complete`, so that clients subscribe again
        assert end["payload"] is None
        for errors in (last["errors"], end["errors"]):
            assert errors[0]["extensions"] == {"code": "SERVER_DRAINING", "after": node}
    assert process.wait(10) == 0
