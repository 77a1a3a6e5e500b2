"""`/explorer/about.json`: facts about the server, its data and its health, and about the caller, for the pages.

A caller without the permission to read anything learns two things only: whether the figures are made up, and whether
callers need a credential.
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import cache
from importlib import metadata
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.auth.authenticator import Authenticator
from server.auth.key import AS_SET
from server.auth.permissions import ADMIN, EXPLORE, TABLES
from server.execution.limits import Limits
from server.health.health import ServerHealth
from server.http.writing import encode

PATH = "/explorer/about.json"


class About:
    """The facts that the pages show."""

    def __init__(
        self,
        authenticator: Authenticator,
        limits: Limits,
        zone: str,
        sandbox: Callable[[], bool],
        health: Callable[[], Awaitable[ServerHealth]],
    ) -> None:
        self._authenticator = authenticator
        self._limits = limits
        self._zone = zone
        self._sandbox = sandbox
        self._health = health

    def route(self) -> Route:
        """Return the route."""
        return Route(PATH, self._respond)

    async def _respond(self, request: Request) -> Response:
        content = encode(await self._facts(request))
        return Response(content, 200, {"Cache-Control": "no-store"}, "application/json; charset=utf-8")

    async def _facts(self, request: Request) -> dict[str, Any]:
        caller = request.scope["caller"]
        authentication = self._authenticator.required
        if caller.permissions.isdisjoint((EXPLORE, TABLES, ADMIN)):
            nothing = dict.fromkeys(("caller", "version", "zone", "limits", "upstreams", "cache"))
            return {"data": self._data(), "authentication": authentication, **nothing}
        health = await self._health()  # an answer of an upstream says whether it is a sandbox
        upstreams = [asdict(one) for one in health.upstreams]
        if ADMIN not in caller.permissions:
            for one in upstreams:  # the words of an upstream may quote rows of others
                one["wrong"] = one["wrong"] and f"{one['name']} does not answer as it should."
        return {
            "data": self._data(),
            "authentication": authentication,
            "caller": {
                "name": caller.name,
                "groups": None if caller.groups is None else sorted(caller.groups),
                "permissions": sorted(caller.permissions),
                "session": bool(request.scope.get("session")),
            },
            "version": _version(),
            "zone": self._zone,
            "limits": self._of_caller(request),
            "upstreams": upstreams,
            "cache": asdict(health.cache),
        }

    def _data(self) -> str:
        return "sandbox" if self._sandbox() else "live"

    def _of_caller(self, request: Request) -> dict[str, Any]:
        """Return the limits of an operation and of a minute; null where there is none."""
        limits, known = self._limits, request.scope.get("known")
        rates = self._authenticator.limiter.limits(AS_SET if known is None else known.rates)
        return {
            "depth": limits.depth,
            "fields": limits.fields,
            "rootFields": limits.root_fields,
            "aliases": limits.aliases,
            "tokens": limits.tokens,
            "nodes": limits.nodes or None,
            "answerBytes": limits.answer_bytes or None,
            "seconds": limits.seconds,
            "calls": limits.calls or None,
            "rows": limits.rows or None,
            "requestsPerMinute": rates.get("requests"),
            "callsPerMinute": rates.get("calls"),
        }


@cache
def _version() -> str:
    return metadata.version("gamehub-graph")
