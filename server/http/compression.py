"""Compress answers: choose a coding from `Accept-Encoding`, and compress in it. A long body is compressed in a thread.

An attacker who can make a browser send requests, and who sees the length of the answers, could guess a secret that
stands beside what the request says (BREACH). So an answer that may repeat its request is not compressed if the browser
sends the credential by itself, and an answer with a credential in it is never compressed.
"""

import asyncio
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from typing import NamedTuple

from starlette.datastructures import MutableHeaders
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.http.request_headers import RequestHeaders

# The codings of equal weight are preferred in this order.
CODINGS = ("zstd", "br", "gzip")
# A longer body is compressed in a thread. This many bytes take up to two milliseconds.
INLINE = 32 * 1024
# Compressions that run at the same time: they must not take the processor from the operations.
_THREADS = 2
_USUAL = 300  # characters
_MOST_OFFERS = 50  # codings of a header that are read
_PAGES = ("text/html", "application/json")
_OWN_SITES = ("same-origin", "none")


class Compressor(NamedTuple):
    """The two functions of a compression: for a piece, and for the end."""

    feed: Callable[[bytes], bytes]
    finish: Callable[[], bytes]


class Effort(NamedTuple):
    """The level of each coding."""

    zstd: int
    br: int
    gzip: int


ANSWER = Effort(zstd=1, br=3, gzip=4)
# For a file that is compressed once.
FILE = Effort(zstd=15, br=9, gzip=9)


def coding_of(accept: str | None, offers: tuple[str, ...] = CODINGS) -> str | None:
    """Return the coding of an answer; None if the client wants none of the offers, or prefers none."""
    if not accept:
        return None
    return _known(accept, offers) if len(accept) <= _USUAL else _found(accept, offers)


def reveals(headers: RequestHeaders) -> bool:
    """Return whether a page of another site may have caused a request with a credential that the browser stores.

    Older browsers do not say who caused a request.
    """
    basic = headers.get("authorization", "")[:6].lower() == "basic "
    return basic and headers.get("sec-fetch-site", "").strip().lower() not in _OWN_SITES


async def compressed(pieces: Iterable[bytes], size: int, coding: str) -> bytes:
    """Return a body of this size in a coding. Other tasks run meanwhile if it is long."""
    if size <= INLINE:
        return pack(pieces, size, coding)
    return await asyncio.get_running_loop().run_in_executor(_threads(), pack, pieces, size, coding)


def pack(pieces: Iterable[bytes], size: int, coding: str, effort: Effort = ANSWER) -> bytes:
    """Return a body of this size in a coding."""
    feed, finish = _compressor(coding, size, effort)
    return b"".join([*map(feed, pieces), finish()])


class CompressedPages:
    """Compress the pages and the small JSON beside them: whole bodies of at least `least` bytes; with 0, none."""

    def __init__(self, least: int) -> None:
        self._least = least

    def of(self, routes: list[BaseRoute]) -> list[BaseRoute]:
        """Return the same routes, whose answers are compressed."""
        for route in routes if self._least else ():
            assert isinstance(route, Route)
            route.app = self._wrapped(route.app)
        return routes

    def _wrapped(self, app: ASGIApp) -> ASGIApp:
        async def compressing(scope: Scope, receive: Receive, send: Send) -> None:
            headers = RequestHeaders.of(scope)
            coding = None if reveals(headers) else coding_of(headers.get("accept-encoding"))
            start: Message | None = None

            async def sent(message: Message) -> None:
                nonlocal start
                if message["type"] == "http.response.start" and _is_page(message):
                    start = message
                    return
                if start is not None:
                    head, start = start, None
                    await self._change(head, message, coding)
                    await send(head)
                await send(message)

            await app(scope, receive, sent)

        return compressing

    async def _change(self, head: Message, message: Message, coding: str | None) -> None:
        body = message.get("body", b"")
        if message.get("more_body") or len(body) < self._least:
            return
        headers = MutableHeaders(scope=head)
        headers.add_vary_header("Accept-Encoding")
        if coding is None:
            return
        message["body"] = packed = await compressed((body,), len(body), coding)
        headers["Content-Encoding"] = coding
        headers["Content-Length"] = str(len(packed))
        tag = headers.get("etag")
        if tag is not None and not tag.startswith("W/"):
            headers["ETag"] = f"W/{tag}"  # the same page in other bytes


def _is_page(head: Message) -> bool:
    headers = MutableHeaders(scope=head)
    kind = headers.get("content-type", "").partition(";")[0]
    return head["status"] == 200 and kind in _PAGES and "content-encoding" not in headers


def _found(accept: str, offers: tuple[str, ...]) -> str | None:
    weights: dict[str, float] = {}
    for part in accept.split(",", _MOST_OFFERS)[:_MOST_OFFERS]:
        name, *parameters = part.split(";")
        weights.setdefault(name.strip().lower(), _weight(parameters))
    rest = weights.get("*", 0.0)
    best = max(offers, key=lambda offer: weights.get(offer, rest))  # the first of equal ones
    weight = weights.get(best, rest)
    return best if weight > 0 and weight >= weights.get("identity", 0.0) else None


_known = lru_cache(maxsize=256)(_found)


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                weight = float(value)
            except ValueError:
                return 0.0
            return weight if 0 <= weight <= 1 else 0.0
    return 1.0


def _compressor(coding: str, size: int, effort: Effort) -> Compressor:
    # The libraries are imported here, because not every server has clients that ask for them.
    if coding == "zstd":
        import zstandard

        zstd = zstandard.ZstdCompressor(level=effort.zstd).compressobj(size=size)
        return Compressor(zstd.compress, zstd.flush)
    if coding == "br":
        import brotli

        br = brotli.Compressor(quality=effort.br)
        return Compressor(br.process, br.finish)
    gzip = zlib.compressobj(effort.gzip, zlib.DEFLATED, wbits=31)
    return Compressor(gzip.compress, gzip.flush)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, "compression")
