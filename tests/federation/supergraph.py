"""Servers of the graph and of its subgraphs, each over its own upstreams, and real gateways over them."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from server.app import create_app
from server.services import build_server
from server.settings.live import LiveSettings
from server.settings.settings import Settings
from tests.packages import node_packages
from tests.requirements import require
from tests.server.serving import serving
from tests.stand import Sandbox

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "examples" / "federation"


@dataclass
class ServedGraph:
    """A running server, and the requests that it received."""

    address: str = ""
    document: str = ""
    requests: list[dict[str, str]] = field(default_factory=list)

    def recording(self, app: ASGIApp) -> ASGIApp:
        """Return the application that notes the headers of each request for the graph."""

        async def recorded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"] == "/graphql":
                self.requests.append({name.decode(): value.decode() for name, value in scope["headers"]})
            await app(scope, receive, send)

        return recorded


@contextmanager
def served_graph(folder: Path, *, closed: bool = False, **settings: Any) -> Iterator[ServedGraph]:
    """Serve the graph of some settings."""
    chosen = Settings(error_journal=folder / "errors.sqlite", cache_url=SecretStr("off"), **settings)
    services = build_server(LiveSettings(chosen, env_file=None), closed=closed)
    graph = ServedGraph(document=services.executor.schema.sdl)  # type: ignore[attr-defined]
    with serving(graph.recording(create_app(services))) as address:
        graph.address = f"{address}/graphql"
        yield graph


def of_gamehub(sandbox: Sandbox) -> dict[str, Any]:
    """Return the settings of GameHub."""
    return {"gamehub_url": sandbox.gamehub_url, "gamehub_token": SecretStr(sandbox.gamehub_token)}


def of_gamelog(sandbox: Sandbox) -> dict[str, Any]:
    """Return the settings of Game History."""
    return {
        "gamelog_url": sandbox.gamelog_url,
        "gamelog_agent_code": sandbox.agent_code,
        "gamelog_agent_token": SecretStr(sandbox.agent_token),
    }


@dataclass
class Gateways:
    """Running gateways and servers: their addresses by name. `headers` are those of a request without others."""

    urls: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)

    def ask(self, name: str, query: str, headers: Mapping[str, str] | None = None, **variables: Any) -> dict[str, Any]:
        """Return the answer of a gateway."""
        body = {"query": query, "variables": variables}
        chosen = self.headers if headers is None else headers
        answer = httpx.post(self.urls[name], json=body, headers=chosen, trust_env=False, timeout=60)
        found: dict[str, Any] = answer.json()
        return found


def subgraph(name: str, graph: ServedGraph) -> dict[str, str]:
    """Return a subgraph that a server serves."""
    return {"name": name, "url": graph.address, "document": graph.document}


NOTES = {"name": "notes", "document": (EXAMPLE / "notes.graphql").read_text()}


@contextmanager
def running(
    folder: Path,
    gateways: Mapping[str, tuple[str, Sequence[dict[str, str]]]],
    credential: str = "",
) -> Iterator[Gateways]:
    """Run gateways: the kind and the subgraphs of each name. `credential` lets them read the subgraphs' schemas."""
    example = folder / "example"
    example.mkdir()
    (example / "node_modules").symlink_to(node_packages(EXAMPLE) / "node_modules")
    (folder / "node_modules").symlink_to(node_packages(HERE) / "node_modules")
    for file in ("package.json", "notes.graphql", "notes.mjs", "gateway.mjs"):
        shutil.copy(EXAMPLE / file, example)
    shutil.copy(HERE / "gateways.mjs", folder)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "CREDENTIAL": credential, "NODE_ENV": "production"}
    process = subprocess.Popen(
        [require("node"), "gateways.mjs"],
        cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        described = {name: {"kind": kind, "subgraphs": subgraphs} for name, (kind, subgraphs) in gateways.items()}
        process.stdin.write(json.dumps(described) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, "the gateways did not start"
        yield Gateways(json.loads(line))
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()
