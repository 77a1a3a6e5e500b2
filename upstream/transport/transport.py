"""Send HTTP requests to one system: reuse connections, limit concurrency and body size, retry, within one deadline.

Errors and logs of an HTTP library may contain a URL with a token, so they never leave `wire.py` (C2). Errors are raised
outside the `except` block that caught their cause, so that their context does not refer to the cause.
"""

import asyncio
import codecs
import datetime
import math
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import msgspec
import stamina

from upstream.errors import Malformed, Overloaded, Unavailable, UpstreamError
from upstream.resilience.bucket import Bucket
from upstream.resilience.budget import Budget
from upstream.resilience.deadline import Limit, left
from upstream.resilience.hedge import Hedge
from upstream.resilience.queue import QUEUE_CALLER, Queue
from upstream.resilience.waiting_room import WaitingRoom
from upstream.transport.secret import SecretMissing
from upstream.transport.secure import PLAIN, Secure
from upstream.transport.wire import ConnectionBroken, Received, Request, RustWire, TooLong, Wire

if TYPE_CHECKING:  # the seam: see _wire
    from httpx import AsyncBaseTransport

Auth = Callable[[Request], Request]
"""Adds the authentication to a copy of the request."""

_AGAIN = frozenset({429, 502, 503, 504})
_SHOWN = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class TransportConfig:
    """Hold the settings of the connection to one system, which are the same kind for both. Times are in seconds.

    `transport` replaces the Rust transport: any `httpx.AsyncBaseTransport` can take its place.
    """

    timeout: float = 30.0
    connect_timeout: float = 5.0
    concurrency: int = 16
    attempts: int = 3
    backoff: float = 0.1
    body_limit: int = 256 * 1024 * 1024
    most_waiting: int = 1000
    hedge_after: str = ""
    breaker_failures: int = 5
    breaker_seconds: float = 5.0
    secure: Secure = PLAIN
    bucket: Bucket | None = None
    transport: "AsyncBaseTransport | None" = None


class Reply(msgspec.Struct, frozen=True):
    """Hold an HTTP answer, whole and decompressed."""

    status: int
    body: bytes


class Tally(Limit):
    """Count the cost of a call of `report` so far: its start, the HTTP requests sent, the decompressed bytes read.
    Of the requests, `retried` ones repeated a failed one, and `hedged` ones a late one.

    The call may take `seconds`. `sent` is when the first request was sent. `hurried` says that the deadline came so
    soon after it that the failure shows nothing about the upstream. `waited` is how long requests of the call waited
    for their turn; requests that wait at the same time count once. `dry` says that the last wait ended without a token
    of the bucket.
    """

    __slots__ = (
        "_since", "bytes", "dry", "hedged", "hurried", "report", "requests", "retried", "sent", "started", "waited",
        "waiting",
    )  # fmt: skip

    def __init__(self, report: str = "", seconds: float = math.inf) -> None:
        self.report = report
        self.started = started = time.monotonic()
        self.ends = started + seconds
        self.expired = False
        self.requests = 0
        self.retried = 0
        self.hedged = 0
        self.bytes = 0
        self.sent: float | None = None
        self.hurried = False
        self.waited = 0.0
        self.waiting = 0
        self.dry = False
        self._since = 0.0

    def wait(self) -> None:
        """Note that a request starts to wait for its turn."""
        if not self.waiting:
            self._since = time.monotonic()
        self.waiting += 1

    def go_on(self) -> None:
        """Note that a request stops waiting."""
        self.waiting -= 1
        if not self.waiting:
            self.waited += time.monotonic() - self._since


class _Retry(Exception):
    """Say that an attempt failed but another may succeed: with the error if none does, and how long to wait first."""

    def __init__(self, error: UpstreamError | None, reply: Reply | None = None, wait: float | None = None) -> None:
        super().__init__()
        self.error = error
        self.reply = reply
        self.wait = wait
        self.final = False


