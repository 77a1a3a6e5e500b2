"""Relay connections: a page of a list, with cursors that are stable keys of the rows."""

import asyncio
import base64
import binascii
import bisect
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import orjson
from strawberry import Info

from resolvers.key_rows import KeyRows
from resolvers.nodes import TURN
from resolvers.session import Session
from schema.mapping.entity import ENTITIES, Entity
from schema.mapping.errors import BadUserInput
from schema.mapping.lists.column_values import columns_read
from schema.mapping.lists.conditions import NO_CONDITIONS, Conditions
from schema.mapping.lists.listed import NOTHING_GIVEN, Given, known_by_rows, readable, sure
from schema.mapping.lists.opened import OpenedPage, PageMaker, PagesOnRows
from schema.mapping.lists.order import Key, ListOrder
from schema.mapping.lists.relay import Connection
from schema.mapping.loading import complete
from schema.mapping.selection import Selection, nodes_of, select
from schema.mapping.totals.adding import LevelSums, ListAdder, asked_sums
from schema.mapping.totals.by_days import is_added_up, summed
from schema.mapping.totals.list_totals import ADDED_UP, ITEMS, LISTS, items_selected
from upstream.errors import UpstreamError
from upstream.reports.rows import Row
from upstream.values.interval import Interval

DEFAULT_FIRST = 100
MAX_FIRST = 1000
# The number of rows that are sorted in one turn of the event loop, and of lists that are built in one turn.
BREATH = 4_000
_LISTS = 500


@dataclass(frozen=True, slots=True)
class ConnectionPage:
    """A valid page of a list: its order, its size if one was given, and the key after which it starts.

    It is a page of the items that meet the conditions `where`.
    """

    order: ListOrder
    first: int | None
    after: Key | None
    where: Conditions = NO_CONDITIONS

    @classmethod
    def of(cls, order: ListOrder, first: int | None, after: str | None, where: Conditions = NO_CONDITIONS) -> Self:
        """Return the page of `first` and `after`. Raise `BadUserInput`. Call this before any upstream call."""
        if first is not None and not 0 <= first <= MAX_FIRST:
            raise BadUserInput(
                f"first: {first} is out of bounds; ask for 0 to {MAX_FIRST} items, and page with `after`."
            )
        return cls(order, first, None if after is None else decode(after, order), where)

    def beside(self, column: str, value: Any) -> Self:
        """Return the page of a list whose column has one value because of an argument. None is no value."""
        return replace(self, where=self.where.beside(column, value))

    def most(self, session: Session, found: Sequence[KeyRows | Exception]) -> int:
        """Return how many items the pages of these lists have together, if they are the first pages."""
        sizes = [len(rows) for rows in found if rows.__class__ is KeyRows]
        most = self.first if self.first is not None else None if session.whole else DEFAULT_FIRST
        return sum(sizes) if most is None else sum([size if size < most else most for size in sizes])


def reads(info: Info[Session, Any], entity: str, page: ConnectionPage) -> frozenset[str] | None:
    """Return the columns of the rows that this page reads, or None for all columns."""
    kind, session = ENTITIES[entity], info.context
    found = readable(kind, items_selected(info, entity), page.order.columns, session)
    if found is None or not page.where:
        return found
    tested = columns_read(kind, page.where.columns, session)
    return None if tested is None else found | tested


async def connect(
    info: Info[Session, Any],
    entity: str,
    page: ConnectionPage,
    read: Callable[[Any], Awaitable[Sequence[KeyRows | Exception]]],
    *,
    interval: Interval | None,
    given: Given = NOTHING_GIVEN,
    source: Hashable = None,
) -> Sequence[Any]:
    """Return the page of each of several lists, which `read` reads for a period.

    If only totals are selected of them, they are read and added up some days at a time. `source` identifies the lists
    and the conditions, as long as the rows of the upstream are the same; None if nothing does.
    """
    if interval is None or not is_added_up(info):
        return await connect_each(info, entity, page, await read(interval), interval=interval, given=given)
    return await summed(info, page.where, read, _sums(info, entity, interval, given), source)


