"""The saved queries as tabs of the explorer, with examples that exist for the caller.

Finding an example takes upstream calls, and each visit of the page needs all of them. So the tabs are cached for some
seconds, once for all callers that see the same groups.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from engine.bounded_cache import BoundedCache
from resolvers.caller import Caller
from server.execution.examples import resolve
from server.execution.execution import Executor
from server.execution.saved import SavedQuery

CACHED_SECONDS = 30.0
MOST_CACHED = 100

Tab = dict[str, Any]


class Tabs:
    """The tabs, cached by the groups that a caller sees.

    Callers that wait for the same tabs share one task. The task goes on if they leave.
    """

    def __init__(self, saved: Sequence[SavedQuery], executor: Executor, seconds: float = CACHED_SECONDS) -> None:
        self._saved = saved
        self._executor = executor
        self._seconds = seconds
        self._cached: BoundedCache[frozenset[int] | None, tuple[float, asyncio.Task[list[Tab]]]] = BoundedCache(
            MOST_CACHED
        )

    async def of(self, caller: Caller) -> list[Tab]:
        """Return the tabs for a caller."""
        until, task = self._cached.get(caller.groups) or (0.0, None)
        if task is None or time.monotonic() >= until or (task.done() and (task.cancelled() or task.exception())):
            task = asyncio.create_task(self._find(caller))
            self._cached.keep(caller.groups, (time.monotonic() + self._seconds, task))
        return await asyncio.shield(task)

    async def _find(self, caller: Caller) -> list[Tab]:
        return [
            {**one.tab(), "variables": await resolve(one.variables, self._saved, self._executor, caller)}
            for one in self._saved
        ]
