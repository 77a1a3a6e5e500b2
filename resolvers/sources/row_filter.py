"""Filter the rows of an answer for a caller that sees some groups only, by what the table of reports says of owners."""

import copy
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any

from upstream.call import Answer
from upstream.errors import UpstreamError
from upstream.reports.owner import Owner, OwnerColumns, OwnerKind
from upstream.reports.rows import Row, UserRow


@dataclass(frozen=True)
class Members:
    """The users of the groups that a caller sees, by id, each with the group. `made_up` during a prediction."""

    users: Mapping[int, tuple[int, UserRow]]
    made_up: bool = False

    @cached_property
    def external_users(self) -> Set[str]:
        """Return the partner's ids of the users."""
        return {row.external_user_id for _, row in self.users.values() if row.external_user_id is not None}

    @cached_property
    def external_groups(self) -> Set[str]:
        """Return the partner's ids of their groups."""
        return {row.external_group_id for _, row in self.users.values() if row.external_group_id is not None}


class RowFilter:
    """Filters rows for a caller. `named` are the kinds of owner that the parameters of the call named.

    `nameless` counts the rows that lost their user because that user is hidden. `unowned` counts the rows that were
    dropped because they name no group.
    """

    def __init__(self, groups: Set[int], members: Members, named: Set[OwnerKind | None]) -> None:
        self.groups = groups
        self.members = members
        self.named = named
        self.nameless = 0
        self.unowned = 0

    def visible(self, owner: Owner, answer: Answer[Any]) -> Answer[Any]:
        """Return the visible part of a veiled answer."""
        if self._sees_all(owner, answer.rows):
            return answer
        return self._visible_part(owner, answer) if answer.partial else answer.like(self._visible(owner, answer.rows))

    def _sees_all(self, owner: Owner, rows: Sequence[Any]) -> bool:
        """Return whether each row names a visible group and a visible user by its id, as far as rows of this kind do.

        Such rows stay as they are. Ids are compared for all rows at once.
        """
        if owner.parts or owner.only_with_parts:
            return False
        group, user = owner.group, owner.user
        try:
            return (group is None or set(map(attrgetter(group.id), rows)) <= self.groups) and (
                user is None or set(map(attrgetter(user.id), rows)) <= self.members.users.keys()
            )
        except UpstreamError:
            return False  # a bad value: it is looked at row by row

    def _visible_part(self, owner: Owner, answer: Answer[Any]) -> Answer[Any]:
        """Return the visible part of partial rows. Rows of the same owners are decided about once."""
        decided: dict[Any, tuple[Sequence[str] | None, int, int]] = {}
        places: list[int] = []
        hidden: dict[int, Sequence[str]] = {}
        for place, owners in enumerate(answer.values(owner.columns)):
            known = decided.get(owners)
            if known is None:
                nameless, unowned = self.nameless, self.unowned
                columns = self._hidden(owner, answer.rows[place])
                decided[owners] = columns, self.nameless - nameless, self.unowned - unowned
            else:
                columns, nameless, unowned = known
                self.nameless += nameless
                self.unowned += unowned
            if columns is not None:
                if columns:
                    hidden[len(places)] = columns
                places.append(place)
        return answer.part(places, hidden)

    def _visible(self, owner: Owner, rows: list[Any]) -> list[Any]:
        """Return the visible rows. A row is copied where a part of it is hidden."""
        if self._sees_all(owner, rows):
            return rows
        seen = [self._visible_row(owner, row) for row in rows]
        return [row for row in seen if row is not None]

    def _visible_row(self, owner: Owner, row: Any) -> Any | None:
        hidden = self._hidden(owner, row)
        if hidden is None:
            return None
        less: dict[str, Any] = {name: None for name in hidden if getattr(row, name) is not None}
        less.update(self._visible_parts(owner, row))
        if not less:
            return row
        row = copy.copy(row)  # rows are shared
        for name, value in less.items():
            setattr(row, name, value)
        return row

    def _hidden(self, owner: Owner, row: Any) -> Sequence[str] | None:
        """Return the columns of a row that name hidden owners; None if the row itself is hidden."""
        group = None if owner.group is None else self._sees_group(owner.group, row)
        user = None if owner.user is None else self._sees_user(owner.user, row)
        if group is None and OwnerKind.GROUP in self.named:
            group = True
        if owner.by is OwnerKind.GROUP:
            # A row without a group is visible if the call named a visible user.
            if not (OwnerKind.USER in self.named if group is None else group):
                self.unowned += group is None
                return None
        elif owner.by is OwnerKind.USER and not (group if user is None else user):
            return None
        hidden: Sequence[str] = ()
        if owner.group is not None and not group:
            hidden = owner.group.columns
        if owner.user is not None and not user:
            hidden = (*hidden, *owner.user.columns)
            self.nameless += getattr(row, owner.user.id) is not None
        return hidden

    def _visible_parts(self, owner: Owner, row: Any) -> Iterable[tuple[str, Any]]:
        """Yield the nested columns that change, with their visible value."""
        left = False
        for name, part in owner.parts.items():
            value = getattr(row, name)
            if isinstance(value, list):
                seen = self._visible(part, value)
                left = left or bool(seen)
                if len(seen) < len(value) or any(a is not b for a, b in zip(seen, value, strict=True)):
                    yield name, seen
            elif isinstance(value, Row):
                one = self._visible_row(part, value)
                left = left or one is not None
                if one is not value:
                    yield name, one
        if not left:
            yield from ((name, None) for name in owner.only_with_parts)

    def _sees_group(self, columns: OwnerColumns, row: Any) -> bool | None:
        return _sees(columns, row, self.groups, self.members.external_groups)

    def _sees_user(self, columns: OwnerColumns, row: Any) -> bool | None:
        return _sees(columns, row, self.members.users, self.members.external_users)


def _sees(columns: OwnerColumns, row: Any, ids: Any, external: Set[str]) -> bool | None:
    """Return whether the owner in these columns is visible; None if the columns name none."""
    id = getattr(row, columns.id)
    if id is not None:
        return id in ids
    code = getattr(row, columns.external) if columns.external else None
    return None if code is None else code in external
