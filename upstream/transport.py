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
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import Message
from typing import Any

import httpx
import stamina
from pyreqwest.client import ClientBuilder
from pyreqwest.compatibility.httpx import HttpxTransport

from upstream import deadline
from upstream.budget import Budget
from upstream.errors import Malformed, Overloaded, Unavailable, UpstreamError
from upstream.hedge import Hedge
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
    """What a call of `report` has taken so far: since when, HTTP requests sent, bytes read once unpacked.

    `sent` is when the first request left; `hurried` says that the deadline came so soon after it that nothing follows.
    """

    report: str = ""
    started: float = field(default_factory=time.monotonic)
    requests: int = 0
    bytes: int = 0
    sent: float | None = None
    hurried: bool = False


class _Again(Exception):
    """An attempt failed in a way that another may mend: the error it is if none does, and how long to wait first."""

    def __init__(self, error: UpstreamError | None, reply: Reply | None = None, wait: float | None = None) -> None:
        super().__init__()
        self.error = error
        self.reply = reply
        self.wait = wait
        self.final = False


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
    and 429, 502, 503, 504 (after `Retry-After`, where that lies within the deadline), as far as the retry budget goes.
    Every report only reads, so a second asking does no harm. Not retried: every other status, and answers that are not
    the documented JSON. With `hedge_after`, a request that is late is made a second time; the first answer counts.

    No more than `most_waiting` requests wait for a slot: the next one is Overloaded.
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
        most_waiting: int = 1000,
        hedge_after: str = "",
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.budget = Budget()
        self._timeout = timeout
        self._attempts = attempts
        self._backoff = backoff
        self._body_limit = body_limit
        self._slots = Queue(concurrency)
        self._concurrency = concurrency
        self._busy = 0
        self._waiting = 0
        self._most_waiting = most_waiting
        self._overloaded = 0
        self._hedge = Hedge(hedge_after)
        self._hedged = 0
        # A request of httpx's own pool that is cancelled may take its connection with it, as of httpx 0.28.
        self._stoppable = transport is None or isinstance(transport, _RustTransport)
        self._left_alone: set[asyncio.Task[Any]] = set()
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
        self.budget.earn()
        try:
            async for attempt in stamina.retry_context(
                on=self._may_try_again,
                attempts=self._attempts,
                timeout=None,
                wait_initial=self._backoff,
                wait_max=max(2.0, self._backoff),
                wait_jitter=self._backoff,
            ):
                with attempt:
                    found = await self._attempt(request, auth, tally)
                    if isinstance(found, _Again):
                        found.final = attempt.num >= self._attempts
                        raise found
                    return found
        except _Again as again:
            last = again
        assert last is not None
        if last.reply is not None:
            return last.reply
        assert last.error is not None
        raise last.error

    def deadline(self) -> AbstractAsyncContextManager[asyncio.Timeout]:
        """The time that a whole call may take, its queueing, retries and further pages included."""
        return deadline.limit(self._timeout)

    def hurried(self, tally: Tally) -> bool:
        """Whether a call was sent so shortly before the end of its operation that it could hardly be answered."""
        return tally.sent is None or time.monotonic() - tally.sent < min(1.0, self._timeout / 2)

    def stats(self) -> dict[str, int]:
        """Slots taken, requests that wait for one, and what was refused or made in addition so far."""
        return {
            "busy": self._busy,
            "waiting": self._waiting,
            "overloaded": self._overloaded,
            "retried": self.budget.spent,
            "not_retried": self.budget.refused,
            "hedged": self._hedged,
        }

    def _left(self, tally: Tally) -> float:
        return min(self._timeout - (time.monotonic() - tally.started), deadline.left())

    async def aclose(self) -> None:
        """Close every connection."""
        if self._left_alone:
            await asyncio.wait(self._left_alone)
        await self._client.aclose()

    def _may_try_again(self, error: Exception) -> bool | float:
        if not isinstance(error, _Again) or error.final or not self.budget.spend():
            return False
        return True if error.wait is None else error.wait

    async def _attempt(self, request: httpx.Request, auth: httpx.Auth, tally: Tally) -> Reply | _Again:
        delay = self._hedge.delay(tally.report)
        found = await (self._turn(request, auth, tally) if delay is None else self._twice(request, auth, tally, delay))
        if isinstance(found, UpstreamError):
            raise found
        # Where the wait would outlast the deadline, the answer as it stands is the better news.
        if isinstance(found, _Again) and found.wait is not None and found.wait >= self._left(tally):
            assert found.reply is not None
            return found.reply
        return found

    async def _turn(self, request: httpx.Request, auth: httpx.Auth, tally: Tally) -> Reply | _Again | UpstreamError:
        """One request, in a slot of its own."""
        if self._busy >= self._concurrency and self._waiting >= self._most_waiting:
            self._overloaded += 1
            raise Overloaded(f"{self._waiting} calls wait for the upstream already: try again later, or ask for less")
        self._waiting += 1
        waiting = True
        try:
            async with self._slots:
                self._waiting -= 1
                waiting = False
                self._busy += 1
                try:
                    began = time.monotonic()
                    tally.sent = tally.sent or began
                    tally.requests += 1
                    found = await self._to_the_end(request, auth, tally)
                    if isinstance(found, Reply):
                        self._hedge.learn(tally.report, time.monotonic() - began)
                    return found
                finally:
                    self._busy -= 1
        finally:
            if waiting:
                self._waiting -= 1

    async def _twice(
        self, request: httpx.Request, auth: httpx.Auth, tally: Tally, delay: float
    ) -> Reply | _Again | UpstreamError:
        """One request, and a second one where the first is late and a slot is free; the first answer is taken."""
        tasks = {asyncio.create_task(self._turn(request, auth, tally))}
        try:
            await asyncio.wait(tasks, timeout=delay)
            first = next(iter(tasks))
            free = self._busy < self._concurrency and not self._waiting
            if not first.done() and free and self.budget.spend():
                self._hedged += 1
                tasks.add(asyncio.create_task(self._turn(request, auth, tally)))
            pending: set[asyncio.Task[Reply | _Again | UpstreamError]] = set(tasks)
            while True:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                found = [task.result() for task in done]
                for each in found:
                    if isinstance(each, Reply) or not pending:
                        return each
        finally:
            for task in tasks:
                task.cancel()

    async def _to_the_end(
        self, request: httpx.Request, auth: httpx.Auth, tally: Tally
    ) -> Reply | _Again | UpstreamError:
        """An exchange. One that must not be cancelled keeps its slot until it has ended, or its time is up."""
        if self._stoppable:
            return await self._exchange(request, auth, tally)
        task = asyncio.create_task(self._exchange(request, auth, tally))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._left_alone.add(task)
            task.add_done_callback(self._left_alone.discard)
            try:
                await asyncio.wait((task,), timeout=max(self._timeout - (time.monotonic() - tally.started), 0.0))
            finally:
                task.cancel()
            raise

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
        if not body.isascii() and (charset := _charset(response.headers.get("content-type"))) is not None:
            what = f"the answer claims to be written in {charset}, where JSON is UTF-8"
            return Malformed(what, status=status, payload=bytes(body[:_SHOWN]))
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


def _retry_after(text: str | None) -> float | None:
    """Seconds of a `Retry-After`; a date, or anything else, leaves the wait to the back-off."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _charset(content_type: str | None) -> str | None:
    """The charset that a content type names, if it is not UTF-8."""
    header = Message()
    header["content-type"] = content_type or ""
    charset = header.get_content_charset()
    return None if charset in (None, "utf-8", "utf8", "us-ascii") else charset[:40]
