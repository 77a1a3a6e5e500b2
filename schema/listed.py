"""Objects of a list that stand on one row each, and of which no more is asked than the row tells."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.offer import Expression, Rows
from resolvers import session as sessions
from resolvers.session import Session
from schema.order import Order
from schema.selection import Selection
from schema.window import UNKNOWN, Window
from upstream.interval import Interval
from upstream.rows import Row

TYPENAME = "__typename"


class Listed(Rows):
    """The rows of a list whose objects nobody has had to make yet."""

    __slots__ = ("_interval", "_kind", "_session", "_source", "_told")

    def __init__(
        self,
        kind: type[Window],
        rows: list[Any],
        session: Session,
        interval: Interval | None,
        told: Mapping[str, Any] | None,
        source: sessions.Rows,
    ) -> None:
        self.rows = rows
        self.shape = (kind, type(rows[0]), session.zone)
        self._kind = kind
        self._session = session
        self._interval = interval
        self._told = told
        self._source = source

    def object(self, row: Any) -> Window:
        # An object may be asked for anything, whatever was read of its row so far.
        self._source.need()
        return self._kind.on(
            row, session=self._session, interval=self._interval, told=dict(self._told) if self._told else None
        )

    def expression(self, name: str) -> Expression | None:
        column = self._kind.columns.get(name)
        return column.expression(type(self.rows[0]), self._session) if column is not None else None


def readable(kind: type[Window], selection: Selection, order: Order, session: Session) -> frozenset[str] | None:
    """The columns of a row that are read for what is selected, of whichever report it is; None for all of them."""
    place = ("readable", kind, id(selection))
    if place not in session.memo:
        session.memo[place] = _readable(kind, selection, order, session)
    found: frozenset[str] | None = session.memo[place]
    return found


def _readable(kind: type[Window], selection: Selection, order: Order, session: Session) -> frozenset[str] | None:
    read = set(order.columns)
    for name in selection.keys() - {TYPENAME}:
        column = kind.columns.get(name)
        if column is None or not column.of:
            return None
        for row in kind.kinds:
            if column.expression(row, session) is None:
                return None
            read.update(column.reads(row))
    return frozenset(read)


def told_by_rows(kind: type[Window], rows: Sequence[Row], sample: Window, selection: Selection) -> bool:
    """Whether the rows of a list, all of one report, tell all that is selected, so that no object need be made.

    `sample` is the object on one of them.
    """
    row = type(rows[0])
    for name in selection.keys() - {TYPENAME}:
        column = kind.columns.get(name)
        if column is None or column.expression(row, sample.session) is None:
            return False
    if sample.gaps(selection):
        return False
    for name in kind.unsure:
        if name in selection:
            reader = kind.columns[name].readers[row]
            if any(reader(row) is UNKNOWN for row in rows):
                return False
    return True
