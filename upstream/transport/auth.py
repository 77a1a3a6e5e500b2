"""Authentication: one replaceable function a system, which adds the token last, so that nothing else ever holds it.

The request that goes out is a copy: the one that the rest of the program knows stays without a token.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from upstream.agents import Agent
from upstream.errors import Unauthenticated
from upstream.resilience.budget import Budget
from upstream.transport.secret import Secret, SecretMissing
from upstream.transport.wire import Request

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


class GameHubAuth:
    """Adds `api_token` to the query (GameHub API, section "Request")."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def __call__(self, request: Request) -> Request:
        """The request with its token."""
        query = (("api_token", self._token.value()), *request.query)
        return Request(request.method, request.url, query, request.headers, request.body)


class GameLogAuth:
    """Puts `agent_code` and `agent_token` into the body (Game History, section "Request Body")."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def __call__(self, request: Request) -> Request:
        """The request with its agent."""
        asked = dict(request.body or {})
        method = {"method": asked.pop("method", None)}
        agent = {"agent_code": self._agent.code, "agent_token": self._agent.token.value()}
        return Request(request.method, request.url, request.query, request.headers, method | agent | asked)
