"""The headers that every answer has for the sake of browsers."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# An answer is data: a browser may neither guess that it is a page, nor run, frame or embed it. The page and its files
# bring a content security policy of their own.
HEADERS = {
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
}


class SecurityHeaders:
    """Pure ASGI middleware that adds those that an answer does not have."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.setdefault("headers", [])
                names = {name for name, _ in given}
                message["headers"] = [*given, *(item for item in HEADERS.items() if item[0] not in names)]
            await send(message)

        await self._app(scope, receive, add if scope["type"] == "http" else send)
