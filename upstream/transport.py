"""One HTTP client a system: connection reuse, bounded concurrency and body, retries, and a deadline over it all.

httpx speaks; the Rust transport of pyreqwest carries it unless another `httpx.AsyncBaseTransport` is given.
Everything an HTTP library raises or logs may hold a URL with a token: nothing of it leaves this module (C2). Errors
are therefore raised outside the `except` that caught their cause, so that not even their context refers to it.
"""

import asyncio
import http.cookiejar
import json
import math
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import stamina
from pyreqwest.client import ClientBuilder
from pyreqwest.compatibility.httpx import HttpxTransport

from upstream.errors import Malformed, Unavailable, UpstreamError
from upstream.queue import Queue
from upstream.secret import SecretMissing

_AGAIN = frozenset({429, 502, 503, 504})
_SHOWN = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, whole and decompressed."""

    status: int
    body: bytes


@dataclass(slots=True)
class Tally:
    """What a call has taken so far: since when, HTTP requests sent, bytes read once unpacked."""

    started: float = field(default_factory=time.monotonic)
    requests: int = 0
    bytes: int = 0


class _Again(Exception):
    """An attempt failed in a way that another may mend: the error it is if none does, and how long to wait first."""

    def __init__(self, error: UpstreamError | None, reply: Reply | None = None, wait: float | None = None) -> None:
        super().__init__()
        self.error = error
        self.reply = reply
        self.wait = wait


class _RustTransport(HttpxTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        # It would take the sum of httpx's timeouts for the time of the whole request.
        request.extensions = {key: each for key, each in request.extensions.items() if key != "timeout"}
        return await super().handle_async_request(request)


def rust_transport(concurrency: int, connect_timeout: float) -> httpx.AsyncBaseTransport:
    """The default transport: Rust's reqwest, without redirects, proxies and cookies of its own."""
    client = (
        ClientBuilder()
        .follow_redirects(False)
        .no_proxy()
        .referer(False)
        .brotli(False)
        .zstd(False)
        .connect_timeout(timedelta(seconds=connect_timeout))
        .pool_max_idle_per_host(concurrency)
        .pool_idle_timeout(timedelta(seconds=30))
        .build()
    )
    return _RustTransport(client)


