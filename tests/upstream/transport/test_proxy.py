"""A proxy before an upstream: the hosts that it connects to, those that need no proxy, and its secret password."""

import itertools
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from tests.tinyproxy import TinyProxy
from tests.tls import Front, server_context, write_issuer
from tests.upstream.conftest import TOKEN, UTC
from tests.upstream.server import Reply, Server
from upstream import errors
from upstream.call import Call
from upstream.client import GameHubConfig, Upstream
from upstream.journal import Journal
from upstream.reports import table as reports
from upstream.transport.proxy import Proxy
from upstream.transport.secret import Secret
from upstream.transport.secure import Secure
from upstream.transport.wire_httpx import secured

GROUPS = Call.of(reports.GROUPS)
GOOD = Reply({"error": False, "report": [{"id": 347, "name": "Integrations"}]})
AUTHORITY = trustme.CA()
PASSWORD = "pr0xy-s3cret"

Connect = Callable[[str, Proxy | None], Upstream]


@pytest.fixture(params=["rust", "httpx"])
async def connect(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Connect]:
    """Return a function that opens a client of an address, over each transport."""
    made: list[Upstream] = []
    issuer = write_issuer(tmp_path / "ca.pem", AUTHORITY)

    def upstream(url: str, proxy: Proxy | None) -> Upstream:
        secure = Secure(ca_file=issuer, proxy=proxy)
        transport: httpx.AsyncBaseTransport | None = None
        if request.param == "httpx":
            transport = secured(secure.context(), secure.proxy)
        config = GameHubConfig(
            url=lambda: url, token=Secret(TOKEN), timezone=UTC, attempts=1, secure=secure, transport=transport
        )
        made.append(Upstream(config, None, Journal(tmp_path / "errors.sqlite")))
        return made[-1]

    yield upstream
    for each in made:
        await each.aclose()
        assert each._journal is not None
        each._journal.close()


@pytest.fixture
def front(server: Server) -> Iterator[Front]:
    """A TLS server in front of the scripted one."""
    server.script(GOOD)
    with Front(server.url, server_context(AUTHORITY.issue_cert("localhost", "127.0.0.1"))) as found:
        yield found


@pytest.fixture
def tinyproxy(tmp_path: Path) -> Iterator[TinyProxy]:
    """A proxy that lets everybody through."""
    with TinyProxy(tmp_path) as found:
        yield found


async def failure(upstream: Upstream) -> errors.UpstreamError:
    """Return what a call fails with."""
    with pytest.raises(errors.UpstreamError) as found:
        await upstream.fetch(GROUPS)
    return found.value


async def test_an_https_address_is_reached_through_the_proxy(
    connect: Connect, front: Front, tinyproxy: TinyProxy
) -> None:
    assert len((await connect(front.url, Proxy.of(tinyproxy.url)).fetch(GROUPS)).rows) == 1
    assert tinyproxy.targets() == [f"localhost:{front.port}"]


async def test_an_http_address_is_not(connect: Connect, server: Server, tinyproxy: TinyProxy) -> None:
    server.script(GOOD)
    await connect(server.url, Proxy.of(tinyproxy.url)).fetch(GROUPS)
    assert tinyproxy.targets() == []


# What NO_PROXY says, and which of localhost, 127.0.0.1 is then reached directly.
DIRECT = {
    "": [],
    "localhost": ["localhost"],
    "LocalHost": ["localhost"],
    ".localhost": ["localhost"],
    "*.localhost": ["localhost"],
    "host": [],
    "example.com, localhost": ["localhost"],
    "127.0.0.1": ["127.0.0.1"],
    "127.0.0.0/8": ["127.0.0.1"],
    "10.0.0.0/8": [],
    "10.0.0.0/8,localhost,127.0.0.1": ["localhost", "127.0.0.1"],
    "*": ["localhost", "127.0.0.1"],
    "example.com,*": ["localhost", "127.0.0.1"],
    ".": [],
    ",,": [],
}


@pytest.mark.parametrize("no_proxy", DIRECT)
async def test_no_proxy(no_proxy: str, connect: Connect, front: Front, tinyproxy: TinyProxy) -> None:
    for host in ("localhost", "127.0.0.1"):
        url = front.url.replace("localhost", host)
        before = len(tinyproxy.targets())
        await connect(url, Proxy.of(tinyproxy.url, no_proxy)).fetch(GROUPS)
        assert (len(tinyproxy.targets()) == before) == (host in DIRECT[no_proxy]), host


def test_names_below_a_name_are_reached_directly_too() -> None:
    for entry in ("example.com", ".example.com", "*.example.com"):
        proxy = Proxy.of("proxy.example:3128", entry)
        assert proxy is not None
        found = [proxy.passes("https", host) for host in ("example.com", "a.example.com", "notexample.com")]
        assert found == [False, False, True]


