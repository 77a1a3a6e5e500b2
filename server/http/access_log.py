"""One log line a request, and a correlation id that goes with all that the request causes, and back to the client.

What every answer has is added here too: the headers for browsers, and an answer where a fault has left none."""

import re
import time
from random import getrandbits

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.execution.execution import FAULT
from server.http.request_error import error
from server.http.security_headers import secured
from server.http.writing import encode
from server.logs import TOLD

HEADER = "X-Request-Id"
_HEADER = HEADER.lower().encode()
QUIET = frozenset({"/healthz", "/readyz"})  # asked every few seconds by whatever keeps the server running

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = structlog.get_logger(__name__)


class AccessLog:
    """Pure ASGI middleware: the outermost, so that it sees every answer and gives one to what nobody caught.

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
        # No secret, so that a plain random number will do.
        request_id = given if _ID.fullmatch(given) else f"{getrandbits(64):016x}"
        told = (_HEADER, request_id.encode())
        status = 0
        size = 0

        async def count(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*secured(message.get("headers", ())), told]
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        TOLD.set({"request": request_id})
        try:
            await self._app(scope, receive, count)
        except Exception:
            log.exception("a request failed")
            if status == 0:
                await _fault(count)
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


async def _fault(send: Send) -> None:
    body = encode({"errors": [error(FAULT, "INTERNAL_SERVER_ERROR")]})
    headers = [(b"content-type", b"application/json; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})
