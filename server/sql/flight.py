"""Arrow Flight SQL: the same statements, for ADBC and the tools that use it.

Every call is a request to `/sql` of the application, inside this process. So the credential, the limits, the admission
and the line in the log are the same. The server of Flight has threads of its own; the requests run in the event loop.
"""

import asyncio
import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from weakref import WeakSet

import orjson
import pyarrow as pa
import pyarrow.flight as flight
import structlog
from starlette.types import ASGIApp, Message

from server.sql import flight_messages as messages
from server.sql.flight_messages import MalformedMessage

_BEARER = "bearer "
_AHEAD = 4  # chunks that wait for the client
_CATALOG = "gamehub"
_TABLE_TYPE = "BASE TABLE"
_SCHEMAS = ("main", "saved")
_LISTED = (
    "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns "
    "WHERE table_schema IN ('main', 'saved') ORDER BY table_schema, table_name, ordinal_position"
)
_TYPES = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")

_CATALOGS = pa.schema([pa.field("catalog_name", pa.string(), False)])
_DB_SCHEMAS = pa.schema([pa.field("catalog_name", pa.string()), pa.field("db_schema_name", pa.string(), False)])
_TABLE_TYPES = pa.schema([pa.field("table_type", pa.string(), False)])
_TABLES = pa.schema(
    [
        pa.field("catalog_name", pa.string()),
        pa.field("db_schema_name", pa.string()),
        pa.field("table_name", pa.string(), False),
        pa.field("table_type", pa.string(), False),
    ]
)
_TABLE_SCHEMA = pa.field("table_schema", pa.binary(), False)
_INFO_VALUE = pa.dense_union(
    [
        pa.field("string_value", pa.string()),
        pa.field("bool_value", pa.bool_()),
        pa.field("bigint_value", pa.int64()),
        pa.field("int32_bitmask", pa.int32()),
        pa.field("string_list", pa.list_(pa.string())),
        pa.field("int32_to_int32_list_map", pa.map_(pa.int32(), pa.list_(pa.int32()))),
    ]
)
_SQL_INFO = pa.schema([pa.field("info_name", pa.uint32(), False), pa.field("value", _INFO_VALUE, False)])
# Name, version, version of Arrow; read only; no SQL, no Substrait, no transactions.
_TEXTS = {0: "gamehub-graph", 1: "1", 2: pa.__version__}
_TRUTHS = {3: True, 4: True, 5: False}

# pyarrow sends errors of other kinds with the place in the source code.
_ERRORS: Mapping[int, Callable[[str], Exception]] = {
    401: flight.FlightUnauthenticatedError,
    403: flight.FlightUnauthorizedError,
    429: flight.FlightUnavailableError,
    500: flight.FlightInternalError,
    503: flight.FlightUnavailableError,
}
_FAULT = "The server has failed; its log says why."

log = structlog.get_logger(__name__)


class _Credential(flight.ServerMiddleware):  # type: ignore[misc]  # pyarrow has no types
    """The credential of a call. It is sent back, so that a client that has logged in uses it for later calls."""

    def __init__(self, value: str) -> None:
        self.value = value

    def sending_headers(self) -> dict[str, str]:
        return {"authorization": self.value} if self.value else {}


