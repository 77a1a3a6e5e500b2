"""`/odata/$batch`: several reads in one request, as multipart/mixed (OData 4.0) or as JSON (4.01).

Each part is a request of its own to this server: it has its own authentication, its own place in the rate limits, and
its own line in the log. Headers of the batch such as `Authorization` are those of each part that has none. The parts
run one after the other, in the place of the batch among the running requests, and their answers are sent as they come.
"""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Scope

from server.execution.execution import FAULT
from server.http.admission import PART
from server.http.body import whole_body
from server.http.error_response import ODATA_HEADERS, ODATA_PATH, error_response, is_odata
from server.http.public_address import PREFIX, prefix_of
from server.http.request_error import RequestError
from server.http.request_facts import facts_of
from server.http.request_headers import RequestHeaders
from server.http.security_headers import HEADERS as SECURITY_HEADERS
from server.http.watch import ClientGone
from server.http.writing import encode

MOST_PARTS = 100

_NAME = "$batch"
_BOUNDARY = re.compile(r"multipart/mixed\s*;(?:.*;)?\s*boundary=(?:\"([^\"]{1,70})\"|([^\s;,\"]{1,70}))", re.I)
_BLANK = re.compile(rb"(?:\A|\r?\n)\r?\n")
_LINE = re.compile(r"\r?\n")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*([^\r\n\0]*)")
_REQUEST = re.compile(r"([A-Za-z]+) +(\S.*?)(?: +HTTP/[0-9.]+)? *", re.ASCII)
_ABSOLUTE = re.compile(r"https?://([^/?#]*)", re.I)
_CONTINUE = re.compile(r"(?:odata\.)?continue-on-error(?:\s*=\s*(true|false))?\s*(?:[,;]|$)", re.I)
# These headers are about the message of the batch, not about its parts.
_OF_BATCH = re.compile(
    r"accept|accept-encoding|connection|content-.*|expect|if-.*|prefer|range|te|transfer-encoding|x-request-id"
)
_OF_CONNECTION = re.compile(r"accept-encoding|connection|content-length|expect|host|te|transfer-encoding|upgrade")
_UNRESERVED = "/%:@!$&'()*+,;=~-._"
_OF_SERVER = ("asgi", "client", "http_version", PREFIX, "root_path", "scheme", "server", "state")


@dataclass(frozen=True, slots=True)
class BatchPart:
    """A part of a batch: a request, or the `problem` of a part that is none. `after` are earlier parts it needs."""

    method: str
    url: str
    headers: Mapping[str, str]
    id: str | None = None
    after: tuple[str, ...] = ()
    problem: RequestError | None = None


