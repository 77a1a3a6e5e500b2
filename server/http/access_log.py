"""One log line per request, and a correlation id for everything that the request causes. The client receives it too.

This middleware also calls the guards, adds the security headers to every answer, answers a request that failed with a
fault, and counts the request for the metrics. A slow request has a second line, with the plan of its calls.
"""

import logging
import re
import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Sequence
from random import getrandbits
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.execution.execution import FAULT
from server.http.error_response import send_error
from server.http.request_error import RequestError
from server.http.request_facts import INTERFACE, MOST_NAMES, OK, RequestFacts, bounded
from server.http.request_headers import RequestHeaders
from server.http.security_headers import secured
from server.logs import LOG_CONTEXT, LOG_FACTS, write_request
from server.metrics.requests import GRAPHQL, SUBSCRIPTIONS, RequestCounts, interface_of
from server.usage import CLIENT, LONGEST_NAME, VERSION
from upstream.durations import BOUNDS

HEADER = "X-Request-Id"
_HEADER = HEADER.lower()
_NAME = _HEADER.encode()
QUIET = frozenset({"/healthz", "/readyz"})  # supervisors request these every few seconds

# A check of the head of a request. It needs no credential and runs before authentication.
Guard = Callable[[Scope, RequestHeaders], RequestError | None]

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = structlog.get_logger(__name__)


