"""TLS as a user meets it: `serve` over https, `check` against upstreams that are secured, and the keys of tokens."""

import datetime
import json
import os
import socket
import ssl
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
import trustme
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from server.auth.jwks import KeySet, NoKeys
from server.execution.limits import ClientTimeouts
from server.http.certificate import certified
from server.settings.reading import WrongSettings, load
from server.settings.settings import NAMES, Settings
from tests.programs import run
from tests.served import served
from tests.server.auth.echo import Issuer, issuing
from tests.server.serving import serving
from tests.stand import Sandbox
from tests.tinyproxy import TinyProxy
from tests.tls import Front, server_context, write_issuer, write_pair
from upstream.transport.proxy import Proxy
from upstream.transport.secure import Secure

DOCKERFILE = Path(__file__).resolve().parents[3] / "Dockerfile"
COMMAND = Path(sys.executable).parent / "gamehub-graph"
OURS, STRANGER = trustme.CA(), trustme.CA()
PAST: dict[str, Any] = {"not_before": datetime.datetime(2020, 1, 1), "not_after": datetime.datetime(2020, 2, 1)}
UNKNOWN = "the certificate of the upstream is from an unknown issuer: add the issuer's certificate to the CA file"


@pytest.fixture
def issuer_file(tmp_path: Path) -> Path:
    """Our authority, as a setting names it."""
    return write_issuer(tmp_path / "ca.pem", OURS)


def later(path: Path, *, seconds: int) -> None:
    """Have a file be written so much later, whatever the clock of the file system does."""
    now = path.stat().st_mtime
    os.utime(path, (now + seconds, now + seconds))


def half_written(path: Path) -> None:
    """Leave the beginning of a file."""
    path.write_bytes(path.read_bytes()[:100])
    later(path, seconds=2)


# The server itself


def shown(port: int, context: ssl.SSLContext) -> bytes:
    """Return the certificate that a new connection is shown."""
    with (
        socket.create_connection(("127.0.0.1", port), 30) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        found = secure.getpeercert(binary_form=True)
    assert found is not None
    return found


def der(leaf: trustme.LeafCert) -> bytes:
    """Return a certificate as connections show it."""
    return ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())


def test_a_renewed_certificate_is_shown_without_a_restart(sandbox: Sandbox, tmp_path: Path) -> None:
    first, second = OURS.issue_cert("localhost", "127.0.0.1"), OURS.issue_cert("localhost", "127.0.0.1")
    cert, key = write_pair(tmp_path, "server", first)
    trusting = ssl.create_default_context()
    OURS.configure_trust(trusting)
    settings = {"GAMEHUB_URL": sandbox.gamehub_url, "GAMEHUB_TOKEN": sandbox.gamehub_token}
    with served(tmp_path, TLS_CERT_FILE=str(cert), TLS_KEY_FILE=str(key), **settings) as address:
        assert address.startswith("https://127.0.0.1:")
        port = int(address.rpartition(":")[2])
        with httpx.Client(verify=trusting, trust_env=False, timeout=30) as client:
            answer = client.post(f"{address}/graphql", json={"query": "{ groups { nodes { id } } }"}).json()
            assert answer["data"]["groups"]["nodes"]
            assert shown(port, trusting) == der(first)
            # The certificate comes before its key: until then the former pair is shown.
            cert.write_bytes(b"".join(pem.bytes() for pem in second.cert_chain_pems))
            later(cert, seconds=1)
            assert shown(port, trusting) == der(first)
            key.write_bytes(second.private_key_pem.bytes())
            later(key, seconds=2)
            assert shown(port, trusting) == der(second)
            # The connection that was open goes on.
            assert client.get(f"{address}/healthz").json() == {"alive": True}
        # Nothing is spoken there without TLS.
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
        assert httpx.get(f"{address}/healthz", verify=trusting, trust_env=False).status_code == 200