async def test_a_login(connect: Connect, front: Front, tmp_path: Path) -> None:
    with TinyProxy(tmp_path, f"BasicAuth graph {PASSWORD}") as tinyproxy:
        address = tinyproxy.url.replace("//", f"//graph:{PASSWORD}@")
        assert len((await connect(front.url, Proxy.of(address)).fetch(GROUPS)).rows) == 1
        error = await failure(connect(front.url, Proxy.of(tinyproxy.url)))
        assert (error.code, error.message) == (
            "UPSTREAM_UNAVAILABLE",
            "the proxy asks for a user name and a password: put them into HTTPS_PROXY",
        )


async def test_a_letter_of_a_password_may_be_written_in_hexadecimal(
    connect: Connect, front: Front, tmp_path: Path
) -> None:
    with TinyProxy(tmp_path, "BasicAuth graph passw0rd") as tinyproxy:
        address = tinyproxy.url.replace("//", "//graph:p%61ssw0rd@")
        assert len((await connect(front.url, Proxy.of(address)).fetch(GROUPS)).rows) == 1


NO_CONNECTION = "the proxy made no connection: it cannot reach the upstream, or refuses the request or its login"


async def test_a_proxy_that_refuses(connect: Connect, front: Front, tmp_path: Path) -> None:
    with TinyProxy(tmp_path, "ConnectPort 1") as tinyproxy:
        error = await failure(connect(front.url, Proxy.of(tinyproxy.url)))
        assert (error.code, error.message) == ("UPSTREAM_UNAVAILABLE", NO_CONNECTION)
    assert front.tried == 0


async def test_an_upstream_that_is_gone(connect: Connect, front: Front, tinyproxy: TinyProxy) -> None:
    front.__exit__(None, None, None)
    error = await failure(connect(front.url, Proxy.of(tinyproxy.url)))
    assert (error.code, error.message) == ("UPSTREAM_UNAVAILABLE", NO_CONNECTION)


async def test_a_proxy_that_is_gone(connect: Connect, front: Front, tinyproxy: TinyProxy) -> None:
    tinyproxy.__exit__(None, None, None)
    error = await failure(connect(front.url, Proxy.of(tinyproxy.url)))
    assert (error.code, error.message) == (
        "UPSTREAM_UNAVAILABLE",
        "the proxy cannot be reached: look at HTTPS_PROXY",
    )


async def test_a_failure_of_tls_is_told_through_a_proxy(connect: Connect, front: Front, tinyproxy: TinyProxy) -> None:
    front.context = server_context(trustme.CA().issue_cert("localhost"))
    error = await failure(connect(front.url, Proxy.of(tinyproxy.url)))
    assert error.code == "UPSTREAM_TLS"
    assert error.message.startswith("the certificate of the upstream is from an unknown issuer")


async def test_the_password_of_a_proxy_appears_nowhere(
    connect: Connect, front: Front, tmp_path: Path, logs: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    front.context = server_context(trustme.CA().issue_cert("localhost"))
    texts = []
    with TinyProxy(tmp_path, f"BasicAuth graph {PASSWORD}") as tinyproxy:
        right = Proxy.of(tinyproxy.url.replace("//", f"//graph:{PASSWORD}@"))
        wrong = Proxy.of(tinyproxy.url.replace("//", f"//graph:{PASSWORD}-not@"))
        for proxy in (right, wrong):
            upstream = connect(front.url, proxy)
            error = await failure(upstream)
            texts += [repr(error), str(error), repr(error.__context__), repr(error.params)]
            texts += [repr(proxy), repr(Secure(proxy=proxy)), upstream._redactor.text(f"of {PASSWORD}-not")]
        tinyproxy.__exit__(None, None, None)
        texts += [repr(await failure(connect(front.url, right)))]
    texts += [repr(logs), caplog.text, (tmp_path / "errors.sqlite").read_bytes().decode("latin-1")]
    assert all(PASSWORD not in text for text in texts)


@pytest.mark.parametrize(
    ("address", "url", "login"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128", None),
        ("proxy.example:3128", "http://proxy.example:3128", None),
        ("http://proxy.example", "http://proxy.example:80", None),
        ("https://proxy.example/", "https://proxy.example:443", None),
        ("http://graph:p%3Aw@proxy.example:1", "http://proxy.example:1", ("graph", "p:w")),
        ("http://graph@[::1]:1", "http://[::1]:1", ("graph", "")),
    ],
)
def test_an_address_is_read(address: str, url: str, login: tuple[str, str] | None) -> None:
    proxy = Proxy.of(address)
    assert proxy is not None
    assert (proxy.url, proxy.login) == (url, login)


@pytest.mark.parametrize(
    "address",
    [
        f"socks5://graph:{PASSWORD}@proxy.example:1",
        f"http://graph:{PASSWORD}@proxy.example:port",
        f"http://graph:{PASSWORD}@proxy.example:99999",
        f"http://graph:{PASSWORD}@",
        f"http://graph:{PASSWORD}/x@proxy.example",
        f"http://[::1:{PASSWORD}",
    ],
)
def test_an_address_that_is_none_is_not_quoted(address: str) -> None:
    with pytest.raises(ValueError, match=r"^is no address") as found:
        Proxy.of(address)
    assert PASSWORD not in "".join(map(repr, itertools.chain([found.value], found.value.args)))
    assert found.value.__suppress_context__ or found.value.__context__ is None
