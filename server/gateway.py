"""The gateway to both upstreams: the client, the days cache, a session for each operation, and the probes."""

import asyncio
import datetime
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import count
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

from resolvers.prices import Prices
from resolvers.rules.coherence import Coherence
from resolvers.rules.currency import Currencies
from resolvers.rules.join import Join
from resolvers.session import Session
from resolvers.topics.poll import Poll, PolledRoom
from server.execution.operation import Operation
from server.forgetting import KEEPING_SECONDS, ForgetRequests, forget
from server.health.health import CacheHealth, ServerHealth, UpstreamHealth
from server.health.probes import UpstreamProbes
from server.kept_sums import KeptSums
from server.logs import LOG_CONTEXT
from server.metrics.upstreams import UpstreamFigures
from server.published_stats import PublishedStats
from server.settings.live import LiveSettings
from server.settings.settings import Settings
from server.tables.config import TablesConfig
from upstream.agents import Agent, Agents
from upstream.caching.cache import DayCache, open_store
from upstream.caching.kept_entries import KeptEntries
from upstream.caching.store import StoreStats
from upstream.call import Answer, CachedShare, Call
from upstream.client import GameHubConfig, GameLogConfig, Listener, Upstream
from upstream.errors import Overloaded, Unavailable, UpstreamError
from upstream.journal import Journal
from upstream.reports.table import GAME_LOGS, PROGRESSIVE_JACKPOTS, System
from upstream.resilience.bucket import Bucket
from upstream.transport.secret import Secret
from upstream.transport.watched import Lately
from upstream.values.interval import Interval

if TYPE_CHECKING:  # the library of Redis takes long to import, and most processes need none
    from upstream.redis.leases import Leases

# The error messages for a system that is not configured.
MISSING = {
    System.GAMEHUB: "GameHub is not configured: set GAMEHUB_URL and GAMEHUB_TOKEN.",
    System.GAMELOG: "Game History is not configured: set GAMELOG_URL, GAMELOG_AGENT_CODE and GAMELOG_AGENT_TOKEN.",
}

# The error message for the other system of a subgraph.
OTHER = "This server is the subgraph of {} alone; the other system is asked in a subgraph of its own."

CLOSING_SECONDS = 5.0
# Addresses and tokens may change while the server runs. Upstream calls look at them this often, and after a refusal.
LOOK_SECONDS = 0.25
# An upstream that answered a call within this time is healthy.
HEALTHY_SECONDS = 60.0

# While the tokens of a vendor's limit are used up for longer than this, no probe is sent.
PROBE_WAIT_SECONDS = 1.0

# What takes longer to save is saved in every tenth turn of `_maintain`, and what takes longest to count once a minute.
SAVING_TURNS = 10
COUNTING_TURNS = 60
COUNTING_SECONDS = 60.0

DEFAULT_AGENT = ""  # the agent of all groups without one of their own


@dataclass(frozen=True, slots=True)
class Probe:
    """A small call that shows whether a system, or one of its agents, answers."""

    title: str
    call: Call


