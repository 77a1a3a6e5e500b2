"""A scripted server for each system, and the client of both, over each transport."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import structlog

from tests.upstream.server import Server, serving
from upstream.agents import Agent, Agents
from upstream.client import GameHubConfig, GameLogConfig, Upstream
from upstream.journal import Journal
from upstream.transport.secret import Secret

TOKEN = "s3cret/token+of gamehub"
AGENT_TOKEN = "41f5cc794aef2b138c715cf25f767cc1"
UTC = ZoneInfo("UTC")

Make = Callable[..., Upstream]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Yield a server whose answers a test scripts."""
    async with serving() as found:
        yield found


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal in a file of its own."""
    with Journal(tmp_path / "errors.sqlite") as found:
        yield found


@pytest.fixture(params=["rust", "httpx"])
def transport(request: pytest.FixtureRequest) -> Callable[[], httpx.AsyncBaseTransport | None]:
    """Each of the transports: pyreqwest's, which is the default, and httpx's own."""
    if request.param == "rust":
        return lambda: None
    # Nothing is encrypted here, and reading the certificates takes its time.
    return lambda: httpx.AsyncHTTPTransport(trust_env=False, verify=False)


@pytest.fixture
async def make(server: Server, journal: Journal, transport: Any) -> AsyncIterator[Make]:
    """Return a maker of clients. Both systems are the scripted server. `gamehub` and `gamelog` are settings."""
    made: list[Upstream] = []

    def upstream(*, gamehub: Any = (), gamelog: Any = (), **options: Any) -> Upstream:
        common = {"timezone": UTC, "timeout": 30.0, "backoff": 0.01}
        hub = {"url": lambda: server.url, "token": Secret(TOKEN), **common, **dict(gamehub), "transport": transport()}
        default = Agents(Agent("testAgent", Secret(AGENT_TOKEN)))
        log = {"url": lambda: server.url, "agents": default, **common, **dict(gamelog), "transport": transport()}
        found = Upstream(GameHubConfig(**hub), GameLogConfig(**log), journal, **options)
        made.append(found)
        return found

    yield upstream
    for each in made:
        await each.aclose()


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """Yield the log entries of structlog."""
    with structlog.testing.capture_logs() as found:
        yield found
