"""A proxy before a small world. It stores every answer, and can change single digits of them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx

from tests.stand import Sandbox
from tests.upstream.server import ReceivedRequest, Reply, Server, serving

ROW_KEYS = ("report", "Report", "slot")


@dataclass(frozen=True)
class ChangedDigit:
    """A changed digit: its report, the key of its row, and its column, which may be in a part of the row.

    `log` says of which game log: the agent's (""), or those of users.
    """

    report: str
    key: tuple[str, Any]
    column: tuple[str | int, ...]
    log: str | None = None

    @property
    def report_type(self) -> str:
        """Return the report whose answers change."""
        return self.report

    def strike(self, request: dict[str, Any], rows: list[Any]) -> None:
        """Change the digit, if it is in these rows."""
        if request.get("report_type", request.get("method")) != self.report:
            return
        if self.log is not None and (self.log == "user") is not ("user_code" in request):
            return
        name, value = self.key
        for row in rows:
            if str(row[name]) == str(value):
                *path, last = self.column
                for step in path:
                    row = row[step]
                row[last] = other(row[last])


def other(value: Any) -> Any:
    """Return a value with one digit, or one letter, changed."""
    if value is None:
        return 7
    if isinstance(value, list):
        return [*value[:-1], other(value[-1])]
    text = str(value)
    place = next((n for n in range(len(text) - 1, -1, -1) if text[n].isdigit()), None)
    if place is None:
        return text[:-1] + ("y" if text[-1] == "x" else "x")
    text = f"{text[:place]}{(int(text[place]) + 1) % 10}{text[place + 1 :]}"
    return type(value)(text)


class RowChange(Protocol):
    """A change of rows on their way."""

    @property
    def report_type(self) -> str:
        """The report in the answers of which it stands."""

    def strike(self, request: dict[str, Any], rows: list[Any]) -> None:
        """Change the rows of an answer."""


class ChangingProxy:
    """The addresses of both systems. `changes` are made in the answers from now on."""

    def __init__(self, sandbox: Sandbox, server: Server, ask: Callable[[ReceivedRequest], Any]) -> None:
        port = server.port
        self.server = server
        self.remembers = True  # answers; a sandbox whose clock goes on has others the next time
        self.hold: asyncio.Event | None = None  # what answers wait for
        self.gamehub_url = f"http://127.0.0.1:{port}{urlsplit(sandbox.gamehub_url).path}"
        self.gamelog_url = f"http://127.0.0.1:{port}{urlsplit(sandbox.gamelog_url).path}"
        self.changes: Sequence[RowChange] = ()
        self._ask = ask
        self._known: dict[tuple[str, bytes], Reply] = {}

    async def reply(self, request: ReceivedRequest) -> Reply:
        """Return an answer of the sandbox, with the changes."""
        if self.hold is not None:
            await self.hold.wait()
        place = (request.target, request.body)
        answer = self._known.get(place)
        if answer is None:
            answer = await self._ask(request)
            if self.remembers:
                self._known[place] = answer
        sent = request.query if request.method == "GET" else request.json
        mine = [change for change in self.changes if change.report_type == sent.get("report_type", sent.get("method"))]
        if not mine:
            return answer
        found = json.loads(answer.body)
        for key in ROW_KEYS:
            rows = found.get(key)
            for change in mine if rows else ():
                change.strike(sent, rows if isinstance(rows, list) else [rows])
        return Reply(json.dumps(found).encode(), answer.status)


@asynccontextmanager
async def changing_proxy(sandbox: Sandbox) -> AsyncIterator[ChangingProxy]:
    """Yield a proxy before a sandbox."""
    origin = sandbox.gamehub_url.removesuffix(urlsplit(sandbox.gamehub_url).path)
    async with httpx.AsyncClient(base_url=origin, trust_env=False, timeout=30) as client, serving() as server:

        async def ask(request: ReceivedRequest) -> Reply:
            headers = {"content-type": "application/json"}
            found = await client.request(request.method, request.target, content=request.body, headers=headers)
            return Reply(found.content, found.status_code)

        proxy = ChangingProxy(sandbox, server, ask)
        server.reply = proxy.reply
        yield proxy
