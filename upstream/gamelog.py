"""Read the game log of Game History, page by page (G1)."""

import asyncio
import datetime
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

from upstream.agents import Agent, Agents
from upstream.call import Call
from upstream.decoding import envelope
from upstream.decoding.belonging import refuse_strangers
from upstream.decoding.distinct import distinct
from upstream.decoding.lazy_rows import LazyRows
from upstream.errors import (
    STATUSES,
    ContractBroken,
    Incomplete,
    Malformed,
    NotFound,
    Unauthenticated,
    Unavailable,
    UpstreamError,
    UpstreamFailed,
)
from upstream.gamehub import BIG
from upstream.reports import request
from upstream.reports.rows import Row
from upstream.transport.auth import GameLogAuth, TokenUse
from upstream.transport.secret import SecretMissing
from upstream.transport.transport import Auth, Reply, Tally, Transport, TransportConfig
from upstream.transport.wire import Request, checked
from upstream.values.bad_value import BadValues

# The document shows only one failure, "Invalid Parameter.". Other failures are recognised by their words.
_UNAUTHENTICATED = re.compile(r"token|credential|unauth|agent", re.IGNORECASE)
_NO_USER = re.compile(r"(invalid|unknown|no such) user|user(_code)? (not found|does not exist)", re.IGNORECASE)
_INVALID_PARAMETER = re.compile(r"invalid parameter|invalid method", re.IGNORECASE)
# A log that changed while its pages were read is read again in one page, if it is not longer than this.
_ONE_PAGE = 100_000
MAXIMUM = 1_000_000


@dataclass(frozen=True)
class GameLogConfig(TransportConfig):
    """Hold the settings of Game History. A page has `page_size` rows, at most 1,000,000."""

    url: Callable[[], str]
    agents: Agents
    timezone: ZoneInfo
    concurrency: int = field(default=8, kw_only=True)
    page_size: int = 10_000
    pages_at_once: int = 4
    auth: Callable[[Agent], Auth] = GameLogAuth

    def __post_init__(self) -> None:
        """Raise ValueError for a page size that the upstream would refuse."""
        if not 1 <= self.page_size <= MAXIMUM:
            raise ValueError(f"the page size of the game log must be from 1 to {MAXIMUM:,}")


class _PagesMoved(Exception):
    """Say that the pages do not fit together: the log changed between them, or is not complete."""


class GameLogClient:
    """Read the game log of an agent."""

    def __init__(self, config: GameLogConfig) -> None:
        self._config = config
        self.transport = Transport(config)

    async def read(self, call: Call, tally: Tally, bad: BadValues) -> tuple[list[Row], int | None]:
        """Return the rows of a checked call, from all pages, or the total of a counting one. `bad` notes bad values.

        Raise UpstreamError, and TimeoutError at the deadline.

        A total that moves between pages, a short page or a row on two of them means that the log changed
        while it was read: it is read once more from the start, and then it is Incomplete.
        """
        assert call.interval is not None
        if call.counting:
            return [], await self.count(call, tally)
        # One moment for all pages, and for all keys of an operation.
        interval = request.settled(call.interval, call.moment or datetime.datetime.now(datetime.UTC))
        span = request.span(interval, self._config.timezone, by_days=False)
        rows = await self._reader(call, span, tally, bad).read()
        refuse_strangers(call, rows, span, self._config.timezone)
        assert call.report.moment is not None
        if span.window is not None:
            rows = request.within(rows, call.report.moment, span.window)
        return rows, None

    async def count(self, call: Call, tally: Tally) -> int:
        """Return how many rows a checked call would bring, as the upstream counts them: `total_count` of a page of one.

        The bounds are those of the interval: an added second on either side would count rows outside it.
        Raise UpstreamError, and TimeoutError at the deadline.
        """
        assert call.interval is not None
        span = request.span(call.interval, self._config.timezone, by_days=False, wider=False)
        return (await self._reader(call, span, tally, BadValues(call.report.code)).page(0, 1)).total

    def _reader(self, call: Call, span: request.Span, tally: Tally, bad: BadValues) -> "_PageReader":
        try:
            return _PageReader(self, call, span, self._config.agents.agent(call.agent), tally, bad)
        except SecretMissing as error:
            missing = str(error)
        raise Unavailable(f"G1: the agent is not at hand: {missing}")


