"""Add up the rows of lists: for all totals and buckets of their pages together, and part by part of their period."""

import asyncio
import datetime
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

from graphql import GraphQLError
from strawberry import Info

from resolvers.key_rows import KeyRows
from resolvers.rules.currency import currencies
from resolvers.session import Session
from resolvers.totals import (
    MOST_BUCKETS,
    AddedFigure,
    Buckets,
    BucketSums,
    Key,
    Shape,
    Signed,
    TooManyBuckets,
    add_up,
    join,
)
from resolvers.turns import next_turn
from schema.mapping.entity import NOTHING
from schema.mapping.errors import BadUserInput
from schema.mapping.lists.column_values import column_values
from schema.mapping.lists.listed import Given
from schema.mapping.selection import arguments, nodes_of, select
from schema.mapping.totals.figures import CURRENCY
from schema.mapping.totals.keys import KeyColumn, KeyForm
from schema.mapping.totals.list_totals import ADDED_UP, ListTotals
from schema.mapping.values import report_row
from upstream.errors import Incomplete
from upstream.values.calendar import day_of, hour_of
from upstream.values.interval import Interval

# So many values are read in one turn of the event loop.
_VALUES = 10_000
# So many buckets change their currencies in one turn.
_TURN = 500
_GROUP = "group.id"
# While currencies stand for several groups, there may be so many times more buckets.
_GROUPS = 10
# About the bytes of a row that is kept with its bucket, and of a bucket of a list that has more buckets than are kept.
_ROW_BYTES = 1_000
_MOST_KEPT = 5_000

# The values of columns by name; a column that could not be read has its error.
ReadColumns = Mapping[str, Sequence[Any] | Exception]
Day = datetime.date | None


