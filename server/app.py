"""The application: its routes, its middleware and its life, put together from plain lists."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from strawberry import Schema

from server.auth.authenticator import Authenticator
from server.auth.linking import link_routes
from server.auth.middleware import AuthMiddleware
from server.auth.permissions import ADMIN
from server.execution.execution import Executor, Finish, Foresee, Settled
from server.execution.limits import ORDINARY, Limits
from server.execution.registered import RegisteredDocuments
from server.execution.saved import SavedQuery, check
from server.http.access_log import AccessLog
from server.http.admission import MOST_RUNNING, MOST_WAITING, Admission
from server.http.graphql import GraphQL
from server.http.guards.guards import Guards
from server.http.guards.hosts import Hosts, relative
from server.http.guards.origins import Origins, cors
from server.http.metrics import Counted, Stats, metrics_route
from server.http.operation import Operation
from server.http.readiness import Readiness
from server.http.request_error import error
from server.http.writing import encode
from server.odata.routes import ODataService
from server.pages.explorer import explorer_routes, page_response
from server.pages.tabs import Tabs
from server.reconcile.page import reconcile_routes
from server.reconcile.schedule import Schedule
from server.tables.browse import page_routes, tables_page
from server.tables.routes import TablesEndpoint
from server.tables.setup import TablesConfig
from server.tables.table import Tables

Lifespan = Callable[[], AbstractAsyncContextManager[None]]


class App(Starlette):
    """Starlette, where `AccessLog` answers for faults, and some paths are found without a look at all the routes."""

    def __init__(self, straight: Mapping[str, ASGIApp], **options: Any) -> None:
        super().__init__(**options)
        self._straight = straight

    def build_middleware_stack(self) -> ASGIApp:
        """The layers, from the outermost."""
        routed = ExceptionMiddleware(self.router, handlers=self.exception_handlers)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await routed(scope, receive, send)
                return
            straight = None if scope.get("root_path") else self._straight.get(scope["path"])
            if straight is not None:
                await straight(scope, receive, send)
            else:
                await routed(scope, receive, relative(send))

        for layer, args, kwargs in reversed(self.user_middleware):
            app = layer(app, *args, **kwargs)
        return app


@asynccontextmanager
async def nothing() -> AsyncIterator[None]:
    """The life of an application that holds nothing open."""
    yield


def create_app(
    schema: Schema,
    context: Callable[[Operation], Any],
    *,
    saved: Sequence[SavedQuery] = (),
    readiness: Readiness | None = None,
    lifespan: Lifespan = nothing,
    finish: Finish = lambda operation, context, outcome: None,
    foresee: Foresee | None = None,
    callers: Authenticator | None = None,
    leave: Callable[[Any], None] = lambda context: None,
    settled: Settled | None = None,
    limits: Limits = ORDINARY,
    registered: RegisteredDocuments | None = None,
    origins: Sequence[str] = (),
    origin_headers: Sequence[str] = (),
    hosts: Collection[str] | None = (),
    most_running: int = MOST_RUNNING,
    most_waiting: int = MOST_WAITING,
    setup: TablesConfig | None = None,
    compiled: bool = True,
    stats: Stats = dict,
    schedule: Schedule | None = None,
) -> Starlette:
    """The application over a schema. `context` makes the context value of each operation; BrokenQuery may be raised.

    `hosts` are the names that it answers to, beside loopback and the bound address; None: any name. `origin_headers`
    are those that pages of the `origins` may send beside the usual ones.

    `callers` says who is let in; without them everybody is. `schedule` compares the reports while the server runs.
    """
    house = callers or Authenticator()
    check(saved, schema)
    executor = Executor(schema, context, finish, foresee, leave, limits, settled=settled, compiled=compiled)
    if registered is not None:
        registered.check(executor.documents)
    desk = TablesEndpoint(
        Tables(saved, schema), executor.run, setup or TablesConfig(), tables_page, told=limits.introspection
    )
    tabs = Tabs(saved, executor)

    ready = readiness or Readiness({})

    async def readyz(request: Request) -> Response:
        wrong = await ready.wrong()
        told: dict[str, Any] = {"ready": not wrong}
        if ADMIN in request.scope["caller"].powers:
            told |= {"notReady": wrong, "notes": ready.notes}
        return _json({key: value for key, value in told.items() if value not in ({}, [])}, 503 if wrong else 200)

    @asynccontextmanager
    async def live(app: Starlette) -> AsyncIterator[None]:
        async with house, lifespan(), schedule.open() if schedule is not None else nothing():
            try:
                yield
            finally:
                await desk.aclose()

    graphql = GraphQL(executor, page_response, limits, registered, origins)
    return App(
        {"/graphql": graphql},
        routes=[
            Route("/graphql", graphql),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            metrics_route(
                Counted(lambda: executor.engine.counts if executor.engine is not None else {}, stats),
                *([schedule] if schedule is not None else []),
            ),
            *(reconcile_routes(schedule) if schedule is not None else []),
            *link_routes(house),
            *explorer_routes(tabs.of),
            *page_routes(),
            *desk.routes(),
            *ODataService(desk).routes(),
        ],
        # A preflight carries no credential, so it is answered before the door.
        middleware=[
            Middleware(AccessLog),
            Middleware(Guards, guards=(Hosts(hosts), Origins(origins))),
            *cors(origins, origin_headers),
            Middleware(AuthMiddleware, callers=house),
            Middleware(Admission, running=most_running, waiting=most_waiting),
        ],
        exception_handlers={HTTPException: refused},
        lifespan=live,
    )


async def healthz(request: Request) -> Response:
    """Whether the process is alive. It asks nobody else: a dead upstream is no reason to start this one anew."""
    return _json({"alive": True})


async def refused(request: Request, exception: Exception) -> Response:
    """What Starlette itself refuses (no such path, no such method), in the shape of every other error."""
    assert isinstance(exception, HTTPException)
    code = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}.get(exception.status_code, "BAD_REQUEST")
    return _json({"errors": [error(exception.detail, code)]}, exception.status_code, exception.headers)


def _json(content: dict[str, Any], status: int = 200, headers: Any = None) -> Response:
    return Response(
        encode(content), status, {**(headers or {}), "Cache-Control": "no-store"}, "application/json; charset=utf-8"
    )
