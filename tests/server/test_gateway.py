"""The gateway: the agent of a group, the probes of the upstreams, and the error of a missing system."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from resolvers.caller import EVERYONE, Caller
from resolvers.session import Session
from server.execution.operation import Operation
from server.gateway import LOOK_SECONDS, Gateway
from server.settings.live import LiveSettings
from server.settings.reading import load
from server.settings.settings import NAMES
from tests.upstream.server import Reply, serving
from upstream.call import Call
from upstream.errors import Unavailable
from upstream.reports.table import GAME_LOGS, GROUPS


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ERROR_JOURNAL", str(tmp_path / "errors.sqlite"))


def gateway(agents: dict[str, str] | None = None, **settings: str) -> Gateway:
    if agents is not None:
        accounts = {group: {"agent_code": code, "agent_token": "t"} for group, code in agents.items()}
        Path("agents.json").write_text(json.dumps(accounts))
        settings["GAMELOG_AGENTS_FILE"] = "agents.json"
    Path(".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return Gateway(LiveSettings(load()))


def session(gateway: Gateway) -> Session:
    return gateway.session(Operation("{ __typename }"))


AGENT: dict[str, Any] = {"GAMELOG_AGENT_CODE": "house", "GAMELOG_AGENT_TOKEN": "t"}
DEFAULT: dict[str, Any] = {"GAMELOG_URL": "http://127.0.0.1:9", **AGENT}


def test_one_agent_serves_all_groups() -> None:
    found = session(gateway(**DEFAULT))
    assert found.agent_of_group(382) == ""
    assert list(found.agents()) == [""]


def test_some_groups_have_agents_of_their_own() -> None:
    opened = gateway({"382": "a", "383": "a", "384": "b", "385": "house"}, **DEFAULT)
    found = session(opened)
    assert [found.agent_of_group(group) for group in (382, 383, 384, 385, 386, None)] == ["a", "a", "b", "", "", ""]
    # Each once, though groups share them: an agent's log holds the rows of all its groups.
    assert list(found.agents()) == ["", "a", "b"]
    assert [probe.title for probe in opened.probes()] == [
        "GameHub", "Game History", "Game History, agent a", "Game History, agent b",
    ]  # fmt: skip
    Path("agents.json").write_text('{"390": {"agent_code": "c", "agent_token": "t"}}')
    # One operation asks the same agents from its beginning to its end.
    assert list(found.agents()) == ["", "a", "b"]
    assert list(session(opened).agents()) == ["", "c"]


def test_an_operation_reads_the_file_of_the_agents_once(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = gateway({"382": "a", "383": "b"}, **DEFAULT)
    looks: list[object] = []
    read = opened._live.gamelog_agents

    def counted() -> dict[str, str]:
        looks.append(None)
        return read()

    monkeypatch.setattr(opened._live, "gamelog_agents", counted)
    for caller in (EVERYONE, Caller("partner", frozenset({382, 383}))):
        looks.clear()
        found = opened.session(Operation("{ __typename }", caller=caller))
        assert len(looks) == 0
        assert [found.agent_of_group(group) for group in (*range(382, 400), 382)] == ["a", "b", *[""] * 16, "a"]
        assert found.many_agents
        assert [found.agent_of("a"), found.agent_of("c")] == ["a", ""]
        assert len(looks) == 1


def test_a_caller_of_some_groups_has_their_agents_alone() -> None:
    opened = gateway({"382": "a", "383": "a", "384": "b"}, **DEFAULT)
    for groups, agents in (((382,), ["a"]), ((384, 386), ["", "b"]), ((), [])):
        found = opened.session(Operation("{ __typename }", caller=Caller("partner", frozenset(groups))))
        assert list(found.agents()) == agents
        assert found.many_agents
    assert session(opened).visibility is None


def test_agents_of_groups_alone() -> None:
    assert list(session(gateway({"382": "a"}, GAMELOG_URL="http://127.0.0.1:9")).agents()) == ["a"]


async def test_calls_look_at_the_settings_four_times_per_second(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    stat = os.stat

    def counted(path: str, **options: bool) -> os.stat_result:
        if not options:  # the journal, too, asks for its file
            looks.append(path)
        return stat(path, **options)

    def write(token: str) -> None:
        Path("token").write_text(token)

    write("old")
    async with serving() as server:
        server.reply = lambda received: (
            Reply({"error": False, "report": [{"id": 347}]})
            if received.query["api_token"] == Path("token").read_text()
            else Reply({"error": True, "code": "00001", "message": "no"}, 401)
        )
        opened = gateway(GAMEHUB_URL=server.url, GAMEHUB_TOKEN_FILE="token", CACHE_URL="off")
        async with opened.open():
            monkeypatch.setattr("upstream.transport.watched.os.stat", counted)
            began = time.monotonic()
            for _ in range(50):
                await opened.fetch(Call.of(GROUPS))
            # Each look is at the settings (twice) and at the file of the token.
            assert len(looks) <= 3 * (1 + int((time.monotonic() - began) / LOOK_SECONDS))
            write("new")
            for _ in range(50):
                await opened.fetch(Call.of(GROUPS))
    assert [received.query["api_token"] for received in server.requests].count("old") <= 51
    assert len(server.requests) <= 101


async def test_a_missing_system_names_its_setting() -> None:
    opened = gateway(**DEFAULT)
    async with opened.open():
        with pytest.raises(Unavailable, match="GameHub is not configured: set GAMEHUB_URL and GAMEHUB_TOKEN"):
            await opened.fetch(Call.of(GROUPS))
    assert opened.upstream_probes().names == ["Game History"]
    assert opened.notes() == ["GameHub is not configured: set GAMEHUB_URL and GAMEHUB_TOKEN."]


async def test_probes_are_calls_that_may_be_made() -> None:
    opened = gateway(GAMEHUB_URL="http://127.0.0.1:9", GAMEHUB_TOKEN="t", **DEFAULT)
    async with opened.open():
        probes = opened.upstream_probes()
        found = [(await probes.look(name)).wrong for name in probes.names]
    assert probes.names == ["GameHub", "Game History"]
    assert all(wrong is not None and wrong.startswith("UPSTREAM_UNAVAILABLE: ") for wrong in found)
    assert {probe.call.report for probe in opened.probes()} >= {GAME_LOGS}


async def test_the_health_of_upstreams_says_whether_their_figures_are_made_up() -> None:
    marked = False
    async with serving() as server:
        server.reply = lambda received: Reply(
            {"error": False, "report": []}, headers={"X-Sandbox": "made-up data"} if marked else {}
        )
        for marked in (False, True):
            server.requests.clear()
            opened = gateway(GAMEHUB_URL=server.url, GAMEHUB_TOKEN="t", GAMELOG_URL="http://127.0.0.1:9", **AGENT)
            probes = opened.upstream_probes()
            async with opened.open():
                assert opened.sandbox is False  # nothing has answered yet
                for _ in range(3):
                    health = await opened.health(probes)
                    hub, log = health.upstreams
                    assert (hub.name, hub.sandbox, hub.wrong) == ("GameHub", marked, None)
                    assert (log.name, log.sandbox) == ("Game History", False)
                    assert log.wrong is not None
                    assert log.wrong.startswith("UPSTREAM_UNAVAILABLE: ")
                    assert opened.sandbox is marked
                # The probe alone was a call, and only the first time.
                assert len(server.requests) == 1
                await opened.fetch(Call.of(GROUPS))
                assert (await opened.health(probes)).upstreams[0].age is not None
                assert len(server.requests) == 2
            assert (health.cache.store, health.cache.entries, health.cache.wrong) == ("memory", 0, None)
    opened = gateway(GAMEHUB_URL="http://127.0.0.1:9", GAMEHUB_TOKEN="t", CACHE_URL="off")
    async with opened.open():
        health = await opened.health(opened.upstream_probes())
    assert [(one.name, one.age is None) for one in health.upstreams] == [("GameHub", False), ("Game History", True)]
    assert health.cache.store == "off"


def test_a_sandbox_of_its_own_is_known_before_it_answers() -> None:
    opened = Gateway(LiveSettings(gateway(**DEFAULT)._settings, env_file=None, sandbox=True))
    assert opened.sandbox is True
