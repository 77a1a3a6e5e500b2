"""A small world behind a door that remembers every answer, and can change single digits of them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx

from tests.stand import Sandbox
from tests.upstream.server import Asked, Server, Told, serving

ROW_KEYS = ("report", "Report", "slot")


@dataclass(frozen=True)
class Slip:
    """A changed digit: in which report, in the row of which key, in which column, which may lie in parts of the row.

    `log` says of which game log: the agent's (""), or those of users.
    """

    report: str
    key: tuple[str, Any]
    column: tuple[str | int, ...]
    log: str | None = None

    @property
    def report_type(self) -> str:
        """The report in the answers of which it stands."""
        return self.report

    def strike(self, asked: dict[str, Any], rows: list[Any]) -> None:
        """Change the digit, if it is in these rows."""
        if asked.get("report_type", asked.get("method")) != self.report:
            return
        if self.log is not None and (self.log == "user") is not ("user_code" in asked):
            return
        name, value = self.key
        for row in rows:
            if str(row[name]) == str(value):
                *path, last = self.column
                for step in path:
                    row = row[step]
                row[last] = other(row[last])


def other(value: Any) -> Any:
    """A value with one digit, or one letter, changed."""
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


class Change(Protocol):
    """A change of rows on their way."""

    @property
    def report_type(self) -> str:
        """The report in the answers of which it stands."""

    def strike(self, asked: dict[str, Any], rows: list[Any]) -> None:
        """Change the rows of an answer."""


class Door:
    """Addresses of both systems; `slips` are those of the answers from now on."""

    def __init__(self, sandbox: Sandbox, server: Server, ask: Callable[[Asked], Any]) -> None:
        port = server.port
        self.server = server
        self.remembers = True  # answers; a sandbox whose clock goes on has others the next time
        self.hold: asyncio.Event | None = None  # what answers wait for
        self.gamehub_url = f"http://127.0.0.1:{port}{urlsplit(sandbox.gamehub_url).path}"
        self.gamelog_url = f"http://127.0.0.1:{port}{urlsplit(sandbox.gamelog_url).path}"
        self.slips: Sequence[Change] = ()
        self._ask = ask
        self._known: dict[tuple[str, bytes], Told] = {}

    async def reply(self, asked: Asked) -> Told:
        """An answer of the sandbox, with what slipped."""
        if self.hold is not None:
            await self.hold.wait()
        place = (asked.target, asked.body)
        told = self._known.get(place)
        if told is None:
            told = await self._ask(asked)
            if self.remembers:
                self._known[place] = told
        sent = asked.query if asked.method == "GET" else asked.json
        mine = [slip for slip in self.slips if slip.report_type == sent.get("report_type", sent.get("method"))]
        if not mine:
            return told
        found = json.loads(told.body)
        for key in ROW_KEYS:
            rows = found.get(key)
            for slip in mine if rows else ():
                slip.strike(sent, rows if isinstance(rows, list) else [rows])
        return Told(json.dumps(found).encode(), told.status)


@asynccontextmanager
async def slippery(sandbox: Sandbox) -> AsyncIterator[Door]:
    """The door to a sandbox."""
    origin = sandbox.gamehub_url.removesuffix(urlsplit(sandbox.gamehub_url).path)
    async with httpx.AsyncClient(base_url=origin, trust_env=False, timeout=30) as client, serving() as server:

        async def ask(asked: Asked) -> Told:
            headers = {"content-type": "application/json"}
            found = await client.request(asked.method, asked.target, content=asked.body, headers=headers)
            return Told(found.content, found.status_code)

        door = Door(sandbox, server, ask)
        server.reply = door.reply
        yield door
