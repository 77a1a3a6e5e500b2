"""Guards: checks of the head of a request. They need no credential and run before authentication.

A guard is a plain function. Several guards cost a request less than one more middleware.
"""

from collections.abc import Callable, Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from server.http.error_response import send_error
from server.http.request_error import RequestError

Guard = Callable[[Scope], RequestError | None]


class Guards:
    """Pure ASGI middleware: answers a request with the first error that a guard returns."""

    def __init__(self, app: ASGIApp, guards: Sequence[Guard]) -> None:
        self._app = app
        self._guards = guards

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the guards, then the application."""
        if scope["type"] == "http":
            for guard in self._guards:
                refused = guard(scope)
                if refused is not None:
                    await send_error(refused, scope, receive, send)
                    return
        await self._app(scope, receive, send)
