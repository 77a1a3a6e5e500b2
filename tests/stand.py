"""A sandbox process for tests: both upstream systems on a free loopback port, for as long as a `with` block lasts."""

import datetime
import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from zoneinfo import ZoneInfo

import httpx

from tests.programs import Piped

ROOT = Path(__file__).parent.parent
NOON = "2026-03-15T12:00:00+00:00"


def afternoon() -> ZoneInfo:
    """Return a time zone in which it is afternoon: yesterday is closed, and the rooms are open for hours."""
    return ZoneInfo(f"Etc/GMT{datetime.datetime.now(datetime.UTC).hour - 13:+d}")  # its sign is the other way round


def days_in(zone: ZoneInfo) -> dict[str, str]:
    """Return the settings of a server whose upstreams, or whose own sandbox, have this time zone."""
    return {"GAMEHUB_TIMEZONE": zone.key, "GAMELOG_TIMEZONE": zone.key}


class Sandbox:
    """Both upstreams, served by a process of their own that dies with this one.

        with Sandbox(users=60, days=30, database=tmp_path / "world.sqlite") as s:
            httpx.get(f"{s.gamehub_url}reports/", params={"api_token": s.gamehub_token, ...})
            assert s.calls() == [{"system": "gamehub", "report": ..., "params": ..., "status": 200, "rows": 3}]

    `now` freezes the clock (None: the real one), so that answers are exact. Without `database` the world is kept in
    the user's cache folder and shared by every test that asks for the same one.
    """

    def __init__(
        self,
        *,
        now: str | None = NOON,
        users: int = 60,
        days: int = 30,
        rooms: int = 3,
        seed: int = 7,
        database: Path | str | None = None,
        timezone: str = "UTC",
        log_timezone: str = "UTC",
        fault: str | None = None,
        latency: float | None = None,
    ) -> None:
        options = {
            "port": 0,
            "now": now,
            "users": users,
            "days": days,
            "rooms": rooms,
            "seed": seed,
            "database": database,
            "timezone": timezone,
            "log-timezone": log_timezone,
            "fault": fault,
            "latency": latency,
        }
        self.options = ["--announce", "--stop-with-stdin"]
        for name, value in options.items():
            if value is not None:
                self.options += [f"--{name}", str(value)]

    def __enter__(self) -> Self:
        self.process = Piped("sandbox", *self.options, folder=ROOT, environment=dict(os.environ))
        line = self.process.stdout.readline()
        if not line:
            self.close()
            raise RuntimeError(f"the sandbox did not start (exit code {self.process.returncode})")
        found = json.loads(line)
        self.gamehub_url: str = found["gamehub_url"]
        self.gamehub_token: str = found["gamehub_token"]
        self.gamelog_url: str = found["gamelog_url"]
        self.agent_code: str = found["agent_code"]
        self.agent_token: str = found["agent_token"]
        self.timezone: str = found["timezone"]
        self.log_timezone: str = found["log_timezone"]
        self.client = httpx.Client(
            base_url=self.gamelog_url.removesuffix("gamelog") + "admin/", trust_env=False, timeout=30
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the process, so that later calls are refused. A second call does nothing."""
        if hasattr(self, "client"):
            self.client.close()
        try:
            self.process.close(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def calls(self) -> list[dict[str, Any]]:
        """Return the upstream calls that were answered since `reset`, in the order of their arrival.

        Each is {system: "gamehub" | "gamelog", report: the report_type or "get_game_log", params: what was sent,
        without tokens, report_type and method, status: the HTTP status (None: never answered), rows: their number}.
        """
        found: list[dict[str, Any]] = self._ask("GET", "calls")["calls"]
        return found

    def reset(self) -> None:
        """Forget the calls so far."""
        self._ask("DELETE", "calls")

    def fault(self, kind: str, report: str | None = None, times: int | None = None, value: float | None = None) -> None:
        """Answer `report` (None: every report) with the fault `kind`, `times` times (None: until `heal`)."""
        self._ask("POST", "faults", {"kind": kind, "report": report, "times": times, "value": value})

    def heal(self) -> None:
        """Take back every fault, and every token added or revoked."""
        self._ask("DELETE", "faults")

    def add_token(self, token: str, language: str = "en") -> None:
        """Accept another GameHub token."""
        self._ask("POST", "tokens", {"token": token, "language": language})

    def revoke_token(self, token: str) -> None:
        """Refuse a GameHub token from now on."""
        self._ask("DELETE", "tokens", {"token": token})

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self.client.request(method, path, json=body)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found
