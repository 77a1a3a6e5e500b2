"""The server of Flight SQL.

Every call is a request to `/sql` of the application, inside this process. So the credential, the limits, the admission
and the line in the log are the same.
"""

import asyncio
import base64
import binascii
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakSet, WeakValueDictionary

import pyarrow as pa
import pyarrow.flight as flight
import structlog
from starlette.types import ASGIApp

from server.sql.flight import messages
from server.sql.flight.messages import MalformedMessage
from server.sql.flight.request import LOOK_SECONDS, SqlRequest

_BEARER = "bearer "
# The handle of a statement that can be run: its mark, by which it is cancelled, and its text.
_MARK = 16
_TICKET = "TicketStatementQuery"
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
# Name, version, version of Arrow, the quote of names; read only; SQL; no Substrait; statements can be cancelled.
_TEXTS = {0: "gamehub-graph", 1: "1", 2: pa.__version__, 504: '"'}
_TRUTHS = {3: True, 4: True, 5: False, 9: True}
# The results of a cancellation: the field 1 with a number.
_CANCELLED, _NOT_CANCELLABLE = b"\x08\x01", b"\x08\x03"

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


# A client that has its rows ends its statement, and finds the server, within this time.
LEAVING_SECONDS = 0.5


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
        self._requests: WeakSet[SqlRequest] = WeakSet()
        self._adding = threading.Lock()
        self._marked: WeakValueDictionary[str, SqlRequest] = WeakValueDictionary()

    def close(self, seconds: float) -> None:
        """Let the statements that run end, for so many seconds, then end all calls and the server."""
        late = threading.Timer(seconds, self._end_calls)
        late.start()
        try:
            if self._running():
                while self._running():
                    time.sleep(LOOK_SECONDS)
                time.sleep(LEAVING_SECONDS)
            self.shutdown()  # waits for calls whose clients still read
        finally:
            late.cancel()

    def _running(self) -> bool:
        with self._adding:
            return not all(request.over for request in self._requests)

    def _end_calls(self) -> None:
        with self._adding:
            for request in self._requests:
                request.leave()

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
            if name == _TICKET:
                self._marked[_mark_of(content)] = request
            schema = request.begin()
            return flight.GeneratorStream(schema, _Batches(request, context))

    def list_actions(self, context: Any) -> Any:
        """Return the actions for prepared statements, and to cancel statements."""
        return [
            ("CancelFlightInfo", "Cancel a statement that runs."),
            ("CancelQuery", "Cancel a statement that runs."),
            ("CreatePreparedStatement", "Prepare a statement without parameters."),
            ("ClosePreparedStatement", "Close a prepared statement."),
        ]

    def do_action(self, context: Any, action: Any) -> Iterator[Any]:
        """Prepare a statement, close it, or cancel one. A prepared statement is its text, so nothing is stored."""
        with _guarded():
            yield from self._acted(context, action)

    def _acted(self, context: Any, action: Any) -> Iterator[Any]:
        body = action.body.to_pybytes()
        if action.type == "CancelFlightInfo":  # an action of Flight: its message has no name
            yield flight.Result(pa.py_buffer(self._cancel(context, body)))
            return
        _, content = _opened(body)
        match action.type:
            case "CancelQuery":
                result = messages.named("ActionCancelQueryResult", self._cancel(context, content))
                yield flight.Result(pa.py_buffer(result))
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

    def _cancel(self, context: Any, content: bytes) -> bytes:
        """Cancel the statement of a `FlightInfo` for its own caller. Return the message that says whether it ran."""
        try:
            info = messages.inner(content, 1)
            name, ticket = messages.opened(messages.inner(messages.inner(messages.inner(info, 3), 1), 1))
            mark = _mark_of(ticket) if name == _TICKET else ""
        except MalformedMessage as error:
            raise flight.FlightServerError(f"The action is malformed: {error}.") from None
        request = self._marked.get(mark)
        credential: _Credential = context.get_middleware("credential")
        if request is None or request.over or request.credential != credential.value:
            return _NOT_CANCELLABLE
        request.leave()
        return _CANCELLED

    def _info(self, context: Any, descriptor: Any, name: str, content: bytes) -> Any:
        schema = self._schema(context, name, content)
        text = _statement_of(name, content)
        if text is None:
            ticket = descriptor.command
        else:
            ticket = messages.closed(_TICKET, f1=(secrets.token_hex(_MARK // 2) + text).encode())
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

    def _request(self, context: Any, text: str) -> SqlRequest:
        credential: _Credential = context.get_middleware("credential")
        request = SqlRequest(self._app, self._loop, text, credential.value, context)
        with self._adding:
            self._requests.add(request)
        return request


class _Batches:
    """The rows of a request for a client. If the client leaves, the statement is ended."""

    def __init__(self, request: SqlRequest, context: Any) -> None:
        self._request = request
        self._rows = request.batches()
        self._context = context

    def __iter__(self) -> "_Batches":
        return self

    def __next__(self) -> pa.RecordBatch:
        if self._context.is_cancelled():
            self._request.leave()
            raise StopIteration
        with _guarded():
            return next(self._rows)

    def __del__(self) -> None:
        self._request.leave()


@contextmanager
def _guarded() -> Iterator[None]:
    """Log a fault, and answer it without its text."""
    try:
        yield
    except (flight.FlightError, GeneratorExit, StopIteration):
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
    if name not in ("CommandStatementQuery", _TICKET, "CommandPreparedStatementQuery"):
        return None
    try:
        text = messages.text(messages.fields(content), 1) or ""
    except MalformedMessage as error:
        raise flight.FlightServerError(f"The command is malformed: {error}.") from None
    return text[_MARK:] if name == _TICKET else text


def _mark_of(ticket: bytes) -> str:
    """Return the mark of the content of a ticket for a statement. Raises MalformedMessage."""
    return (messages.text(messages.fields(ticket), 1) or "")[:_MARK]


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
    wanted = messages.numbers(found, 1)
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
