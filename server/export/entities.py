"""The entities of an export with `--each`: the values of one variable of the table, a subfolder for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from server.execution.operation import Operation
from server.export.ledger import WrongExport
from server.http.request_error import error
from server.tables.reading import Run, TableFailed
from server.tables.table import Table
from server.tables.window import TableWindow

GROUPS = "query Exported { groups { nodes { id } } }"
USERS = "query Exported($group: ID) { users(groupId: $group) { nodes { id } } }"
ROOMS = "query Exported($during: Period) { rooms(during: $during) { id } }"
# The report has the movements of a group and of all groups below it. No report lists these groups.
BELOW = """query Exported($group: ID!, $during: Period) {
  financialMovements(groupId: $group, during: $during) { nodes { group { id } } }
}"""


class EntityVariable(Enum):
    """The variables by which an export can be divided."""

    GROUP = "group"
    ROOM = "room"
    USER = "user"


@dataclass(frozen=True, slots=True)
class EntityChoice:
    """Which entities are exported: those of a list, those below a group, or else all that are visible."""

    each: EntityVariable
    ids: Sequence[str] = ()
    below: str | None = None

    @classmethod
    def of(cls, table: Table, each: str, ids: str | None, below: str | None) -> "EntityChoice":
        """Return the choice of the options of the command. Raises WrongExport."""
        if each not in {one.value for one in EntityVariable}:
            raise WrongExport(f"--each is group, room or user, not {each!r}")
        if all(variable.name != each for variable in table.variables):
            given = ", ".join(variable.name for variable in table.variables) or "none"
            raise WrongExport(f"{table.name} cannot be divided by {each}: its variables are {given}")
        if any(column.name.lower() in (each, "day") for column in table.columns):
            raise WrongExport(f"{table.name} has a column {each} or day of its own, which the folders would hide")
        chosen = [one.strip() for one in (ids or "").split(",") if one.strip()]
        for one in (*chosen, *([] if below is None else [below])):
            if not (one.isascii() and one.isdigit()):
                raise WrongExport(f"{one!r} is no id: write numbers, as in --ids 382,383 or --below 347")
        if chosen and below is not None:
            raise WrongExport("give either --ids or --below")
        if below is not None and each == EntityVariable.ROOM.value:
            raise WrongExport("rooms are below no group: leave out --below")
        return cls(EntityVariable(each), tuple(dict.fromkeys(str(int(one)) for one in chosen)), below)

    @property
    def open(self) -> bool:
        """Return whether entities that earlier runs exported belong to it as well."""
        return not self.ids and self.below is None

    def name(self, id: str) -> str:
        """Return an entity as it is written in paths: `group=382`."""
        return f"{self.each.value}={id}"

    async def find(self, run: Run, window: TableWindow | None) -> list[str]:
        """Return the entities, by id. Raises TableFailed."""
        found = list(self.ids) or await self._ids(run, window)
        return [self.name(id) for id in sorted(found, key=int)]

    async def _ids(self, run: Run, window: TableWindow | None) -> list[str]:
        during = None if window is None else _period(window)
        if self.each is EntityVariable.ROOM:
            return [room["id"] for room in (await _data(run, ROOMS, {"during": during}))["rooms"] or ()]
        groups: list[str] | None = None
        if self.below is not None:
            data = await _data(run, BELOW, {"group": self.below, "during": during})
            movements = (data["financialMovements"] or {"nodes": ()})["nodes"]
            named = {node["group"]["id"] for node in movements if node["group"] is not None}
            groups = [*named | {self.below}]
        if self.each is EntityVariable.GROUP:
            return groups or [node["id"] for node in (await _data(run, GROUPS, {}))["groups"]["nodes"]]
        found = [await _data(run, USERS, {"group": group}) for group in groups or (None,)]
        return [*dict.fromkeys(node["id"] for data in found for node in data["users"]["nodes"])]


def _period(window: TableWindow) -> dict[str, Any]:
    return {"dates": {"from": window.pieces[0].text, "to": window.pieces[-1].text}}


async def _data(run: Run, text: str, variables: dict[str, Any]) -> Any:
    outcome = await run(Operation(text, "Exported", variables, whole=True))
    if outcome.errors or outcome.data is None:
        first = outcome.errors[0] if outcome.errors else error("There is no data.", "INTERNAL_SERVER_ERROR")
        raise TableFailed(first.get("extensions", {}).get("code", "INTERNAL_SERVER_ERROR"), first["message"])
    return outcome.data
