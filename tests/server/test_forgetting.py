"""The days cache of a running server: a day asked for again is not called for again, until it is to be forgotten."""

import json
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.served import served
from tests.stand import Sandbox

COMMAND = Path(sys.executable).with_name("gamehub-graph")
DAY = """{ group(id: 382) { transactions(during: {dates: {from: "2026-03-10", to: "2026-03-12"}}) { totalCount } } }"""


def test_closed_days_are_kept_until_they_are_to_be_forgotten(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        settings = {
            "GAMEHUB_URL": sandbox.gamehub_url,
            "GAMEHUB_TOKEN": sandbox.gamehub_token,
            "CACHE_OPEN_SECONDS": "0",
            "ERROR_JOURNAL": str(tmp_path / "errors.sqlite"),
        }
        with served(tmp_path, **settings) as address:

            def movements() -> list[dict[str, str]]:
                """The calls for movements that the query makes now."""
                sandbox.reset()
                answer = httpx.post(f"{address}/graphql", json={"query": DAY}, trust_env=False, timeout=30).json()
                assert answer["data"]["group"]["transactions"]["totalCount"] > 1000
                return [call["params"] for call in sandbox.calls() if call["report"] == "api_retail_movements"]

            def run(*arguments: str) -> str:
                ran = subprocess.run(
                    [COMMAND, "cache", *arguments],
                    env=settings,
                    cwd=tmp_path,
                    capture_output=True,
                    text=True,
                    timeout=60,
                )
                assert ran.returncode == 0, ran.stderr
                return ran.stdout

            assert len(movements()) == 1
            assert movements() == []
            run("--forget", "R5", "--from", "2026-03-11", "--to", "2026-03-11")
            deadline = time.monotonic() + 20
            while not (again := movements()):
                assert time.monotonic() < deadline, "the server did not forget"
                time.sleep(0.2)
            assert [(call["timestamp_range_from"], call["timestamp_range_to"]) for call in again] == [
                ("2026-03-11", "2026-03-11")
            ]
            while True:
                told = json.loads(run("--stats"))
                if told["store"]["entries"] == 3:
                    break
                assert time.monotonic() < deadline, told
                time.sleep(0.5)
            assert told["store"]["kind"] == "memory"


def test_what_cannot_be_asked_of_it(tmp_path: Path) -> None:
    settings = {"ERROR_JOURNAL": str(tmp_path / "errors.sqlite")}
    for arguments, code, word in (
        (["--forget", "R99"], 2, "R99 is no report"),
        (["--from", "2026-03-11"], 2, "--forget"),
        ([], 1, "no server"),
    ):
        ran = subprocess.run([COMMAND, "cache", *arguments], env=settings, cwd=tmp_path, capture_output=True, text=True)
        assert (ran.returncode, word in ran.stderr) == (code, True), ran.stderr
