"""GraphQL over WebSocket: the protocol graphql-transport-ws, as npm's graphql-ws and most clients speak it.

A client introduces itself first (`connection_init`), with a credential in the headers of the handshake or in the
payload of this message. Then it starts and completes operations. Strawberry has a handler of this protocol. It parses
documents before they are measured, and gives all events of a subscription one context, so it does not fit here.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from typing import Any

import orjson
import structlog
from graphql import OperationType
from starlette.types import Message, Receive, Scope, Send

from server.auth.authenticator import Authenticator, KnownCredential
from server.auth.credentials import NAMES
from server.auth.middleware import SUBPROTOCOL
from server.execution import request_options
from server.execution.execution import FAULT, Executor, Outcome
from server.execution.operation import Operation
from server.execution.persisted.registered import RegisteredDocuments
from server.http import operation_reader
from server.http.error_response import send_error
from server.http.guards import origins
from server.http.request_error import Errors, RequestError, error
from server.http.request_facts import facts_of
from server.http.request_headers import RequestHeaders
from server.http.writing import encode
from server.logs import note_caller
from server.subscriptions.ending import SubscriptionEnded, credential_over, draining
from server.subscriptions.subscriptions import Subscribing, Subscriptions
from server.usage import CLIENT, VERSION, Count, uncounted
from upstream.resilience.queue import QUEUE_CALLER, Queue, QueueCaller

# The operations of one connection that run at the same time, and the length of their ids.
MOST_OPERATIONS = 100
LONGEST_ID = 128
_LONGEST_REASON = 120  # bytes; the protocol allows 123
# The connections of one address whose clients have not introduced themselves yet.
MOST_SILENT = 500
# The queries that run at the same time over all connections, and those that may wait.
QUERIES = 8
MOST_WAITING = 800

# The codes with which a connection is closed, as the protocol has them.
BAD_MESSAGE, UNAUTHORIZED, FORBIDDEN, INIT_TIMEOUT, SAME_ID, SECOND_INIT = 4400, 4401, 4403, 4408, 4409, 4429
TOO_LONG, TRY_LATER, FAILED = 1009, 1013, 1011


log = structlog.get_logger(__name__)


class Closed(Exception):
    """The connection is to be closed, with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class GraphQLSockets:
    """The endpoint, as an ASGI application."""

    def __init__(
        self,
        subscriptions: Subscriptions,
        authenticator: Authenticator,
        registered: RegisteredDocuments,
        allowed: Sequence[str],
        count: Count = uncounted,
    ) -> None:
        self.subscriptions = subscriptions
        self.executor: Executor = subscriptions.executor
        self.authenticator = authenticator
        self.registered = registered
        self.count = count
        self.queries = Queue(QUERIES)
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        try:
            origins.check_any(RequestHeaders.of(scope), self._allowed, "open a WebSocket")
            if SUBPROTOCOL not in scope.get("subprotocols", ()):
                raise RequestError(400, "BAD_REQUEST", f"A WebSocket needs the subprotocol {SUBPROTOCOL} here.")
        except RequestError as refusal:
            await send_error(refusal, scope, receive, send)
            return
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        await SocketConnection(self, scope, receive, send).serve()


