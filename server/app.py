"""The application: its routes, its middleware and its lifespan, composed from plain lists."""

import asyncio
import inspect
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from server.auth.linking import link_routes
from server.auth.middleware import AuthMiddleware
from server.auth.permissions import ADMIN, OWN_PARTS
from server.execution.limits import ORDINARY
from server.execution.operation import Operation
from server.execution.saved import check, document_of
from server.http.access_log import AccessLog
from server.http.admission import Admission, AdmissionCounts
from server.http.compression import CompressedPages
from server.http.error_response import error_response
from server.http.graphql import GraphQL
from server.http.guards.hosts import Hosts, relative
from server.http.guards.origins import Origins, cors
from server.http.metrics import metrics_registry, metrics_route
from server.http.proxies import TrustedProxies
from server.http.readiness import Readiness
from server.http.request_error import RequestError
from server.http.writing import encode
from server.mcp.endpoint import PATH as MCP_PATH
from server.mcp.endpoint import McpEndpoint
from server.mcp.tools import AssistantTools
from server.metrics.capacity import CapacityFigures
from server.metrics.operations import OperationFigures
from server.metrics.process import ProcessFigures
from server.metrics.requests import RequestCounts
from server.odata.routes import ODataService
from server.pages.about import About
from server.pages.answers import answer_routes
from server.pages.explorer import explorer_routes, page_response
from server.pages.fields import Fields
from server.pages.front import front_routes
from server.pages.login import Login
from server.pages.problems import ProblemPages
from server.pages.reconcile import reconcile_routes
from server.pages.sql import sql_page, sql_page_routes
from server.pages.tables import page_routes, tables_page
from server.pages.tabs import Tabs
from server.services import Services, nothing
from server.sql.routes import SqlEndpoint
from server.subscriptions.metrics import SubscriptionFigures
from server.subscriptions.over_http import SubscriptionStreams
from server.subscriptions.single_connection import EventStreams
from server.subscriptions.socket import GraphQLSockets
from server.tables.routes import TablesEndpoint
from server.tables.table import Tables
from server.usage import uncounted

if TYPE_CHECKING:
    from server.tracing.spans import Tracing

F = TypeVar("F", bound=Callable[..., Awaitable[None]])


def awaitable(function: F) -> F:
    """Mark a function that returns an awaitable as a coroutine function: servers recognise an application by it."""
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(function)
    function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]  # as asgiref does it
    return function


