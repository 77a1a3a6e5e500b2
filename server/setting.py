"""One setting: what it is for, what its value may be, and how its text in the environment or in `.env` is read."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, TypeVar, cast, get_args, get_origin

import dotenv

T = TypeVar("T")


class WrongSetting(ValueError):
    """A value that cannot be used; the text says what it is, and the value only where it is no secret."""


@dataclass(frozen=True, slots=True)
class Line:
    """What the table says of a setting, beside its name, type and default."""

    help: str
    allowed: str
    gt: float | None = None
    ge: float | None = None
    le: float | None = None

    def bounds(self, value: float) -> bool:
        """Whether a number is within them; one that is none (`nan`) never is."""
        return (
            (self.gt is None or value > self.gt)
            and (self.ge is None or value >= self.ge)
            and (self.le is None or value <= self.le)
        )


def setting(default: T, help: str, allowed: str, *, secret: bool = False, **bounds: float) -> T:
    """A line of the table: the default, what it is for, and what a value may be. A secret is not shown."""
    return field(default=default, repr=not secret, metadata={"line": Line(help, allowed, **bounds)})


def texts(env_file: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str | None]:
    """What is written, by name in small letters: in the environment, or else in `.env`. An empty value is none."""
    written = dotenv.dotenv_values(env_file, encoding="utf-8") if env_file.is_file() else {}
    found = {}
    for source in (written, environment):
        found.update({name.lower(): text for name, text in source.items() if text != ""})
    return found


def read(text: str | None, kind: Any, line: Line) -> Any:
    """The value of a text, as the type of its setting wants it. Raises WrongSetting."""
    wrong = WrongSetting("is not one of the allowed values")
    kinds = [one for one in get_args(kind) if one is not NoneType] if NoneType in get_args(kind) else [kind]
    if text is None:  # a name in `.env` without a value
        if kinds != [kind]:
            return None
        raise wrong
    plain, *checks = get_args(kinds[0]) if get_origin(kinds[0]) is Annotated else kinds
    try:
        value = _value(text, plain)
    except ValueError:
        raise wrong from None
    if isinstance(value, int | float) and not line.bounds(value):
        raise wrong
    for check in cast(list[Callable[[Any], Any]], checks):
        try:
            value = check(value)
        except ValueError as error:
            raise WrongSetting(str(error)) from None
    return value


def _value(text: str, kind: Any) -> Any:
    """A text as a value of a type; ValueError if it is none."""
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise ValueError
        return text
    assert kind in (str, int, float, Path) or issubclass(kind, Enum)
    return kind(text)
