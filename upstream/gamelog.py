"""Game History: the game log, in pages (G1)."""

import asyncio
import datetime
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from upstream.agents import Agent, Agents
from upstream.call import Call
from upstream.decoding import decode
from upstream.decoding.bad_value import BadValues
from upstream.decoding.belonging import refuse_strangers
from upstream.decoding.distinct import distinct
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
from upstream.resilience.bucket import Bucket
from upstream.transport.auth import GameLogAuth, with_token
from upstream.transport.secret import SecretMissing
from upstream.transport.secure import PLAIN, Secure
from upstream.transport.transport import Auth, Reply, Tally, Transport

if TYPE_CHECKING:  # httpx is loaded with `wire_httpx.py` alone
    from httpx import AsyncBaseTransport

# The document shows one failure, "Invalid Parameter.", and names no other: the rest is read from the words.
_UNAUTHENTICATED = re.compile(r"token|credential|unauth|agent", re.IGNORECASE)
_NO_USER = re.compile(r"(invalid|unknown|no such) user|user(_code)? (not found|does not exist)", re.IGNORECASE)
_INVALID_PARAMETER = re.compile(r"invalid parameter|invalid method", re.IGNORECASE)
# A log that has moved under our eyes is read again in one page, which cannot move, if it is no longer than this.
_ONE_PAGE = 100_000
MAXIMUM = 1_000_000


@dataclass(frozen=True)
class GameLogConfig:
    """How Game History is reached: `GameHubConfig` in its terms. `page_size` rows a page, at most 1,000,000."""

    url: Callable[[], str]
    agents: Agents
    timezone: ZoneInfo
    timeout: float = 30.0
    connect_timeout: float = 5.0
    concurrency: int = 8
    attempts: int = 3
    backoff: float = 0.1
    body_limit: int = 256 * 1024 * 1024
    most_waiting: int = 1000
    hedge_after: str = ""
    breaker_failures: int = 5
    breaker_seconds: float = 5.0
    secure: Secure = PLAIN
    bucket: Bucket | None = None
    page_size: int = 10_000
    pages_at_once: int = 4
    auth: Callable[[Agent], Auth] = GameLogAuth
    transport: "AsyncBaseTransport | None" = None

    def __post_init__(self) -> None:
        """Raises ValueError for a page size that the upstream would refuse."""
        if not 1 <= self.page_size <= MAXIMUM:
            raise ValueError(f"the page size of the game log must be from 1 to {MAXIMUM:,}")


class _PagesMoved(Exception):
    """The pages do not fit together: the log has changed between them, or is not whole."""


class GameLogClient:
    """Reads the game log of an agent."""

    def __init__(self, config: GameLogConfig) -> None:
        self._config = config
        self.transport = Transport(
            timeout=config.timeout,
            connect_timeout=config.connect_timeout,
            concurrency=config.concurrency,
            attempts=config.attempts,
            backoff=config.backoff,
            body_limit=config.body_limit,
            most_waiting=config.most_waiting,
            hedge_after=config.hedge_after,
            secure=config.secure,
            bucket=config.bucket,
            transport=config.transport,
        )

    async def read(self, call: Call, tally: Tally, bad: BadValues) -> list[Row]:
        """The rows of a checked call, from all pages; what is wrong in some of them is noted in `bad`.

        Raises UpstreamError, and TimeoutError at the deadline.

        A total that moves between pages, a short page or a row that stands on two of them means that the log changed
        while it was read: it is read once more from the start, and then it is Incomplete.
        """
        assert call.interval is not None
        # One moment for all pages, and for all keys of an operation.
        interval = request.settled(call.interval, call.moment or datetime.datetime.now(datetime.UTC))
        asked = request.span(interval, self._config.timezone, by_days=False)
        rows = await self._reader(call, asked, tally, bad).read()
        refuse_strangers(call, rows, asked, self._config.timezone)
        return rows if asked.window is None else request.within(rows, "created_at", asked.window)

    async def count(self, call: Call, tally: Tally) -> int:
        """Return how many rows a checked call would bring, as the upstream counts them: `total_count` of a page of one.

        The bounds are those of the interval: the second more on either side would count rows that are not its own.
        Raises UpstreamError, and TimeoutError at the deadline.
        """
        assert call.interval is not None
        asked = request.span(call.interval, self._config.timezone, by_days=False, wider=False)
        return (await self._reader(call, asked, tally, BadValues(call.report.code)).page(0, 1)).total

    def _reader(self, call: Call, asked: request.Span, tally: Tally, bad: BadValues) -> "_PageReader":
        try:
            return _PageReader(self, call, asked, self._config.agents.agent(call.agent), tally, bad)
        except SecretMissing as error:
            missing = str(error)
        raise Unavailable(f"G1: the agent is not at hand: {missing}")