class App(Starlette):
    """Starlette, with two changes: `AccessLog` answers for faults, and some paths skip the router.

    A layer that only passes a request on returns what the next layer returns, so it costs one call and no task step.
    """

    def __init__(self, straight: Mapping[str, ASGIApp], problems: ProblemPages, **options: Any) -> None:
        super().__init__(**options)
        self._straight = straight
        self._problems = problems
        self._layers = self.build_middleware_stack()

    @awaitable
    def __call__(  # type: ignore[override]  # Starlette writes `async def`
        self, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None]:
        """Serve a request."""
        scope["app"] = self
        return self._layers(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """Return the middleware, the outermost layer first."""
        routed = self._problems.over(ExceptionMiddleware(self.router, handlers=self.exception_handlers))

        def app(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            if scope["type"] != "http":
                return routed(scope, receive, send)
            path = scope["path"]
            if path in self._straight and not (scope.get("root_path")):
                return self._straight[path](scope, receive, send)
            return routed(scope, receive, relative(send))

        for layer, args, kwargs in reversed(self.user_middleware):
            app = layer(app, *args, **kwargs)
        return app


def create_app(services: Services) -> Starlette:
    """Return the application of these services.

    Raises BrokenQuery for a saved query or a registered document that does not fit the schema.
    """
    executor, authenticator, schedule, http = (
        services.executor,
        services.authenticator,
        services.schedule,
        services.http,
    )
    check(services.saved, executor.schema)
    if services.registered is not None:
        executor.documents.keep((document_of(one.text, executor.schema) for one in services.saved), ORDINARY)
        services.registered.check(executor.documents)
    tables = TablesEndpoint(
        Tables(services.saved, executor.schema),
        executor.run,
        services.tables,
        tables_page,
        describes=executor.limits.introspection,
    )
    sql = SqlEndpoint(tables, executor.schema, services.sql, executor.limits.body_bytes, sql_page)
    assistants = McpEndpoint(
        lambda: AssistantTools(executor, services.saved, graphql.registered), executor.limits, http.origins
    )

    @asynccontextmanager
    async def once(app: Starlette) -> AsyncIterator[None]:
        flight = sql.flight(app) if services.whole else nothing()
        async with schedule.open() if schedule is not None else nothing(), flight:
            yield

    @asynccontextmanager
    async def live(app: Starlette) -> AsyncIterator[None]:
        # The authenticator writes its last counts through the connection of the services.
        async with services.lifespan(), authenticator:
            try:
                together = services.siblings.open(registry, partial(once, app))
                async with together, services.subscriptions.open() if services.subscriptions else nothing():
                    yield
            finally:
                await assistants.aclose()
                await sql.aclose()
                await tables.aclose()
                if services.tracing is not None:
                    await services.tracing.aclose()

    count = services.usage.count if services.usage is not None else uncounted
    subscriptions = services.subscriptions
    streams = SubscriptionStreams(subscriptions, authenticator) if subscriptions is not None else None
    graphql = GraphQL(executor, page_response, http, services.registered, services.stored, streams, count)
    subscribing: list[BaseRoute] = []
    if subscriptions is not None and streams is not None:
        sockets = GraphQLSockets(subscriptions, authenticator, graphql.registered, http.origins, count)
        events = EventStreams(graphql, streams, graphql.registered, count)
        subscribing = [WebSocketRoute("/graphql", sockets), Route("/graphql/stream", events)]
    about = About(authenticator, executor.limits, str(services.tables.zone), services.sandbox, services.health)
    problems = ProblemPages(lambda: tables.tables)
    fields = Fields(executor.schema._schema, lambda caller: executor.context(Operation("", caller=caller)))
    pages = CompressedPages(http.compress_from)
    requests, admission = RequestCounts(), AdmissionCounts()
    registry = metrics_registry(
        requests,
        OperationFigures(
            lambda: executor.engine.counts if executor.engine is not None else {}, lambda: services.stored.reused
        ),
        *services.figures,
        CapacityFigures(admission, services.connections, tables.files, sql.counts, lambda: services.shown_limits),
        *([schedule] if schedule is not None else []),
        *([SubscriptionFigures(subscriptions)] if subscriptions is not None else []),
        ProcessFigures(lambda: not services.readiness.wrong),
    )
    return App(
        {"/graphql": graphql},
        problems,
        routes=[
            Route("/graphql", graphql),
            *subscribing,
            Route("/healthz", healthz),
            readiness_route(services.readiness),
            metrics_route(registry, services.siblings.exposition),
            *pages.of(reconcile_routes(schedule) if schedule is not None else []),
            *link_routes(authenticator),
            *answer_routes(tables),
            about.route(),
            *Login(authenticator).routes(),
            *pages.of(
                [
                    *front_routes(),
                    *explorer_routes(Tabs(services.saved, executor, tables=tables.tables).of),
                    fields.route(),
                    *page_routes(),
                ]
            ),
            *tables.routes(),
            *ODataService(tables, services.stored, executor.limits.body_bytes).routes(),
            *((*pages.of(sql_page_routes()), *sql.routes()) if services.whole else ()),
            *([Route(MCP_PATH, assistants)] if http.mcp else []),
        ],
        # A preflight request carries no credential, so CORS answers it before authentication.
        middleware=[
            Middleware(TrustedProxies, trusted=http.proxies, prefix=http.root_path, own=OWN_PARTS),
            Middleware(
                AccessLog, guards=(Hosts(http.hosts), Origins(http.origins)), counts=requests, slow=http.slow_seconds
            ),
            *([] if services.tracing is None else [spans_of(services.tracing)]),
            *cors(http.origins, http.origin_headers),
            Middleware(AuthMiddleware, callers=authenticator, page=problems.refused),
            Middleware(Admission, running=http.most_running, waiting=http.most_waiting, counts=admission),
        ],
        exception_handlers={HTTPException: refused},
        lifespan=live,
    )


def spans_of(tracing: "Tracing") -> Middleware:
    """Return the middleware that makes the span of each request."""
    from server.tracing.spans import RequestSpans  # imports OpenTelemetry

    return Middleware(RequestSpans, tracing=tracing)


def readiness_route(readiness: Readiness) -> Route:
    """Return the route `/readyz`. Only a caller with the permission `admin` sees what is wrong."""

    async def readyz(request: Request) -> Response:
        wrong = readiness.wrong
        content: dict[str, Any] = {"ready": not wrong}
        if ADMIN in request.scope["caller"].permissions:
            content |= {"notReady": wrong, "notes": readiness.notes}
        shown = {key: value for key, value in content.items() if value not in ({}, [])}
        return _json(shown, 503 if wrong else 200)

    return Route("/readyz", readyz)


async def healthz(request: Request) -> Response:
    """Say that the process is alive. Call no upstream: a dead upstream is no reason to restart this process."""
    return _json({"alive": True})


async def refused(request: Request, exception: Exception) -> Response:
    """Answer what Starlette itself refuses (unknown path or method), in the form of every other error."""
    assert isinstance(exception, HTTPException)
    code = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}.get(exception.status_code, "BAD_REQUEST")
    refusal = RequestError(exception.status_code, code, exception.detail, exception.headers)
    return error_response(refusal, request.scope["path"])


def _json(content: dict[str, Any], status: int = 200) -> Response:
    return Response(encode(content), status, {"Cache-Control": "no-store"}, "application/json; charset=utf-8")
