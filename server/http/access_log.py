"""One log line per request, and a correlation id for everything that the request causes. The client receives it too.

This middleware also adds the security headers to every answer, and it answers a request that failed with a fault.
"""

import re
import time
from random import getrandbits

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.execution.execution import FAULT
from server.http.error_response import send_error
from server.http.request_error import RequestError
from server.http.security_headers import secured
from server.logs import LOG_CONTEXT

HEADER = "X-Request-Id"
_HEADER = HEADER.lower().encode()
QUIET = frozenset({"/healthz", "/readyz"})  # supervisors request these every few seconds

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = structlog.get_logger(__name__)


class AccessLog:
    """Pure ASGI middleware: the outermost, so that it sees every answer and every exception.

    The path is logged, the query string is not: clients put keys and variables into it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
        # It is no secret, so a plain random number is enough.
        request_id = given if _ID.fullmatch(given) else f"{getrandbits(64):016x}"
        id_header = (_HEADER, request_id.encode())
        status = 0
        size = 0

        async def count(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*secured(message.get("headers", ())), id_header]
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        LOG_CONTEXT.set({"request": request_id})
        try:
            await self._app(scope, receive, count)
        except Exception:
            log.exception("a request failed")
            if status == 0:
                await send_error(RequestError(500, "INTERNAL_SERVER_ERROR", FAULT), scope, receive, count)
        finally:
            write = log.debug if scope["path"] in QUIET and status < 400 else log.info
            write(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status or None,
                ms=round((time.perf_counter() - began) * 1000, 1),
                bytes=size,
                **({"caller": scope["caller"].name} if "caller" in scope else {}),
                **{key: scope[key] for key in ("operation", "graphql_errors", "gone") if scope.get(key)},
            )
