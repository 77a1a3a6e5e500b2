"""Pages of other origins: CORS by list. What a page can make a browser send (CSRF) stands in the hostile corpus."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.server import toy_schema
from tests.server.application import application
from tests.server.serving import serving
from tests.server.tables.conftest import lending

FRIEND = "https://bi.example.com"


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    app = application(toy_schema.schema, lambda operation: None, origins=[FRIEND])
    with serving(app) as address, httpx.Client(base_url=address, trust_env=False) as client:
        yield client


def preflight(client: httpx.Client, origin: str, headers: str) -> httpx.Response:
    return client.options(
        "/graphql",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": headers,
        },
    )


def test_a_listed_origin_may_ask(client: httpx.Client) -> None:
    preflighted = preflight(client, FRIEND, "content-type,authorization,x-graph-trace")
    assert (preflighted.status_code, preflighted.headers["access-control-allow-origin"]) == (200, FRIEND)
    assert "access-control-allow-credentials" not in preflighted.headers
    answer = client.post("/graphql", json={"query": "{ __typename }"}, headers={"Origin": FRIEND})
    assert answer.headers["access-control-allow-origin"] == FRIEND
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"Age", "ETag", "X-Request-Id"} <= set(exposed)
    query = {"query": "{ __typename }"}
    answer = client.get("/graphql", params=query, headers={"Origin": FRIEND, "Sec-Fetch-Site": "cross-site"})
    assert answer.json() == {"data": {"__typename": "Query"}}
    assert answer.headers["vary"].endswith("X-Graph-Max-Calls, Origin")
    # An answer without these headers that a cache has kept must not be given to a page, either.
    assert client.get("/graphql", params=query).headers["vary"].endswith("X-Graph-Max-Calls, Origin")
    for header in ("cache-control", "pragma", "if-none-match"):
        assert preflight(client, FRIEND, header).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://bi.example.com.evil.example", "null", FRIEND + ":1"]
)
def test_others_may_not(client: httpx.Client, origin: str) -> None:
    preflighted = preflight(client, origin, "content-type")
    assert preflighted.status_code == 400
    assert "access-control-allow-origin" not in preflighted.headers
    answer = client.get("/graphql?query={__typename}", headers={"Origin": origin, "Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (403, "CROSS_SITE")
    assert "access-control-allow-origin" not in answer.headers


def test_an_unlisted_header_needs_leave(client: httpx.Client) -> None:
    assert preflight(client, FRIEND, "x-other").status_code == 400


def test_headers_of_widespread_clients_are_allowed(client: httpx.Client) -> None:
    names = (
        "apollographql-client-name", "apollographql-client-version", "traceparent", "tracestate", "baggage",
        "sentry-trace", "x-api-key",
    )  # fmt: skip
    for name in (*names, ", ".join(names)):
        assert preflight(client, FRIEND, name).status_code == 200, name


def test_headers_of_odata_are_allowed_and_shown(tmp_path: Path) -> None:
    names = "odata-version,odata-maxversion,prefer,if-none-match,if-modified-since,range,if-range"
    with lending(tmp_path / "spool", {"origins": [FRIEND]}) as library:
        asked = library.client.options(
            "/odata/Books",
            headers={
                "Origin": FRIEND, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": names,
            },
        )  # fmt: skip
        assert asked.status_code == 200
        allowed = {name.strip().lower() for name in asked.headers["access-control-allow-headers"].split(",")}
        assert set(names.split(",")) <= allowed
        answer = library.client.get(
            "/odata/Books", headers={"Origin": FRIEND, "Prefer": "odata.maxpagesize=1", "OData-MaxVersion": "4.0"}
        )
        shown = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
        assert answer.headers["odata-version"] == "4.0"
        assert answer.headers["preference-applied"] == "odata.maxpagesize=1"
        assert {"OData-Version", "Preference-Applied", "ETag", "Content-Range"} <= shown


def test_a_setting_adds_headers() -> None:
    app = application(toy_schema.schema, lambda operation: None, origins=[FRIEND], origin_headers=["X-Team"])
    with serving(app) as address, httpx.Client(base_url=address, trust_env=False) as client:
        assert preflight(client, FRIEND, "x-team, content-type").status_code == 200
        assert preflight(client, FRIEND, "x-other").status_code == 400
