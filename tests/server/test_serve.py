"""The serving process loads the modules that the settings need, and no others."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from server.settings.settings import NAMES
from tests.served import launched
from tests.stand import Sandbox

# Each takes MiBs or a good part of a second; a server has them for a setting or a request that needs them.
HEAVY = {
    "cryptography", "distributed", "fsspec", "httpcore", "httpx", "jwt", "lark", "limits", "numpy", "openpyxl",
    "pandas", "pyarrow", "redis", "typer", "xlsxwriter",
}  # fmt: skip
DAY = 'during: {dates: {from: "2026-03-10", to: "2026-03-10"}}'
QUERY = f"{{ user(id: 2001) {{ id transactions({DAY}) {{ totalCount }} gameLogs({DAY}) {{ totalCount }} }} }}"


@pytest.fixture
def settings(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """As of a server that has nothing set but its upstreams. Python writes down what it imports."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    return {
        "GAMEHUB_URL": sandbox.gamehub_url,
        "GAMEHUB_TOKEN": sandbox.gamehub_token,
        "GAMELOG_URL": sandbox.gamelog_url,
        "GAMELOG_AGENT_CODE": sandbox.agent_code,
        "GAMELOG_AGENT_TOKEN": sandbox.agent_token,
        "PYTHONPROFILEIMPORTTIME": "1",
    }


def loaded(log: Path) -> set[str]:
    """The modules that the last process in a log has imported."""
    _, _, last = log.read_text().rpartition("| imported package")
    lines = (line for line in last.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in lines}


def test_a_plain_server_holds_what_it_needs(settings: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "serve.log"
    with launched(tmp_path, log, True, **settings) as (address, process):
        answer: dict[str, Any] = httpx.post(f"{address}/graphql", json={"query": QUERY}, trust_env=False).json()
        assert "errors" not in answer
        assert answer["data"]["user"]["id"] == "2001"
        assert "THP_enabled:\t0" in Path(f"/proc/{process.pid}/status").read_text()  # no huge pages
    found = loaded(log)
    assert {"graphql", "pyreqwest", "server", "strawberry", "structlog.dev", "uvicorn"} <= found
    assert found & HEAVY == set()


def test_what_a_setting_needs_is_there_before_the_first_request(settings: dict[str, str], tmp_path: Path) -> None:
    settings |= {"JWT_JWKS_URL": "http://127.0.0.1:9/keys", "JWT_ISSUER": "issuer", "JWT_AUDIENCE": "graph"}
    settings |= {"CACHE_URL": "redis://127.0.0.1:9/0", "RATE_REQUESTS": "5"}
    log = tmp_path / "serve.log"
    with launched(tmp_path, log, True, **settings):
        found = loaded(log)
    assert {"cryptography", "httpx", "jwt", "limits", "redis"} <= found
