"""The agents of Game History, by group (C22)."""

import json
from pathlib import Path

import pytest

from upstream.agents import Agent, Agents
from upstream.transport.secret import Secret, SecretMissing


def write(path: Path, **codes: str) -> None:
    path.write_text(json.dumps({group: {"agent_code": code, "agent_token": f"token of {code}"}
                                for group, code in codes.items()}))  # fmt: skip


def test_c22_a_group_has_its_agent_or_the_default(tmp_path: Path) -> None:
    file = tmp_path / "agents.json"
    write(file, **{"382": "one", "383": "one", "384": "two"})
    agents = Agents(Agent("mine", Secret("token of mine")), file)
    assert [agents.of_group(group) for group in (382, "383", 384, 385)] == ["one", "one", "two", ""]
    assert [agents.agent(code).token.value() for code in ("one", "two", "", "mine")] == [
        "token of one",
        "token of two",
        "token of mine",
        "token of mine",
    ]


def test_c22_a_changed_file_is_picked_up(tmp_path: Path) -> None:
    file = tmp_path / "agents.json"
    write(file, **{"382": "one"})
    agents = Agents(None, file)
    one = agents.agent("one")
    one.token.value()
    write(file, **{"382": "another"})
    assert agents.of_group(382) == "another"
    with pytest.raises(SecretMissing):
        one.token.value()
    assert set(agents.known()) == {"token of one", "token of another"}


@pytest.mark.parametrize("text", ["[]", "{", '{"382": "token-of-one"}', '{"382": {"agent_code": "one"}}', "null", "7"])
def test_a_file_that_is_no_map_is_an_error_that_quotes_nothing(text: str, tmp_path: Path) -> None:
    file = tmp_path / "agents.json"
    file.write_text(text)
    agents = Agents(Agent("mine", Secret("mine")), file)
    with pytest.raises(SecretMissing) as caught:
        agents.of_group(382)
    assert "token-of-one" not in str(caught.value)
    assert agents.agent().code == "mine"


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_c03_a_file_that_is_spoilt_before_the_first_call_leaves_the_agents_as_they_were(
    text: str, tmp_path: Path
) -> None:
    file = tmp_path / "agents.json"
    write(file, **{"382": "one"})
    agents = Agents(None, file)
    file.write_text(text)
    assert agents.of_group(382) == "one"
    assert agents.agent("one").token.value() == "token of one"
    write(file, **{"382": "two"})
    assert agents.of_group(382) == "two"


def test_without_a_default_there_must_be_a_map() -> None:
    with pytest.raises(SecretMissing, match="no default agent is set"):
        Agents().agent()
    assert Agents().of_group(1) == ""
