"""The session of a browser: the cookie of a key counts for requests of this server's own pages, and for no others."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.types import Message

from resolvers.caller import Caller
from server.auth import session
from server.auth.attempts import AT_ONCE
from server.auth.authenticator import Authenticator
from server.auth.key_file import KeyFile
from server.auth.keys import LOOK_SECONDS, Keys
from server.http.request_headers import RequestHeaders
from server.pages import login
from tests.server import toy_schema
from tests.server.application import application
from tests.server.auth.echo import echo
from tests.server.serving import error_of, serving

ANNA = Caller("anna", frozenset({382}), frozenset({"explore", "tables"}))
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
OWN = {"Sec-Fetch-Site": "same-origin"}
CHALLENGES = ['Bearer realm="gamehub-graph"', 'Basic realm="gamehub-graph", charset="UTF-8"']


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys.sqlite")


@pytest.fixture
def key(file: KeyFile) -> str:
    return file.create(ANNA)[1]


def callers(file: KeyFile, required: bool = True) -> Authenticator:
    return Authenticator(required=required, keys=Keys(file.path))


def whole(file: KeyFile) -> Starlette:
    return application(toy_schema.schema, lambda operation: None, authenticator=callers(file))


@pytest.fixture
def client(file: KeyFile) -> Iterator[httpx.Client]:
    with serving(whole(file)) as origin, httpx.Client(base_url=origin, trust_env=False) as client:
        yield client


def test_whose_requests_the_cookie_opens(file: KeyFile, key: str) -> None:
    with serving(echo(callers(file))) as origin:
        cookie = {"Cookie": f"a=b; gamehub-graph={key}"}
        opened = [
            ("GET", {}),  # on plain http in a network, browsers say nothing
            ("GET", OWN),
            ("GET", {"Sec-Fetch-Site": "none"}),
            ("POST", OWN),
            ("POST", {"Origin": origin}),
            ("POST", {**OWN, "Origin": origin}),
        ]
        closed = [
            ("POST", {}),
            ("POST", {"Origin": "null"}),
            ("POST", {"Origin": "http://evil.example"}),
            ("POST", {**OWN, "Origin": "http://127.0.0.1:1"}),
            ("GET", {"Origin": "http://evil.example"}),
            ("GET", {"Sec-Fetch-Site": "cross-site"}),
            ("GET", {"Sec-Fetch-Site": "same-site"}),
            ("POST", {"Sec-Fetch-Site": "same-site", "Origin": origin}),
        ]
        with httpx.Client(base_url=origin, trust_env=False) as client:
            for method, headers in opened:
                answer = client.request(method, "/graphql", headers={**cookie, **headers})
                assert (answer.status_code, answer.json()["name"]) == (200, "anna"), (method, headers)
            for method, headers in closed:
                answer = client.request(method, "/graphql", headers={**cookie, **headers})
                assert answer.status_code == 401, (method, headers)
            # A header counts instead of the cookie, also if it is wrong.
            _, other = file.create(Caller("bert", None, frozenset({"explore"})))
            assert client.get("/graphql", headers={**cookie, "X-Api-Key": other}).json()["name"] == "bert"
            assert client.get("/graphql", headers={**cookie, "X-Api-Key": other[:-1]}).status_code == 401
            assert client.get("/graphql", headers={"Cookie": "gamehub-graph="}).status_code == 401
            file.revoke("anna")
            time.sleep(LOOK_SECONDS)
            # Without Basic, for which the browser would ask in a window of its own.
            ended = client.get("/graphql", headers=cookie)
            assert (ended.status_code, ended.headers.get_list("www-authenticate")) == (401, CHALLENGES[:1])
            fetched = client.get("/graphql", headers={**OWN, "Sec-Fetch-Mode": "cors"})
            assert fetched.headers.get_list("www-authenticate") == CHALLENGES[:1]
            assert client.get("/graphql").headers.get_list("www-authenticate") == CHALLENGES


def test_an_open_server_ignores_the_cookie(file: KeyFile, key: str) -> None:
    with serving(echo(callers(file, required=False))) as origin:
        answer = httpx.get(f"{origin}/graphql", headers={"Cookie": f"gamehub-graph={key[:-1]}"}, trust_env=False)
    assert answer.json()["name"] == "open"


@pytest.mark.parametrize(
    ("scheme", "cookie", "taken"),
    [
        ("http", "gamehub-graph=a", "a"),
        ("http", "__Host-gamehub-graph=b; gamehub-graph=a", "b"),
        ("https", "__Host-gamehub-graph=b", "b"),
        ("https", "gamehub-graph=a", None),  # another host of the domain may have set it
        ("wss", "gamehub-graph=a", None),
        ("https", "other=__Host-gamehub-graph", None),
    ],
)
def test_the_name_of_the_cookie(scheme: str, cookie: str, taken: str | None) -> None:
    scope: dict[str, Any] = {"scheme": scheme, "method": "GET", "headers": [(b"cookie", cookie.encode())]}
    assert session.take(scope, RequestHeaders.of(scope)) is (taken is not None)
    assert RequestHeaders.of(scope).get("authorization") == (None if taken is None else f"Bearer {taken}")


@pytest.mark.parametrize("origin", ["http://host", "http://evil.example", None])
def test_a_websocket(origin: str | None) -> None:
    given = {"host": "host", "cookie": "gamehub-graph=a", **({"origin": origin} if origin else {})}
    headers = [(name.encode(), text.encode()) for name, text in given.items()]
    scope: dict[str, Any] = {"type": "websocket", "scheme": "ws", "headers": headers}
    assert session.take(scope, RequestHeaders.of(scope)) is (origin == "http://host")


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("/tables?a=1&b=%2F", "/tables?a=1&b=%2F"), ("/", "/"), (None, "/"), ("", "/"), ("tables", "/"),
        ("//evil.example", "/"), ("/\\evil.example", "/"), ("https://evil.example", "/"), ("/a\\b", "/"),
        ("/a\nSet-Cookie: b", "/"), ("/login?to=/", "/"), ("/logout", "/"), (f"/{'a' * 9000}", "/"),
    ],
)  # fmt: skip
def test_only_local_addresses_are_wanted(text: str | None, there: str) -> None:
    assert session.wanted(text) == there


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("private, max-age=60", "private, no-cache"),
        ("no-store", "no-store"),
        ("public, max-age=9", "public, max-age=9"),
    ],
)
async def test_no_answer_is_kept_for_the_next_person(given: str, sent: str) -> None:
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    headers = [(b"cache-control", given.encode())]
    await session.private(send)({"type": "http.response.start", "status": 200, "headers": headers})
    assert messages[0]["headers"] == [(b"cache-control", sent.encode())]


def test_logging_in_and_out(client: httpx.Client, file: KeyFile, key: str) -> None:
    origin = str(client.base_url)
    own = {"Origin": origin}
    sent = client.get("/tables/A?x=1", headers=BROWSER)
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?to=/tables/A%3Fx%3D1")
    page = client.get(sent.headers["location"], headers=BROWSER)
    assert page.headers["content-security-policy"] == login.POLICY
    assert 'name="to" value="/tables/A?x=1"' in page.text
    assert 'value="/&quot;&gt;"' in client.get('/login?to=/">', headers=BROWSER).text

    form = {"key": f"  {key}\n", "to": "/tables"}
    for headers, status in (
        ({}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ):
        refused = client.post("/login", data=form, headers={**BROWSER, **headers})
        assert (refused.status_code, "set-cookie" in refused.headers) == (status, False)
    assert client.post("/login", json=form, headers=own).status_code == 415
    assert client.post("/login", data={"key": "k" * 20_000}, headers=own).status_code == 413
    programs = {**own, "Accept": "application/json"}
    for text, status, message in (
        ("", 400, login.NO_KEY),
        ("k" * 4000, 400, login.TOO_LONG),
        (key[:-1] + "?", 401, "The key is wrong, revoked or expired."),
        ("\U0001f600 key", 401, "The credential is empty, or holds signs that no key and no token has."),
    ):
        wrong = client.post("/login", data={"key": text}, headers=programs)
        assert (wrong.status_code, error_of(wrong)[1]) == (status, message)
        assert text not in wrong.text or not text
        assert message in client.post("/login", data={"key": text}, headers={**BROWSER, **own}).text

    done = client.post("/login", data=form, headers={**BROWSER, **own})
    assert (done.status_code, done.headers["location"]) == (303, "/tables")
    assert done.headers["set-cookie"] == f"gamehub-graph={key}; Path=/; HttpOnly; SameSite=Strict"
    assert (done.headers["clear-site-data"], done.headers["cache-control"]) == ('"cache"', "no-store")
    secure = client.post("/login", data=form, headers={**programs, "Origin": origin.replace("http:", "https:")})
    assert secure.json() == {"to": "/tables"}
    assert secure.headers["set-cookie"] == f"__Host-gamehub-graph={key}; Path=/; HttpOnly; SameSite=Strict; Secure"
    client.cookies.clear()
    client.cookies.set("gamehub-graph", key)

    about = client.get("/explorer/about.json", headers=OWN).json()
    assert about["caller"] == {"name": "anna", "groups": [382], "permissions": ["explore", "tables"], "session": True}

    assert client.post("/logout").status_code == 403
    gone = client.post("/logout", headers=programs)
    assert gone.json() == {"to": "/login"}
    assert [line.partition(";")[0] for line in gone.headers.get_list("set-cookie")] == [
        "gamehub-graph=",
        "__Host-gamehub-graph=",
    ]
    client.cookies.set("gamehub-graph", key)
    file.revoke("anna")
    time.sleep(LOOK_SECONDS)
    assert client.get("/tables", headers=BROWSER).headers["location"] == "/login?to=/tables&ended=1"
    ended = client.get("/login?ended=1", headers=BROWSER)
    assert login.ENDED in ended.text
    assert len(ended.headers.get_list("set-cookie")) == 2


def test_guesses_are_limited(client: httpx.Client, file: KeyFile, key: str) -> None:
    own = {"Origin": str(client.base_url), "Accept": "application/json"}
    for _ in range(AT_ONCE):
        assert client.post("/login", data={"key": "guess"}, headers=own).status_code == 401
    late = client.post("/login", data={"key": "guess"}, headers=own)
    assert (late.status_code, "retry-after" in late.headers) == (429, True)
    assert client.post("/login", data={"key": key}, headers=own).status_code == 200


def test_a_file_of_keys_that_cannot_be_read(tmp_path: Path, key: str) -> None:
    (tmp_path / "none.sqlite").write_bytes(b"no database at all" * 99)
    with (
        serving(whole(KeyFile(tmp_path / "none.sqlite"))) as origin,
        httpx.Client(base_url=origin, trust_env=False) as client,
    ):
        answer = client.post("/login", data={"key": key}, headers={**BROWSER, "Origin": origin})
        assert (answer.status_code, "The file of API keys cannot be read" in answer.text) == (503, True)
        page = client.get("/tables", headers={**BROWSER, "Cookie": f"gamehub-graph={key}"})
        assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert "The file of API keys cannot be read" in page.text
        assert page.headers["retry-after"] == "5"


def test_nobody_logs_in_where_nobody_has_to(file: KeyFile) -> None:
    with serving(application(toy_schema.schema, lambda operation: None)) as origin:
        assert httpx.get(f"{origin}/login", headers=BROWSER, trust_env=False).headers["location"] == "/"
        headers = {"Origin": origin, "Accept": "application/json"}
        answer = httpx.post(f"{origin}/login", data={"key": "a"}, headers=headers, trust_env=False)
    assert (answer.status_code, error_of(answer)) == (409, ("OPEN", login.OPEN))
