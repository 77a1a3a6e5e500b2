"""A full disk below the spool, the journal and the keys: requests that need it say so, all others work."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from server.settings.settings import NAMES
from tests.faults.disk import Disk, small_disk
from tests.programs import Fresh, Piped
from tests.served import launched, served
from tests.stand import Sandbox

COMMAND = Path(sys.executable).with_name("gamehub-graph")
ROWS = "/tables/GroupTransactions.{}?group=382&since=2026-03-10&until=2026-03-11"
GROUPS = {"query": "{ groups(first: 1) { nodes { id name } } }"}
BROKEN = {"query": '{ rooms(during: {dates: {from: "2026-03-10", to: "2026-03-10"}}) { id } }'}


@dataclass
class FullDiskServer:
    """A server with all its files on a small disk."""

    disk: Disk
    settings: dict[str, str]
    process: Fresh | Piped
    client: httpx.Client
    log: Path

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = {name: value for name, value in os.environ.items() if name not in NAMES} | self.settings
        return subprocess.run(
            [COMMAND, *arguments], env=environment, cwd=self.log.parent, capture_output=True, text=True, check=False,
            timeout=120,
        )  # fmt: skip


@pytest.fixture(scope="module")
def running(world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FullDiskServer]:
    folder = tmp_path_factory.mktemp("full")
    with small_disk(folder / "disk") as disk:
        settings = {
            "GAMEHUB_URL": world.gamehub_url,
            "GAMEHUB_TOKEN": world.gamehub_token,
            "GAMELOG_URL": world.gamelog_url,
            "GAMELOG_AGENT_CODE": world.agent_code,
            "GAMELOG_AGENT_TOKEN": world.agent_token,
            "AUTH": "required",
            "TABLES_SPOOL_DIR": str(disk.folder / "spool"),
            "ERROR_JOURNAL": str(disk.folder / "errors.sqlite"),
            "KEYS_FILE": str(disk.folder / "keys.sqlite"),
            "BREAKER_FAILURES": "0",
            "LOG_LEVEL": "info",
            "LOG_FORMAT": "json",
        }
        log = folder / "log"
        with (
            launched(folder, log, **settings) as (address, process),
            httpx.Client(base_url=address, trust_env=False, timeout=30) as client,
        ):
            found = FullDiskServer(disk, settings, process, client, log)
            made = found.run("keys", "create", "me", "--groups", "all", "--permissions", "explore,tables,admin")
            client.headers["authorization"] = f"Bearer {made.stdout.strip()}"
            yield found


def test_what_needs_the_disk_says_so_and_the_rest_works(running: FullDiskServer, sandbox: Sandbox) -> None:
    client = running.client
    answers = client.post("/graphql", json=GROUPS).json()
    assert "errors" not in answers
    with running.disk.filled(running.process):
        for form in ("csv", "parquet", "xlsx"):
            refused = client.get(ROWS.format(form))
            (error,) = refused.json()["errors"]
            # Excel's writer needs a temporary folder, and with a limit of the process there is none (503).
            status = {507} if running.disk.mounted or form != "xlsx" else {503, 507}
            assert refused.status_code in status, form
            assert error["extensions"]["code"] == "STORAGE_UNAVAILABLE"
            assert "ndjson" in error["message"]
            assert str(running.disk.folder) not in refused.text
        assert client.get("/odata/GroupTransactions?group=382&since=2026-03-10&until=2026-03-11").status_code == 507
        assert client.get(ROWS.format("ndjson")).status_code == 200
        assert client.post("/graphql", json=GROUPS).json() == answers
        assert client.get("/healthz").status_code == 200
        # The journal cannot be written, but the answer has the error.
        sandbox.fault("500")
        for _ in range(2):
            (error,) = client.post("/graphql", json=BROKEN).json()["errors"]
            assert error["extensions"]["code"] == "UPSTREAM_ERROR"
        sandbox.heal()
        if running.disk.mounted:
            assert "journal.unwritable" in running.log.read_text()
    for form in ("csv", "parquet", "xlsx"):
        assert client.get(ROWS.format(form)).status_code == 200, form
    leftovers = [path for path in (running.disk.folder / "spool").iterdir() if path.suffix == ".part"]
    assert leftovers == []


def test_files_that_nobody_reads_make_room(running: FullDiskServer) -> None:
    spool = running.disk.folder / "spool"
    assert running.client.get(ROWS.format("csv")).status_code == 200
    kept = set(spool.iterdir())
    assert kept
    with running.disk.filled(running.process):
        answer = running.client.get(ROWS.format("csv") + "&limit=1")
    # A limit of the process stays whatever is removed.
    assert answer.status_code == (200 if running.disk.mounted else 507)
    assert not kept & set(spool.iterdir())


def test_no_key_is_made_on_a_full_disk_and_the_line_says_what_to_do(running: FullDiskServer) -> None:
    with running.disk.filled(running.process), running.disk.limiting():
        ran = running.run("keys", "create", "other", "--groups", "all")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "make room on its disk" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert running.client.post("/graphql", json=GROUPS).status_code == 200
    assert running.run("keys", "create", "other", "--groups", "all").returncode == 0


def test_the_errors_are_read_on_a_full_disk(running: FullDiskServer, sandbox: Sandbox) -> None:
    sandbox.fault("500")
    running.client.post("/graphql", json=BROKEN)
    sandbox.heal()
    with running.disk.filled(running.process), running.disk.limiting():
        ran = running.run("errors")
    assert "Traceback" not in ran.stderr
    assert (ran.returncode == 0 and "UPSTREAM_ERROR" in ran.stdout) or "make room on its disk" in ran.stderr


def test_a_server_that_starts_on_a_full_disk_lets_the_right_in_or_says_why_not(
    running: FullDiskServer, tmp_path: Path
) -> None:
    with (
        running.disk.filled(running.process),
        running.disk.limiting(),
        served(tmp_path, Path("/dev/null"), **running.settings) as address,
    ):
        answer = httpx.post(
            f"{address}/graphql", json=GROUPS, headers=dict(running.client.headers), trust_env=False, timeout=30
        )
    assert answer.status_code in (200, 503)
    if answer.status_code == 503:
        (error,) = answer.json()["errors"]
        assert error["extensions"]["code"] == "STORAGE_UNAVAILABLE"
        assert "make room" in error["message"]
