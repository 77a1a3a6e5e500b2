"""One log line per request, and a correlation id for everything that the request causes. The client receives it too.

This middleware also calls the guards, adds the security headers to every answer, and answers a request that failed with
a fault.
"""

import logging
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from random import getrandbits
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.execution.execution import FAULT
from server.http.error_response import send_error
from server.http.request_error import RequestError
from server.http.request_headers import RequestHeaders
from server.http.security_headers import secured
from server.logs import LOG_CONTEXT, LOG_FACTS, write_request

HEADER = "X-Request-Id"
_HEADER = HEADER.lower()
_NAME = _HEADER.encode()
QUIET = frozenset({"/healthz", "/readyz"})  # supervisors request these every few seconds
# Facts that the endpoints add to the line.
_ALSO = ("operation", "graphql_errors", "gone")

# A check of the head of a request. It needs no credential and runs before authentication.
Guard = Callable[[Scope, RequestHeaders], RequestError | None]

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = structlog.get_logger(__name__)


class AccessLog:
    """Pure ASGI middleware: the outermost, so that it sees every answer and every exception.

    The path is logged, the query string is not: clients put keys and variables into it. The first error that one of
    the `guards` returns is the answer to a request.
    """

    def __init__(self, app: ASGIApp, guards: Sequence[Guard] = ()) -> None:
        self._app = app
        self._guards = guards

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await (self._socket if scope["type"] == "websocket" else self._app)(scope, receive, send)
            return
        began = time.perf_counter()
        headers = RequestHeaders.of(scope)
        given = headers.get(_HEADER, "")
        # It is no secret, so a plain random number is enough.
        request_id = given if given and _ID.fullmatch(given) else f"{getrandbits(64):016x}"
        status = 0
        size = 0

        def count(message: Message) -> Awaitable[None]:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                id_header = (_NAME, request_id.encode())
                message["headers"] = secured(message.get("headers", ()), id_header)
            elif message["type"] == "http.response.body" and "body" in message:
                size += len(message["body"])
            return send(message)

        scope[LOG_FACTS] = facts = {"request": request_id}
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
            if status == 0:
                await send_error(RequestError(500, "INTERNAL_SERVER_ERROR", FAULT), scope, receive, count)
        finally:
            line = {
                "method": scope["method"],
                "path": scope["path"],
                "status": status or None,
                "ms": round((time.perf_counter() - began) * 1000, 1),
                "bytes": size,
            }
            if "caller" in scope:
                line["caller"] = scope["caller"].name
            for key in _ALSO:
                if key in scope:
                    line[key] = scope[key]
            quiet = scope["path"] in QUIET and status < 400
            write_request(logging.DEBUG if quiet else logging.INFO, line, request_id)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Do the same for a WebSocket: one line at its end, with its status and the code that closed it."""
        began = time.perf_counter()
        headers = RequestHeaders.of(scope)
        given = headers.get(_HEADER, "")
        request_id = given if _ID.fullmatch(given) else f"{getrandbits(64):016x}"
        id_header = (_NAME, request_id.encode())
        line: dict[str, Any] = {"path": scope["path"], "status": None, "bytes": 0}
        scope["method"] = "GET"

        async def count(message: Message) -> None:
            kind = message["type"]
            if kind == "websocket.accept":
                line["status"] = 101
                message["headers"] = [*message.get("headers", ()), id_header]
            elif kind == "websocket.http.response.start":
                line["status"] = message["status"]
                message["headers"] = secured(message.get("headers", ()), id_header)
            elif kind == "websocket.send":
                line["bytes"] += len(message.get("text") or "")
            elif kind == "websocket.close":
                line["code"] = message.get("code")
            await send(message)

        scope[LOG_FACTS] = facts = {"request": request_id}
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
        finally:
            ms = round((time.perf_counter() - began) * 1000, 1)
            log.info("websocket", **line, ms=ms)