class _PageReader:
    """One reading of a log."""

    def __init__(
        self, log: GameLogClient, call: Call, asked: request.Span, agent: Agent, tally: Tally, bad: BadValues
    ) -> None:
        self._config = log._config
        self._transport = log.transport
        self._auth = self._config.auth(agent)
        self._agent = agent
        self._call = call
        self._asked = asked
        self._tally = tally
        self._bad = bad
        self._renewed = False
        self._total = 0

    async def read(self) -> list[Row]:
        """All pages; from the start again if they do not fit together."""
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
        # An upstream that gives fewer rows a page than it was asked for says so in `perPage`.
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
        rows = decode.LazyRows.joined(parts)  # type: ignore[arg-type]
        ids = {row.history_id for row in rows}  # type: ignore[attr-defined]
        if len(ids) != len(rows):
            raise _PagesMoved(f"{len(rows) - len(ids)} rows stand on two of its pages")
        return rows

    async def _beyond(self, size: int) -> list[decode.LogPage[Row]]:
        """The pages after one that is full and as long as its total, which may count that page alone (C40)."""
        found: list[decode.LogPage[Row]] = []
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

    async def _others(self, count: int, size: int, total: int) -> list[decode.LogPage[Row]]:
        """The pages after the first, a few at once; the first failure stops the rest."""
        found: list[decode.LogPage[Row] | None] = [None] * count
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

    async def page(self, number: int, size: int) -> decode.LogPage[Row]:
        """Return one page of so many rows."""
        body = request.body(self._call, self._asked, number, size)
        return await with_token(self._agent.token, self._transport.budget, lambda: self._ask(body))

    async def _ask(self, body: dict[str, Any]) -> decode.LogPage[Row]:
        url = self._config.url()
        if not url:
            raise Unavailable("GAMELOG_URL is not set")
        reply = await self._transport.send(self._transport.request("POST", url, body=body), self._auth, self._tally)
        if len(reply.body) > BIG:
            return await asyncio.to_thread(self._decoded, reply)
        return self._decoded(reply)

    def _decoded(self, reply: Reply) -> decode.LogPage[Row]:
        report, status, body = self._call.report, reply.status, reply.body
        if 300 <= status < 400:
            raise Malformed(f"{report.code}: the upstream redirects ({status}); not followed", status=status)
        if status >= 400:
            told = decode.log_failure(body) or decode.Failure(None, "")
        else:
            game_type = str(dict(self._call.params)["game_type"])
            try:
                call, zone = self._call, self._config.timezone
                found = decode.log_page(
                    report, game_type, body, zone, request.columns(call), request.needed(call), self._bad
                )
            except Malformed as error:
                error.status = status
                raise
            if isinstance(found, decode.LogPage):
                return found
            told = found
        kind = STATUSES.get(status) or _kind(told.message)
        message = f"{report.code}: the upstream answered {status}: {told.message or 'no message'}"
        raise kind(message, status=status, payload=body)


def _kind(message: str) -> type[UpstreamError]:
    """What a `msg` and `detail` say."""
    headline = message.partition(":")[0]
    if _INVALID_PARAMETER.search(headline):
        return ContractBroken
    if _NO_USER.search(headline):
        return NotFound
    if _UNAUTHENTICATED.search(message):
        return Unauthenticated
    return UpstreamFailed


def _check_length(page: decode.LogPage[Row], total: int, size: int, number: int) -> None:
    if page.total != total:
        raise _PagesMoved(f"its total moved from {total} to {page.total}")
    expected = max(min(size, total - number * size), 0)
    if len(page.rows) != expected:
        raise _PagesMoved(f"page {number} has {len(page.rows)} rows where the total of {total} means {expected}")
