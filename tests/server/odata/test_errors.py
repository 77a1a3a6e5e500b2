"""Every error below `/odata` has the form and the version of OData, whoever answers it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resolvers.caller import Caller
from server.auth.authenticator import Authenticator
from server.auth.key import Rates
from server.auth.key_file import KeyFile
from server.auth.keys import Keys
from server.auth.limiter import Limiter
from server.tables import answers as table_answers
from tests.effort import tries
from tests.server.tables.conftest import Library, lending

PATHS = (
    "", "/", "/$metadata", "/Books", "/Books/", "/Books/$count", "/Books('all.0000001')", "/Books('none')", "/Nothing",
    "/Books/title", "/count=2/", "/count=2/Books", "/count=2/$batch", "/size=1/Books", "/$batch", "/%00", "/%ff", "//",
    "/Loans", "/OneShelf", "/%2e%2e/tables", "/Books?$filter=x", "/Books?$format=atom", "/Books?$search=x",
    "/Books?$apply=x", "/Books?$skiptoken=x", "/Loans?since=2026-03-02&until=2026-03-05", "/Books?a=b",
    "/%C3%A4?$top=1",
)  # fmt: skip
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
FAULTS: dict[str, dict[str, str]] = {
    "none": {},
    "an older version": {"odata-maxversion": "3.0"},
    "another site": {"sec-fetch-site": "cross-site"},
    "another host": {"host": "evil.example"},
    "no host": {"host": "a b"},
    "a packed body": {"content-encoding": "gzip", "content-type": "application/json"},
    "no boundary": {"content-type": "multipart/mixed"},
    "a large head": {"x-large": "x" * 70_000},
    "a wrong range": {"range": "bytes=9-1"},
    "no credential": {},
    "a wrong credential": {"authorization": "Bearer wrong"},
    "a malformed credential": {"authorization": "Basic %%%"},
    "two credentials": {"authorization": "Bearer a", "x-api-key": "b"},
    "no permission": {},
    "too many requests": {},
    "too much to do": {},
}
CLOSED = {"no credential", "a wrong credential", "a malformed credential", "two credentials", "no permission"}


class Servers:
    """The library, served in each way that a fault needs."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        file = KeyFile(folder / "keys.sqlite")
        _, self.reader = file.create(Caller("reader", None, frozenset({"tables"})))
        _, self.other = file.create(Caller("other", None, frozenset({"explore"})))
        keys = Keys(file.path)
        limited = Authenticator(required=True, keys=keys, limiter=Limiter(Rates(1, 0)))

        def served(name: str, **more: object) -> Library:
            return stack.enter_context(lending(folder / name, more))

        self.plain = served("plain")
        self.closed = served("closed", authenticator=Authenticator(required=True, keys=keys))
        self.limited = served("limited", authenticator=limited)
        self.busy = served("busy", most_running=-1, most_waiting=0)

    def of(self, fault: str) -> tuple[Library, dict[str, str]]:
        """The server for a fault, and the headers that cause it."""
        headers = dict(FAULTS[fault])
        if fault in CLOSED:
            if fault == "no permission":
                headers["x-api-key"] = self.other
            return self.closed, headers
        if fault == "too many requests":
            headers["x-api-key"] = self.reader
            self.limited.client.get("/odata", headers=headers)
            return self.limited, headers
        return (self.busy if fault == "too much to do" else self.plain), headers


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(tmp_path_factory.mktemp("errors"), stack)


EXPECTED = {
    "another site": {403}, "another host": {421}, "no host": {400}, "a large head": {431}, "no credential": {401},
    "a wrong credential": {401}, "a malformed credential": {401}, "two credentials": {400, 401}, "no permission": {403},
    "too many requests": {429}, "too much to do": {503},
}  # fmt: skip


def checked(servers: Servers, path: str, method: str, fault: str, body: bytes = b"") -> httpx.Response:
    """The answer, after a look at its form."""
    library, headers = servers.of(fault)
    request = library.client.build_request(method, f"/odata{path}", headers=headers, content=body or None)
    answer = library.client.send(request)
    assert answer.headers.get("odata-version") == "4.0" or answer.status_code < 400, answer.headers
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/json;odata.metadata=minimal;charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        if method == "HEAD":
            assert answer.content == b"" or fault == "a large head"
        else:
            content = answer.json()
            assert set(content) == {"error"}, content
            assert set(content["error"]) == {"code", "message"}, content
            assert all(isinstance(text, str) and text for text in content["error"].values())
    assert answer.status_code in EXPECTED.get(fault, range(600)), (path, method, fault, answer.text)
    return answer


@settings(max_examples=tries(75), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(PATHS),
    method=st.sampled_from(METHODS),
    fault=st.sampled_from(list(FAULTS)),
    body=st.sampled_from([b"", b"{}", b"x" * 100]),
)
def test_an_error_of_any_route_method_and_fault(
    servers: Servers, path: str, method: str, fault: str, body: bytes
) -> None:
    answer = checked(servers, path, method, fault, body)
    assert answer.status_code < 500 or answer.status_code in (502, 503)


@pytest.mark.parametrize("fault", EXPECTED)
def test_an_error_of_each_fault(servers: Servers, fault: str) -> None:
    for method in ("GET", "HEAD", "POST", "DELETE"):
        assert checked(servers, "/Books", method, fault).status_code in EXPECTED[fault]


@pytest.mark.parametrize("method", [one for one in METHODS if one not in ("GET", "HEAD")])
def test_another_method(servers: Servers, method: str) -> None:
    for path in ("", "/Books", "/$metadata", *(["/$batch"] if method != "POST" else [])):
        answer = checked(servers, path, method, "none")
        assert (answer.status_code, answer.json()["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")


def test_a_body_that_is_too_large(servers: Servers) -> None:
    library, _ = servers.of("none")
    body = b"x" * (2**20 + 1)
    answer = library.client.post("/odata/$batch", headers={"content-type": "application/json"}, content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert answer.headers["odata-version"] == "4.0"


def test_a_fault_and_a_full_disk(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object, **more: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr("server.odata.routes.edm.service", broken)
        assert checked(servers, "/", "GET", "none").status_code == 500

    async def full(*given: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(table_answers, "write_file", full)
        assert checked(servers, "/Books?count=7", "GET", "none").status_code == 507


def test_other_paths_keep_the_form_of_graphql(servers: Servers) -> None:
    for path in ("/tables/x", "/odatax", "/nothing"):
        answer = servers.plain.client.get(path)
        assert answer.status_code == 404
        assert set(answer.json()) == {"errors"}
        assert "odata-version" not in answer.headers