class _Credentials(flight.ServerMiddlewareFactory):  # type: ignore[misc]
    """Read the credential of a call: Bearer, or Basic with a key as its password."""

    def start_call(self, info: Any, headers: Mapping[str, list[str]]) -> _Credential:
        value = next((values[0] for name, values in headers.items() if name.lower() == "authorization" and values), "")
        kind, _, rest = value.partition(" ")
        if kind.lower() == "basic":
            try:
                value = "Bearer " + base64.b64decode(rest, validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                raise flight.FlightUnauthenticatedError("The credential is malformed.") from None
        elif value and not value.lower().startswith(_BEARER):
            raise flight.FlightUnauthenticatedError("The credential must be Bearer or Basic.")
        return _Credential(value)


class _Handshake(flight.ServerAuthHandler):  # type: ignore[misc]
    """Answer the handshake of clients that log in. The credential is in the headers, and each call checks it."""

    def authenticate(self, outgoing: Any, incoming: Any) -> None:
        """Do nothing."""

    def is_valid(self, token: bytes) -> bytes:
        return b""


class FlightSql(flight.FlightServerBase):  # type: ignore[misc]
    """The server of Flight SQL over the application."""

    def __init__(
        self, app: ASGIApp, address: str, certificate: tuple[Path, Path] | None, loop: asyncio.AbstractEventLoop
    ) -> None:
        more: dict[str, Any] = {}
        if certificate is not None:
            chain, key = (path.read_bytes() for path in certificate)
            more["tls_certificates"] = [(chain, key)]
        scheme = "grpc+tls" if certificate is not None else "grpc"
        super().__init__(
            f"{scheme}://{address}", auth_handler=_Handshake(), middleware={"credential": _Credentials()}, **more
        )
        self._app = app
        self._loop = loop
        self._requests: WeakSet[_SqlRequest] = WeakSet()

    def close(self) -> None:
        """End all calls, and the server."""
        for request in list(self._requests):
            request.leave()
        self.shutdown()

    def get_flight_info(self, context: Any, descriptor: Any) -> Any:
        """Return the columns of a command, and the ticket for its rows."""
        with _guarded():
            name, content = _opened(descriptor.command)
            return self._info(context, descriptor, name, content)

    def get_schema(self, context: Any, descriptor: Any) -> Any:
        """Return the columns of a command."""
        with _guarded():
            name, content = _opened(descriptor.command)
            return flight.SchemaResult(self._schema(context, name, content))

    def do_get(self, context: Any, ticket: Any) -> Any:
        """Return the rows of a command."""
        with _guarded():
            name, content = _opened(ticket.ticket)
            text = _statement_of(name, content)
            if text is None:
                return flight.RecordBatchStream(self._metadata(context, name, content))
            request = self._request(context, text)
            schema = request.begin()
            return flight.GeneratorStream(schema, _Batches(request, context))

    def list_actions(self, context: Any) -> Any:
        """Return the actions for prepared statements."""
        return [
            ("CreatePreparedStatement", "Prepare a statement without parameters."),
            ("ClosePreparedStatement", "Close a prepared statement."),
        ]

    def do_action(self, context: Any, action: Any) -> Iterator[Any]:
        """Prepare a statement, or close it. A prepared statement is its text, so the server stores nothing."""
        with _guarded():
            yield from self._acted(context, action)

    def _acted(self, context: Any, action: Any) -> Iterator[Any]:
        _, content = _opened(action.body.to_pybytes())
        match action.type:
            case "CreatePreparedStatement":
                text = messages.text(messages.fields(content), 1) or ""
                schema = self._columns(context, text)
                result = messages.closed(
                    "ActionCreatePreparedStatementResult",
                    f1=text.encode(), f2=schema.serialize().to_pybytes(), f3=pa.schema([]).serialize().to_pybytes(),
                )  # fmt: skip
                yield flight.Result(pa.py_buffer(result))
            case "ClosePreparedStatement":
                return
            case _:
                raise flight.FlightServerError(f"There is no action {action.type[:60]!r}.")

    def _info(self, context: Any, descriptor: Any, name: str, content: bytes) -> Any:
        schema = self._schema(context, name, content)
        text = _statement_of(name, content)
        ticket = descriptor.command if text is None else messages.closed("TicketStatementQuery", f1=text.encode())
        endpoint = flight.FlightEndpoint(flight.Ticket(ticket), [])
        return flight.FlightInfo(schema, descriptor, [endpoint], -1, -1)

    def _schema(self, context: Any, name: str, content: bytes) -> pa.Schema:
        text = _statement_of(name, content)
        if text is not None:
            return self._columns(context, text)
        match name:
            case "CommandGetCatalogs":
                return _CATALOGS
            case "CommandGetDbSchemas":
                return _DB_SCHEMAS
            case "CommandGetTableTypes":
                return _TABLE_TYPES
            case "CommandGetSqlInfo":
                return _SQL_INFO
            case "CommandGetTables":
                return _TABLES.append(_TABLE_SCHEMA) if _includes_schema(content) else _TABLES
        raise flight.FlightServerError(f"There is no command {name[:60]!r}.")

    def _columns(self, context: Any, text: str) -> pa.Schema:
        """Return the columns of a statement. No row is read for them."""
        request = self._request(context, f"SELECT * FROM (\n{text.rstrip().rstrip(';')}\n) AS q LIMIT 0")
        schema = request.begin()
        request.leave()
        return schema

    def _metadata(self, context: Any, name: str, content: bytes) -> pa.Table:
        """Return the rows of a command about the catalogue. Callers that may not see it are refused."""
        listed = self._request(context, _LISTED).whole().to_pylist()
        found = messages.fields(content)
        schema = self._schema(context, name, content)
        match name:
            case "CommandGetCatalogs":
                rows: list[dict[str, Any]] = [{"catalog_name": _CATALOG}]
            case "CommandGetDbSchemas":
                fits = _pattern(messages.text(found, 2))
                rows = [{"catalog_name": _CATALOG, "db_schema_name": one} for one in _SCHEMAS if fits(one)]
            case "CommandGetTableTypes":
                rows = [{"table_type": _TABLE_TYPE}]
            case "CommandGetSqlInfo":
                return _sql_info(found)
            case _:
                rows = self._tables(listed, found, _includes_schema(content))
        if name != "CommandGetTableTypes" and messages.text(found, 1) not in (None, "", _CATALOG):
            rows = []
        return pa.Table.from_pylist(rows, schema)

    def _tables(
        self, listed: list[dict[str, str]], found: dict[int, list[bytes | int]], described: bool
    ) -> list[dict[str, Any]]:
        in_schema, named = _pattern(messages.text(found, 2)), _pattern(messages.text(found, 3))
        if found.get(4) and _TABLE_TYPE.encode() not in found[4] and b"TABLE" not in found[4]:
            return []
        columns: dict[tuple[str, str], list[pa.Field]] = {}
        for one in listed:
            schema, name = one["table_schema"], one["table_name"]
            if in_schema(schema) and named(name):
                field = pa.field(one["column_name"], _type(one["data_type"]))
                columns.setdefault((schema, name), []).append(field)
        return [
            {
                "catalog_name": _CATALOG,
                "db_schema_name": schema,
                "table_name": name,
                "table_type": _TABLE_TYPE,
                **({"table_schema": pa.schema(fields).serialize().to_pybytes()} if described else {}),
            }
            for (schema, name), fields in columns.items()
        ]

    def _request(self, context: Any, text: str) -> "_SqlRequest":
        credential: _Credential = context.get_middleware("credential")
        request = _SqlRequest(self._app, self._loop, text, credential.value, context.peer())
        self._requests.add(request)
        return request


class _Batches:
    """The rows of a request for a client. If the client leaves, the statement is ended."""

    def __init__(self, request: "_SqlRequest", context: Any) -> None:
        self._request = request
        self._rows = request.batches()
        self._context = context

    def __iter__(self) -> "_Batches":
        return self

    def __next__(self) -> pa.RecordBatch:
        if self._context.is_cancelled():
            self._request.leave()
            raise StopIteration
        return next(self._rows)

    def __del__(self) -> None:
        self._request.leave()


class _SqlRequest:
    """A request to `/sql`, made by a thread. Its answer is a stream of Arrow."""

    def __init__(self, app: ASGIApp, loop: asyncio.AbstractEventLoop, text: str, credential: str, peer: str) -> None:
        self._app = app
        self._loop = loop
        self._body = text.encode()
        self._scope = _scope(credential, peer)
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(_AHEAD)
        self._status: Future[int] = Future()
        self._gone = asyncio.Event()
        self._sent = False
        self._whole = False
        self._rest = b""
        self._reader: Any = None
        self._running = asyncio.run_coroutine_threadsafe(self._run(), loop)

    def begin(self) -> pa.Schema:
        """Return the columns of the answer. Raises the error of Flight for one that is refused."""
        status = self._status.result()
        if status != 200:
            content = b"".join(iter(self._chunk, b""))
            raise _error(status, content)
        self._reader = pa.ipc.open_stream(pa.PythonFile(self, "r"))
        return self._reader.schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows. Raises the error of Flight if they end before their end."""
        with _guarded():
            yield from self._reader
        while self._chunk():  # until the end of the answer, which says whether it is whole
            pass
        if not self._whole:
            raise flight.FlightInternalError("The result ended before its end: ask for less, or try again.")

    def whole(self) -> pa.Table:
        """Return the whole answer."""
        schema = self.begin()
        try:
            return pa.Table.from_batches(list(self._reader), schema)
        finally:
            self.leave()

    def leave(self) -> None:
        """End the request, as a client that closes its connection."""
        with suppress(RuntimeError):  # the loop has ended, and the request with it
            self._loop.call_soon_threadsafe(self._gone.set)
            # The application may wait for a place for its next chunk.
            self._loop.call_soon_threadsafe(self._running.cancel)

    # The parts of a file that pyarrow reads from.

    closed = False

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes of the answer."""
        parts = [self._rest]
        there = len(self._rest)
        while size < 0 or there < size:
            chunk = self._chunk()
            if not chunk:
                break
            parts.append(chunk)
            there += len(chunk)
        data = b"".join(parts)
        size = len(data) if size < 0 else size
        data, self._rest = data[:size], data[size:]
        return data

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """Do nothing: `leave` ends the request."""

    def _chunk(self) -> bytes:
        """Return the next chunk; nothing at the end."""
        chunk = asyncio.run_coroutine_threadsafe(self._chunks.get(), self._loop).result()
        return chunk or b""

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        except Exception:  # the application has logged it; the client sees a stream without its end
            pass
        finally:
            if not self._status.done():
                self._status.set_result(500)
            try:
                await self._chunks.put(None)
            except asyncio.CancelledError:  # nobody reads the chunks that wait
                while not self._chunks.empty():
                    self._chunks.get_nowait()
                self._chunks.put_nowait(None)
                raise

    async def _receive(self) -> Message:
        if not self._sent:
            self._sent = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status.set_result(message["status"])
            return
        body = message.get("body", b"")
        if body:
            await self._chunks.put(body)
        if not message.get("more_body", False):
            self._whole = True


def _scope(credential: str, peer: str) -> dict[str, Any]:
    """Return a request as ASGI describes it."""
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/sql"), (b"user-agent", b"flight-sql")]
    if credential:
        headers.append((b"authorization", credential.encode("latin-1", "replace")))
    address = re.sub(r"^ipv[46]:|:\d+$", "", peer).strip("[]").replace("%5B", "").replace("%5D", "")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/sql",
        "raw_path": b"/sql",
        "query_string": b"format=arrow",
        "root_path": "",
        "headers": headers,
        "client": (address, 0),
        "server": ("127.0.0.1", 0),
        "state": {},
    }


