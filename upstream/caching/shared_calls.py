"""Make each upstream call once for all servers that share a Redis, as a single flight does within one server."""

import asyncio
import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from upstream.caching import day_entry
from upstream.caching.cache_stats import Demand, nothing
from upstream.caching.cut import Cutter
from upstream.caching.day_checks import Counted, DaySource
from upstream.caching.day_entry import UnreadableEntry
from upstream.caching.seal import opened, seal
from upstream.call import Answer, Call, MadeCall
from upstream.errors import Malformed, Overloaded, UpstreamError, kinds
from upstream.redis.leases import Lease, Leases, Result
from upstream.reports.order import Claim, RowOrder, Share
from upstream.resilience import deadline
from upstream.values.days import microseconds

# More rows than these are packed in a thread, so that the event loop goes on.
_MANY_ROWS = 5_000
# A larger result is not given to other servers: they make the call themselves, or find its days in the store.
_MOST_BYTES = 16 << 20
_NO_FETCH = bytes(8)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class _SharedError(msgspec.Struct, array_like=True):
    """The part of a failed call that other servers get. No error contains a secret."""

    code: str
    message: str
    report: str
    column: str
    status: int | None
    upstream_code: str | None
    correlation_id: str


@dataclass(frozen=True, slots=True)
class SharedAnswer:
    """An answer, when it was requested, and whether by another server.

    `give` gives an own answer to the servers that wait. Call it when the days of the answer are in the store: a server
    that comes later finds them there.
    """

    answer: Answer[Any]
    requested_at: datetime.datetime
    shared: bool = False
    give: Callable[[], None] = nothing


class SharedCalls:
    """Make upstream calls under leases."""

    def __init__(self, source: DaySource, leases: Leases, cutter: Cutter, now: Callable[[], datetime.datetime]) -> None:
        self._source = source
        self._leases = leases
        self._cutter = cutter
        self._now = now
        self.forgotten_at = _EPOCH  # rows that were requested earlier were forgotten
        self._packing: set[asyncio.Task[None]] = set()

    async def fetch(self, call: Call, demand: Demand) -> SharedAnswer:
        """Return the answer of a call that another server makes, or make it. Raises UpstreamError."""
        name = ":".join(self._cutter.whole_key(call, ""))
        if call.interval is not None and call.interval.days is not None:
            name += f":{call.interval.days}"
        began = demand.not_before or self.forgotten_at
        started = time.monotonic()
        found = await self._leases.take(
            name,
            lambda: microseconds(self._now()),
            began_from=microseconds(max(began, self.forgotten_at)),
            done_from=microseconds(demand.since) if demand.not_before is None else 0,
        )
        if isinstance(found, Result):
            if found.failed:
                raise _error_of(found.value, call)
            theirs = await self._answer_of(found, name, call, time.monotonic() - started)
            if theirs is not None:
                return theirs
        if not isinstance(found, Lease):
            requested_at = self._now()
            return SharedAnswer(await self._source.fetch(call), requested_at)
        answer = await self._fetch_for_all(call, found)
        # For other servers the call began with the lease, so it does for this one.
        return SharedAnswer(
            answer, _moment(found.began), give=partial(self._give_apart, answer, name, found, demand.keep)
        )

    async def count(self, call: Call, not_before: datetime.datetime) -> Counted:
        """Return how many rows a counting call finds, or found for another server at this moment or later.

        Raises UpstreamError.
        """
        started = time.monotonic()
        began = microseconds(max(not_before, self.forgotten_at))
        name = ":".join((*self._cutter.whole_key(call, ""), "count"))
        found = await self._leases.take(name, lambda: microseconds(self._now()), began_from=began)
        if isinstance(found, Result):
            if found.failed:
                raise _error_of(found.value, call)
            total = opened(name.encode(), found.value)
            if total is not None:
                made = MadeCall(call, 0, 0, 0, time.monotonic() - started, joined=True)
                return Counted(int(total), self._began(found), made)
        if not isinstance(found, Lease):
            requested_at = self._now()
            return Counted.of(call, await self._source.fetch(call), requested_at)
        answer = await self._fetch_for_all(call, found)
        found.done(seal(name.encode(), str(answer.total).encode()), microseconds(self._now()))
        return Counted.of(call, answer, _moment(found.began))

    async def aclose(self) -> None:
        """Wait until the results for other servers are written."""
        if self._packing:
            await asyncio.wait(self._packing)
        await self._leases.aclose()

    async def _fetch_for_all(self, call: Call, lease: Lease) -> Answer[Any]:
        try:
            return await self._source.fetch(call)
        except UpstreamError as error:
            # A limit or a deadline of this server is no failure for another one.
            if isinstance(error, Overloaded) or deadline.left() <= 0:
                lease.give_up()
            else:
                lease.failed(_text_of(error), microseconds(self._now()))
            raise
        except BaseException:
            lease.give_up()
            raise

    def _give_apart(self, answer: Answer[Any], name: str, lease: Lease, keep: float) -> None:
        """Give an answer to the servers that wait, in a task of its own."""
        task = asyncio.create_task(self._give(answer, name, lease, keep))
        self._packing.add(task)
        task.add_done_callback(self._packing.discard)

    async def _give(self, answer: Answer[Any], name: str, lease: Lease, keep: float) -> None:
        """Give an answer to the servers that wait."""
        rows, done = answer.rows, self._now()

        def pack() -> bytes:
            share = Share(rows, Claim(RowOrder.NONE), _NO_FETCH)
            return seal(name.encode(), day_entry.pack(share, done, 0.0))

        try:
            value = await asyncio.to_thread(pack) if len(rows) > _MANY_ROWS else pack()
        except Exception:  # a value that no entry can hold
            lease.unshared(microseconds(done))
            return
        if len(value) > _MOST_BYTES:
            lease.unshared(microseconds(done))
        else:
            lease.done(value, microseconds(done), keep)

    async def _answer_of(self, found: Result, name: str, call: Call, seconds: float) -> SharedAnswer | None:
        """Return the answer that another server gave; None if it cannot be read."""

        def read() -> Share | None:
            value = opened(name.encode(), found.value)
            try:
                return None if value is None else day_entry.unpack(value).share(call.report.row)
            except UnreadableEntry:
                return None

        share = await asyncio.to_thread(read) if len(found.value) > _MANY_ROWS * 100 else read()
        if share is None:
            return None
        return SharedAnswer(Answer(share.rows, 0, 0, seconds), self._began(found), True)

    def _began(self, found: Result) -> datetime.datetime:
        """Return when the call of another server began. If that is in the future, its clock is ahead of ours."""
        return min(_moment(found.began), self._now())


def _moment(at: int) -> datetime.datetime:
    return _EPOCH + datetime.timedelta(microseconds=at)


def _text_of(error: UpstreamError) -> bytes:
    return msgspec.msgpack.encode(
        _SharedError(
            error.code, error.message, error.report, error.column, error.status, error.upstream_code,
            error.correlation_id,
        )
    )  # fmt: skip


def _error_of(value: bytes, call: Call) -> UpstreamError:
    try:
        said = msgspec.msgpack.decode(value, type=_SharedError)
    except msgspec.MsgspecError:
        return Malformed(f"{call.report.code}: {Malformed.plain}", report=call.report.code)
    kind = {kind.code: kind for kind in kinds()}.get(said.code, UpstreamError)
    return kind(
        said.message, report=said.report, column=said.column, status=said.status, upstream_code=said.upstream_code,
        correlation_id=said.correlation_id,
    )  # fmt: skip
