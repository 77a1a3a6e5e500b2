"""TLS with an upstream, over each HTTP client: what is trusted, what is shown, and what each failure says."""

import asyncio
import datetime
import gc
import os
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.tls import Front, server_context, write_issuer, write_pair
from tests.upstream.conftest import TOKEN, UTC
from tests.upstream.server import ReceivedRequest, Reply, Server
from upstream import errors
from upstream.call import Call
from upstream.client import GameHubConfig, Upstream
from upstream.reports import table as reports
from upstream.transport.secret import Secret
from upstream.transport.secure import Secure
from upstream.transport.wire_httpx import secured

GROUPS = Call.of(reports.GROUPS)
GOOD = Reply({"error": False, "report": [{"id": 347, "name": "Integrations"}]})
PAST: dict[str, Any] = {"not_before": datetime.datetime(2020, 1, 1), "not_after": datetime.datetime(2020, 2, 1)}
FUTURE: dict[str, Any] = {"not_before": datetime.datetime(2090, 1, 1), "not_after": datetime.datetime(2090, 2, 1)}

OURS, STRANGER = trustme.CA(), trustme.CA()

Connect = Callable[[str, Secure], Upstream]


@pytest.fixture(params=["rust", "httpx"])
async def connect(request: pytest.FixtureRequest) -> AsyncIterator[Connect]:
    """Return a function that opens a client of an address, over each transport."""
    made: list[Upstream] = []

    def upstream(url: str, secure: Secure) -> Upstream:
        transport: httpx.AsyncBaseTransport | None = None
        if request.param == "httpx":
            transport = secured(secure.context(), secure.proxy)
        config = GameHubConfig(
            url=lambda: url, token=Secret(TOKEN), timezone=UTC, backoff=0.01, secure=secure, transport=transport
        )
        made.append(Upstream(config, None))
        return made[-1]

    yield upstream
    for each in made:
        await each.aclose()


@pytest.fixture
def front(server: Server) -> Iterator[Front]:
    """A TLS server with a certificate of our authority, in front of the scripted one."""
    server.script(GOOD)
    with Front(server.url, server_context(OURS.issue_cert("localhost", "127.0.0.1"))) as found:
        yield found


@pytest.fixture
def ours(tmp_path: Path) -> Secure:
    """Trust in our authority."""
    return Secure(ca_file=write_issuer(tmp_path / "ca.pem", OURS))


async def failure(upstream: Upstream) -> errors.UpstreamError:
    """Return what a call fails with."""
    with pytest.raises(errors.UpstreamError) as found:
        await upstream.fetch(GROUPS)
    return found.value


async def test_an_issuer_of_the_file_is_trusted(connect: Connect, front: Front, ours: Secure) -> None:
    answer = await connect(front.url, ours).fetch(GROUPS)
    assert [row.id for row in answer.rows] == [347]
    assert front.accepted == ["TLSv1.3"]


async def test_the_systems_issuers_are_trusted_as_well(
    connect: Connect, front: Front, ours: Secure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(write_issuer(tmp_path / "system.pem", STRANGER)))
    front.context = server_context(STRANGER.issue_cert("localhost"))
    await connect(front.url, Secure()).fetch(GROUPS)
    await connect(front.url, ours).fetch(GROUPS)
    front.context = server_context(OURS.issue_cert("localhost"))
    await connect(front.url, ours).fetch(GROUPS)


FAILURES: dict[str, tuple[Callable[[], Any], str]] = {
    "unknown issuer": (
        lambda: server_context(STRANGER.issue_cert("localhost")),
        "the certificate of the upstream is from an unknown issuer: add the issuer's certificate to the CA file",
    ),
    "expired": (
        lambda: server_context(OURS.issue_cert("localhost", **PAST)),
        "the certificate of the upstream has expired: its operator has to renew it",
    ),
    "not valid yet": (
        lambda: server_context(OURS.issue_cert("localhost", **FUTURE)),
        "the certificate of the upstream is not valid yet: look at the clock of this machine",
    ),
    "wrong name": (
        lambda: server_context(OURS.issue_cert("other.example")),
        "the certificate of the upstream is for another name: look at the host in the address",
    ),
    "version": (
        lambda: _at_most(ssl.TLSVersion.TLSv1_2),
        "the upstream and this server have no TLS version in common: look at the least version that is set",
    ),
    "not valid": (
        lambda: for_clients_only(),
        "the certificate of the upstream is not valid: its operator has to replace it",
    ),
    "no TLS": (
        lambda: None,
        "the upstream does not speak TLS at this port: look at the port, and at https:// in the address",
    ),
}