def _error(status: int, content: bytes) -> Exception:
    try:
        error = orjson.loads(content)["errors"][0]
        message = f"{error['message']} ({error['extensions']['code']})"
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError):
        message = f"The request failed with the status {status}."
    kind: Callable[[str], Exception] = _ERRORS.get(status, flight.FlightServerError)
    return kind(message)


@contextmanager
def _guarded() -> Iterator[None]:
    """Log a fault, and answer it without its text."""
    try:
        yield
    except (flight.FlightError, GeneratorExit):
        raise
    except Exception:
        log.exception("a call of Flight SQL failed")
        raise flight.FlightInternalError(_FAULT) from None


def _opened(data: bytes) -> tuple[str, bytes]:
    try:
        return messages.opened(data)
    except MalformedMessage as error:
        raise flight.FlightServerError(f"The command is malformed: {error}.") from None


def _statement_of(name: str, content: bytes) -> str | None:
    """Return the statement of a command or a ticket; None for a command about the catalogue."""
    if name not in ("CommandStatementQuery", "TicketStatementQuery", "CommandPreparedStatementQuery"):
        return None
    try:
        return messages.text(messages.fields(content), 1) or ""
    except MalformedMessage as error:
        raise flight.FlightServerError(f"The command is malformed: {error}.") from None


