"""The sandbox as a process of its own: it announces itself, is stopped, and is never left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from server.cli.sandbox_process import SandboxFailed, SandboxProcess
from server.settings.reading import load


def alive(pid: int) -> bool:
    """Return whether the process runs. A process that has ended and was not waited for does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int, seconds: float = 10) -> bool:
    began = time.monotonic()
    while alive(pid):
        if time.monotonic() - began > seconds:
            return False
        time.sleep(0.02)
    return True


def test_it_announces_itself_and_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    deaths: list[int] = []
    with SandboxProcess("--users", "5", "--days", "1", "--database", str(tmp_path / "world.sqlite")) as process:
        announced = process.announcement()
        process.watch(deaths.append)
        parameters = {"api_token": announced.gamehub_token, "report_type": "api_groups_report"}
        assert (
            httpx.get(announced.gamehub_url.rstrip("/") + "/reports/", params=parameters, trust_env=False).status_code
            == 200
        )
        assert announced.gamehub_token not in repr(announced)
        settings = announced.point(load())
        assert not settings.uses_sandbox
        assert (settings.gamelog_url, settings.gamelog_agent_code) == (announced.gamelog_url, announced.agent_code)
    assert gone(process.pid)
    assert deaths == []


def test_a_death_is_told(tmp_path: Path) -> None:
    died = threading.Event()
    codes: list[int] = []

    def tell(code: int) -> None:
        codes.append(code)
        died.set()

    with SandboxProcess("--users", "5", "--days", "1", "--database", str(tmp_path / "world.sqlite")) as process:
        process.announcement()
        process.watch(tell)
        os.kill(process.pid, signal.SIGKILL)
        assert died.wait(10)
    assert codes == [-signal.SIGKILL]


def test_a_false_start_is_one_line() -> None:
    with SandboxProcess("--no-such-option") as process, pytest.raises(SandboxFailed, match="ended with exit code 2"):
        process.announcement()


def test_it_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import sys, time; from server.cli.sandbox_process import SandboxProcess as S;"
        f"s = S('--users', '5', '--days', '1', '--database', {str(tmp_path / 'world.sqlite')!r});"
        "s.announcement(); print(s.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert gone(pid)
