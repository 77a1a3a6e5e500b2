"""Add up columns of values: the totals of all rows, or of buckets of rows with equal keys. Pure: it calls nothing.

Sums are exact. Rows are added up in turns of the event loop, and the number of buckets is bounded.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from enum import Enum
from itertools import islice
from operator import itemgetter
from typing import Any

from resolvers.turns import next_turn
from upstream.values.figures import EXACT

# The rows that are added up in one turn of the event loop: some milliseconds of work.
TURN = 2_000
# More buckets than these are refused: each has sums of its own.
MOST_BUCKETS = 100_000
# So many rows are distributed over buckets in one turn. A bucket costs as much as so many rows.
_PLACES = 5_000
_BUCKET = 40
# So many buckets are sorted in one turn, and so many are joined.
_SORTED = 1_000
_JOINED = 250
RATIO_DIGITS = 6
# About the bytes of a figure, of a value in a set, and of a bucket with its key.
_FIGURE_BYTES = 120
_VALUE_BYTES = 100
_BUCKET_BYTES = 500

Columns = Mapping[str, Sequence[Any]]
Key = tuple[Hashable, ...]


class TooManyBuckets(Exception):
    """Say that rows fall into more buckets than may be kept."""


class AddedFigure(ABC):
    """A figure of some rows that can be added to the same figure of other rows. `columns` are what it reads.

    A missing value (None) counts in no figure.
    """

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Return the columns that it reads."""

    @abstractmethod
    def of(self, columns: Sequence[Sequence[Any]]) -> Any:
        """Return the figure of some rows, given the values of its columns."""

    @abstractmethod
    def joined(self, one: Any, other: Any) -> Any:
        """Return the figure of the rows of two figures. The first figure may be changed."""

    def copied(self, figure: Any) -> Any:
        """Return the same figure as an object that may be changed."""
        return figure

    def size(self, figure: Any) -> int:
        """Return about how many bytes a figure takes."""
        return _FIGURE_BYTES


@dataclass(frozen=True, slots=True)
class Distinct(AddedFigure):
    """The distinct values of a column. Equal values are two if the column `within` tells them apart."""

    column: str
    within: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,) if self.within is None else (self.column, self.within)

    def of(self, columns: Sequence[Sequence[Any]]) -> set[Any]:
        if self.within is not None:
            return {pair for pair in zip(*columns, strict=True) if pair[0] is not None}
        found = set(columns[0])
        found.discard(None)
        return found

    def joined(self, one: set[Any], other: set[Any]) -> set[Any]:
        one |= other
        return one

    def copied(self, figure: set[Any]) -> set[Any]:
        return set(figure)

    def size(self, figure: set[Any]) -> int:
        return _FIGURE_BYTES + _VALUE_BYTES * len(figure)


@dataclass(frozen=True, slots=True)
class Sum(AddedFigure):
    """The sum of a column of decimals or whole numbers; None if no row has a value."""

    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def of(self, columns: Sequence[Sequence[Any]]) -> Decimal | None:
        found = [value for value in columns[0] if value is not None]
        return sum(found, Decimal(0)) if found else None

    def joined(self, one: Decimal | None, other: Decimal | None) -> Decimal | None:
        if one is None or other is None:
            return other if one is None else one
        return EXACT.add(one, other)


@dataclass(slots=True)
class SignedSum:
    """Amounts of one currency: positive ones, negative ones (as a positive figure), the smallest and the largest."""

    credits: Decimal
    debits: Decimal
    smallest: Decimal
    largest: Decimal

    @property
    def net(self) -> Decimal:
        """Return the sum of all amounts."""
        return EXACT.subtract(self.credits, self.debits)


