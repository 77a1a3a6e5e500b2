"""The fields `totals` and `buckets` of a page: they add up all rows of its list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

import strawberry
from strawberry import Info
from strawberry.types.fields.resolver import Parameter

from resolvers.session import Session
from resolvers.totals import (
    BucketSorting,
    in_order,
)
from schema.mapping.entity import Entity
from schema.mapping.errors import BadUserInput
from schema.mapping.loading import complete
from schema.mapping.relation import relation_of
from schema.mapping.selection import Selection, select
from schema.mapping.totals.adding import AddedList, FinishedSums, finished
from schema.mapping.totals.figures import CURRENCY
from schema.mapping.totals.keys import KeyColumn, KeyForm
from schema.mapping.totals.list_totals import LISTS, BucketValue

DEFAULT_BUCKETS = 100
MAX_BUCKETS = 1000


@dataclass(slots=True, eq=False)
class BucketObject:
    """A bucket of rows: its key, and its totals."""

    key: Any
    totals: Any


async def _sums(
    connections: Sequence[Any], parts: Sequence[KeyColumn], *, named: bool
) -> tuple[list[AddedList], list[FinishedSums | Exception]]:
    """Return the lists of pages, which one field of one level has made, and their sums in buckets by these parts."""
    lists = [connection.listing for connection in connections]
    level = lists[0].level
    found = await level.of({each.place: each.source for each in lists})
    place, asked = next((place, one) for place, one in enumerate(level.adder.asked) if one.parts == tuple(parts))
    return lists, await finished(found, place, asked, level.adder.session, named=named)


def totals_of(target: str, type: Any) -> Any:
    """Declare the field `totals` of pages of a type."""

    async def totals(connections: Sequence[Any], info: Info[Session, Any]) -> list[Any]:
        kind, selection = LISTS[target], select(info)
        _, found = await _sums(connections, (), named=CURRENCY in selection.below("sums"))
        return [
            one if isinstance(one, Exception) else kind.totals.on(one.buckets[()], one.failed, info.context)
            for one in found
        ]

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
        named = CURRENCY in selection.below("totals.sums") or any(CURRENCY in part.columns for part in parts)
        most = first if first is not None else None if info.context.whole else DEFAULT_BUCKETS
        found: list[Any] = []
        for each, one in zip(*await _sums(connections, parts, named=named), strict=True):
            try:
                if isinstance(one, Exception):
                    raise one
                ordered = await in_order(one.buckets, _sorting(value, falling, one.failed), most)
            except Exception as error:
                found.append(error)
                continue
            info.context.nodes.take(len(ordered))
            rows = await _rows(info, each, [sums.row for _, sums in ordered], parts)
            found.append(
                [
                    BucketObject(
                        kind.key.on(dict(zip((part.name for part in parts), key, strict=True)), row),
                        kind.totals.on(sums, one.failed, info.context),
                    )
                    for (key, sums), row in zip(ordered, rows, strict=True)
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
    info: Info[Session, Any], each: AddedList, rows: Sequence[Any], parts: Sequence[KeyColumn]
) -> Sequence[Entity | None]:
    """Return an object of one row of each bucket, if a part of the key is read from it."""
    selected = select(info, "key")
    fields = [part.field for part in parts if part.form is KeyForm.ENTITY and part.field in selected]
    if not rows or not fields:
        return [None] * len(rows)
    objects = [each.level.item(each.place, row) for row in rows]
    await complete(objects, Selection({field: selected[field] for field in fields}))
    return objects


def _parameter(name: str, annotation: Any, default: Any) -> Parameter:
    return Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation, default=default)


def _described(description: str) -> Any:
    return strawberry.argument(description=description)
