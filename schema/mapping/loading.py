"""Read what selected columns of entities lack, from the cheapest reports that know it."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from resolvers.nodes import TURN
from resolvers.plan import cover
from schema.mapping.entity import NOTHING, Entity, EntitySource, demand
from schema.mapping.selection import Selection
from schema.mapping.values import report_row
from upstream.errors import UpstreamError
from upstream.reports.rows import Row

# The gaps of entities: the kinds of their rows, the reports that were tried, and the gaps.
_Lack = tuple[tuple[type[Row], ...], frozenset[type[Row]], frozenset[tuple[str, str]]]


async def complete(entities: Sequence[Entity], selection: Selection) -> bool:
    """Read the selected columns that the entities lack. Return False if nothing had to be read.

    If a report fails, its error is stored and raised when one of its columns is read: the failure concerns these
    columns and no others. If a report does not know a column after all, the next report is read. Two fields may
    complete one entity at the same time: each of them waits for what the other reads.

    Late columns are planned and read together with the others, but nothing waits for them here.
    """
    if not selection.late or not entities:
        return await _complete(entities, selection)
    completing = entities[0].session.go_on(_complete(entities, selection))
    for entity in entities:
        entity.completing = (*entity.completing, completing)
    first = selection.first
    # The reports are chosen in one turn of the event loop, and begin to be read in the next one.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    while not (completing.done() or any(entity.loading for entity in entities)):  # noqa: ASYNC110 - a turn or two
        await asyncio.sleep(0)
    for entity in entities:
        while not completing.done():
            if awaited := entity.awaited(first):
                waiting: list[asyncio.Future[Any]] = [completing, *awaited]
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            elif entity.gaps(first):
                await _next_round(entities)
            else:
                break
    return await completing if completing.done() else True


async def _next_round(entities: Sequence[Entity]) -> None:
    """Wait until the reports that are being read are there. The next ones are chosen then, in a turn or more."""
    loading = [load for entity in entities for load in entity.loading.values()]
    await (asyncio.wait(loading) if loading else asyncio.sleep(0))


async def _complete(entities: Sequence[Entity], selection: Selection) -> bool:
    loaded = False
    while True:
        if loads := list(_loads(await _alike(entities, selection), selection)):
            loaded = True
            if len(loads) == 1:
                await _load(*loads[0])
            else:
                await asyncio.gather(*(_load(entity, source) for entity, source in loads))
        elif loading := [load for entity in entities for load in entity.loading.values()]:
            await asyncio.wait(loading)
        else:
            return loaded


async def lookup(entity: Entity, selection: Selection) -> Entity | None:
    """Return the entity of an id as selected, or None if the upstream does not know the id.

    If only the id is selected, the cheapest report says whether the entity exists. If no report answers, the selected
    relations may still be found. Raise the `UpstreamError` if no relation is selected.
    """
    loaded = await complete((entity,), selection)
    for completing in entity.completing:
        # Perhaps nothing but late columns is selected. They also say whether the entity exists.
        while not (entity.rows or completing.done()):
            await _next_round((entity,))
        loaded = bool(entity.rows) or await completing
    if not loaded and not entity.rows:
        await _load(entity, min(entity.open_sources(), key=lambda source: _distance(source, entity)))
    return found(entity, selection)


def found(entity: Entity, selection: Selection) -> Entity | None:
    """Return an entity of an id after its reports were read, or None if the upstream does not know the id.

    Raise the `UpstreamError` of the reports if no relation is selected.
    """
    if entity.rows:
        return entity
    relations = selection.keys() - entity.columns.keys() - {"__typename", "nodeId"}
    for failure in entity.failures.values():
        if not relations:
            raise failure
        return entity
    return None


async def _alike(entities: Sequence[Entity], selection: Selection) -> dict[_Lack, list[Entity]]:
    """Group the entities that lack something by what they lack. Let other tasks run in between."""
    alike: dict[_Lack, list[Entity]] = {}
    if len(entities) <= TURN:
        _add_alike(alike, entities, selection)
        return alike
    session = entities[0].session
    # Keys that other tasks request meanwhile join the same batch.
    session.gathering += 1
    try:
        for begin in range(0, len(entities), TURN):
            _add_alike(alike, entities[begin : begin + TURN], selection)
            await asyncio.sleep(0)
    finally:
        session.gathering -= 1
    return alike


def _add_alike(alike: dict[_Lack, list[Entity]], entities: Sequence[Entity], selection: Selection) -> None:
    for entity in entities:
        gaps = entity.gaps(selection)
        if gaps:
            alike.setdefault((tuple(map(type, entity.rows)), frozenset(entity.tried), gaps), []).append(entity)


def _loads(alike: Mapping[_Lack, list[Entity]], selection: Selection) -> Iterator[tuple[Entity, EntitySource]]:
    """Yield the reports to read next, each with its entity. Entities that lack the same are planned together."""
    for (_, _, gaps), members in alike.items():
        for source in _chosen(members, gaps, selection):
            for entity in members:
                yield entity, source


def _chosen(
    entities: Sequence[Entity], gaps: Iterable[tuple[str, str]], selection: Selection
) -> Sequence[EntitySource]:
    """Return the reports to read next for entities that lack the same."""
    first = entities[0]
    sources = first.open_sources()
    prices = {source: source.price(entities) for source in sources} if len(sources) > 1 else dict.fromkeys(sources, 0.0)
    demanded = {demand(source.row): source for source in sources}

    def serving(name: str, path: str) -> list[EntitySource]:
        if path in demanded:
            return [demanded[path]]
        below = selection.get(name, NOTHING)
        return [source for source in sources if path in first.columns[name].paths(source.row, below)]

    chosen = cover([serving(name, path) for name, path in gaps], prices)
    # A source that needs another report's row waits for it. If nothing else reads that report, it is read for this.
    here = {type(row) for row in first.rows}
    ready = [source for source in chosen if not source.after or not here.isdisjoint(source.after)]
    waiting = [source for source in chosen if source not in ready]
    earlier = [next((other for other in sources if other.row in source.after), source) for source in waiting]
    return tuple(dict.fromkeys([*ready, *earlier]))


async def _load(entity: Entity, source: EntitySource) -> None:
    entity.tried[source.row] = None
    done = asyncio.get_running_loop().create_future()
    entity.loading = {**entity.loading, source.row: done}
    try:
        row = await source.load(entity)
    except UpstreamError as error:
        entity.tried[source.row] = error
    else:
        if row is not None:
            # The rows have the order in which columns name reports, whichever answer came first.
            order = type(entity).kinds
            rows = (*entity.rows, row)
            entity.rows = tuple(sorted(rows, key=lambda row: order.index(report_row(type(row)))))
    finally:
        done.set_result(None)
        entity.loading = {row: load for row, load in entity.loading.items() if load is not done}


def _distance(source: EntitySource, entity: Entity) -> tuple[bool, bool, float]:
    """Return a sort key: reports that the known values lead to, reports found by the id alone, the price."""
    return source.key(entity) is None, bool(source.after), source.price([entity])
