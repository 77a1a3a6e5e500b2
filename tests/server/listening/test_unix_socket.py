"""A server on a unix socket: who may call it, and whom it believes."""

import json
import time
from pathlib import Path

import httpx

from tests.graph import NOON
from tests.programs import Piped, run
from tests.stand import Sandbox


def test_a_server_on_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "graph.sock"
    with Sandbox(now=NOON, users=20, days=5) as sandbox, (tmp_path / "log").open("w") as log:
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "GAMEHUB_URL": sandbox.gamehub_url,
            "GAMEHUB_TOKEN": sandbox.gamehub_token,
            "LOG_FORMAT": "json",
            "UNIX_SOCKET_MODE": "600",
        }
        server = Piped(
            "gamehub-graph", "serve", "--unix-socket", str(path), folder=tmp_path, environment=environment, stderr=log
        )
        try:
            assert wait_for(tmp_path / "log", "server.started")["page"] == f"unix:{path}"
            assert path.stat().st_mode & 0o777 == 0o600
            created = run("keys", "create", "bi", "--groups", "all", folder=tmp_path, environment=environment)
            with httpx.Client(
                transport=httpx.HTTPTransport(uds=str(path)), base_url="http://graph.example.com"
            ) as client:
                assert client.get("/readyz").json() == {"ready": True}
                query = {"query": "{ groups { totalCount } }"}
                # A proxy brings requests from everywhere, so a credential is needed.
                assert client.post("/graphql", json=query).status_code == 401
                headers = {"X-Api-Key": created.stdout.strip(), "X-Forwarded-For": "203.0.113.7"}
                answer = client.post("/graphql", json=query, headers=headers)
                assert answer.json()["data"]["groups"]["totalCount"] > 0
        finally:
            server.terminate()
            server.close(30)
        assert server.returncode == 0
        assert not path.exists()
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert lines[-1]["event"] == "server.stopped"
    (request,) = [line for line in lines if line.get("path") == "/graphql" and line["status"] == 200]
    assert request["address"] == "203.0.113.7"  # a peer at a unix socket is a trusted proxy


def wait_for(log: Path, event: str) -> dict[str, str]:
    """Return the first line of an event."""
    for _ in range(600):
        for line in log.read_text().splitlines():
            content: dict[str, str] = json.loads(line)
            if content["event"] == event:
                return content
        time.sleep(0.05)
    raise AssertionError(log.read_text())
