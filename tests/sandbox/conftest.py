"""A sandbox at noon of Sunday, 15 March 2026, and a client that calls it over HTTP."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.stand import Sandbox


class Ask:
    """Calls of both upstreams, over one connection."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.client = httpx.Client(trust_env=False, timeout=30)

    def report(self, report_type: str, action: str = "reports", **parameters: Any) -> httpx.Response:
        """Return the answer to a GameHub call."""
        headers = {"X-Fault": parameters.pop("fault")} if "fault" in parameters else {}
        params = {"api_token": self.sandbox.gamehub_token, "report_type": report_type, **parameters}
        return self.client.get(f"{self.sandbox.gamehub_url}{action}/", params=params, headers=headers)

    def rows(self, report_type: str, action: str = "reports", **parameters: Any) -> Any:
        """Return the rows of a good answer; none for code 10002."""
        answer = self.report(report_type, action, **parameters)
        if answer.status_code == 422 and answer.json()["code"] == "10002":
            return []
        assert answer.status_code == 200, answer.text
        refused = answer.json()
        return refused["Report"] if "Report" in refused else refused["report"]

    def log(self, fault: str | None = None, **body: Any) -> httpx.Response:
        """Return the answer to a Game History call."""
        parameters = {
            "method": "get_game_log",
            "agent_code": self.sandbox.agent_code,
            "agent_token": self.sandbox.agent_token,
            "game_type": "slot",
            "start": "2026-03-15 00:00:00",
            "end": "2026-03-15 23:59:59",
            "page": 0,
            "perPage": 1000,
            **body,
        }
        return self.client.post(self.sandbox.gamelog_url, json=parameters, headers={"X-Fault": fault} if fault else {})

    def refusal(self, report_type: str, action: str = "reports", **parameters: Any) -> tuple[int, str]:
        """Return the HTTP status and the code of a refused call."""
        answer = self.report(report_type, action, **parameters)
        assert answer.json()["error"] is True
        return answer.status_code, answer.json()["code"]


@pytest.fixture(scope="session")
def sandbox(world: Sandbox) -> Sandbox:
    """The world that all tests share. The tested code made its file, because the file's format depends on the code."""
    world.heal()
    return world


@pytest.fixture(scope="session")
def ask(sandbox: Sandbox) -> Iterator[Ask]:
    asking = Ask(sandbox)
    yield asking
    asking.client.close()


@pytest.fixture(autouse=True)
def healed(sandbox: Sandbox) -> Iterator[None]:
    yield
    sandbox.heal()
