"""The identity of an export folder: two exports with different identities must not mix their days."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from graphql.utilities import strip_ignored_characters

from server.tables.formats import Format
from server.tables.table import Table

VERSION = 1


class FolderIdentity(msgspec.Struct, frozen=True):
    """The facts that are the same for all days of a folder.

    `query` is the hash of the document that reads the rows. `columns` are the types by name, in their order. `each` is
    the variable that differs between the subfolders. `upstream` is a hash of the addresses and time zones of the
    upstreams.
    """

    table: str
    format: str
    query: str
    columns: dict[str, str]
    variables: dict[str, Any]
    each: str | None
    zone: str
    upstream: str
    version: int = VERSION

    @classmethod
    def of(
        cls,
        table: Table,
        form: Format,
        variables: Mapping[str, Any],
        each: str | None,
        zone: ZoneInfo,
        upstream: str,
    ) -> "FolderIdentity":
        """Return the identity of an export of a table."""
        document = strip_ignored_characters(table.document)
        return cls(
            table.name,
            form.name,
            hashlib.sha256(document.encode()).hexdigest(),
            {column.name: f"{column.type}{'' if column.nullable else ' not null'}" for column in table.columns},
            {name: variables[name] for name in sorted(variables)},
            each,
            zone.key,
            upstream,
        )

    def differences(self, other: "FolderIdentity") -> list[str]:
        """Return what another export has that this one has not, in words: one line for each."""
        found = [
            *_changed("column", self.columns, other.columns),
            *_changed("variable", self.variables, other.variables),
        ]
        if not found and list(self.columns) != list(other.columns):
            found.append("the columns have another order")
        if not found and self.query != other.query:
            found.append("the text of the query is another")
        names = {"format": "format", "zone": "BUSINESS_TIMEZONE", "each": "--each", "version": "version of the ledger"}
        for name, title in names.items():
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                found.append(f"{title} is {theirs or 'not given'}, not {mine or 'absent'}")
        if self.upstream != other.upstream:
            found.append("the addresses or time zones of the upstreams are others")
        return found


def _changed(what: str, mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    for name in theirs:
        if name not in mine:
            yield f"{what} {name} is new"
        elif mine[name] != theirs[name]:
            yield f"{what} {name} is {theirs[name]}, not {mine[name]}"
    for name in mine:
        if name not in theirs:
            yield f"{what} {name} is gone"
