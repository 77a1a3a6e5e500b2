"""Relay connections: a page of a list, with cursors that are stable keys of the rows."""

import asyncio
import base64
import binascii
import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

import orjson
import strawberry
from strawberry import Info

from resolvers.key_rows import KeyRows
from resolvers.nodes import TURN
from resolvers.session import Session
from schema.mapping.entity import ENTITIES, Entity
from schema.mapping.errors import BadUserInput
from schema.mapping.lists.listed import Edges, Listed, known_by_rows, readable, sure
from schema.mapping.lists.order import Key, ListOrder
from schema.mapping.loading import complete
from schema.mapping.selection import nodes_of, select
from upstream.errors import UpstreamError
from upstream.reports.rows import Row
from upstream.values.interval import Interval

DEFAULT_FIRST = 100
MAX_FIRST = 1000
# The number of rows that are sorted in one turn of the event loop, and of lists that are built in one turn.
BREATH = 4_000
_LISTS = 500

NodeT = TypeVar("NodeT")
# An open page: where it starts and ends in its list, the keys of the list, and the rows of the page.
_Opened = tuple[int, int, list[Key], list[Row]]
# The rows of several pages by their kind, with the values that the first parent gives.
_Alike = dict[type[Row], tuple[dict[str, Any] | None, list[Row]]]


@strawberry.type
class PageInfo:
    """The position of a page in its list."""

    has_next_page: bool = strawberry.field(
        description="True if more items follow: request them with `after: endCursor`."
    )
    has_previous_page: bool = strawberry.field(description="True if there are items before this page.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first item; null if there is none.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last item; null if there is none.")


@strawberry.type
class Edge(Generic[NodeT]):
    """An item of a page, with its cursor."""

    cursor: str = strawberry.field(description="An opaque text that `after` takes.")
    node: NodeT = strawberry.field(description="The item.")


@strawberry.type
class Connection(Generic[NodeT]):
    """A page of a list."""

    edges: list[Edge[NodeT]] = strawberry.field(description="The items of this page, with their cursors.")
    nodes: list[NodeT] = strawberry.field(description="The items of this page.")
    total_count: int = strawberry.field(description="The number of items in the whole list.")
    page_info: PageInfo = strawberry.field(description="The position of this page in the list.")


@dataclass(frozen=True, slots=True)
class ConnectionPage:
    """A valid page of a list: its order, its size if one was given, and the key after which it starts."""

    order: ListOrder
    first: int | None
    after: Key | None

    @classmethod
    def of(cls, order: ListOrder, first: int | None, after: str | None) -> Self:
        """Return the page of `first` and `after`. Raise `BadUserInput`. Call this before any upstream call."""
        if first is not None and not 0 <= first <= MAX_FIRST:
            raise BadUserInput(
                f"first: {first} is out of bounds; ask for 0 to {MAX_FIRST} items, and page with `after`."
            )
        return cls(order, first, None if after is None else decode(after, order))

    def most(self, session: Session, found: Sequence[KeyRows | Exception]) -> int:
        """Return how many items the pages of these lists have together, if they are the first pages."""
        sizes = [len(rows) for rows in found if rows.__class__ is KeyRows]
        most = self.first if self.first is not None else None if session.whole else DEFAULT_FIRST
        return sum(sizes) if most is None else sum([size if size < most else most for size in sizes])

    def size(self, session: Session, there: int) -> int:
        """Return the largest size of the page of a list. A session that reads whole lists has no limit."""
        if self.first is not None:
            return self.first
        return there if session.whole else DEFAULT_FIRST


def reads(info: Info[Session, Any], entity: str, page: ConnectionPage) -> frozenset[str] | None:
    """Return the columns of the rows that this page reads, or None for all columns."""
    return readable(ENTITIES[entity], select(info, *ITEMS), page.order, info.context)


async def connect(
    info: Info[Session, Any],
    entity: str,
    page: ConnectionPage,
    rows: KeyRows,
    *,
    interval: Interval | None = None,
    given: dict[str, Any] | None = None,
) -> Any:
    """Return the page of the rows, after reading what is selected of its items.

    `entity` names the type of the items. `given` has the values that the parent gives to each item, by column name.
    """
    (connection,) = await connect_each(info, entity, page, [rows], interval=interval, given=[given])
    return connection


