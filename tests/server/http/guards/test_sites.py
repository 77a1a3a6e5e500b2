"""Requests that a page of another site makes a browser send: refused wherever there are data or effects."""

from collections.abc import Iterator

import httpx
import pytest

from server.auth.authenticator import Authenticator
from tests.server import toy_schema
from tests.server.application import application
from tests.server.serving import code_of, serving

FRIEND = "https://bi.example.com"
SITE = {"Sec-Fetch-Site": "cross-site"}
FOLLOWED = {**SITE, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html,*/*;q=0.8"}
PATHS = (
    "/tables", "/tables/A", "/tables/A.csv", "/tables/A/schema", "/odata", "/odata/", "/odata/A", "/metrics", "/readyz",
    "/explorer", "/explorer/queries.json", "/explorer/about.json", "/explorer/assets/a.js",
    "/tables/page/a.js", "/nothing",
)  # fmt: skip


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    app = application(toy_schema.schema, lambda operation: None, origins=[FRIEND], authenticator=Authenticator())
    with serving(app) as address, httpx.Client(base_url=address, trust_env=False) as client:
        yield client


def crossed(answer: httpx.Response) -> bool:
    found = answer.status_code == 403 and code_of(answer) == "CROSS_SITE"
    assert found or answer.status_code == 200 or b"CROSS_SITE" not in answer.content
    return found


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("mode", ["cors", "no-cors", "navigate", "websocket", None])
def test_another_site_is_refused(client: httpx.Client, path: str, mode: str | None) -> None:
    headers = {**SITE, **({"Sec-Fetch-Mode": mode} if mode else {})}
    assert crossed(client.get(path, headers=headers))
    assert crossed(client.get(path, headers={**headers, "Origin": "https://evil.example"}))
    assert client.head(path, headers=headers).status_code == 403
    assert crossed(client.post("/tables/A.csv/link", headers=headers))
    for site in ("same-origin", "none", "same-site"):
        assert not crossed(client.get(path, headers={**headers, "Sec-Fetch-Site": site}))
    assert not crossed(client.get(path, headers={**headers, "Origin": FRIEND}))


@pytest.mark.parametrize(
    ("path", "passes"),
    [
        ("/", True), ("/graphql", True), ("/explorer", True), ("/tables", True), ("/tables/A", True),
        ("/reconcile", True),
        ("/tables/A.csv?_expires=1&_key=a&_signature=b", True), ("/tables/A.csv", False), ("/tables/A/schema", False),
        ("/odata/A", False), ("/metrics", False), ("/explorer/queries.json", False), ("/explorer/about.json", False),
    ],
)  # fmt: skip
def test_a_link_that_a_person_follows(client: httpx.Client, path: str, passes: bool) -> None:
    assert crossed(client.get(path, headers=FOLLOWED)) is not passes
    if path not in ("/", "/graphql"):
        assert crossed(client.get(path, headers={**FOLLOWED, "Sec-Fetch-Dest": "iframe"}))
        assert crossed(client.post(path, headers=FOLLOWED))


def test_health_is_for_all(client: httpx.Client) -> None:
    assert client.get("/healthz", headers=SITE).status_code == 200
