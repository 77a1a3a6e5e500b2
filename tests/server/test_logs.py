"""The form of the log, and the lines that stay out of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import logging, sys, structlog
from server import logs
logs.set_up("info", sys.argv[1])
logs.LOG_CONTEXT.set({"request": "abc"})
log = structlog.get_logger("a")
log.info("event", number=1)
log.debug("unseen")
logging.getLogger("library").warning("a %s", "line")
logging.getLogger("httpx").info("GET https://example.com/?api_token=secret")
logging.getLogger("uvicorn.error").info("unseen")
link = "/tables/A.csv?_key=1&_signature=" + "5" * 64
log.info("let in", key="ghk_01234567_" + "s" * 43, header="Basic c3Nzc3Nzc3Nz", link=link)
logging.getLogger("library").warning("token eyJhbGciOiJFUzI1NiJ9.%s.%s", "sss", "sss")
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
    event, line, let_in, token, failed = map(json.loads, run("json"))
    assert {key: event[key] for key in ("event", "number", "level", "request")} == {
        "event": "event",
        "number": 1,
        "level": "info",
        "request": "abc",
    }
    assert line["event"] == "a line"
    assert (let_in["key"], let_in["header"]) == ("ghk_01234567_***", "Basic ***")
    assert let_in["link"] == "/tables/A.csv?_key=1&_signature=***"
    assert token["event"] == "token eyJhbGciOiJFUzI1NiJ9.***"
    assert "ValueError: wrong" in failed["exception"]


def test_console() -> None:
    text = "\n".join(run("console"))
    assert "ghk_01234567_***" in text
    assert "sss" not in text
    assert "number=1" in text
    assert "\x1b" not in text
    assert "ValueError: wrong" in text


def test_not_a_terminal_is_json() -> None:
    assert json.loads(run("auto")[0])["event"] == "event"


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_log_that_cannot_be_written_fails_nothing(format: str) -> None:
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [sys.executable, "-c", f"{CODE}\nprint('went on')", format],
            stdout=subprocess.PIPE, stderr=full, check=False,
        )  # fmt: skip
    assert ran.stdout == b"went on\n"