@dataclass(frozen=True, slots=True)
class Signed(AddedFigure):
    """The amounts of a column by currency. Amounts of different currencies are never added."""

    amount: str
    currency: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.amount, self.currency)

    def of(self, columns: Sequence[Sequence[Any]]) -> dict[str | None, SignedSum]:
        values, currencies = columns
        found: dict[str | None, list[Decimal | None]] = defaultdict(list)
        if len(kinds := set(currencies)) == 1:
            found[kinds.pop()] = list(values)
        else:
            for value, currency in zip(values, currencies, strict=True):
                found[currency].append(value)
        return {currency: added for currency, each in found.items() if (added := self._added(each)) is not None}

    @staticmethod
    def _added(values: list[Decimal | None]) -> SignedSum | None:
        amounts = [value for value in values if value is not None]
        if not amounts:
            return None
        debits = sum([amount for amount in amounts if amount < 0], Decimal(0))
        return SignedSum(sum(amounts, Decimal(0)) - debits, -debits, min(amounts), max(amounts))

    def joined(
        self, one: dict[str | None, SignedSum], other: dict[str | None, SignedSum]
    ) -> dict[str | None, SignedSum]:
        for currency, more in other.items():
            known = one.get(currency)
            if known is not None:
                more = SignedSum(
                    EXACT.add(known.credits, more.credits),
                    EXACT.add(known.debits, more.debits),
                    min(known.smallest, more.smallest),
                    max(known.largest, more.largest),
                )
            one[currency] = more
        return one

    def copied(self, figure: dict[str | None, SignedSum]) -> dict[str | None, SignedSum]:
        return dict(figure)

    def size(self, figure: dict[str | None, SignedSum]) -> int:
        return _FIGURE_BYTES * (1 + 5 * len(figure))


@dataclass(frozen=True, slots=True)
class Extent(AddedFigure):
    """The smallest and the largest value of a column; None if no row has a value."""

    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def of(self, columns: Sequence[Sequence[Any]]) -> tuple[Any, Any] | None:
        found = [value for value in columns[0] if value is not None]
        return (min(found), max(found)) if found else None

    def joined(self, one: tuple[Any, Any] | None, other: tuple[Any, Any] | None) -> tuple[Any, Any] | None:
        if one is None or other is None:
            return other if one is None else one
        return min(one[0], other[0]), max(one[1], other[1])


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns whose values make a bucket, and what is added up in each bucket."""

    keys: tuple[str, ...] = ()
    aggregates: tuple[AddedFigure, ...] = ()

    @property
    def columns(self) -> frozenset[str]:
        """Return all columns that are read."""
        return frozenset(self.keys).union(*(aggregate.columns for aggregate in self.aggregates))


@dataclass(slots=True, eq=False)
class BucketSums:
    """The number of rows of a bucket, their figures by aggregate, and the place of the first of these rows.

    `row` is this row, if something else than its sums is needed of the bucket.
    """

    count: int = 0
    figures: dict[AddedFigure, Any] = field(default_factory=dict)
    first: int = 0
    row: Any = None

    def add(self, count: int, figures: Mapping[AddedFigure, Any]) -> None:
        """Add the rows of other figures. The other figures may be changed."""
        self.count += count
        for aggregate, more in figures.items():
            known = self.figures
            known[aggregate] = aggregate.joined(known[aggregate], more) if aggregate in known else more

    def join(self, other: "BucketSums") -> None:
        """Add other rows. The other sums are not changed."""
        self.count += other.count
        known = self.figures
        for aggregate, more in other.figures.items():
            if aggregate in known:
                known[aggregate] = aggregate.joined(known[aggregate], more)
            else:
                known[aggregate] = aggregate.copied(more)

    def copy(self) -> "BucketSums":
        """Return the same sums as an object that may be changed."""
        figures = {aggregate: aggregate.copied(figure) for aggregate, figure in self.figures.items()}
        return BucketSums(self.count, figures, self.first, self.row)

    @property
    def size(self) -> int:
        """Return about how many bytes they take, without the row."""
        return _BUCKET_BYTES + sum(aggregate.size(figure) for aggregate, figure in self.figures.items())


Buckets = dict[Key, BucketSums]


async def join(into: Buckets, more: Mapping[Key, BucketSums], most: int = MOST_BUCKETS) -> None:
    """Add the buckets of other rows, which are not changed. Raise `TooManyBuckets`."""
    for number, (key, sums) in enumerate(more.items(), 1):
        known = into.get(key)
        if known is not None:
            known.join(sums)
        else:
            into[key] = sums.copy()
        if number % _JOINED == 0:
            await next_turn()
    if len(into) > most:
        raise TooManyBuckets


async def add_up(shape: Shape, columns: Columns, count: int, most: int = MOST_BUCKETS) -> Buckets:
    """Return the sums of each bucket of `count` rows. Without keys, there is one bucket, also if it has no row.

    Raise `TooManyBuckets`.
    """
    found: Buckets = {}
    done = 0
    places_of = await _places([columns[name] for name in shape.keys], count, most)
    for key, places in places_of.items():
        # Thousands of lists are not released in one turn.
        places_of[key] = ()
        bucket = found[key] = BucketSums(first=places[0] if places else 0)
        for begin in range(0, len(places) or 1, TURN):
            take = _taking(places[begin : begin + TURN])
            with localcontext(EXACT):
                figures = {each: each.of([take(columns[name]) for name in each.columns]) for each in shape.aggregates}
            bucket.add(min(TURN, len(places) - begin), figures)
            # A bucket costs as much as some rows.
            done += min(TURN, len(places) - begin) + _BUCKET
            if done >= TURN:
                done = 0
                await next_turn()
    return found


async def _places(keys: Sequence[Sequence[Any]], count: int, most: int) -> dict[Key, Sequence[int]]:
    """Return the places of the rows of each bucket. Raise `TooManyBuckets`."""
    if not keys:
        return {(): range(count)}
    found: defaultdict[Key, Any] = defaultdict(list)
    for begin in range(0, count, _PLACES):
        end = min(begin + _PLACES, count)
        for place, key in enumerate(zip(*(each[begin:end] for each in keys), strict=True), begin):
            found[key].append(place)
        if len(found) > most:
            raise TooManyBuckets
        await (next_turn() if count > _PLACES else asyncio.sleep(0))
    return found


def _taking(places: Sequence[int]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Return the function that takes the values at some places from a column."""
    if isinstance(places, range):
        return itemgetter(slice(places.start, places.stop))
    if len(places) == 1:
        (place,) = places
        return lambda column: (column[place],)
    return itemgetter(*places)