def _sums(info: Info[Session, Any], entity: str, interval: Interval | None, given: Given) -> LevelSums:
    totals = LISTS[entity]
    return LevelSums(ListAdder(ENTITIES[entity], totals, info.context, asked_sums(info, totals), interval), given)


async def connect_each(
    info: Info[Session, Any],
    entity: str,
    page: ConnectionPage,
    found: Sequence[KeyRows | Exception],
    *,
    interval: Interval | None = None,
    given: Given = NOTHING_GIVEN,
) -> Sequence[Any]:
    """Return the page of each of several lists, after reading what is selected of all their items at once.

    The lists are filtered first: the rest of the answer is about the items that meet the page's conditions. If the rows
    contain all that is selected, the pages stay rows until an object is needed.
    """
    selected, selection = select(info), select(info, *ITEMS)
    kind, session = ENTITIES[entity], info.context
    if page.where:
        found = await page.where.select(kind, found, session, interval=interval, given=given)
    times = _times(info)
    most = times * page.most(session, found) if page.after is None else 0
    await session.nodes.enter(most, alone=len(found) == 1)
    with_edges = "edges" in selected
    with_cursors = with_edges or not _CURSORS.isdisjoint(selected.get("pageInfo", ()))
    if _OF_PAGE.isdisjoint(selected):
        # Totals and the number of items concern the whole list: no page is made.
        page = replace(page, first=0, after=None)
    pages, alike, irregular = await _open(page, found, session, with_cursors)
    if page.after is not None:
        session.nodes.take(times * sum(len(opened.rows) for opened in pages if isinstance(opened, OpenedPage)))
    sums = None if ADDED_UP.isdisjoint(selected) else _sums(info, entity, interval, given)
    make = PageMaker(kind, session, interval, given, "pageInfo" in selected, with_edges, sums)
    covered: dict[type[Row], bool] = {}
    sure_of: dict[type[Row], bool] = {}
    for row, together in alike.items():
        covered[row] = known_by_rows(kind, together[0], selection, session, interval, given)
        sure_of[row] = covered[row] and sure(kind, together, selection, irregular)
        if len(together) >= BREATH:
            await asyncio.sleep(0)
    # Pages may come from several answers, each with bad values of its own.
    on_rows = not irregular and len(sure_of) == 1 and all(sure_of.values())
    if on_rows and set(map(type, pages)) == {OpenedPage}:
        connections: Sequence[Any] = PagesOnRows(pages, make)
    else:
        connections = await _objects(pages, make, selection, covered, sure_of)
    if len(pages) == 1 and isinstance(pages[0], OpenedPage):
        # Lists that become ready at the same time are completed one after the other.
        await session.nodes.turn(len(pages[0].rows))
    return connections


async def _objects(
    pages: Sequence[OpenedPage | Exception],
    make: PageMaker,
    selection: Selection,
    covered: Mapping[type[Row], bool],
    sure_of: Mapping[type[Row], bool],
) -> list[Any]:
    """Return the pages. The items that need more than their rows become objects, which are completed together."""
    connections: list[Any] = []
    waiting: list[Entity] = []
    built = lists = 0
    for opened in pages:
        lists += 1
        if built >= TURN or lists >= _LISTS:
            built = lists = 0
            await asyncio.sleep(0)
        if isinstance(opened, Exception):
            connections.append(opened)
            continue
        here = opened.rows
        row = type(here[0]) if here else None
        if row is None or sure_of[row] or (covered[row] and sure(make.kind, here, selection, opened.source.irregular)):
            connections.append(make.page(opened))
        else:
            nodes = make.objects(opened)
            built += len(nodes)
            waiting += nodes
            connections.append(make.page(opened, nodes))
    if waiting:
        await complete(waiting, selection)
        if selection.late:
            _note_completing(connections, waiting[0].completing)
    return connections


def _note_completing(connections: Sequence[Any], completing: Sequence[Any]) -> None:
    """Let pages and edges that are selected later than their lists wait until their items are complete."""
    for connection in connections:
        if isinstance(connection, Connection):
            connection.completing = completing
            for edge in connection.edges if isinstance(connection.edges, list) else ():
                edge.completing = completing


