"""An operation's deadline: what was answered until then is answered, and the rest says why not."""

import asyncio
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from resolvers.session import Session
from schema import graph
from server.execution.limits import ORDINARY
from server.gateway import Gateway
from server.settings.live import LiveSettings
from server.settings.settings import NAMES, Settings
from tests.server.application import application
from tests.server.serving import serving
from tests.stand import Sandbox

DAY = 'during: {dates: {from: "2026-03-10", to: "2026-03-10"}}'
QUERY = f"{{ user(id: 2001) {{ id transactions({DAY}) {{ totalCount }} gameLogs({DAY}) {{ totalCount }} }} }}"


async def test_what_is_at_hand_is_answered(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    settings = Settings(
        gamehub_url=sandbox.gamehub_url,
        gamehub_token=sandbox.gamehub_token,  # type: ignore[arg-type]
        gamelog_url=sandbox.gamelog_url,
        gamelog_agent_code=sandbox.agent_code,
        gamelog_agent_token=sandbox.agent_token,  # type: ignore[arg-type]
        error_journal=tmp_path / "errors.sqlite",
    )
    gateway = Gateway(LiveSettings(settings, env_file=None))
    app = application(
        graph.schema, gateway.session, lifespan=gateway.open, leave=Session.close, limits=replace(ORDINARY, seconds=1.5)
    )
    with serving(app) as address:
        async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=20) as client:
            whole = (await client.post("/graphql", json={"query": QUERY})).json()
            assert "errors" not in whole
            await asyncio.to_thread(sandbox.fault, "hang", "get_game_log")
            other = QUERY.replace("2026-03-10", "2026-03-11")
            part = (await client.post("/graphql", json={"query": other})).json()
    sandbox.heal()
    assert part["data"]["user"]["id"] == "2001"
    assert part["data"]["user"]["transactions"]["totalCount"] >= 0
    assert part["data"]["user"]["gameLogs"] is None
    (error,) = part["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["user", "gameLogs"], "UPSTREAM_UNAVAILABLE")
