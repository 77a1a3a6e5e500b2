"""A mode that runs known documents only, and documents named by their hash."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from schema import graph
from server.execution.documents import prepare
from server.execution.persisted.learned import LearnedDocuments
from server.execution.persisted.manifests import APOLLO, by_hash, read_file, read_folder
from server.execution.persisted.registered import RegisteredDocuments
from server.execution.saved import BrokenQuery
from tests.server import toy_schema
from tests.server.application import application
from tests.server.serving import serving
from tests.upstream.redis_server import RedisServer
from upstream.caching.store_redis import RedisStore
from upstream.redis.connection import RedisConnection

KNOWN = "# What must be.\nquery Must { room { name } }\n"
HASH = sha256(KNOWN.encode()).hexdigest()
OTHER = "{ price }"
MANIFESTS = Path(__file__).parent / "manifests"


@pytest.fixture(scope="module", params=[False, True], ids=["any", "saved"])
def only(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def client(only: bool) -> Iterator[httpx.Client]:
    # With `only`, nothing is learned, even if there is room for it.
    registered = RegisteredDocuments(
        {**by_hash([KNOWN]), "compiled-7": "query B { double(number: 2) }", "Must": KNOWN},
        only=only,
        learned=LearnedDocuments(20_000),
    )
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


def test_the_id_of_a_document(client: httpx.Client) -> None:
    hall = (200, {"room": {"name": "hall"}})
    for id in (HASH, f"sha256:{HASH}", "Must"):
        assert ask(client, documentId=id) == hall
        assert ask(client, documentId=id, query="") == hall
        assert ask(client, documentId=id, operationName="") == hall
        assert client.get("/graphql", params={"documentId": id}).json()["data"] == hall[1]
    assert ask(client, documentId=f"sha256:{HASH}", extensions=named(HASH)) == hall
    assert ask(client, documentId=HASH, query=KNOWN) == hall
    assert ask(client, documentId="compiled-7") == (200, {"double": 4})
    assert ask(client, documentId=HASH, query=OTHER) == (400, "BAD_REQUEST")
    assert ask(client, documentId="compiled-7", extensions=named(HASH)) == (400, "BAD_REQUEST")
    assert ask(client, documentId=7) == (400, "BAD_REQUEST")
    for headers, status in (({}, 400), ({"accept": "application/graphql-response+json"}, 422)):
        unknown = client.post("/graphql", json={"documentId": "sha256:" + "0" * 64}, headers=headers)
        assert (unknown.status_code, len(unknown.json()["errors"])) == (status, 1)
        assert unknown.json()["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"


def test_a_browser_may_keep_what_an_id_answers(client: httpx.Client) -> None:
    first = client.get("/graphql", params={"documentId": "Must"}, headers={"accept": "text/html, */*;q=0.1"})
    assert first.headers["content-type"] == "application/json; charset=utf-8"
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/graphql", params={"documentId": "Must"}, headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    private = client.get("/graphql", params={"documentId": "Must"}, headers={"x-api-key": "any"})
    assert private.headers.get("cache-control") in ("private, no-cache", "no-store")


def test_documents_are_learned(client: httpx.Client, only: bool) -> None:
    texts = [f"{{ a{number}: price }}" for number in range(80)]
    unknown = (200, "PERSISTED_QUERY_NOT_FOUND")
    for number, text in enumerate(texts):
        hash = sha256(text.encode()).hexdigest()
        assert ask(client, extensions=named(hash)) == unknown
        by_get = client.get("/graphql", params={"extensions": json.dumps(named(hash))})
        assert (by_get.status_code, by_get.headers["cache-control"]) == (200, "no-store")
        assert by_get.json()["errors"][0]["message"] == "PersistedQueryNotFound"
        taught = ask(client, query=text, extensions=named(hash))
        if only:
            assert taught == (403, "DOCUMENT_NOT_REGISTERED")
            assert ask(client, extensions=named(hash)) == unknown
            return
        data = (200, {f"a{number}": "5.00"})
        assert taught == data
        assert ask(client, extensions=named(hash)) == data
        kept = client.get("/graphql", params={"extensions": json.dumps(named(hash))})
        assert kept.headers["etag"]
        assert ask(client, documentId=hash) == data
    # The oldest are dropped: there is room for 20,000 bytes.
    first = sha256(texts[0].encode()).hexdigest()
    assert ask(client, extensions=named(first)) == unknown


def test_nothing_false_is_learned(client: httpx.Client, only: bool) -> None:
    other = sha256(b"{ __typename }").hexdigest()
    assert ask(client, query="{ price }", extensions=named(other)) == (400, "BAD_REQUEST")
    assert ask(client, extensions=named(other)) == (200, "PERSISTED_QUERY_NOT_FOUND")
    for broken in ("{", "{ none }"):
        hash = sha256(broken.encode()).hexdigest()
        ask(client, query=broken, extensions=named(hash))
        assert ask(client, extensions=named(hash)) == (200, "PERSISTED_QUERY_NOT_FOUND")


def test_names_that_fit_nothing(client: httpx.Client) -> None:
    for headers in ({}, {"accept": "application/graphql-response+json"}):
        answer = client.post("/graphql", json={"extensions": named("0" * 64)}, headers=headers)
        assert answer.status_code == 200  # as clients of Apollo know it
        assert answer.json()["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
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
    for wrong, says in (
        ([], "documents by id"),
        ({"7": 1}, "documents by id"),
        ({f"sha256:{HASH}": OTHER}, "is not the SHA-256"),
        ({"format": APOLLO, "version": 2, "operations": []}, "version 2"),
        ({"format": APOLLO, "version": 1}, "no list of operations"),
        ({"format": APOLLO, "version": 1, "operations": [{"id": "7"}]}, "documents by id"),
    ):
        (tmp_path / "list.json").write_text(json.dumps(wrong))
        with pytest.raises(BrokenQuery, match=says):
            read_folder(tmp_path)
    (tmp_path / "list.json").write_text(json.dumps({HASH: OTHER}))
    with pytest.raises(BrokenQuery, match="another document"):
        read_folder(tmp_path)
    with pytest.raises(BrokenQuery, match="no folder"):
        read_folder(tmp_path / "none")


@pytest.mark.parametrize(
    ("manifest", "ids"),
    [
        (
            "persisted-query-manifest.json",  # of @apollo/generate-persisted-query-manifest 1.4.0
            [
                "c49801fc3b2a062d233687ae7f1bec277c3fd881c2c56167221230a39e6c85ee",
                "8ac770a1991de0a25223890afc73765bb06080635597784b2363467186101bbb",
            ],
        ),
        (
            "persisted_queries.json",  # of relay-compiler 21.0.1
            ["d35e7e2d14a373da78331def6516d8925d00600b039ce1683ee99299cfbafeb0"],
        ),
        (
            "persisted-documents.json",  # of @graphql-codegen/client-preset 6.2.0
            [
                "33190f04774a632bfafe121eaa6be2e515336540dc00ac61c537977d8477868c",
                "131284e6240910cfd0a7155485d96f6edc3ff5d579e224faa8e45d88acba4b55",
            ],
        ),
    ],
)
def test_the_manifests_of_client_compilers(manifest: str, ids: list[str]) -> None:
    found = read_file(MANIFESTS / manifest)
    assert list(found) == ids
    for id, text in found.items():
        assert sha256(text.encode()).hexdigest() == id
        assert prepare(graph.schema, text).errors == []


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as redis:
        yield redis


async def test_servers_learn_together_over_redis(redis: RedisServer) -> None:
    text = "{ price }"
    hash = sha256(text.encode()).hexdigest()

    connection = RedisConnection(redis.url, pause=0.01)

    def server() -> LearnedDocuments:
        return LearnedDocuments(20_000, RedisStore(connection, "gamehub-graph:documents"))

    first, second = server(), server()
    assert await second.get(hash) is None
    await first.learn(hash, text)
    assert await second.get(hash) == text
    # A false text under a hash, in a Redis that others can write to, is not used.
    false = sha256(b"{ other }").hexdigest()
    await first.learn(false, text)
    fourth = server()
    assert await fourth.get(false) is None
    assert await fourth.get("Must\r\n") is None
    redis.stop()
    third = server()
    assert await third.get(hash) is None
    await third.learn(hash, text)
    assert await third.get(hash) == text
    await connection.aclose()
