"""Describe the owners of rows: what a parameter names, and which columns name the group and the user of a row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property


class OwnerKind(Enum):
    """Name what a parameter may name, and who may own an object."""

    GROUP = "a group"
    FAMILY = "a group and all below it"
    USER = "a user"
    CODE = "a user, by the code of Game History"


@dataclass(frozen=True, slots=True)
class OwnerColumns:
    """Name the columns of a group or a user: its id and the partner's id, of which one is enough, and more."""

    id: str
    external: str = ""
    more: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Return all of them."""
        return tuple(name for name in (self.id, self.external, *self.more) if name)


@dataclass(frozen=True, eq=False)
class Owner:
    """Describe the owner of a row, or of an object inside a row.

    `by` says whether the group or the user decides if a caller of some groups sees the row; None: every caller sees it.
    The values of `group` and `user` are removed from a visible row if the caller may not see that group or user.
    `parts` are the columns of objects inside. If no object is left, `only_with_parts` are removed, too.
    """

    by: OwnerKind | None = None
    group: OwnerColumns | None = None
    user: OwnerColumns | None = None
    parts: Mapping[str, "Owner"] = field(default_factory=dict)
    only_with_parts: tuple[str, ...] = ()

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that say which group and which user own a row, apart from objects inside it."""
        owners = [each for each in (self.group, self.user) if each is not None]
        return tuple(name for each in owners for name in (each.id, each.external) if name)

    @property
    def names_users(self) -> bool:
        """Return whether the users of a group must be known to decide what is visible."""
        return self.user is not None or any(part.names_users for part in self.parts.values())
