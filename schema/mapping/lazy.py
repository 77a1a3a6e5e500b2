"""Name a type of the graph before its module is imported, so that two modules can refer to each other's types."""

import re
from typing import Annotated, Any

import strawberry

_WORD = re.compile(r"(?<!^)(?=[A-Z])")


def lazy(name: str) -> Any:
    """Return the type of this name, which Strawberry imports later: `GameLog` from `schema.game_log`."""
    module = _WORD.sub("_", name).lower()
    return Annotated[name, strawberry.lazy(f"schema.{module}")]


def list_of(name: str) -> Any:
    """Return the type of a list of a type of the graph."""
    return list[lazy(name)]  # type: ignore[misc]
