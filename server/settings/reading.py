"""Read the settings from the environment and from `.env`."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import dotenv
from pydantic import ValidationError

from server.settings.consistency import inconsistencies
from server.settings.settings import NAMES, Settings

ENV_FILE = Path(".env")


class WrongSettings(ValueError):
    """Settings that cannot be used. Each has one line that says what is wrong and what is allowed, without secrets."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


def load(env_file: Path = ENV_FILE) -> Settings:
    """Return the settings, complete and consistent. Raises WrongSettings."""
    lines = _misspelt(env_file)
    try:
        settings = Settings(_env_file=env_file)  # type: ignore[call-arg]  # pydantic-settings' own argument
    except ValidationError as error:
        raise WrongSettings(lines + [_line(problem) for problem in error.errors(include_url=False)]) from None
    except UnicodeDecodeError:
        raise WrongSettings([f"{env_file} is not UTF-8 text"]) from None
    except OSError as error:
        raise WrongSettings([f"{env_file} cannot be read: {error.strerror}"]) from None
    lines += inconsistencies(settings)
    if lines:
        raise WrongSettings(lines)
    return settings


def _line(problem: Mapping[str, Any]) -> str:
    """Describe one wrong setting. The value itself is shown only for a time zone: addresses may hold secrets."""
    name = str(problem["loc"][0])
    if problem["type"] == "value_error":
        what = str(problem["ctx"]["error"])
        if not what.startswith(("has", "names", "holds", "is")):  # a message of urlsplit
            what = "is no address"
    else:
        what = "is not one of the allowed values"
    extra = Settings.model_fields[name].json_schema_extra
    assert isinstance(extra, dict)
    return f"{name.upper()} {what}; allowed is {extra['allowed']}"


_OTHERS = ("HTTP_PROXY", "FTP_PROXY", "ALL_PROXY")  # other programs read them


def _misspelt(env_file: Path) -> list[str]:
    """Describe names in `.env` that look like a misspelt setting. The environment is skipped: other programs use it."""
    try:
        names = list(dotenv.dotenv_values(env_file)) if env_file.is_file() else []
    except (OSError, UnicodeDecodeError):
        return []  # reported when the settings are read
    lines = []
    for name in names:
        # Short names may belong to other programs: HOSTS in `.env` is not a misspelt HOST.
        close = get_close_matches(name.upper(), NAMES, n=1, cutoff=0.85) if len(name) >= 8 else []
        if name.upper() in (*NAMES, *_OTHERS):
            continue
        if close or name.upper().startswith(("GAMEHUB_", "GAMELOG_")):
            lines.append(f"{name} in {env_file} is no setting" + (f"; did you mean {close[0]}?" if close else ""))
    return lines
