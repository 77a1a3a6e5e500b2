"""Read some columns of whole lists: to filter them, and to add them up.

If the rows tell a column, no object is made. Otherwise objects are made and completed exactly as if the column was
selected. A column has its name in the graph, and the id of a linked or nested object has the name `user.id`.
"""

import asyncio
import decimal
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any

from strawberry.types.base import StrawberryOptional
from strawberry.utils.str_converters import to_camel_case

from engine.batch_hint import Expression
from resolvers.key_rows import KeyRows
from resolvers.nodes import TURN
from resolvers.session import Session
from schema.mapping.columns import EntityLink, NestedPart
from schema.mapping.entity import ColumnField, Entity, RowColumn, identities
from schema.mapping.expression import ColumnReader, computed, plain
from schema.mapping.lists.listed import NOTHING_GIVEN, Given, readable, sure
from schema.mapping.loading import complete
from schema.mapping.selection import Selection
from schema.mapping.values import report_row, sound
from schema.scalars import Decimal
from upstream.errors import UpstreamError
from upstream.reports.rows import Row
from upstream.values.interval import Interval

# The values of some columns, by name, in the order of the rows.
Values = Mapping[str, list[Any]]
# So many rows are read in one turn of the event loop, and so many lists.
_ROWS = 5_000
_LISTS = 500

_Read = Callable[[Sequence[Any]], list[Any]]
# The columns that are read here need no `info`.
_NO_INFO: Any = None


def columns_read(kind: type[Entity], names: Collection[str], session: Session) -> frozenset[str] | None:
    """Return the columns of rows that `column_values` reads for these names, or None for all columns."""
    return readable(kind, selection_of(frozenset(names)), (), session)


async def column_values(
    kind: type[Entity],
    found: Sequence[KeyRows | Exception],
    names: Collection[str],
    session: Session,
    *,
    interval: Interval | None = None,
    given: Given = NOTHING_GIVEN,
    objects: list[int] | None = None,
) -> list[Values | Exception]:
    """Return the values of some columns for each list, or the error that selecting them gives.

    `found` are the lists of a level: the rows of each parent, or the error that prevents them. `given` is what the
    parents give to their items. An amount is a `decimal.Decimal`, a moment is in microseconds since 1970 UTC, the id of
    another entity is the upstream's own, and any other value is as in the graph; a missing value is None.

    The columns of the rows (`columns_read`) must have been requested. Other tasks have their turns in between. The
    places of lists for which objects are needed are added to `objects`.
    """
    reading = _ColumnsOfLevel(kind, selection_of(frozenset(names)), tuple(names), session, interval, given)
    values: list[Any] = list(found)
    open_places: list[int] = []
    for place, rows in enumerate(found):
        if isinstance(rows, Exception):
            continue
        try:
            values[place] = await reading.of_rows(place, rows)
        except UpstreamError as error:
            values[place] = error
        if values[place] is None:
            open_places.append(place)
        if place % _LISTS == _LISTS - 1:
            await asyncio.sleep(0)
    if open_places:
        if objects is not None:
            objects += open_places
        lists = {place: rows for place in open_places if isinstance(rows := found[place], KeyRows)}
        for place, one in (await reading.of_objects(lists)).items():
            values[place] = one
    return values


