"""Lists without pages. They are counted like pages and built in turns of the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from strawberry import Info

from resolvers.nodes import TURN
from resolvers.session import Session
from schema.mapping.entity import ENTITIES
from schema.mapping.loading import complete
from schema.mapping.selection import select
from upstream.reports.rows import Row
from upstream.values.interval import Interval


async def whole_each(
    info: Info[Session, Any],
    entity: str,
    found: Sequence[Sequence[Row] | Exception],
    in_order: Callable[[Sequence[Row]], Sequence[Row]],
    *,
    interval: Interval | None = None,
    given: Sequence[dict[str, Any]],
) -> list[Any]:
    """Return the list of each parent, after reading what is selected of all their items at once.

    `entity` names the type of the items. `given` has the values that the parent gives to each item, by column name.
    """
    kind, session = ENTITIES[entity], info.context
    sizes = [0 if isinstance(rows, Exception) else len(rows) for rows in found]
    await session.nodes.enter(sum(sizes), alone=len(found) == 1)
    lists: list[Any] = []
    built = 0
    for rows, size, values in zip(found, sizes, given, strict=True):
        if isinstance(rows, Exception):
            lists.append(rows)
            continue
        built += size
        if built >= TURN:
            built = 0
            await asyncio.sleep(0)
        lists.append([kind.on(row, session=session, interval=interval, given=dict(values)) for row in in_order(rows)])
    await complete([item for one in lists if isinstance(one, list) for item in one], select(info))
    return lists