def _includes_schema(content: bytes) -> bool:
    return bool(messages.fields(content).get(5, [0])[-1])


def _type(text: str) -> pa.DataType:
    """Return the type in Arrow of a column of the catalogue."""
    if text.endswith("[]"):
        return pa.list_(_type(text.removesuffix("[]")))
    decimal = _DECIMAL.fullmatch(text)
    return pa.decimal128(int(decimal[1]), int(decimal[2])) if decimal is not None else _TYPES[text]


def _pattern(text: str | None) -> Callable[[str], bool]:
    """Return the test of a pattern of LIKE; without a pattern everything fits."""
    if text is None:
        return lambda name: True
    parts = {"%": ".*", "_": "."}
    expression = re.compile("".join(parts.get(sign) or re.escape(sign) for sign in text), re.DOTALL)
    return lambda name: expression.fullmatch(name) is not None


def _sql_info(found: dict[int, list[bytes | int]]) -> pa.Table:
    wanted: set[int] = set()
    for value in found.get(1, ()):
        wanted |= {value} if isinstance(value, int) else set(value)  # packed numbers below 128
    names = [name for name in (*_TEXTS, *_TRUTHS) if not wanted or name in wanted]
    texts = [_TEXTS[name] for name in names if name in _TEXTS]
    truths = [_TRUTHS[name] for name in names if name in _TRUTHS]
    types = pa.array([0 if name in _TEXTS else 1 for name in names], pa.int8())
    offsets = pa.array([*range(len(texts)), *range(len(truths))], pa.int32())
    children = [
        pa.array(texts, pa.string()),
        pa.array(truths, pa.bool_()),
        *(pa.array([], _INFO_VALUE.field(place).type) for place in range(2, 6)),
    ]
    values = pa.UnionArray.from_dense(types, offsets, children, [_INFO_VALUE.field(place).name for place in range(6)])
    return pa.Table.from_arrays([pa.array(names, pa.uint32()), values], schema=_SQL_INFO)