class Gateway:
    """Both upstreams of the settings. A call to a system without an address fails and names the missing settings.

    Without `keep_days`, days are not cached: an export reads each day once. `buckets` replace those of the settings,
    for processes that share the rate of a vendor. With `only`, the other system is not called.
    """

    def __init__(
        self,
        live: LiveSettings,
        *,
        keep_days: bool = True,
        buckets: Mapping[System, Bucket] | None = None,
        only: System | None = None,
    ) -> None:
        self._live = live
        self._keep_days = keep_days
        self._settings = settings = live.first
        self._zone = settings.business_zone
        self._user_code_from: str = settings.user_code_from.value
        urls = {System.GAMEHUB: settings.gamehub_url, System.GAMELOG: settings.gamelog_url}
        self.missing = {system: MISSING[system] for system, url in urls.items() if url is None}
        # The settings of the other system are ignored, so that what needs it fails in the same way everywhere.
        self._others = {system: OTHER.format(only.value) for system in System if only not in (None, system)}
        self.missing |= self._others
        self._upstream: Upstream | None = None
        self._journal: Journal | None = None
        self._cached: DayCache | None = None
        rates = {System.GAMEHUB: settings.gamehub_calls_per_minute, System.GAMELOG: settings.gamelog_calls_per_minute}
        self.redis = settings.redis_connection()
        self._buckets = {system: self._bucket(system, most) for system, most in rates.items() if most}
        self._buckets |= buckets or {}
        self._prices = Prices(
            {System.GAMEHUB: settings.gamehub_concurrency, System.GAMELOG: settings.gamelog_concurrency}, self._buckets
        )
        self._join = Join(settings.movement_join)
        self._coherence: Coherence | None = None
        self._currencies = Currencies()
        self._sums = KeptSums(self.would_read)
        # Called at the end of each upstream call.
        self.listeners: list[Listener] = []
        self._counted: tuple[float, StoreStats | None] = 0.0, None
        # They save something in the file of the journal, every ten seconds and at the end.
        self.savers: list[Callable[[Journal], Awaitable[None]]] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Open the gateway. Calls are possible inside the block."""
        journal = self._journal = Journal(self._settings.journal_file)
        self._upstream = Upstream(self._gamehub(), self._gamelog(), journal, self.listeners, LOG_CONTEXT.get)
        self._cached = self._cache(self._upstream, journal)
        await asyncio.to_thread(self._cached.changes.load)
        same_days = self._settings.gamehub_timezone == self._zone.key
        self._coherence = Coherence(self._cached, self._zone, same_days)
        self._join = Join(self._settings.movement_join, journal, self.origin())
        turns = 1 if self.redis is None else COUNTING_TURNS  # to count the entries in Redis takes a walk over all keys
        stats = PublishedStats(journal, turns * KEEPING_SECONDS)
        keeping = asyncio.create_task(self._maintain(journal, stats, turns))
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.to_thread(stats.withdraw)
            # Calls without waiters may finish, but they must not delay the end for minutes.
            for part in (self._cached, self._upstream):
                with suppress(TimeoutError):
                    await asyncio.wait_for(part.aclose(), CLOSING_SECONDS)
            for save in self.savers:
                await save(journal)
            await asyncio.to_thread(journal.close)
            if self.redis is not None:
                await self.redis.aclose()

    async def _maintain(self, journal: Journal, stats: PublishedStats, turns: int) -> None:
        """Carry out `gamehub-graph cache --forget`, learn of changed days, and publish `stats` once in so many `turns`.

        They are in the file of the journal, which every process of this machine can reach. Requests are in Redis, too.
        """
        requests = ForgetRequests(journal, self.redis)
        await requests.new()
        for turn in count():
            await asyncio.sleep(KEEPING_SECONDS)
            for request in await requests.new():
                with suppress(ConnectionError, ValueError):
                    await forget(self.cache, request)
            await asyncio.to_thread(self.cache.changes.load)
            if turn % turns == 0:
                stats.publish(await self.cache.stats())
            if self.redis is not None:
                await self.redis.look()
                await self.cache.changes.share()
            for save in self.savers if turn % SAVING_TURNS == 0 else ():
                await save(journal)

    def _cache(self, upstream: Upstream, ledger: Journal) -> DayCache:
        settings = self._settings
        return DayCache(
            upstream,
            open_store(settings.cache_address, redis=self.redis, limit=settings.cache_mebibytes << 20),
            self._zone,
            day_zone=ZoneInfo(settings.gamehub_timezone),
            origin=self.origin,
            trust=settings.trust,
            ledger=ledger,
            keep_days=self._keep_days,
            leases=self.leases(),
        )

    def _bucket(self, system: System, most: int) -> Bucket:
        """Return the bucket of a system, which the servers of a Redis share."""
        if self.redis is None:
            return Bucket(most)
        from upstream.redis.shared_bucket import SharedBucket  # as in `open_store`

        return SharedBucket(most, self.redis, f"{system.name.lower()} {self.origin()}")

    def leases(self, look: float = 0.1) -> "Leases | None":
        """Return leases of the servers of a Redis, which those that wait look at this often; None without a Redis."""
        if self.redis is None:
            return None
        from upstream.redis.leases import Leases  # as in `open_store`

        return Leases(self.redis, last_look=look)

    def origin(self) -> str:
        """Return a hash of the addresses and time zones of the upstreams. It identifies them without a secret."""
        settings = self._live.now
        return _origin_of(
            settings.gamehub_url, settings.gamelog_url, settings.gamehub_timezone, settings.gamelog_timezone
        )

    def _gamehub(self) -> GameHubConfig | None:
        settings = self._settings
        if System.GAMEHUB in self.missing:
            return None
        return GameHubConfig(
            url=Lately(self._live.gamehub_url, LOOK_SECONDS),
            token=Secret(self._live.gamehub_token, LOOK_SECONDS),
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
            url=Lately(self._live.gamelog_url, LOOK_SECONDS),
            agents=Agents(
                None if code is None else Agent(code, Secret(self._live.gamelog_token, LOOK_SECONDS)),
                settings.gamelog_agents_file,
                LOOK_SECONDS,
            ),
            timezone=ZoneInfo(settings.gamelog_timezone),
            timeout=settings.gamelog_timeout,
            concurrency=settings.gamelog_concurrency,
            secure=settings.secure("gamelog"),
            bucket=self._buckets.get(System.GAMELOG),
            **self._bounds(),
        )

    def _bounds(self) -> dict[str, Any]:
        """Return the transport settings that are the same for both systems."""
        settings = self._settings
        return {
            "body_limit": settings.max_upstream_mebibytes << 20,
            "most_waiting": settings.max_waiting_calls,
            "hedge_after": settings.hedge_after or "",
            "breaker_failures": settings.breaker_failures,
            "breaker_seconds": settings.breaker_seconds,
        }

    def session(self, operation: Operation, poll: Poll | None = None) -> Session:
        """Return the session of one operation; that of an event answers the call of its poll from the poll."""
        now, agents = datetime.datetime.now(datetime.UTC), GroupAgents(self._live, self._settings)
        return Session(
            self if poll is None else PolledRoom(self, poll),
            self._zone,
            whole=operation.whole,
            user_code_from=self._user_code_from,
            agent_of_group=agents.of_group,
            agents=agents.all,
            prices=self._prices,
            join=self._join,
            caller=operation.caller,
            now=now,
            not_before=operation.options.oldest(now),
            currencies=self._currencies,
            sums=self._sums,
            gamehub_zone=ZoneInfo(self._settings.gamehub_timezone),
            # Tables read whole lists, day by day. Their files and streams have limits of their own.
            most_nodes=None if operation.whole else self._settings.max_nodes,
        )

    def answer_facts(self) -> tuple[Any, ...]:
        """Return what answers depend on besides their rows, their variables and the groups of their caller."""
        today = datetime.datetime.now(datetime.UTC).astimezone(self._zone).date()
        return today, self._join.settled(today), self.origin(), self._live.gamelog_agents()

    async def would_read(self, kept: KeptEntries, not_before: datetime.datetime | None = None) -> bool:
        """Return whether the calls of an answer would find exactly these entries of the days cache now."""
        return await self.cache.would_read(kept, not_before)

    def settled(self, session: Session) -> Awaitable[bool]:
        """Return whether the answer of an operation may be sent; False if it is to be run again."""
        assert self._coherence is not None, "the gateway is not open"
        return self._coherence.settled(session.reads, session.readings)

    def tables_config(self) -> TablesConfig:
        """Return the configuration of the tables over this gateway."""
        settings = self._settings
        return TablesConfig(
            zone=self._zone,
            origin=self.origin,
            spool_dir=settings.tables_spool_dir,
            spool_mebibytes=settings.tables_spool_mebibytes,
            store_address=settings.tables_store,
            store_mebibytes=settings.tables_store_mebibytes,
            open_seconds=settings.tables_open_seconds,
            filter_seconds=settings.request_timeout,
            trust=settings.trust,
            changed=self.changed,
            cached_since=self.cached_since,
        )

    async def changed(self, first: datetime.date | None, last: datetime.date | None) -> datetime.datetime | None:
        """Return when one of these days (None: rows without a day) last changed or was forgotten."""
        return await self.cache.changed_since(first, last)

    async def cached_since(
        self, calls: Sequence[Call], not_before: datetime.datetime | None = None
    ) -> datetime.datetime | None:
        """Return when the oldest cached row of these calls was read; None if no row is cached.

        Rows that were read before `not_before` do not count.
        """
        found = (share.oldest for share in await self.cached_shares(calls, not_before=not_before))
        return min((oldest for oldest in found if oldest is not None), default=None)

    def fetch(
        self,
        call: Call,
        observe: Listener | None = None,
        *,
        not_before: datetime.datetime | None = None,
        keep: float = 0.0,
    ) -> Coroutine[Any, Any, Answer[Any]]:
        """Return the rows of one call. The days cache supplies the days that it has, unless read before `not_before`.

        Servers that share a Redis find the answer there for `keep` seconds. Raises UpstreamError.
        """
        if self.missing and call.report.system in self.missing:
            return self._refuse(call)
        assert self._cached is not None, "the gateway is not open"
        return self._cached.fetch(call, observe, not_before=not_before, keep=keep)

    async def _refuse(self, call: Call) -> Answer[Any]:
        raise Unavailable(self.missing[call.report.system], report=call.report.report_type)

    async def anew(self, call: Call) -> Answer[Any]:
        """Return the rows of one call from the upstream, past the days cache. Raises UpstreamError."""
        if call.report.system in self.missing:
            return await self._refuse(call)
        assert self._upstream is not None, "the gateway is not open"
        return await self._upstream.fetch(call)

    async def cached_shares(
        self, calls: Sequence[Call], *, not_before: datetime.datetime | None = None
    ) -> list[CachedShare]:
        """Return which share of each call is cached. The planner counts no cost for it."""
        assert self._cached is not None, "the gateway is not open"
        return await self._cached.cached_shares(calls, not_before=not_before)

    @property
    def keeps(self) -> bool:
        """Return whether answers are cached at all."""
        return self._settings.cache_address != "off"

    def spare(self, system: System) -> bool:
        """Return whether the retry budget of a system allows another try."""
        assert self._upstream is not None, "the gateway is not open"
        return self._upstream.spare(system)

    def stats(self) -> dict[str, dict[str, Any]]:
        """Return the counts of each upstream for the metrics."""
        return self._upstream.stats() if self._upstream is not None else {}

    def figures(self) -> UpstreamFigures:
        """Return the collector of the upstreams and the cache, for `/metrics`."""
        return UpstreamFigures(
            self.stats,
            lambda: self._upstream.calls if self._upstream is not None else {},
            lambda: self._cached,
            lambda: self.redis,
            lambda: self._journal,
        )

    @property
    def cache(self) -> DayCache:
        """Return the days cache, for `gamehub-graph cache`."""
        assert self._cached is not None, "the gateway is not open"
        return self._cached

    def probes(self) -> list[Probe]:
        """Return one call for GameHub and one for each agent of Game History, each with a short answer."""
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        minute = Interval(now - datetime.timedelta(minutes=1), now)
        found = [Probe(System.GAMEHUB.value, Call.of(PROGRESSIVE_JACKPOTS))]
        for agent in GroupAgents(self._live, self._settings).all():
            title = System.GAMELOG.value + (f", agent {agent}" if agent else "")
            found.append(Probe(title, Call.of(GAME_LOGS, minute, agent=agent, game_type="slot")))
        return found

    def upstream_probes(self) -> UpstreamProbes:
        """Return the probes of the configured systems."""
        titles = [probe.title for probe in self.probes() if probe.call.report.system not in self.missing]
        return UpstreamProbes({title: partial(self._probe, title) for title in titles})

    async def health(self, probed: UpstreamProbes) -> ServerHealth:
        """Return the health of the upstreams and of the cache.

        An upstream that answered a moment ago is healthy. Others are probed.
        """
        found = await asyncio.gather(*(self._health(name, probed) for name in probed.names))
        lacking = [
            UpstreamHealth(system.value, False, wrong, None)
            for system, wrong in self.missing.items()
            if system not in self._others
        ]
        return ServerHealth([*found, *lacking], _of_cache(await self._store_stats()))

    async def _store_stats(self) -> StoreStats | None:
        """Return what the cache holds. The entries in Redis are counted at most once a minute: that takes a walk."""
        if self.redis is None:
            return (await self.cache.stats()).store
        at, found = self._counted
        if found is None or self.redis.down or found.down or time.monotonic() - at > COUNTING_SECONDS:
            found = (await self.cache.stats()).store
            self._counted = time.monotonic(), found
        return found

    async def _health(self, name: str, probed: UpstreamProbes) -> UpstreamHealth:
        assert self._upstream is not None, "the gateway is not open"
        system = next(system for system in System if name.startswith(system.value))
        answered, open_breakers = self._upstream.answered(system), self._upstream.notes()
        if answered is not None and time.monotonic() - answered < HEALTHY_SECONDS and not open_breakers:
            wrong, at = None, answered
        else:
            finding = await probed.look(name)
            wrong, at = finding.wrong, finding.at
        return UpstreamHealth(name, self.made_up(system), wrong, round(time.monotonic() - at, 1))

    def made_up(self, system: System) -> bool:
        """Return whether the figures of a system are those of a sandbox."""
        told = self._upstream.sandbox(system) if self._upstream is not None else None
        return self._live.sandbox if told is None else told

    @property
    def sandbox(self) -> bool:
        """Return whether figures of a sandbox may be in an answer."""
        return any(self.made_up(system) for system in System if system not in self.missing)

    def notes(self) -> list[str]:
        """Return what is wrong with the upstreams as far as it is known without a call."""
        missing = [note for system, note in self.missing.items() if system not in self._others]
        redis = self.redis.notes() if self.redis is not None else []
        return [*missing, *redis, *(self._upstream.notes() if self._upstream is not None else ())]

    async def _probe(self, title: str) -> str | None:
        # Built for each probe, because the call names the last minute.
        probe = next(probe for probe in self.probes() if probe.title == title)
        bucket = self._buckets.get(probe.call.report.system)
        if bucket is not None and bucket.wait() > PROBE_WAIT_SECONDS:
            return None  # as with Overloaded below
        try:
            await self.anew(probe.call)
        except Overloaded:
            return None  # a local limit says nothing about the upstream
        except UpstreamError as error:
            return f"{error.code}: {error.message}"
        return None


class GroupAgents(msgspec.Struct, eq=False):
    """The agents of Game History (C22), as one operation knows them: it reads their file once, when it needs them."""

    _live: LiveSettings
    _settings: Settings
    _of_groups: dict[str, str] | None = None

    def of_group(self, group: int | None) -> str:
        """Return the agent of a group."""
        agent = self._read().get(str(group))
        return DEFAULT_AGENT if agent is None or agent == self._settings.gamelog_agent_code else agent

    def all(self) -> Sequence[str]:
        """Return each agent once, although several groups may share one."""
        settings = self._settings
        default = [DEFAULT_AGENT] if settings.gamelog_agent_code or settings.gamelog_agents_file is None else []
        others = (agent for agent in self._read().values() if agent != settings.gamelog_agent_code)
        return list(dict.fromkeys([*default, *others]))

    def _read(self) -> dict[str, str]:
        if self._of_groups is None:
            self._of_groups = self._live.gamelog_agents()
        return self._of_groups


def _of_cache(stats: StoreStats | None) -> CacheHealth:
    if stats is None:
        return CacheHealth("off")
    wrong = "Redis does not answer, so nothing is cached." if stats.down else None
    return CacheHealth(stats.kind, stats.entries, stats.bytes, stats.limit, wrong)


@lru_cache(maxsize=16)
def _origin_of(*identity: str | None) -> str:
    return hashlib.sha256(repr(identity).encode()).hexdigest()[:16]
