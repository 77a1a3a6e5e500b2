"""One log line a request, without secrets; and an id that goes back to the client."""

import re
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.http import access_log as access
from server.http.access_log import HEADER, AccessLog
from server.logs import LOG_CONTEXT
from tests.server.serving import serving


async def well(request: Request) -> Response:
    return Response(LOG_CONTEXT.get()["request"])


async def ill(request: Request) -> Response:
    raise RuntimeError("secret-of-the-field")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []

    class Log:
        def exception(self, event: str, **values: Any) -> None:
            lines.append({"event": event, **values, **LOG_CONTEXT.get()})

    def write_request(level: int, line: dict[str, Any], request: str) -> None:
        lines.append({"event": "request", **line, "request": request})

    monkeypatch.setattr(access, "log", Log())
    monkeypatch.setattr(access, "write_request", write_request)
    return lines


def test_a_line_a_request(written: list[dict[str, Any]]) -> None:
    app = Starlette(routes=[Route("/well", well), Route("/ill", ill)], middleware=[Middleware(AccessLog)])
    with serving(app) as address, httpx.Client(base_url=address, trust_env=False) as client:
        given = client.get("/well?api_token=secret", headers={HEADER: "abc-1"})
        made = client.get("/well", headers={HEADER: "not an id"})
        fault = client.get("/ill")
    assert (given.headers[HEADER], given.text) == ("abc-1", "abc-1")
    assert re.fullmatch("[0-9a-f]{16}", made.headers[HEADER])
    assert (fault.status_code, fault.headers["x-frame-options"]) == (500, "DENY")
    assert fault.json()["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "secret-of-the-field" not in fault.text
    lines = [line for line in written if line["event"] == "request"]
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("GET", "/well", 200),
        ("GET", "/well", 200),
        ("GET", "/ill", 500),
    ]
    assert lines[0]["request"] == "abc-1"
    assert lines[0]["bytes"] == 5
    assert "api_token" not in str(written)
