"""Faults on demand: wrong behaviour of an upstream, for tests of the consequences.

A fault is written KIND[=VALUE][@REPORT][*TIMES]. For example, `slow=2@transaction_report*3` answers the next three
calls of that report two seconds late. A fault is set by `--fault`, by `POST /admin/faults`, or for a single call by an
`X-Fault` header.
"""

import asyncio
import gzip
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from starlette.types import Send

from sandbox.errors import refusal
from sandbox.tokens import SandboxTokens

SPEC = re.compile(r"(?P<kind>[\w-]+)(=(?P<value>[\d.]+))?(@(?P<report>\w+))?(\*(?P<times>\d+))?")
ROW_KEYS = ("report", "Report", "slot", "live")
# Every answer has this header, so that nobody takes the figures for real ones.
MADE_UP = {"x-sandbox": "made-up data"}
JSON, HTML = "application/json", "text/html; charset=utf-8"
PAGE = b"<!DOCTYPE html><html><head><title>Service</title></head><body><h1>%s</h1></body></html>"


@dataclass(frozen=True)
class ScriptedAnswer:
    """The answer that is sent back."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": JSON})

    @property
    def head(self) -> dict[str, Any]:
        """Return the ASGI message that starts the answer."""
        headers = {"content-length": str(len(self.body)), **MADE_UP, **self.headers}
        return {
            "type": "http.response.start",
            "status": self.status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }


@dataclass(frozen=True)
class FaultWire:
    """The connection to a caller whose call has a fault. The caller has a GameHub token, or is an agent of the game
    log.
    """

    send: Send
    token: str | None
    agent: str | None
    tokens: SandboxTokens
    count: int  # how often this fault has struck, from 1


async def respond(answer: ScriptedAnswer, send: Send) -> None:
    """Send an answer."""
    await send(answer.head)
    await send({"type": "http.response.body", "body": answer.body})


# A function that returns the answer to send instead, or None if it has handled the call itself.
Strike = Callable[[ScriptedAnswer, float, FaultWire], Awaitable[ScriptedAnswer | None]]


@dataclass(frozen=True)
class FaultKind:
    """A kind of fault: its effect, and the meaning and the default of its VALUE."""

    help: str
    strike: Strike
    value: float = 0
    value_help: str = ""


def _body(change: Callable[[bytes], bytes]) -> Strike:
    """Make a fault that changes the bytes of the body only."""

    async def strike(answer: ScriptedAnswer, value: float, wire: FaultWire) -> ScriptedAnswer:
        return replace(answer, body=change(answer.body))

    return strike


def _data(change: Callable[[dict[str, Any]], Any]) -> Strike:
    """Make a fault that changes the content of the JSON, where an answer has rows."""

    def changed(body: bytes) -> bytes:
        data = orjson.loads(body)
        return orjson.dumps(change(data)) if any(key in data for key in ROW_KEYS) else body

    return _body(changed)


def _rows(change: Callable[[list[Any]], list[Any]]) -> Strike:
    """Make a fault that changes the rows. A single entity counts as one row."""

    def changed(data: dict[str, Any]) -> dict[str, Any]:
        for key in data.keys() & set(ROW_KEYS):
            rows = data[key]
            data[key] = change(rows) if isinstance(rows, list) else change([rows])[0]
        return data

    return _data(changed)


def _first_field(change: Callable[[dict[str, Any], str], None]) -> Strike:
    """Make a fault that changes the first field of each row, which is always a required field."""

    def changed(rows: list[Any]) -> list[Any]:
        for row in rows:
            change(row, next(iter(row)))
        return rows

    return _rows(changed)


def _instead(status: int, body: bytes, **headers: str) -> Strike:
    """Make a fault that sends another answer."""

    async def strike(answer: ScriptedAnswer, value: float, wire: FaultWire) -> ScriptedAnswer:
        return ScriptedAnswer(status, body, {name.replace("_", "-"): text for name, text in headers.items()})

    return strike


def _refused(code: str) -> Strike:
    status, body = refusal(code)
    return _instead(status, orjson.dumps(body), content_type=JSON)


async def _slow(answer: ScriptedAnswer, value: float, wire: FaultWire) -> ScriptedAnswer:
    await _wait(value, wire.send)
    return answer


async def _hang(answer: ScriptedAnswer, value: float, wire: FaultWire) -> None:
    await _wait(value, wire.send)
    await _abort(wire.send)


async def _stall(answer: ScriptedAnswer, value: float, wire: FaultWire) -> None:
    await wire.send(answer.head)
    await wire.send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
    await _wait(value, wire.send)
    await _abort(wire.send)


async def _trickle(answer: ScriptedAnswer, value: float, wire: FaultWire) -> None:
    await wire.send(answer.head)
    for index in range(len(answer.body)):
        await wire.send({"type": "http.response.body", "body": answer.body[index : index + 1], "more_body": True})
        await _wait(value, wire.send)
        if _cycle(wire.send).disconnected:
            return
    await wire.send({"type": "http.response.body", "body": b""})


async def _reset(answer: ScriptedAnswer, value: float, wire: FaultWire) -> None:
    await _abort(wire.send)


async def _drop(answer: ScriptedAnswer, value: float, wire: FaultWire) -> None:
    await wire.send(answer.head)
    await wire.send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
    await asyncio.sleep(0.05)
    await _abort(wire.send)


async def _wait(seconds: float, send: Send) -> None:
    """Wait for some time, or until the caller disconnects."""
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end and not _cycle(send).disconnected:  # noqa: ASYNC110
        await asyncio.sleep(max(0.0, min(0.05, end - asyncio.get_running_loop().time())))


def _cycle(send: Send) -> Any:
    """Return the object that holds the connection: the server's own `send` is a method of it."""
    return send.__self__  # type: ignore[attr-defined]


