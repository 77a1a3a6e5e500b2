"""Authentication: one replaceable `httpx.Auth` a system, which adds the token last, so that nothing else ever holds it.

The request that goes out is a copy: the one that the rest of the program knows stays without a token.
"""

import json
from collections.abc import Awaitable, Callable, Generator
from typing import TypeVar

import httpx

from upstream.agents import Agent
from upstream.budget import Budget
from upstream.errors import Unauthenticated
from upstream.secret import Secret, SecretMissing

T = TypeVar("T")
# How often a token may change under one call, which is no reason to lose it.
_CHANGES = 5


async def with_token(token: Secret, budget: Budget, ask: Callable[[], Awaitable[T]]) -> T:
    """What `ask` gives. Refused, the token is read again, and what it asks is asked once more (C3).

    With a token that has changed meanwhile that is a new question. With the same one it is a second request for the
    same call: made once, and as far as the retry budget goes. Raises Unauthenticated.
    """
    again = True
    for last in (*[False] * _CHANGES, True):
        reading, used = token.reading, token.current
        try:
            return await ask()
        except Unauthenticated as error:
            refused = error
        try:
            if again:
                token.renew(reading)
            # Somebody else may have renewed it too early for us.
            same = used in (None, token.value())
        except SecretMissing:
            break
        if last or (same and not (again and budget.spend())):
            break
        again = again and not same
    raise refused from None


class GameHubAuth(httpx.Auth):
    """Adds `api_token` to the query (GameHub API, section "Request")."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """The request with its token."""
        url = request.url.copy_with(params=[("api_token", self._token.value()), *request.url.params.multi_items()])
        yield _copy(request, url, request.content)


class GameLogAuth(httpx.Auth):
    """Puts `agent_code` and `agent_token` into the body (Game History, section "Request Body")."""

    requires_request_body = True

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """The request with its agent."""
        asked = json.loads(request.content)
        method = {"method": asked.pop("method", None)}
        agent = {"agent_code": self._agent.code, "agent_token": self._agent.token.value()}
        yield _copy(request, request.url, json.dumps(method | agent | asked).encode())


def _copy(request: httpx.Request, url: httpx.URL, content: bytes) -> httpx.Request:
    headers = request.headers.copy()
    headers.pop("content-length", None)
    # A GET has no body, nor a header that announces one.
    body = content or None
    return httpx.Request(request.method, url, headers=headers, content=body, extensions=request.extensions)
