"""The names and external ids of groups and users, in every report that has them.

Thousands of rows contain one name. So one difference names the group or user, every spelling, and the first row with
the rarest spelling, however many rows there are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from resolvers.reconcile.figures import WHOLE_ROW, Difference, Statement, loose

MOST_STATEMENTS = 12


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """The columns by which a row names a group or a user: the column of the id, and those of its other names."""

    kind: str
    id: str
    columns: Mapping[str, str]


GROUP = Identity("group", "group_id", {"external id": "external_group_id", "name": "group_name"})
UNNAMED_GROUP = Identity("group", "group_id", {"external id": "external_group_id"})
USER = Identity("user", "user_id", {"external id": "external_user_id", "name": "username"})
UNNAMED_USER = Identity("user", "user_id", {"external id": "external_user_id"})
CARD_WINNER = Identity("user", "user_id", {"external id": "external_user_id", "name": "user_name"})
SELLER = Identity("group", "seller_group_id", {"external id": "external_seller_group_id"})
LISTED_GROUP = Identity("group", "id", {"external id": "external_group_id", "name": "name"})
LISTED_USER = Identity("user", "id", {"external id": "external_user_id", "name": "username"})
GROUP_OF_USER = Identity("group", "group_id", {"external id": "external_group_id", "name": "fkgroup"})


@dataclass(slots=True)
class Spelling:
    """The values that differ in case alone: how many rows have them, the first such row, and where they stand."""

    rows: int = 0
    place: str = ""
    statements: list[Statement] = field(default_factory=list)


class Names:
    """Collects what rows call groups and users. `known` holds what the lists of groups and users call them."""

    def __init__(self, known: "Names | None" = None) -> None:
        self._known = known
        # By report, columns and value: how many rows have it, and the first of them.
        self._rows: dict[tuple[str, Identity, str, int, Any], list[Any]] = {}
        self._ids: dict[tuple[str, int], str] = {}

    def add(self, report: str, rows: Iterable[Any], identity: Identity, place: str = "", of: str = "") -> None:
        """Collect rows of a report. `place` names them; `of` is the column that distinguishes them."""
        read_id = attrgetter(identity.id)
        readers = [(name, attrgetter(column)) for name, column in identity.columns.items()]
        found = self._rows
        for row in rows:
            id = read_id(row)
            if id is None:
                continue
            for name, read in readers:
                key = (report, identity, name, id, read(row))
                counted = found.get(key)
                if counted is not None:
                    counted[0] += 1
                    continue
                self._ids.setdefault((identity.kind, id), report)
                found[key] = [1, f"{place} {getattr(row, of)}" if of else place]

    def _spellings(self) -> dict[tuple[str, int, str], dict[str, Spelling]]:
        """Return the spellings of each name and external id, by kind, id and what it is."""
        found: dict[tuple[str, int, str], dict[str, Spelling]] = {}
        for (report, identity, name, id, value), (rows, place) in self._rows.items():
            if value is None:
                continue
            spelling = found.setdefault((identity.kind, id, name), {}).setdefault(loose(value), Spelling())
            spelling.place = spelling.place or place
            spelling.rows += rows
            statement = Statement(report, f"{identity.id}, {identity.columns[name]}", f"{id}, {value}")
            if statement not in spelling.statements:
                spelling.statements.append(statement)
        return found

    def __len__(self) -> int:
        return len(self._ids)

    def ids(self, kind: str) -> set[int]:
        """Return the ids of all groups, or of all users, that were collected."""
        return {id for each, id in self._ids if each == kind}

    def differences(self) -> Iterable[Difference]:
        """Return a difference for each name and each external id that has several spellings."""
        known = self._known._spellings() if self._known is not None else {}
        for (kind, id, name), spellings in self._spellings().items():
            listed = known.get((kind, id, name), {})
            # Contradictions within the lists are reported once, when the lists are compared.
            if len(spellings.keys() | listed.keys()) < 2 or (listed and spellings.keys() <= listed.keys()):
                continue
            rarest = min(spellings.values(), key=lambda one: one.rows)
            more = f" and {rarest.rows - 1} more" if rarest.rows > 1 else ""
            key = f"{kind} {id}" + (f", {rarest.place}{more}" if rarest.place else "")
            statements = [each for one in (*listed.values(), *spellings.values()) for each in one.statements]
            yield Difference("names", key, name, tuple(statements[:MOST_STATEMENTS]))

    def unlisted(self, kind: str, report: str, column: str) -> Iterable[Difference]:
        """Return a difference for each group or user that rows name and its list does not have."""
        listed = self._known.ids(kind) if self._known is not None else set()
        for (each, id), named_by in self._ids.items():
            if each == kind and id not in listed:
                statements = (Statement(named_by, f"{kind}_id", str(id)), Statement(report, column, None))
                yield Difference("names", f"{kind} {id}", WHOLE_ROW, statements)


def unknown(kind: str, id: int, listed_by: str, column: str, missing_from: str) -> Difference:
    """Return the difference for a group or user that its list has and another report does not know."""
    statements = (Statement(listed_by, column, str(id)), Statement(missing_from, f"{kind}_id", None))
    return Difference("names", f"{kind} {id}", WHOLE_ROW, statements)
