"""Authentication: the credentials that are accepted, the paths that each permission opens, and the refusals."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Message, Scope

from resolvers.caller import EVERYONE, Caller
from server.auth import links
from server.auth.attempts import Attempts
from server.auth.authenticator import Authenticator
from server.auth.jwks import KeySet
from server.auth.key_file import KeyFile
from server.auth.keys import LOOK_SECONDS, Keys
from server.auth.middleware import AuthMiddleware
from server.auth.tokens import TokenTerms, TokenVerifier
from tests.server.auth.echo import Issuer, echo, issuing
from tests.server.serving import code_of, error_of, serving

ANNA = Caller("anna", frozenset({382}), frozenset({"explore"}))


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuing() as issuer:
        yield issuer


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys.sqlite")


@pytest.fixture
def callers(file: KeyFile, issuer: Issuer) -> Authenticator:
    tokens = TokenVerifier(KeySet(issuer.url), TokenTerms("https://issuer.example", "graph"))
    return Authenticator(required=True, keys=Keys(file.path), tokens=tokens)


@pytest.fixture
def client(callers: Authenticator) -> Iterator[httpx.Client]:
    with serving(echo(callers)) as origin, httpx.Client(base_url=origin, trust_env=False) as client:
        yield client


def code(answer: httpx.Response) -> tuple[int, str]:
    odata = answer.request.url.path.startswith("/odata")
    kind = "application/json;odata.metadata=minimal;charset=utf-8" if odata else "application/json; charset=utf-8"
    assert answer.headers["content-type"] == kind
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, code_of(answer)


def test_every_way_to_send_a_key(file: KeyFile, client: httpx.Client) -> None:
    _, key = file.create(ANNA)
    expected = {"name": "anna", "asker": "anna", "groups": [382], "permissions": ["explore"], "query": ""}
    assert client.get("/graphql", headers={"Authorization": f"Bearer {key}"}).json() == expected
    assert client.get("/graphql", headers={"X-Api-Key": key}).json() == expected
    assert client.get("/graphql", auth=("anybody", key)).json() == expected
    assert client.get("/graphql", auth=("", key)).json() == expected
    file.revoke("anna")
    time.sleep(LOOK_SECONDS)
    assert code(client.get("/graphql", headers={"X-Api-Key": key})) == (401, "UNAUTHENTICATED")


def test_a_token(issuer: Issuer, client: httpx.Client) -> None:
    token = issuer.token("first", groups="*", powers=["tables"])
    expected = {"name": "jwt:anna", "asker": "jwt:anna", "groups": None, "permissions": ["tables"], "query": ""}
    assert client.get("/tables/A.csv", headers={"Authorization": f"Bearer {token}"}).json() == expected
    assert client.get("/odata/A", auth=("x", token)).json() == expected
    silent = issuer.token("first", powers="tables")
    assert client.get("/tables/A.csv", headers={"Authorization": f"Bearer {silent}"}).json()["groups"] == []
    assert code(client.get("/graphql", headers={"Authorization": f"Bearer {token}"})) == (403, "FORBIDDEN")
    expired = client.get("/tables/A.csv", headers={"Authorization": f"Bearer {issuer.token('first', exp=1000)}"})
    assert code(expired) == (401, "UNAUTHENTICATED")
    assert expired.json()["errors"][0]["message"] == "The token is not accepted: it has expired."


def test_an_issuer_that_is_down(file: KeyFile, issuer: Issuer) -> None:
    tokens = TokenVerifier(KeySet("http://127.0.0.1:9/keys"), TokenTerms("https://issuer.example", "graph"))
    with serving(echo(Authenticator(required=True, keys=Keys(file.path), tokens=tokens))) as origin:
        answer = httpx.get(
            f"{origin}/graphql", headers={"Authorization": f"Bearer {issuer.token('first')}"}, trust_env=False
        )
    assert code(answer) == (503, "ISSUER_UNAVAILABLE")
    assert answer.headers["retry-after"] == "10"


@pytest.mark.parametrize("path", ["/graphql", "/", "/explorer/queries.json", "/tables/A.csv", "/odata", "/none"])
def test_without_a_credential(client: httpx.Client, path: str) -> None:
    for method in ("GET", "POST"):
        answer = client.request(method, path)
        assert code(answer) == (401, "UNAUTHENTICATED")
        # One a line: a browser looks at the beginning of each.
        assert answer.headers.get_list("www-authenticate") == [
            'Bearer realm="gamehub-graph"',
            'Basic realm="gamehub-graph", charset="UTF-8"',
        ]
    head = client.head(path)
    assert (head.status_code, head.content) == (401, b"")


@pytest.mark.parametrize(
    ("permissions", "opened"),
    [
        ("explore", {"/graphql", "/"}),
        ("tables", {"/tables/A.csv", "/odata/A"}),
        ("admin", {"/metrics"}),
        ("metrics", {"/metrics"}),
        ("explore tables admin", {"/graphql", "/", "/tables/A.csv", "/odata/A", "/metrics"}),
        ("", set()),
    ],
)
def test_permissions(file: KeyFile, client: httpx.Client, permissions: str, opened: set[str]) -> None:
    _, key = file.create(Caller("somebody", None, frozenset(permissions.split())))
    needed = {"/graphql": "explore", "/": "explore", "/tables/A.csv": "tables", "/odata/A": "tables"}
    for path in [*needed, "/metrics"]:
        answer = client.get(path, headers={"X-Api-Key": key})
        if path in opened:
            assert answer.status_code == 200
        else:
            assert code(answer) == (403, "FORBIDDEN")
            _, message = error_of(answer)
            permission = needed.get(path, "metrics")
            assert message == f"This needs the permission {permission}, which the caller does not have."


def test_health_is_for_all(file: KeyFile, client: httpx.Client) -> None:
    for headers in ({}, {"X-Api-Key": "wrong"}, {"Authorization": "nonsense"}):
        expected = client.get("/healthz", headers=headers).json()
        assert (expected["name"], expected["groups"], expected["permissions"]) == ("nobody", [], [])
    _, key = file.create(Caller("root", None, frozenset({"admin"})))
    assert client.get("/readyz", headers={"X-Api-Key": key}).json()["permissions"] == ["admin"]


def test_what_was_sent_wrongly(client: httpx.Client) -> None:
    for headers in ({"Authorization": "Digest x"}, {"X-Api-Key": "a", "Authorization": "Bearer a"}, {"X-Api-Key": ""}):
        assert code(client.get("/graphql", headers=headers)) == (401, "UNAUTHENTICATED")


def test_failures_are_limited_by_address(file: KeyFile) -> None:
    _, key = file.create(ANNA)
    _, late = file.create(Caller("late", None, ANNA.permissions))
    _, root = file.create(Caller("root", None, frozenset({"admin"})))
    callers = Authenticator(required=True, keys=Keys(file.path), attempts=Attempts(at_once=3, seconds_each=1000))
    with serving(echo(callers)) as origin, httpx.Client(base_url=origin, trust_env=False) as client:

        def ask(key: str, address: str = "192.0.2.1", path: str = "/graphql") -> httpx.Response:
            return client.get(path, headers={"X-Api-Key": key, "X-Forwarded-For": address})

        assert ask(key).status_code == 200
        wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
        assert [code(ask(wrong)) for _ in range(3)] == [(401, "UNAUTHENTICATED")] * 3
        refused = ask(wrong)
        assert code(refused) == (429, "TOO_MANY_REQUESTS")
        assert refused.headers["retry-after"] == "1000"
        assert ask(late).status_code == 200  # a right key passes, also one that was never seen before
        assert ask(late, "192.0.2.2").status_code == 200
        assert ask(key).status_code == 200
        assert code(ask(wrong, "192.0.2.2")) == (401, "UNAUTHENTICATED")
        assert client.get("/graphql", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 401
        assert ask(root, path="/readyz").json()["name"] == "root"
        assert ask(wrong, path="/readyz").json()["name"] == "nobody"
        file.revoke("anna")
        time.sleep(LOOK_SECONDS)
        assert code(ask(key)) == (429, "TOO_MANY_REQUESTS")


def test_only_wrong_credentials_are_counted(file: KeyFile, issuer: Issuer) -> None:
    made, key = file.create(Caller("anna", None, frozenset({"tables"})))
    secret = "s" * 32
    callers = Authenticator(
        required=True,
        keys=Keys(file.path),
        tokens=TokenVerifier(KeySet(issuer.url), TokenTerms("https://issuer.example", "graph")),
        signing_secret=lambda: secret,
        attempts=Attempts(at_once=2, seconds_each=1000),
    )
    now = datetime.now(UTC)
    good = links.link(secret, "/tables/A.csv", b"", made.id, timedelta(hours=1), now)
    old = links.link(secret, "/tables/A.csv", b"", made.id, timedelta(hours=1), now - timedelta(hours=2))
    token = issuer.token("first", groups="*", powers=["tables"])

    with serving(echo(callers)) as origin, httpx.Client(base_url=origin, trust_env=False) as client:

        def bearer(text: str) -> int:
            return client.get("/tables/A.csv", headers={"Authorization": f"Bearer {text}"}).status_code

        for _ in range(3):  # these cannot be guessed
            assert client.get("/graphql").status_code == 401
            assert client.get("/graphql", headers={"Authorization": "nonsense"}).status_code == 401
            assert client.get(old).status_code == 401
            assert client.post(good).status_code == 401
            assert bearer(issuer.token("first", exp=1000)) == 401
            assert bearer(issuer.token("first", aud="other")) == 401
            assert bearer(key) == bearer(token) == 200
        assert [bearer(token[:-4] + "AAAA"), client.get(good + "0").status_code] == [401, 401]
        assert [bearer(token[:-4] + "AAAA"), bearer(key[:-1] + "-"), client.get(good + "0").status_code] == [429] * 3
        assert [bearer(key), bearer(token), client.get(good).status_code] == [200] * 3
        assert client.get(old).status_code == 401


def test_the_open_house(file: KeyFile) -> None:
    _, key = file.create(ANNA)
    with (
        serving(echo(Authenticator(keys=Keys(file.path)))) as origin,
        httpx.Client(base_url=origin, trust_env=False) as client,
    ):
        everybody = client.get("/metrics").json()
        assert (everybody["name"], everybody["groups"]) == (EVERYONE.name, None)
        assert everybody["asker"] == "open 127.0.0.1"
        # A caller with a credential is checked, and gets an error if the credential is wrong.
        assert client.get("/graphql", headers={"X-Api-Key": key}).json()["groups"] == [382]
        wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
        assert code(client.get("/graphql", headers={"X-Api-Key": wrong})) == (401, "UNAUTHENTICATED")
        # A header that is no credential of this server counts for nothing: a gateway may pass on its own.
        for headers in ({"X-Api-Key": "other"}, {"Authorization": "Bearer a.b.c"}, {"Authorization": "Digest x"}):
            assert client.get("/graphql", headers=headers).json()["name"] == EVERYONE.name


def test_the_open_house_with_an_issuer(issuer: Issuer) -> None:
    callers = Authenticator(tokens=TokenVerifier(KeySet(issuer.url), TokenTerms("https://issuer.example", "graph")))
    with serving(echo(callers)) as origin:
        headers = {"Authorization": f"Bearer {issuer.token('first', aud='other')}"}
        assert httpx.get(f"{origin}/graphql", headers=headers, trust_env=False).status_code == 401


@pytest.mark.parametrize("extension", [True, False])
async def test_a_websocket(file: KeyFile, extension: bool) -> None:
    entered: list[Scope] = []
    sent: list[Message] = []

    async def app(scope: Scope, receive: object, send: object) -> None:
        entered.append(scope)

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError

    middleware = AuthMiddleware(app, Authenticator(required=True, keys=Keys(file.path)))
    scope: dict[str, Any] = {
        "type": "websocket",
        "path": "/graphql",
        "query_string": b"",
        "headers": [],
        "client": ("192.0.2.1", 1),
    }
    scope["extensions"] = {"websocket.http.response": {}} if extension else {}
    await middleware(scope, receive, send)
    assert entered == []
    if extension:
        assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", 401)
        assert json.loads(sent[1]["body"])["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    else:
        (close,) = sent
        assert (close["type"], close["code"]) == ("websocket.close", 4401)
    _, key = file.create(ANNA)
    await middleware(scope | {"headers": [(b"x-api-key", key.encode())]}, receive, send)
    assert entered[0]["caller"] == ANNA
