"""Opened pages of lists. Pages whose rows contain all that is selected are written from the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from engine.batch_hint import Expression, Items, Nested, RowField, RowList
from resolvers.key_rows import KeyRows
from resolvers.session import Session
from schema.mapping.entity import Entity
from schema.mapping.lists.listed import Edges, Given, Listed
from schema.mapping.lists.relay import Connection, Edge, PageInfo
from schema.mapping.totals.adding import AddedList, LevelSums
from upstream.reports.rows import Row
from upstream.values.interval import Interval


class OpenedPage(msgspec.Struct, eq=False):
    """A page of the list `source`: where it starts there, its rows in their order, and their cursors if needed.

    `place` is the place of its parent in the level.
    """

    place: int
    source: KeyRows
    start: int
    rows: list[Row]
    cursors: list[str]


@dataclass(slots=True, eq=False)
class PageMaker:
    """Make the objects of the pages of a level. `kind` is the type of the items, and `sums` add up their lists."""

    kind: type[Entity]
    session: Session
    interval: Interval | None
    given: Given
    with_info: bool
    with_edges: bool
    sums: LevelSums | None = None

    def page(self, opened: OpenedPage, nodes: Sequence[Any] | None = None) -> Any:
        """Return the object of a page. Without `nodes`, the items stay rows until an object is needed."""
        edges: Sequence[Any] = []
        if nodes is not None:
            edges = list(map(_edge, opened.cursors, nodes)) if self.with_edges else []
        elif opened.rows:
            nodes = listed = self.listed(opened)
            edges = Edges(opened.cursors, listed, _edge) if self.with_edges else []
        about: Any = _page_info(opened) if self.with_info else None
        total = len(opened.source)
        listing: Any = None if self.sums is None else AddedList(self.sums, opened.place, opened.source)
        return Connection(edges=edges, nodes=nodes or [], total_count=total, page_info=about, listing=listing)  # type: ignore[arg-type]

    def listed(self, opened: OpenedPage) -> Listed:
        """Return the items of a page as rows."""
        given = partial(self.given.to, opened.place)
        return Listed(self.kind, opened.rows, self.session, self.interval, given, opened.source)

    def objects(self, opened: OpenedPage) -> list[Entity]:
        """Return the objects of the items of a page."""
        return list(self.listed(opened))


class PagesOnRows(RowList):
    """The pages of all parents of a level. Their rows contain all that is selected."""

    __slots__ = ("_make", "_sample")

    def __init__(self, pages: Sequence[Any], make: PageMaker) -> None:
        self._make = make
        self._sample = make.listed(next(opened for opened in pages if opened.rows))
        super().__init__(list(pages), ("pages", self._sample.shape))

    def object(self, row: Any) -> Any:
        return self._make.page(row)

    def weights(self) -> list[int]:
        return [len(row.rows) + 1 for row in self.rows]

    def expression(self, name: str) -> RowField | None:
        if name == "nodes":
            return Items("row.rows", self._sample.expression)
        if name == "edges":
            return Items("zip(row.cursors, row.rows)", partial(_of_edge, self._sample))
        return _FIELDS.get(name)


def _of_edge(listed: Listed, name: str) -> RowField | None:
    return Edges.field(listed, name)


_FIELDS: dict[str, RowField] = {
    "totalCount": Expression("len(row.source)", int, nullable=False),
    "pageInfo": Nested(
        {
            "hasNextPage": Expression("row.start + len(row.rows) < len(row.source)", bool, nullable=False),
            "hasPreviousPage": Expression("row.start > 0", bool, nullable=False),
            "startCursor": Expression("(row.cursors[0] if row.cursors else None)", str),
            "endCursor": Expression("(row.cursors[-1] if row.cursors else None)", str),
        },
        complete=True,
    ),
}


def _page_info(opened: OpenedPage) -> PageInfo:
    cursors, start = opened.cursors, opened.start
    first, last = (cursors[0], cursors[-1]) if cursors else (None, None)
    more = start + len(opened.rows) < len(opened.source)
    return PageInfo(has_next_page=more, has_previous_page=start > 0, start_cursor=first, end_cursor=last)


def _edge(cursor: str, node: Any) -> Any:
    return Edge(cursor=cursor, node=node)