class Transport:
    """Send requests to one system.

    Retried, up to `attempts` in all and with jitter: refused, reset and cut connections, timeouts of the connection,
    and 429, 502, 503, 504 (after `Retry-After`, where that lies within the deadline), as far as the retry budget goes.
    Every report only reads, so a second request does no harm. Not retried: every other status, and answers that are not
    the documented JSON. With `hedge_after`, a request that is late is made a second time; the first answer counts.

    No more than `most_waiting` requests of one caller wait for a slot (`waiting_room.py`): the next one is Overloaded.
    With a `bucket`, each request takes a token of it, retries and second requests included. A request that cannot have
    its token before the deadline is Overloaded at once.
    """

    def __init__(self, config: TransportConfig) -> None:
        self.budget = Budget()
        self.timeout = config.timeout  # of a whole call, with its waiting, retries and further pages
        self._attempts = config.attempts
        self._backoff = config.backoff
        self._body_limit = config.body_limit
        self._bucket = config.bucket
        self._slots = Queue(config.concurrency, config.bucket)
        self._concurrency = config.concurrency
        self._busy = 0
        self._room = WaitingRoom(config.most_waiting)
        self._overloaded = 0
        self._hedge = Hedge(config.hedge_after)
        self._hedged = 0
        self._left_alone: set[asyncio.Task[Any]] = set()
        self._wire = _wire(config)

    async def send(self, request: Request, auth: Auth, tally: Tally) -> Reply:
        """Return the answer to a request, with any status. Raise Unavailable, or Malformed for a cut or too long body.

        At the deadline of the call, its task is cancelled.
        """
        budget = self.budget
        if budget.tokens < budget.most:
            budget.earn()
        if self._hedge.never:
            found = await self._turn(request, auth, tally)
            if found.__class__ is Reply:
                return found
            first = self._checked(found, tally)
        else:
            first = await self._attempt(request, auth, tally)
        return first if isinstance(first, Reply) else await self._retried(request, auth, tally, first)

    async def _retried(self, request: Request, auth: Auth, tally: Tally, first: _Retry) -> Reply:
        """Make a request again whose first attempt failed."""
        last = first
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
                    found = first if attempt.num == 1 else await self._once_more(request, auth, tally, last)
                    if isinstance(found, _Retry):
                        last = found
                        found.final = found.final or attempt.num >= self._attempts
                        raise found
                    return found
        except _Retry as again:
            last = again
        if last.reply is not None:
            return last.reply
        assert last.error is not None
        raise last.error

    @property
    def sandbox(self) -> bool | None:
        """Return whether a sandbox gave the last answer; None before the first answer."""
        return self._wire.sandbox

    def late(self, tally: Tally) -> UpstreamError:
        """Return the error of a call that did not end by its deadline."""
        if tally.dry and self._bucket is not None:
            return self._too_many(self._bucket, tally)
        return Unavailable(f"{tally.report}: no whole answer in time")

    def hurried(self, tally: Tally) -> bool:
        """Return whether a call was sent too shortly before the end of its operation to be answered."""
        return tally.sent is None or time.monotonic() - tally.sent < min(1.0, self.timeout / 2)

    def stats(self) -> dict[str, int]:
        """Return the slots in use, the waiting requests, and what was refused, retried or sent twice so far."""
        return {
            "busy": self._busy,
            "waiting": len(self._room),
            "overloaded": self._overloaded,
            "retried": self.budget.spent,
            "not_retried": self.budget.refused,
            "hedged": self._hedged,
        }

    def _left(self, tally: Tally) -> float:
        return min(tally.ends - time.monotonic(), left())

    async def aclose(self) -> None:
        """Close every connection."""
        if self._left_alone:
            await asyncio.wait(self._left_alone)
        await self._wire.aclose()

    def _may_try_again(self, error: Exception) -> bool | float:
        if not isinstance(error, _Retry) or error.final or not self.budget.spend():
            return False
        return True if error.wait is None else error.wait

    async def _attempt(self, request: Request, auth: Auth, tally: Tally) -> Reply | _Retry:
        delay = self._hedge.delay(tally.report)
        found = await (self._turn(request, auth, tally) if delay is None else self._twice(request, auth, tally, delay))
        return self._checked(found, tally)

    def _checked(self, found: Reply | _Retry | UpstreamError, tally: Tally) -> Reply | _Retry:
        """Return the result of an attempt. Raise its error, if another attempt would not help."""
        if isinstance(found, UpstreamError):
            raise found
        # If the wait would end after the deadline, the answer itself is better.
        if isinstance(found, _Retry) and found.wait is not None and found.wait >= self._left(tally):
            assert found.reply is not None
            return found.reply
        return found

    async def _once_more(self, request: Request, auth: Auth, tally: Tally, last: _Retry) -> Reply | _Retry:
        """Make a request again. If it may not be sent, return the last result."""
        tally.retried += 1
        try:
            return await self._attempt(request, auth, tally)
        except Overloaded:
            tally.retried -= 1
            last.final = True
            return last

    async def _turn(self, request: Request, auth: Auth, tally: Tally) -> Reply | _Retry | UpstreamError:
        """Make one request, in a slot of its own. Failures are returned: so they do not refer to their exception."""
        caller = QUEUE_CALLER.get()
        if not self._slots.take_free():
            self._check(caller.name, tally)
            self._room.enter(caller.name)
            tally.wait()
            try:
                await self._slots.take(caller.name)
                tally.dry = False
            except asyncio.CancelledError:
                tally.dry = self._bucket is not None and not self._bucket.free
                raise
            finally:
                tally.go_on()
                self._room.leave(caller.name)
        self._busy += 1
        received = Received()
        try:
            if caller.on_slot is not None:
                caller.on_slot()
            began = time.monotonic()
            tally.sent = tally.sent or began
            tally.requests += 1
            exchange = self._wire.exchange(auth(request), received, self._body_limit)
            await (exchange if self._wire.stoppable else self._to_the_end(exchange, tally))
        except SecretMissing as missing:
            return Unavailable(f"the upstream's token is not at hand: {missing}")
        except TooLong:
            what = f"the answer is longer than {self._body_limit} bytes"
            return Malformed(what, status=received.status, payload=received.body[:_SHOWN])
        except ConnectionBroken as broken:
            return _broken(broken, received)
        finally:
            tally.bytes += received.size
            self._busy -= 1
            self._slots.give()
        found = _answer(received)
        if not self._hedge.never and isinstance(found, Reply):
            self._hedge.learn(tally.report, time.monotonic() - began)
        return found

    def _check(self, name: str, tally: Tally) -> None:
        """Raise Overloaded for a request that may not wait, or whose wait would end too late."""
        bucket = self._bucket
        if (self._busy >= self._concurrency or bucket is not None) and self._room.full(name):
            self._overloaded += 1
            raise Overloaded(f"{len(self._room)} calls wait for the upstream already: try again later, or ask for less")
        # Only requests of the same caller go before this one.
        if bucket is not None and bucket.wait(self._room.of(name) + 1) >= self._left(tally):
            self._overloaded += 1
            raise self._too_many(bucket, tally)

    def _too_many(self, bucket: Bucket, tally: Tally) -> Overloaded:
        return Overloaded(
            f"{tally.report}: the upstream may be sent {bucket.most} calls a minute, and this one would come too late: "
            f"try again in {math.ceil(bucket.wait())} s, or ask for less"
        )

    async def _twice(self, request: Request, auth: Auth, tally: Tally, delay: float) -> Reply | _Retry | UpstreamError:
        """Make a request, and a second one if the first is late and a slot is free. Return the first answer."""
        tasks = {asyncio.create_task(self._turn(request, auth, tally))}
        try:
            await asyncio.wait(tasks, timeout=delay)
            first = next(iter(tasks))
            free = self._busy < self._concurrency and not len(self._room) and self._slots.open
            if not first.done() and free and self.budget.spend():
                self._hedged += 1
                tally.hedged += 1
                tasks.add(asyncio.create_task(self._turn(request, auth, tally)))
            pending: set[asyncio.Task[Reply | _Retry | UpstreamError]] = set(tasks)
            while True:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                found = [task.result() for task in done]
                for each in found:
                    if isinstance(each, Reply) or not pending:
                        return each
        finally:
            for task in tasks:
                task.cancel()

    async def _to_the_end(self, exchange: Coroutine[Any, Any, None], tally: Tally) -> None:
        """Make an exchange that must not be cancelled. It keeps its slot until it has ended, or its time is over."""
        task = asyncio.create_task(exchange)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            self._left_alone.add(task)
            task.add_done_callback(self._left_alone.discard)
            try:
                await asyncio.wait((task,), timeout=max(tally.ends - time.monotonic(), 0.0))
            finally:
                task.cancel()
            raise


