"""The gateway between the settings and the rooms: the upstream client, a session for each operation, and the probes."""

import asyncio
import datetime
import hashlib
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from resolvers.coherence import Coherence
from resolvers.currency import Currencies
from resolvers.join import Join
from resolvers.prices import Prices
from resolvers.session import Session
from server.execution.operation import Operation
from server.forgetting import FORGET, KEEPING_SECONDS, STATS, describe, forget
from server.http import readiness
from server.settings.live import LiveSettings
from server.tables.setup import TablesConfig
from upstream.agents import Agent, Agents
from upstream.caching.cache import CachedShare, DayCache, open_store
from upstream.call import Answer, Call
from upstream.client import GameHubConfig, GameLogConfig, Listener, Upstream
from upstream.errors import Overloaded, Unavailable, UpstreamError
from upstream.interval import Interval
from upstream.journal import Journal
from upstream.reports.table import GAME_LOGS, PROGRESSIVE_JACKPOTS, System
from upstream.resilience.bucket import Bucket
from upstream.transport.secret import Secret

# What to set when a system is not configured, for whoever reads the error.
MISSING = {
    System.GAMEHUB: "GameHub is not configured: set GAMEHUB_URL and GAMEHUB_TOKEN.",
    System.GAMELOG: "Game History is not configured: set GAMELOG_URL, GAMELOG_AGENT_CODE and GAMELOG_AGENT_TOKEN.",
}

CLOSING_SECONDS = 5.0

DEFAULT_AGENT = ""  # of all groups that have none of their own


@dataclass(frozen=True, slots=True)
class Probe:
    """A small call that shows whether a system, or one agent of it, answers."""

    title: str
    call: Call


