"""The saved queries as tabs of the explorer, their examples found for who asks: once for all who see the same groups.

To find an example takes queries to the upstreams, and every opening of the page asks for all of them.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from resolvers.caller import Caller
from server.execution.examples import resolve
from server.execution.execution import Executor
from server.execution.saved import SavedQuery

KEPT_SECONDS = 30.0
MOST_KEPT = 100

Told = list[dict[str, Any]]


class Tabs:
    """The tabs, kept for some seconds by groups. One finding runs for all who wait for it, and goes on without them."""

    def __init__(self, saved: Sequence[SavedQuery], executor: Executor, seconds: float = KEPT_SECONDS) -> None:
        self._saved = saved
        self._executor = executor
        self._seconds = seconds
        self._kept: OrderedDict[frozenset[int] | None, tuple[float, asyncio.Task[Told]]] = OrderedDict()

    async def of(self, caller: Caller) -> Told:
        """The tabs that a caller is shown."""
        until, task = self._kept.get(caller.groups, (0.0, None))
        if task is None or time.monotonic() >= until or (task.done() and (task.cancelled() or task.exception())):
            task = asyncio.create_task(self._find(caller))
            self._kept[caller.groups] = (time.monotonic() + self._seconds, task)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return await asyncio.shield(task)

    async def _find(self, caller: Caller) -> Told:
        return [
            {**one.tab(), "variables": await resolve(one.variables, self._saved, self._executor, caller)}
            for one in self._saved
        ]
