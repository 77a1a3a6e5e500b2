"""The tokens: GameHub tokens, each with its language, and Game History agents. Both may change at any time."""

from dataclasses import dataclass, field

TOKEN = "sandbox-token"
AGENT, AGENT_TOKEN = "sandbox-agent", "sandbox-agent-token"


@dataclass(frozen=True)
class SandboxAgent:
    """An agent of the game log: its token, and whether it serves the players of all groups or no players."""

    token: str
    serves: bool


def _default_tokens() -> dict[str, str]:
    return {TOKEN: "en", f"{TOKEN}-es": "es"}


def _default_agents() -> dict[str, SandboxAgent]:
    return {
        AGENT: SandboxAgent(AGENT_TOKEN, True),
        "sandbox-idle-agent": SandboxAgent("sandbox-idle-agent-token", False),
    }


@dataclass
class SandboxTokens:
    """The valid tokens. `gamehub` maps a token to its language, `agents` maps a code to its agent."""

    gamehub: dict[str, str] = field(default_factory=_default_tokens)
    agents: dict[str, SandboxAgent] = field(default_factory=_default_agents)

    def reset(self) -> None:
        """Restore the tokens that the sandbox starts with."""
        self.gamehub, self.agents = _default_tokens(), _default_agents()
