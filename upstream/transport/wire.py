"""Send a request to an upstream: with the Rust client of pyreqwest, or with `wire_httpx.py`.

Both read certificates and keys again when their files change (`secure.py`).

An exception of an HTTP library may contain a URL with a token. So none leaves this module: `ConnectionBroken` says in
plain words what happened.
"""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import lru_cache
from io import BytesIO
from typing import Any, NoReturn, Protocol
from urllib.parse import quote_plus

import msgspec
import orjson
from pyreqwest import exceptions as rust
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.http import Url
from pyreqwest.proxy import ProxyBuilder

from upstream.errors import Malformed, Unavailable, UpstreamError
from upstream.transport import fault
from upstream.transport.secure import PLAIN, Pems, Secure
from upstream.transport.watched import Watched

HEADERS = {"accept": "application/json", "user-agent": "gamehub-graph"}
JSON = "application/json"
# Every answer of the sandbox has this header, so that nobody takes its figures for real ones.
SANDBOX_HEADER = "x-sandbox"
# An answer with at most this declared length is read at once. Others are read in pieces and measured.
AT_ONCE = 8 << 20


class Request(msgspec.Struct):
    """Hold a request, without its token: authentication adds the token to a copy."""

    method: str
    url: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: dict[str, Any] | None = None

    def content(self) -> bytes | None:
        """Return the body in the form in which it is sent."""
        return None if self.body is None else orjson.dumps(self.body)


class Received(msgspec.Struct):
    """Hold what has arrived of an answer so far."""

    status: int | None = None
    retry_after: str | None = None
    content_type: str | None = None
    body: bytes = b""
    size: int = 0  # all bytes that came, also those beyond the limit


class ConnectionBroken(Exception):
    """Say that an exchange had no answer: the kind of error, plain words, and whether another attempt may succeed."""

    def __init__(self, kind: type[UpstreamError], what: str, *, again: bool = True) -> None:
        super().__init__(what)
        self.kind = kind
        self.what = what
        self.again = again


class TooLong(Exception):
    """Say that an answer is longer than the limit."""


class Wire(Protocol):
    """Send requests to one system."""

    stoppable: bool
    """Whether an exchange that is cancelled leaves nothing behind."""
    sandbox: bool | None
    """Whether the address that was asked last belongs to a sandbox; None before the first answer."""

    async def exchange(self, request: Request, received: Received, limit: int) -> None:
        """Send a request and put its answer into `received`. Raises ConnectionBroken, TooLong."""

    async def aclose(self) -> None:
        """Close every connection."""


@lru_cache(maxsize=64)
def checked(url: str) -> str:
    """Return an address to which requests can be sent. Raise Unavailable, which does not quote it."""
    try:
        if Url(url).scheme in ("http", "https"):
            return url
    except (TypeError, ValueError):
        pass
    raise Unavailable("the upstream's URL is not an http or https URL")


