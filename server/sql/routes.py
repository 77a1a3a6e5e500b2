"""`/sql`: run or explain a statement. POST has it as the body (`application/sql`), GET as `q`. Browsers get a page.

DuckDB, pyarrow and sqlglot are imported by the first statement. A server without them says how to install them.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp
from strawberry import Schema

from server.execution.persisted.manifests import hash_of
from server.http.document_names import SHOWN
from server.http.error_response import error_response
from server.http.negotiation import preferred, wants_page
from server.http.request_error import RequestError
from server.http.request_facts import facts_of
from server.http.watch import ClientGone, Watch
from server.http.writing import encode
from server.sql.config import SqlConfig, StatementCounts
from server.tables.routes import TablesEndpoint

if TYPE_CHECKING:  # imported with DuckDB: see above
    from server.sql.answers import SqlAnswers, SqlQuestion
    from server.sql.results import SqlFormat

PATH = "/sql"
MEDIA_TYPE = "application/sql"
MISSING = "SQL needs duckdb and sqlglot, which are not installed: pip install 'gamehub-graph[sql]'."
_NEEDED = ("duckdb", "pyarrow", "sqlglot")
_FORMATS = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}
# Makes the page for browsers.
Page = Callable[[Request], Response]
_NAMES = {media_type: name for name, media_type in _FORMATS.items()}
_HEADERS = {"Cache-Control": "no-store", "Vary": "Accept", "X-Content-Type-Options": "nosniff"}
# A statement has a limit of its own. This one only watches for clients that leave.
_LONG = 86_400.0
_CLOSING = 5.0
# So many seconds calls of Flight SQL have to end when the server stops.
_ENDING = 10.0
_TRUTH = {"1": True, "true": True, "0": False, "false": False}


class SqlEndpoint:
    """The endpoint of SQL over the tables of another endpoint. `page` makes the page for browsers."""

    def __init__(
        self, tables: TablesEndpoint, schema: Schema, config: SqlConfig, most_bytes: int, page: Page | None = None
    ) -> None:
        self._tables = tables
        self._schema = schema
        self._config = config
        self._most_bytes = most_bytes
        self._page = page
        self.counts = StatementCounts()
        self._answers: SqlAnswers | None = None
        self._opening = asyncio.Lock()
        self._watch = Watch(_LONG)

    async def answers(self) -> "SqlAnswers":
        """Return the part that runs statements. The first call makes it. Raises RequestError without the extra."""
        async with self._opening:
            if self._answers is None:
                if any(find_spec(name) is None for name in _NEEDED):
                    raise RequestError(501, "NOT_IMPLEMENTED", MISSING)
                tables = await self._tables.answers()
                await asyncio.to_thread(import_module, "server.sql.answers")
                from server.sql.answers import SqlAnswers

                self._answers = SqlAnswers(self._tables.tables, self._schema, tables, self._config, self.counts)
        return self._answers

    @asynccontextmanager
    async def flight(self, app: ASGIApp) -> AsyncIterator[None]:
        """Serve Flight SQL over the application inside the block, if the configuration says where."""
        config = self._config.flight
        if config is None:
            yield
            return
        if any(find_spec(name) is None for name in _NEEDED):
            raise RuntimeError(f"SQL_FLIGHT_PORT is set: {MISSING}")
        await asyncio.to_thread(import_module, "server.sql.flight.server")
        from server.sql.flight.server import FlightSql

        host = f"[{config.host}]" if ":" in config.host else config.host
        server = FlightSql(app, f"{host}:{config.port}", config.certificate, asyncio.get_running_loop())
        try:
            yield
        finally:
            # A client that does not read must not keep the server from its end.
            await asyncio.wait({_in_thread(partial(server.close, _ENDING))}, timeout=_ENDING + _CLOSING)

    async def aclose(self) -> None:
        """End all processes."""
        if self._answers is not None:
            await self._answers.aclose()

    def routes(self) -> list[BaseRoute]:
        """Return the route."""
        return [Route(PATH, self._answer, methods=["GET", "POST"])]

    async def _answer(self, request: Request) -> Response:
        if self._page is not None and _wants_page(request):
            return self._page(request)
        try:
            form = None if _explains(request) else _form(request)
            text = _of_address(request) if request.method != "POST" else await self._body(request)
            answers = await self.answers()
            facts_of(request.scope).line |= {"document": hash_of(text)[:SHOWN], "format": form or "explanation"}
            not_before = (await self._tables.answers()).not_before(request)
            question = await answers.question(text, request.scope["caller"], not_before)
            if question.statement.catalog:
                self._tables.check_described()
            if form is None:
                return await self._explained(answers, question, request)
            from server.sql.results import SQL_FORMATS

            return await self._run(answers, question, SQL_FORMATS[form], request)
        except RequestError as refusal:
            for one in refusal.errors:
                one["message"] = self._message(one["message"])
            return error_response(refusal)
        except ClientGone:
            facts_of(request.scope).line["gone"] = True
            return Response(status_code=499)

    def _message(self, text: str) -> str:
        """Return the message for a client, without names if it must not see the schema."""
        return text if self._tables.describes else self._tables.message(text.partition("\n")[0])

    async def _explained(self, answers: "SqlAnswers", question: "SqlQuestion", request: Request) -> Response:
        found = await self._watch.over(answers.explanation(question), request.receive)
        if not self._tables.describes:
            # Whoever must not see the schema sees neither a document nor the fields of the graph.
            for table in found["tables"]:
                del table["document"]
                for call in table["plan"]:
                    del call["fields"]
        return Response(encode(found), headers=_HEADERS, media_type="application/json; charset=utf-8")

    async def _run(
        self, answers: "SqlAnswers", question: "SqlQuestion", form: "SqlFormat", request: Request
    ) -> Response:
        headers = dict(_HEADERS)
        if request.method == "HEAD":
            return Response(headers=headers, media_type=form.media_type)
        from server.sql.response import SqlResponse

        result = await self._watch.over(answers.result(question), request.receive)
        try:
            return SqlResponse(result, form, headers, self._config.seconds)
        except RequestError:
            await result.batches.aclose()
            raise

    async def _body(self, request: Request) -> str:
        kind, _, parameters = request.headers.get("content-type", "").partition(";")
        charset = parameters.strip().lower().removeprefix("charset=").strip('"')
        if kind.strip().lower() != MEDIA_TYPE or charset not in ("", "utf-8", "utf8"):
            raise RequestError(
                415, "UNSUPPORTED_MEDIA_TYPE", f"Send the statement as Content-Type: {MEDIA_TYPE}, in UTF-8.",
                {"Accept": MEDIA_TYPE},
            )  # fmt: skip
        if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise RequestError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the statement without compression.")
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > self._most_bytes:
                message = f"The statement is longer than {self._most_bytes} bytes."
                raise RequestError(413, "PAYLOAD_TOO_LARGE", message, {"Connection": "close"})
        try:
            return body.decode()
        except UnicodeDecodeError:
            raise RequestError(400, "BAD_REQUEST", "The statement is not in UTF-8.") from None


def _in_thread(function: Callable[[], None]) -> "asyncio.Future[None]":
    """Run a function in a thread that does not outlive the process. The future is cancelled at its end."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def run() -> None:
        function()
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(done.cancel)

    threading.Thread(target=run, daemon=True).start()
    return done


