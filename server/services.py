"""The only place that constructs the application: `build` for commands, `build_server` for the server.

`Services` holds the parts. `server.app.create_app` takes nothing else.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from prometheus_client.registry import Collector

from resolvers.prediction.predict import foresee
from resolvers.session import Session
from schema import graph
from server.auth.authenticator import Authenticator
from server.execution.execution import Executor
from server.execution.persisted.learned import LearnedDocuments
from server.execution.persisted.manifests import by_hash, read_folder
from server.execution.persisted.registered import RegisteredDocuments, of_saved
from server.execution.saved import SavedQuery, fitting, saved_queries
from server.execution.stored_answers import StoredAnswers
from server.execution.trace import finish
from server.gateway import Gateway
from server.health.health import ServerHealth
from server.http.config import HttpConfig
from server.http.connection_counts import ConnectionCounts
from server.http.readiness import Readiness
from server.pages.choices import choice_documents
from server.reconcile.schedule import Schedule
from server.settings.live import LiveSettings
from server.settings.settings import SHOWN_LIMITS, Settings
from server.sql.config import SqlConfig
from server.subscriptions.poller import LocalPoller
from server.subscriptions.subscriptions import Subscriptions
from server.tables.config import TablesConfig
from server.tracing.switch import start_tracing
from server.usage import Usage, today_in
from server.workers.siblings import NoSiblings, Siblings
from upstream.reports.table import System
from upstream.resilience.bucket import Bucket

if TYPE_CHECKING:
    from server.tracing.spans import Tracing
    from upstream.redis.connection import RedisConnection

Lifespan = Callable[[], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def nothing() -> AsyncIterator[None]:
    """The lifespan of an application that holds nothing open."""
    yield


async def healthy() -> ServerHealth:
    """Return the health of an application without upstreams."""
    return ServerHealth()


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one application.

    `lifespan` opens what must be open while operations run. `figures` are collectors for `/metrics`, and `shown_limits`
    limits that it shows, by the names of their settings. `connections` are counted by the server that listens.
    `schedule` compares the reports while the server runs. `subscriptions` serves subscriptions. `stored` are answers
    that are used again. `usage` counts which clients ask for which fields. `health` returns the health of the upstreams
    and of the cache, `sandbox` whether their figures are made up. `whole` is False for a subgraph: it has no SQL.
    `siblings` are the other processes of the server. The default authenticator accepts every request.
    `tracing` makes the spans of requests.
    """

    executor: Executor
    saved: Sequence[SavedQuery] = ()
    lifespan: Lifespan = nothing
    authenticator: Authenticator = field(default_factory=Authenticator)
    readiness: Readiness = field(default_factory=Readiness)
    registered: RegisteredDocuments | None = None
    http: HttpConfig = field(default_factory=HttpConfig)
    tables: TablesConfig = field(default_factory=TablesConfig)
    sql: SqlConfig = field(default_factory=SqlConfig)
    figures: Sequence[Collector] = ()
    shown_limits: Mapping[str, float] = field(default_factory=dict)
    connections: ConnectionCounts = field(default_factory=ConnectionCounts)
    schedule: Schedule | None = None
    subscriptions: Subscriptions | None = None
    stored: StoredAnswers = field(default_factory=StoredAnswers)
    usage: Usage | None = None
    health: Callable[[], Awaitable[ServerHealth]] = healthy
    sandbox: Callable[[], bool] = bool
    whole: bool = True
    tracing: "Tracing | None" = None
    siblings: Siblings = field(default_factory=NoSiblings)


@dataclass(frozen=True, slots=True)
class GraphServices(Services):
    """The parts of this product: the graph over the gateway of both upstreams."""

    gateway: Gateway = field(kw_only=True)


