"""`/graphql`: GraphQL over HTTP, as its specification says. One operation per request; POST, or GET for queries.

| answer in                           | cannot be parsed | refused before it ran | ran | ran, with errors |
|-------------------------------------|------------------|-----------------------|-----|------------------|
| `application/json`                  | 200              | 200                   | 200 | 200              |
| `application/graphql-response+json` | 400              | 422                   | 200 | `PARTIAL_STATUS` |

A request that cannot be read (method, media type, size, JSON) is a 4xx in both cases. JSON of a wrong shape is 422, and
400 for a client of plain JSON. HEAD is answered as GET, without the body. An explained operation counts as one that
ran: `data` is null, and `extensions.explain` has the plan. An operation that needs more calls than allowed counts as
refused. An operation that exceeds its time counts as one that ran: `data` is null, and the error code is
DEADLINE_EXCEEDED. The same holds for too large an answer: the code is ANSWER_TOO_LARGE.

A client that accepts `multipart/mixed` receives an operation with `@defer` in parts (`incremental.py`), any other
client as a whole.

An answer with upstream rows has the `Age` of its oldest row. A whole answer to a GET has an `ETag`, and clients may
cache it while its rows are trusted. Answers that are stale or contain errors, a trace or a plan, and all answers to a
POST are `no-store`.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
from graphql import OperationType
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from resolvers.nodes import AnswerTooLarge
from server.auth import credentials
from server.execution import request_options
from server.execution.documents import SYNTAX
from server.execution.execution import Executor, Outcome
from server.execution.freshness import Freshness
from server.execution.operation import Operation
from server.execution.persisted.registered import RegisteredDocuments
from server.execution.stored_answers import AnswerPlace, StoredAnswers
from server.http import compression, conditions, operation_reader
from server.http.batch import UNWRITABLE, BatchRunner, unwritable
from server.http.body import whole_body
from server.http.config import HttpConfig
from server.http.document_names import DocumentNames
from server.http.guards import origins
from server.http.incremental import IncrementalAnswer
from server.http.negotiation import JSON, RESPONSE_JSON, answer_type, stream_type, wants_page
from server.http.operation_reader import Batch
from server.http.request_error import Errors, RequestError, error
from server.http.request_facts import INTERFACE, RequestFacts, bounded, facts_of
from server.http.request_headers import RequestHeaders
from server.http.watch import ClientGone, Watch
from server.http.writing import AnswerBytes, encode, in_turns, too_long
from server.logs import LOG_FACTS
from server.metrics.requests import SUBSCRIPTIONS
from server.subscriptions.over_http import SubscriptionStreams
from server.usage import Count, uncounted


class GraphQL:
    """The endpoint, as an ASGI application. `page` answers a browser that opens it.

    `registered` are the registered documents. `stored` are answers that need not be made again. `streams` answers
    subscriptions. `count` counts each operation.
    """

    def __init__(
        self,
        executor: Executor,
        page: Callable[[Request], Response],
        http: HttpConfig,
        registered: RegisteredDocuments | None = None,
        stored: StoredAnswers | None = None,
        streams: SubscriptionStreams | None = None,
        count: Count = uncounted,
    ) -> None:
        self._executor = executor
        self._page = page
        self._limits = limits = executor.limits
        self.registered = registered if registered is not None else RegisteredDocuments()
        self._http = http
        self._least = http.compress_from or _NEVER
        self._stored = stored if stored is not None and stored.limit else None
        self._count = count
        self._names = DocumentNames(executor.documents)
        self._watch = Watch(limits.seconds * DEADLINE_MARGIN)
        self._batches = BatchRunner(executor, self._resolved, self._watch, self._count)
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, limits = RequestHeaders.of(scope), self._limits
        facts: RequestFacts | None = None
        if LOG_FACTS in scope:
            facts = scope[LOG_FACTS]
        accept = headers.get("accept")
        safe = scope["method"] in _SAFE
        if safe and wants_page(accept) and not _has_query(scope["query_string"]):
            await self._page(Request(scope))(scope, receive, send)
            return
        media_type = answer_type(accept)
        extra: Sequence[tuple[bytes, bytes]] = ()
        status, storable = 200, False
        most: int | None = None
        place: AnswerPlace | None = None
        parts: IncrementalAnswer | None = None
        kind = media_type or JSON
        try:
            operation = await self._read(scope, headers, receive, media_type)
            if isinstance(operation, list):
                await self._answer_batch(operation, kind, scope, receive, send)
                return
            operation = operation.by(scope["caller"], request_options.read(headers, operation.extensions))
            self._count(operation, headers)
            if facts is not None:
                named = self._names[operation.text]
                known = operation.name in named.operations
                facts.line |= named.operations[operation.name] if known else named.document
                facts.variables = operation.variables
            if (media_type is None or SUBSCRIPTION in operation.text) and await self._streamed(
                operation, media_type, scope, receive, send
            ):
                return
            if self._stored is not None and (place := self._stored.place_of(operation)) is not None:
                found = await self._stored.find(place, "graphql")
                if found is not None:
                    if facts is not None:
                        facts.line["answer"] = "stored"
                    head = _Head(scope, kind, found.sources.freshness, storable=safe, compress_from=self._least)
                    await _send(head, found.body, headers, send)
                    return
            # It ends when its time is over or its client has gone; shared work goes on.
            parts = IncrementalAnswer.of(accept, send, limits.answer_bytes) if limits.incremental else None
            outcome = await self._watch.over(self._executor.run(operation, written=True, deliver=parts), receive)
            if outcome.errors:
                status = _status(outcome, kind, self._http.partial_status)
            storable = _whole(outcome, operation)
            most = self._executor.most_bytes(operation)
        except RequestError as refusal:
            outcome = Outcome(errors=refusal.errors, ran=False)
            status, extra = _status_of(refusal, kind), refusal.lines
        except TimeoutError:
            late = f"The operation was not done after {self._limits.seconds:g} seconds; ask for less at a time."
            outcome = Outcome(errors=[error(late, "DEADLINE_EXCEEDED")])
            status = _status(outcome, kind, self._http.partial_status)
        except ClientGone:
            facts_of(scope).line["gone"] = True  # no client reads the answer
            return
        if outcome.errors:
            _note_errors(scope, outcome.errors)
        if parts is not None and parts.started:
            await parts.fail(outcome.errors)
            return
        head = _Head(scope, kind, None, storable, status, extra)
        await self._write(head, outcome, most, place, headers, send)

    async def _write(
        self,
        head: "_Head",
        outcome: Outcome,
        most: int | None,
        place: AnswerPlace | None,
        headers: RequestHeaders,
        send: Send,
    ) -> None:
        """Write an outcome in at most `most` bytes, store the answer at its place if it is whole, and send it."""
        try:
            pieces = [encode(outcome.answer())] if outcome.small else await in_turns(outcome.answer(), most)
            size = len(pieces[0]) if len(pieces) == 1 else sum(map(len, pieces))
            if most is not None and size > most:
                raise too_long(most)
        except (AnswerTooLarge, *UNWRITABLE) as problem:
            outcome, head.storable = unwritable(problem), False
            _note_errors(head.scope, outcome.errors)
            head.status = _status(outcome, head.kind, self._http.partial_status)
            pieces = [encode(outcome.answer())]
            size = len(pieces[0])
        body = AnswerBytes(pieces, size)
        if place is not None and head.storable and (sources := outcome.sources()) is not None:
            assert self._stored is not None
            self._stored.store(place, body, sources)
        head.storable = head.storable and head.scope["method"] in _SAFE
        head.fresh = Freshness.of(outcome.readings)
        # Errors repeat what the client sent, so they are not compressed.
        head.compress_from = _NEVER if outcome.errors else self._least
        await _send(head, body, headers, send)

    async def _answer_batch(self, batch: Batch, kind: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a batch. Raises RequestError, TimeoutError and ClientGone."""
        answer = await self._batches.answer(batch, scope, receive)
        if answer.errors:
            facts_of(scope).line["graphql_errors"] = answer.errors
        least = _NEVER if answer.errors else self._least
        head = _Head(scope, kind, Freshness.of(answer.readings), storable=False, compress_from=least)
        await _send(head, AnswerBytes(answer.pieces, answer.size), RequestHeaders.of(scope), send)

    async def _streamed(
        self, operation: Operation, media_type: str | None, scope: Scope, receive: Receive, send: Send
    ) -> bool:
        """Answer with a stream: a subscription, or any operation of a client that accepts only streams.

        Return False if the client accepts no stream. Raises RequestError.
        """
        kind = stream_type(RequestHeaders.of(scope).get("accept"))
        subscribes = self._executor.kind(operation) is OperationType.SUBSCRIPTION
        if self._streams is None or kind is None or not (subscribes or media_type is None):
            return False
        if scope["method"] == "HEAD":
            raise RequestError(405, "METHOD_NOT_ALLOWED", "A stream has no answer to HEAD.", {"Allow": "GET, POST"})
        scope[INTERFACE] = SUBSCRIPTIONS
        if subscribes:
            await self._streams.subscribe(operation, kind, scope, receive, send)
        else:
            outcome = await self._watch.over(self._executor.run(operation), receive)
            await self._streams.once(outcome, kind, scope, receive, send)
        return True

    async def _read(
        self, scope: Scope, headers: RequestHeaders, receive: Receive, media_type: str | None
    ) -> Operation | Batch:
        if media_type is None and (self._streams is None or stream_type(headers.get("accept")) is None):
            raise _unacceptable()
        method = scope["method"]
        plain = _UNUSUAL.isdisjoint(headers)
        if not plain and headers.get("upgrade", "").lower() == "websocket":
            what = "A WebSocket is served by GET, for the subprotocol graphql-transport-ws."
            raise RequestError(400, "BAD_REQUEST", what, _CLOSE)
        if method in _SAFE:
            origins.check(headers, self._http.origins)
            operation = operation_reader.from_query_string(scope["query_string"], self._limits)
            _note_name(scope, operation)
            if not self.registered.takes(operation):
                operation = await self._resolved(operation)
            if self._executor.kind(operation) is OperationType.MUTATION:
                raise RequestError(405, "METHOD_NOT_ALLOWED", "A mutation is sent by POST.", {"Allow": "POST"})
            return operation
        if method != "POST":
            raise RequestError(405, "METHOD_NOT_ALLOWED", "Operations are sent by POST, queries also by GET.", _ALLOW)
        if not plain and headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise RequestError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the request's body without compression.")
        body = await whole_body(headers, receive, self._limits.body_bytes)
        found = operation_reader.from_body(body, headers.get("content-type"), self._limits, self._http.most_batched)
        if isinstance(found, list):
            if media_type is None:  # a stream answers one operation
                raise _unacceptable()
            return found
        if self.registered.takes(found):
            return found
        _note_name(scope, found)
        return await self._resolved(found)

    async def _resolved(self, operation: Operation) -> Operation:
        """Return an operation with its text, which may run here. Raises RequestError."""
        return await self.registered.resolve(operation, self._executor.documents)