async def _abort(send: Send) -> None:
    """Reset the connection, unless the caller has disconnected."""
    if _cycle(send).disconnected:
        return
    transport = _cycle(send).transport
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    # Let the server notice the lost connection. Otherwise it complains about an answer that never began.
    while not _cycle(send).disconnected:  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def _big(answer: ScriptedAnswer, value: float, wire: FaultWire) -> ScriptedAnswer:
    return replace(answer, body=answer.body[:-1] + b',"padding":"' + b"x" * int(value * 2**20) + b'"}')


async def _bomb(answer: ScriptedAnswer, value: float, wire: FaultWire) -> ScriptedAnswer:
    packed = gzip.compress((await _big(answer, value, wire) or answer).body)
    return replace(answer, body=packed, headers={**answer.headers, "content-encoding": "gzip"})


async def _garbled(answer: ScriptedAnswer, value: float, wire: FaultWire) -> ScriptedAnswer:
    return replace(answer, headers={**answer.headers, "content-encoding": "gzip"})


async def _error_200(answer: ScriptedAnswer, value: float, wire: FaultWire) -> ScriptedAnswer:
    log = {"status": 0, "msg": "Internal Error.", "detail": "unexpected error"}
    return ScriptedAnswer(200, orjson.dumps(refusal("99999")[1] if wire.agent is None else log))


async def _revoke(answer: ScriptedAnswer, value: float, wire: FaultWire) -> ScriptedAnswer:
    if wire.agent is not None:
        wire.tokens.agents.pop(wire.agent, None)
        return ScriptedAnswer(
            200, orjson.dumps({"status": 0, "msg": "Invalid Agent.", "detail": "the token was revoked"})
        )
    wire.tokens.gamehub.pop(wire.token or "", None)
    status, body = refusal("00001")
    return ScriptedAnswer(status, orjson.dumps(body))


async def _total(answer: ScriptedAnswer, value: float, wire: FaultWire) -> ScriptedAnswer:
    data = orjson.loads(answer.body)
    if "total_count" in data:
        data["total_count"] += int(value) * wire.count
    return replace(answer, body=orjson.dumps(data))