def build(
    live: LiveSettings,
    *,
    keep_days: bool = True,
    buckets: Mapping[System, Bucket] | None = None,
    only: System | None = None,
    **execution: Any,
) -> GraphServices:
    """Construct what runs operations on the graph, as a command needs it. `only` is the system of a subgraph.

    `execution` are options of `Executor`. Commands run without the limits of the server. Without `keep_days`, days are
    not cached. `buckets` replace those of the settings.
    """
    complete = execution.pop("finish", finish)
    gateway = Gateway(live, keep_days=keep_days, buckets=buckets, only=only)
    schema = graph.schema if only is None else graph.subgraph(only)
    if live.first.incremental_delivery == "on":
        schema = graph.with_incremental_delivery(schema)
    return GraphServices(
        Executor(schema, gateway.session, complete, foresee, settled=gateway.settled, **execution),
        saved_queries() if only is None else fitting(saved_queries(), schema),
        gateway.open,
        tables=gateway.tables_config(),
        sql=live.first.sql,
        figures=(gateway.figures(),),
        gateway=gateway,
    )


def build_server(
    live: LiveSettings, *, closed: bool, siblings: Siblings | None = None, whole: Settings | None = None
) -> GraphServices:
    """Construct everything that a server needs. `closed` says whether callers need a credential.

    A process of a server with several has a part of the limits of `whole`. Raises BrokenQuery for a wrong document in
    the documents folder.
    """
    settings = live.first
    only = None if settings.subgraph is None else System[settings.subgraph.upper()]
    tracing = start_tracing(settings.traces, os.environ)
    services = build(
        live, only=only, leave=Session.close, limits=settings.limits, compiled=settings.engine == "compiled",
        finish=finish if tracing is None else tracing.finish,
    )  # fmt: skip
    if tracing is not None:
        services.gateway.listeners.append(tracing.call)
    known = of_saved(services.saved)
    if only is None:
        known |= by_hash(choice_documents())  # the explorer offers choices everywhere
    if settings.documents_folder is not None:
        known |= read_folder(settings.documents_folder)
    usage = Usage(services.executor.documents, services.executor.schema._schema, today_in(settings.business_zone))
    services.gateway.savers.append(usage.save)
    authenticator = Authenticator.of(live, closed, services.gateway.redis)
    return replace(
        services,
        authenticator=authenticator,
        readiness=Readiness({"keys": authenticator.wrong}, services.gateway.notes),
        health=partial(services.gateway.health, services.gateway.upstream_probes()),
        sandbox=lambda: services.gateway.sandbox,
        registered=RegisteredDocuments(
            known, only=settings.documents == "saved", learned=_learned(settings, services.gateway.redis)
        ),
        http=HttpConfig(
            settings.origins,
            settings.origin_headers,
            settings.hosts(closed),
            settings.max_operations,
            settings.max_waiting_operations,
            partial_status=int(settings.partial_status),
            compress_from=settings.compress_from_bytes,
            most_batched=settings.max_batched_operations,
            mcp=settings.mcp == "on",
            slow_seconds=settings.slow_seconds,
            proxies=settings.proxies,
            root_path=settings.root_path or "",
        ),
        shown_limits={name: float(getattr(whole or settings, name.lower())) for name in SHOWN_LIMITS},
        schedule=Schedule.of(services.gateway, settings, None if siblings is None else siblings.folder)
        if only is None
        else None,
        whole=only is None,
        siblings=siblings or NoSiblings(),
        subscriptions=Subscriptions(
            services.executor,
            services.gateway.session,
            LocalPoller(
                services.gateway,
                settings.business_zone,
                settings.subscription_seconds,
                settings.limits.seconds,
                shared=services.gateway.redis is not None,
            ),
            settings.subscriptions,
        ),
        stored=StoredAnswers(
            settings.answer_cache_mebibytes << 20 if services.gateway.keeps else 0, services.gateway.answer_facts
        ),
        usage=usage,
        tracing=tracing,
    )


def _learned(settings: Settings, redis: "RedisConnection | None") -> LearnedDocuments | None:
    """Return the documents that the server learns from its clients; None if it learns none."""
    if settings.documents == "saved" or not settings.learned_documents_mebibytes:
        return None
    store = None
    if redis is not None:
        from upstream.caching.store_redis import RedisStore  # as in `open_store`

        store = RedisStore(redis, "gamehub-graph:documents")
    return LearnedDocuments(settings.learned_documents_mebibytes << 20, store)
