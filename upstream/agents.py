"""Hold the agents of Game History: one for all groups, and others for some groups (C22)."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from upstream.transport.secret import File, Secret, SecretMissing
from upstream.transport.watched import Lately

_log = structlog.get_logger("upstream.agents")


@dataclass(frozen=True, slots=True)
class Agent:
    """Hold an agent: its code, which is not secret, and its token."""

    code: str
    token: Secret


class Agents:
    """Hold the default agent, and those of a file `{"382": {"agent_code": "...", "agent_token": "..."}}` by group id.

    A changed file is read at the next call, or at the first one after so many `seconds`. If the new text is not such
    JSON, the agents stay as they were; if no text was valid so far, a call of an agent in the file fails. The default
    agent does not depend on the file.
    """

    def __init__(self, default: Agent | None = None, file: Path | None = None, seconds: float = 0.0) -> None:
        self._default = default
        self._file = File(file) if file is not None else None
        self._text: str | None = None
        self._groups: dict[str, str] = {}
        self._agents: dict[str, tuple[Agent, str]] = {}
        self._seconds = seconds
        self._look = Lately(self._load, seconds)
        self._wrong: str | None = None  # the last text that was not a map
        with suppress(SecretMissing):
            self._load()

    def of_group(self, group_id: int | str) -> str:
        """Return the code of a group's agent for `Call.agent`: "" if the default serves it. Raise SecretMissing."""
        self._load()
        return self._groups.get(str(group_id), "")

    def agent(self, code: str = "") -> Agent:
        """Return the agent of this code, "" for the default. Raise SecretMissing if there is none."""
        default = self._default
        if default is not None and code in ("", default.code):
            return default
        if code == "":
            raise SecretMissing("no default agent is set")
        self._look()
        if code not in self._agents:
            raise SecretMissing(f"no agent has the code {code!r}")
        return self._agents[code][0]

    def known(self) -> list[str]:
        """Return every token seen so far, for the redaction."""
        agents = [agent for agent, _ in self._agents.values()]
        if self._default is not None:
            agents.append(self._default)
        return [value for agent in agents for value in agent.token.known()]

    def _load(self) -> None:
        if self._file is None:
            return
        text = self._file.read()
        if text == self._text or (text == self._wrong and self._text is not None):
            return
        try:
            groups = {
                str(group): (str(agent["agent_code"]), str(agent["agent_token"])) for group, agent in _pairs(text)
            }
        except (ValueError, KeyError, TypeError, AttributeError):
            self._wrong = text
            if self._text is not None:
                _log.warning("agents.unusable", file=str(self._file.path), kept="the agents of before")
                return
            # The message of the JSON reader quotes the text, and with it a token.
            raise SecretMissing(f"the file {self._file.path} is not a JSON map of group id to agent") from None
        for code, token in groups.values():
            # The agent stays the same object, so that it remembers its former tokens.
            agent = (
                self._agents[code][0]
                if code in self._agents
                else Agent(code, Secret(self._token_of(code), self._seconds))
            )
            self._agents[code] = (agent, token)
        gone = self._agents.keys() - {code for code, _ in groups.values()}
        for code in gone:
            self._agents[code] = (self._agents[code][0], "")
        self._groups = {group: code for group, (code, _) in groups.items()}
        self._text, self._wrong = text, None

    def _token_of(self, code: str) -> Callable[[], str]:
        def token() -> str:
            self._load()
            return self._agents[code][1]

        return token


def _pairs(text: str) -> list[tuple[str, Any]]:
    return list(json.loads(text).items())
