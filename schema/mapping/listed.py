"""Objects of a list that stand on one row each, and of which no more is asked than the row tells."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from operator import is_
from typing import Any

from engine.offer import Expression, Nested, RowList
from resolvers.key_rows import KeyRows
from resolvers.session import Session
from schema.mapping.entity import UNKNOWN, Entity, EntityLink
from schema.mapping.expression import ColumnReader
from schema.mapping.order import ListOrder
from schema.mapping.selection import Selection
from upstream.decoding.partial_row import report_row
from upstream.interval import Interval
from upstream.reports.rows import Row

TYPENAME = "__typename"


class Listed(RowList):
    """The rows of a list whose objects nobody has had to make yet."""

    __slots__ = ("_interval", "_irregular", "_kind", "_session", "_source", "_told")

    def __init__(
        self,
        kind: type[Entity],
        rows: list[Any],
        session: Session,
        interval: Interval | None,
        told: Mapping[str, Any] | None,
        source: KeyRows,
    ) -> None:
        self.rows = rows
        # A bad value can only be read off an object, which tells what is wrong with it.
        self._irregular = frozenset(source.irregular)
        self.shape = (kind, type(rows[0]), session.zone, self._irregular)
        self._kind = kind
        self._session = session
        self._interval = interval
        self._told = told
        self._source = source

    @property
    def columns(self) -> Iterable[str]:
        """The columns of the objects, by their names in the graph."""
        return self._kind.columns

    def object(self, row: Any) -> Entity:
        # An object may be asked for anything, whatever was read of its row so far.
        self._source.need()
        (row,) = self._source.whole((row,))
        return self._kind.on(
            row, session=self._session, interval=self._interval, told=dict(self._told) if self._told else None
        )

    def expression(self, name: str) -> Expression | Nested | None:
        column, row = self._kind.columns.get(name), type(self.rows[0])
        found = column.expression(row, self._session) if column is not None else None
        if found is None or column is None:
            return None
        if self._irregular and not self._irregular.isdisjoint(column.reads(report_row(row))):
            return None
        return found


class Edges(RowList):
    """The edges of a list whose objects nobody has had to make yet: pairs of a cursor and a row."""

    __slots__ = ("_listed", "_make")

    def __init__(self, cursors: Sequence[str], listed: Listed, make: Callable[[str, Entity], Any]) -> None:
        self.rows = list(zip(cursors, listed.rows, strict=True))
        self.shape = ("edges", listed.shape)
        self._listed = listed
        self._make = make

    def object(self, row: Any) -> Any:
        cursor, node = row
        return self._make(cursor, self._listed.object(node))

    def expression(self, name: str) -> Expression | Nested | None:
        if name == "cursor":
            return Expression("row[0]", str, nullable=False)
        found = {name: self._listed.expression(name) for name in self._listed.columns}
        return Nested({name: over(each, "row[1]") for name, each in found.items() if each is not None}, complete=True)


def over(found: Expression | Nested, row: str) -> Expression | Nested:
    """The same, read off another expression for the row."""
    if isinstance(found, Expression):
        return found.over(row)
    null = Expression(found.null).over(row).code
    return Nested({name: over(each, row) for name, each in found.fields.items()}, null, found.complete)


def readable(kind: type[Entity], selection: Selection, order: ListOrder, session: Session) -> frozenset[str] | None:
    """The columns of a row that are read for what is selected, of whichever report it is; None for all of them."""
    place = (kind, order.name)
    if place not in selection.memo:
        selection.memo[place] = _readable(kind, selection, order, session)
    found: frozenset[str] | None = selection.memo[place]
    return found


def _readable(kind: type[Entity], selection: Selection, order: ListOrder, session: Session) -> frozenset[str] | None:
    read = set(order.columns)
    for name in selection.keys() - {TYPENAME}:
        column = kind.columns.get(name)
        if column is None or not column.of:
            return None
        for row in column.of:
            if not _told(column.expression(row, session), selection[name]):
                return None
            read.update(column.reads(row))
    return frozenset(read)


def _told(found: Expression | Nested | None, selection: Selection) -> bool:
    """Whether an expression tells all that is selected below it."""
    if isinstance(found, Nested):
        return selection.keys() - {TYPENAME} <= found.fields.keys()
    return found is not None


def told_by_rows(kind: type[Entity], sample: Entity, selection: Selection) -> bool:
    """Whether rows like that of `sample` tell all that is selected, so that no object need be made.

    `sure` says whether they do so for certain.
    """
    (row,) = map(report_row, map(type, sample.rows))
    for name in selection.keys() - {TYPENAME}:
        column = kind.columns.get(name)
        # What the parent told of it may be more than the row tells.
        if column is None or (isinstance(column, EntityLink) and column.name in sample.told):
            return False
        if not _told(column.expression(row, sample.session), selection[name]):
            return False
    return not sample.missing(selection)


def sure(kind: type[Entity], rows: Sequence[Row], selection: Selection, irregular: Collection[str] = ()) -> bool:
    """Whether each of the rows, all of one report, tells what such a row may turn out not to tell.

    A column that holds a bad value (`irregular`) is not looked at: its objects are.
    """
    for name in kind.unsure:
        if name in selection:
            row = report_row(type(rows[0]))
            told = kind.columns[name].of.get(row)
            if irregular and not frozenset(irregular).isdisjoint(kind.columns[name].reads(row)):
                return False
            if isinstance(told, ColumnReader) and told.sure is not None:
                if not told.sure(rows):
                    return False
            elif any(map(partial(is_, UNKNOWN), map(kind.columns[name].readers[row], rows))):
                return False
    return True