class AccessLog:
    """Pure ASGI middleware: the outermost, so that it sees every answer and every exception.

    The path is logged, the query string is not: clients put keys and variables into it. The first error that one of
    the `guards` returns is the answer to a request. `counts` counts the requests. A request that takes `slow` seconds
    or more is logged with its plan; 0: none.
    """

    def __init__(
        self, app: ASGIApp, guards: Sequence[Guard] = (), counts: RequestCounts | None = None, slow: float = 0.0
    ) -> None:
        self._app = app
        self._guards = guards
        self._counts = counts if counts is not None else RequestCounts()
        self._slow = slow or float("inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await (self._socket if scope["type"] == "websocket" else self._app)(scope, receive, send)
            return
        began = time.perf_counter()
        headers = RequestHeaders.of(scope)
        given = headers.get(_HEADER, "")
        # It is no secret, so a plain random number is enough.
        request_id = given if given and _ID.fullmatch(given) else f"{getrandbits(64):016x}"
        facts = RequestFacts(request=request_id)
        facts.line = {}

        def count(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                facts.status = message["status"]
                id_header = (_NAME, request_id.encode())
                message["headers"] = secured(message.get("headers", ()), id_header)
            elif message["type"] == "http.response.body" and "body" in message:
                facts.size += len(message["body"])
                if facts.first is None and "more_body" in message and message["more_body"] and facts.size:
                    facts.first = time.perf_counter() - began
            return send(message)

        scope[LOG_FACTS] = facts
        LOG_CONTEXT.set(facts)
        try:
            for guard in self._guards:
                refused = guard(scope, headers)
                if refused is not None:
                    await send_error(refused, scope, receive, count)
                    return
            await self._app(scope, receive, count)
        except Exception:
            LOG_CONTEXT.set({"request": request_id})  # without the caller
            log.exception("a request failed")
            facts.cut = True
            if facts.status == 0:
                await send_error(RequestError(500, "INTERNAL_SERVER_ERROR", FAULT), scope, receive, count)
        finally:
            self._end(scope, headers, facts, time.perf_counter() - began)

    def _end(self, scope: Scope, headers: RequestHeaders, facts: RequestFacts, seconds: float) -> None:
        """Count a request that has ended, and write its line. All of it is here, because each request does it."""
        path, status, counts = scope["path"], facts.status, self._counts
        interface = GRAPHQL if path == "/graphql" else interface_of(path)
        if INTERFACE in scope:
            interface = scope[INTERFACE]
        line = {
            "method": scope["method"],
            "path": path,
            "status": status or None,
            "ms": round(seconds * 1000, 1),
            "bytes": facts.size,
            "interface": interface,
        }
        outcome, found = OK, counts.interfaces[interface]
        if status >= 400 or facts.codes is not None or facts.cut or "gone" in facts.line:
            outcome = line["outcome"] = facts.outcome()
            if facts.codes is not None:
                line["codes"] = facts.codes
                found.note_codes(facts.codes)
        found.ended[status, outcome] += 1
        found.bytes += facts.size
        if facts.first is None:
            found.at_once.counts[0 if seconds <= BOUNDS[0] else bisect_left(BOUNDS, seconds)] += 1
            found.at_once.seconds += seconds
        else:
            found.first.note(facts.first)
            found.last.note(seconds)
        if "caller" in scope:
            line["caller"] = name = scope["caller"].name
            of_caller = counts.callers[name]
            of_caller[0] += 1
            of_caller[1] += seconds
        if facts.plan is not None:
            line["calls"], line["cached"], line["stale"] = facts.calls, facts.cached, facts.stale
            line["upstream_rows"] = facts.rows
        line |= facts.line
        if scope.get("client"):
            line["address"] = scope["client"][0]
        if CLIENT in headers:
            line |= _client(headers)
        if "table" in line and outcome == OK:
            counts.note_table(line)
        if seconds >= self._slow and interface != SUBSCRIPTIONS:
            counts.slow += 1
            names = sorted(facts.variables)[:MOST_NAMES]
            log.warning("slow request", **line, variables=names, plan=facts.planned())
        quiet = path in QUIET and status < 400
        write_request(logging.DEBUG if quiet else logging.INFO, line, facts["request"])

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Do the same for a WebSocket: one line at its end, with its status and the code that closed it."""
        began = time.perf_counter()
        headers = RequestHeaders.of(scope)
        given = headers.get(_HEADER, "")
        request_id = given if _ID.fullmatch(given) else f"{getrandbits(64):016x}"
        id_header = (_NAME, request_id.encode())
        line: dict[str, Any] = {"path": scope["path"], "status": None, "bytes": 0, "interface": SUBSCRIPTIONS}
        scope["method"] = "GET"

        async def count(message: Message) -> None:
            kind = message["type"]
            if kind == "websocket.accept":
                facts.status = line["status"] = 101
                facts.first = time.perf_counter() - began
                message["headers"] = [*message.get("headers", ()), id_header]
            elif kind == "websocket.http.response.start":
                facts.status = line["status"] = message["status"]
                message["headers"] = secured(message.get("headers", ()), id_header)
            elif kind == "websocket.send":
                facts.size = line["bytes"] = line["bytes"] + len(message.get("text") or "")
            elif kind == "websocket.close":
                line["code"] = message.get("code")
            await send(message)

        scope[LOG_FACTS] = facts = RequestFacts.of(request_id)
        LOG_CONTEXT.set(facts)
        try:
            for guard in self._guards:
                refused = guard(scope, headers)
                if refused is not None:
                    await send_error(refused, scope, receive, count)
                    return
            await self._app(scope, receive, count)
        except Exception:
            log.exception("a websocket failed")
            facts.cut = True
        finally:
            ms = round((time.perf_counter() - began) * 1000, 1)
            found = self._counts.interfaces[SUBSCRIPTIONS]
            found.ended[facts.status, facts.outcome()] += 1
            found.bytes += facts.size
            found.note_codes(facts.codes or {})
            if facts.first is not None:
                found.first.note(facts.first)
            line |= {**facts.line, "address": scope["client"][0] if scope.get("client") else None, **_client(headers)}
            log.info("websocket", **line, ms=ms)


def _client(headers: RequestHeaders) -> dict[str, str]:
    """Return the name and the version that a client says."""
    found = {"client": headers.get(CLIENT, ""), "client_version": headers.get(VERSION, "")}
    return {name: bounded(text, LONGEST_NAME) for name, text in found.items() if text}