SUBSCRIPTION = "subscription"  # in the text of every document with a subscription
# The calls end at the deadline. The answer follows a little later.
DEADLINE_MARGIN = 1.05
_NO_STORE = ((b"vary", b"Accept, Accept-Encoding"), (b"cache-control", b"no-store"))
# An answer to a GET depends on these headers and on its address. They are also listed for a request without a
# credential, because a cache must not give its answer to a caller that may see less.
_VARY = (
    b"vary",
    ", ".join(
        (
            "Accept",
            "Accept-Encoding",
            credentials.VARY,
            request_options.TRACE,
            request_options.EXPLAIN,
            request_options.MAX_CALLS,
        )
    ).encode(),
)
# The request headers that say more than an ordinary POST of JSON.
_UNUSUAL = frozenset({"content-encoding", "upgrade"})
_TYPES = {kind: (b"content-type", f"{kind}; charset=utf-8".encode()) for kind in (JSON, RESPONSE_JSON)}
_ALLOW = {"Allow": "GET, HEAD, POST"}
_SAFE = frozenset({"GET", "HEAD"})
_CLOSE = {"Connection": "close"}


_NEVER = float("inf")
# The parameters of an address that say what is to run.
_NAMING = frozenset({b"query", b"documentId", b"extensions"})


class _Head(msgspec.Struct):
    """The head of an answer: its media type, its age and its status. Clients may cache it if it is `storable`.

    A body of `compress_from` bytes or more is compressed if the client asks for it.
    """

    scope: Scope
    kind: str
    fresh: Freshness | None
    storable: bool
    status: int = 200
    extra: Sequence[tuple[bytes, bytes]] = ()
    compress_from: float = _NEVER