@dataclass(slots=True, eq=False)
class _ColumnsOfLevel:
    """Reads columns of the lists of one level."""

    kind: Any  # a type of entity
    selection: Selection
    names: tuple[str, ...]
    session: Session
    interval: Interval | None
    given: Given
    done: int = 0
    parents: list[Any] | None = None
    told: dict[type[Row], bool] = field(default_factory=dict)

    async def of_rows(self, place: int, source: KeyRows) -> Values | None:
        """Return the values that the rows of a list tell, or None if an object is needed for one of them."""
        if not source:
            return {name: [] for name in self.names}
        columns = readable(self.kind, self.selection, (), self.session)
        source.take(columns)
        if not self._is_told(source[0]):
            return None
        try:
            return await self._of_rows(place, source)
        except (ValueError, TypeError):
            # A raw amount is bad, perhaps one of another list. Whole rows say which.
            source.read(columns)
            return await self._of_rows(place, source)

    def _is_told(self, row: Row) -> bool:
        """Return whether rows like this one leave no gap that another report may fill."""
        told = self.told.get(type(row))
        if told is None:
            given = dict.fromkeys(self.given.names)
            sample = self.kind.on(row, session=self.session, interval=self.interval, given=given)
            told = self.told[type(row)] = not sample.missing(self.selection)
        return told

    async def _of_rows(self, place: int, source: KeyRows) -> Values | None:
        if source.irregular:
            row = report_row(type(source[0]))
            source.require([column for name in self.names for column in _columns(self.kind, row, name)])
        values: dict[str, list[Any]] = {name: [] for name in self.names}
        for begin in range(0, len(source), _ROWS):
            some = source[begin : begin + _ROWS]
            # Meanwhile another task may have replaced the rows by whole rows.
            kind: Any = type(some[0])
            if not sure(self.kind, some, self.selection):
                return None
            for name in self.names:
                here = _reader(self.kind, kind, name)(some)
                column = self.kind.columns[_top(name)]
                if isinstance(column, EntityLink) and None in here:
                    known = self._given_id(column, place)
                    if known is None and _other_names(column, kind, some, here):
                        return None
                    here = [known if id is None else id for id in here]
                values[name] += here
            self.done += len(some)
            if self.done >= _ROWS:
                self.done = 0
                await asyncio.sleep(0)
        return values

    def _given_id(self, column: EntityLink, place: int) -> Any:
        """Return the id of a linked entity that the parent gives, or None."""
        known = self.given.constants.get(column.name)
        if column.name == self.given.parent:
            if self.parents is None:
                self.parents = identities(self.given.parents)
            return self.parents[place]
        return known.identity if isinstance(known, Entity) else None

    async def of_objects(self, lists: Mapping[int, KeyRows]) -> dict[int, Values | Exception]:
        """Return the values of lists whose rows do not tell them, from objects that are completed together."""
        objects: dict[int, list[Entity]] = {}
        built = 0
        for place, source in lists.items():
            source.read()
            given, objects[place] = self.given.to(place), []
            for begin in range(0, len(source), TURN):
                some = source[begin : begin + TURN]
                objects[place] += [
                    self.kind.on(row, session=self.session, interval=self.interval, given=dict(given)) for row in some
                ]
                built += len(some)
                if built >= TURN:
                    built = 0
                    await asyncio.sleep(0)
        await complete([each for some in objects.values() for each in some], self.selection)
        found: dict[int, Values | Exception] = {}
        for place, some in objects.items():
            try:
                found[place] = {name: await self._of_objects(name, some) for name in self.names}
            except UpstreamError as error:
                found[place] = error
        return found

    async def _of_objects(self, name: str, objects: Sequence[Entity]) -> list[Any]:
        column, below = self.kind.columns[_top(name)], name.partition(".")[2]
        inner: list[Entity | None] = []
        values: list[Any] = []
        for begin in range(0, len(objects), TURN):
            some = objects[begin : begin + TURN]
            if isinstance(column, EntityLink):
                inner += [self._linked(column, each) for each in some]
            elif isinstance(column, NestedPart):
                inner += [column.read(each, _NO_INFO) for each in some]
            else:
                values += [RowColumn.read(column, each, _NO_INFO) for each in some]
            await asyncio.sleep(0)
        if below:
            selection = self.selection[_top(name)]
            await complete([each for each in inner if each is not None and each.gaps(selection)], selection)
            values = [None if one is None else RowColumn.read(one.columns[below], one, _NO_INFO) for one in inner]
        return [_DECIMALS[value] for value in values] if _is_decimal(self.kind, name) else values

    def _linked(self, column: EntityLink, entity: Entity) -> Entity | None:
        selection, linked = self.selection[column.name], column.linked(entity)
        if linked is None or (linked.gaps(selection) and not linked.findable):
            column.fail(entity, selection)
            return None
        return linked


