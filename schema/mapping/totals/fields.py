"""The fields `totals` and `buckets` of a page: they add up all rows of its list."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

import strawberry
from strawberry import Info
from strawberry.types.fields.resolver import Parameter

from resolvers.rules.currency import currencies
from resolvers.session import Session
from resolvers.totals import (
    MOST_BUCKETS,
    AddedFigure,
    BucketSorting,
    BucketSums,
    Key,
    Shape,
    TooManyBuckets,
    add_up,
    in_order,
)
from schema.mapping.entity import Entity
from schema.mapping.errors import BadUserInput
from schema.mapping.lists.column_values import Values, column_values
from schema.mapping.lists.listed import Given
from schema.mapping.lists.opened import OpenedPage, PageMaker
from schema.mapping.loading import complete
from schema.mapping.relation import relation_of
from schema.mapping.selection import Selection, select
from schema.mapping.totals.figures import CURRENCY
from schema.mapping.totals.keys import KeyColumn, KeyForm
from schema.mapping.totals.list_totals import LISTS, BucketValue
from schema.mapping.values import report_row
from upstream.errors import Incomplete
from upstream.values.calendar import day_of, hour_of

DEFAULT_BUCKETS = 100
# So many values are read in one turn of the event loop.
_VALUES = 50_000
MAX_BUCKETS = 1000

# The values of columns by name; a column that could not be read has its error.
ReadColumns = Mapping[str, Sequence[Any] | Exception]


@dataclass(slots=True, eq=False)
class BucketObject:
    """A bucket of rows: its key, and its totals."""

    key: Any
    totals: Any


@dataclass(frozen=True, slots=True, eq=False)
class LevelLists:
    """The lists of some pages of one level, with all their rows."""

    make: PageMaker
    pages: Sequence[OpenedPage]

    @property
    def session(self) -> Session:
        """Return the session of the operation."""
        return self.make.session

    @property
    def given(self) -> Given:
        """Return what the parents of these lists give to their items."""
        given, places = self.make.given, [page.place for page in self.pages]
        if given.parent is None or places == list(range(len(given.parents))):
            return given
        return Given(given.constants, given.parent, [given.parents[place] for place in places])

    async def columns(
        self, names: Collection[str], parts: Sequence[KeyColumn], *, named: bool
    ) -> Sequence[ReadColumns]:
        """Return the columns of each list, and the parts of keys under their names.

        `named` says whether the currency has to be named also where all amounts of a list have the same one.
        """
        wanted = {*names, *(name for part in parts for name in part.columns)}
        found: list[dict[str, Any]] = [{} for _ in self.pages]
        told = [self._tells_currency(page) for page in self.pages]
        for tells in set(told):
            places = [place for place, each in enumerate(told) if each is tells]
            read = wanted if tells or CURRENCY not in wanted else wanted - {CURRENCY} | {"group.id"}
            values = await self._read(sorted(read), places)
            if read is not wanted:
                await self._add_currencies(values, named)
            for place, one in zip(places, values, strict=True):
                found[place] = one
        for one in found:
            for part in parts:
                one[part.name] = await _part(part, one, self.session)
        return found

    def _tells_currency(self, page: OpenedPage) -> bool:
        column = self.make.kind.columns.get(CURRENCY)
        if column is None or not page.source:
            return column is not None
        return report_row(type(page.source[0])) in column.readers

    async def _read(self, names: Sequence[str], places: Sequence[int]) -> list[dict[str, Any]]:
        """Return columns of some of the lists. Fields that add up the same lists read each column once."""
        make, pages = self.make, [self.pages[place] for place in places]
        if make.adding is None:
            make.adding = asyncio.Lock()
        async with make.adding:
            unread = [name for name in names if any(name not in (page.columns or ()) for page in pages)]
            for page, one in zip(pages, await self._read_each(unread, places), strict=True):
                page.columns = {**(page.columns or {}), **one}
        return [{name: (page.columns or {})[name] for name in names} for page in pages]

    async def _read_each(self, names: Sequence[str], places: Sequence[int]) -> list[dict[str, Any]]:
        values = await self._values(names, places)
        found: list[dict[str, Any]] = []
        for place, one in zip(places, values, strict=True):
            if not isinstance(one, Exception):
                found.append(dict(one))
            elif len(names) == 1:
                found.append(dict.fromkeys(names, one))
            else:
                # One column fails. The others are there all the same.
                each = [await self._read_each([name], [place]) for name in names]
                found.append({name: value for (alone,) in each for name, value in alone.items()})
        return found

    async def _values(self, names: Sequence[str], places: Sequence[int]) -> list[Values | Exception]:
        make = self.make
        some = LevelLists(make, [self.pages[place] for place in places])
        if not names:
            return [{} for _ in places]
        return await column_values(
            make.kind,
            [page.source for page in some.pages],
            names,
            make.session,
            interval=make.interval,
            given=some.given,
        )

    async def _add_currencies(self, found: Sequence[dict[str, Any]], named: bool) -> None:
        """Add the currency of the group's books to the columns of lists whose rows name none (C30)."""
        groups = [set() if isinstance(one["group.id"], Exception) else set(one["group.id"]) for one in found]
        wanted = sorted({id for ids in groups if named or len(ids) > 1 for id in ids if id is not None})
        known = dict(zip(wanted, await currencies(self.session, wanted), strict=True))
        for one, ids in zip(found, groups, strict=True):
            if isinstance(one["group.id"], Exception):
                one[CURRENCY] = one["group.id"]
            else:
                one[CURRENCY] = await _currencies(one["group.id"], ids, known, named)


