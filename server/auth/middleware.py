"""Authenticate every request and check its permission. Put the caller into `scope["caller"]`, or refuse the request."""

from collections.abc import Awaitable, Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resolvers.caller import EVERYONE
from server.auth import links
from server.auth.authenticator import ANONYMOUS, Authenticator, KnownCredential, name_of_stranger
from server.auth.credentials import NAMES
from server.auth.permissions import Area, area
from server.auth.standing import RateStatus
from server.http.error_response import send_error
from server.http.request_error import RequestError, unauthenticated
from server.http.request_headers import RequestHeaders
from server.logs import note_caller
from upstream.resilience.queue import QUEUE_CALLER, QueueCaller

REALM = "gamehub-graph"
# One header each: browsers ask for a password only if Basic begins a header.
CHALLENGES = (f'Bearer realm="{REALM}"', f'Basic realm="{REALM}", charset="UTF-8"')

_ANONYMOUS = KnownCredential(ANONYMOUS, ANONYMOUS.name)
_FREE = RateStatus(())  # without limits

_MOST_STRANGERS = 1000

# The function in a scope that counts another request of the caller, for a batch. It is there if limits may count.
COUNT = "count_request"

_NO_CREDENTIAL = (
    "Say who you are: Authorization: Bearer with a key or a token, X-Api-Key with a key, or Basic with a key as the "
    "password. `gamehub-graph keys create` makes keys."
)


class AuthMiddleware:
    """Pure ASGI middleware. `server/auth/permissions.py` lists the permission that each path needs."""

    def __init__(self, app: ASGIApp, callers: Authenticator) -> None:
        self._app = app
        self._callers = callers
        # Without limits, nothing of a request without a credential is checked or counted.
        self._open = not callers.required and not callers.limiter.limits()
        self._strangers: dict[str, QueueCaller] = {}  # callers without a credential, by their address

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Find the caller, then call the application. Almost all requests need no await where no limits count."""
        kind = scope["type"]
        if kind != "http":
            return (self._admitted if kind == "websocket" else self._app)(scope, receive, send)
        headers = RequestHeaders.of(scope)
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
        needed = area(scope["path"]).permission
        return known if needed is None or needed in known.caller.permissions else None

    def _stranger(self, address: str) -> QueueCaller:
        if len(self._strangers) >= _MOST_STRANGERS:
            self._strangers.clear()
        found = self._strangers[address] = QueueCaller(name_of_stranger(address))
        return found

    async def _admitted(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            known, standing = await self._admit(scope)
        except RequestError as refusal:
            await _refuse(refusal, scope, receive, send)
            return

        async def count() -> None:
            nonlocal standing
            standing = await self._count(known)

        scope[COUNT] = count

        async def send_with_limits(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(message, standing.headers())
            await send(message)

        limiter = self._callers.limiter
        QUEUE_CALLER.set(QueueCaller(known.name, lambda: limiter.call(known.name, known.rates)))
        note_caller(scope, known.caller.name)
        await self._app(scope, receive, send_with_limits if standing.windows else send)

    async def _admit(self, scope: Scope) -> tuple[KnownCredential, RateStatus]:
        where = area(scope["path"])
        known = await self._caller(scope, where)
        scope["caller"] = known.caller
        scope["key_id"] = known.key_id
        if where.permission is not None and where.permission not in known.caller.permissions:
            raise RequestError(
                403, "FORBIDDEN", f"This needs the permission {where.permission}, which the caller does not have."
            )
        if not where.counted:
            return known, _FREE
        return known, await self._count(known)

    async def _count(self, known: KnownCredential) -> RateStatus:
        """Count a request of a caller. Raises RequestError if a limit is used up."""
        standing = await self._callers.limiter.request(known.name, known.rates)
        over = standing.over
        if over is not None:
            what = {"requests": "requests", "calls": "upstream calls"}[over.kind]
            raise RequestError(
                429,
                "TOO_MANY_REQUESTS",
                f"The caller may make {over.limit} {what} a minute, and has: wait {max(over.seconds, 1)} seconds.",
                standing.headers(),
            )
        return standing

    async def _caller(self, scope: Scope, where: Area) -> KnownCredential:
        try:
            known = await self._callers.known(scope)
        except RequestError:
            if where.permission is None:
                return _ANONYMOUS
            raise
        if known is None:
            if where.permission is None:
                return _ANONYMOUS
            raise unauthenticated(_NO_CREDENTIAL)
        return known


def _add(message: Message, headers: Mapping[str, str]) -> None:
    MutableHeaders(scope=message).update(headers)


async def _refuse(refusal: RequestError, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the refusal. It answers the handshake of a websocket too, if the server can do that."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 4000 + refusal.status, "reason": str(refusal)[:120]})
        return
    await send_error(refusal, scope, receive, send, challenges=CHALLENGES if refusal.status == 401 else ())