class Transport:
    """How one system is reached.

    Retried, up to `attempts` in all and with jitter: refused, reset and cut connections, timeouts of the connection,
    and 429, 502, 503, 504 (after `Retry-After`, where that lies within the deadline). Every report only reads, so a
    second asking does no harm. Not retried: every other status, and answers that are not the documented JSON.
    """

    def __init__(
        self,
        *,
        timeout: float,
        connect_timeout: float,
        concurrency: int,
        attempts: int,
        backoff: float,
        body_limit: int,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._timeout = timeout
        self._attempts = attempts
        self._backoff = backoff
        self._body_limit = body_limit
        self._slots = Queue(concurrency)
        # An upstream's session cookie would have PHP answer our calls one after the other.
        no_cookies = http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        self._client = httpx.AsyncClient(
            transport=transport or rust_transport(concurrency, connect_timeout),
            timeout=httpx.Timeout(None, connect=connect_timeout),
            headers={"accept": "application/json", "accept-encoding": "gzip, deflate", "user-agent": "gamehub-graph"},
            cookies=no_cookies,
            follow_redirects=False,
            trust_env=False,
        )

    def request(self, method: str, url: str, query: Any = None, body: Any = None) -> httpx.Request:
        """A request without its token. Raises Unavailable for a URL that is none."""
        try:
            address = httpx.URL(url)
            if address.scheme in ("http", "https") and address.host:
                headers = {"content-type": "application/json"} if body is not None else None
                content = json.dumps(body).encode() if body is not None else None
                return self._client.build_request(method, address, params=query, content=content, headers=headers)
        except (httpx.InvalidURL, TypeError, ValueError):
            pass  # raised below, without the exception that quotes the URL
        raise Unavailable("the upstream's URL is not an http or https URL")

    async def send(self, request: httpx.Request, auth: httpx.Auth, tally: Tally) -> Reply:
        """The answer to a request, whatever its status. Raises Unavailable, and Malformed for a body cut or too long.

        To be called within `deadline`, whose end raises TimeoutError here.
        """
        last: _Again | None = None
        try:
            async for attempt in stamina.retry_context(
                on=_may_try_again,
                attempts=self._attempts,
                timeout=None,
                wait_initial=self._backoff,
                wait_max=max(2.0, self._backoff),
                wait_jitter=self._backoff,
            ):
                with attempt:
                    return await self._attempt(request, auth, tally, self._left(tally))
        except _Again as again:
            last = again
        assert last is not None
        if last.reply is not None:
            return last.reply
        assert last.error is not None
        raise last.error

    def deadline(self) -> asyncio.Timeout:
        """The time that a whole call may take, its queueing, retries and further pages included."""
        return asyncio.timeout(self._timeout)

    def _left(self, tally: Tally) -> float:
        return self._timeout - (time.monotonic() - tally.started)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def _attempt(self, request: httpx.Request, auth: httpx.Auth, tally: Tally, left: float) -> Reply:
        async with self._slots:
            tally.requests += 1
            found = await self._exchange(request, auth, tally)
        if isinstance(found, UpstreamError):
            raise found
        if isinstance(found, _Again):
            # Where the wait would outlast the deadline, the answer as it stands is the better news.
            if found.wait is not None and found.wait >= left:
                assert found.reply is not None
                return found.reply
            raise found
        return found

    async def _exchange(self, request: httpx.Request, auth: httpx.Auth, tally: Tally) -> Reply | _Again | UpstreamError:
        """One request and its answer; failures are returned, so that they leave without the exception behind them."""
        status, body = None, bytearray()
        try:
            response = await self._client.send(request, auth=auth, stream=True)
            try:
                status = response.status_code
                async for chunk in response.aiter_bytes():
                    tally.bytes += len(chunk)
                    if len(body) + len(chunk) > self._body_limit:
                        return Malformed(
                            f"the answer is longer than {self._body_limit} bytes",
                            status=status,
                            payload=bytes(body[:_SHOWN]),
                        )
                    body += chunk
                wait = _retry_after(response.headers.get("retry-after")) if status in _AGAIN else None
            finally:
                await response.aclose()
        except SecretMissing as missing:
            return Unavailable(f"the upstream's token is not at hand: {missing}")
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError):
            return Unavailable("the request could not be sent")
        except httpx.HTTPError as error:
            return _Again(_translated(error, status, bytes(body[:_SHOWN])))
        except Exception as error:
            # Whatever else a library raises: its text is not to be trusted with a token.
            return _Again(Unavailable(f"the request failed ({type(error).__name__})"))
        reply = Reply(status, bytes(body))
        return _Again(None, reply, wait) if status in _AGAIN else reply


# The first match counts. What each library says of a connection that ends before its answer does differs; a body that
# ends early is an answer that is not the documented JSON (C10), a connection that fails is an upstream out of reach.
_TRANSLATIONS: tuple[tuple[type[httpx.HTTPError], type[UpstreamError], str], ...] = (
    (httpx.ConnectTimeout, Unavailable, "no connection in time"),
    (httpx.TimeoutException, Unavailable, "no answer in time"),
    (httpx.ConnectError, Unavailable, "no connection: refused, reset or no such host"),
    (httpx.DecodingError, Malformed, "the answer is cut off, or not compressed as it says"),
    (httpx.NetworkError, Unavailable, "the connection was lost"),
    (httpx.ProxyError, Unavailable, "no connection"),
    (httpx.RemoteProtocolError, Malformed, "the answer is cut off, or not HTTP"),
    (httpx.HTTPError, Unavailable, "the request failed"),
)


def _translated(error: httpx.HTTPError, status: int | None, body: bytes) -> UpstreamError:
    if isinstance(error, httpx.RemoteProtocolError) and status is None and "disconnected" in str(error):
        return Unavailable("the connection was closed before an answer")
    kind, text = next((kind, text) for foreign, kind, text in _TRANSLATIONS if isinstance(error, foreign))
    return kind(text, status=status, payload=body or None)


def _may_try_again(error: Exception) -> bool | float:
    if not isinstance(error, _Again):
        return False
    return True if error.wait is None else error.wait


def _retry_after(text: str | None) -> float | None:
    """Seconds of a `Retry-After`; a date, or anything else, leaves the wait to the back-off."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
