"""GameHub: one GET a report (R1-R11)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from upstream.call import Call
from upstream.decoding import decode
from upstream.decoding.bad_value import BadValues
from upstream.decoding.belonging import refuse_strangers
from upstream.decoding.distinct import distinct
from upstream.errors import Malformed, Unavailable, refusal
from upstream.reports import request
from upstream.reports.rows import Row
from upstream.resilience.bucket import Bucket
from upstream.transport.auth import GameHubAuth, with_token
from upstream.transport.secret import Secret
from upstream.transport.secure import PLAIN, Secure
from upstream.transport.transport import Auth, Reply, Tally, Transport

if TYPE_CHECKING:  # httpx is loaded with `wire_httpx.py` alone
    from httpx import AsyncBaseTransport

EMPTY = "10002"  # "Empty data / Failed validation": parameters are checked beforehand, so the data is empty (C11)
# Above this an answer is read in a thread, so that the event loop goes on meanwhile.
BIG = 1 << 20


@dataclass(frozen=True)
class GameHubConfig:
    """How GameHub is reached. `url` is asked at every request, since it may change; times are in seconds.

    `auth` makes the authentication from the token; `transport` replaces the Rust one, whose place any
    `httpx.AsyncBaseTransport` may take.
    """

    url: Callable[[], str]
    token: Secret
    timezone: ZoneInfo
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
    auth: Callable[[Secret], Auth] = GameHubAuth
    transport: "AsyncBaseTransport | None" = None


class GameHubClient:
    """Reads the reports of GameHub."""

    def __init__(self, config: GameHubConfig) -> None:
        self._config = config
        self._auth = config.auth(config.token)
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
        """The rows of a checked call; what is wrong in some of them is noted in `bad`.

        Raises UpstreamError, and TimeoutError at the end of the deadline.
        """
        zone = self._config.timezone
        asked = None
        if call.interval is not None:
            asked = (request.days if call.report.moment is None else request.span)(call.interval, zone)
        query = request.query(call, asked)
        rows = await with_token(self._config.token, self.transport.budget, lambda: self._read(call, query, tally, bad))
        # Rows of somebody else are not what was asked for.
        refuse_strangers(call, rows, asked, self._config.timezone)
        rows = distinct(call.report, rows)
        return rows if asked is None else _within(rows, call, asked)

    async def _read(self, call: Call, query: list[tuple[str, str]], tally: Tally, bad: BadValues) -> list[Row]:
        base = self._config.url()
        if not base:
            raise Unavailable("GAMEHUB_URL is not set")
        # With the slash before `?`, as the document writes it (C1).
        url = f"{base.rstrip('/')}/{call.report.action}/"
        reply = await self.transport.send(self.transport.request("GET", url, query=query), self._auth, tally)
        if len(reply.body) > BIG:
            return await asyncio.to_thread(self._rows, call, reply, bad)
        return self._rows(call, reply, bad)

    def _rows(self, call: Call, reply: Reply, bad: BadValues) -> list[Row]:
        report, status, body = call.report, reply.status, reply.body
        if 300 <= status < 400:
            raise Malformed(f"{report.code}: the upstream redirects ({status}); not followed", status=status)
        if status >= 400:
            told = decode.failure(body) or decode.Failure(None, "")
        else:
            try:
                found = decode.report_rows(
                    report, body, self._config.timezone, request.columns(call), request.needed(call), bad
                )
            except Malformed as error:
                error.status = status
                raise
            if isinstance(found, list):
                return found
            told = found
        if told.code == EMPTY and status < 500:
            return []
        raise refusal(report.code, status, told.code, told.message, body)


def _within(rows: list[Row], call: Call, asked: request.Span) -> list[Row]:
    # The rows of R1 are days: nothing finer is to be left out of them.
    column = call.report.moment
    return rows if asked.window is None or column is None else request.within(rows, column, asked.window)
