"""The lines of a server are written in batches. None is lost, and their order stays."""

import asyncio
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.log_lines import MOST_LINES, LogLines
from server.ticks import TICK_SECONDS
from tests.served import served

CRASH = """
import asyncio, logging, structlog
from server import logs
logs.set_up("info", "json")
log = structlog.get_logger("a")
async def main():
    with logs.batches():
        for number in range(3):
            log.info("own", number=number)
        logging.getLogger("library").warning("foreign")
        log.info("last")
        END
asyncio.run(main())
"""


def requests_in(log: Path) -> list[str]:
    """The ids of the requests in a log."""
    return [line["request"] for line in map(json.loads, log.read_text().splitlines()) if line["event"] == "request"]


def test_a_server_loses_no_line(tmp_path: Path) -> None:
    log = tmp_path / "serve.log"
    ids = [f"id-{number}" for number in range(2 * MOST_LINES + 50)]
    with (
        served(tmp_path, log, LOG_LEVEL="info") as address,
        httpx.Client(base_url=address, trust_env=False) as client,
    ):
        for id in ids[:-1]:
            client.get("/nothing", headers={"X-Request-Id": id})
        end = time.monotonic() + 5
        while requests_in(log) != ids[:-1]:
            assert time.monotonic() < end, "the lines of a running server are late"
            time.sleep(TICK_SECONDS)
        client.get("/nothing", headers={"X-Request-Id": ids[-1]})
        # The process gets SIGTERM at once.
    assert requests_in(log) == ids


@pytest.mark.parametrize(
    ("end", "fails"), [("pass", False), ("raise RuntimeError", True), ("raise SystemExit(0)", False)]
)
def test_the_end_of_a_process_writes_what_is_left(end: str, fails: bool) -> None:
    ran = subprocess.run([sys.executable, "-c", CRASH.replace("END", end)], capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in ran.stderr.splitlines()[:5]]
    assert [line["event"] for line in lines] == ["own", "own", "own", "foreign", "last"]
    assert [line["number"] for line in lines[:3]] == [0, 1, 2]
    assert (ran.returncode != 0) is fails


SIGNALLED = """
import asyncio, signal, structlog
from server import logs
from server.execution.limits import PATIENT
from server.http.listening import configure
from server.listening.graph_server import Ending, GraphServer
from server.listening.listening_socket import listen
logs.set_up("info", "json")
async def app(scope, receive, send):
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    structlog.get_logger("a").info("at the end")
    await send({"type": "lifespan.shutdown.complete"})
def listening():
    structlog.get_logger("a").info("at the start")
    signal.raise_signal(signal.SIGTERM)
asyncio.run(GraphServer(configure(app, PATIENT), listen("127.0.0.1", 0), listening, Ending()).serve())
"""


def test_a_signal_that_ends_the_process_loses_no_line() -> None:
    ran = subprocess.run([sys.executable, "-c", SIGNALLED], capture_output=True, text=True, check=False)
    assert [json.loads(line)["event"] for line in ran.stderr.splitlines()] == ["at the start", "at the end"]
    assert ran.returncode == -signal.SIGTERM


async def test_a_batch() -> None:
    stream = io.BytesIO()
    lines = LogLines(stream, b"\n")
    lines.later(b"before")
    assert stream.getvalue() == b"before\n"
    with lines.batches():
        lines.later(b"first")
        await asyncio.to_thread(lines.later, b"second")
        assert stream.getvalue() == b"before\n"
        await asyncio.sleep(4 * TICK_SECONDS)
        assert stream.getvalue() == b"before\nfirst\nsecond\n"
        lines.later(b"third")
        lines.at_once(b"fault")
        assert stream.getvalue().endswith(b"third\nfault\n")
        for number in range(MOST_LINES):
            lines.later(b"%d" % number)
        assert stream.getvalue().endswith(b"\n%d\n" % (MOST_LINES - 1))
        lines.later(b"fourth")
    assert stream.getvalue().endswith(b"fourth\n")
    lines.later(b"after")
    assert stream.getvalue().endswith(b"fourth\nafter\n")


async def test_a_thread_does_not_wait_for_the_loop() -> None:
    stream = io.BytesIO()
    lines = LogLines(stream, b"\n")
    with lines.batches():
        await asyncio.to_thread(lines.later, b"alone")
        assert stream.getvalue() == b"alone\n"


def test_lines_of_several_processes_do_not_mix() -> None:
    """A pipe takes PIPE_BUF bytes as a whole. Other processes may interrupt a longer text."""
    written: list[bytes] = []

    class Pipe(io.BytesIO):
        def write(self, content: Any) -> int:
            written.append(bytes(content))
            return len(content)

    lines = LogLines(Pipe(), b"\n", shared=True)
    lines._waiting = True  # as in a batch
    sent = [b"%d" % length + b"x" * length for length in (10, 3000, 1000, 90, 3000, 5000, 20, 20)]
    for line in sent:
        lines.later(line)
    lines.flush()
    assert b"".join(written) == b"\n".join(sent) + b"\n"
    assert len(written) == 4
    assert all(part.endswith(b"\n") for part in written)
    assert [len(part) > 4096 for part in written] == [False, False, True, False]
