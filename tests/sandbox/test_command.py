"""`python -m sandbox` as people and programs start it."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.stand import Sandbox


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox", "--port", "0", "--users", "2", "--days", "1", *options],
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        env={"COLUMNS": "200", "PATH": "/usr/bin"},
    )


def test_it_announces_itself_in_one_line_and_stops_with_its_input(tmp_path: Path) -> None:
    done = run("--announce", "--stop-with-stdin", "--database", str(tmp_path / "world"))
    assert (done.returncode, done.stderr) == (0, "")
    [line] = done.stdout.splitlines()
    line_data = json.loads(line)
    origin = line_data["gamelog_url"].removesuffix("/gamelog")
    assert line_data == {
        "gamehub_url": f"{origin}/api/v1/",
        "gamehub_token": "sandbox-token",
        "gamelog_url": f"{origin}/gamelog",
        "agent_code": "sandbox-agent",
        "agent_token": "sandbox-agent-token",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }


def test_it_tells_a_person_what_to_try(tmp_path: Path) -> None:
    done = run("--stop-with-stdin", "--database", str(tmp_path / "world"))
    assert done.returncode == 0
    assert done.stdout.count("  curl ") == 4


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--timezone", "Mars/Olympus"], "is not a time zone"),
        (["--now", "soon"], "is not an ISO 8601 instant"),
        (["--now", "1999-01-01"], "the world begins in 2001"),
        (["--fault", "earthquake"], "there is no fault"),
        (["--users", "0"], "--users"),
    ],
)
def test_a_wrong_option_ends_it_with_2(tmp_path: Path, options: list[str], word: str) -> None:
    done = run("--stop-with-stdin", "--database", str(tmp_path / "world"), *options)
    assert done.returncode == 2
    assert word in done.stderr


def test_an_unusable_file_or_address_ends_it_with_1_and_one_line(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("dear diary, " * 100)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for options in (["--database", str(tmp_path / "text")], ["--port", str(taken.getsockname()[1])]):
            done = run("--stop-with-stdin", *options)
            assert done.returncode == 1
            assert done.stderr.startswith("sandbox: ")
            assert len(done.stderr.splitlines()) == 1


def test_with_the_real_clock_something_is_always_on(tmp_path: Path) -> None:
    with Sandbox(now=None, days=2, database=tmp_path / "world") as s:
        params = {"api_token": s.gamehub_token, "report_type": "api_bulk_games_report", "starts_at": "range"}
        day = 24 * 3600
        params |= {
            "starts_at_range_from": str(int(time.time()) - day),
            "starts_at_range_to": str(int(time.time()) + day),
        }
        rows = httpx.get(f"{s.gamehub_url}reports/", params={**params, "per_page": "-1"}, trust_env=False).json()
        assert {6, 1, 3} <= {row["status"] for row in rows["report"]}


def test_local_time_is_told_in_the_systems_zones(tmp_path: Path) -> None:
    with Sandbox(timezone="Europe/Madrid", log_timezone="America/New_York", days=2, database=tmp_path / "world") as s:
        params = {"api_token": s.gamehub_token, "timestamp": "today"}
        requests = [{"report_type": "transaction_report", "user_id": "2001"}]
        requests += [{"report_type": "api_retail_movements", "group_id": "382"}]
        local, unix = (
            httpx.get(f"{s.gamehub_url}reports/", params={**params, **each}, trust_env=False).json()["report"]
            for each in requests
        )
        instants = {row["movement_id"]: row["timestamp"] for row in unix}
        assert all(
            row["timestamp"] == time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(instants[row["movement_id"]] + 3600))
            for row in local
            if row["movement_id"] in instants
        )
        body = {
            "method": "get_game_log",
            "agent_code": s.agent_code,
            "agent_token": s.agent_token,
            "game_type": "slot",
            "page": 0,
            "perPage": 100000,
            "start": "2026-03-15 00:00:00",
            "end": "2026-03-15 07:59:59",
        }
        rows = httpx.post(s.gamelog_url, json=body, trust_env=False).json()["slot"]
        assert rows
        # New York has been on summer time for a week.
        assert all("2026-03-15T04:00:00" <= row["created_at"] <= "2026-03-15T11:59:59.000Z" for row in rows)


def test_it_stops_at_once_though_a_call_hangs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Sandbox(users=2, days=1, fault="hang", database=tmp_path / "world") as s:
        with socket.create_connection(("127.0.0.1", httpx.URL(s.gamehub_url).port)) as caller:
            caller.sendall(b"GET /api/v1/reports HTTP/1.1\r\nHost: x\r\n\r\n")
            while not s.calls():
                time.sleep(0.01)
            s.close()
        assert s.process.returncode == 0
    assert capfd.readouterr().err == ""


def test_everything_is_late_by_the_latency(tmp_path: Path) -> None:
    with Sandbox(users=2, days=1, latency=0.2, fault="500@api_groups_report*1", database=tmp_path / "world") as s:
        params = {"api_token": s.gamehub_token, "report_type": "api_groups_report"}
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{s.gamehub_url}reports", params=params, trust_env=False, timeout=0.1)
        assert httpx.get(f"{s.gamehub_url}reports", params=params, trust_env=False).status_code == 200
        s.close()
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{s.gamehub_url}reports", params=params, trust_env=False)