@dataclass(frozen=True, slots=True)
class PartAnswer:
    """The answer to a part."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @classmethod
    def of(cls, response: Response) -> "PartAnswer":
        """Return a response as the answer to a part."""
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]
        return cls(response.status_code, headers, bytes(response.body))


async def answer(request: Request, most_bytes: int) -> Response:
    """Return the answers to the parts of a batch, in their order. Raises RequestError."""
    headers = RequestHeaders.of(request.scope)
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise RequestError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the batch without compression.")
    kind = headers.get("content-type", "")
    boundary = _BOUNDARY.match(kind.strip())
    is_json = kind.partition(";")[0].strip().lower() == "application/json"
    if boundary is None and not is_json:
        raise RequestError(
            415, "UNSUPPORTED_MEDIA_TYPE", "Send a batch as multipart/mixed with a boundary, or as application/json."
        )
    try:
        body = await whole_body(headers, request.receive, most_bytes)
    except ClientGone:
        facts_of(request.scope).line["gone"] = True  # no client reads the answer
        return Response(status_code=400)
    if boundary is None:
        parts = list(_of_json(body))
    else:
        parts = list(_of_multipart(body, (boundary[1] or boundary[2]).encode("latin-1")))
    wish = _CONTINUE.search(headers.get("prefer", ""))
    goes_on = wish is not None and (wish[1] or "true").lower() == "true"
    answers = _answers(parts, request, goes_on=goes_on)
    mark = f"batch_{secrets.token_hex(16)}"
    kind = "application/json" if is_json else f"multipart/mixed;boundary={mark}"
    more = {"Preference-Applied": "continue-on-error"} if goes_on else {}
    written = _as_json(answers) if is_json else _as_multipart(answers, mark)
    return StreamingResponse(
        written, headers={**ODATA_HEADERS, "Cache-Control": "no-store", **more, "Content-Type": kind}
    )


async def _answers(
    parts: list[BatchPart], request: Request, *, goes_on: bool
) -> AsyncIterator[tuple[BatchPart, PartAnswer]]:
    """Yield each part with its answer. After a failure there are no more, unless the client wishes that."""
    failed: set[str] = set()
    for part in parts:
        if failed.intersection(part.after):
            refusal = RequestError(424, "FAILED_DEPENDENCY", "A part that this part depends on has failed.")
            found = PartAnswer.of(error_response(refusal, ODATA_PATH))
        else:
            found = await _answered(part, request)
        yield part, found
        if found.status >= 400:
            if not goes_on:
                return
            failed.add(part.id or "")


async def _answered(part: BatchPart, request: Request) -> PartAnswer:
    try:
        if part.problem is not None:
            raise part.problem
        if part.method.upper() != "GET":
            raise RequestError(405, "METHOD_NOT_ALLOWED", f"A batch only reads: {part.method[:20]} is not GET.")
        scope = _scope(part, request)
    except RequestError as refusal:
        return PartAnswer.of(error_response(refusal, ODATA_PATH))
    status = 0
    lines: list[tuple[str, str]] = []
    body: list[bytes] = []
    whole = False

    async def receive() -> Message:
        if not body and not status:
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.Event().wait()  # the client of a part stays as long as that of the batch
        raise AssertionError

    async def send(message: Message) -> None:
        nonlocal status, whole
        if message["type"] == "http.response.start":
            status = message["status"]
            lines.extend(
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in message["headers"]
                if name not in SECURITY_HEADERS and name != b"connection"
            )
        elif message["type"] == "http.response.body":
            body.append(message.get("body", b""))
            whole = not message.get("more_body", False)

    async def run() -> None:
        await request.app(scope, receive, send)

    # A task of its own, because a request sets the caller and the id of the lines in the log.
    task = asyncio.create_task(run())
    try:
        await task
    finally:
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    if not whole:
        return PartAnswer.of(error_response(RequestError(500, "INTERNAL_SERVER_ERROR", FAULT), ODATA_PATH))
    return PartAnswer(status, lines, b"".join(body))


def _scope(part: BatchPart, request: Request) -> Scope:
    """Return the request that a part is. Raises RequestError."""
    outer = request.scope
    path, query = _target(part.url, request)
    own = {name.lower(): value for name, value in part.headers.items()}
    own = {name: value for name, value in own.items() if not _OF_CONNECTION.fullmatch(name)}
    given = ((name.decode("latin-1"), name, value) for name, value in outer["headers"])
    headers = [(name, value) for text, name, value in given if text not in own and not _OF_BATCH.fullmatch(text)]
    headers += [(name.encode("latin-1"), value.encode("utf-8")) for name, value in own.items()]
    return {
        **{name: outer[name] for name in _OF_SERVER if name in outer},
        "type": "http",
        "method": "GET",
        "path": unquote(path),
        "raw_path": path.encode("ascii"),
        "query_string": query.encode("ascii"),
        "headers": headers,
        PART: True,
    }


def _target(url: str, request: Request) -> tuple[str, str]:
    """Return the path and the query that the URL of a part means. Raises RequestError."""
    url = url.partition("#")[0]
    absolute = _ABSOLUTE.match(url)
    if absolute is not None:
        if absolute[1].lower() != request.headers.get("host", "").lower():
            raise _bad(f"A part names another server, {absolute[1][:60]!r}: name that of the batch, or none.")
        url = url[absolute.end() :] or "/"
    path, _, query = url.partition("?")
    prefix = prefix_of(request.scope)
    if prefix and path.startswith(f"{prefix}/"):
        path = path.removeprefix(prefix)
    if not path.startswith("/"):
        path = quote(request.scope["path"].removesuffix("/").removesuffix(_NAME), safe=_UNRESERVED[2:] + "/") + path
    path = quote(path, safe=_UNRESERVED)
    if not is_odata(unquote(path)):
        raise RequestError(404, "NOT_FOUND", f"A part of a batch reads below {ODATA_PATH}, and {path[:60]!r} is not.")
    return path, quote(query, safe=_UNRESERVED + "?")


def _of_multipart(body: bytes, boundary: bytes) -> Iterator[BatchPart]:
    """Yield the parts of a message in several parts (RFC 2046). Raises RequestError."""
    mark = re.compile(rb"(?:\A|\r?\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r?\n|\Z)")
    begin: int | None = None
    number = 0
    for found in mark.finditer(body):
        if begin is not None:
            number += 1
            _check_number(number)
            yield _of_message(body[begin : found.start()])
        begin = found.end()
        if found[1]:
            if not number:
                raise _bad("The batch has no parts.")
            return
    raise _bad("The batch has no end: a line of two hyphens, the boundary and two hyphens follows the last part.")


def _of_message(message: bytes) -> BatchPart:
    head, content = _split(message)
    about = _headers(head)
    kind = about.get("content-type", "").partition(";")[0].strip().lower()
    place = about.get("content-id")
    if kind == "multipart/mixed":
        return BatchPart("", "", {}, place, problem=_no_changes())
    if kind != "application/http":
        return BatchPart("", "", {}, place, problem=_bad("A part of a batch has Content-Type: application/http."))
    head, _ = _split(content.lstrip(b"\r\n"), first=False)
    line, _, rest = head.partition("\n")
    line = line.rstrip("\r")
    request = _REQUEST.fullmatch(line)
    if request is None:
        problem = _bad(f"A part begins with {line[:40]!r}, and not with GET URL HTTP/1.1.")
        return BatchPart("", "", {}, place, problem=problem)
    return BatchPart(request[1], request[2], _headers(rest), place)


def _split(message: bytes, *, first: bool = True) -> tuple[str, bytes]:
    """Return the lines before the first blank line, and what follows it. `first` skips the end of the line before."""
    if first:
        message = re.sub(rb"\A\r?\n", b"", message)
    blank = _BLANK.search(message)
    head, content = (message, b"") if blank is None else (message[: blank.start()], message[blank.end() :])
    return head.decode("utf-8", "replace"), content


def _headers(text: str) -> dict[str, str]:
    found = (_HEADER.fullmatch(line) for line in _LINE.split(text))
    return {one[1].lower(): one[2].strip() for one in found if one is not None}


def _of_json(body: bytes) -> Iterator[BatchPart]:
    """Yield the parts of a batch in JSON. Raises RequestError."""
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _bad(f"The batch is not JSON: {error.msg}.") from None
    requests = given.get("requests") if isinstance(given, dict) else None
    if not isinstance(requests, list) or not requests or not all(isinstance(one, dict) for one in requests):
        raise _bad('A batch in JSON is {"requests": [{"id": "1", "method": "GET", "url": "…"}, …]}.')
    _check_number(len(requests))
    seen: set[str] = set()
    for one in requests:
        yield _of_object(one, seen)


def _of_object(one: dict[str, Any], seen: set[str]) -> BatchPart:
    name, method, url = one.get("id"), one.get("method"), one.get("url")
    headers, after = one.get("headers") or {}, one.get("dependsOn") or []
    if not isinstance(name, str) or not isinstance(method, str) or not isinstance(url, str):
        raise _bad("Each part of a batch in JSON has the texts id, method and url.")
    if name in seen:
        raise _bad(f"Two parts of the batch have the id {name[:60]!r}.")
    if not isinstance(headers, dict) or not all(
        isinstance(value, str) and _HEADER.fullmatch(f"{key}:{value}") for key, value in headers.items()
    ):
        raise _bad(f"The headers of the part {name[:60]!r} are an object of texts, each a line.")
    if not isinstance(after, list) or not all(isinstance(each, str) and each in seen for each in after):
        raise _bad(f"The part {name[:60]!r} depends on a part that does not stand before it.")
    seen.add(name)
    problem = None
    if one.get("atomicityGroup") is not None:
        problem = _no_changes()
    elif one.get("if") is not None:
        problem = _bad("A part of a batch has no condition `if` here.")
    return BatchPart(method, url, headers, name, tuple(after), problem)


def _check_number(parts: int) -> None:
    if parts > MOST_PARTS:
        raise _bad(f"A batch has at most {MOST_PARTS} parts.")


def _no_changes() -> RequestError:
    return RequestError(405, "METHOD_NOT_ALLOWED", "A batch only reads: it has no change sets and no atomicity groups.")


def _bad(message: str) -> RequestError:
    return RequestError(400, "BAD_REQUEST", message)


async def _as_multipart(answers: AsyncIterator[tuple[BatchPart, PartAnswer]], mark: str) -> AsyncIterator[bytes]:
    async for part, found in answers:
        place = "" if part.id is None else f"Content-ID: {part.id}\r\n"
        phrase = HTTPStatus(found.status).phrase
        lines = "".join(f"{name}: {value}\r\n" for name, value in found.headers)
        yield (
            (
                f"--{mark}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n{place}\r\n"
                f"HTTP/1.1 {found.status} {phrase}\r\n{lines}\r\n"
            ).encode()
            + found.body
            + b"\r\n"
        )
    yield f"--{mark}--\r\n".encode()


async def _as_json(answers: AsyncIterator[tuple[BatchPart, PartAnswer]]) -> AsyncIterator[bytes]:
    before = b'{"responses":['
    async for part, found in answers:
        headers: dict[str, str] = {}
        for name, value in found.headers:
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        facts = encode({"id": part.id, "status": found.status, "headers": headers})
        # JSON is taken as it is: reading it would change the digits of decimals.
        is_json = headers.get("content-type", "").startswith("application/json")
        body = found.body if is_json else encode(found.body.decode("utf-8", "replace"))
        yield before + facts[:-1] + (b',"body":' + body if found.body else b"") + b"}"
        before = b",\n"
    yield b"]}"
