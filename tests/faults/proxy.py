"""A proxy before both upstreams. It passes true answers on, or fails a share of the calls."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx

from tests.faults.kinds import Fault
from tests.stand import Sandbox
from tests.upstream.server import ReceivedRequest, Reply, Server, serving


class Proxy:
    """The proxy: `strike` begins a fault, `heal` ends it, `calls` counts requests, `system` limits a fault."""

    def __init__(self, server: Server, sandbox: Sandbox, client: httpx.AsyncClient) -> None:
        self._client = client
        self._chance = random.Random(7)
        self._fault: Fault | None = None
        self._share = 1.0
        self._method: str | None = None
        self.calls = 0
        self.gamehub_url = f"http://127.0.0.1:{server.port}{urlsplit(sandbox.gamehub_url).path}"
        self.gamelog_url = f"http://127.0.0.1:{server.port}{urlsplit(sandbox.gamelog_url).path}"
        server.reply = self._reply

    def strike(self, fault: Fault, share: float = 1.0, method: str | None = None) -> None:
        """Fail a share of the calls from now on: of both systems, or of the one with this HTTP method."""
        self._fault, self._share, self._method = fault, share, method
        self.calls = 0

    def heal(self) -> None:
        """End the fault, and reset the count."""
        self._fault, self.calls = None, 0

    async def _reply(self, received: ReceivedRequest) -> Reply:
        self.calls += 1
        fault = self._fault
        struck = fault is not None and self._method in (None, received.method) and self._chance.random() < self._share
        found = await self._client.request(
            received.method, received.target, content=received.body, headers={"content-type": "application/json"}
        )
        answer = Reply(found.content, found.status_code)
        return fault(received, answer) if struck and fault is not None else answer


@asynccontextmanager
async def proxied(sandbox: Sandbox) -> AsyncIterator[Proxy]:
    """Yield the proxy before a sandbox."""
    origin = sandbox.gamehub_url.removesuffix(urlsplit(sandbox.gamehub_url).path)
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    async with (
        httpx.AsyncClient(base_url=origin, trust_env=False, timeout=30, limits=limits) as client,
        serving() as server,
    ):
        yield Proxy(server, sandbox, client)