class SocketConnection:
    """One connection: its caller, and the operations that run on it."""

    def __init__(self, endpoint: GraphQLSockets, scope: Scope, receive: Receive, send: Send) -> None:
        self._endpoint = endpoint
        self._scope = scope
        self._receive = receive
        self._send = send
        self._known: KnownCredential | None = None
        self._who: Subscribing | None = None
        # The headers of the handshake, and those that name the client.
        self._named: Mapping[str, str] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._closing: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()

    async def serve(self) -> None:
        """Serve the client until one side closes the connection."""
        async with AsyncExitStack() as self._stack:
            stopping = await self._stack.enter_async_context(self._endpoint.subscriptions.connection())
            reading = asyncio.ensure_future(self._read())
            stopped = asyncio.ensure_future(stopping.wait())
            try:
                await asyncio.wait((reading, stopped, self._closing), return_when=asyncio.FIRST_COMPLETED)
                # If the server stops, queries are answered, and subscriptions say from where their clients can go on.
                while self._running and not (reading.done() or self._closing.done()):
                    ends: list[asyncio.Future[Any]] = [reading, self._closing, *self._running.values()]
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                closed = self._why(reading)
            finally:
                for task in (reading, stopped, *self._running.values()):
                    task.cancel()
                await asyncio.gather(reading, stopped, *self._running.values(), return_exceptions=True)
            if closed is not None:
                with suppress(Exception):  # the client may have gone
                    await self._send({"type": "websocket.close", "code": closed.code, "reason": _short(closed.reason)})

    def _why(self, reading: "asyncio.Future[None]") -> Closed | None:
        """Return why the connection is to be closed; None if the client has closed it."""
        if self._closing.done():
            return self._closing.result()
        if not reading.done():
            return Closed(1012, str(draining()))
        problem = reading.exception()
        if problem is None:
            return None
        return problem if isinstance(problem, Closed) else Closed(FAILED, FAULT)

    async def _read(self) -> None:
        subscriptions, client = self._endpoint.subscriptions, self._scope.get("client")
        address = f"silent {client[0] if client else ''}"
        try:
            with subscriptions.socket(address, MOST_SILENT):
                async with asyncio.timeout(subscriptions.config.init_seconds):
                    async for message in self._messages():
                        if await self._introduced(message):
                            break
                    else:
                        return
        except TimeoutError:
            raise Closed(INIT_TIMEOUT, "Connection initialisation timeout") from None
        except SubscriptionEnded as ending:
            raise Closed(TRY_LATER, str(ending)) from None
        await self._write({"type": "connection_ack"})
        async for message in self._messages():
            kind = message["type"]
            if kind == "subscribe":
                await self._subscribe(message)
            elif kind == "complete":
                task = self._running.pop(_id(message), None)
                if task is not None:
                    task.cancel()
            elif kind == "connection_init":
                raise Closed(SECOND_INIT, "Too many initialisation requests")
            else:
                raise Closed(BAD_MESSAGE, f"Unexpected message of type {str(kind)[:40]}")

    async def _messages(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the messages of the client, but pings and pongs."""
        while True:
            message: Message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return
            if len(message.get("text") or "") > self._endpoint.executor.limits.body_bytes:
                raise Closed(TOO_LONG, f"A message is longer than {self._endpoint.executor.limits.body_bytes} bytes.")
            try:
                found = orjson.loads(message.get("text") or b"")
            except orjson.JSONDecodeError:
                found = None
            if not isinstance(found, dict) or not isinstance(found.get("type"), str):
                raise Closed(BAD_MESSAGE, "A message must be a JSON object with a type, as text.")
            if found["type"] == "ping":
                await self._write({"type": "pong"})
            elif found["type"] != "pong":
                yield found

    async def _introduced(self, message: Mapping[str, Any]) -> bool:
        if message["type"] != "connection_init":
            raise Closed(UNAUTHORIZED, "Unauthorized: send connection_init first.")
        scope = self._scope
        given = _headers(message.get("payload"), NAMES)
        named = _headers(message.get("payload"), (CLIENT, VERSION))
        self._named = RequestHeaders.of(scope) | {str(name, "latin-1"): str(text, "latin-1") for name, text in named}
        if given or "known" not in scope:
            scope = {
                "type": "http", "method": "GET", "path": scope["path"], "query_string": b"", "headers": given,
                "client": scope.get("client"),
            }  # fmt: skip
            try:
                scope["known"], _ = await self._endpoint.authenticator.admit(scope)
            except RequestError as refusal:
                code = {401: FORBIDDEN, 403: FORBIDDEN}.get(refusal.status, TRY_LATER)
                raise Closed(code, str(refusal)) from None
        known: KnownCredential = scope["known"]
        limiter = self._endpoint.authenticator.limiter
        QUEUE_CALLER.set(QueueCaller(known.name, lambda: limiter.call(known.name, known.rates)))
        note_caller(self._scope, known.caller.name)
        self._scope["caller"] = known.caller
        self._known, self._who = known, Subscribing(known.name, self._endpoint.authenticator.expiry(scope))
        subscriptions = self._endpoint.subscriptions
        self._stack.enter_context(subscriptions.socket(known.name, subscriptions.config.most_of_caller))
        return True

    async def _subscribe(self, message: Mapping[str, Any]) -> None:
        assert self._who is not None
        assert self._known is not None
        id = _id(message)
        if id in self._running:
            raise Closed(SAME_ID, f"Subscriber for {id} already exists")
        if self._who.over():
            raise Closed(FORBIDDEN, str(credential_over()))
        if len(self._running) >= MOST_OPERATIONS:
            what = f"{MOST_OPERATIONS} operations run on this connection, and not more may: complete one of them."
            await self._fail(id, [error(what, "TOO_MANY_SUBSCRIPTIONS")])
            return
        self._running[id] = task = asyncio.create_task(self._operate(id, message.get("payload")))

        def done(task: "asyncio.Task[None]") -> None:
            if self._running.get(id) is task:
                del self._running[id]

        task.add_done_callback(done)

    async def _operate(self, id: str, payload: Any) -> None:
        """Run one operation to its end."""
        try:
            operation = await self._operation(payload)
            if self._endpoint.executor.kind(operation) is OperationType.SUBSCRIPTION:
                await self._stream(id, operation)
            else:
                with self._endpoint.subscriptions.query():
                    await self._query(id, operation)
        except RequestError as refusal:
            await self._fail(id, refusal.errors)
        except SubscriptionEnded as ending:
            if ending.again:
                # The connection is closed when all operations have ended. A client may ignore the payload of a ping.
                await self._write({"type": "ping", "payload": {"id": id, "errors": ending.errors}})
            elif ending.close_code is not None:
                self._close(ending.close_code, str(ending))
            else:
                await self._fail(id, ending.errors)
        except OSError:
            pass  # the client has gone
        except Exception:
            log.exception("an operation on a WebSocket failed")
            await self._fail(id, [error(FAULT, "INTERNAL_SERVER_ERROR")])

    async def _operation(self, payload: Any) -> Operation:
        assert self._known is not None
        known, endpoint = self._known, self._endpoint
        if not isinstance(payload, dict):
            raise RequestError(400, "BAD_REQUEST", "The message has no payload with a query in it.")
        standing = await endpoint.authenticator.limiter.request(known.name, known.rates)
        if standing.over is not None:
            wait = max(standing.over.seconds, 1)
            raise RequestError(429, "TOO_MANY_REQUESTS", f"The caller has made all its requests: wait {wait} seconds.")
        operation = operation_reader.from_members(payload, endpoint.executor.limits)
        operation = await endpoint.registered.resolve(operation, endpoint.executor.documents)
        options = request_options.read({}, operation.extensions)
        operation = operation.by(known.caller, options)
        endpoint.count(operation, self._named)
        return operation

    async def _stream(self, id: str, operation: Operation) -> None:
        assert self._who is not None
        subscriptions = self._endpoint.subscriptions
        found = await subscriptions.subscribe(operation, self._who)
        if isinstance(found, Outcome):
            await self._answer(id, found)
            return
        try:
            async with aclosing(found.answers()) as answers:
                async for body in answers:
                    await self._next(id, body)
            await self._write({"id": id, "type": "complete"})
        finally:
            await subscriptions.close(found)

    async def _query(self, id: str, operation: Operation) -> None:
        executor = self._endpoint.executor
        if self._endpoint.queries.waiting >= MOST_WAITING:
            raise RequestError(503, "OVERLOADED", "The server has more to do than it can: try again in a moment.")
        await self._endpoint.queries.take(QUEUE_CALLER.get().name)
        try:
            async with asyncio.timeout(executor.limits.seconds):
                outcome = await executor.run(operation)
        except TimeoutError:
            late = f"The operation was not done after {executor.limits.seconds:g} seconds; ask for less at a time."
            outcome = Outcome(errors=[error(late, "DEADLINE_EXCEEDED")])
        finally:
            self._endpoint.queries.give()
        await self._answer(id, outcome)

    async def _answer(self, id: str, outcome: Outcome) -> None:
        if not outcome.ran:
            await self._fail(id, outcome.errors)
            return
        if outcome.errors:
            facts_of(self._scope).note_errors(outcome.errors)
        await self._next(id, encode(outcome.answer()))
        await self._write({"id": id, "type": "complete"})

    async def _next(self, id: str, body: bytes) -> None:
        await self._text(b'{"id":' + orjson.dumps(id) + b',"type":"next","payload":' + body + b"}")

    async def _fail(self, id: str, errors: Errors) -> None:
        facts_of(self._scope).note_errors(errors)
        await self._write({"id": id, "type": "error", "payload": errors})

    async def _write(self, message: Mapping[str, Any]) -> None:
        await self._text(encode(message))

    async def _text(self, text: bytes) -> None:
        await self._send({"type": "websocket.send", "text": text.decode()})

    def _close(self, code: int, reason: str) -> None:
        if not self._closing.done():
            self._closing.set_result(Closed(code, reason))


def _id(message: Mapping[str, Any]) -> str:
    id = message.get("id")
    if not isinstance(id, str) or not 0 < len(id) <= LONGEST_ID:
        raise Closed(BAD_MESSAGE, f"A message must have an id, a text of up to {LONGEST_ID} characters.")
    return id


def _headers(payload: Any, names: Collection[str]) -> list[tuple[bytes, bytes]]:
    """Return the headers of these names in the payload of `connection_init`, also below `headers`."""
    found: list[tuple[bytes, bytes]] = []
    for members in (payload, payload.get("headers") if isinstance(payload, dict) else None):
        for name, value in members.items() if isinstance(members, dict) else ():
            if name.lower() in names and isinstance(value, str):
                found.append((name.lower().encode(), value.encode("latin-1", "replace")))
    return found


def _short(reason: str) -> str:
    return reason.encode()[:_LONGEST_REASON].decode(errors="ignore")
