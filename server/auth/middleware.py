"""Authenticate every request and check its permission. Put the caller into `scope["caller"]`, or refuse the request."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resolvers.caller import EVERYONE
from server.auth import links, session
from server.auth.authenticator import Authenticator, KnownCredential, name_of_stranger
from server.auth.credentials import NAMES
from server.auth.permissions import area
from server.http.error_response import send_error
from server.http.request_error import RequestError
from server.http.request_headers import RequestHeaders
from server.logs import note_caller
from upstream.resilience.queue import QUEUE_CALLER, QueueCaller

REALM = "gamehub-graph"
# One header each: browsers ask for a password only if Basic begins a header.
CHALLENGES = (f'Bearer realm="{REALM}"', f'Basic realm="{REALM}", charset="UTF-8"')

# The subprotocol of GraphQL over WebSocket.
SUBPROTOCOL = "graphql-transport-ws"

_MOST_STRANGERS = 1000

# The function in a scope that counts another request of the caller, for a batch. It is there if limits may count.
COUNT = "count_request"


class AuthMiddleware:
    """Pure ASGI middleware. `server/auth/permissions.py` lists the permission that each path needs.

    `page` returns the page for a browser that opens an address and is refused; None for other clients.
    """

    def __init__(
        self,
        app: ASGIApp,
        callers: Authenticator,
        page: Callable[[Scope, RequestError], Response | None] = lambda scope, refusal: None,
    ) -> None:
        self._app = app
        self._callers = callers
        self._page = page
        # Without limits, nothing of a request without a credential is checked or counted.
        self._open = not callers.required and not callers.limiter.limits()
        self._strangers: dict[str, QueueCaller] = {}  # callers without a credential, by their address

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Find the caller, then call the application. Almost all requests need no await where no limits count."""
        kind = scope["type"]
        if kind == "lifespan":
            return self._app(scope, receive, send)
        headers = RequestHeaders.of(scope)
        # An open server ignores the cookie: it may belong to another server of the same host.
        if "cookie" in headers and self._callers.required and session.take(scope, headers):
            send = session.private(send)
        if kind == "websocket":
            return self._admitted(scope, receive, send)
        if links.SIGNATURE_BYTES in scope["query_string"]:
            return self._admitted(scope, receive, send)
        if not NAMES.isdisjoint(headers):
            known = self._known(scope, headers)
            if known is None:
                return self._admitted(scope, receive, send)
            queued = QueueCaller(known.name)
            scope["caller"], scope["key_id"] = known.caller, known.key_id
        elif self._open:
            address = scope["client"][0] if scope.get("client") else ""
            queued = self._strangers[address] if address in self._strangers else self._stranger(address)
            scope["caller"], scope["key_id"] = EVERYONE, None
        else:
            return self._admitted(scope, receive, send)
        QUEUE_CALLER.set(queued)
        note_caller(scope, scope["caller"].name)
        return self._app(scope, receive, send)

    def _known(self, scope: Scope, headers: RequestHeaders) -> KnownCredential | None:
        """Return the owner of a key that may make this request without limits; None if more must be checked."""
        known = self._callers.by_key(headers) if len(headers) == len(scope["headers"]) else None
        if known is None or self._callers.limiter.limits(known.rates):
            return None
        return known if area(scope["path"]).opens(known.caller.permissions) else None

    def _stranger(self, address: str) -> QueueCaller:
        if len(self._strangers) >= _MOST_STRANGERS:
            self._strangers.clear()
        found = self._strangers[address] = QueueCaller(name_of_stranger(address))
        return found

    async def _admitted(self, scope: Scope, receive: Receive, send: Send) -> None:
        if introduces_itself(scope):
            # A browser cannot send a credential with the handshake. The client sends it in its first message.
            await self._app(scope, receive, send)
            return
        try:
            known, standing = await self._callers.admit(scope)
        except RequestError as refusal:
            await self._refuse(refusal, scope, receive, send)
            return

        async def count() -> None:
            nonlocal standing
            standing = await self._callers.count(known)

        scope[COUNT] = count

        async def send_with_limits(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(message, standing.headers())
            await send(message)

        limiter = self._callers.limiter
        QUEUE_CALLER.set(QueueCaller(known.name, lambda: limiter.call(known.name, known.rates)))
        scope["known"] = known
        note_caller(scope, known.caller.name)
        await self._app(scope, receive, send_with_limits if standing.windows else send)

    async def _refuse(self, refusal: RequestError, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the refusal. It answers the handshake of a websocket too, if the server can do that."""
        if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 4000 + refusal.status, "reason": str(refusal)[:120]})
            return
        page = self._page(scope, refusal) if scope["type"] == "http" else None
        if page is not None:
            await page(scope, receive, send)
            return
        await send_error(refusal, scope, receive, send, challenges=_challenges(scope) if refusal.status == 401 else ())


def introduces_itself(scope: Scope) -> bool:
    """Return whether a request opens a WebSocket of GraphQL without a credential."""
    if scope["type"] != "websocket" or SUBPROTOCOL not in scope.get("subprotocols", ()):
        return False
    return scope["path"] == "/graphql" and NAMES.isdisjoint(name.decode("latin-1") for name, _ in scope["headers"])


def _add(message: Message, headers: Mapping[str, str]) -> None:
    MutableHeaders(scope=message).update(headers)


def _challenges(scope: Scope) -> Sequence[str]:
    """Return the challenges of a refusal: without Basic for a page's own request, or the browser asks for a key."""
    headers = RequestHeaders.of(scope)
    own = headers.get("sec-fetch-site") == "same-origin" and headers.get("sec-fetch-mode") != "navigate"
    return CHALLENGES[:1] if own or scope.get("session") else CHALLENGES
