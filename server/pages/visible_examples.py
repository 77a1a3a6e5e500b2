"""Examples that the caller sees.

Callers see different groups, so an example of a saved query that the caller does not see is replaced by one that the
caller sees.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from resolvers.caller import Caller
from server.execution.examples import resolve, value_of
from server.execution.execution import Executor
from server.execution.operation import Operation
from server.execution.saved import SavedQuery, document_of
from server.pages.choices import CHOICES, kinds_of_variables

# Where the ids of a kind stand in an answer about choices. A group is one with users: most queries about a group
# without users have nothing to show.
PLACES: Mapping[str, tuple[str, str]] = {
    "Group": (CHOICES["User"].all, "all.nodes.*.group.id"),
    "User": (CHOICES["User"].all, "all.nodes.*.id"),
    "Room": (CHOICES["Room"].all, "all.*.id"),
}


async def visible(saved: Sequence[SavedQuery], executor: Executor, caller: Caller) -> list[SavedQuery]:
    """Return the saved queries with examples that the caller sees."""
    found = _ExamplesOfCaller(executor, caller)
    own = await asyncio.gather(*(found.replaced(one) for one in saved))
    return [replace(one, variables=await resolve(one.variables, own, executor, caller)) for one in own]


class _ExamplesOfCaller:
    """Finds the examples of one caller. Each query is run once."""

    def __init__(self, executor: Executor, caller: Caller) -> None:
        self._executor = executor
        self._caller = caller
        self._values: dict[tuple[str, str], asyncio.Task[Any]] = {}

    async def replaced(self, one: SavedQuery) -> SavedQuery:
        """Return a saved query with examples that the caller sees. An example stays if nothing replaces it."""
        document = document_of(one.text, self._executor.schema)
        if document.errors or not one.variables:
            return one
        kinds = kinds_of_variables(document.operations[one.name], self._executor.schema._schema)
        variables = dict(one.variables)
        for name, value in one.variables.items():
            kind = kinds.get(name, "")
            if kind in PLACES and isinstance(value, str) and not value.startswith("@"):
                variables[name] = await self._one(kind, value)
        return replace(one, variables=variables)

    async def _one(self, kind: str, id: str) -> str:
        check = CHOICES[kind].one
        if check is not None and await self._run(check, "one.id", id) == id:
            return id
        values = await self._run(*PLACES[kind]) or ()
        return id if id in values else next((each for each in values if each is not None), id)

    def _run(self, text: str, path: str, id: str | None = None) -> Any:
        task = self._values.get((text + path, id or ""))
        if task is None:
            operation = Operation(text, None, {} if id is None else {"id": id}, caller=self._caller)
            task = asyncio.create_task(value_of(operation, path, self._executor))
            self._values[text + path, id or ""] = task
        return task