class Gateway:
    """Both upstreams as the settings have them. A system whose address is not set says so when it is called."""

    def __init__(self, live: LiveSettings) -> None:
        self._live = live
        self._settings = settings = live.first
        self._zone = settings.business_zone
        urls = {System.GAMEHUB: settings.gamehub_url, System.GAMELOG: settings.gamelog_url}
        self.missing = {system: MISSING[system] for system, url in urls.items() if url is None}
        self._upstream: Upstream | None = None
        self._cached: DayCache | None = None
        rates = {System.GAMEHUB: settings.gamehub_calls_per_minute, System.GAMELOG: settings.gamelog_calls_per_minute}
        self._buckets = {system: Bucket(most) for system, most in rates.items() if most}
        self._prices = Prices(
            {System.GAMEHUB: settings.gamehub_concurrency, System.GAMELOG: settings.gamelog_concurrency}, self._buckets
        )
        self._join = Join(settings.movement_join)
        self._coherence: Coherence | None = None
        self._currencies = Currencies()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """The time in which calls may be made."""
        journal = Journal(self._settings.journal_file)
        self._upstream = Upstream(self._gamehub(), self._gamelog(), journal)
        self._cached = self._cache(self._upstream, journal)
        await asyncio.to_thread(self._cached.changes.load)
        same_days = self._settings.gamehub_timezone == self._zone.key
        self._coherence = Coherence(self._cached, self._zone, same_days)
        self._join = Join(self._settings.movement_join, journal, self._origin())
        keeping = asyncio.create_task(self._keep(journal))
        try:
            yield
        finally:
            keeping.cancel()
            # Calls that nobody waits for any longer may end by themselves, but not hold up the end for minutes.
            for door in (self._cached, self._upstream):
                with suppress(TimeoutError):
                    await asyncio.wait_for(door.aclose(), CLOSING_SECONDS)
            await asyncio.to_thread(journal.close)

    async def _keep(self, journal: Journal) -> None:
        """Forget what `gamehub-graph cache --forget` asks for, and tell what `--stats` shows.

        Both go by way of the journal's file, which every process of this machine can reach.
        """
        done = await asyncio.to_thread(journal.noted, FORGET)
        while True:
            await asyncio.sleep(KEEPING_SECONDS)
            asked = await asyncio.to_thread(journal.noted, FORGET)
            if asked is not None and asked != done:
                done = asked
                with suppress(ConnectionError, ValueError):
                    await forget(self.cache, asked)
            journal.note(STATS, describe(await self.cache.stats()))

    def _cache(self, upstream: Upstream, ledger: Journal) -> DayCache:
        settings = self._settings
        return DayCache(
            upstream,
            open_store(settings.cache_address, limit=settings.cache_mebibytes << 20),
            self._zone,
            day_zone=ZoneInfo(settings.gamehub_timezone),
            origin=self._origin,
            trust=settings.trust,
            ledger=ledger,
        )

    def _origin(self) -> str:
        """What tells these upstreams from others, without a secret: a hash of their addresses and clocks."""
        settings = self._live.now
        told = (settings.gamehub_url, settings.gamelog_url, settings.gamehub_timezone, settings.gamelog_timezone)
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]

    def _gamehub(self) -> GameHubConfig | None:
        settings = self._settings
        if System.GAMEHUB in self.missing:
            return None
        return GameHubConfig(
            url=self._live.gamehub_url,
            token=Secret(self._live.gamehub_token),
            timezone=ZoneInfo(settings.gamehub_timezone),
            timeout=settings.gamehub_timeout,
            concurrency=settings.gamehub_concurrency,
            secure=settings.secure("gamehub"),
            bucket=self._buckets.get(System.GAMEHUB),
            **self._bounds(),
        )

    def _gamelog(self) -> GameLogConfig | None:
        settings = self._settings
        if System.GAMELOG in self.missing:
            return None
        code = settings.gamelog_agent_code
        return GameLogConfig(
            url=self._live.gamelog_url,
            agents=Agents(
                None if code is None else Agent(code, Secret(self._live.gamelog_token)), settings.gamelog_agents_file
            ),
            timezone=ZoneInfo(settings.gamelog_timezone),
            timeout=settings.gamelog_timeout,
            concurrency=settings.gamelog_concurrency,
            secure=settings.secure("gamelog"),
            bucket=self._buckets.get(System.GAMELOG),
            **self._bounds(),
        )

    def _bounds(self) -> dict[str, Any]:
        """What is the same for both systems."""
        settings = self._settings
        return {
            "body_limit": settings.max_upstream_mebibytes << 20,
            "most_waiting": settings.max_waiting_calls,
            "hedge_after": settings.hedge_after or "",
            "breaker_failures": settings.breaker_failures,
            "breaker_seconds": settings.breaker_seconds,
        }

    def session(self, operation: Operation) -> Session:
        """Return what one operation reads with."""
        now = datetime.datetime.now(datetime.UTC)
        return Session(
            self,
            self._zone,
            whole=operation.whole,
            user_code_from=self._settings.user_code_from.value,
            agent_of_group=self._agent_of_group,
            agents=self._agents,
            prices=self._prices,
            join=self._join,
            caller=operation.caller,
            now=now,
            not_before=operation.asked.oldest(now),
            currencies=self._currencies,
            gamehub_zone=ZoneInfo(self._settings.gamehub_timezone),
            # Tables read lists whole, day by day; their files and streams have bounds of their own.
            most_nodes=None if operation.whole else self._settings.max_nodes,
        )

    def settled(self, session: Session) -> Awaitable[bool]:
        """Return whether the answer of an operation may be sent; False if it is to be run again."""
        assert self._coherence is not None, "the gateway is not open"
        return self._coherence.settled(session.reads, session.readings)

    def setup(self) -> TablesConfig:
        """What tables need to know of this gateway."""
        settings = self._settings
        return TablesConfig(
            zone=self._zone,
            origin=self._origin,
            spool_dir=settings.tables_spool_dir,
            spool_mebibytes=settings.tables_spool_mebibytes,
            open_seconds=settings.tables_open_seconds,
            filter_seconds=settings.request_timeout,
            trust=settings.trust,
            changed=self.changed,
            kept=self.kept,
        )

    async def changed(self, first: datetime.date | None, last: datetime.date | None) -> datetime.datetime | None:
        """Return the moment at which one of these days (None: rows without a day) changed last or was forgotten."""
        return await self.cache.changed_since(first, last)

    async def kept(
        self, calls: Sequence[Call], not_before: datetime.datetime | None = None
    ) -> datetime.datetime | None:
        """Return the moment at which the oldest row was read that is at hand for these calls; None if there is none.

        Rows that were read before `not_before` are not at hand.
        """
        found = (held.oldest for held in await self.held_many(calls, not_before=not_before))
        return min((oldest for oldest in found if oldest is not None), default=None)

    async def fetch(
        self, call: Call, observe: Listener | None = None, *, not_before: datetime.datetime | None = None
    ) -> Answer[Any]:
        """Return the rows of one call, from the days cache as far as it holds them, none read before `not_before`.

        Raises UpstreamError.
        """
        self._check(call)
        assert self._cached is not None, "the gateway is not open"
        return await self._cached.fetch(call, observe, not_before=not_before)

    async def anew(self, call: Call) -> Answer[Any]:
        """The rows of one call as the upstream tells them now, whatever the days cache holds; or an UpstreamError."""
        self._check(call)
        assert self._upstream is not None, "the gateway is not open"
        return await self._upstream.fetch(call)

    async def held_many(
        self, calls: Sequence[Call], *, not_before: datetime.datetime | None = None
    ) -> list[CachedShare]:
        """Return how much of each call is at hand, so that the planner need not pay for it."""
        assert self._cached is not None, "the gateway is not open"
        return await self._cached.held_many(calls, not_before=not_before)

    @property
    def keeps(self) -> bool:
        """Whether answers are kept, so that a call may be at hand."""
        return self._settings.cache_address != "off"

    def spare(self, system: System) -> bool:
        """Whether a system may be asked once more for what it has failed to answer."""
        assert self._upstream is not None, "the gateway is not open"
        return self._upstream.spare(system)

    def stats(self) -> dict[str, dict[str, Any]]:
        """What there is to count of each upstream, for metrics."""
        return self._upstream.stats() if self._upstream is not None else {}

    @property
    def cache(self) -> DayCache:
        """The days cache, for `gamehub-graph cache`."""
        assert self._cached is not None, "the gateway is not open"
        return self._cached

    def _check(self, call: Call) -> None:
        missing = self.missing.get(call.report.system)
        if missing is not None:
            raise Unavailable(missing, report=call.report.report_type)

    def probes(self) -> list[Probe]:
        """One call for GameHub, one for each agent of Game History; of each the shortest answer there is."""
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        minute = Interval(now - datetime.timedelta(minutes=1), now)
        found = [Probe(System.GAMEHUB.value, Call.of(PROGRESSIVE_JACKPOTS))]
        for agent in self._agents():
            title = System.GAMELOG.value + (f", agent {agent}" if agent else "")
            found.append(Probe(title, Call.of(GAME_LOGS, minute, agent=agent, game_type="slot")))
        return found

    def readiness(self) -> readiness.Readiness:
        """The probes as the server asks them."""
        titles = [probe.title for probe in self.probes() if probe.call.report.system not in self.missing]
        return readiness.Readiness({title: partial(self._probe, title) for title in titles}, self._notes)

    def _notes(self) -> list[str]:
        return [*self.missing.values(), *(self._upstream.notes() if self._upstream is not None else ())]

    async def _probe(self, title: str) -> str | None:
        # Built anew each time: what was the last minute at the start is not the last minute now.
        probe = next(probe for probe in self.probes() if probe.title == title)
        bucket = self._buckets.get(probe.call.report.system)
        if bucket is not None and not bucket.free:
            return None  # as with Overloaded below
        try:
            await self.anew(probe.call)
        except Overloaded:
            return None  # that no call may be made now says nothing of the upstream
        except UpstreamError as error:
            return f"{error.code}: {error.message}"
        return None

    def _agent_of_group(self, group: int | None) -> str:
        agent = self._live.gamelog_agents().get(str(group))
        return DEFAULT_AGENT if agent is None or agent == self._settings.gamelog_agent_code else agent

    def _agents(self) -> Sequence[str]:
        """The agents, each once, though several groups may share one."""
        settings = self._settings
        default = [DEFAULT_AGENT] if settings.gamelog_agent_code or settings.gamelog_agents_file is None else []
        others = (agent for agent in self._live.gamelog_agents().values() if agent != settings.gamelog_agent_code)
        return list(dict.fromkeys([*default, *others]))
