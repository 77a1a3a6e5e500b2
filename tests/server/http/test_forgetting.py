"""The days cache of a running server: a second request for a day causes no call, until the day is forgotten."""

import json
import sqlite3
import time
from pathlib import Path

import httpx

from tests import programs
from tests.served import served
from tests.stand import Sandbox

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
                ran = programs.run("cache", *arguments, folder=tmp_path, environment=settings)
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
                stats = json.loads(run("--stats"))
                if stats["store"]["entries"] == 3:
                    break
                assert time.monotonic() < deadline, stats
                time.sleep(0.5)
            assert stats["store"]["kind"] == "memory"


def test_files_pages_and_exports_of_forgotten_days_go_too(tmp_path: Path) -> None:
    """Through the commands and a running server: a correction of the vendor reaches everyone who reads tables."""
    database = tmp_path / "world.sqlite"
    window = "group=382&since=2026-03-10&until=2026-03-13"
    with Sandbox(users=12, days=10, database=database) as sandbox:
        settings = {
            "GAMEHUB_URL": sandbox.gamehub_url,
            "GAMEHUB_TOKEN": sandbox.gamehub_token,
            "CACHE_OPEN_SECONDS": "600",
            "ERROR_JOURNAL": str(tmp_path / "errors.sqlite"),
        }

        def run(*arguments: str) -> str:
            ran = programs.run(*arguments, folder=tmp_path, environment=settings)
            assert ran.returncode == 0, ran.stderr
            return ran.stdout

        def export(*options: str) -> str:
            days = ["--since", "2026-03-10", "--until", "2026-03-13"]
            return run("export", "DailyMovements", "--var", "group=382", *days, "--out", "out", *options)

        with served(tmp_path, **settings) as address:

            def read() -> tuple[str, list[object]]:
                """The file, and the pages of OData."""
                csv = httpx.get(f"{address}/tables/DailyMovements.csv?{window}", trust_env=False, timeout=60)
                page = httpx.get(f"{address}/odata/DailyMovements?{window}", trust_env=False, timeout=60)
                return csv.text, page.json()["value"]

            before = read()
            assert export().startswith("DailyMovements: 3 of 3 partitions written")
            with sqlite3.connect(database) as world:
                changed = world.execute("UPDATE daily SET wagers = wagers + 100 WHERE day = '2026-03-11'").rowcount
            assert changed > 0
            sandbox.reset()
            assert read() == before
            assert sandbox.calls() == []
            # An export asks for the fingerprints of its days, and needs nobody to tell it of the change.
            assert export().startswith("DailyMovements: 1 of 3 partitions written")
            assert export().startswith("DailyMovements: 0 of 3 partitions written")
            sandbox.reset()
            run("cache", "--forget", "R1", "--from", "2026-03-11", "--to", "2026-03-11")
            deadline = time.monotonic() + 20
            # The server may forget between the reading of the file and of the pages: wait for both.
            while (after := read())[0] == before[0] or after[1] == before[1]:
                assert time.monotonic() < deadline, "the server did not forget"
                time.sleep(0.2)
            assert [old == new for old, new in zip(before[1], after[1], strict=True)] == [True, False, True]
            assert after[0] != before[0]
            frames = [
                (call["params"]["timestamp_range_from"], call["params"]["timestamp_range_to"])
                for call in sandbox.calls()
                if call["report"] == "users_report"
            ]
            assert set(frames) == {("2026-03-11", "2026-03-11")}
            assert export().startswith("DailyMovements: 1 of 3 partitions written")
            assert export("--refresh").startswith("DailyMovements: 3 of 3 partitions written")


def test_what_cannot_be_asked_of_it(tmp_path: Path) -> None:
    settings = {"ERROR_JOURNAL": str(tmp_path / "errors.sqlite")}
    for arguments, code, word in (
        (["--forget", "R99"], 2, "R99 is no report"),
        (["--from", "2026-03-11"], 2, "--forget"),
        ([], 1, "no server"),
    ):
        ran = programs.run("cache", *arguments, folder=tmp_path, environment=settings, fresh=True)
        assert (ran.returncode, word in ran.stderr) == (code, True), ran.stderr
