"""The headers of proxies: those of a trusted one count, and no value of them leads elsewhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket
from websockets.sync.client import connect

from resolvers.caller import Caller
from server.auth.authenticator import Authenticator
from server.auth.key_file import KeyFile
from server.auth.keys import Keys
from server.http.guards.hosts import Hosts
from server.http.proxies import TrustedProxies
from server.http.public_address import root_of
from server.http.request_headers import RequestHeaders
from tests.server import toy_schema
from tests.server.application import application
from tests.server.auth.echo import echo
from tests.server.serving import serving

HTML = {"Accept": "text/html"}
HOSTILE = [
    "//evil.example",
    "/\\evil.example",
    "https://evil.example",
    "/a/../..",
    '/"><script>alert(1)</script>',
    "/a b",
    "/;a=b",
    "/%0d%0aSet-Cookie:%20a=b",
    "/a, //evil.example",
    "evil.example",
    "@evil.example",
]


async def told(request: Request) -> Response:
    """Answer with the address that the server believes."""
    client = request.client
    return JSONResponse(
        {
            "root": root_of(request),
            "path": request.scope["path"],
            "raw": request.scope["raw_path"].decode(),
            "client": client and client.host,
            "host": RequestHeaders.of(request.scope)["host"],
        }
    )


async def away(request: Request) -> Response:
    return RedirectResponse("/there?a=1", headers={"Content-Location": "/here"})


async def socket(socket: WebSocket) -> None:
    await socket.accept("graphql-transport-ws")
    await socket.send_json({"scheme": socket.scope["scheme"], "path": socket.scope["path"]})
    await socket.close()


def app(**options: Any) -> ASGIApp:
    routes = [Route("/away", away), WebSocketRoute("/graphql", socket), Route("/{path:path}", told)]
    return Starlette(routes=routes, middleware=[Middleware(TrustedProxies, own={"tables", "page"}, **options)])


@pytest.fixture(scope="module")
def trusting() -> Iterator[httpx.Client]:
    """A server behind a proxy on this machine."""
    with serving(app()) as origin, httpx.Client(base_url=origin, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def rooted() -> Iterator[httpx.Client]:
    """The same with ROOT_PATH=/graph."""
    with serving(app(prefix="/graph")) as origin, httpx.Client(base_url=origin, trust_env=False) as client:
        yield client


def test_a_trusted_proxy_states_the_address(trusting: httpx.Client) -> None:
    headers = {
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "bingo.example:8443",
        "X-Forwarded-Prefix": "/a, /b/",
    }
    expected = {
        "root": "https://bingo.example:8443/a/b", "path": "/x", "raw": "/x", "client": "192.0.2.1",
        "host": "bingo.example:8443",
    }  # fmt: skip
    assert trusting.get("/x", headers=headers).json() == expected
    assert trusting.get("/a/b/x", headers=headers).json() == expected  # the proxy left the prefix
    several = [*headers.items(), ("X-Forwarded-Host", "last.example"), ("X-Forwarded-Proto", "https, http")]
    assert trusting.get("/x", headers=several).json()["root"] == "http://last.example/a/b"


def test_forwarded_states_the_address(trusting: httpx.Client) -> None:
    stated = 'for="[2001:db8::1]:4711";Proto=HTTPS; host="bingo.example:8443"'
    expected = {
        "root": "https://bingo.example:8443/a", "path": "/x", "raw": "/x", "client": "2001:db8::1",
        "host": "bingo.example:8443",
    }  # fmt: skip
    prefix = ("X-Forwarded-Prefix", "/a")
    for values in ([stated], [f"for=192.0.2.9;host=evil.example, {stated}"], ["for=192.0.2.9", stated]):
        headers = [prefix, *(("Forwarded", value) for value in values)]
        assert trusting.get("/x", headers=headers).json() == expected, values
    # The element of an outer proxy counts if the proxies after it are trusted.
    inner = "for=127.0.0.1;proto=http;host=graph.internal"
    assert trusting.get("/x", headers=[prefix, ("Forwarded", f"{stated},{inner}")]).json() == expected


def test_x_forwarded_wins_over_forwarded(trusting: httpx.Client) -> None:
    stated = {"Forwarded": "for=192.0.2.9;host=other.example;proto=https"}
    origin = f"http://127.0.0.1:{trusting.base_url.port}"
    for header, root, client in (
        ({"X-Forwarded-For": "192.0.2.1"}, origin, "192.0.2.1"),
        ({"X-Forwarded-Proto": "http"}, origin, "127.0.0.1"),
        ({"X-Forwarded-Host": "bingo.example"}, "http://bingo.example", "127.0.0.1"),
    ):
        found = trusting.get("/x", headers=stated | header).json()
        assert (found["root"], found["client"]) == (root, client)


@pytest.mark.parametrize("value", ["for=unknown", "for=_hidden", "host=a b", "proto=javascript", *HOSTILE])
def test_what_forwarded_hides_or_says_wrongly_counts_for_nothing(trusting: httpx.Client, value: str) -> None:
    for text in (value, f"for={value}", f'host="{value}"', f"for=192.0.2.9, {value}" if "=" in value else value):
        if value == "evil.example" and text.startswith("host"):
            continue  # a name, which the guard of hosts checks
        found = trusting.get("/x", headers={"Forwarded": text}).json()
        port = trusting.base_url.port
        assert (found["root"], found["client"]) == (f"http://127.0.0.1:{port}", "127.0.0.1"), text


def test_other_peers_state_nothing() -> None:
    headers = {"Forwarded": "for=192.0.2.2;host=b.example"}
    with serving(app(trusted=("192.0.2.7", "198.51.100.0/24"))) as origin:
        found = httpx.get(f"{origin}/x", headers=headers, trust_env=False).json()
        assert (found["root"], found["client"]) == (origin, "127.0.0.1")
    headers = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Host": "a.example", "X-Forwarded-Prefix": "/a"}
    with serving(app(trusted=("192.0.2.7", "198.51.100.0/24"))) as origin:
        found = httpx.get(f"{origin}/x", headers=headers, trust_env=False).json()
    assert found == {"root": origin, "path": "/x", "raw": "/x", "client": "127.0.0.1", "host": urlsplit(origin).netloc}


@pytest.mark.parametrize(
    ("path", "inside", "raw"),
    [
        ("/graph/x", "/x", "/x"),
        ("/x", "/x", "/x"),
        ("/graph", "/", "/"),
        ("/graph/", "/", "/"),
        ("/graphs/x", "/graphs/x", "/graphs/x"),
        ("/graph/a%2fb?c", "/a/b", "/a%2fb"),
        ("/gr%61ph/a%20b", "/a b", "/a%20b"),
    ],
)
def test_the_proxy_may_remove_the_prefix(rooted: httpx.Client, path: str, inside: str, raw: str) -> None:
    found = rooted.get(path).json()
    assert (found["path"], found["raw"]) == (inside, raw)
    assert found["root"] == f"{rooted.base_url}".rstrip("/") + "/graph"


def test_the_setting_counts_before_the_header(rooted: httpx.Client) -> None:
    found = rooted.get("/x", headers={"X-Forwarded-Prefix": "/other"}).json()
    assert urlsplit(found["root"]).path == "/graph"


def test_a_prefix_never_hides_a_path_of_the_server(trusting: httpx.Client) -> None:
    found = trusting.get("/tables/x", headers={"X-Forwarded-Prefix": "/tables"}).json()
    assert (found["path"], urlsplit(found["root"]).path) == ("/tables/x", "/tables")


def test_addresses_in_headers_have_the_prefix(rooted: httpx.Client) -> None:
    for path in ("/away", "/graph/away"):
        answer = rooted.get(path)
        assert (answer.headers["location"], answer.headers["content-location"]) == ("/graph/there?a=1", "/graph/here")


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_count_for_nothing(trusting: httpx.Client, value: str) -> None:
    port = trusting.base_url.port
    for name in ("X-Forwarded-Prefix", "X-Forwarded-Host"):
        if name == "X-Forwarded-Host" and value in ("evil.example",):
            continue  # a name, which the guard of hosts checks
        found = trusting.get("/x", headers={name: value}).json()
        assert found["root"] == f"http://127.0.0.1:{port}", name
        assert trusting.get("/away", headers={name: value}).headers["location"] == "/there?a=1"


def test_a_websocket_may_have_the_prefix(rooted: httpx.Client) -> None:
    origin = f"ws://127.0.0.1:{rooted.base_url.port}"
    for path in ("/graphql", "/graph/graphql"):
        with connect(
            f"{origin}{path}",
            subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]  # a NewType of str
            additional_headers={"X-Forwarded-Proto": "https"},
            proxy=None,
        ) as opened:
            assert opened.recv() == '{"scheme":"wss","path":"/graphql"}'


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("gamehub_graph", 200),  # the name of an upstream of nginx
        ("graph.example", 200),
        ("rebinding.example", 421),  # a page that lets its own name lead here
    ],
)
def test_no_page_gets_past_the_guard_of_hosts(host: str, status: int) -> None:
    guarded = application(toy_schema.schema, lambda operation: None, hosts=("graph.example",))
    with serving(guarded) as origin, httpx.Client(base_url=origin, trust_env=False) as client:
        for stated in ("graph.example", "localhost"):
            answer = client.get("/healthz", headers={"Host": host, "X-Forwarded-Host": stated})
            assert answer.status_code == status
        assert client.get("/healthz", headers={"Host": host, "X-Forwarded-Host": "evil.example"}).status_code == 421


def test_requests_of_the_own_page_have_the_public_origin() -> None:
    guarded = application(toy_schema.schema, lambda operation: None)
    query = {"query": "{ __typename }"}
    with serving(guarded) as origin, httpx.Client(base_url=origin, trust_env=False) as client:
        for page, status in (("https://localhost:8443", 200), ("https://evil.example", 403)):
            headers = {"Host": "graph", "X-Forwarded-Host": "localhost:8443", "Origin": page}
            assert client.get("/graphql", params=query, headers=headers).status_code == status


def test_logging_in_below_a_prefix(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.sqlite")
    _, key = file.create(Caller("anna", None, frozenset({"explore", "tables"})))
    closed = application(
        toy_schema.schema, lambda operation: None, root_path="/graph", hosts=None,
        authenticator=Authenticator(required=True, keys=Keys(file.path)),
    )  # fmt: skip
    secure = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "bingo.example"}
    with serving(closed) as origin, httpx.Client(base_url=origin, trust_env=False) as client:
        sent_away = client.get("/graph/explorer?a=b", headers=HTML)
        assert sent_away.headers["location"] == "/graph/login?to=/explorer%3Fa%3Db"
        page = client.get(sent_away.headers["location"], headers=HTML)
        assert 'action="/graph/login"' in page.text
        for headers, cookie in (({}, "gamehub-graph"), (secure, "__Secure-gamehub-graph")):
            own = {**headers, "Origin": "https://bingo.example" if headers else origin}
            answer = client.post("/login", data={"key": key, "to": "/explorer"}, headers={**own, **HTML})
            assert (answer.status_code, answer.headers["location"]) == (303, "/graph/explorer")
            name, _, rest = answer.headers["set-cookie"].partition("=")
            assert (name, "Path=/graph; HttpOnly" in rest) == (cookie, True)
            # The cookie of another server at the root of the host comes last.
            both = {"Cookie": f"{cookie}={key}; {cookie}=wrong"}
            for path in ("/explorer", "/graph/explorer"):
                assert client.get(path, headers={**HTML, **headers, **both}).status_code == 200
            left = client.post("/graph/logout", headers={**own, **HTML})
            assert left.headers["location"] == "/graph/login"
            assert all("Path=/graph;" in one for one in left.headers.get_list("set-cookie"))


@pytest.mark.parametrize("to", ["//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nX: y"])
def test_logging_in_leads_nowhere_else(to: str) -> None:
    open_one = application(toy_schema.schema, lambda operation: None, root_path="/graph")
    with serving(open_one) as origin, httpx.Client(base_url=origin, trust_env=False) as client:
        assert client.get("/login", params={"to": to}, headers=HTML).headers["location"] == "/graph/"


def test_a_signed_link_survives_a_proxy(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.sqlite")
    _, key = file.create(Caller("anna", None, frozenset({"tables"})))
    callers = Authenticator(required=True, keys=Keys(file.path), signing_secret=lambda: "s" * 32)
    below = {"X-Forwarded-Prefix": "/graph"}
    with serving(echo(callers)) as origin, httpx.Client(base_url=origin, trust_env=False) as client:
        made = client.post("/tables/A.csv/link?group=382", headers={**below, "X-Api-Key": key}).json()["link"]
        assert made.startswith("/graph/tables/A.csv?group=382&")
        for path in (made, made.removeprefix("/graph")):  # the proxy leaves the prefix, or removes it
            assert client.get(path, headers=below).json()["query"] == "group=382"
        assert client.get(made.replace("A.csv", "B.csv"), headers=below).status_code == 401


def test_the_guard_knows_both_names() -> None:
    scope: Any = {"type": "http", "server": ("127.0.0.1", 1), "received_host": "evil.example"}
    refusal = Hosts(())(scope, RequestHeaders({"host": "localhost"}))
    assert refusal is not None
    assert refusal.status == 421
