"""Batches: a JSON array of operations, over real HTTP."""

import contextlib
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from resolvers.caller import Caller
from server.auth.authenticator import Authenticator
from server.auth.key import Rates
from server.auth.key_file import KeyFile
from server.auth.keys import Keys
from server.auth.limiter import Limiter
from server.auth.permissions import EXPLORE
from server.execution.limits import Limits
from server.execution.persisted.learned import LearnedDocuments
from server.execution.persisted.manifests import by_hash
from server.execution.persisted.registered import RegisteredDocuments
from tests.server import toy_schema
from tests.server.application import application
from tests.server.serving import code_of, serving

RESPONSE_JSON = {"accept": "application/graphql-response+json"}
PRICE = {"query": "{ price }"}
ROOM = {"query": "query Room($name: String!) { room(name: $name) { name } }", "variables": {"name": "attic"}}
DATA = {"data": {"price": "5.00"}}

visits = toy_schema.SlowFieldCounts()
Server = Callable[..., httpx.Client]


@pytest.fixture
def server() -> Iterator[Server]:
    """Start servers whose batches have up to five operations."""
    with contextlib.ExitStack() as stack:

        def start(**parts: Any) -> httpx.Client:
            app = application(toy_schema.schema, lambda operation: visits, **{"most_batched": 5, **parts})
            address = stack.enter_context(serving(app))
            return stack.enter_context(httpx.Client(base_url=address, trust_env=False))

        yield start


def test_none_is_served_unless_it_is_set(server: Server) -> None:
    client = server(most_batched=0)
    for headers, status in (({}, 400), (RESPONSE_JSON, 422)):
        refused = client.post("/graphql", json=[PRICE], headers=headers)
        assert (refused.status_code, code_of(refused)) == (status, "BATCHING_NOT_SUPPORTED")
        assert "MAX_BATCHED_OPERATIONS" in refused.text


def test_the_answers_have_the_order_of_the_operations(server: Server) -> None:
    client = server()
    batch = [ROOM, PRICE, {"query": "{"}, {"qeury": ""}, {"query": "{ room { locked } }"}]
    for headers in ({}, RESPONSE_JSON):
        answer = client.post("/graphql", json=batch, headers=headers)
        # The statuses of the operations do not count.
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(headers.get("accept", "application/json"))
        assert answer.headers["cache-control"] == "no-store"
        first, second, syntax, shape, partial = answer.json()
        assert first == {"data": {"room": {"name": "attic"}}}
        assert second == DATA
        assert [error["extensions"]["code"] for error in syntax["errors"]] == ["GRAPHQL_PARSE_FAILED"]
        assert [error["extensions"]["code"] for error in shape["errors"]] == ["BAD_REQUEST"]
        assert partial["data"] == {"room": {"locked": None}}
        assert "data" not in syntax
    assert client.post("/graphql", json=[PRICE]).json() == [DATA]
    # An operation alone is answered as ever.
    assert client.post("/graphql", json=PRICE).json() == DATA


def test_what_is_no_batch(server: Server) -> None:
    client = server()
    for wrong in ([], [1], [PRICE, "{ price }"], [[PRICE]]):
        refused = client.post("/graphql", json=wrong, headers=RESPONSE_JSON)
        assert (refused.status_code, code_of(refused)) == (422, "BAD_REQUEST")
    stream = client.post("/graphql", json=[PRICE], headers={"accept": "text/event-stream"})
    assert (stream.status_code, code_of(stream)) == (406, "NOT_ACCEPTABLE")
    many = client.post("/graphql", json=[PRICE] * 6, headers=RESPONSE_JSON)
    assert (many.status_code, code_of(many)) == (422, "QUERY_TOO_COMPLEX")
    assert "6 operations; up to 5" in many.text


