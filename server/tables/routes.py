"""`/tables`: the list of tables, the description of each, and its rows in every format.

pyarrow is imported by the first request for a table. A server without such requests does not spend time or memory on
it, and a server without pyarrow says how to install it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from server.execution.execution import Outcome
from server.execution.operation import Operation
from server.http.error_response import error_response
from server.http.negotiation import wants_page
from server.http.public_address import prefix_of
from server.http.request_error import RequestError, without_names
from server.http.writing import encode
from server.tables.config import FileCounts, TablesConfig
from server.tables.parameters import split
from server.tables.table import Table, Tables, ValueKind

if TYPE_CHECKING:  # imported with pyarrow: see above
    from server.tables.answers import TableAnswers

Run = Callable[[Operation], Awaitable[Outcome]]
# Makes the page of a table, or of all tables.
Page = Callable[[Request, "TablesEndpoint", Table | None], Awaitable[Response]]

# The parts of the list that show the schema.
SCHEMA = frozenset({"columns", "parameters", "required", "schema"})
MISSING = "Tables need pyarrow, which is not installed: pip install 'gamehub-graph[tables]'."


class TablesEndpoint:
    """The endpoint of tables. `page` makes the page for browsers at `/tables` and `/tables/{name}`.

    `describes` is False if clients must not see the schema: the columns and parameters of a table.
    """

    def __init__(
        self, tables: Tables, run: Run, config: TablesConfig, page: Page | None = None, *, describes: bool = True
    ) -> None:
        self.tables = tables
        self.describes = describes
        self.config = config
        self._run = run
        self._page = page
        self.files = FileCounts()
        self._answers: TableAnswers | None = None
        self._opening = asyncio.Lock()

    async def answers(self) -> "TableAnswers":
        """Return the part that answers with rows. The first call makes it. Raises RequestError without pyarrow."""
        async with self._opening:
            if self._answers is None:
                if find_spec("pyarrow") is None or find_spec("xlsxwriter") is None:
                    raise RequestError(501, "NOT_IMPLEMENTED", MISSING)
                await asyncio.to_thread(import_module, "server.tables.answers")
                from server.tables.answers import TableAnswers

                self._answers = TableAnswers(self._run, self.config, self.files)
        return self._answers

    async def aclose(self) -> None:
        """End running work, and remove temporary files."""
        if self._answers is not None:
            await self._answers.spool.aclose()

    def routes(self) -> list[BaseRoute]:
        """Return the routes. They answer GET and HEAD."""
        return [
            Route("/tables", self._guarded(self._list)),
            Route("/tables/{name}/schema", self._guarded(self._schema)),
            Route("/tables/{file}", self._guarded(self._table)),
        ]

    async def _list(self, request: Request) -> Response:
        await self.answers()
        if self._page is not None and wants_page(request.headers.get("accept")):
            return await self._page(request, self, None)
        hidden = () if self.describes else SCHEMA
        prefix = prefix_of(request.scope)
        listed = [
            {name: value for name, value in brief(table, prefix).items() if name not in hidden}
            for table in self.tables.values()
        ]
        return _json({**self._days(), "version": version("gamehub-graph"), "tables": listed})

    def _days(self) -> dict[str, str]:
        """Return the time, the business time zone, its current day, and the last day that is over."""
        config, now = self.config, self.config.now()
        return {
            "now": now.isoformat(),
            "timezone": str(config.zone),
            "today": now.astimezone(config.zone).date().isoformat(),
            "closedUntil": config.trust.closed_until(now, config.zone).isoformat(),
        }

    async def _schema(self, request: Request) -> Response:
        await self.answers()
        return _json(self._described(self.tables.find(request.path_params["name"]), request))

    async def _table(self, request: Request) -> Response:
        answers = await self.answers()
        name, dot, form = request.path_params["file"].rpartition(".")
        from server.tables.answers import form_of  # pyarrow is imported by now

        if not dot:
            table = self.tables.find(form)
            if self._page is not None and wants_page(request.headers.get("accept")):
                return await self._page(request, self, table)
            if split(table, request.query_params.multi_items())[1].totals:
                return await answers.respond(table, form_of("json"), request)
            return _json(self._described(table, request))
        table = self.tables.find(name)
        return await answers.respond(table, form_of(form), request)

    def _described(self, table: Table, request: Request) -> dict[str, Any]:
        self.check_described()
        return {**described(table, prefix_of(request.scope)), "timezone": str(self.config.zone)}

    def check_described(self) -> None:
        """Raise a RequestError if clients must not see the schema."""
        if not self.describes:
            raise RequestError(403, "FORBIDDEN", "Introspection is off here, and the description of tables with it.")

    def message(self, text: str) -> str:
        """Return the message for a client, without names if it must not see the schema."""
        return text if self.describes else without_names(text)

    def _guarded(self, answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Answer a RequestError in the form of every other error."""

        async def guarded(request: Request) -> Response:
            try:
                return await answer(request)
            except RequestError as refusal:
                for one in refusal.errors:
                    one["message"] = self.message(one["message"])
                return error_response(refusal)

        return guarded


def brief(table: Table, prefix: str = "") -> dict[str, Any]:
    """Return a table for the list at `/tables`. Its addresses begin with the prefix."""
    return {
        "name": table.name,
        "description": table.description,
        "columns": [column.name for column in table.columns],
        "parameters": [variable.name for variable in table.variables],
        "required": [variable.name for variable in table.variables if variable.required],
        "timed": table.timed,
        "schema": f"{prefix}/tables/{table.name}/schema",
        "formats": {name: f"{prefix}/tables/{table.name}.{name}" for name in _formats()},
    }


def described(table: Table, prefix: str = "") -> dict[str, Any]:
    """Return the description of a table at `/tables/{name}/schema`."""
    from server.tables.window import PERIODS

    window = {"since": "included", "until": "not included", "period": list(PERIODS), "default": table.during}
    return {
        **brief(table, prefix),
        "columns": [
            {
                "name": column.name,
                "type": str(column.type),
                "nullable": column.nullable,
                "description": column.description,
                "graphql": column.graphql,
                **({"values": list(column.kind.values)} if column.kind.values else {}),
                # Null if the query does not select the currency of the amount.
                **({"currency": None if column.currency[0] == "." else column.currency} if column.currency else {}),
            }
            for column in table.columns
        ],
        "parameters": [
            {
                "name": variable.name,
                "type": typed(variable.kind),
                "required": variable.required,
                "repeatable": variable.many,
                "default": variable.default,
                "example": table.saved.variables.get(variable.name),
                **({"values": list(variable.kind.values)} if variable.kind.values else {}),
            }
            for variable in table.variables
        ],
        "window": window if table.timed else None,
        "document": table.document,
    }


def typed(kind: ValueKind) -> str:
    """Return a kind as one word."""
    return f"list of {typed(kind.of)}" if kind.of is not None else kind.name


def _formats() -> list[str]:
    from server.tables.formats import FORMATS  # imports pyarrow

    return list(FORMATS)


def _json(content: Any) -> Response:
    return Response(encode(content), 200, {"Cache-Control": "no-store"}, "application/json; charset=utf-8")
