"""Authentication: one replaceable `httpx.Auth` a system, which adds the token last, so that nothing else ever holds it.

The request that goes out is a copy: the one that the rest of the program knows stays without a token.
"""

import json
from collections.abc import Generator

import httpx

from upstream.agents import Agent
from upstream.secret import Secret


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