@pytest.mark.parametrize(
    ("limits", "batch", "says"),
    [
        (Limits(aliases=3), [{"query": "{ a: price b: price }"}] * 2, "4 aliases; up to 3"),
        (Limits(fields=3), [{"query": "{ room { name } }"}] * 2, "4 fields; up to 3"),
        (Limits(root_fields=1), [PRICE, PRICE], "2 fields at its root; up to 1"),
        (Limits(directives=1), [{"query": "{ price @skip(if: false) }"}] * 2, "2 directives; up to 1"),
        (Limits(spreads=1), [{"query": "{ ...F } fragment F on Query { price }"}] * 2, "2 fragment spreads; up to 1"),
        (Limits(characters=20), [{"query": "{ price } # a text"}] * 2, "longer than 20 characters"),
        (Limits(values=3), [{**PRICE, "variables": {"a": 1, "b": 2}}] * 2, "more than 3 values"),
    ],
)
def test_the_limits_hold_for_all_together(server: Server, limits: Limits, batch: list[Any], says: str) -> None:
    client = server(limits=limits)
    refused = client.post("/graphql", json=batch, headers=RESPONSE_JSON)
    assert (refused.status_code, code_of(refused)) == (422, "QUERY_TOO_COMPLEX")
    assert says in refused.text
    assert client.post("/graphql", json=batch[:1]).status_code == 200


def test_the_answers_are_limited_together(server: Server) -> None:
    client = server(limits=Limits(answer_bytes=100))
    named = {**ROOM, "variables": {"name": "a" * 50}}
    first, second, third = client.post("/graphql", json=[named, named, {"query": "{"}]).json()
    assert first["data"]
    assert second["errors"][0]["extensions"]["code"] == "ANSWER_TOO_LARGE"
    assert "data" not in third


def test_a_batch_has_the_time_of_one_operation(server: Server) -> None:
    client = server(limits=Limits(seconds=1.0))
    slow = {"query": "{ slow(seconds: 0.7) }"}
    began = time.monotonic()
    first, second, third = client.post("/graphql", json=[slow, slow, PRICE]).json()
    assert time.monotonic() - began < 5
    assert first == {"data": {"slow": True}}
    for late in (second, third):
        assert late["data"] is None
        assert late["errors"][0]["extensions"]["code"] == "DEADLINE_EXCEEDED"


def test_a_batch_has_one_place_among_the_operations(server: Server) -> None:
    client = server(most_running=1, most_waiting=0)
    assert client.post("/graphql", json=[PRICE] * 5).json() == [DATA] * 5


def test_each_operation_counts_for_the_caller(server: Server, tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.sqlite")
    _, key = file.create(Caller("anna", None, frozenset({EXPLORE})), Rates(4, None))
    client = server(authenticator=Authenticator(required=True, keys=Keys(file.path), limiter=Limiter()))
    client.headers["x-api-key"] = key
    answer = client.post("/graphql", json=[PRICE] * 3)
    assert (answer.json(), answer.headers["ratelimit-remaining"]) == ([DATA] * 3, "1")
    refused = client.post("/graphql", json=[PRICE] * 2)
    assert (refused.status_code, code_of(refused)) == (429, "TOO_MANY_REQUESTS")
    assert refused.headers["retry-after"]
    assert client.post("/graphql", json=PRICE).status_code == 429


def test_documents_by_their_ids(server: Server) -> None:
    registered = RegisteredDocuments({**by_hash(["{ price }"]), "Price": "{ price }"}, only=True)
    client = server(registered=registered)
    unknown = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}}
    batch = [{"documentId": "Price"}, {"query": "{ must }"}, PRICE, unknown]
    first, second, third, fourth = client.post("/graphql", json=batch).json()
    assert first == third == DATA
    assert second["errors"][0]["extensions"]["code"] == "DOCUMENT_NOT_REGISTERED"
    assert fourth["errors"][0]["message"] == "PersistedQueryNotFound"
    learning = server(registered=RegisteredDocuments(learned=LearnedDocuments(1000)))
    hash = sha256(b"{ price }").hexdigest()
    named = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash}}}
    taught = learning.post("/graphql", json=[named, {**PRICE, **named}, named]).json()
    assert [one.get("data") for one in taught] == [None, DATA["data"], DATA["data"]]


def test_the_work_ends_with_its_client(server: Server) -> None:
    client = server()
    visits.begun = visits.cancelled = 0
    with pytest.raises(httpx.ReadTimeout):
        client.post("/graphql", json=[{"query": "{ slow(seconds: 30) }"}] * 5, timeout=0.3)
    began = time.monotonic()
    while visits.cancelled == 0:
        assert time.monotonic() - began < 30
        time.sleep(0.01)
    assert (visits.begun, visits.cancelled) == (1, 1)
