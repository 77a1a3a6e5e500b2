"""The supervisor and its workers as an operator meets them: real processes, signals and requests."""

import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.graph import NOON
from tests.programs import run
from tests.served import launched
from tests.stand import Sandbox

SECONDS = 30.0  # only so that a broken test ends
QUERY = {"query": "{ group(id: 382) { id } }"}
ANSWER = {"data": {"group": {"id": "382"}}}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(now=NOON, users=20, days=5) as sandbox:
        yield sandbox


@dataclass
class Server:
    """A server with two workers."""

    address: str
    folder: Path
    pid: int
    stop: Callable[[], int]

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in (self.folder / "log").read_text().splitlines())
        return [line for line in lines if line["event"] == name]

    def wait_for(self, name: str, count: int) -> list[dict[str, Any]]:
        end = time.monotonic() + SECONDS
        while len(found := self.events(name)) < count:
            assert time.monotonic() < end, (self.folder / "log").read_text()
            time.sleep(0.02)
        return found

    def more(self, name: str) -> Callable[[], dict[str, Any]]:
        """Return what waits for one more event of this name than there is now, and returns it."""
        count = len(self.events(name)) + 1
        return lambda: self.wait_for(name, count)[-1]

    @property
    def workers(self) -> list[int]:
        """The process ids of the workers that live."""
        started = [line["pid"] for line in self.events("worker.ready")]
        ended = {line["pid"] for name in ("worker.ended", "worker.died") for line in self.events(name)}
        return [pid for pid in started if pid not in ended]

    def ask(self) -> None:
        answer = httpx.post(f"{self.address}/graphql", json=QUERY, trust_env=False, timeout=SECONDS)
        assert (answer.status_code, answer.json()) == (200, ANSWER)

    def answered(self) -> float:
        """The operations that all workers have answered, as one scrape says."""
        text = httpx.get(f"{self.address}/metrics", trust_env=False, timeout=SECONDS).text
        (count,) = re.findall(
            r'^gamehub_graph_requests_total\{interface="graphql",outcome="ok",status="200"} (\S+)', text, re.M
        )
        assert re.search(r"^gamehub_graph_ready 1\.0$", text, re.M)
        return float(count)


