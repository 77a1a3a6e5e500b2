"""Both upstream systems as one app: GameHub under /api/v1/, Game History at /gamelog, and for tests /admin.

/admin answers to the loopback alone, and in JSON:

    GET    /admin/calls    {"calls": [{system, report, params, status, rows}, …]}: the upstream calls so far, no tokens
    DELETE /admin/calls    forget them
    GET    /admin/faults   {"kinds": {name: help}}
    POST   /admin/faults   {"kind": …, "report": null, "times": null, "value": null}: put a fault in force (faults.py)
    DELETE /admin/faults   heal: take back every fault, and every token added or revoked
    POST   /admin/tokens   {"token": …, "language": "en"|"es"} or {"agent_code": …, "agent_token": …}: let one in
    DELETE /admin/tokens   {"token": …} or {"agent_code": …}: turn it away from now on
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.calls import Calls, RecordedCall
from sandbox.errors import LANGUAGES, ReportError, refusal
from sandbox.faults import KINDS, FaultError, Faults, ScriptedAnswer, ScriptedFault, respond
from sandbox.gamelog import METHOD, LogError, game_log
from sandbox.reports import ACTIONS, BY_TYPE, answer
from sandbox.store import SandboxStore
from sandbox.tokens import SandboxAgent, SandboxTokens

LOOPBACK = ("127.0.0.1", "::1")
GAMEHUB, GAMELOG = "gamehub", "gamelog"


@dataclass
class Sandbox:
    """The state of the app: a world's store, the tokens, the faults, and the delay of all answers in seconds."""

    store: SandboxStore
    log_timezone: ZoneInfo
    latency: float = 0
    tokens: SandboxTokens = field(default_factory=SandboxTokens)
    faults: Faults = field(default_factory=Faults)
    calls: Calls = field(default_factory=Calls)

    async def gamehub(self, request: Request, send: Send) -> None:
        """Answer a GameHub call."""
        params = dict(request.query_params)
        token = params.get("api_token", "")
        call = self.calls.arrive(GAMEHUB, params.get("report_type", ""), params)
        await self._answer(request, send, call, lambda: self._report(request, params, token), token=token)

    def _report(self, request: Request, params: dict[str, str], token: str) -> tuple[ScriptedAnswer, int]:
        language = self.tokens.gamehub.get(token)
        action = request.path_params.get("action", "")
        try:
            if language is None:
                raise ReportError("00001")
            if action not in ACTIONS:
                raise ReportError("10000")
            if not params.get("report_type"):
                raise ReportError("10001")
            report = BY_TYPE.get(params["report_type"])
            if report is None or report.action != action:
                raise ReportError("10000")
            rows = answer(self.store, report, params)
        except ReportError as error:
            status, body = refusal(error.code, language or LANGUAGES[0])
            return _json(body, status), 0
        return _json({"error": False, report.key: rows, **report.after}), len(rows) if isinstance(rows, list) else 1

    async def gamelog(self, request: Request, send: Send) -> None:
        """Answer a Game History call."""
        try:
            body = orjson.loads(await request.body())
        except orjson.JSONDecodeError:
            body = None
        params = body if isinstance(body, dict) else {}
        call = self.calls.arrive(GAMELOG, str(params.get("method", METHOD)), params)
        await self._answer(request, send, call, lambda: self._log(body), agent=str(params.get("agent_code")))

    def _log(self, body: Any) -> tuple[ScriptedAnswer, int]:
        try:
            answer = game_log(self.store, self.tokens, self.log_timezone, body)
        except LogError as error:
            return _json({"status": 0, "msg": error.msg, "detail": error.detail}), 0
        return _json(answer), len(answer[body["game_type"]])

    async def _answer(
        self,
        request: Request,
        send: Send,
        call: RecordedCall,
        made: Callable[[], tuple[ScriptedAnswer, int]],
        token: str | None = None,
        agent: str | None = None,
    ) -> None:
        try:
            fault = self.faults.take(call.report, request.headers.get("x-fault"))
        except FaultError as error:
            await respond(_json({"error": str(error)}, 400), send)
            return
        if self.latency:
            await asyncio.sleep(self.latency)
        # Tomorrow's rows are made when today begins. On any other call this costs nothing.
        self.store.reach()
        sent: ScriptedAnswer | None
        sent, call.rows = made()
        if fault:
            sent = await fault.strike(sent, send, self.tokens, token, agent)
        if sent:
            call.status = sent.status
            call.rows = call.rows if sent.status == 200 else 0
            await respond(sent, send)

    async def admin_calls(self, request: Request) -> Response:
        """Return or clear the log of calls."""
        if request.method == "DELETE":
            self.calls.kept.clear()
        return _response({"calls": self.calls.to_list()})

    async def admin_faults(self, request: Request) -> Response:
        """Return, add or remove faults."""
        if request.method == "POST":
            given = await request.json()
            try:
                self.faults.add(
                    ScriptedFault(given["kind"], given.get("value"), given.get("report"), given.get("times"))
                )
            except FaultError as error:
                return _response({"error": str(error)}, 400)
        elif request.method == "DELETE":
            self.faults.heal()
            self.tokens.reset()
        return _response({"kinds": {name: kind.help for name, kind in KINDS.items()}})

    async def admin_tokens(self, request: Request) -> Response:
        """Add or revoke tokens."""
        given = await request.json()
        if "token" in given:
            language = given.get("language", LANGUAGES[0])
            if language not in LANGUAGES:
                return _response({"error": f"language must be one of {', '.join(LANGUAGES)}"}, 400)
            if request.method == "POST":
                self.tokens.gamehub[given["token"]] = language
            else:
                self.tokens.gamehub.pop(given["token"], None)
        elif request.method == "POST":
            self.tokens.agents[given["agent_code"]] = SandboxAgent(given["agent_token"], serves=True)
        else:
            self.tokens.agents.pop(given["agent_code"], None)
        return _response({"done": True})


