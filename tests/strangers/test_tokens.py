"""Tokens that change while the graph runs, and that never appear anywhere."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.strangers.client import Client
from tests.strangers.stranger import Stranger
from tests.strangers.upstreams import write_agents
from upstream.transport.secret import Secret


async def test_a_token_that_was_changed_in_its_file(stranger: Stranger, client: Client, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("strangers-token-1\n")
    client.upstream_options["token"] = Secret(file)
    async with client:
        await client.data("{ groups { totalCount } }")
        stranger.token = "strangers-token-2"
        file.write_text("strangers-token-2\n")
        data = await client.data('{ groups { totalCount } user(id: "60") { username } games { totalCount } }')
        assert data["groups"]["totalCount"] == 6


async def test_a_token_that_is_changed_while_calls_run(stranger: Stranger, client: Client, tmp_path: Path) -> None:
    """The vendor changes first: calls are refused until the file has the new token."""
    file = tmp_path / "token"
    file.write_text("strangers-token-1")
    client.upstream_options["token"] = Secret(file)
    async with client:
        stranger.token = "strangers-token-2"
        result = await client.ask("{ groups { totalCount } }")
        assert [error.extensions["code"] for error in result.errors] == ["UPSTREAM_UNAUTHENTICATED"]
        assert stranger.calls() == ["api_groups_report unauthorised=yes"] * 2
        file.write_text("strangers-token-2")
        queries = [client.data("{ groups { totalCount } users { totalCount } }") for _ in range(5)]
        assert await asyncio.gather(*queries) == [{"groups": {"totalCount": 6}, "users": {"totalCount": 12}}] * 5


async def test_an_agents_token_that_was_changed(stranger: Stranger, client: Client, tmp_path: Path) -> None:
    stranger.become(agent_of_group={391: "north"})
    file = write_agents(tmp_path / "agents.json", {391: ("north", "north-secret")})
    client.upstream_options["agents_file"] = file
    client.options |= {
        "agents": lambda: ("", "north"),
        "agent_of_group": lambda group: "north" if group == 391 else "",
    }
    query = '{ user(id: "2090") { gameLogs { totalCount } } }'
    async with client:
        assert await client.data(query) == {"user": {"gameLogs": {"totalCount": 6}}}
        stranger.agents["north"] = "north-secret-2"
        write_agents(file, {391: ("north", "north-secret-2")})
        assert await client.data(query) == {"user": {"gameLogs": {"totalCount": 6}}}


@pytest.mark.parametrize("fault", ["500", "html", "cut", "00001", "slow"])
async def test_no_token_in_an_error_or_a_log_line(
    stranger: Stranger, client: Client, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    caplog.set_level(logging.DEBUG)
    stranger.faults = {"api_groups_report": fault, "get_game_log": "500"}
    client.upstream_options["timeout"] = 0.3
    async with client:
        result = await client.ask("{ groups { totalCount } gameLogs { totalCount } }")

    def chain(error: Any) -> str:
        return f"{error!r} {vars(error)} {chain(error.__cause__)} {chain(error.__context__)}" if error else ""

    written = capsys.readouterr()
    seen = f"{caplog.text} {written.out} {written.err} {result.errors}"
    seen += " ".join(chain(error.original_error) for error in result.errors)
    assert "strangers-token" not in seen
    assert "admin-secret" not in seen
