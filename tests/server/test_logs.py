"""What the log looks like, and whose lines stay out of it."""

import json
import subprocess
import sys

CODE = """
import logging, sys, structlog
from server import logs
logs.set_up("info", sys.argv[1])
structlog.contextvars.bind_contextvars(request="abc")
log = structlog.get_logger("a")
log.info("event", number=1)
log.debug("unseen")
logging.getLogger("library").warning("a %s", "line")
logging.getLogger("httpx").info("GET https://example.com/?api_token=secret")
logging.getLogger("uvicorn.error").info("unseen")
try:
    local = "secret"
    raise ValueError("wrong")
except ValueError:
    log.exception("failed")
"""


def run(format: str) -> list[str]:
    ran = subprocess.run([sys.executable, "-c", CODE, format], capture_output=True, text=True, check=True)
    assert ran.stdout == ""
    assert "unseen" not in ran.stderr
    assert "api_token" not in ran.stderr
    return ran.stderr.splitlines()


def test_json() -> None:
    event, line, failed = map(json.loads, run("json"))
    assert {key: event[key] for key in ("event", "number", "level", "request")} == {
        "event": "event",
        "number": 1,
        "level": "info",
        "request": "abc",
    }
    assert line["event"] == "a line"
    assert "ValueError: wrong" in failed["exception"]


def test_console() -> None:
    text = "\n".join(run("console"))
    assert "number=1" in text
    assert "\x1b" not in text
    assert "ValueError: wrong" in text


def test_not_a_terminal_is_json() -> None:
    assert json.loads(run("auto")[0])["event"] == "event"
