"""Items of a list that are read from one row each, without making objects."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter, is_
from typing import Any

from engine.batch_hint import Expression, Nested, RowField, RowList
from resolvers.key_rows import KeyRows
from resolvers.session import Session
from schema.mapping.columns import EntityLink
from schema.mapping.entity import NOTHING, UNKNOWN, Entity, EntityRows
from schema.mapping.expression import ColumnReader
from schema.mapping.selection import Selection
from schema.mapping.values import report_row
from upstream.reports.rows import Row
from upstream.values.interval import Interval

TYPENAME = "__typename"


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """The values that the parents of a level give to their items, by column name: constants, and the parent itself.

    Nothing is made of a parent before an object needs it.
    """

    constants: Mapping[str, Any] = field(default_factory=dict)
    parent: str | None = None
    parents: Sequence[Any] = ()

    @property
    def names(self) -> frozenset[str]:
        """Return the columns that are given."""
        return frozenset(self.constants if self.parent is None else (*self.constants, self.parent))

    def to(self, place: int) -> dict[str, Any]:
        """Return the values for an item of the parent at a place."""
        return dict(self.constants) if self.parent is None else {**self.constants, self.parent: self.parents[place]}


NOTHING_GIVEN = Given()


class Listed(EntityRows):
    """The rows of a list whose objects are made only when something needs them.

    `given` returns the values that the parent gives to an item, by column name.
    """

    __slots__ = ("_given", "_interval", "_irregular", "_kind", "_session", "_source")

    def __init__(
        self,
        kind: type[Entity],
        rows: list[Any],
        session: Session,
        interval: Interval | None,
        given: Callable[[], dict[str, Any]],
        source: KeyRows,
    ) -> None:
        # A column with a bad value must be read from the object, which raises its error.
        self._irregular = frozenset(source.irregular)
        super().__init__(rows, (kind, rows[0].__class__, session.zone, self._irregular))
        self._kind = kind
        self._session = session
        self._interval = interval
        self._source = source
        self._given = given

    @property
    def given(self) -> dict[str, Any]:
        return self._given()

    def object(self, row: Any) -> Entity:
        # An object may need any column, so its whole row is read.
        self._source.read()
        (row,) = self._source.whole([row])
        return self._kind.on(row, session=self._session, interval=self._interval, given=self.given)

    def expression(self, name: str) -> RowField | None:
        column, row = self._kind.columns.get(name), type(self.rows[0])
        found = column.expression(row, self._session) if column is not None else None
        if found is None or column is None:
            return None
        if self._irregular and not self._irregular.isdisjoint(column.reads(report_row(row))):
            return None
        return found

    def known(self) -> Iterable[str]:
        """Return the columns of the objects, by their names in the graph."""
        return self._kind.columns

    def values(self, name: str) -> list[Any] | None:
        column, row = self._kind.columns[name], type(self.rows[0])
        at = column.places.get(report_row(row))
        if not isinstance(at, str) or column.expression(row, self._session) is None:
            return None
        self._source.read((at,))
        return None if at in self._source.irregular else list(map(attrgetter(at), self.rows))


class Edges(RowList):
    """The edges of a list as pairs of a cursor and a row, without objects."""

    __slots__ = ("_listed", "_make")

    def __init__(self, cursors: Sequence[str], listed: Listed, make: Callable[[str, Entity], Any]) -> None:
        super().__init__(list(zip(cursors, listed.rows, strict=True)), ("edges", listed.shape))
        self._listed = listed
        self._make = make

    def object(self, row: Any) -> Any:
        cursor, node = row
        return self._make(cursor, self._listed.object(node))

    def expression(self, name: str) -> RowField | None:
        return self.field(self._listed, name)

    @staticmethod
    def field(listed: Listed, name: str) -> RowField | None:
        """Return how a field of an edge is read from a pair of a cursor and a row."""
        if name == "cursor":
            return Expression("row[0]", str, nullable=False)
        found = {name: listed.expression(name) for name in listed.known()}
        return Nested({name: each.over("row[1]") for name, each in found.items() if each is not None}, complete=True)


def readable(
    kind: type[Entity], selection: Selection, always: tuple[str, ...], session: Session
) -> frozenset[str] | None:
    """Return the columns of a row that the selection reads, for all reports, or None for all columns.

    The columns `always` are read in any case, such as those of a list's order.
    """
    place = (kind, always)
    if place not in selection.memo:
        selection.memo[place] = _readable(kind, selection, always, session)
    found: frozenset[str] | None = selection.memo[place]
    return found


def _readable(
    kind: type[Entity], selection: Selection, always: tuple[str, ...], session: Session
) -> frozenset[str] | None:
    read = set(always)
    names = selection.keys() - {TYPENAME}
    if not kind.relations.isdisjoint(names):
        # A relation is found by the id, and by columns that the type names.
        names = {*names, "id", *kind.implied(selection, session)} - kind.relations
    for name in names:
        column = kind.columns.get(name)
        if column is None or not column.places:
            return None
        for row in column.places:
            if not _knows(column.expression(row, session), selection.get(name, NOTHING)):
                return None
            read.update(column.reads(row))
    return frozenset(read)


def _knows(found: RowField | None, selection: Selection) -> bool:
    """Return whether an expression has all that is selected below it."""
    if isinstance(found, Nested):
        return selection.keys() - {TYPENAME} <= found.fields.keys()
    return found is not None


def known_by_rows(
    kind: type[Entity], row: Row, selection: Selection, session: Session, interval: Interval | None, given: Given
) -> bool:
    """Return whether rows like this one have all that is selected, so that no object is needed.

    `sure` then checks the values of the rows.
    """
    place = (kind, type(row), given.names, interval is None, kind.implied(selection, session))
    known = selection.memo.get(place)
    if known is None:
        sample = kind.on(row, session=session, interval=interval, given=dict.fromkeys(given.names))
        known = selection.memo[place] = _known_by_rows(kind, sample, selection)
    return bool(known)


def _known_by_rows(kind: type[Entity], sample: Entity, selection: Selection) -> bool:
    (row,) = map(report_row, map(type, sample.rows))
    for name in selection.keys() - {TYPENAME} - kind.relations:
        column = kind.columns.get(name)
        # The parent may have given more values of it than the row has.
        if column is None or (isinstance(column, EntityLink) and column.name in sample.given):
            return False
        if not _knows(column.expression(row, sample.session), selection[name]):
            return False
    return not sample.missing(selection)


def sure(kind: type[Entity], rows: Sequence[Row], selection: Selection, irregular: Collection[str] = ()) -> bool:
    """Return whether each of the rows, all of one report, has a value in its unsure columns.

    A column with a bad value (`irregular`) does not count: its objects are needed.
    """
    for name in kind.unsure:
        if name in selection:
            row = report_row(type(rows[0]))
            place = kind.columns[name].places.get(row)
            if irregular and not frozenset(irregular).isdisjoint(kind.columns[name].reads(row)):
                return False
            if isinstance(place, ColumnReader) and place.sure is not None:
                if not place.sure(rows):
                    return False
                continue
            try:
                if any(map(partial(is_, UNKNOWN), map(kind.columns[name].readers[row], rows))):
                    return False
            except (TypeError, ValueError):
                return False  # an amount that nothing has checked yet
    return True
