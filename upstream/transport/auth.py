"""Add the authentication: one replaceable function per system, which adds the token last, so nothing else holds it.

The request that is sent is a copy. The request that the rest of the program knows has no token.
"""

import msgspec

from upstream.agents import Agent
from upstream.errors import Unauthenticated
from upstream.resilience.budget import Budget
from upstream.transport.secret import Secret, SecretMissing
from upstream.transport.wire import Request

# So many changes of the token during one call are no reason for its failure.
_CHANGES = 5


class TokenUse(msgspec.Struct, eq=False):
    """Decide whether a request whose token was refused is made again, with the token read again before (C3).

    If the token has changed, a new request is made. If it is the same, a second request is made for the same call,
    once, as far as the retry budget goes.
    """

    _token: Secret
    _budget: Budget
    _reading: int  # of the token, before the last request, like its value
    _value: str | None
    _again: bool = True
    _changes: int = _CHANGES

    def refused(self, error: Unauthenticated) -> None:
        """Prepare another request. Raise the error if there is to be none."""
        token = self._token
        missing = same = False
        try:
            if self._again:
                token.renew(self._reading)
            # Another call may have renewed it just before.
            same = self._value in (None, token.value())
        except SecretMissing:
            missing = True
        if missing or not self._changes or (same and not (self._again and self._budget.spend())):
            raise error from None
        self._changes -= 1
        self._again = self._again and not same
        self._reading, self._value = token.reading, token.current


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
