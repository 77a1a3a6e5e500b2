"""Say what totals and buckets of a list read: which columns of its items, for any selection."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from graphql import GraphQLError
from strawberry import Info

from resolvers.session import Session
from resolvers.totals import AddedFigure, BucketSums
from schema.mapping.entity import NOTHING
from schema.mapping.selection import Selection, arguments, nodes_of, select
from schema.mapping.totals.figures import CURRENCY, TotalsObject
from schema.mapping.totals.keys import BucketKeyObject, KeyColumn

# Where the items of a page are selected.
ITEMS = ("nodes", "edges.node")
ADDED_UP = frozenset({"totals", "buckets"})


@dataclass(frozen=True, slots=True)
class BucketValue:
    """A value that buckets are ordered by. If it has currencies, `of_sum` reads it from the sums of one currency."""

    aggregates: tuple[AddedFigure, ...]
    value: Callable[[BucketSums], Any]
    of_sum: Callable[[Any], Any] | None = None


@dataclass(frozen=True, eq=False)
class ListTotals:
    """The totals of lists of one type of items.

    `by` is the enum of the parts of a key, whose values are the fields of `key`. `values` are what buckets are ordered
    by, under the names in the enum of orders. If the rows name no currency, it is that of the books of their group.
    """

    target: str
    totals: type[TotalsObject]
    key: type[BucketKeyObject]
    values: Mapping[str, BucketValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Add it to the totals of all types."""
        LISTS[self.target] = self

    def aggregates(self, selection: Selection) -> tuple[AddedFigure, ...]:
        """Return what is added up for the selected figures."""
        figures = [figure for name, figure in self.totals.figures.items() if name in selection]
        return tuple(dict.fromkeys(each for figure in figures for each in figure.aggregates))

    def parts(self, by: Iterable[Enum]) -> list[KeyColumn]:
        """Return the parts of a key, each once, in their order."""
        return [self.key.parts[each.value] for each in dict.fromkeys(by)]

    def order(self, order: Enum | None) -> tuple[BucketValue | None, bool]:
        """Return what an order orders by, None for the keys, and whether the largest comes first."""
        name, _, direction = ("" if order is None else order.name).rpartition("_")
        return self.values.get(name), direction == "DESC"


# The totals of all types that have them, by the name of the type.
LISTS: dict[str, ListTotals] = {}


def items_selected(info: Info[Session, Any], entity: str) -> Selection:
    """Return what is selected of the items of a page, and what its totals and buckets read of all items."""
    selection = select(info, *ITEMS)
    selected = select(info)
    if ADDED_UP.isdisjoint(selected):
        return selection
    columns = frozenset(_read(info, LISTS[entity], selected))
    found: Selection | None = selection.memo.get(columns)
    if found is None:
        found = selection.memo[columns] = _merged(selection, columns)
    return found


def _read(info: Info[Session, Any], kind: ListTotals, selected: Selection) -> Iterable[str]:
    """Yield the columns that the totals and the buckets read. Their rows are added up by day."""
    yield from kind.key.parts["day"].columns
    aggregates = [*kind.aggregates(selected.get("totals", NOTHING))]
    if "buckets" in selected:
        aggregates += kind.aggregates(selected.below("buckets.totals"))
        for node in nodes_of(info, "buckets"):
            try:
                given = arguments(info, f"{kind.target}Connection", node)
            except GraphQLError:
                continue  # the field itself says what is wrong
            for part in kind.parts(given.get("by") or ()):
                yield from part.columns
            value, _ = kind.order(given.get("order_by"))
            aggregates += () if value is None else value.aggregates
    for aggregate in aggregates:
        yield from aggregate.columns


def _merged(selection: Selection, columns: Iterable[str]) -> Selection:
    found = Selection({name: Selection(below) for name, below in selection.items()})
    for name in columns:
        top, _, below = name.partition(".")
        inner = found.setdefault(top, Selection())
        if below:
            inner.setdefault(below, Selection())
        if name == CURRENCY:
            found.setdefault("group", Selection()).setdefault("id", Selection())
    return found