def _cut_rows(rows: list[Any]) -> list[Any]:
    return rows[: (len(rows) + 1) // 2]


def _wrong_type(row: dict[str, Any], name: str) -> None:
    row[name] = {"wrong": row[name]}


def _null(row: dict[str, Any], name: str) -> None:
    row[name] = None


def _lost(row: dict[str, Any], name: str) -> None:
    del row[name]


def _other_key(data: dict[str, Any]) -> dict[str, Any]:
    return {"data" if key in ROW_KEYS else key: value for key, value in data.items()}


def _break(data: dict[str, Any]) -> dict[str, Any]:
    for key in data.keys() & set(ROW_KEYS):
        if isinstance(data[key], list):
            data[key] = _cut_rows(data[key])
    return {**data, "break": True}


def _bad_number(body: bytes) -> bytes:
    return re.sub(rb'("(?:currency_amount|wagered|value|bet_money|total_paid)"): ?[^,}]+', rb"\1:NaN", body)


_LONG = 3600.0
KINDS = {
    "cut": FaultKind("half of the body, as if that were all", _body(lambda body: body[: len(body) // 2])),
    "empty": FaultKind("200 and no body", _body(lambda body: b"")),
    "html": FaultKind("200 and a page", _instead(200, PAGE % b"Welcome", content_type=HTML)),
    "comma": FaultKind("a comma too many, as in the document's examples", _body(lambda body: body[:-1] + b",}")),
    "bom": FaultKind("a byte order mark before the body", _body(lambda body: b"\xef\xbb\xbf" + body)),
    "twice": FaultKind("the body, and the body again", _body(lambda body: body + body)),
    "notice": FaultKind("a warning of PHP's before the body", _body(lambda body: b"<br />\n<b>Notice</b>: x\n" + body)),
    "null": FaultKind("null as the body", _body(lambda body: b"null")),
    "list": FaultKind("the body in a list", _body(lambda body: b"[" + body + b"]")),
    "binary": FaultKind("bytes that are not UTF-8", _body(lambda body: body[:-1] + b',"x":"\xff\xfe"}')),
    "nan": FaultKind("NaN for money", _body(_bad_number)),
    "garbled": FaultKind("a plain body that claims to be gzip", _garbled),
    "bomb": FaultKind("a small gzip body that unpacks to a big one", _bomb, 256, "megabytes unpacked"),
    "big": FaultKind("a big body", _big, 64, "megabytes"),
    "types": FaultKind("an object for each row's first field", _first_field(_wrong_type)),
    "nulls": FaultKind("null for each row's first field", _first_field(_null)),
    "missing": FaultKind("no first field in any row", _first_field(_lost)),
    "key": FaultKind("the rows under another key", _data(_other_key)),
    "short": FaultKind("a row too few, the total unchanged", _rows(lambda rows: rows[:-1] or rows)),
    "repeat": FaultKind("the first row twice", _rows(lambda rows: rows[:1] + rows)),
    "total": FaultKind("a total_count that grows with every page", _total, 1, "rows more each time"),
    "break": FaultKind("half of the rows, and break: true", _data(_break)),
    "10018": FaultKind("400 and code 10018, the report was cut", _refused("10018")),
    "400": FaultKind("400 and an unexpected error", _refused("99999")),
    "error200": FaultKind("200 and an error in the body", _error_200),
    "401": FaultKind("401 and code 00001", _refused("00001")),
    "jwt": FaultKind("401 and code 10003", _refused("10003")),
    "revoke": FaultKind("the token is revoked under way, and stays so until healed", _revoke),
    "404": FaultKind("404 and a page", _instead(404, PAGE % b"Not Found", content_type=HTML)),
    "429": FaultKind(
        "429 and Retry-After: 1", _instead(429, b'{"message":"Too Many"}', content_type=JSON, retry_after="1")
    ),
    "500": FaultKind("500 and a JSON body", _instead(500, b'{"message":"Server Error"}', content_type=JSON)),
    "502": FaultKind("502 and a page", _instead(502, PAGE % b"Bad Gateway", content_type=HTML)),
    "503": FaultKind(
        "503, Retry-After: 1 and a page", _instead(503, PAGE % b"Down", content_type=HTML, retry_after="1")
    ),
    "redirect": FaultKind("302 to another host", _instead(302, b"", location="http://elsewhere.invalid/api/v1/")),
    "slow": FaultKind("the answer late", _slow, 2, "seconds"),
    "hang": FaultKind("no answer at all", _hang, _LONG, "seconds until the connection is reset"),
    "stall": FaultKind("half of the body, and then nothing", _stall, _LONG, "seconds until the connection is reset"),
    "trickle": FaultKind("the body byte by byte", _trickle, 0.05, "seconds between two bytes"),
    "reset": FaultKind("the connection reset before the answer", _reset),
    "drop": FaultKind("the connection reset in the middle of the body", _drop),
}


class FaultError(ValueError):
    """A fault that does not exist. The text says what is wrong."""


@dataclass
class ScriptedFault:
    """A fault in force. `report` None means every report; `left` None means until healed."""

    kind: str
    value: float | None = None
    report: str | None = None
    left: int | None = None
    struck: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise FaultError(f"there is no fault {self.kind!r}; there are {', '.join(sorted(KINDS))}")

    async def strike(
        self,
        answer: ScriptedAnswer,
        send: Send,
        tokens: SandboxTokens,
        token: str | None = None,
        agent: str | None = None,
    ) -> ScriptedAnswer | None:
        """Return the answer to send instead, or None if the call is handled."""
        kind = KINDS[self.kind]
        value = kind.value if self.value is None else self.value
        return await kind.strike(answer, value, FaultWire(send, token, agent, tokens, self.struck))


def parse(spec: str) -> ScriptedFault:
    """Return the fault that a text KIND[=VALUE][@REPORT][*TIMES] means. Raise FaultError."""
    found = SPEC.fullmatch(spec)
    if not found:
        raise FaultError(f"{spec!r} is not KIND[=VALUE][@REPORT][*TIMES]")
    try:
        value = float(found["value"]) if found["value"] else None
    except ValueError as error:
        raise FaultError(f"{found['value']!r} is not a number") from error
    return ScriptedFault(found["kind"], value, found["report"], int(found["times"]) if found["times"] else None)


class Faults:
    """The faults in force, the newest first."""

    def __init__(self) -> None:
        self.active: list[ScriptedFault] = []

    def add(self, fault: ScriptedFault) -> None:
        """Put a fault in force."""
        self.active.insert(0, fault)

    def take(self, report: str, header: str | None = None) -> ScriptedFault | None:
        """Return the fault for this call of `report`, if any: the header's fault, or else the newest fault in force."""
        if header:
            fault = parse(header)
            fault.struck = 1
            return fault
        for fault in self.active:
            if fault.report in (None, report) and fault.left != 0:
                fault.left = None if fault.left is None else fault.left - 1
                fault.struck += 1
                return fault
        return None

    def heal(self) -> None:
        """Remove all faults."""
        self.active.clear()
