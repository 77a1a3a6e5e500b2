"""Both upstream systems as `reconcile` reads them: every answer once over HTTP, and one of them changed on its way."""

import datetime
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from zoneinfo import ZoneInfo

from resolvers.reconcile.figures import Difference
from server.reconcile.reconciliation import People, Reconciliation, ReconciliationResult
from tests.server.changing_proxy import ChangingProxy, changing_proxy
from tests.server.reconcile.mutations import Mutation
from tests.stand import Sandbox
from upstream.agents import Agent, Agents
from upstream.call import Answer, Call
from upstream.client import GameHubConfig, GameLogConfig, Upstream
from upstream.reports import table as reports
from upstream.transport.secret import Secret
from upstream.values.days import pieces
from upstream.values.interval import dates


class Books:
    """The answers of a small world. An answer that a mutation changes is read anew, changed at the edge."""

    def __init__(
        self, upstream: Upstream, proxy: ChangingProxy, day: datetime.date, now: datetime.datetime, zone: ZoneInfo
    ) -> None:
        self.proxy = proxy
        self.zone = zone
        self.frame = dates(day, day, zone)
        self._upstream = upstream
        self._now = now
        self._known: dict[Call, Answer[Any]] = {}
        self._mutation: Mutation | None = None

    async def anew(self, call: Call) -> Answer[Any]:
        if self._mutation is not None and call == self._mutation.call:
            self.proxy.changes = (self._mutation,)
            try:
                return await self._upstream.fetch(call)
            finally:
                self.proxy.changes = ()
        if call not in self._known:
            self._known[call] = await self._upstream.fetch(call)
        return self._known[call]

    def call(self, report: reports.Report, **params: Any) -> Call:
        return Call.of(report, self.frame if report.frame is not None else None, **params)

    async def rows(self, call: Call) -> list[Any]:
        return list((await self.anew(call)).rows)

    async def raw(self, call: Call) -> list[Any]:
        """Return the rows of a call as they stand on the wire."""
        found: list[Any] = []
        self.proxy.changes = (_Look(call.report.report_type, found),)
        try:
            await self._upstream.fetch(call)
        finally:
            self.proxy.changes = ()
        return found

    async def compare(self, mutation: Mutation | None = None) -> tuple[ReconciliationResult, list[Difference]]:
        """Compare all reports of the day, with one value changed."""
        found: list[Difference] = []
        self._mutation = mutation
        work = Reconciliation(
            self,
            self.zone,
            People(),
            on_difference=lambda day, difference: found.append(difference),
            now=lambda: self._now,
        )
        try:
            return await work.run(pieces(self.frame, self.zone)), found
        finally:
            self._mutation = None


class _Look:
    """Read the rows that pass the proxy, and change nothing."""

    def __init__(self, report_type: str, found: list[Any]) -> None:
        self.report_type = report_type
        self._found = found

    def strike(self, request: dict[str, Any], rows: list[Any]) -> None:
        self._found += rows


@asynccontextmanager
async def opened(sandbox: Sandbox, day: datetime.date, now: str) -> AsyncIterator[Books]:
    """The books of a sandbox, for one day."""
    zone = ZoneInfo(sandbox.timezone)
    agents = Agents(Agent(sandbox.agent_code, Secret(sandbox.agent_token)))
    async with (
        changing_proxy(sandbox) as proxy,
        Upstream(
            GameHubConfig(lambda: proxy.gamehub_url, Secret(sandbox.gamehub_token), zone),
            GameLogConfig(lambda: proxy.gamelog_url, agents, ZoneInfo(sandbox.log_timezone)),
        ) as upstream,
    ):
        yield Books(upstream, proxy, day, datetime.datetime.fromisoformat(now), zone)