def _answer(received: Received) -> Reply | _Retry | UpstreamError:
    """Return the answer that was received, whole."""
    # Some servers of PHP begin with a byte order mark (C39).
    status, body = received.status, received.body.removeprefix(codecs.BOM_UTF8)
    assert status is not None
    if not body.isascii() and (charset := _charset(received.content_type)) is not None:
        what = f"the answer claims to be written in {charset}, where JSON is UTF-8"
        return Malformed(what, status=status, payload=body[:_SHOWN])
    reply = Reply(status, body)
    return _Retry(None, reply, _retry_after(received.retry_after)) if status in _AGAIN else reply


def _broken(broken: ConnectionBroken, received: Received) -> _Retry | UpstreamError:
    """Return the error of an exchange without a whole answer."""
    error = broken.kind(broken.what, status=received.status, payload=received.body[:_SHOWN] or None)
    if isinstance(error, Malformed):
        error.cut = True
    return _Retry(error) if broken.again else error


def _wire(config: TransportConfig) -> Wire:
    if config.transport is None:
        return RustWire(config.concurrency, config.connect_timeout, config.secure)
    # Imported only here, because httpx takes 5 MiB of memory.
    from upstream.transport.wire_httpx import HttpxWire

    return HttpxWire(config.transport, config.connect_timeout)


def _retry_after(text: str | None) -> float | None:
    """Return the seconds of a `Retry-After`, given in seconds or as a date (C39); None for anything else."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            date = parsedate_to_datetime(text)
        except ValueError:
            return None
        now = datetime.datetime.now(datetime.UTC)
        return max((date.replace(tzinfo=date.tzinfo or datetime.UTC) - now).total_seconds(), 0.0)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _charset(content_type: str | None) -> str | None:
    """Return the charset of a content type, if it is not UTF-8."""
    header = Message()
    header["content-type"] = content_type or ""
    charset = header.get_content_charset()
    return None if charset in (None, "utf-8", "utf8", "us-ascii") else charset[:40]