@dataclass(frozen=True, slots=True)
class BucketSorting:
    """The order of buckets: by a value, and equal ones by their keys. Without a value, by the keys alone.

    `apart` returns what separates buckets whose values cannot be compared; what it returns is sorted first.
    """

    value: Callable[[BucketSums], Any] | None = None
    falling: bool = False
    apart: Callable[[BucketSums], Any] | None = None

    def sorted(self, items: Iterable[tuple[Key, BucketSums]]) -> list[tuple[Key, BucketSums]]:
        """Return buckets in this order."""
        found, value, apart = sorted(items, key=lambda item: sortable(item[0])), self.value, self.apart
        if value is not None:
            # With `reverse`, equal items keep their order as well.
            found.sort(key=lambda item: value(item[1]), reverse=self.falling)
        if apart is not None:
            found.sort(key=lambda item: apart(item[1]))
        return found


async def in_order(
    found: Mapping[Key, BucketSums], sorting: BucketSorting, most: int | None = None
) -> list[tuple[Key, BucketSums]]:
    """Return the first buckets in an order, all of them if `most` is None."""
    if most is None or len(found) <= _SORTED:
        return sorting.sorted(found.items())[:most]
    first: list[tuple[Key, BucketSums]] = []
    items = iter(found.items())
    while some := list(islice(items, _SORTED)):
        await next_turn()
        first = sorting.sorted([*first, *some])[:most]
    return first


def sortable(key: Iterable[Any]) -> tuple[Any, ...]:
    """Return a form of a key that can be compared with any other key: a missing value comes last."""
    return tuple(_rank(part) for part in key)


def _rank(part: Any) -> tuple[Any, ...]:
    if part is None:
        return (3,)
    if isinstance(part, Enum):
        part = part.value
    if isinstance(part, tuple):
        return (2, sortable(part))
    return (1, part) if isinstance(part, str) else (0, part)


def ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    """Return `part / whole` with six decimals, half to even; None if the whole is zero."""
    if not whole:
        return None
    digits = len(part.as_tuple().digits) + len(whole.as_tuple().digits) + abs(part.adjusted()) + abs(whole.adjusted())
    with localcontext() as context:
        context.prec = digits + 2 * RATIO_DIGITS + 10
        return (part / whole).quantize(Decimal(1).scaleb(-RATIO_DIGITS), ROUND_HALF_EVEN)