async def _currencies(
    groups: Sequence[int | None], ids: Collection[int | None], known: Mapping[int, Any], named: bool
) -> Sequence[str | None] | Exception:
    if len(ids) <= 1 and not named:
        return [None] * len(groups)
    of = {id: None if id is None else known[id] for id in ids}
    for currency in of.values():
        if isinstance(currency, Exception):
            return currency
    if len(ids) > 1 and list(of.values()).count(None) > 1:
        return Incomplete(
            "The currencies of several groups are not known, so their amounts cannot be added. Ask for one group."
        )
    return await _each(groups, lambda some: [of[id] for id in some])


async def _part(part: KeyColumn, columns: ReadColumns, session: Session) -> Sequence[Any] | Exception:
    """Return the values of a part of the key."""
    found: list[Sequence[Any]] = []
    for name in part.columns:
        values = columns[name]
        if isinstance(values, Exception):
            return values
        found.append(values)
    if part.form is KeyForm.DAY or part.form is KeyForm.HOUR:
        at = (day_of if part.form is KeyForm.DAY else hour_of)(session.zone)
        return await _each(found[0], lambda some: [None if moment is None else at(moment) for moment in some])
    return found[0] if len(found) == 1 else list(zip(*found, strict=True))


async def _each(values: Sequence[Any], read: Callable[[Sequence[Any]], list[Any]]) -> list[Any]:
    """Return what `read` makes of values. Other tasks have their turns in between."""
    found: list[Any] = []
    for begin in range(0, len(values), _VALUES):
        if begin:
            await asyncio.sleep(0)
        found += read(values[begin : begin + _VALUES])
    return found


async def _added(
    lists: LevelLists, aggregates: Sequence[AddedFigure], parts: Sequence[KeyColumn], *, named: bool
) -> list[tuple[dict[Key, BucketSums], dict[str, Exception]] | Exception]:
    """Return the sums of each list by their keys, and the errors of the columns that could not be read."""
    names = {name for each in aggregates for name in each.columns}
    found: list[Any] = []
    keys = tuple(part.name for part in parts)
    for page, columns in zip(lists.pages, await lists.columns(names, parts, named=named), strict=True):
        failed = {name: values for name, values in columns.items() if isinstance(values, Exception)}
        if (error := next((failed[key] for key in keys if key in failed), None)) is not None:
            found.append(error)
            continue
        sound = tuple(each for each in aggregates if failed.keys().isdisjoint(each.columns))
        good: Any = columns
        try:
            sums = await add_up(Shape(keys, sound), good, len(page.source), MOST_BUCKETS)
        except TooManyBuckets:
            found.append(BadUserInput(f"buckets: there are more than {MOST_BUCKETS:,}. Use fewer parts in `by`."))
            continue
        found.append((sums, failed))
    return found


def _lists(connections: Sequence[Any]) -> LevelLists:
    """Return the lists of pages, which one field of one level has made."""
    return LevelLists(connections[0].listing[0], [connection.listing[1] for connection in connections])


def totals_of(target: str, type: Any) -> Any:
    """Declare the field `totals` of pages of a type."""

    async def totals(connections: Sequence[Any], info: Info[Session, Any]) -> list[Any]:
        kind, selection, found = LISTS[target], select(info), list(connections)
        lists, named = _lists(found), CURRENCY in selection.below("sums")
        values: list[Any] = []
        for one in await _added(lists, kind.aggregates(selection), (), named=named):
            if isinstance(one, Exception):
                values.append(one)
            else:
                sums, failed = one
                values.append(kind.totals.on(sums[()], failed, info.context))
        return values

    parameters = [_parameter("info", Info[Session, Any], Parameter.empty)]
    return relation_of(totals, parameters, type, "The totals of all rows of the list, never only of this page.")


