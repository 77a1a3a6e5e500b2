"""`/graphql` over real HTTP: statuses, media types, bounds, faults, and clients that go away."""

import asyncio
import gzip
import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from server.execution.limits import Limits
from server.http.writing import encode
from tests.server import toy_schema
from tests.server.application import application
from tests.server.serving import serving

JSON = {"Accept": "application/json"}
RESPONSE_JSON = {"Accept": "application/graphql-response+json"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}

visits = toy_schema.SlowFieldCounts()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(application(toy_schema.schema, lambda operation: visits, limits=Limits(body_bytes=10_000))) as address:
        yield f"{address}/graphql"


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address.removesuffix("/graphql"), trust_env=False) as client:
        yield client


def ask(client: httpx.Client, query: str, headers: dict[str, str] = JSON, **members: Any) -> httpx.Response:
    return client.post("/graphql", json={"query": query, **members}, headers=headers)


def code(answer: httpx.Response) -> str:
    """The one error's code, of an answer that has the one shape."""
    body = answer.json()
    assert set(body) <= {"errors", "data"}
    (error,) = body["errors"]
    assert error["message"]
    found: str = error["extensions"]["code"]
    return found


def test_an_answer(client: httpx.Client) -> None:
    answer = ask(client, "{ room { name } price }", RESPONSE_JSON)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/graphql-response+json; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text == '{"data":{"room":{"name":"hall"},"price":"5.00"}}'


def test_names_and_variables(client: httpx.Client) -> None:
    text = "query A($n: Int!) { double(number: $n) } query B { must }"
    answer = ask(client, text, operationName="A", variables={"n": 4})
    assert answer.json() == {"data": {"double": 8}}
    answer = client.get("/graphql", params={"query": text, "operationName": "A", "variables": '{"n": 5}'})
    assert answer.json() == {"data": {"double": 10}}


