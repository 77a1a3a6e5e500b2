"""The header Host: an open server answers to names it knows, and no answer leads to another host."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from server.http.guards.host_names import name_of
from tests.hostile.wire import Answer, send
from tests.served import served
from tests.server import toy_schema
from tests.server.application import application
from tests.server.serving import serving

PATHS = ("/healthz", "/", "/graphql", "/tables", "/odata", "/metrics", "/explorer/queries.json", "/nothing")
KNOWN = ("localhost", "LOCALHOST:8000", "localhost.", "127.0.0.1", "127.0.0.1:1", "127.9.9.9", "[::1]:80")
FOREIGN = (
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "192.0.2.1",
    "[::2]",
)
WRONG = ("", "a b", "a/b", "user@localhost", "[", "localhost:x", "a:1:2", "\xff")


def ask(address: str, host: str, path: str = "/healthz", method: str = "GET") -> Answer:
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    return send(address, head.encode("latin-1"))


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    app = application(toy_schema.schema, lambda operation: None, hosts=["graph.example.com"])
    with serving(app) as address:
        yield address


@pytest.mark.parametrize("host", [*KNOWN, "graph.example.com", "GRAPH.example.com:81"])
def test_a_known_host(address: str, host: str) -> None:
    assert ask(address, host).status == 200


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_host_is_refused_on_every_path(address: str, host: str) -> None:
    for path in PATHS:
        answer = ask(address, host, path)
        assert (answer.status, answer.codes()) == (421, ["MISDIRECTED_REQUEST"]), path
    assert ask(address, "localhost", f"http://{host}/healthz").status == 421  # of two hosts this one counts


@pytest.mark.parametrize("host", WRONG)
def test_what_is_no_host(address: str, host: str) -> None:
    assert ask(address, host).status == 400


@pytest.mark.parametrize("path", ["/tables/", "/graphql/", "/healthz/", "/tables/?a=http://b/"])
def test_a_redirect_names_no_host(path: str) -> None:
    with serving(application(toy_schema.schema, lambda operation: None, hosts=None)) as address:
        answer = ask(address, "evil.example", path)
        there = "/tables?a=http://b/" if "?" in path else path.rstrip("/")
        assert (answer.status, answer.headers["location"]) == (307, there)


def test_the_server_that_people_start(tmp_path: Path) -> None:
    with served(tmp_path) as address:
        assert [ask(address, host).status for host in ("localhost", "evil.example")] == [200, 421]
        context = httpx.get(f"{address}/odata", trust_env=False).json()["@odata.context"]
        assert context == f"{address}/odata/$metadata"
    with served(tmp_path, ALLOWED_HOSTS="graph.example.com, [2001:db8::1]") as address:
        hosts = ("graph.example.com", "[2001:db8::1]:80", "localhost", "evil.example")
        assert [ask(address, host).status for host in hosts] == [200, 200, 200, 421]
    keys = str(tmp_path / "keys.sqlite")
    with served(tmp_path, AUTH="required", KEYS_FILE=keys) as address:
        assert ask(address, "evil.example").status == 200
    with served(tmp_path, AUTH="required", KEYS_FILE=keys, ALLOWED_HOSTS="graph.example.com") as address:
        assert [ask(address, host).status for host in ("graph.example.com", "evil.example")] == [200, 421]


def test_names() -> None:
    assert [name_of(host) for host in ("A.b:80", "[::1]", "a:", "a:123456")] == ["a.b", "::1", "a", None]
