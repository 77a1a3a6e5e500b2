"""Subscriptions over WebSocket, against a real server over a sandbox whose data moves."""

import json

import pytest
from gql import Client, gql
from gql.transport.websockets import WebsocketsTransport
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.server.subscriptions.moving import MovingSandbox
from tests.server.subscriptions.socket_client import PROTOCOL, connected, opened

JACKPOTS = "subscription { progressiveJackpots { value } }"
ADDED = (
    "subscription ($group: ID!, $after: ID) { transactionAdded(groupId: $group, after: $after) { nodeId id amount } }"
)
GROUP = 382
INVALID = "GRAPHQL_VALIDATION_FAILED"


async def test_a_jackpot_moves(moving: MovingSandbox, address: str) -> None:
    async with connected(address) as client:
        moving.move_jackpot(5000)
        await client.subscribe("1", JACKPOTS)
        assert (await client.data("1"))["progressiveJackpots"][0] == {"value": "50.00"}
        moving.move_jackpot(5100)
        assert (await client.data("1"))["progressiveJackpots"][0] == {"value": "51.00"}
        # The hidden value moves, too. Whoever does not select it hears nothing of it.
        await client.subscribe("2", "subscription { progressiveJackpots { description } }")
        first = await client.data("2")
        moving.move_jackpot(5200)
        assert (await client.data("1"))["progressiveJackpots"][0] == {"value": "52.00"}
        await client.send("complete", "1")
        moving.move_jackpot(5300)
        await client.subscribe("3", JACKPOTS)
        assert (await client.data("3"))["progressiveJackpots"][0] in ({"value": "52.00"}, {"value": "53.00"})
        assert len(first["progressiveJackpots"]) == 2


async def test_each_transaction_comes_once_and_in_order(moving: MovingSandbox, address: str) -> None:
    async with connected(address) as client:
        await client.subscribe("a", ADDED, group=GROUP)
        await client.subscribe("ready", "subscription { gamesOnSale(roomId: 1) { id } }")
        assert (await client.data("ready"))["gamesOnSale"]
        await client.send("complete", "ready")
        await moving.polled()
        first = moving.book(GROUP, 100, 200)
        second = moving.book(GROUP, 300)
        found = [(await client.data("a"))["transactionAdded"] for _ in range(3)]
    assert [one["id"] for one in found] == [*first, *second]
    assert [one["amount"] for one in found] == ["-1.00", "-2.00", "-3.00"]


async def test_resume_without_a_gap_and_without_a_repetition(moving: MovingSandbox, address: str) -> None:
    async with connected(address) as client:
        await client.subscribe("a", ADDED, group=GROUP)
        await moving.polled()
        (first,) = moving.book(GROUP, 100)
        last = (await client.data("a"))["transactionAdded"]
        assert last["id"] == first
    missed = moving.book(GROUP, *range(1, 251))
    async with connected(address) as client:
        await client.subscribe("b", ADDED, group=GROUP, after=last["nodeId"])
        found = [(await client.data("b"))["transactionAdded"]["id"] for _ in missed]
        assert found == missed
        more = moving.book(GROUP, 5)
        assert (await client.data("b"))["transactionAdded"]["id"] == more[0]
        for wrong, why in (("x", "not a nodeId"), ("WyJVc2VyIiwiMSJd", "take the `nodeId`")):
            await client.subscribe("c", ADDED, group=GROUP, after=wrong)
            message = await client.receive()
            assert (message["id"], message["type"]) == ("c", "error")
            assert why in message["payload"][0]["message"]
            assert message["payload"][0]["extensions"] == {"code": "BAD_USER_INPUT"}


async def test_what_follows_from_other_reports(moving: MovingSandbox, address: str) -> None:
    """The user's own report (R7) is read after the poll, so that it has the new movement."""
    query = """subscription { transactionAdded(groupId: 382) {
        id type amount currency user { id username group { id } } group { id name } game { id } } }"""
    async with connected(address) as client:
        await client.subscribe("a", query)
        await moving.polled()
        (id,) = moving.book(GROUP, 1234)
        found = (await client.data("a"))["transactionAdded"]
    assert found["id"] == id
    assert (found["type"], found["amount"]) == ("Bingo - Wager", "-12.34")
    assert found["currency"]
    assert found["user"]["group"] == {"id": "382"}
    assert found["group"]["id"] == "382"
    assert found["game"] is None


