"""Find names that look like misspelt settings, in `.env` and in the environment.

A line of `.env` is meant for this program, so a name there that is close to a setting stops the start. The environment
is full of the variables of other programs. There, only a long name that differs by one letter stops the start; what
else looks like a setting is doubtful.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

# Variables that this program reads in addition to the settings.
_OURS = frozenset({"GAMEHUB_GRAPH_KEY"})
# Variables of other programs whose names are close to a setting.
FOREIGN = frozenset(
    {
        "HTTP_PROXY",
        "FTP_PROXY",
        "ALL_PROXY",
        "LOGLEVEL",
        "LOG_LEVELS",
        "HOSTS",
        "PORTS",
        "POST",
        "XHOST",
        "SSL_CERT_FILE",
        "SSL_KEY_FILE",
    }
)
# Kubernetes and Docker write such variables for each service, also for a service called gamehub.
_OF_SERVICES = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT(_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?$")
_PREFIXES = ("GAMEHUB_", "GAMELOG_")
_CLOSE = 0.85
# A shorter name is more often the name of something else.
_LONG = 8


@dataclass(slots=True)
class Misspelt:
    """Lines about names: `wrong` ones stop the start, `doubtful` ones are only said."""

    wrong: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)


def misspelt(in_file: Iterable[str], file: Path, environment: Mapping[str, str], settings: Collection[str]) -> Misspelt:
    """Return the names that look like misspelt settings. `settings` are the names of settings in capitals."""
    found = Misspelt()
    for name in in_file:
        meant = _meant(name, settings)
        if meant is not None or (name.upper().startswith(_PREFIXES) and _unknown(name, settings)):
            found.wrong.append(f"{name} in {file} is no setting{_question(meant)}")
    for name in environment:
        meant = _meant(name, settings)
        if meant is not None and len(name) >= _LONG and one_edit_apart(name.upper(), meant):
            found.wrong.append(f"{name} in the environment is no setting{_question(meant)}")
        elif _unknown(name, settings) and (
            name.upper().startswith(_PREFIXES) or (meant is not None and len(name) >= _LONG)
        ):
            found.doubtful.append(f"{name} in the environment is no setting{_question(meant)}")
    return found


def one_edit_apart(one: str, other: str) -> bool:
    """Return whether one letter was left out, added or replaced, or two neighbours were exchanged."""
    shorter, longer = sorted((one, other), key=len)
    start = next((at for at, letter in enumerate(shorter) if letter != longer[at]), len(shorter))
    if len(longer) - len(shorter) == 1:
        return shorter[start:] == longer[start + 1 :]
    if len(longer) != len(shorter) or one == other:
        return False
    exchanged = shorter[start : start + 2] == longer[start : start + 2][::-1]
    return shorter[start + 1 :] == longer[start + 1 :] or (
        exchanged and shorter[start + 2 :] == longer[start + 2 :]
    )  # fmt: skip


def _unknown(name: str, settings: Collection[str]) -> bool:
    """Return whether a name is neither a setting nor known to belong to another program."""
    capital = name.upper()
    return capital not in settings and capital not in FOREIGN | _OURS and _OF_SERVICES.search(capital) is None


def _meant(name: str, settings: Collection[str]) -> str | None:
    """Return the setting that was probably meant by an unknown name."""
    if not _unknown(name, settings):
        return None
    capital = name.upper()
    if len(capital) >= _LONG:
        return next(iter(get_close_matches(capital, settings, n=1, cutoff=_CLOSE)), None)
    return next((setting for setting in settings if one_edit_apart(capital, setting)), None)


def _question(meant: str | None) -> str:
    return f"; did you mean {meant}?" if meant is not None else ""
