"""`/graphql/stream`: Server-Sent Events as npm's graphql-sse speaks them, also in its single connection mode.

In that mode one stream carries the events of many operations, so that a browser needs one connection for all of them.
PUT reserves a stream and returns its token. GET opens it. POST with the token starts an operation, DELETE ends it. A
request without a token is an operation with a stream of its own, as at `/graphql`.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from urllib.parse import parse_qs

import orjson
import structlog
from graphql import OperationType
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from server.execution import request_options
from server.execution.execution import FAULT, Outcome
from server.execution.operation import Operation
from server.execution.persisted.registered import RegisteredDocuments
from server.http import operation_reader
from server.http.body import whole_body
from server.http.error_response import error_body, send_error
from server.http.negotiation import JSON, stream_type
from server.http.request_error import RequestError, error
from server.http.request_headers import RequestHeaders
from server.http.writing import encode
from server.subscriptions.ending import SubscriptionEnded, draining
from server.subscriptions.framing import EventFrames
from server.subscriptions.http_stream import send_stream
from server.subscriptions.over_http import SubscriptionStreams, refusal_of
from server.subscriptions.stream import RunningSubscription
from server.subscriptions.subscriptions import Subscribing
from server.usage import Count, uncounted

TOKEN_HEADER = "X-GraphQL-Event-Stream-Token"
# The operations of one stream, the length of their ids, and the events that wait for the client to read.
MOST_OPERATIONS, LONGEST_ID, MOST_WAITING = 100, 128, 16
# A stream that was reserved must be opened in this time.
OPENING_SECONDS = 30.0


log = structlog.get_logger(__name__)


class ReservedStream:
    """A stream that was reserved, and the operations whose events it carries."""

    def __init__(self, owner: Subscribing) -> None:
        self.owner = owner
        self.opened = False
        self.running: dict[str, asyncio.Task[None]] = {}
        self._events: asyncio.Queue[bytes | SubscriptionEnded] = asyncio.Queue(MOST_WAITING)

    async def put(self, id: str, event: str, body: bytes | None = None) -> None:
        """Send an event of an operation, as soon as there is room for it."""
        payload = b"" if body is None else b',"payload":' + body
        data = b'{"id":' + orjson.dumps(id) + payload + b"}"
        await self._events.put(f"event: {event}\ndata: ".encode() + data + b"\n\n")

    async def end(self, ending: SubscriptionEnded) -> None:
        """End the whole stream."""
        await self._events.put(ending)

    async def end_at(self, stopping: asyncio.Event) -> None:
        """End the stream when the server stops, after its operations have said so."""
        await stopping.wait()
        await asyncio.gather(*self.running.values(), return_exceptions=True)
        await self.end(draining())

    async def events(self) -> AsyncGenerator[bytes]:
        """Yield the events. Raises SubscriptionEnded."""
        while True:
            event = await self._events.get()
            if isinstance(event, SubscriptionEnded):
                raise event
            yield event

    async def aclose(self) -> None:
        """End the operations."""
        tasks = list(self.running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class SharedFrames(EventFrames):
    """The frames of a stream whose events are ready: they name their operations."""

    def next(self, body: bytes) -> bytes:
        """Return an event as it is."""
        return body

    def end(self, ending: SubscriptionEnded | None) -> bytes:
        """Return nothing: the operations have ended before."""
        return b": end\n\n"


class EventStreams:
    """The endpoint, as an ASGI application. `graphql` answers operations that have streams of their own."""

    def __init__(
        self,
        graphql: ASGIApp,
        streams: SubscriptionStreams,
        registered: RegisteredDocuments,
        count: Count = uncounted,
    ) -> None:
        self._graphql = graphql
        self._streams = streams
        self._subscriptions = streams.subscriptions
        self._executor = streams.subscriptions.executor
        self._registered = registered
        self._count = count
        self._reserved: dict[str, ReservedStream] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, method = RequestHeaders.of(scope), scope["method"]
        token = headers.get(TOKEN_HEADER.lower()) or _parameter(scope, "token")
        try:
            if method == "PUT":
                await self._reserve(scope)(scope, receive, send)
            elif token is None:
                if stream_type(headers.get("accept")) is None:
                    raise RequestError(404, "NOT_FOUND", "Reserve a stream by PUT first, or accept text/event-stream.")
                await self._graphql(scope, receive, send)
            elif method == "DELETE":
                await self._complete(scope, token)(scope, receive, send)
            elif method in ("GET", "POST") and stream_type(headers.get("accept")) is not None:
                await self._open(token, scope, receive, send)
            elif method == "POST":
                await (await self._start(token, headers, scope, receive))(scope, receive, send)
            else:
                raise RequestError(405, "METHOD_NOT_ALLOWED", "Streams take GET, POST, PUT and DELETE.", _ALLOW)
        except RequestError as refusal:
            await send_error(refusal, scope, receive, send)

    def _reserve(self, scope: Scope) -> Response:
        owner = self._streams.subscribing(scope)
        config = self._subscriptions.config
        own = sum(stream.owner.name == owner.name for stream in self._reserved.values())
        if len(self._reserved) >= config.most or own >= config.most_of_caller:
            what = "There are too many streams: close one, or try again later."
            raise RequestError(429, "TOO_MANY_SUBSCRIPTIONS", what, {"Retry-After": "5"})
        token = secrets.token_urlsafe(24)
        self._reserved[token] = ReservedStream(owner)
        asyncio.get_running_loop().call_later(OPENING_SECONDS, self._forget, token)
        return Response(token, 201, {"Cache-Control": "no-store"}, "text/plain; charset=utf-8")

    def _forget(self, token: str) -> None:
        """Drop a stream that was not opened in time."""
        stream = self._reserved.get(token)
        if stream is not None and not stream.opened:
            del self._reserved[token]
            for task in stream.running.values():
                task.cancel()

    def _stream(self, token: str, scope: Scope) -> ReservedStream:
        """Return the stream of a token. Only the caller who reserved it may use it. Raises RequestError."""
        stream = self._reserved.get(token)
        if stream is None or stream.owner.name != self._streams.subscribing(scope).name:
            raise RequestError(404, "NOT_FOUND", "There is no stream with this token.")
        return stream

    async def _open(self, token: str, scope: Scope, receive: Receive, send: Send) -> None:
        stream = self._stream(token, scope)
        if stream.opened:
            raise RequestError(409, "BAD_REQUEST", "This stream is open already.")
        stream.opened = True
        try:
            async with self._subscriptions.connection() as stopping:
                ending = asyncio.create_task(stream.end_at(stopping))
                try:
                    beat = self._subscriptions.config.beat_seconds
                    await send_stream(stream.events(), SharedFrames(), beat, scope, receive, send)
                finally:
                    ending.cancel()
        finally:
            del self._reserved[token]
            await stream.aclose()

    def _complete(self, scope: Scope, token: str) -> Response:
        stream = self._stream(token, scope)
        id = _parameter(scope, "operationId")
        if not id:
            raise RequestError(400, "BAD_REQUEST", "The address has no operationId.")
        task = stream.running.pop(id, None)
        if task is not None:
            task.cancel()
        return Response(status_code=200)

    async def _start(self, token: str, headers: RequestHeaders, scope: Scope, receive: Receive) -> Response:
        stream = self._stream(token, scope)
        limits = self._executor.limits
        body = await whole_body(headers, receive, limits.body_bytes)
        operation = operation_reader.from_body(body, headers.get("content-type"), limits)
        assert not isinstance(operation, list)  # no batch is allowed
        id = operation.extensions.get("operationId")
        if not isinstance(id, str) or not 0 < len(id) <= LONGEST_ID:
            raise RequestError(400, "BAD_REQUEST", f"extensions.operationId must have 1 to {LONGEST_ID} characters.")
        if id in stream.running:
            raise RequestError(409, "BAD_REQUEST", "An operation with this operationId runs already.")
        if len(stream.running) >= MOST_OPERATIONS:
            what = f"{MOST_OPERATIONS} operations run on this stream, and not more may: end one of them."
            raise RequestError(429, "TOO_MANY_SUBSCRIPTIONS", what, {"Retry-After": "5"})
        operation = await self._registered.resolve(operation, self._executor.documents)
        operation = operation.by(scope["caller"], request_options.read(headers, operation.extensions))
        self._count(operation, headers)
        found = await self._begun(operation, stream.owner)
        if isinstance(found, Outcome) and not found.ran:
            return Response(error_body(found.errors), 400, media_type=f"{JSON}; charset=utf-8")
        stream.running[id] = task = asyncio.create_task(self._run(id, found, stream))

        def done(task: "asyncio.Task[None]") -> None:
            if stream.running.get(id) is task:
                del stream.running[id]

        task.add_done_callback(done)
        return Response(status_code=202)

    async def _begun(self, operation: Operation, owner: Subscribing) -> RunningSubscription | Outcome:
        if self._executor.kind(operation) is not OperationType.SUBSCRIPTION:
            return await self._executor.run(operation)
        try:
            return await self._subscriptions.subscribe(operation, owner)
        except SubscriptionEnded as ending:
            raise refusal_of(ending) from None

    async def _run(self, id: str, found: RunningSubscription | Outcome, stream: ReservedStream) -> None:
        """Send the events of an operation to its stream."""
        if isinstance(found, Outcome):
            await stream.put(id, "next", encode(found.answer()))
            await stream.put(id, "complete")
            return
        try:
            async with aclosing(found.answers()) as answers:
                async for body in answers:
                    await stream.put(id, "next", body)
            await stream.put(id, "complete")
        except SubscriptionEnded as ending:
            await stream.put(id, "next", encode({"errors": ending.errors}))
            if not ending.again:
                await stream.put(id, "complete")
            if ending.close_code is not None and not ending.again:
                await stream.end(ending)
        except Exception:
            log.exception("an operation on a stream failed")
            await stream.put(id, "next", encode({"errors": [error(FAULT, "INTERNAL_SERVER_ERROR")]}))
            await stream.put(id, "complete")
        finally:
            await self._subscriptions.close(found)


_ALLOW = {"Allow": "GET, POST, PUT, DELETE"}


def _parameter(scope: Scope, name: str) -> Any:
    found = parse_qs(scope["query_string"].decode("latin-1")).get(name)
    return None if found is None else found[0]
