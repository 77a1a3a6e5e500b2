"""Examples from other answers: `"game": "@GamesOfRoom games.nodes.0.id"` means an id that exists today.

Ids come and go with the data. So a saved query that needs an id names a saved query and a place in its answer.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from resolvers.caller import EVERYONE, Caller
from server.execution.execution import Executor
from server.execution.operation import Operation
from server.execution.saved import SavedQuery


async def resolve(
    variables: Mapping[str, Any], saved: Sequence[SavedQuery], executor: Executor, caller: Caller = EVERYONE
) -> dict[str, Any]:
    """Return the variables with the values of their references for the caller. Drop references without a value."""
    found = {}
    for name, value in variables.items():
        if isinstance(value, str) and value.startswith("@"):
            value = await _follow(value, saved, executor, caller)
            if value is None:
                continue
        found[name] = value
    return found


async def _follow(reference: str, saved: Sequence[SavedQuery], executor: Executor, caller: Caller) -> Any:
    name, _, path = reference.removeprefix("@").partition(" ")
    source = next(one for one in saved if one.name == name)
    return await value_of(Operation(source.text, source.name, source.variables, caller=caller), path, executor)


async def value_of(operation: Operation, path: str, executor: Executor) -> Any:
    """Return the value at a place in the answer of an operation, or None. `*` stands for every item of a list."""
    return _at((await executor.run(operation)).data, path.split("."))


def _at(value: Any, steps: Sequence[str]) -> Any:
    for index, step in enumerate(steps):
        if step == "*":
            return [_at(item, steps[index + 1 :]) for item in value] if isinstance(value, list) else None
        try:
            value = value[int(step) if isinstance(value, list) else step]
        except (IndexError, KeyError, TypeError):
            return None
    return value
