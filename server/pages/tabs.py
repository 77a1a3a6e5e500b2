"""The saved queries for the explorer, with examples that exist for the caller.

Finding an example takes upstream calls, and each visit of the page needs all of them. So the tabs are cached for some
seconds, once for all callers that see the same groups. `start` marks the queries of the first tabs, in their order;
`table` names the table of a query.
"""

import asyncio
import time
from collections.abc import Collection, Sequence
from typing import Any

from engine.bounded_cache import BoundedCache
from resolvers.caller import Caller
from server.auth.permissions import TABLES
from server.execution.execution import Executor
from server.execution.saved import SavedQuery, start
from server.pages.visible_examples import visible

CACHED_SECONDS = 30.0
MOST_CACHED = 100

Tab = dict[str, Any]


class Tabs:
    """The tabs, cached by the groups that a caller sees.

    Callers that wait for the same tabs share one task. The task goes on if they leave.
    """

    def __init__(
        self,
        saved: Sequence[SavedQuery],
        executor: Executor,
        seconds: float = CACHED_SECONDS,
        tables: Collection[str] = (),
    ) -> None:
        self._saved = saved
        self._executor = executor
        self._seconds = seconds
        self._tables = tables
        self._start = {name: place for place, name in enumerate(start(), 1)}
        self._cached: BoundedCache[frozenset[int] | None, tuple[float, asyncio.Task[list[Tab]]]] = BoundedCache(
            MOST_CACHED
        )

    async def of(self, caller: Caller) -> list[Tab]:
        """Return the tabs for a caller. A caller who may not read tables gets no names of tables."""
        until, task = self._cached.get(caller.groups) or (0.0, None)
        if task is None or time.monotonic() >= until or (task.done() and (task.cancelled() or task.exception())):
            task = asyncio.create_task(self._find(caller))
            self._cached.keep(caller.groups, (time.monotonic() + self._seconds, task))
        found = await asyncio.shield(task)
        if TABLES in caller.permissions:
            return found
        return [{name: value for name, value in tab.items() if name != "table"} for tab in found]

    async def _find(self, caller: Caller) -> list[Tab]:
        return [self._tab(one) for one in await visible(self._saved, self._executor, caller)]

    def _tab(self, one: SavedQuery) -> Tab:
        tab = one.tab()
        if one.name in self._start:
            tab["start"] = self._start[one.name]
        if one.name in self._tables:
            tab["table"] = one.name
        return tab
