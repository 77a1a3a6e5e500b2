"""Guards: checks of a request's head that need no credential and come before everything else.

A guard is a plain function: several of them cost a request less than one more layer of the application.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from server.http.request_error import error
from server.http.writing import encode


@dataclass(frozen=True, slots=True)
class GuardRefused:
    """The refusal of a request: HTTP status, error code, message, and the request headers that decided it."""

    status: int
    code: str
    message: str
    vary: str = ""


Guard = Callable[[Scope], GuardRefused | None]


class Guards:
    """Pure ASGI middleware: answers a request with the first refusal of its guards."""

    def __init__(self, app: ASGIApp, guards: Sequence[Guard]) -> None:
        self._app = app
        self._guards = guards

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask the guards, then the application."""
        if scope["type"] == "http":
            for guard in self._guards:
                refused = guard(scope)
                if refused is not None:
                    await _answer(refused, scope, send)
                    return
        await self._app(scope, receive, send)


async def _answer(refused: GuardRefused, scope: Scope, send: Send) -> None:
    body = encode({"errors": [error(refused.message, refused.code)]})
    headers = [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if refused.vary:
        headers.append((b"vary", refused.vary.encode()))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