class _ExactDecimals(dict[str | None, decimal.Decimal | None]):
    """A cache of exact decimals, by their text."""

    def __missing__(self, text: str | None) -> decimal.Decimal | None:
        value = None if text is None else decimal.Decimal(text)
        if len(self) >= _MOST_DECIMALS:
            self.clear()
        self[text] = value
        return value


_MOST_DECIMALS = 100_000
_DECIMALS = _ExactDecimals()


@cache
def selection_of(names: frozenset[str]) -> Selection:
    """Return the selection of some columns. Equal names have one selection, because it remembers facts."""
    found = Selection()
    for name in names:
        top, _, below = name.partition(".")
        inner = found.setdefault(top, Selection())
        if below:
            inner[below] = Selection()
    return found


def _top(name: str) -> str:
    return name.partition(".")[0]


@lru_cache(maxsize=512)
def _reader(kind: Any, row: type[Row], name: str) -> _Read:
    """Return the function that reads a column of rows of one type."""
    column, whole = kind.columns[_top(name)], report_row(row)
    if isinstance(column, NestedPart):
        return _nested_reader(column, whole, name.partition(".")[2])
    found: Expression | None = None
    if isinstance(column, EntityLink):
        if whole not in column.links:
            return lambda rows: [None] * len(rows)
        at: Any = column.places.get(whole, {}).get("id")  # type: ignore[union-attr]
        read = column.readers[whole]
    elif whole not in column.readers:
        return lambda rows: [None] * len(rows)
    else:
        at, read = column.places[whole], column.readers[whole]
    if isinstance(at, str):
        found = plain(row, at)
    elif isinstance(at, ColumnReader):
        found = computed(row, column.name, at)
    if found is None:
        return lambda rows: list(map(sound, map(read, rows)))
    code, names = found.code, dict(found.names)
    if _is_decimal(kind, name):
        code, names["decimals"] = f"decimals[{code}]", _DECIMALS
    # Columns of many rows are read, so the function is one expression.
    compiled: _Read = eval(f"lambda rows: [{code} for row in rows]", names)
    return compiled


def _nested_reader(column: NestedPart, whole: type[Row], below: str) -> _Read:
    if whole not in column.readers:
        return lambda rows: [None] * len(rows)
    outer, inner = column.readers[whole], column.entity.columns[below].readers[column.kinds[whole]]

    def read(row: Row) -> Any:
        part = sound(outer(row))
        return None if part is None else sound(inner(part))

    return lambda rows: list(map(read, rows))


def _columns(kind: type[Entity], whole: type[Row], name: str) -> tuple[str, ...]:
    """Return the columns of a row that a column reads, as far as they have names."""
    column = kind.columns[_top(name)]
    if isinstance(column, EntityLink):
        at = column.places.get(whole, {}).get("id")  # type: ignore[union-attr]
        return (at,) if isinstance(at, str) else ()
    at = column.places.get(whole)
    if isinstance(at, ColumnReader):
        return at.reads
    return (at,) if isinstance(at, str) else ()


def _other_names(column: EntityLink, row: type[Row], rows: Sequence[Row], ids: Sequence[Any]) -> bool:
    """Return whether a row without an id has another value that may lead to the linked entity."""
    names = column.places.get(report_row(row))
    if not isinstance(names, Mapping) or len(names) == 1:
        return report_row(row) in column.links and not isinstance(names, Mapping)
    read = attrgetter(*names.values())
    return any(any(value is not None for value in read(each)) for each, id in zip(rows, ids, strict=True) if id is None)


@cache
def _is_decimal(kind: Any, name: str) -> bool:
    """Return whether a column is an amount."""
    definition: Any = kind.__strawberry_definition__
    for each in definition.fields:
        if isinstance(each, ColumnField) and (each.graphql_name or to_camel_case(each.python_name)) == name:
            found: Any = each.type
            return (found.of_type if isinstance(found, StrawberryOptional) else found) is Decimal
    return False