@pytest.mark.parametrize(
    ("query", "members", "expected"),
    [
        ("{", {}, "GRAPHQL_PARSE_FAILED"),
        ("{ none }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("query ($n: Int!) { double(number: $n) }", {"variables": {"n": "x"}}, "BAD_USER_INPUT"),
        ("query ($n: Int!) { double(number: $n) }", {}, "BAD_USER_INPUT"),
        ("query A { must }", {"operationName": "B"}, "OPERATION_RESOLUTION_FAILURE"),
        ("query A { must } query B { must }", {}, "OPERATION_RESOLUTION_FAILURE"),
        ("fragment F on Room { name }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { ticks }", {}, "OPERATION_RESOLUTION_FAILURE"),
    ],
)
def test_what_fails_before_it_runs(client: httpx.Client, query: str, members: dict[str, Any], expected: str) -> None:
    for headers, status in ((JSON, 200), (RESPONSE_JSON, 400 if expected == "GRAPHQL_PARSE_FAILED" else 422)):
        answer = ask(client, query, headers, **members)
        assert (answer.status_code, code(answer)) == (status, expected)
        assert "data" not in answer.json()


def test_what_fails_while_it_runs(client: httpx.Client) -> None:
    for headers in (JSON, RESPONSE_JSON):
        answer = ask(client, "{ room { name locked } }", headers)
        assert answer.status_code == 200
        assert answer.json() == {
            "errors": [
                {
                    "message": "The room is locked.",
                    "locations": [{"line": 1, "column": 15}],
                    "path": ["room", "locked"],
                    "extensions": {"code": "LOCKED"},
                }
            ],
            "data": {"room": {"name": "hall", "locked": None}},
        }
        # A null that reaches the top is an answer as well.
        answer = ask(client, "{ must }", headers)
        assert answer.status_code == 200
        assert answer.json()["data"] is None


def test_partial_answers_may_have_a_status_of_their_own() -> None:
    app = application(toy_schema.schema, lambda operation: visits, partial_status=294, limits=Limits(seconds=0.3))
    with serving(app) as address, httpx.Client(base_url=address, trust_env=False) as client:
        for query, status in (
            ("{ room { name locked } }", 294),
            ("{ must }", 294),  # a null that reaches the top
            ("{ slow(seconds: 30) }", 294),
            ("{ price }", 200),
            ("{ none }", 422),
        ):
            assert (query, ask(client, query, RESPONSE_JSON).status_code) == (query, status)
            # Clients of plain JSON know no other status.
            assert (query, ask(client, query, JSON).status_code) == (query, 200)


@pytest.mark.parametrize(
    "wrong", [{}, {"query": ["{ price }"]}, {"query": "{ price }", "variables": [7]}, [], "{ price }", 1]
)
def test_json_of_a_wrong_shape(client: httpx.Client, wrong: Any) -> None:
    for headers, status in ((JSON, 400), (RESPONSE_JSON, 422)):
        answer = client.post("/graphql", json=wrong, headers=headers)
        assert answer.status_code == status
        broken = client.post("/graphql", content=b"{", headers={**headers, "Content-Type": "application/json"})
        assert (broken.status_code, code(broken)) == (400, "BAD_REQUEST")


def test_an_empty_operation_name_is_none(client: httpx.Client) -> None:
    assert ask(client, "query A { price }", operationName="").json() == {"data": {"price": "5.00"}}
    given = {"query": "query A { price }", "operationName": ""}
    assert client.get("/graphql", params=given).json() == {"data": {"price": "5.00"}}


def test_head_is_get_without_a_body(client: httpx.Client) -> None:
    for params in ({"query": "{ price }"}, {"query": "{ none }"}, {}):
        for headers in (JSON, RESPONSE_JSON, BROWSER):
            got = client.get("/graphql", params=params, headers=headers)
            head = client.head("/graphql", params=params, headers=headers)
            assert (head.status_code, head.content) == (got.status_code, b"")
            left = {"x-request-id", "date"}
            assert {k: v for k, v in head.headers.items() if k not in left} == {
                k: v for k, v in got.headers.items() if k not in left
            }
    refused = client.head("/graphql", params={"query": 'mutation { paint(colour: "red") }'})
    assert refused.status_code == 405
    kept = client.get("/graphql", params={"query": "{ price }"}).headers["etag"]
    again = client.head("/graphql", params={"query": "{ price }"}, headers={"If-None-Match": kept})
    assert again.status_code == 304
    # The next answer of the connection is whole.
    assert client.get("/graphql", params={"query": "{ price }"}).json() == {"data": {"price": "5.00"}}


def test_internals_are_not_shown(client: httpx.Client) -> None:
    answer = ask(client, "{ room { broken } }")
    assert code(answer) == "INTERNAL_SERVER_ERROR"
    assert answer.json()["errors"][0]["path"] == ["room", "broken"]
    assert "secret-of-the-field" not in answer.text


def test_a_fault_outside_the_fields() -> None:
    def context(operation: object) -> object:
        raise RuntimeError("secret-of-the-field")

    with serving(application(toy_schema.schema, context)) as address:
        for headers in (JSON, RESPONSE_JSON):
            answer = httpx.post(f"{address}/graphql", json={"query": "{ must }"}, headers=headers, trust_env=False)
            assert (answer.status_code, code(answer)) == (500, "INTERNAL_SERVER_ERROR")
            assert "secret-of-the-field" not in answer.text


def test_mutations_are_posted(client: httpx.Client) -> None:
    text = 'mutation { paint(colour: "red") }'
    answer = client.get("/graphql", params={"query": text})
    assert (answer.status_code, code(answer), answer.headers["allow"]) == (405, "METHOD_NOT_ALLOWED", "POST")
    assert ask(client, text).json() == {"data": {"paint": "red"}}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods(client: httpx.Client, method: str) -> None:
    answer = client.request(method, "/graphql")
    assert (answer.status_code, code(answer), answer.headers["allow"]) == (405, "METHOD_NOT_ALLOWED", "GET, HEAD, POST")


def test_media_types(client: httpx.Client) -> None:
    answer = ask(client, "{ must }", {"Accept": "text/csv"})
    assert (answer.status_code, code(answer)) == (406, "NOT_ACCEPTABLE")
    answer = client.post("/graphql", content="{ must }", headers={"Content-Type": "application/graphql"})
    assert (answer.status_code, code(answer)) == (415, "UNSUPPORTED_MEDIA_TYPE")
    packed = gzip.compress(b'{"query": "{ must }"}')
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = client.post("/graphql", content=packed, headers=headers)
    assert (answer.status_code, code(answer)) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_batches_are_refused(client: httpx.Client) -> None:
    answer = client.post("/graphql", json=[{"query": "{ must }"}])
    assert (answer.status_code, code(answer)) == (400, "BATCHING_NOT_SUPPORTED")


def test_bodies_are_bounded(address: str, client: httpx.Client) -> None:
    answer = ask(client, "{ must }" + " " * 10_000)
    assert (answer.status_code, code(answer)) == (413, "PAYLOAD_TOO_LARGE")

    def parts() -> Iterator[bytes]:
        for _ in range(12):
            yield b" " * 1000

    # Without a length that could be believed.
    answer = httpx.post(address, content=parts(), headers={"Content-Type": "application/json"}, trust_env=False)
    assert (answer.status_code, code(answer)) == (413, "PAYLOAD_TOO_LARGE")


def test_a_browser_gets_the_page(client: httpx.Client) -> None:
    page = client.get("/graphql", headers=BROWSER)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    # With a query it gets the answer.
    assert client.get("/graphql", params={"query": "{ __typename }"}, headers=BROWSER).json() == {
        "data": {"__typename": "Query"}
    }
    answer = client.get("/graphql")
    assert (answer.status_code, code(answer)) == (400, "BAD_REQUEST")


def test_odd_values_do_not_break_the_answer(client: httpx.Client) -> None:
    deep = "{ room { name " + "... { name " * 2000 + "} " * 2000 + "} }"
    for query, variables in (
        ("query ($n: Int!) { double(number: $n) }", {"n": 2**40}),
        ("query ($n: Int!) { double(number: $n) }", {"n": {"a": [1]}}),
        ("query ($s: String) { room(name: $s) { name } }", {"s": "\x00\u2028\U0001f3b1"}),
        (deep, {}),
    ):
        answer = ask(client, query, variables=variables)
        assert answer.status_code < 500, answer.text
        assert set(answer.json()) <= {"data", "errors"}


async def test_a_client_that_goes_away_ends_its_own_work_alone(address: str) -> None:
    visits.begun = visits.ended = visits.cancelled = 0
    body = json.dumps({"query": "{ slow(seconds: 5) }"}).encode()
    host, port = urlsplit(address).netloc.split(":")
    head = f"POST /graphql HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
    head += "Content-Type: application/json\r\n\r\n"
    async with httpx.AsyncClient(trust_env=False) as client:
        patient = asyncio.create_task(client.post(address, json={"query": "{ slow(seconds: 1) }"}))
        leaving = [socket.create_connection((host, int(port))) for _ in range(20)]
        for connection in leaving:
            connection.sendall(head.encode() + body)
        began = time.monotonic()
        while visits.begun < 21:
            assert time.monotonic() - began < 5
            await asyncio.sleep(0.01)
        for connection in leaving:
            connection.close()
        answer = await patient
    assert answer.json() == {"data": {"slow": True}}
    assert (visits.ended, visits.cancelled) == (1, 20)


def test_an_operation_ends_with_its_time() -> None:
    visits = toy_schema.SlowFieldCounts()
    with serving(application(toy_schema.schema, lambda operation: visits, limits=Limits(seconds=0.3))) as address:
        for headers in (JSON, RESPONSE_JSON):
            body = {"query": "{ slow(seconds: 30) }"}
            answer = httpx.post(f"{address}/graphql", json=body, headers=headers, trust_env=False)
            assert (answer.status_code, code(answer)) == (200, "DEADLINE_EXCEEDED")
            assert answer.json()["data"] is None
        assert httpx.post(f"{address}/graphql", json={"query": "{ price }"}, trust_env=False).json()["data"]
    assert (visits.begun, visits.cancelled) == (2, 2)


def test_what_json_has_no_number_for_is_written_all_the_same() -> None:
    written = b'{"data": {"n": 1208925819614629174706176, "s": "\\ud800"}}'
    assert encode({"data": {"n": 2**80, "s": "\ud800"}}) == written


def test_later_work_may_add_extensions() -> None:
    def finish(operation: Any, context: Any, outcome: Any) -> None:
        outcome.extensions["trace"] = {"calls": 0}

    with serving(application(toy_schema.schema, lambda operation: visits, finish=finish)) as address:
        answer = httpx.post(f"{address}/graphql", json={"query": "{ room { name } }"}, trust_env=False)
    assert answer.json() == {"data": {"room": {"name": "hall"}}, "extensions": {"trace": {"calls": 0}}}