@dataclass(frozen=True, slots=True)
class AskedSums:
    """Figures that are added up of a list, in buckets by some parts of a key. `rows` keeps a row of each bucket."""

    parts: tuple[KeyColumn, ...] = ()
    figures: tuple[AddedFigure, ...] = ()
    rows: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the names of the columns whose values make a bucket."""
        return tuple(part.name for part in self.parts)

    @property
    def columns(self) -> set[str]:
        """Return the columns that it reads of the items."""
        named = {name for part in self.parts for name in part.columns}
        return named.union(*(figure.columns for figure in self.figures))


def asked_sums(info: Info[Session, Any], kind: ListTotals) -> tuple[AskedSums, ...]:
    """Return what the fields `totals` and `buckets` below the current field need: each combination of parts once."""
    selected = select(info)
    if ADDED_UP.isdisjoint(selected):
        return ()
    figures: dict[tuple[KeyColumn, ...], dict[AddedFigure, None]] = {}
    with_rows: set[tuple[KeyColumn, ...]] = set()
    if "totals" in selected:
        figures[()] = dict.fromkeys(kind.aggregates(selected["totals"]))
    below = selected.get("buckets", NOTHING)
    linked = {part.field for part in kind.key.parts.values() if part.form is KeyForm.ENTITY}.intersection(
        below.get("key", NOTHING)
    )
    for node in nodes_of(info, "buckets"):
        try:
            given = arguments(info, f"{kind.target}Connection", node)
        except GraphQLError:
            continue  # the field itself says what is wrong
        if parts := tuple(kind.parts(given.get("by") or ())):
            value, _ = kind.order(given.get("order_by"))
            needed = (*kind.aggregates(below.get("totals", NOTHING)), *(() if value is None else value.aggregates))
            figures.setdefault(parts, {}).update(dict.fromkeys(needed))
            if any(part.field in linked for part in parts):
                with_rows.add(parts)
    return tuple(AskedSums(parts, tuple(each), parts in with_rows) for parts, each in figures.items())


@dataclass(slots=True, eq=False)
class SumsOfRows:
    """The sums of some rows of one list, for everything that is asked of it.

    `buckets` are the buckets of each `AskedSums`, or the error that prevents them, and `failed` has the errors of the
    columns that could not be read. If the rows name no currency, `by_group` is True: the id of a group stands for its
    currency in the buckets, and `groups` are the ids.
    """

    count: int = 0
    buckets: list[Any] = field(default_factory=list)
    failed: dict[str, Exception] = field(default_factory=dict)
    by_group: bool = False
    groups: set[int | None] = field(default_factory=set)

    async def add(self, other: "SumsOfRows") -> None:
        """Add the sums of other rows of the list, which are not changed."""
        self.count += other.count
        self.by_group = self.by_group or other.by_group
        self.groups |= other.groups
        self.failed = {**other.failed, **self.failed}
        if not self.buckets:
            self.buckets = [each if isinstance(each, Exception) else {} for each in other.buckets]
        most = MOST_BUCKETS * (_GROUPS if self.by_group else 1)
        for place, more in enumerate(other.buckets):
            known = self.buckets[place]
            if isinstance(known, Exception):
                continue
            if isinstance(more, Exception):
                self.buckets[place] = more
                continue
            try:
                await join(known, more, most)
            except TooManyBuckets:
                self.buckets[place] = too_many_buckets()

    @property
    def size(self) -> int:
        """Return about how many bytes it takes."""
        if (count := sum(map(len, self.buckets))) > _MOST_KEPT:
            return count * _ROW_BYTES
        sums = [each for one in self.buckets for each in one.values()]
        return sum(each.size + (_ROW_BYTES if each.row is not None else 0) for each in sums) + 100 * len(self.groups)


def too_many_buckets() -> BadUserInput:
    """Return the error for a list that falls into too many buckets."""
    return BadUserInput(f"buckets: there are more than {MOST_BUCKETS:,}. Use fewer parts in `by`.")


@dataclass(frozen=True, slots=True, eq=False)
class ListAdder:
    """Adds up lists of one level. `asked` says what, and `interval` is the period of the rows."""

    kind: Any  # a type of entity
    totals: ListTotals
    session: Session
    asked: tuple[AskedSums, ...]
    interval: Interval | None = None

    async def empty(self) -> SumsOfRows:
        """Return the sums of no rows."""
        none: Any = dict.fromkeys({name for one in self.asked for each in one.figures for name in each.columns}, ())
        return SumsOfRows(0, [await add_up(Shape(one.keys, one.figures), none, 0) if not one.keys else {}
                              for one in self.asked])  # fmt: skip

    async def added(
        self,
        found: Sequence[KeyRows | Exception],
        given: Given,
        *,
        by_day: bool = False,
        objects: list[int] | None = None,
    ) -> list[dict[Day, SumsOfRows] | Exception]:
        """Return the sums of each list, or the error that prevents it: by business day, or all under None.

        The places of the lists whose rows do not tell what is added up are added to `objects`.
        """
        wanted = set().union(*(one.columns for one in self.asked))
        parts = {part.name: part for one in self.asked for part in one.parts}
        day = self.totals.key.parts["day"]
        if by_day:
            wanted.update(day.columns)
            parts[day.name] = day
        sums: list[Any] = list(found)
        tells = [self._tells_currency(rows) for rows in found]
        for told in set(tells):
            places = [
                place for place, rows in enumerate(found) if tells[place] is told and not isinstance(rows, Exception)
            ]
            by_group = CURRENCY in wanted and not told
            names = wanted - {CURRENCY} | {_GROUP} if by_group else wanted
            for place, columns in zip(
                places, await self._columns(found, sorted(names), places, given, objects), strict=True
            ):
                if by_group:
                    columns[CURRENCY] = columns[_GROUP]
                for part in parts.values():
                    columns[part.name] = await _part(part, columns, self.session)
                sums[place] = await self._sums(found[place], columns, day.name if by_day else None, by_group)
        return sums

    def _tells_currency(self, rows: KeyRows | Exception) -> bool:
        column = self.kind.columns.get(CURRENCY)
        if column is None or not rows or isinstance(rows, Exception):
            return column is not None
        return report_row(type(rows[0])) in column.readers

    async def _columns(
        self,
        found: Sequence[KeyRows | Exception],
        names: Sequence[str],
        places: Sequence[int],
        given: Given,
        objects: list[int] | None,
    ) -> list[dict[str, Any]]:
        if not names:
            return [{} for _ in places]
        if given.parent is not None and len(places) < len(given.parents):
            given = Given(given.constants, given.parent, [given.parents[place] for place in places])
        return await self._read(names, [found[place] for place in places], given, places, objects)

    async def _read(
        self,
        names: Sequence[str],
        found: Sequence[KeyRows | Exception],
        given: Given,
        places: Sequence[int],
        objects: list[int] | None,
    ) -> list[dict[str, Any]]:
        needed: list[int] = []
        values = await column_values(
            self.kind, found, names, self.session, interval=self.interval, given=given, objects=needed
        )
        if objects is not None:
            objects += [places[place] for place in needed]
        columns: list[dict[str, Any]] = []
        for place, one in enumerate(values):
            if not isinstance(one, Exception):
                columns.append(dict(one))
            elif len(names) == 1:
                columns.append(dict.fromkeys(names, one))
            else:
                # One column fails. The others are there all the same.
                alone = given
                if given.parent is not None:
                    alone = Given(given.constants, given.parent, [given.parents[place]])
                each = [await self._read([name], [found[place]], alone, [places[place]], objects) for name in names]
                columns.append({name: value for (single,) in each for name, value in single.items()})
        return columns

    async def _sums(
        self, rows: KeyRows | Exception, columns: dict[str, Any], day: str | None, by_group: bool
    ) -> dict[Day, SumsOfRows]:
        """Return the sums of one list by day, or all under None if there is no column of the day."""
        assert isinstance(rows, KeyRows)
        failed = {name: values for name, values in columns.items() if isinstance(values, Exception)}
        counts: Counter[Day] = Counter(columns[day]) if day is not None else Counter({None: len(rows)})
        found = {each: SumsOfRows(count, [], failed, by_group) for each, count in counts.items()}
        if by_group and _GROUP not in failed:
            at = columns[day] if day is not None else repeat(None, len(rows))
            for id, each in set(zip(columns[_GROUP], at, strict=True)):
                found[each].groups.add(id)
        for asked in self.asked:
            buckets = await self._buckets(asked, rows, columns, failed, day, len(counts) * (_GROUPS if by_group else 1))
            for each, one in found.items():
                one.buckets.append(buckets if isinstance(buckets, Exception) else buckets.get(each, {}))
        return found

    async def _buckets(
        self,
        asked: AskedSums,
        rows: KeyRows,
        columns: dict[str, Any],
        failed: Mapping[str, Exception],
        day: str | None,
        times: int,
    ) -> dict[Day, Buckets] | Exception:
        if (error := next((failed[key] for key in asked.keys if key in failed), None)) is not None:
            return error
        sound = tuple(each for each in asked.figures if failed.keys().isdisjoint(each.columns))
        keys = asked.keys if day is None else (day, *asked.keys)
        try:
            added = await add_up(Shape(keys, sound), columns, len(rows), MOST_BUCKETS * max(times, 1))
        except TooManyBuckets:
            return too_many_buckets()
        if asked.rows and added:
            # Another report of the same entities may need any column.
            whole = rows.read().whole([rows[each.first] for each in added.values()])
            for each, row in zip(added.values(), whole, strict=True):
                each.row = row
        if day is None:
            return {None: added}
        by_day: dict[Day, Buckets] = {}
        for number, (key, each) in enumerate(added.items(), 1):
            at: Any = key[0]
            by_day.setdefault(at, {})[key[1:]] = each
            if number % _VALUES == 0:
                await next_turn()
        return by_day


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


@dataclass(frozen=True, slots=True, eq=False)
class FinishedSums:
    """The buckets of one list for one field, and the errors of the columns that could not be read."""

    buckets: Buckets
    failed: Mapping[str, Exception]


async def finished(
    lists: Sequence[SumsOfRows | Exception],
    place: int,
    asked: AskedSums,
    session: Session,
    *,
    named: bool,
) -> list[FinishedSums | Exception]:
    """Return the sums that one field shows of each list, with currencies in place of groups: those asked at `place`.

    `named` says whether the currency has to be named also where all amounts of a list have the same one.
    """
    by_group = [one for one in lists if isinstance(one, SumsOfRows) and one.by_group and CURRENCY in asked.columns]
    wanted = sorted({id for one in by_group if named or len(one.groups) > 1 for id in one.groups if id is not None})
    known = dict(zip(wanted, await currencies(session, wanted), strict=True))
    found: list[FinishedSums | Exception] = []
    for one in lists:
        if isinstance(one, Exception):
            found.append(one)
            continue
        buckets, failed = one.buckets[place], one.failed
        if one in by_group and not isinstance(buckets, Exception):
            of = _currencies(one, known, named)
            if isinstance(of, Exception):
                failed = {**failed, CURRENCY: of}
                buckets = of if any(CURRENCY in part.columns for part in asked.parts) else buckets
            else:
                buckets = await _with_currencies(buckets, asked, of)
        if not isinstance(buckets, Exception) and len(buckets) > MOST_BUCKETS:
            buckets = too_many_buckets()
        found.append(buckets if isinstance(buckets, Exception) else FinishedSums(buckets, failed))
    return found


def _currencies(one: SumsOfRows, known: Mapping[int, Any], named: bool) -> Mapping[int | None, str | None] | Exception:
    """Return the currency of each group of a list, whose rows name none: that of the group's books (C30)."""
    if (error := one.failed.get(_GROUP)) is not None:
        return error
    ids: Collection[int | None] = one.groups
    if len(ids) <= 1 and not named:
        return dict.fromkeys(ids)
    of = {id: None if id is None else known[id] for id in ids}
    for currency in of.values():
        if isinstance(currency, Exception):
            return currency
    if len(ids) > 1 and list(of.values()).count(None) > 1:
        return Incomplete(
            "The currencies of several groups are not known, so their amounts cannot be added. Ask for one group."
        )
    return of