async def _send(head: _Head, body: AnswerBytes, headers: RequestHeaders, send: Send) -> None:
    fresh, now, status, pieces = head.fresh, datetime.now(UTC), head.status, body.pieces
    response_headers = [*head.extra, _TYPES[head.kind]]
    coding = _coding(headers) if body.size >= head.compress_from else None
    if fresh is not None:
        response_headers += ((b"age", b"%d" % fresh.age(now)),)
    if not head.storable:
        response_headers += _NO_STORE
    else:
        # A tag belongs to the bytes that are sent.
        tag = await body.tag(head.kind if coding is None else f"{head.kind} {coding}")
        response_headers += (_VARY, (b"cache-control", _keeping(head.scope, fresh, now)), (b"etag", tag.encode()))
        if conditions.names(headers.get("if-none-match"), tag):
            status, pieces = 304, [b""]
    if status != 304:
        size = body.size
        if coding is not None:
            pieces = [await compression.compressed(pieces, size, coding)]
            size = len(pieces[0])
            response_headers += ((b"content-encoding", coding.encode()),)
        response_headers += ((b"content-length", b"%d" % size),)
    await send({"type": "http.response.start", "status": status, "headers": response_headers})
    for piece in pieces[:-1]:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": pieces[-1]})


def _note_errors(scope: Scope, errors: Errors) -> None:
    """Note the errors of an answer for the log and the metrics."""
    facts = facts_of(scope)
    facts.line["graphql_errors"] = len(errors)
    facts.note_errors(errors)


