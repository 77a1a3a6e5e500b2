"""The caller of an operation: its name, the groups it may see, and its permissions."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller."""

    name: str  # for logs, metrics, limits; never a secret
    groups: frozenset[int] | None = None  # the groups it may see; None: all
    permissions: frozenset[str] = frozenset()  # explore, tables, metrics, admin


EVERYONE = Caller("open", None, frozenset({"explore", "tables", "metrics", "admin"}))
