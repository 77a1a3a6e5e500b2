"""Answer with a file of the spool: its headers, conditional requests, ranges and encodings."""

import datetime
import re
import weakref
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from server.auth.credentials import VARY, carries
from server.execution.freshness import Freshness
from server.http import conditions
from server.http.request_error import RequestError
from server.http.request_headers import RequestHeaders
from server.tables.formats import Format
from server.tables.spool.snapshot import HASH, Snapshot

ENCODINGS = ("zstd", "gzip")
_ONE_TAG = re.compile(rf'"(\w{{{HASH}}})"', re.ASCII)


class SpoolFileResponse(FileResponse):
    """Send a file of the spool, which is not removed meanwhile. `parts` is the `Range` to send; None sends all.

    Raises FileNotFoundError if another process has just removed the file.
    """

    chunk_size = 1 << 20

    def __init__(
        self, snapshot: Snapshot, headers: Mapping[str, str], media_type: str, name: str, parts: str | None
    ) -> None:
        snapshot.hold()
        self._release = weakref.finalize(self, snapshot.release)  # also if the answer is never sent
        super().__init__(
            snapshot.path, headers=headers, media_type=media_type, filename=name, stat_result=snapshot.path.stat()
        )
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Starlette would read the range again, with other rules for invalid ranges and for `If-Range`.
        others = [pair for pair in scope["headers"] if pair[0] not in (b"range", b"if-range")]
        scope = {**scope, "headers": [*others, (b"range", self._parts.encode())] if self._parts else others}
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._release()


def head_of_stream(headers: Mapping[str, str], media_type: str) -> Response:
    """Return the headers of a stream, for HEAD. Nobody knows the length of a stream."""
    answer = Response(headers=headers, media_type=media_type)
    del answer.headers["content-length"]
    return answer


def headers_of(form: Format, encoding: str | None, request: Request) -> dict[str, str]:
    vary = ("Accept-Encoding", VARY) if form.compressible else (VARY,)
    headers = {
        # Clients must ask this server before they use a cached copy: it knows which days changed.
        "Cache-Control": keeping(request),
        "Vary": ", ".join(vary),
        "X-Content-Type-Options": "nosniff",
    }
    if encoding:
        headers["Content-Encoding"] = encoding
    return headers


def keeping(request: Request) -> str:
    """Return the cache directive of an answer with rows: private if the request had a credential."""
    return "private, no-cache" if carries(request.scope) else "no-cache"


def age(oldest: datetime.datetime, now: datetime.datetime) -> str:
    """Return the value of `Age` if the oldest row was read at this moment."""
    return str(Freshness(oldest, oldest, oldest).age(now))


def named_file(fields: RequestHeaders) -> str | None:
    """Return the hash of the file that a client has parts of, if the request names it."""
    match = _ONE_TAG.fullmatch(fields.get("if-range", fields.get("if-match", "")).strip())
    return match[1] if match else None


def is_known(fields: RequestHeaders, tag: str, modified: datetime.datetime) -> bool:
    """Return whether the client has this file. A tag goes before a date."""
    if "if-none-match" in fields:
        return conditions.names(fields["if-none-match"], tag)
    moment = conditions.moment(fields.get("if-modified-since"))
    return moment is not None and modified <= moment


def is_excluded(fields: RequestHeaders, tag: str, modified: datetime.datetime) -> bool:
    """Return whether the conditions of the request exclude this file. A tag goes before a date."""
    if "if-match" in fields:
        return not conditions.names(fields["if-match"], tag, strong=True)
    moment = conditions.moment(fields.get("if-unmodified-since"))
    return moment is not None and modified > moment


def continues(fields: RequestHeaders, tag: str, modified: datetime.datetime) -> bool:
    """Return whether parts of this file fit the parts that the client has."""
    said = fields.get("if-range", tag).strip()
    return said == tag or ('"' not in said and conditions.moment(said) == modified)


def outside(snapshot: Snapshot) -> RequestError:
    message = f"The range lies outside the file, which has {snapshot.size} bytes."
    return RequestError(416, "RANGE_NOT_SATISFIABLE", message, {"Content-Range": f"bytes */{snapshot.size}"})