def _note_name(scope: Scope, operation: Operation) -> None:
    """Note the names by which a request names its operation and its document, before they are known to exist."""
    line = facts_of(scope).line
    if operation.name:
        line["operation"] = bounded(operation.name)
    persisted = operation.extensions.get("persistedQuery")
    named = operation.document_id or (persisted.get("sha256Hash") if isinstance(persisted, dict) else None)
    if isinstance(named, str):
        line["document_id"] = bounded(named)


def _unacceptable() -> RequestError:
    return RequestError(406, "NOT_ACCEPTABLE", f"Answers are {JSON} or {RESPONSE_JSON}, in UTF-8.")


def _coding(headers: RequestHeaders) -> str | None:
    """Return the coding in which a long answer is sent; None if it is sent as it is."""
    if "accept-encoding" not in headers or compression.reveals(headers):
        return None
    return compression.coding_of(headers["accept-encoding"])


def _status_of(refusal: RequestError, kind: str) -> int:
    return 400 if refusal.status == 422 and kind == JSON else refusal.status


def _status(outcome: Outcome, media_type: str, partial: int) -> int:
    """Return the status of an answer. `partial` is that of an answer with errors from an operation that ran."""
    if outcome.faulty:
        return 500
    if media_type == JSON or not outcome.errors:
        return 200
    if outcome.ran:
        return partial
    return 400 if any(one["extensions"]["code"] == SYNTAX for one in outcome.errors) else 422


def _keeping(scope: Scope, fresh: Freshness | None, now: datetime) -> bytes:
    """Return the value of `Cache-Control`: clients may cache an answer while its rows are trusted."""
    who = "private, " if credentials.carries(scope) else ""
    return f"{who}no-cache".encode() if fresh is None else f"{who}max-age={fresh.lifetime(now)}".encode()


def _whole(outcome: Outcome, operation: Operation) -> bool:
    """Return whether an answer is complete, up to date, and without a trace or a plan."""
    options = operation.options
    about_itself = options.trace or options.federation_trace or options.explain
    return outcome.ran and not (outcome.errors or about_itself or "stale" in outcome.extensions)


def _has_query(query_string: bytes) -> bool:
    return any(part.partition(b"=")[0] in _NAMING for part in query_string.split(b"&"))
