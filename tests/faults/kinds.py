"""The faults of an upstream: each kind changes a true answer, or the way in which it is sent."""

import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.upstream.server import ReceivedRequest, Reply

Fault = Callable[[ReceivedRequest, Reply], Reply]

PAGE = "<!DOCTYPE html><html><body><h1>%s</h1><pre>%s</pre></body></html>"
ROW_KEYS = ("report", "Report", "slot")
ELSEWHERE = "http://127.0.0.1:9/elsewhere"


def echo(received: ReceivedRequest) -> str:
    """Return the whole request with its token, as careless servers show it in their error pages."""
    return f"{received.target} {received.body.decode()}"


def wire(fault: str) -> Fault:
    """Return a fault of the connection."""
    return lambda received, answer: replace(answer, fault=fault)


def page(status: int, **headers: str) -> Fault:
    """Return a fault that sends a page instead of JSON, with the request on it."""
    named = {"content-type": "text/html"} | {name.replace("_", "-"): text for name, text in headers.items()}
    return lambda received, answer: Reply((PAGE % (status, echo(received))).encode(), status, named)


def refusal(status: int, code: str) -> Fault:
    """Return a refusal in the upstream's own form, with the request in its message."""
    return lambda received, answer: Reply(
        {"error": True, "code": code, "message": echo(received)}
        if received.method == "GET"
        else {"status": 0, "msg": "Internal Error.", "detail": echo(received)},
        status,
    )


def body(change: Callable[[bytes], bytes], **headers: str) -> Fault:
    """Return a fault that changes the bytes."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return lambda received, answer: replace(answer, body=change(answer.body), headers=named)


def data(change: Callable[[ReceivedRequest, dict[str, Any], list[Any]], None]) -> Fault:
    """Return a fault that changes the JSON. `change` gets the request, the answer and its rows."""

    def changed(received: ReceivedRequest, answer: Reply) -> Reply:
        found = json.loads(answer.body)
        for key in ROW_KEYS:
            rows = found.get(key)
            if rows:
                change(received, found, rows if isinstance(rows, list) else [rows])
        return replace(answer, body=json.dumps(found).encode())

    return changed


def _first(change: Callable[[dict[str, Any], str], None]) -> Fault:
    return data(lambda received, found, rows: change(rows[-1], next(iter(rows[-1]))))


# Of each report, the column in which a row says whose it is.
OWNERS = {
    "users_report": ("groupid", "group_id"),
    "api_retail_movements": ("group_id", "group_id"),
    "api_retail_game_details": ("id", "game_id"),
    "api_groups_report": ("id", "id"),
    "get_game_log": ("user_code", "user_code"),
}


def _strangers(received: ReceivedRequest, found: dict[str, Any], rows: list[Any]) -> None:
    sent = received.query if received.method == "GET" else received.json
    name, column = OWNERS.get(sent.get("report_type") or sent["method"], ("", ""))
    if name in sent:
        rows[-1][column] = 999_999 if received.method == "GET" else "somebody"


def _years_ago(received: ReceivedRequest, found: dict[str, Any], rows: list[Any]) -> None:
    for column in ("timestamp", "created_at"):
        value = rows[-1].get(column)
        if isinstance(value, str):
            rows[-1][column] = "1999" + value[4:]
        elif value is not None:
            rows[-1][column] = 915_148_800


def _twice_written(text: bytes) -> bytes:
    return text.replace(b'"report":', b'"report": [], "report":').replace(b'"slot":', b'"slot": [], "slot":')


def _bomb(text: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = packer.compress(text[:-1] + b',"padding":"')
    for _ in range(8):
        packed += packer.compress(b"x" * 2**20)
    return packed + packer.compress(b'"}') + packer.flush()


def _cut_log(received: ReceivedRequest, found: dict[str, Any], rows: list[Any]) -> None:
    if "total_count" in found:
        rows.pop()
    else:
        found["break"] = True


KINDS: dict[str, Fault] = {
    # The connection
    "slow": lambda received, answer: replace(answer, delay=0.05),
    **{
        name: wire(name)
        for name in ("hang", "stall", "trickle", "reset", "reset_in_body", "close", "cut", "chunks_cut", "garbage")
    },
    # What it says of itself
    "500": page(500),
    "502": page(502),
    "503 and Retry-After": page(503, retry_after="1"),
    "429 and Retry-After": page(429, retry_after="1"),
    "503 and a date": page(503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"),
    "504": page(504),
    "401": refusal(401, "00001"),
    "403": page(403),
    "404": page(404),
    "unexpected error": refusal(400, "99999"),
    "report cut": refusal(400, "10018"),
    "error in 200": refusal(200, "99999"),
    "redirect": lambda received, answer: Reply(b"", 302, {"location": ELSEWHERE + received.target}),
    "permanent redirect": lambda received, answer: Reply(b"", 308, {"location": ELSEWHERE + received.target}),
    # What it answers
    "page": page(200),
    "empty": body(lambda text: b""),
    "half": body(lambda text: text[: len(text) // 2]),
    "doubled": body(lambda text: text + text),
    "comma": body(lambda text: text[:-1] + b",}"),
    "byte order mark": body(lambda text: b"\xef\xbb\xbf" + text),
    "not a number": body(lambda text: text[:-1] + b',"x":NaN}'),
    "null": body(lambda text: b"null"),
    "notice": body(lambda text: b"<br />\n<b>Notice</b>: x\n" + text),
    "not UTF-8": body(lambda text: text[:-1] + b',"x":"\xff\xfe"}'),
    "other charset": body(lambda text: text[:-1] + ',"x":"é"}'.encode(), content_type="text/json; charset=utf-16"),
    "bomb": body(_bomb, content_encoding="gzip"),
    "garbled": body(lambda text: text, content_encoding="gzip"),
    "deep": body(lambda text: text[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "key twice": body(_twice_written),
    "type": _first(lambda row, name: row.update({name: {"wrong": 1}})),
    "no value": _first(lambda row, name: row.update({name: None})),
    "short": data(_cut_log),
    "strangers": data(_strangers),
    "years ago": data(_years_ago),
}