def _json(data: dict[str, Any], status: int = 200) -> ScriptedAnswer:
    return ScriptedAnswer(status, orjson.dumps(data))


def _response(data: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(data), status, media_type="application/json")


class _SandboxUpstream:
    """An endpoint that receives the server's own `send`, which a fault needs in order to reset the connection."""

    def __init__(self, handle: Callable[[Request, Send], Awaitable[None]]) -> None:
        self.handle = handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.handle(Request(scope, receive), scope.get("sandbox.send", send))


def _loopback_only(handle: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def guarded(request: Request) -> Response:
        if request.client is None or request.client.host not in LOOPBACK:
            return PlainTextResponse("Not Found", 404)
        return await handle(request)

    return guarded


async def _front(request: Request) -> Response:
    return PlainTextResponse("A sandbox of GameHub (/api/v1/) and Game History (/gamelog).\n")


def app(sandbox: Sandbox) -> ASGIApp:
    """Return the ASGI app that serves a sandbox."""
    gamehub, gamelog = _SandboxUpstream(sandbox.gamehub), _SandboxUpstream(sandbox.gamelog)
    starlette = Starlette(
        routes=[
            Route("/", _front),
            *(Route(f"/api/v1{rest}", gamehub, methods=["GET"]) for rest in ("", "/", "/{action}", "/{action}/")),
            *(Route(f"/gamelog{slash}", gamelog, methods=["POST"]) for slash in ("", "/")),
            Route("/admin/calls", _loopback_only(sandbox.admin_calls), methods=["GET", "DELETE"]),
            Route("/admin/faults", _loopback_only(sandbox.admin_faults), methods=["GET", "POST", "DELETE"]),
            Route("/admin/tokens", _loopback_only(sandbox.admin_tokens), methods=["POST", "DELETE"]),
        ]
    )

    async def outermost(scope: Scope, receive: Receive, send: Send) -> None:
        scope["sandbox.send"] = send
        await starlette(scope, receive, send)

    return outermost