async def test_operations_that_do_not_begin(address: str) -> None:
    async with connected(address) as client:
        for query, code in (
            ("subscription { nothing }", INVALID),
            (
                "subscription { progressiveJackpots { value } gamesOnSale(roomId: 1) { id } }",
                "GRAPHQL_VALIDATION_FAILED",
            ),
            ("subscription {", "GRAPHQL_PARSE_FAILED"),
            ("subscription { progressiveJackpots { " + "value " * 2000 + "} }", "QUERY_TOO_COMPLEX"),
            ("subscription { gamesOnSale(roomId: 0) { id } }", "BAD_USER_INPUT"),
            (
                "subscription ($s: Boolean!) { gamesOnSale(roomId: 1) @skip(if: $s) { id } }",
                "GRAPHQL_VALIDATION_FAILED",
            ),
            ("subscription { gamesOnSale(roomId: 999999) { id } }", "NOT_FOUND"),
            ("subscription { transactionAdded(groupId: 999999) { id } }", "NOT_FOUND"),
        ):
            await client.send("subscribe", "x", {"query": query, "variables": {"s": True}})
            message = await client.receive()
            assert (message["id"], message["type"]) == ("x", "error"), query
            assert message["payload"][0]["extensions"]["code"] == code, query
        await client.send("subscribe", "x", {"query": 7})
        assert (await client.receive())["payload"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_queries_and_explanations(address: str) -> None:
    async with connected(address) as client:
        await client.subscribe("q", "{ group(id: 382) { id } }")
        assert await client.data("q") == {"group": {"id": "382"}}
        assert await client.receive() == {"type": "complete", "id": "q"}
        payload = {"query": JACKPOTS, "extensions": {"explain": True}}
        await client.send("subscribe", "e", payload)
        message = await client.receive()
        assert message["payload"]["data"] is None
        assert [part["report"] for part in message["payload"]["extensions"]["explain"]["plan"]] == ["R10"]
        assert await client.receive() == {"type": "complete", "id": "e"}


async def test_the_protocol(address: str) -> None:
    async with connected(address) as client:
        await client.send("ping")
        assert await client.receive() == {"type": "pong"}
        await client.send("connection_init")
        assert await client.closed() == (4429, "Too many initialisation requests")
    async with opened(address) as client:
        await client.subscribe("1", JACKPOTS)
        assert await client.closed() == (4401, "Unauthorized: send connection_init first.")
    async with connected(address) as client:
        await client.subscribe("1", JACKPOTS)
        await client.subscribe("1", JACKPOTS)
        assert await client.closed() == (4409, "Subscriber for 1 already exists")
    for wrong in ("{", "[]", json.dumps({"type": "subscribe", "id": ""}), json.dumps({"type": "dance"})):
        async with connected(address) as client:
            await client.connection.send(wrong)
            code, _ = await client.closed()
            assert code == 4400, wrong
    async with connected(address) as client:
        await client.connection.send("x" * (1 << 20) + "y")
        code, _ = await client.closed()
        assert code == 1009


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
async def test_a_page_of_another_site(address: str, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with opened(address, Origin=origin):
            pass
    assert refused.value.response.status_code == 403
    assert json.loads(refused.value.response.body)["errors"][0]["extensions"] == {"code": "CROSS_SITE"}
    async with connected(address, Origin=address):
        pass


async def test_another_subprotocol_and_another_path(address: str) -> None:
    for path, status in (("/graphql", 400), ("/healthz", 200), ("/nothing", 404)):
        url = f"{address.replace('http', 'ws', 1)}{path}"
        with pytest.raises(InvalidStatus) as refused:
            async with connect(url, proxy=None, subprotocols=None if status == 400 else [PROTOCOL]):
                pass
        assert refused.value.response.status_code == status


async def test_gql(moving: MovingSandbox, address: str) -> None:
    """The client gql of Python subscribes."""
    transport = WebsocketsTransport(f"{address.replace('http', 'ws', 1)}/graphql", init_payload={"client": "gql"})
    moving.move_jackpot(9000)
    async with Client(transport=transport, fetch_schema_from_transport=True) as session:
        found = session.subscribe(gql(JACKPOTS))
        assert (await anext(found))["progressiveJackpots"][0] == {"value": "90.00"}
        moving.move_jackpot(9100)
        assert (await anext(found))["progressiveJackpots"][0] == {"value": "91.00"}
        await found.aclose()