async def _open(
    page: ConnectionPage, found: Sequence[KeyRows | Exception], session: Session, with_cursors: bool
) -> tuple[list[OpenedPage | Exception], dict[type[Row], list[Row]], set[str]]:
    """Open the page of each list. Return the pages, their rows by kind, and the columns that hold a bad value."""
    pages: list[OpenedPage | Exception] = []
    alike: dict[type[Row], list[Row]] = {}
    irregular: set[str] = set()
    size = page.first if page.first is not None else None if session.whole else DEFAULT_FIRST
    kind: Any = None
    plain = page.after is None and not with_cursors
    done = 0
    rows: Any
    for place, rows in enumerate(found):
        if rows.__class__ is not KeyRows:
            pages.append(rows)  # an exception
            continue
        if rows.irregular:
            try:
                rows.require(page.order.columns)
            except UpstreamError as error:
                pages.append(error)
                continue
            irregular.update(rows.irregular)
        here: list[Row] = rows
        if not rows:
            pages.append(OpenedPage(place, rows, 0, here, []))
            continue
        if plain:
            if kind is not here[0].__class__:
                kind = here[0].__class__
                key, falling = page.order.sorting(kind)
            here = [] if size == 0 else sorted(here, key=key, reverse=falling)
            if size is not None:
                here = here[:size]
            pages.append(OpenedPage(place, rows, 0, here, []))
        else:
            start, stop, keys, ordered = _page(page, len(rows) if size is None else size, rows)
            here = ordered[start:stop]
            pages.append(OpenedPage(place, rows, start, here, [encode(key, page.order) for key in keys[start:stop]]))
        if here:
            together = alike.get(here[0].__class__)
            if together is None:
                alike[here[0].__class__] = list(here)
            else:
                together += here
        done += len(here)
        if done >= BREATH:
            done = 0
            await asyncio.sleep(0)
    return pages, alike, irregular


_OF_PAGE = frozenset({"nodes", "edges", "pageInfo"})
_CURSORS = frozenset({"startCursor", "endCursor"})


def _times(info: Info[Session, Any]) -> int:
    """Return how many times the items are written: once for each name under which they are selected."""
    names = {(node.alias or node.name).value for name in ("nodes", "edges") for node in nodes_of(info, name)}
    return len(names)


def _page(page: ConnectionPage, size: int, rows: KeyRows) -> tuple[int, int, list[Key], list[Row]]:
    """Return where a page starts and ends, the keys of the rows, and the rows in their order."""
    keys, ordered = in_order(rows if rows.among is None else rows.among, page.order)
    if rows.among is not None:
        # Rows of several answers may have equal keys. A row keeps its running number whatever the conditions are.
        left = set(map(id, rows))
        keys = [key for key, row in zip(keys, ordered, strict=True) if id(row) in left]
        ordered = [row for row in ordered if id(row) in left]
    start = bisect.bisect_right(keys, page.after) if page.after is not None else 0
    return start, min(start + size, len(keys)), keys, ordered


def in_order(rows: Sequence[Row], order: ListOrder) -> tuple[list[Key], list[Row]]:
    """Sort rows by their keys. A running number makes equal keys unique."""
    pairs = sorted(((order.key(row), index) for index, row in enumerate(rows)))
    keys: list[Key] = []
    previous: Key | None = None
    again = 0
    for place, _ in pairs:
        again = again + 1 if place == previous else 0
        previous = place
        keys.append((*place, again))
    return keys, [rows[index] for _, index in pairs]


def encode(key: Key, order: ListOrder) -> str:
    """Return the cursor of a key in an order."""
    return base64.urlsafe_b64encode(orjson.dumps((order.name, *key))).decode().rstrip("=")


def decode(cursor: str, order: ListOrder) -> Key:
    """Return the key of a cursor. Raise `BadUserInput` for anything that `encode` did not write for this order."""
    try:
        name, *parts = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError):
        name, parts = None, []
    key = tuple(parts)
    # The last part is the running number.
    fits = [type(part) for part in key] == [*order.types, int] and (not key or key[-1] >= 0)
    if name != order.name or not fits or encode(key, order) != cursor:
        raise BadUserInput(f'after: "{cursor[:60]}" is not a cursor of this list; take it from `endCursor` or an edge.')
    return key