@pytest.mark.parametrize("tls", [True, False])
def test_a_container_is_found_healthy(tls: bool, sandbox: Sandbox, tmp_path: Path) -> None:
    line = next(line for line in DOCKERFILE.read_text("utf-8").splitlines() if line.startswith("HEALTHCHECK"))
    _, *command = json.loads(line.partition("CMD ")[2])
    cert, key = write_pair(tmp_path, "server", OURS.issue_cert("graph.example.com"))
    settings = {"TLS_CERT_FILE": str(cert), "TLS_KEY_FILE": str(key)} if tls else {}
    upstream = {"GAMEHUB_URL": sandbox.gamehub_url, "GAMEHUB_TOKEN": sandbox.gamehub_token}
    with served(tmp_path, **settings, **upstream) as address:
        environment = os.environ | settings | {"PORT": address.rpartition(":")[2]}
        subprocess.run([sys.executable, *command], env=environment, check=True, timeout=60)
    assert subprocess.run([sys.executable, *command], env=environment, capture_output=True, timeout=60).returncode != 0


async def scheme(request: Request) -> PlainTextResponse:
    await request.body()
    return PlainTextResponse(request.scope["scheme"])


@pytest.fixture
def secure_address(tmp_path: Path) -> Iterator[str]:
    """An application over TLS, with short patience and room for three clients."""
    pair = write_pair(tmp_path, "server", OURS.issue_cert("localhost"))
    app = Starlette(routes=[Route("/", scheme, methods=["GET", "POST"])])
    with serving(
        app, ClientTimeouts(request_seconds=3.0, idle_seconds=30.0, connections=3), certified(*pair)
    ) as address:
        yield address.replace("127.0.0.1", "localhost")


def opened(address: str) -> ssl.SSLSocket:
    """Return a connection."""
    context = ssl.create_default_context()
    OURS.configure_trust(context)
    port = int(address.rpartition(":")[2])
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), 30), server_hostname="localhost")


def test_the_application_knows_that_it_is_asked_over_tls(secure_address: str) -> None:
    context = ssl.create_default_context()
    OURS.configure_trust(context)
    assert httpx.get(secure_address, verify=context, trust_env=False).text == "https"