async def connect_each(
    info: Info[Session, Any],
    entity: str,
    page: ConnectionPage,
    found: Sequence[KeyRows | Exception],
    *,
    interval: Interval | None = None,
    given: Sequence[dict[str, Any] | None],
) -> list[Any]:
    """Return the page of each of several lists, after reading what is selected of all their items at once."""
    selected, selection = select(info), select(info, *ITEMS)
    kind, session = ENTITIES[entity], info.context
    times = _times(info)
    most = times * page.most(session, found) if page.after is None else 0
    await session.nodes.enter(most, alone=len(found) == 1)
    with_edges, with_info = "edges" in selected, "pageInfo" in selected
    with_cursors = with_edges or not _CURSORS.isdisjoint(selected.get("pageInfo", ()))
    pages, alike, irregular = await _open(page, found, given, session, with_cursors)
    if page.after is not None:
        session.nodes.take(times * sum(len(opened[3]) for opened in pages if not isinstance(opened, Exception)))
    covered: dict[type[Row], bool] = {}
    surely_covered: dict[type[Row], bool] = {}
    for row, (values, together) in alike.items():
        sample = kind.on(together[0], session=session, interval=interval, given=values)
        covered[row] = known_by_rows(kind, sample, selection)
        surely_covered[row] = covered[row] and sure(kind, together, selection, irregular)
        if len(together) >= BREATH:
            await asyncio.sleep(0)
    connections: list[Any] = []
    waiting: list[Entity] = []
    built = lists = 0
    for rows, values, opened in zip(found, given, pages, strict=True):
        lists += 1
        if built >= TURN or lists >= _LISTS:
            built = lists = 0
            await asyncio.sleep(0)
        if isinstance(opened, Exception) or isinstance(rows, Exception):
            connections.append(opened)
            continue
        start, stop, keys, here = opened
        cursors = [encode(place, page.order) for place in keys[start:stop]]
        nodes: Sequence[Any] = []
        edges: Sequence[Any] = []
        if here:
            row = type(here[0])
            if surely_covered[row] or (covered[row] and sure(kind, here, selection, rows.irregular)):
                nodes = Listed(kind, here, session, interval, values, rows)
                edges = Edges(cursors, nodes, _edge) if with_edges else []
            else:
                here = list(rows.read().whole(here))
                built += len(here)
                nodes = [
                    kind.on(row, session=session, interval=interval, given=dict(values) if values else None)
                    for row in here
                ]
                waiting += nodes
                edges = list(map(_edge, cursors, nodes)) if with_edges else []
        about = _NOT_SELECTED
        if with_info:
            about = _page_info(cursors, has_next_page=stop < len(rows), has_previous_page=start > 0)
        connections.append(
            Connection(edges=edges, nodes=nodes, total_count=len(rows), page_info=about)  # type: ignore[arg-type]
        )
    if waiting:
        await complete(waiting, selection)
    if len(pages) == 1 and not isinstance(pages[0], Exception):
        # Lists that become ready at the same time are completed one after the other.
        await session.nodes.turn(len(pages[0][3]))
    return connections


async def _open(
    page: ConnectionPage,
    found: Sequence[KeyRows | Exception],
    given: Sequence[dict[str, Any] | None],
    session: Session,
    with_cursors: bool,
) -> tuple[list[_Opened | Exception], _Alike, set[str]]:
    """Open the page of each list. Return the pages, their rows by kind, and the columns that hold a bad value."""
    pages: list[_Opened | Exception] = []
    alike: _Alike = {}
    irregular: set[str] = set()
    done = 0
    for rows, values in zip(found, given, strict=True):
        if isinstance(rows, Exception):
            pages.append(rows)
            continue
        if rows.irregular:
            try:
                rows.require(page.order.columns)
            except UpstreamError as error:
                pages.append(error)
                continue
            irregular.update(rows.irregular)
        start, stop, keys, ordered = _page(page, page.size(session, len(rows)), rows, with_cursors)
        here = ordered[start:stop] if stop - start < len(ordered) else ordered
        pages.append((start, stop, keys, here))
        if here:
            # All parents give the same columns.
            alike.setdefault(type(here[0]), (values, []))[1].extend(here)
        done += stop - start
        if done >= BREATH:
            done = 0
            await asyncio.sleep(0)
    return pages, alike, irregular


ITEMS = ("nodes", "edges.node")
_NOT_SELECTED: Any = None  # instead of a field that is not selected
_CURSORS = frozenset({"startCursor", "endCursor"})


def _times(info: Info[Session, Any]) -> int:
    """Return how many times the items are written: once for each name under which they are selected."""
    names = {(node.alias or node.name).value for name in ("nodes", "edges") for node in nodes_of(info, name)}
    return len(names)


def _page_info(cursors: Sequence[str], *, has_next_page: bool, has_previous_page: bool) -> PageInfo:
    first, last = (cursors[0], cursors[-1]) if cursors else (None, None)
    return PageInfo(
        has_next_page=has_next_page, has_previous_page=has_previous_page, start_cursor=first, end_cursor=last
    )


def _edge(cursor: str, node: Any) -> Any:
    return Edge(cursor=cursor, node=node)


def _page(page: ConnectionPage, size: int, rows: KeyRows, with_cursors: bool) -> tuple[int, int, list[Key], list[Row]]:
    """Return where a page starts and ends, the keys of the rows if they are needed, and the rows in their order."""
    if page.after is None and not with_cursors:
        return 0, min(size, len(rows)), [], page.order.sorted(rows)
    keys, ordered = in_order(rows, page.order)
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
