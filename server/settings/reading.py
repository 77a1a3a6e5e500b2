"""Read the settings from the environment and from `.env`."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import dotenv
from pydantic import ValidationError, create_model
from pydantic_settings import BaseSettings

from server.settings.consistency import inconsistencies
from server.settings.misspelt import Misspelt, misspelt
from server.settings.settings import NAMES, Settings

T = TypeVar("T", bound=BaseSettings)

ENV_FILE = Path(".env")


class WrongSettings(ValueError):
    """Settings that cannot be used. Each has one line that says what is wrong and what is allowed, without secrets."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


def load(env_file: Path = ENV_FILE) -> Settings:
    """Return the settings, complete and consistent. Raises WrongSettings."""
    lines = look_for_misspelt(env_file).wrong
    settings = _read(Settings, env_file, lines)
    lines += inconsistencies(settings)
    if lines:
        raise WrongSettings(lines)
    return settings


def load_part(*names: str, env_file: Path = ENV_FILE) -> Settings:
    """Return settings of which only these are read. The others have their defaults, so their faults do not matter.

    Raises WrongSettings.
    """
    fields: dict[str, Any] = {
        name: (Settings.model_fields[name].annotation, Settings.model_fields[name]) for name in names
    }
    part = create_model("SomeSettings", __base__=_PartOfSettings, **fields)
    lines = look_for_misspelt(env_file, [name.upper() for name in names]).wrong
    read = _read(part, env_file, lines)
    if lines:
        raise WrongSettings(lines)
    return Settings.model_construct(read.model_fields_set, **dict(read))


class _PartOfSettings(BaseSettings):
    model_config = Settings.model_config


def _read(kind: type[T], env_file: Path, lines: list[str]) -> T:
    """Return the settings of the environment and the file. Raises WrongSettings, which begins with `lines`."""
    try:
        return kind(_env_file=env_file)
    except ValidationError as error:
        raise WrongSettings(lines + [_line(problem) for problem in error.errors(include_url=False)]) from None
    except UnicodeDecodeError:
        raise WrongSettings([f"{env_file} is not UTF-8 text"]) from None
    except OSError as error:
        raise WrongSettings([f"{env_file} cannot be read: {error.strerror}"]) from None


def look_for_misspelt(env_file: Path = ENV_FILE, settings: Collection[str] | None = None) -> Misspelt:
    """Return the names in the file and in the environment that look like misspelt settings, by default like any."""
    try:
        names = list(dotenv.dotenv_values(env_file)) if env_file.is_file() else []
    except (OSError, UnicodeDecodeError):
        names = []  # reported when the settings are read
    found = misspelt(names, env_file, os.environ, NAMES)
    if settings is None:
        return found
    ends = tuple(f"did you mean {name}?" for name in settings)
    return Misspelt([line for line in found.wrong if line.endswith(ends)])


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