@dataclass
class Clients:
    """Clients that ask without a pause, on connections that they keep and on new ones, and the answers they miss."""

    server: Server
    asked: int = 0
    missed: list[str] = field(default_factory=list)
    going: bool = True

    def __enter__(self) -> "Clients":
        self.threads = [threading.Thread(target=self._ask, args=[keeps]) for keeps in (True, True, False)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.going = False
        for thread in self.threads:
            thread.join(SECONDS)

    def _ask(self, keeps: bool) -> None:
        client = httpx.Client(trust_env=False, timeout=SECONDS)
        while self.going:
            try:
                for path in ("graphql", "readyz"):
                    method = "POST" if path == "graphql" else "GET"
                    content = QUERY if path == "graphql" else None
                    answer = client.request(method, f"{self.server.address}/{path}", json=content)
                    assert answer.status_code == 200, answer.text
                    self.asked += 1
            except (httpx.TransportError, AssertionError) as error:
                self.missed.append(repr(error))
            if not keeps:
                client.close()
                client = httpx.Client(trust_env=False, timeout=SECONDS)
            time.sleep(0.01)
        client.close()


@pytest.fixture(scope="module")
def server(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with started(sandbox, tmp_path_factory.mktemp("workers")) as server:
        yield server


@contextmanager
def started(sandbox: Sandbox, folder: Path) -> Iterator[Server]:
    """Yield a server with two workers."""
    settings = {
        "GAMEHUB_URL": sandbox.gamehub_url,
        "GAMEHUB_TOKEN": sandbox.gamehub_token,
        "KEYS_FILE": str(folder / "keys.sqlite"),
        "TMPDIR": str(folder),
        "WORKERS": "2",
        "LOG_LEVEL": "info",
    }
    with launched(folder, folder / "log", **settings) as (address, process):

        def stop() -> int:
            process.terminate()
            return process.wait(SECONDS)

        yield Server(address, folder, process.pid, stop)


def test_two_workers_serve_and_count_together(server: Server) -> None:
    (started,) = server.events("server.started")
    assert (started["pid"], started["workers"], started["page"]) == (server.pid, 2, server.address)
    assert len(server.workers) == 2
    before = server.answered()
    for _ in range(10):
        server.ask()
    # Each scrape reaches one of the two.
    assert [server.answered() for _ in range(6)] == [before + 10] * 6


def test_the_command_adds_up_the_caches_of_both(server: Server) -> None:
    journal = {"ERROR_JOURNAL": str(server.folder / "errors.sqlite")}
    end = time.monotonic() + SECONDS
    while True:  # each worker publishes its figures once a second
        shown = run("cache", "--stats", folder=server.folder, environment=journal)
        stats: dict[str, Any] = json.loads(shown.stdout) if shown.returncode == 0 else {"processes": 0}
        if stats["processes"] == 2:
            break
        assert time.monotonic() < end, (stats, shown.stderr)
        time.sleep(0.1)
    # Each worker has a half of CACHE_MEBIBYTES.
    assert (stats["store"]["kind"], stats["store"]["limit"]) == ("memory", 128 << 20)


def test_a_killed_worker_is_replaced_and_its_counts_stay(server: Server) -> None:
    for _ in range(5):
        server.ask()
    before = server.answered()
    victim, dead, ready = server.workers[0], server.more("worker.died"), server.more("worker.ready")
    os.kill(victim, signal.SIGKILL)
    died = dead()
    assert (died["pid"], died["exit_code"]) == (victim, -signal.SIGKILL)
    server.ask()
    ready()
    assert victim not in server.workers
    assert len(server.workers) == 2
    assert server.answered() == before + 1


def test_a_restart_of_all_workers_fails_no_request_and_reads_the_settings(server: Server) -> None:
    before, restarted = server.workers, server.more("server.restarted")
    (server.folder / ".env").write_text("MAX_BODY_BYTES=200\n")
    with Clients(server) as clients:
        os.kill(server.pid, signal.SIGHUP)
        restarted()
    assert clients.missed == []
    assert clients.asked > 0
    assert set(before).isdisjoint(server.workers)
    long = httpx.post(f"{server.address}/graphql", json={"query": "{ " + "a" * 300 + " }"}, trust_env=False)
    assert long.status_code == 413


def test_wrong_settings_leave_the_workers_as_they_are(server: Server) -> None:
    before = server.workers
    refused = server.more("the new settings cannot be used, so the workers go on with the old ones")
    (server.folder / ".env").write_text("MAX_DEPTH=0\n")
    os.kill(server.pid, signal.SIGHUP)
    assert refused()["why"] == ["MAX_DEPTH is not one of the allowed values; allowed is a whole number from 1"]
    (server.folder / ".env").unlink()
    assert server.workers == before
    server.ask()


def test_a_worker_that_gets_a_signal_is_replaced(server: Server) -> None:
    other, one = server.workers
    ended = server.more("worker.ended")
    with Clients(server) as clients:
        os.kill(one, signal.SIGTERM)
        ended()
    assert clients.missed == []
    assert other in server.workers
    assert one not in server.workers
    assert len(server.workers) == 2


def test_every_worker_shows_the_comparison_that_one_makes(server: Server) -> None:
    """The workers compare from the next start on."""
    restarted, compared = server.more("server.restarted"), server.more("reconcile.done")
    (server.folder / ".env").write_text("RECONCILE_EVERY=1\nRECONCILE_DAYS=1\n")
    os.kill(server.pid, signal.SIGHUP)
    restarted()
    compared()
    end = time.monotonic() + SECONDS
    states: list[dict[str, Any]] = []
    while not states or any(state["next"] is None for state in states):
        assert time.monotonic() < end
        states = [httpx.get(f"{server.address}/reconcile", trust_env=False).json() for _ in range(12)]
    assert all(state == states[0] for state in states)
    assert len(states[0]["last"]["days"]) == 1
    (server.folder / ".env").unlink()


def test_the_end(sandbox: Sandbox, tmp_path: Path) -> None:
    with started(sandbox, tmp_path) as server:
        folders = list(server.folder.glob("gamehub-graph-workers-*"))
        assert len(folders) == 1
        workers = server.workers
        assert len(workers) == 2
        assert server.stop() == 0
        for pid in workers:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
        assert not folders[0].exists()
        port = int(server.address.rpartition(":")[2])
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        assert server.events("server.stopped")[-1]["exit_code"] == 0


def test_a_second_signal_kills_what_runs(sandbox: Sandbox, tmp_path: Path) -> None:
    settings = {"GAMEHUB_URL": sandbox.gamehub_url, "GAMEHUB_TOKEN": sandbox.gamehub_token, "WORKERS": "2"}
    sandbox.fault("slow", "api_groups_report", None, 60)
    try:
        with launched(tmp_path, tmp_path / "log", **settings) as (address, process):
            parts = address.rpartition(":")
            body = json.dumps(QUERY).encode()
            with socket.create_connection(("127.0.0.1", int(parts[2]))) as client:
                client.sendall(
                    b"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                    b"content-length: %d\r\n\r\n%b" % (len(body), body)
                )
                time.sleep(0.3)
                process.terminate()
                time.sleep(0.3)
                assert process.poll() is None
                process.terminate()
                assert process.wait(SECONDS) == 1
    finally:
        sandbox.heal()


def test_workers_that_cannot_start_end_the_server_with_their_reason(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "A.graphql").write_text("query A { none }")
    settings = {
        **os.environ,
        "GAMEHUB_URL": sandbox.gamehub_url,
        "GAMEHUB_TOKEN": sandbox.gamehub_token,
        "ERROR_JOURNAL": str(tmp_path / "errors.sqlite"),
        "DOCUMENTS_FOLDER": str(tmp_path / "documents"),
    }
    done = run("serve", "--port", "0", "--workers", "2", folder=tmp_path, environment=settings)
    assert done.returncode == 1
    assert done.stderr.count("Cannot query field 'none'") == 1
