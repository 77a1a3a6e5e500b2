"""A mode that runs known documents only, and documents named by their hash."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.execution.registered import RegisteredDocuments, by_hash, read_folder
from server.execution.saved import BrokenQuery
from tests.server import toy_schema
from tests.server.application import application
from tests.server.serving import serving

KNOWN = "# What must be.\nquery Must { room { name } }\n"
HASH = sha256(KNOWN.encode()).hexdigest()
OTHER = "{ price }"


@pytest.fixture(scope="module", params=[False, True], ids=["any", "saved"])
def only(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def client(only: bool) -> Iterator[httpx.Client]:
    registered = RegisteredDocuments({**by_hash([KNOWN]), "compiled-7": "query B { double(number: 2) }"}, only=only)
    app = application(toy_schema.schema, lambda operation: None, registered=registered)
    with serving(app) as address, httpx.Client(base_url=address, trust_env=False) as client:
        yield client


def ask(client: httpx.Client, **members: Any) -> tuple[int, Any]:
    answer = client.post("/graphql", json=members)
    body = answer.json()
    return answer.status_code, body.get("data") or body["errors"][0]["extensions"]["code"]


def named(id: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": id}}


def test_known_documents_run(client: httpx.Client) -> None:
    hall = (200, {"room": {"name": "hall"}})
    assert ask(client, query=KNOWN) == hall
    assert ask(client, query=KNOWN.strip()) == hall
    assert ask(client, extensions=named(HASH)) == hall
    assert ask(client, query=KNOWN, extensions=named(HASH)) == hall
    assert ask(client, extensions=named("compiled-7")) == (200, {"double": 4})
    by_get = client.get("/graphql", params={"extensions": json.dumps(named(HASH))})
    assert by_get.json()["data"] == hall[1]


def test_others_run_where_they_may(client: httpx.Client, only: bool) -> None:
    expected: Any = (403, "DOCUMENT_NOT_REGISTERED") if only else (200, {"price": "5.00"})
    assert ask(client, query=OTHER) == expected
    assert ask(client, query=OTHER, extensions=named(sha256(OTHER.encode()).hexdigest())) == expected
    again = client.get("/graphql", params={"query": OTHER})
    assert again.status_code == expected[0]
    # A known one with a word more is another one, and broken ones are none.
    assert ask(client, query=KNOWN + "query More { price }", operationName="More") == expected
    assert ask(client, query="{")[1] == ("DOCUMENT_NOT_REGISTERED" if only else "GRAPHQL_PARSE_FAILED")
    mixed = ask(client, query="{ __typename price }")
    assert mixed[0] == (403 if only else 200)


def test_names_that_fit_nothing(client: httpx.Client) -> None:
    assert ask(client, extensions=named("0" * 64)) == (400, "PERSISTED_QUERY_NOT_FOUND")
    assert ask(client, query=OTHER, extensions=named(HASH)) == (400, "BAD_REQUEST")
    assert ask(client, extensions={"persistedQuery": "x"}) == (400, "BAD_REQUEST")


def test_the_schema_may_still_be_asked_for(client: httpx.Client) -> None:
    assert ask(client, query="{ __schema { queryType { name } } }") == (
        200,
        {"__schema": {"queryType": {"name": "Query"}}},
    )


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.graphql").write_text(KNOWN)
    (tmp_path / "list.json").write_text(json.dumps({"7": OTHER}))
    (tmp_path / "readme.txt").write_text("not looked at")
    other = sha256(OTHER.encode()).hexdigest()
    assert read_folder(tmp_path) == {HASH: KNOWN, "7": OTHER, other: OTHER}
    with pytest.raises(BrokenQuery, match=r"cannot run: .*none"):
        application(toy_schema.schema, lambda operation: None, registered=RegisteredDocuments(by_hash(["{ none }"])))
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(BrokenQuery, match="documents by id"):
        read_folder(tmp_path)
    with pytest.raises(BrokenQuery, match="no folder"):
        read_folder(tmp_path / "none")