def _of_address(request: Request) -> str:
    found = request.query_params.getlist("q")
    if len(found) != 1:
        raise RequestError(
            400, "BAD_USER_INPUT", "Add the statement to the address: /sql?q=SELECT…; or send it by POST."
        )
    return found[0]


def _wants_page(request: Request) -> bool:
    """Return whether a browser opens the address, and not the result or the explanation of a statement."""
    if request.method == "POST" or not {"format", "explain"}.isdisjoint(request.query_params):
        return False
    return wants_page(request.headers.get("accept"), tuple(_NAMES))


def _explains(request: Request) -> bool:
    """Return whether a request asks for the explanation of its statement: its parameter `explain`."""
    named = request.query_params.get("explain", "0")
    if named not in _TRUTH:
        raise RequestError(400, "BAD_USER_INPUT", "The parameter explain must be 1 or 0.")
    return _TRUTH[named]


def _form(request: Request) -> str:
    """Return the format of a request: its parameter `format`, or what it accepts."""
    named = request.query_params.get("format")
    if named is not None:
        if named not in _FORMATS:
            raise RequestError(404, "NOT_FOUND", f"There is no format {named[:40]!r}; there are {', '.join(_FORMATS)}.")
        return named
    found = preferred(request.headers.get("accept"), tuple(_NAMES))
    if found is None:
        raise RequestError(406, "NOT_ACCEPTABLE", f"Results are {', '.join(_NAMES)}.")
    return _NAMES[found]
