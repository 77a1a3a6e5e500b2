"""Add the authentication: one replaceable function per system, which adds the token last, so nothing else holds it.

The request that is sent is a copy. The request that the rest of the program knows has no token.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from upstream.agents import Agent
from upstream.errors import Unauthenticated
from upstream.resilience.budget import Budget
from upstream.transport.secret import Secret, SecretMissing
from upstream.transport.wire import Request

T = TypeVar("T")
# So many changes of the token during one call are no reason for its failure.
_CHANGES = 5


async def after_refusal(
    refused: Unauthenticated,
    token: Secret,
    used: tuple[int, str | None],
    budget: Budget,
    ask: Callable[[], Awaitable[T]],
) -> T:
    """Return the result of `ask`, after a first request was refused. Read the token again before (C3).

    If the token has changed, `ask` makes a new request. If it is the same, `ask` makes a second request for the same
    call: it is made once, as far as the retry budget goes. `used` are the `reading` and the `current` value of the
    token before the first request. Raise Unauthenticated.
    """
    again = True
    for last in (*[False] * _CHANGES, True):
        reading, value = used
        try:
            if again:
                token.renew(reading)
            # Another call may have renewed it just before.
            same = value in (None, token.value())
        except SecretMissing:
            break
        if last or (same and not (again and budget.spend())):
            break
        again = again and not same
        used = token.reading, token.current
        try:
            return await ask()
        except Unauthenticated as error:
            refused = error
    raise refused from None


class GameHubAuth:
    """Add `api_token` to the query (GameHub API, section "Request")."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def __call__(self, request: Request) -> Request:
        """Return the request with its token."""
        query = (("api_token", self._token.value()), *request.query)
        return Request(request.method, request.url, query, request.headers, request.body)


class GameLogAuth:
    """Put `agent_code` and `agent_token` into the body (Game History, section "Request Body")."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def __call__(self, request: Request) -> Request:
        """Return the request with its agent."""
        content = dict(request.body or {})
        method = {"method": content.pop("method", None)}
        agent = {"agent_code": self._agent.code, "agent_token": self._agent.token.value()}
        return Request(request.method, request.url, request.query, request.headers, method | agent | content)