def buckets_of(target: str, type: Any, by_type: Any, order_type: Any) -> Any:
    """Declare the field `buckets` of pages of a type."""

    async def buckets(
        connections: Sequence[Any],
        info: Info[Session, Any],
        by: Sequence[Enum],
        order_by: Enum | None = None,
        first: int | None = DEFAULT_BUCKETS,
    ) -> list[Any]:
        if not by:
            raise BadUserInput("by: name at least one part of the key.")
        if first is not None and not 0 <= first <= MAX_BUCKETS:
            raise BadUserInput(f"first: {first} is out of bounds; ask for 0 to {MAX_BUCKETS} buckets.")
        kind, selection = LISTS[target], select(info)
        parts, (value, falling) = kind.parts(by), kind.order(order_by)
        lists = _lists(list(connections))
        aggregates = kind.aggregates(selection.below("totals"))
        aggregates = tuple(dict.fromkeys((*aggregates, *(() if value is None else value.aggregates))))
        named = CURRENCY in selection.below("totals.sums") or any(CURRENCY in part.columns for part in parts)
        most = first if first is not None else None if info.context.whole else DEFAULT_BUCKETS
        found: list[Any] = []
        for page, one in zip(lists.pages, await _added(lists, aggregates, parts, named=named), strict=True):
            try:
                if isinstance(one, Exception):
                    raise one
                sums, failed = one
                ordered = await in_order(sums, _sorting(value, falling, failed), most)
            except Exception as error:
                found.append(error)
                continue
            info.context.nodes.take(len(ordered))
            rows = await _rows(info, lists, page, [each.first for _, each in ordered], parts)
            found.append(
                [
                    BucketObject(
                        kind.key.on(dict(zip((part.name for part in parts), key, strict=True)), row),
                        kind.totals.on(each, failed, info.context),
                    )
                    for (key, each), row in zip(ordered, rows, strict=True)
                ]
            )
        return found

    parameters = [
        _parameter("info", Info[Session, Any], Parameter.empty),
        _parameter("by", Annotated[list[by_type], _described("The parts of the key of a bucket.")], Parameter.empty),
        _parameter(
            "order_by",
            Annotated[order_type | None, _described("The order of the buckets; equal ones are ordered by key.")],
            order_type.KEY,
        ),
        _parameter(
            "first",
            Annotated[int | None, _described(f"The number of buckets, {MAX_BUCKETS} at most.")],
            DEFAULT_BUCKETS,
        ),
    ]
    description = "All rows of the list in buckets of rows with equal keys, each with its totals."
    return relation_of(buckets, parameters, list[type], description)


def _sorting(value: BucketValue | None, falling: bool, failed: Mapping[str, Exception]) -> BucketSorting:
    """Return the order of buckets. Raise the error of a column that it needs."""
    if value is None:
        return BucketSorting()
    for aggregate in value.aggregates:
        for name in aggregate.columns:
            if name in failed:
                raise failed[name]
    of_sum, sums_of = value.of_sum, value.value
    if of_sum is None:
        return BucketSorting(sums_of, falling)
    return BucketSorting(lambda bucket: of_sum(_only(sums_of(bucket))), falling, lambda bucket: _name(sums_of(bucket)))


def _only(money: Mapping[str | None, Any]) -> Any:
    """Return the sums of a bucket, None if it has no amount. Raise `BadUserInput` if it has several currencies."""
    if len(money) > 1:
        raise BadUserInput(
            "orderBy: a bucket has amounts of several currencies, which cannot be compared. Add the currency or "
            "the group to `by`."
        )
    return next(iter(money.values()), None)


def _name(money: Mapping[str | None, Any]) -> tuple[bool, str]:
    name = next(iter(money), None)
    return name is None, name or ""


async def _rows(
    info: Info[Session, Any],
    lists: LevelLists,
    page: OpenedPage,
    places: Sequence[int],
    parts: Sequence[KeyColumn],
) -> Sequence[Entity | None]:
    """Return an object of one row of each bucket, if a part of the key is read from it."""
    selected = select(info, "key")
    fields = [part.field for part in parts if part.form is KeyForm.ENTITY and part.field in selected]
    if not places or not fields:
        return [None] * len(places)
    some = OpenedPage(page.place, page.source, 0, [page.source[place] for place in places], [])
    rows = lists.make.objects(some)
    await complete(rows, Selection({field: selected[field] for field in fields}))
    return rows


def _parameter(name: str, annotation: Any, default: Any) -> Parameter:
    return Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation, default=default)


def _described(description: str) -> Any:
    return strawberry.argument(description=description)
