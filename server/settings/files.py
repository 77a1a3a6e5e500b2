"""Read the files that settings name: tokens, the address of the cache, the agents of groups."""

from pathlib import Path

import orjson
from pydantic import SecretStr

from server.settings.values import CACHE_ADDRESS, TOKEN, check_cache_url, check_printable


def read_token(path: Path) -> str:
    """Return the token in a file. Raises ValueError, which says what is wrong without the token."""
    text = _read(path).strip()
    if not text:
        raise ValueError(f"names {str(path)!r}, which is empty; allowed is a file that holds {TOKEN}")
    try:
        check_printable(SecretStr(text))
    except ValueError:
        raise ValueError(f"names {str(path)!r}, which holds more than a token; allowed is {TOKEN}") from None
    return text


def read_cache_url(path: Path) -> str:
    """Return the address of the cache in a file. Raises ValueError, which says what is wrong without the address."""
    text = _read(path).strip()
    if not text:
        raise ValueError(f"names {str(path)!r}, which is empty; allowed is a file that holds {CACHE_ADDRESS}")
    try:
        check_cache_url(SecretStr(text))
    except ValueError as error:
        raise ValueError(f"names {str(path)!r}, whose address {error}; allowed is {CACHE_ADDRESS}") from None
    return text


def read_agents(path: Path) -> dict[str, str]:
    """Return the codes of the agents by group id. Raises ValueError, which says what is wrong without a token."""
    try:
        agents = orjson.loads(_read(path))
    except orjson.JSONDecodeError as error:
        raise ValueError(
            f"names {str(path)!r}, which is not JSON (line {error.lineno}, column {error.colno})"
        ) from None
    allowed = 'allowed is {"382": {"agent_code": "…", "agent_token": "…"}}'
    if not isinstance(agents, dict):
        raise ValueError(f"names {str(path)!r}, which is not an object of groups; {allowed}")
    found = {}
    for group, agent in agents.items():
        if not (group.isascii() and group.isdigit()):
            raise ValueError(f"names {str(path)!r}, in which {group!r} is no group id; {allowed}")
        values = [agent.get(key) for key in ("agent_code", "agent_token")] if isinstance(agent, dict) else [None]
        if not all(isinstance(value, str) and value for value in values):
            raise ValueError(
                f"names {str(path)!r}, in which group {group} lacks its agent_code or agent_token; {allowed}"
            )
        found[group] = agent["agent_code"]
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"names {str(path)!r}, which is not UTF-8 text") from None
    except OSError as error:
        raise ValueError(f"names {str(path)!r}, which cannot be read: {error.strerror}") from None
