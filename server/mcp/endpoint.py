"""`/mcp`: the tools over streamable HTTP. The same callers, limits and guards hold as for `/graphql`.

The SDK is imported by the first request. A server without it says how to install it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from starlette.types import Message, Receive, Scope, Send

from server.execution.limits import Limits
from server.http.body import whole_body
from server.http.error_response import send_error
from server.http.guards import origins
from server.http.request_error import RequestError
from server.http.request_facts import facts_of
from server.http.request_headers import RequestHeaders
from server.http.watch import ClientGone, Watch
from server.mcp.tools import AssistantTools

if TYPE_CHECKING:  # imported with the SDK: see above
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

PATH = "/mcp"
NAME = "gamehub-graph"
MISSING = "Tools for assistants need the package mcp, which is not installed: pip install 'gamehub-graph[mcp]'."
# A tool ends by itself when its time is over. This only ends what a client has left.
_LONG = 86_400.0


class McpEndpoint:
    """The endpoint, as an ASGI application. `origins` are the origins whose pages may send requests."""

    def __init__(self, tools: Callable[[], AssistantTools], limits: Limits, origins: Sequence[str] = ()) -> None:
        self._tools = tools
        self._limits = limits
        self._origins = origins
        self._watch = Watch(_LONG)
        self._opening = asyncio.Lock()
        self._manager: StreamableHTTPSessionManager | None = None
        self._running: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self._body(scope, receive)
            manager = await self._opened()
        except RequestError as refusal:
            await send_error(refusal, scope, receive, send)
            return
        except ClientGone:
            facts_of(scope).line["gone"] = True
            return
        try:
            await self._watch.over(manager.handle_request(scope, _replayed(body), send), receive)
        except ClientGone:
            facts_of(scope).line["gone"] = True

    async def aclose(self) -> None:
        """End what the SDK runs."""
        self._closing.set()
        if self._running is not None:
            await self._running

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        headers = RequestHeaders.of(scope)
        if find_spec("mcp") is None:
            raise RequestError(501, "NOT_IMPLEMENTED", MISSING)
        origins.check_any(headers, self._origins)
        if scope["method"] != "POST":
            raise RequestError(405, "METHOD_NOT_ALLOWED", "Messages are sent by POST.", {"Allow": "POST"})
        return await whole_body(headers, receive, self._limits.body_bytes)

    async def _opened(self) -> "StreamableHTTPSessionManager":
        async with self._opening:
            if self._manager is None:
                protocol: Any = await asyncio.to_thread(import_module, "server.mcp.protocol")
                manager = protocol.manager(self._tools(), NAME, self._limits.body_bytes)
                started = asyncio.get_running_loop().create_future()
                # The SDK must be entered and left in the same task.
                self._running = asyncio.create_task(self._run(manager, started))
                await started
                self._manager = manager
            return self._manager

    async def _run(self, manager: "StreamableHTTPSessionManager", started: "asyncio.Future[None]") -> None:
        async with manager.run():
            started.set_result(None)
            await self._closing.wait()


def _replayed(body: bytes) -> Callable[[], Awaitable[Message]]:
    """Return a `receive` with a body that was read already. The endpoint itself watches for the end of the client."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()
        raise AssertionError("nothing sets the event")

    return receive