async def _with_currencies(buckets: Buckets, asked: AskedSums, of: Mapping[Any, str | None]) -> Buckets:
    """Return the buckets with the currencies of their groups in place of the groups."""
    at = {place for place, part in enumerate(asked.parts) if CURRENCY in part.columns}
    signed = [figure for figure in asked.figures if isinstance(figure, Signed)]
    found: Buckets = {}
    for number, (key, each) in enumerate(buckets.items(), 1):
        shown: Key = tuple(of[value] if place in at else value for place, value in enumerate(key)) if at else key
        sums = BucketSums(each.count, dict(each.figures), each.first, each.row)
        for figure in signed:
            if figure in sums.figures:
                merged: dict[str | None, Any] = {}
                for group, amounts in each.figures[figure].items():
                    figure.joined(merged, {of[group]: amounts})
                sums.figures[figure] = merged
        if (known := found.get(shown)) is None:
            found[shown] = sums if not at else sums.copy()
        else:
            known.join(sums)
        if number % _TURN == 0:
            await next_turn()
    return found


@dataclass(slots=True, eq=False)
class LevelSums:
    """The sums of the lists of one level, by the places of their parents. All fields that add up a list share them."""

    adder: ListAdder
    given: Given
    lists: dict[int, SumsOfRows | Exception] = field(default_factory=dict)
    _adding: asyncio.Lock | None = None

    async def of(self, sources: Mapping[int, KeyRows]) -> list[SumsOfRows | Exception]:
        """Return the sums of some lists, whose rows are added up by the first field that needs them."""
        if self._adding is None:
            self._adding = asyncio.Lock()
        async with self._adding:
            places = [place for place in sources if place not in self.lists]
            if places:
                given = self.given
                if given.parent is not None and places != list(range(len(given.parents))):
                    given = Given(given.constants, given.parent, [given.parents[place] for place in places])
                added = await self.adder.added([sources[place] for place in places], given)
                for place, one in zip(places, added, strict=True):
                    self.lists[place] = one if isinstance(one, Exception) else one[None]
        return [self.lists[place] for place in sources]

    def item(self, place: int, row: Any) -> Any:
        """Return the object of a row of a list."""
        adder = self.adder
        return adder.kind.on(row, session=adder.session, interval=adder.interval, given=self.given.to(place))


@dataclass(frozen=True, slots=True, eq=False)
class AddedList:
    """A list whose rows are added up: its level, the place of its parent, and its rows as far as they were read."""

    level: LevelSums
    place: int
    source: KeyRows = field(default_factory=KeyRows)