def _at_most(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = server_context(OURS.issue_cert("localhost"))
    context.maximum_version = version
    return context


@pytest.mark.parametrize("name", FAILURES)
async def test_each_failure_says_what_it_is(name: str, connect: Connect, server: Server, ours: Secure) -> None:
    make, message = FAILURES[name]
    secure = Secure(ca_file=ours.ca_file, minimum="1.3" if name == "version" else "1.2")
    with Front(server.url, make(), b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n") as front:
        error = await failure(connect(front.url, secure))
        assert (error.code, error.message) == ("UPSTREAM_TLS", message)
        # Another attempt would fail in the same way.
        assert (error.requests, front.tried) == (1, 1)
        assert TOKEN not in repr(error)
    assert server.requests == []


async def test_a_handshake_that_is_cut_off_is_tried_again(connect: Connect, server: Server, ours: Secure) -> None:
    with Front(server.url, None) as front:
        error = await failure(connect(front.url, ours))
        assert (error.code, error.message) == (
            "UPSTREAM_TLS",
            "the connection ended during the TLS handshake: the upstream, or what stands between, refuses it",
        )
        assert (error.requests, front.tried) == (3, 3)


async def test_the_address_of_a_certificate_may_be_a_number(connect: Connect, front: Front, ours: Secure) -> None:
    await connect(front.url.replace("localhost", "127.0.0.1"), ours).fetch(GROUPS)
    front.context = server_context(OURS.issue_cert("localhost"))
    error = await failure(connect(front.url.replace("localhost", "127.0.0.1"), ours))
    assert error.message.startswith("the certificate of the upstream is for another name")


async def test_a_refused_connection_is_not_one_of_tls(connect: Connect, front: Front, ours: Secure) -> None:
    front.__exit__(None, None, None)
    error = await failure(connect(front.url, ours))
    assert (error.code, error.message) == (
        "UPSTREAM_UNAVAILABLE",
        "no connection: refused, reset or no such host",
    )


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
async def test_a_client_certificate(
    version: ssl.TLSVersion, connect: Connect, front: Front, ours: Secure, tmp_path: Path
) -> None:
    front.context = server_context(OURS.issue_cert("localhost"), clients=OURS)
    front.context.maximum_version = version
    results = {}
    for name, leaf in {
        "ours": OURS.issue_cert("graph@example.com"),
        "stranger": STRANGER.issue_cert("graph@example.com"),
        "expired": OURS.issue_cert("graph@example.com", **PAST),
    }.items():
        cert, key = write_pair(tmp_path, name, leaf)
        upstream = connect(front.url, Secure(ca_file=ours.ca_file, cert_file=cert, key_file=key))
        if name == "ours":
            assert len((await upstream.fetch(GROUPS)).rows) == 1
        else:
            results[name] = await failure(upstream)
    results["none"] = await failure(connect(front.url, ours))
    assert {error.code for error in results.values()} == {"UPSTREAM_TLS"}
    refused = "the upstream refused the client certificate: set one that it accepts"
    assert (results["stranger"].message, results["expired"].message) == (refused, refused)
    assert results["none"].message == (
        "the upstream asks for a client certificate: set one, with its key"
        if version is ssl.TLSVersion.TLSv1_3
        # TLS 1.2 has no word for it.
        else "the upstream refused the TLS handshake: it may ask for a client certificate, or another TLS version"
    )
    assert len(front.accepted) == 1


async def test_a_certificate_that_signs_itself_has_an_unknown_issuer(
    connect: Connect, server: Server, ours: Secure, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    path = tmp_path / "self.pem"
    path.write_bytes(STRANGER.private_key_pem.bytes() + STRANGER.cert_pem.bytes())
    context.load_cert_chain(path)
    with Front(server.url, context) as front:
        error = await failure(connect(front.url, ours))
    assert error.message == FAILURES["unknown issuer"][1]


def for_clients_only() -> ssl.SSLContext:
    """Return what a server shows a certificate with that is for clients and not for servers."""
    issuer = x509.load_pem_x509_certificate(OURS.cert_pem.bytes())
    signing = serialization.load_pem_private_key(OURS.private_key_pem.bytes(), None)
    assert isinstance(signing, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(signing, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return server_context(trustme.LeafCert(private, cert.public_bytes(serialization.Encoding.PEM), []))


def later(path: Path, *, seconds: int) -> None:
    """Have a file be written so much later, whatever the clock of the file system does."""
    now = path.stat().st_mtime
    os.utime(path, (now + seconds, now + seconds))


@pytest.fixture
async def rust(front: Front) -> AsyncIterator[Callable[[Secure], Upstream]]:
    """Open a client over the Rust transport, which lives as long as the server and so has to follow its files."""
    made: list[Upstream] = []

    def upstream(secure: Secure) -> Upstream:
        config = GameHubConfig(url=lambda: front.url, token=Secret(TOKEN), timezone=UTC, backoff=0.01, secure=secure)
        made.append(Upstream(config, None))
        return made[-1]

    yield upstream
    for each in made:
        await each.aclose()


Rust = Callable[[Secure], Upstream]


async def test_a_changed_issuer_is_trusted_without_a_restart(
    rust: Rust, front: Front, ours: Secure, logs: list[Any]
) -> None:
    assert ours.ca_file is not None
    upstream = rust(ours)
    await upstream.fetch(GROUPS)
    # The authority changes: first the server's side, then the file, which is seen half written once.
    front.context = server_context(STRANGER.issue_cert("localhost"))
    whole = STRANGER.cert_pem.bytes()
    ours.ca_file.write_bytes(whole[:100])
    later(ours.ca_file, seconds=1)
    await upstream.fetch(GROUPS)  # over the connection that is open
    assert [log["event"] for log in logs] == ["a changed file cannot be used, its last good value stays"]
    ours.ca_file.write_bytes(whole)
    later(ours.ca_file, seconds=2)
    await upstream.fetch(GROUPS)
    assert len(front.accepted) == 2
    # What is trusted no longer is refused.
    front.context = server_context(OURS.issue_cert("localhost"))
    ours.ca_file.write_bytes(whole + b"\n")
    later(ours.ca_file, seconds=3)
    assert (await failure(upstream)).message == FAILURES["unknown issuer"][1]


async def test_a_changed_client_certificate_is_shown_without_a_restart(
    rust: Rust, front: Front, ours: Secure, tmp_path: Path, logs: list[Any]
) -> None:
    front.context = server_context(OURS.issue_cert("localhost"), clients=OURS)
    cert, key = write_pair(tmp_path, "client", STRANGER.issue_cert("graph@example.com"))
    upstream = rust(Secure(ca_file=ours.ca_file, cert_file=cert, key_file=key))
    assert (await failure(upstream)).message == "the upstream refused the client certificate: set one that it accepts"
    former = key.read_bytes()
    write_pair(tmp_path, "client", OURS.issue_cert("graph@example.com"))
    new = key.read_bytes()
    # The key comes later than its certificate: until then the former pair counts.
    key.write_bytes(former)
    later(cert, seconds=1)
    logs.clear()
    assert (await failure(upstream)).code == "UPSTREAM_TLS"
    assert f"names {str(key)!r}, which is not the key of the certificate in {str(cert)!r}" in [
        log.get("why") for log in logs
    ]
    key.write_bytes(new)
    later(key, seconds=2)
    assert len((await upstream.fetch(GROUPS)).rows) == 1


async def test_a_call_under_way_ends_over_its_own_connection(
    rust: Rust, front: Front, server: Server, ours: Secure
) -> None:
    assert ours.ca_file is not None
    upstream = rust(ours)
    begun, ended = asyncio.Event(), asyncio.Event()

    async def slowly(received: ReceivedRequest) -> Reply:
        begun.set()
        await ended.wait()
        return GOOD

    server.script(slowly, GOOD)
    slow = asyncio.create_task(upstream.fetch(GROUPS))
    await begun.wait()
    ours.ca_file.write_bytes(ours.ca_file.read_bytes() + b"\n")
    later(ours.ca_file, seconds=1)
    other = Call.of(reports.GROUPS, id=347)
    await upstream.fetch(other)
    assert len(front.accepted) == 2
    gc.collect()
    ended.set()
    assert len((await slow).rows) == 1
    assert len(server.requests) == 2


def test_no_text_shows_a_key(tmp_path: Path) -> None:
    cert, key = write_pair(tmp_path, "client", OURS.issue_cert("graph@example.com"))
    secure = Secure(cert_file=cert, key_file=key)
    assert b"PRIVATE KEY" in secure.pems().identity
    assert "PRIVATE" not in repr(secure) + repr(secure.pems()) + str(secure.pems())