class _PageReader:
    """Read a log once."""

    def __init__(
        self, log: GameLogClient, call: Call, span: request.Span, agent: Agent, tally: Tally, bad: BadValues
    ) -> None:
        self._config = log._config
        self._transport = log.transport
        self._auth = self._config.auth(agent)
        self._agent = agent
        self._call = call
        self._span = span
        self._tally = tally
        self._bad = bad
        self._renewed = False
        self._total = 0

    async def read(self) -> list[Row]:
        """Return the rows of all pages. Read them again from the start if they do not fit together."""
        try:
            return await self._pages(self._config.page_size)
        except _PagesMoved:
            self._bad.forget()
        try:
            whole = self._total + self._total // 10 + 1000
            return await self._pages(max(whole, self._config.page_size) if whole <= _ONE_PAGE else None)
        except _PagesMoved as error:
            moved = str(error)
        raise Incomplete(f"G1: the log is not whole, also when read again: {moved}")

    async def _pages(self, size: int | None) -> list[Row]:
        size = size or self._config.page_size
        first = await self.page(0, size)
        self._total = first.total
        # An upstream that returns fewer rows per page than requested says so in `perPage`.
        if first.per_page is not None and 0 < first.per_page < size:
            size = first.per_page
        pages = [first]
        count = math.ceil(first.total / size)
        _check_length(first, first.total, size, 0)
        if count > 1:
            pages += await self._others(count, size, first.total)
        elif first.total == size:
            pages += await self._beyond(size)
        parts = [distinct(self._call.report, page.rows) for page in pages]
        if len(parts) == 1:
            return parts[0]
        rows = LazyRows.joined(parts)  # type: ignore[arg-type]
        assert self._call.report.id is not None
        ids = set(map(attrgetter(self._call.report.id), rows))
        if len(ids) != len(rows):
            raise _PagesMoved(f"{len(rows) - len(ids)} rows stand on two of its pages")
        return rows

    async def _beyond(self, size: int) -> list[envelope.LogPage[Row]]:
        """Return the pages after a full page as long as its total, which may count this page alone (C40)."""
        found: list[envelope.LogPage[Row]] = []
        while True:
            page = await self.page(len(found) + 1, size)
            if not page.rows:
                return found
            if page.total != len(page.rows) or page.total > size:
                raise _PagesMoved(
                    f"page {len(found) + 1} has {len(page.rows)} rows of {page.total}, beyond a total of {size}"
                )
            found.append(page)
            if len(page.rows) < size:
                return found

    async def _others(self, count: int, size: int, total: int) -> list[envelope.LogPage[Row]]:
        """Return the pages after the first, a few at a time. The first failure stops the others."""
        found: list[envelope.LogPage[Row] | None] = [None] * count
        numbers = iter(range(1, count))

        async def work() -> None:
            for number in numbers:
                page = await self.page(number, size)
                _check_length(page, total, size, number)
                found[number] = page

        workers = [asyncio.ensure_future(work()) for _ in range(min(self._config.pages_at_once, count - 1))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        return [page for page in found if page is not None]

    async def page(self, number: int, size: int) -> envelope.LogPage[Row]:
        """Return one page of this size."""
        body = request.body(self._call, self._span, number, size)
        token = self._agent.token
        use = TokenUse(token, self._transport.budget, token.reading, token.current)
        while True:
            try:
                return await self._ask(body)
            except Unauthenticated as error:
                refused = error
            use.refused(refused)

    async def _ask(self, body: dict[str, Any]) -> envelope.LogPage[Row]:
        url = self._config.url()
        if not url:
            raise Unavailable("GAMELOG_URL is not set")
        request = Request("POST", checked(url), body=body)
        reply = await self._transport.send(request, self._auth, self._tally)
        if len(reply.body) > BIG:
            return await asyncio.to_thread(self._decoded, reply)
        return self._decoded(reply)

    def _decoded(self, reply: Reply) -> envelope.LogPage[Row]:
        report, status, body = self._call.report, reply.status, reply.body
        if 300 <= status < 400:
            raise Malformed(f"{report.code}: the upstream redirects ({status}); not followed", status=status)
        if status >= 400:
            failure = envelope.log_failure(body) or envelope.Failure(None, "")
        else:
            game_type = str(dict(self._call.params)["game_type"])
            call, zone, needed = self._call, self._config.timezone, request.needed(self._call)
            columns = None if call.columns is None else call.columns | needed
            try:
                found = envelope.log_page(report, game_type, body, zone, columns, needed, self._bad)
            except Malformed as error:
                error.status = status
                raise
            if isinstance(found, envelope.LogPage):
                return found
            failure = found
        kind = STATUSES.get(status) or _kind(failure.message)
        message = f"{report.code}: the upstream answered {status}: {failure.message or 'no message'}"
        raise kind(message, status=status, payload=body)


def _kind(message: str) -> type[UpstreamError]:
    """Return the error that a `msg` and `detail` describe."""
    headline = message.partition(":")[0]
    if _INVALID_PARAMETER.search(headline):
        return ContractBroken
    if _NO_USER.search(headline):
        return NotFound
    if _UNAUTHENTICATED.search(message):
        return Unauthenticated
    return UpstreamFailed


def _check_length(page: envelope.LogPage[Row], total: int, size: int, number: int) -> None:
    if page.total != total:
        raise _PagesMoved(f"its total moved from {total} to {page.total}")
    expected = max(min(size, total - number * size), 0)
    if len(page.rows) != expected:
        raise _PagesMoved(f"page {number} has {len(page.rows)} rows where the total of {total} means {expected}")
