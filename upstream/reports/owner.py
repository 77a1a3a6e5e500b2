"""Whose rows are: what a parameter names, and which columns of a row tell the group and the user it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class OwnerKind(Enum):
    """What a parameter may name, and whose an object may be."""

    GROUP = "a group"
    FAMILY = "a group and all below it"
    USER = "a user"
    CODE = "a user, by the code of Game History"


@dataclass(frozen=True, slots=True)
class OwnerColumns:
    """The columns that tell of a group or a user: its id and the partner's id, either of which is enough; and more."""

    id: str
    external: str = ""
    more: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(name for name in (self.id, self.external, *self.more) if name)


@dataclass(frozen=True, slots=True, eq=False)
class Owner:
    """Whose a row is, or an object inside one.

    `by` says who decides whether it is there for a caller of some groups: the group or the user that it tells; None:
    it is nobody's, and there for all. What `group` and `user` tell of somebody whom the caller may not see is taken out
    of a row that is there. `parts` are the columns of objects inside; where none of these is left, `only_with_parts`
    is taken out, too.
    """

    by: OwnerKind | None = None
    group: OwnerColumns | None = None
    user: OwnerColumns | None = None
    parts: Mapping[str, "Owner"] = field(default_factory=dict)
    only_with_parts: tuple[str, ...] = ()

    @property
    def names_users(self) -> bool:
        """Whether it takes knowing the users of a group to say what is there."""
        return self.user is not None or any(part.names_users for part in self.parts.values())
