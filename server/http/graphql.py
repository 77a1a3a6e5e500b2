"""`/graphql`: GraphQL over HTTP, as its specification says. One operation per request; POST, or GET for queries.

| answer in                             | refused before it ran   | ran, with errors or without |
|---------------------------------------|-------------------------|-----------------------------|
| `application/json`                    | 200, errors in the body | 200                         |
| `application/graphql-response+json`   | 400                     | 200                         |

A request that is not GraphQL (method, media type, size, JSON) is a 4xx in both cases. An explained operation counts as
one that ran: `data` is null, and `extensions.explain` has the plan. An operation that needs more calls than allowed
counts as refused. An operation that exceeds its time counts as one that ran: `data` is null, and the error code is
DEADLINE_EXCEEDED. The same holds for too large an answer: the code is ANSWER_TOO_LARGE.

An answer with upstream rows has the `Age` of its oldest row. A whole answer to a GET has an `ETag`, and clients may
cache it while its rows are trusted. Answers that are stale or contain errors, a trace or a plan, and all answers to a
POST are `no-store`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from graphql import OperationType
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from resolvers.nodes import TOO_LARGE, AnswerTooLarge
from server.auth import credentials
from server.execution import request_options
from server.execution.execution import FAULT, Executor, Outcome
from server.execution.freshness import Freshness
from server.execution.limits import ORDINARY, Limits
from server.execution.operation import Operation
from server.execution.registered import RegisteredDocuments
from server.execution.stored_answers import AnswerPlace, StoredAnswers
from server.http import conditions, operation_reader
from server.http.error_response import error_body
from server.http.guards import origins
from server.http.negotiation import JSON, RESPONSE_JSON, answer_type, wants_page
from server.http.request_error import RequestError, error
from server.http.request_headers import RequestHeaders
from server.http.watch import ClientGone, Watch
from server.http.writing import AnswerBytes, encode, in_turns, too_long


class GraphQL:
    """The endpoint, as an ASGI application. `page` answers a browser that opens it.

    `registered` are the registered documents, `origins` the origins whose pages may send requests. `stored` are answers
    that need not be made again.
    """

    def __init__(
        self,
        executor: Executor,
        page: Callable[[str | None], Response],
        limits: Limits = ORDINARY,
        registered: RegisteredDocuments | None = None,
        origins: Sequence[str] = (),
        stored: StoredAnswers | None = None,
    ) -> None:
        self._executor = executor
        self._page = page
        self._limits = limits
        self._registered = registered or RegisteredDocuments()
        self._origins = origins
        self._stored = stored or StoredAnswers()
        self._watch = Watch(limits.seconds * DEADLINE_MARGIN)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = RequestHeaders.of(scope)
        accept = headers.get("accept")
        if scope["method"] == "GET" and wants_page(accept) and not _has_query(scope["query_string"]):
            await self._page(headers.get("if-none-match"))(scope, receive, send)
            return
        media_type = answer_type(accept)
        kind = media_type or JSON
        extra: dict[str, str] = {}
        status, storable = 200, False
        most: int | None = None
        place: AnswerPlace | None = None
        try:
            if media_type is None:
                raise RequestError(406, "NOT_ACCEPTABLE", f"Answers are {JSON} or {RESPONSE_JSON}, in UTF-8.")
            operation = await self._read(scope, headers, receive)
            operation = operation.by(scope["caller"], request_options.read(headers, operation.extensions))
            place = self._stored.place_of(operation)
            if place is not None and (found := await self._stored.find(place, "graphql")) is not None:
                whole = _Written(kind, found.body, found.sources.freshness, storable=scope["method"] == "GET")
                await _send(whole, scope, headers, send)
                return
            outcome = await self._run(operation, receive)
            status = _status(outcome, media_type)
            storable = _whole(outcome, operation)
            most = self._executor.most_bytes(operation)
        except RequestError as refusal:
            outcome = Outcome(errors=refusal.errors, ran=False)
            status, extra = refusal.status, refusal.headers
        except ClientGone:
            scope["gone"] = True  # for the access log: no client reads the answer
            return
        scope["graphql_errors"] = len(outcome.errors)
        try:
            body = AnswerBytes([encode(outcome.answer())] if outcome.small else await in_turns(outcome.answer(), most))
            if most is not None and body.size > most:
                raise too_long(most)
        except AnswerTooLarge as problem:
            outcome, storable = Outcome(errors=[error(problem.message, TOO_LARGE)]), False
            body = AnswerBytes([encode(outcome.answer())])
        except (TypeError, ValueError, RecursionError):  # for example because of deep nesting
            status, storable = 500, False
            body = AnswerBytes([error_body([error(FAULT, "INTERNAL_SERVER_ERROR")])])
        if place is not None and storable and (sources := outcome.sources()) is not None:
            self._stored.store(place, body, sources)
        fresh = Freshness.of(outcome.readings)
        storable = storable and scope["method"] == "GET"
        await _send(_Written(kind, body, fresh, storable, status, extra), scope, headers, send)

    async def _read(self, scope: Scope, headers: RequestHeaders, receive: Receive) -> Operation:
        method = scope["method"]
        if headers.get("upgrade", "").lower() == "websocket":
            raise RequestError(400, "BAD_REQUEST", "No websocket is served here: there are no subscriptions.", _CLOSE)
        if method == "GET":
            origins.check(headers, self._origins)
            operation = operation_reader.from_query_string(scope["query_string"], self._limits)
            scope["operation"] = operation.name
            operation = self._registered.resolve(operation, self._executor.documents)
            if self._executor.kind(operation) is OperationType.MUTATION:
                raise RequestError(405, "METHOD_NOT_ALLOWED", "A mutation is sent by POST.", {"Allow": "POST"})
            return operation
        if method != "POST":
            raise RequestError(405, "METHOD_NOT_ALLOWED", "Operations are sent by POST, queries also by GET.", _ALLOW)
        if headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise RequestError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the request's body without compression.")
        body = await self._body(headers, receive)
        operation = operation_reader.from_body(body, headers.get("content-type"), self._limits)
        scope["operation"] = operation.name
        return self._registered.resolve(operation, self._executor.documents)

    async def _body(self, headers: RequestHeaders, receive: Receive) -> bytes:
        most = self._limits.body_bytes
        length = headers.get("content-length", "")
        if length.isdigit() and (len(length) > 18 or int(length) > most):
            raise self._too_large()
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part = message.get("body", b"")
            size += len(part)
            if size > most:
                raise self._too_large()
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    def _too_large(self) -> RequestError:
        message = f"The request's body is larger than {self._limits.body_bytes} bytes."
        # The rest of the body is not read, so the connection cannot be used again.
        return RequestError(413, "PAYLOAD_TOO_LARGE", message, _CLOSE)

    async def _run(self, operation: Operation, receive: Receive) -> Outcome:
        """Run the operation. End it when its time is over or its client has gone; shared work goes on."""
        try:
            return await self._watch.over(self._executor.run(operation, written=True), receive)
        except TimeoutError:
            late = f"The operation was not done after {self._limits.seconds:g} seconds; ask for less at a time."
            return Outcome(errors=[error(late, "DEADLINE_EXCEEDED")])


# The calls end at the deadline. The answer follows a little later.
DEADLINE_MARGIN = 1.05
_NO_STORE = ((b"vary", b"Accept"), (b"cache-control", b"no-store"))
_NOSNIFF = (b"x-content-type-options", b"nosniff")
# An answer to a GET depends on these headers and on its address. They are also listed for a request without a
# credential, because a cache must not give its answer to a caller that may see less.
_VARY = (
    b"vary",
    ", ".join(
        ("Accept", credentials.VARY, request_options.TRACE, request_options.EXPLAIN, request_options.MAX_CALLS)
    ).encode(),
)
_TYPES = {kind: (b"content-type", f"{kind}; charset=utf-8".encode()) for kind in (JSON, RESPONSE_JSON)}
_ALLOW = {"Allow": "GET, POST"}
_CLOSE = {"Connection": "close"}


@dataclass(frozen=True, slots=True)
class _Written:
    """An answer as it is sent: its media type, its bytes, and its age. Clients may cache it if it is `storable`."""

    kind: str
    body: AnswerBytes
    fresh: Freshness | None
    storable: bool
    status: int = 200
    extra: Mapping[str, str] = field(default_factory=dict)


async def _send(written: _Written, scope: Scope, headers: RequestHeaders, send: Send) -> None:
    kind, fresh, now = written.kind, written.fresh, datetime.now(UTC)
    status, pieces = written.status, written.body.pieces
    response_headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in written.extra.items()
    ]
    response_headers += (_NOSNIFF, _TYPES[kind])
    if fresh is not None:
        response_headers.append((b"age", b"%d" % fresh.age(now)))
    if not written.storable:
        response_headers += _NO_STORE
    else:
        tag = await written.body.tag(kind)
        response_headers += (_VARY, (b"cache-control", _keeping(scope, fresh, now)), (b"etag", tag.encode()))
        if conditions.names(headers.get("if-none-match"), tag):
            status, pieces = 304, [b""]
    if status != 304:
        response_headers.append((b"content-length", b"%d" % written.body.size))
    await send({"type": "http.response.start", "status": status, "headers": response_headers})
    for piece in pieces[:-1]:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": pieces[-1]})


def _status(outcome: Outcome, media_type: str) -> int:
    if outcome.ran:
        return 200
    if outcome.faulty:
        return 500
    return 400 if media_type == RESPONSE_JSON else 200


def _keeping(scope: Scope, fresh: Freshness | None, now: datetime) -> bytes:
    """Return the value of `Cache-Control`: clients may cache an answer while its rows are trusted."""
    who = "private, " if credentials.carries(scope) else ""
    return f"{who}no-cache".encode() if fresh is None else f"{who}max-age={fresh.lifetime(now)}".encode()


def _whole(outcome: Outcome, operation: Operation) -> bool:
    """Return whether an answer is complete, up to date, and without a trace or a plan."""
    about_itself = operation.options.trace or operation.options.explain
    return outcome.ran and not (outcome.errors or about_itself or "stale" in outcome.extensions)


def _has_query(query_string: bytes) -> bool:
    return any(part.partition(b"=")[0] == b"query" for part in query_string.split(b"&"))
