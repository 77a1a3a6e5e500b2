"""Read the reports of GameHub (R1, R2 and so on): one GET request for each call."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from upstream.call import Call
from upstream.decoding import envelope
from upstream.decoding.belonging import refuse_strangers
from upstream.decoding.distinct import distinct
from upstream.errors import Malformed, Unauthenticated, Unavailable, refusal
from upstream.reports import request
from upstream.reports.rows import Row
from upstream.transport.auth import GameHubAuth, TokenUse
from upstream.transport.secret import Secret
from upstream.transport.transport import Auth, Reply, Tally, Transport, TransportConfig
from upstream.transport.wire import Request, checked
from upstream.values.bad_value import BadValues

EMPTY = "10002"  # "Empty data / Failed validation". The parameters were checked before, so the data is empty (C11)
# Longer answers are decoded in a thread, so that the event loop goes on.
BIG = 1 << 20


@dataclass(frozen=True)
class GameHubConfig(TransportConfig):
    """Hold the settings of GameHub. `url` is called for every request, because the address may change.

    `auth` makes the authentication from the token.
    """

    url: Callable[[], str]
    token: Secret
    timezone: ZoneInfo
    auth: Callable[[Secret], Auth] = GameHubAuth


class GameHubClient:
    """Read the reports of GameHub."""

    def __init__(self, config: GameHubConfig) -> None:
        self._config = config
        self._auth = config.auth(config.token)
        self.transport = Transport(config)

    async def read(self, call: Call, tally: Tally, bad: BadValues) -> tuple[list[Row], None]:
        """Return the rows of a checked call, without a total. Bad values are noted in `bad`.

        Raise UpstreamError, and TimeoutError at the end of the deadline.
        """
        zone = self._config.timezone
        span = None
        if call.interval is not None:
            span = (request.days if call.report.moment is None else request.span)(call.interval, zone)
        query = request.query(call, span)
        token = self._config.token
        use = TokenUse(token, self.transport.budget, token.reading, token.current)
        while True:
            base = self._config.url()
            if not base:
                raise Unavailable("GAMEHUB_URL is not set")
            # With the slash before `?`, as the document writes it (C1).
            url = checked(f"{base.rstrip('/')}/{call.report.action}/")
            reply = await self.transport.send(Request("GET", url, query), self._auth, tally)
            try:
                if len(reply.body) > BIG:
                    rows = await asyncio.to_thread(self._rows, call, reply, bad)
                else:
                    rows = self._rows(call, reply, bad)
                break
            except Unauthenticated as error:
                refused = error
            use.refused(refused)
        # Rows of others do not belong to this call.
        refuse_strangers(call, rows, span, self._config.timezone)
        rows = distinct(call.report, rows)
        return (rows if span is None else _within(rows, call, span)), None

    def _rows(self, call: Call, reply: Reply, bad: BadValues) -> list[Row]:
        report, status, body = call.report, reply.status, reply.body
        if 300 <= status < 400:
            raise Malformed(
                f"{report.code}: GameHub redirects the request ({status}), and redirects are not followed: set "
                "GAMEHUB_URL to the final address",
                status=status,
            )
        if status >= 400:
            failure = envelope.failure(body) or envelope.Failure(None, "")
        else:
            needed = request.needed(call)
            columns = None if call.columns is None else call.columns | needed
            try:
                found = envelope.report_rows(report, body, self._config.timezone, columns, needed, bad)
            except Malformed as error:
                error.status = status
                raise
            if isinstance(found, list):
                return found
            failure = found
        if failure.code == EMPTY and status < 500:
            return []
        raise refusal(report.code, status, failure.code, failure.message, body)


def _within(rows: list[Row], call: Call, span: request.Span) -> list[Row]:
    # The rows of R1 are whole days: no part of a day can be left out.
    column = call.report.moment
    return rows if span.window is None or column is None else request.within(rows, column, span.window)
