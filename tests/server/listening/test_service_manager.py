"""The messages to a service manager, which a real socket receives as that of systemd does."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from server.listening import service_manager
from tests.served import launched

SECONDS = 30.0  # only so that a broken test ends
NOWHERE = "http://127.0.0.1:9"  # a server starts without its upstreams
SERVING = ["READY=1", "STATUS=serves requests"]
STOPPING = ["STOPPING=1", "STATUS=answers the last requests"]


class Manager:
    """The socket of a service manager."""

    def __init__(self, receiver: socket.socket, name: str) -> None:
        self.name = name
        self._receiver = receiver

    def next(self) -> list[str]:
        """Return the lines of the next message."""
        return self._receiver.recv(4096).decode().split("\n")


@contextmanager
def managing(address: str, name: str) -> Iterator[Manager]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address)
        receiver.settimeout(SECONDS)
        yield Manager(receiver, name)


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    if request.param == "path":
        with managing(f"{tmp_path}/notify", f"{tmp_path}/notify") as manager:
            yield manager
    else:
        name = f"gamehub-graph-{uuid4()}"
        with managing(f"\0{name}", f"@{name}") as manager:
            yield manager


def test_a_message_has_its_lines(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.name)
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    service_manager.reloading("replaces its workers")
    state, at, status = manager.next()
    assert (state, status) == ("RELOADING=1", "STATUS=replaces its workers")
    assert before <= int(at.removeprefix("MONOTONIC_USEC=")) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


@pytest.mark.parametrize("name", ["", "vsock:2:1234", "/nowhere/notify", "@nobody-listens-here"])
def test_no_manager_is_no_fault(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    service_manager.ready("serves requests")
    monkeypatch.delenv("NOTIFY_SOCKET")
    service_manager.ready("serves requests")


def test_one_process_says_that_it_serves_and_that_it_stops(manager: Manager, tmp_path: Path) -> None:
    with launched(tmp_path, NOTIFY_SOCKET=manager.name, GAMEHUB_URL=NOWHERE, GAMEHUB_TOKEN="t") as (address, server):
        assert manager.next() == SERVING
        assert httpx.get(f"{address}/readyz", trust_env=False).status_code == 200
        os.kill(server.pid, signal.SIGHUP)  # it cannot reload, and goes on
        assert manager.next()[0] == "RELOADING=1"
        ready, status = manager.next()
        assert (ready, "WORKERS" in status) == ("READY=1", True)
        assert httpx.get(f"{address}/readyz", trust_env=False).status_code == 200
        server.terminate()
        assert manager.next() == STOPPING


def test_a_supervisor_speaks_for_its_workers(tmp_path: Path) -> None:
    name = f"{tmp_path}/notify"
    settings = {"NOTIFY_SOCKET": name, "GAMEHUB_URL": NOWHERE, "GAMEHUB_TOKEN": "t", "WORKERS": "2"}
    with managing(name, name) as manager, launched(tmp_path, **settings) as (address, server):
        assert manager.next() == SERVING
        assert httpx.get(f"{address}/readyz", trust_env=False).status_code == 200
        os.kill(server.pid, signal.SIGHUP)
        assert manager.next()[0] == "RELOADING=1"
        assert manager.next() == SERVING
        (tmp_path / ".env").write_text("MAX_OPERATIONS=many\n")
        os.kill(server.pid, signal.SIGHUP)
        assert manager.next()[0] == "RELOADING=1"
        ready, status = manager.next()
        assert (ready, "the new ones are wrong" in status) == ("READY=1", True)
        server.terminate()
        assert manager.next() == STOPPING