def test_an_old_version_is_refused(secure_address: str) -> None:
    port = int(secure_address.rpartition(":")[2])

    def spoken(version: ssl.TLSVersion) -> str | None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        OURS.configure_trust(context)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # without which the client itself would not offer it
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
        with (
            socket.create_connection(("127.0.0.1", port), 30) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            return secure.version()

    assert spoken(ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    assert spoken(ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    with pytest.raises(ssl.SSLError):
        spoken(ssl.TLSVersion.TLSv1_1)


def test_a_client_that_does_not_shake_hands_is_let_go(secure_address: str) -> None:
    with socket.create_connection(("127.0.0.1", int(secure_address.rpartition(":")[2])), 30) as silent:
        assert silent.recv(1) == b""


def test_a_slow_request_is_refused_over_tls_as_well(secure_address: str) -> None:
    with opened(secure_address) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12")
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_newcomer_takes_the_place_of_who_waits_over_tls_as_well(secure_address: str) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(opened(secure_address)) for _ in range(3)]
        newcomer = stack.enter_context(opened(secure_address))
        for each in (newcomer, clients[1]):
            each.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert each.recv(65536).startswith(b"HTTP/1.1 200 ")
        with suppress(ConnectionError):
            assert clients[0].recv(1) == b""


# The settings


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but those of a test."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.chdir(tmp_path)


def wrong(**values: object) -> list[str]:
    """Return the lines that settings are refused with."""
    for name, value in values.items():
        os.environ[name] = str(value)
    try:
        with pytest.raises(WrongSettings) as found:
            load()
        return found.value.lines
    finally:
        for name in values:
            del os.environ[name]


PEM = "allowed is the path of a readable file in PEM"


@pytest.mark.parametrize("name", ["GAMEHUB_CA_FILE", "GAMELOG_CA_FILE", "JWKS_CA_FILE"])
def test_a_file_without_issuers(name: str, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    assert wrong(**{name: path}) == [f"{name} names '{path}', which cannot be read: No such file or directory; {PEM}"]
    for text in ("", "not a certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        path.write_text(text)
        assert wrong(**{name: path}) == [f"{name} names '{path}', which holds no certificates in PEM; {PEM}"]


PAIRS = [
    ("GAMEHUB_CLIENT_CERT_FILE", "GAMEHUB_CLIENT_KEY_FILE"),
    ("GAMELOG_CLIENT_CERT_FILE", "GAMELOG_CLIENT_KEY_FILE"),
    ("JWKS_CLIENT_CERT_FILE", "JWKS_CLIENT_KEY_FILE"),
    ("TLS_CERT_FILE", "TLS_KEY_FILE"),
]


@pytest.mark.parametrize("names", PAIRS)
def test_a_certificate_and_a_key_that_do_not_go_together(names: tuple[str, str], tmp_path: Path) -> None:
    cert_name, key_name = names
    cert, key = write_pair(tmp_path, "one", OURS.issue_cert("localhost"))
    _, other = write_pair(tmp_path, "other", OURS.issue_cert("localhost"))
    assert wrong(**{cert_name: cert}) == [f"{key_name} is not set, though {cert_name} is: set it"]
    assert wrong(**{key_name: key}) == [f"{cert_name} is not set, though {key_name} is: set it"]
    assert wrong(**{cert_name: cert, key_name: other}) == [
        f"{key_name} names '{other}', which is not the key of the certificate in '{cert}'"
    ]
    assert wrong(**{cert_name: cert, key_name: cert}) == [
        f"{key_name} names '{cert}', which together with '{cert}' is no key and certificate in PEM"
    ]
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "pkey", "-in", str(key), "-aes256", "-passout", "pass:x", "-out", str(locked)], check=True
    )
    assert wrong(**{cert_name: cert, key_name: locked}) == [
        f"{key_name} names '{locked}', whose key is encrypted: store it without a password"
    ]


def test_a_proxy_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = "allowed is http://host:port or http://user:password@host:port"
    address = "socks5://graph:pr0xy-s3cret@proxy.example:1"
    assert wrong(GAMEHUB_PROXY="environment", HTTPS_PROXY=address) == [
        f"HTTPS_PROXY is no address of a proxy; {allowed}"
    ]
    assert wrong(JWKS_PROXY="environment") == [
        "HTTPS_PROXY is not set, though JWKS_PROXY=environment goes by it: set it"
    ]
    # What is not used may be anything.
    monkeypatch.setenv("HTTPS_PROXY", address)
    assert "pr0xy-s3cret" not in repr(load())


def test_the_settings_of_each_address(issuer_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cert, key = write_pair(tmp_path, "client", OURS.issue_cert("graph@example.com"))
    monkeypatch.setenv("https_proxy", "http://graph:pr0xy-s3cret@proxy.example:3128")  # the usual spelling
    monkeypatch.setenv("no_proxy", "10.0.0.0/8, example.com")
    (tmp_path / ".env").write_text("HTTP_PROXY=http://proxy.example:3128\n")  # other programs read it
    for name in ("gamehub", "gamelog", "jwks"):
        assert load().secure(name) == Secure()
        for setting, value in {
            "ca_file": issuer_file, "client_cert_file": cert, "client_key_file": key, "tls_minimum": "1.3",
            "proxy": "environment",
        }.items():  # fmt: skip
            monkeypatch.setenv(f"{name}_{setting}".upper(), str(value))
        proxy = Proxy("http://proxy.example:3128", ("10.0.0.0/8", "example.com"), ("graph", "pr0xy-s3cret"))
        assert load().secure(name) == Secure(issuer_file, cert, key, "1.3", proxy)
        assert "pr0xy-s3cret" not in repr(load().secure(name)) + repr(load())
    assert isinstance(load(), Settings)


# `gamehub-graph check`


def check(folder: Path, code: int, **settings: str) -> list[str]:
    """Return the lines that `check` prints, without the times in them."""
    environment = {name: value for name, value in os.environ.items() if name.upper() not in NAMES}
    environment |= {"ERROR_JOURNAL": str(folder / "errors.sqlite"), "COLUMNS": "300"} | settings
    ran = run("check", folder=folder, environment=environment)
    assert ran.returncode == code, (ran.stdout, ran.stderr)
    assert "pr0xy-s3cret" not in ran.stdout + ran.stderr
    return [line.partition(" (")[0] for line in ran.stdout.splitlines()]


@pytest.fixture
def hub(sandbox: Sandbox) -> Iterator[Front]:
    """GameHub over TLS."""
    with Front(sandbox.gamehub_url, server_context(OURS.issue_cert("localhost"))) as found:
        yield found


@pytest.fixture
def log(sandbox: Sandbox) -> Iterator[Front]:
    """Game History over TLS."""
    with Front(sandbox.gamelog_url, server_context(OURS.issue_cert("localhost"))) as found:
        yield found


def both(sandbox: Sandbox, hub: Front, log: Front) -> dict[str, str]:
    """The settings that point at both, without what makes their certificates trusted."""
    return {
        "GAMEHUB_URL": hub.url + ("/" if sandbox.gamehub_url.endswith("/") and not hub.url.endswith("/") else ""),
        "GAMEHUB_TOKEN": sandbox.gamehub_token,
        "GAMELOG_URL": log.url,
        "GAMELOG_AGENT_CODE": sandbox.agent_code,
        "GAMELOG_AGENT_TOKEN": sandbox.agent_token,
    }


ADVICE = "Look at the settings that end in _CA_FILE, _CLIENT_CERT_FILE and _TLS_MINIMUM."


def test_check_tells_what_is_wrong_with_tls(
    sandbox: Sandbox, hub: Front, log: Front, issuer_file: Path, tmp_path: Path
) -> None:
    settings = both(sandbox, hub, log)
    assert check(tmp_path, 1, **settings) == [
        f"GameHub: {UNKNOWN}. {ADVICE}",
        f"Game History: {UNKNOWN}. {ADVICE}",
    ]
    settings |= {"GAMEHUB_CA_FILE": str(issuer_file), "GAMELOG_CA_FILE": str(issuer_file)}
    assert check(tmp_path, 0, **settings) == ["GameHub: answers", "Game History: answers"]
    hub.context = server_context(OURS.issue_cert("localhost", **PAST))
    log.context = server_context(OURS.issue_cert("localhost"), clients=OURS)
    assert check(tmp_path, 1, **settings) == [
        f"GameHub: the certificate of the upstream has expired: its operator has to renew it. {ADVICE}",
        f"Game History: the upstream asks for a client certificate: set one, with its key. {ADVICE}",
    ]
    hub.context = server_context(OURS.issue_cert("localhost"))
    cert, key = write_pair(tmp_path, "client", OURS.issue_cert("graph@example.com"))
    settings |= {"GAMELOG_CLIENT_CERT_FILE": str(cert), "GAMELOG_CLIENT_KEY_FILE": str(key)}
    assert check(tmp_path, 0, **settings) == ["GameHub: answers", "Game History: answers"]


def test_the_proxy_of_the_environment_is_used_only_where_a_setting_says_so(
    sandbox: Sandbox, hub: Front, log: Front, issuer_file: Path, tmp_path: Path
) -> None:
    settings = both(sandbox, hub, log) | {"GAMEHUB_CA_FILE": str(issuer_file), "GAMELOG_CA_FILE": str(issuer_file)}
    hub_at, log_at = f"localhost:{hub.port}", f"localhost:{log.port}"
    with TinyProxy(tmp_path, "BasicAuth graph pr0xy-s3cret") as proxy:
        settings["HTTPS_PROXY"] = proxy.url.replace("//", "//graph:pr0xy-s3cret@")
        check(tmp_path, 0, **settings)
        assert proxy.targets() == []
        check(tmp_path, 0, **settings, GAMELOG_PROXY="environment")
        assert set(proxy.targets()) == {log_at}
        check(tmp_path, 0, **settings, GAMEHUB_PROXY="environment", GAMELOG_PROXY="environment")
        assert set(proxy.targets()) == {log_at, hub_at}
        before = proxy.targets()
        check(tmp_path, 0, **settings, GAMEHUB_PROXY="environment", NO_PROXY="localhost")
        assert proxy.targets() == before
    lines = check(tmp_path, 1, **settings, GAMEHUB_PROXY="environment")
    assert lines[0].startswith("GameHub: the proxy cannot be reached: look at HTTPS_PROXY. ")


# The keys of tokens


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as found:
        yield found


@pytest.fixture
def keys_front(issuer: Issuer) -> Iterator[Front]:
    """The issuer over TLS."""
    with Front(issuer.url, server_context(OURS.issue_cert("localhost"))) as found:
        yield found


async def why_not(keys: KeySet) -> str:
    """Return what is logged when the keys cannot be had."""
    with structlog.testing.capture_logs() as logs, pytest.raises(NoKeys):
        await keys.key("first")
    found: list[Any] = [log["why"] for log in logs if log["event"] == "the token issuer's keys cannot be read"]
    assert len(found) == 1
    return str(found[0])


async def test_keys_behind_a_private_authority(keys_front: Front, issuer_file: Path) -> None:
    assert await why_not(KeySet(keys_front.url)) == UNKNOWN
    assert await KeySet(keys_front.url, secure=Secure(ca_file=issuer_file)).key("first")
    keys_front.context = server_context(OURS.issue_cert("other.example"))
    assert await why_not(KeySet(keys_front.url, secure=Secure(ca_file=issuer_file))) == (
        "the certificate of the upstream is for another name: look at the host in the address"
    )


async def test_keys_whose_authority_changes(keys_front: Front, issuer: Issuer, issuer_file: Path) -> None:
    keys = KeySet(keys_front.url, secure=Secure(ca_file=issuer_file), again=0)
    assert await keys.key("first")
    keys_front.context = server_context(STRANGER.issue_cert("localhost"))
    issuer.add("second")
    assert await keys.key("second") is None
    write_issuer(issuer_file, STRANGER)
    later(issuer_file, seconds=1)
    assert await keys.key("second")
    # A file that is half written leaves the former issuers.
    half_written(issuer_file)
    issuer.add("third")
    assert await keys.key("third")


async def test_keys_for_a_client_certificate(keys_front: Front, issuer_file: Path, tmp_path: Path) -> None:
    keys_front.context = server_context(OURS.issue_cert("localhost"), clients=OURS)
    cert, key = write_pair(tmp_path, "client", OURS.issue_cert("graph@example.com"))
    assert await KeySet(keys_front.url, secure=Secure(issuer_file, cert, key, "1.3")).key("first")
    assert await why_not(KeySet(keys_front.url, secure=Secure(ca_file=issuer_file))) == (
        "the upstream asks for a client certificate: set one, with its key"
    )


async def test_keys_through_a_proxy(keys_front: Front, issuer_file: Path, tmp_path: Path) -> None:
    with TinyProxy(tmp_path, "BasicAuth graph pr0xy-s3cret") as proxy:
        right = Proxy.of(proxy.url.replace("//", "//graph:pr0xy-s3cret@"))
        assert await KeySet(keys_front.url, secure=Secure(ca_file=issuer_file, proxy=right)).key("first")
        assert proxy.targets() == [f"localhost:{keys_front.port}"]
        without = Secure(ca_file=issuer_file, proxy=Proxy.of(proxy.url))
        assert await why_not(KeySet(keys_front.url, secure=without)) == (
            "the proxy asks for a user name and a password: put them into HTTPS_PROXY"
        )
    gone = Secure(ca_file=issuer_file, proxy=right)
    assert await why_not(KeySet(keys_front.url, secure=gone)) == "the proxy cannot be reached: look at HTTPS_PROXY"
    past = Secure(ca_file=issuer_file, proxy=Proxy.of(proxy.url, "localhost"))
    assert await KeySet(keys_front.url, secure=past).key("first")