class RustWire:
    """Send requests with Rust's reqwest, without redirects, cookies, and proxies of the environment.

    When a file of `secure` changes, later requests use a new client. The former client ends with its last request.
    """

    stoppable = True

    def __init__(self, concurrency: int, connect_timeout: float, secure: Secure = PLAIN) -> None:
        self._concurrency = concurrency
        self._connect_timeout = connect_timeout
        self._secure = secure
        self._pems = Pems()
        self._files: Watched[Client] | None = None
        self.sandbox: bool | None = None
        self._known: dict[str, bool] = {}  # addresses, and whether each belongs to a sandbox
        if secure.files:
            self._files = Watched(secure.files[0], lambda _: self._renewed(), others=secure.files[1:])
        else:
            self._client = self._build(self._pems)

    def _renewed(self) -> Client:
        """Return the client for the files as they stand. Raises ValueError."""
        pems = self._secure.pems()
        if pems != self._pems:
            try:
                self._client = self._build(pems)
            except ValueError:  # the Rust client's own error: it may be stricter than Python
                raise ValueError("holds no certificate or key that the HTTP client can use") from None
            self._pems = pems
        return self._client

    def _build(self, pems: Pems) -> Client:
        secure = self._secure
        builder = (
            ClientBuilder()
            .follow_redirects(False)
            .no_proxy()
            .referer(False)
            .brotli(False)
            .zstd(False)
            .default_headers(HEADERS)
            .connect_timeout(timedelta(seconds=self._connect_timeout))
            .pool_max_idle_per_host(self._concurrency)
            .pool_idle_timeout(timedelta(seconds=30))
            .min_tls_version("TLSv1.3" if secure.minimum == "1.3" else "TLSv1.2")
        )
        if pems.issuers:
            builder = builder.add_root_certificate_pem(pems.issuers)
        if pems.identity:
            builder = builder.identity_pem(pems.identity)
        if secure.proxy is not None:
            proxy = ProxyBuilder.https(secure.proxy.url).no_proxy(",".join(secure.proxy.direct))
            builder = builder.proxy(proxy.basic_auth(*secure.proxy.login) if secure.proxy.login else proxy)
        return builder.build()

    async def exchange(self, request: Request, received: Received, limit: int) -> None:
        client = self._client if self._files is None else self._files.value
        try:
            builder = client.request(request.method, _address(request))
            if request.headers:
                builder = builder.headers(request.headers)
            if request.body is not None:
                builder = builder.header("content-type", JSON).body_bytes(orjson.dumps(request.body))
            sent = builder.build_streamed()
        except Exception:
            raise ConnectionBroken(Unavailable, "the request could not be sent", again=False) from None
        failed: Exception
        try:
            async with sent as response:
                received.status = response.status
                if response.status >= 400:
                    received.retry_after = response.get_header("retry-after")
                received.content_type = response.get_header("content-type")
                if request.url not in self._known:
                    self._known[request.url] = response.get_header(SANDBOX_HEADER) is not None
                self.sandbox = self._known[request.url]
                length = response.get_header("content-length")
                if length is not None and length.isdigit() and int(length) <= AT_ONCE and int(length) <= limit:
                    received.body = (await response.bytes()).to_bytes()
                    received.size = len(received.body)
                else:
                    pieces: AsyncIterator[bytes] = _pieces(response.body_reader.read_chunk)
                    await gathered(pieces, received, limit)
                return
        except TooLong:
            raise
        except Exception as error:
            failed = error
        # The first cause quotes the address, which may contain a token.
        causes = (failed.details["causes"] or [])[1:] if isinstance(failed, rust.DetailedPyreqwestError) else []
        broken(failed, _RUST, received, fault.of_rustls([cause["message"] for cause in causes]))

    async def aclose(self) -> None:
        await self._client.close()


def _address(request: Request) -> str:
    """Return the URL with the query. Pair by pair this is a few times faster than the Rust client or `urlencode`."""
    if not request.query:
        return request.url
    query = "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in request.query])
    return f"{request.url}{'&' if '?' in request.url else '?'}{query}"


# The same few names and values are sent again and again.
_quoted = lru_cache(maxsize=4096)(quote_plus)


async def _pieces(read: Callable[[], Any]) -> AsyncIterator[bytes]:
    while (piece := await read()) is not None:
        yield piece


async def gathered(pieces: AsyncIterator[bytes], received: Received, limit: int) -> None:
    """Put an answer that comes in pieces into `received`. Raises TooLong."""
    # The buffer grows in large steps, and its value is not a copy.
    buffer = BytesIO()
    try:
        async for piece in pieces:
            received.size += len(piece)
            if buffer.tell() + len(piece) > limit:
                raise TooLong
            buffer.write(piece)
    finally:
        received.body = buffer.getvalue()


def broken(
    failed: Exception,
    translations: "tuple[tuple[Any, type[UpstreamError], str, bool], ...]",
    received: Received,
    found: fault.TransportFault | None = None,
) -> NoReturn:
    """Raise what a library's error is in our words: the fault that was found, or the first line of the table that fits.

    A connection that fails before its answer begins is an upstream out of reach. One that fails in the midst of it has
    cut the answer off, whatever its framing: lengths, chunks, compression (C38).
    """
    if found is not None and received.status is None:
        raise ConnectionBroken(found.kind, found.what, again=found.again) from None
    for foreign, kind, what, again in translations:
        if isinstance(failed, foreign):
            if received.status is not None and what not in _LATE:
                kind, what = Malformed, _CUT
            raise ConnectionBroken(kind, what, again=again) from None
    # Any other error of a library: its text may contain a token.
    raise ConnectionBroken(Unavailable, f"the request failed ({type(failed).__name__})") from None


# An answer that is late is missing, not cut.
_LATE = ("no connection in time", "no answer in time")
_CUT = "the answer is cut off, or not compressed as it says"
# The first match counts, here and for httpx.
_RUST = (
    (rust.ConnectTimeoutError, Unavailable, "no connection in time", True),
    ((rust.ReadTimeoutError, rust.WriteTimeoutError, rust.PoolTimeoutError, rust.RequestTimeoutError), Unavailable,
     "no answer in time", True),
    (rust.ConnectError, Unavailable, "no connection: refused, reset or no such host", True),
    # A failed read concerns the body: the Rust client reads the head before it returns the answer.
    ((rust.DecodeError, rust.ReadError), Malformed, _CUT, True),
    (rust.NetworkError, Unavailable, "the connection was lost", True),
)  # fmt: skip
