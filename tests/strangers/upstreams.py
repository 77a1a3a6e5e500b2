"""Connect the upstream client with the stranger's systems."""

import json
from pathlib import Path
from typing import Any

from tests.strangers.stranger import Stranger
from upstream.agents import Agent, Agents
from upstream.client import GameHubConfig, GameLogConfig, Upstream
from upstream.transport.secret import Secret


def connect(
    stranger: Stranger,
    *,
    token: Secret | None = None,
    agents_file: Path | None = None,
    slash: bool = True,
    page_size: int | None = None,
    timeout: float = 5.0,
    **bounds: Any,
) -> Upstream:
    """Return a client of both systems. `slash` is the end of the base URL; `bounds` are more settings of both."""
    base = stranger.host + stranger.quirks.prefix + ("/" if slash else "")
    more: dict[str, Any] = {} if page_size is None else {"page_size": page_size}
    return Upstream(
        GameHubConfig(
            url=lambda: base,
            token=token or Secret(stranger.token),
            timezone=stranger.quirks.zone,
            timeout=timeout,
            **bounds,
        ),
        GameLogConfig(
            url=lambda: f"{stranger.host}/log",
            agents=Agents(Agent("admin", Secret(stranger.agents["admin"])), agents_file),
            timezone=stranger.quirks.log_zone,
            timeout=timeout,
            **more,
            **bounds,
        ),
    )


def write_agents(path: Path, agents: dict[int, tuple[str, str]]) -> Path:
    """Write the file of agents by group."""
    found = {str(group): {"agent_code": code, "agent_token": token} for group, (code, token) in agents.items()}
    path.write_text(json.dumps(found))
    return path
