"""Subscriptions as HTTP responses: Server-Sent Events in distinct connections, and the multipart protocol of Apollo."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.server.subscriptions.moving import MovingSandbox
from tests.server.subscriptions.stream_reader import APOLLO, EVENTS, MULTIPART, events, parts

JACKPOTS = "subscription { progressiveJackpots { value } }"


@contextmanager
def streaming(address: str, query: str, accept: str, path: str = "/graphql") -> Iterator[tuple[httpx.Response, Any]]:
    """Yield the response to a POST, and its pieces as they come."""
    with (
        httpx.Client(trust_env=False, timeout=30) as client,
        client.stream("POST", f"{address}{path}", json={"query": query}, headers={"Accept": accept}) as response,
    ):
        yield response, response.iter_text()


def test_events(moving: MovingSandbox, address: str) -> None:
    moving.move_jackpot(6000)
    with streaming(address, JACKPOTS, EVENTS) as (response, pieces):
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"
        found = events(pieces)
        assert next(found) == ("beat", None)
        name, data = next(found)
        assert (name, data["data"]["progressiveJackpots"][0]) == ("next", {"value": "60.00"})
        moving.move_jackpot(6100)
        name, data = next(found)
        assert (name, data["data"]["progressiveJackpots"][0]) == ("next", {"value": "61.00"})


@pytest.mark.parametrize("query", ["{ group(id: 382) { id } }", "subscription { nothing }"])
def test_one_event(address: str, query: str) -> None:
    with streaming(address, query, EVENTS) as (response, pieces):
        assert response.status_code == 200
        _, (name, data), last = events(pieces)
        assert name == "next"
        assert ("data" in data) is (query[0] == "{")
        assert last == ("complete", None)


def test_a_room_that_does_not_exist(address: str) -> None:
    for accept in (EVENTS, APOLLO):
        with streaming(address, "subscription { gamesOnSale(roomId: 999999) { id } }", accept) as (_, pieces):
            if accept == EVENTS:
                _, (name, data), last = events(pieces)
                assert (name, last) == ("next", ("complete", None))
            else:
                (data,) = parts(pieces)
                assert data["payload"] is None
            assert data["errors"][0]["extensions"]["code"] == "NOT_FOUND"


def test_parts(moving: MovingSandbox, address: str) -> None:
    moving.move_jackpot(7000)
    with streaming(address, JACKPOTS, APOLLO) as (response, pieces):
        assert response.status_code == 200
        assert response.headers["content-type"] == MULTIPART
        found = parts(pieces)
        first = next(found)
        assert first["payload"]["data"]["progressiveJackpots"][0] == {"value": "70.00"}
        moving.move_jackpot(7100)
        assert next(found)["payload"]["data"]["progressiveJackpots"][0] == {"value": "71.00"}
    # A document that is not valid has the answer of every such document.
    with streaming(address, "subscription { nothing }", APOLLO) as (response, pieces):
        assert response.status_code == 422
        (only,) = json.loads("".join(pieces))["errors"]
        assert only["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


def test_the_kind_of_stream_follows_from_the_header(address: str) -> None:
    for accept, kind in (
        (f"application/json, {EVENTS}, {MULTIPART}", EVENTS),
        (f"{EVENTS};q=0.5, {MULTIPART}", "multipart/mixed"),
        ("application/json, multipart/mixed", "application/json"),
        ("application/json", "application/json"),
    ):
        with streaming(address, JACKPOTS, accept) as (response, pieces):
            assert response.headers["content-type"].startswith(kind)
            if kind == "application/json":
                (only,) = json.loads("".join(pieces))["errors"]
                assert only["extensions"]["code"] == "OPERATION_RESOLUTION_FAILURE"
                assert "text/event-stream" in only["message"]
    with streaming(address, "{ group(id: 382) { id } }", f"application/json, {EVENTS}") as (response, pieces):
        assert response.headers["content-type"].startswith("application/json")


def test_get(address: str) -> None:
    with httpx.Client(trust_env=False, timeout=30) as client:
        parameters = {"query": JACKPOTS}
        with client.stream("GET", f"{address}/graphql", params=parameters, headers={"Accept": EVENTS}) as response:
            found = events(response.iter_text())
            assert next(found) == ("beat", None)
            assert next(found)[0] == "next"
        site = {"Accept": EVENTS, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        refused = client.get(f"{address}/graphql", params=parameters, headers=site)
        assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (403, "CROSS_SITE")


def test_many_operations_on_one_stream(moving: MovingSandbox, address: str) -> None:
    moving.move_jackpot(8000)
    url = f"{address}/graphql/stream"
    with httpx.Client(trust_env=False, timeout=30) as client:
        reserved = client.put(url)
        assert (reserved.status_code, reserved.headers["content-type"]) == (201, "text/plain; charset=utf-8")
        token = {"X-GraphQL-Event-Stream-Token": reserved.text}

        def start(id: str, query: str, **more: str) -> httpx.Response:
            body = {"query": query, "extensions": {"operationId": id}}
            return client.post(url, json=body, headers={**token, **more})

        assert start("early", "{ group(id: 382) { id } }").status_code == 202
        with client.stream("GET", url, headers={**token, "Accept": EVENTS}) as response:
            found = events(response.iter_text())
            assert next(found) == ("beat", None)
            assert next(found) == ("next", {"id": "early", "payload": {"data": {"group": {"id": "382"}}}})
            assert next(found) == ("complete", {"id": "early"})
            assert client.get(url, headers={**token, "Accept": EVENTS}).status_code == 409
            assert start("a", JACKPOTS).status_code == 202
            name, data = next(found)
            assert (name, data["id"]) == ("next", "a")
            assert data["payload"]["data"]["progressiveJackpots"][0] == {"value": "80.00"}
            assert start("a", JACKPOTS).status_code == 409
            wrong = start("b", "subscription { nothing }")
            assert (wrong.status_code, wrong.json()["errors"][0]["extensions"]["code"]) == (
                400,
                "GRAPHQL_VALIDATION_FAILED",
            )
            assert client.delete(url, params={"operationId": "a"}, headers=token).status_code == 200
            moving.move_jackpot(8100)
            assert start("c", JACKPOTS).status_code == 202
            name, data = next(found)
            assert (name, data["id"]) == ("next", "c")
        assert client.delete(url, headers=token).status_code in (400, 404)
        assert client.get(url, headers={"Accept": "application/json"}).status_code == 404
        with client.stream("POST", url, json={"query": JACKPOTS}, headers={"Accept": EVENTS}) as response:
            assert next(events(response.iter_text())) == ("beat", None)
