"""Relay connections: a page of a list, with cursors that stand on a stable key."""

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
from schema.mapping.entity import WINDOWS, Entity, complete
from schema.mapping.errors import BadUserInput
from schema.mapping.listed import Edges, Listed, readable, sure, told_by_rows
from schema.mapping.order import Key, ListOrder
from schema.mapping.selection import nodes_of, select
from upstream.errors import UpstreamError
from upstream.interval import Interval
from upstream.reports.rows import Row

DEFAULT_FIRST = 100
MAX_FIRST = 1000
# Rows that are put in order, and lists that are made of them, before others get a turn.
BREATH = 4_000
_LISTS = 500

NodeT = TypeVar("NodeT")


@strawberry.type
class PageInfo:
    """Where a page stands in its list."""

    has_next_page: bool = strawberry.field(description="Whether more follow: ask again with `after: endCursor`.")
    has_previous_page: bool = strawberry.field(description="Whether some come before this page.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first item; null if there is none.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last item; null if there is none.")


@strawberry.type
class Edge(Generic[NodeT]):
    """An item of a page, with its cursor."""

    cursor: str = strawberry.field(description="Opaque; `after` takes it.")
    node: NodeT = strawberry.field(description="The item.")


@strawberry.type
class Connection(Generic[NodeT]):
    """A page of a list."""

    edges: list[Edge[NodeT]] = strawberry.field(description="The items of this page, with their cursors.")
    nodes: list[NodeT] = strawberry.field(description="The items of this page.")
    total_count: int = strawberry.field(description="How many items the whole list has.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")


@dataclass(frozen=True, slots=True)
class ConnectionPage:
    """A page that was asked for, checked: where it starts in an order, and its size, if one was given."""

    order: ListOrder
    first: int | None
    after: Key | None

    @classmethod
    def of(cls, order: ListOrder, first: int | None, after: str | None) -> Self:
        """The page of `first` and `after`. Raises `BadUserInput`: check before anything is called."""
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
        """How many items it has at most, of those there are: all of them for a session that reads lists whole."""
        if self.first is not None:
            return self.first
        return there if session.whole else DEFAULT_FIRST


def reads(info: Info[Session, Any], window: str, page: ConnectionPage) -> frozenset[str] | None:
    """The columns of the rows that such a page reads; None for all of them."""
    return readable(WINDOWS[window], select(info, *ITEMS), page.order, info.context)


async def connect(
    info: Info[Session, Any],
    window: str,
    page: ConnectionPage,
    rows: KeyRows,
    *,
    interval: Interval | None = None,
    told: dict[str, Any] | None = None,
) -> Any:
    """The page of the rows, with what is selected of its items read.

    `window` names the type of the items, `told` what the parent tells of each by its type's own column names.
    """
    (connection,) = await connect_each(info, window, page, [rows], interval=interval, told=[told])
    return connection


async def connect_each(
    info: Info[Session, Any],
    window: str,
    page: ConnectionPage,
    found: Sequence[KeyRows | Exception],
    *,
    interval: Interval | None = None,
    told: Sequence[dict[str, Any] | None],
) -> list[Any]:
    """The page of each of several lists, with what is selected of all their items read at once."""
    asked, selection = select(info), select(info, *ITEMS)
    kind, session = WINDOWS[window], info.context
    times = _times(info)
    most = times * page.most(session, found) if page.after is None else 0
    await session.nodes.enter(most, alone=len(found) == 1)
    with_edges, with_info = "edges" in asked, "pageInfo" in asked
    with_cursors = with_edges or not _CURSORS.isdisjoint(asked.get("pageInfo", ()))
    pages: list[tuple[int, int, list[Key], list[Row]] | Exception] = []
    alike: dict[type[Row], tuple[dict[str, Any] | None, list[Row]]] = {}
    irregular: set[str] = set()
    done = 0
    for rows, tells in zip(found, told, strict=True):
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
            # What the parents tell, they all tell.
            alike.setdefault(type(here[0]), (tells, []))[1].extend(here)
        done += stop - start
        if done >= BREATH:
            done = 0
            await asyncio.sleep(0)
    if page.after is not None:
        session.nodes.take(times * sum(len(opened[3]) for opened in pages if not isinstance(opened, Exception)))
    told_whole: dict[type[Row], bool] = {}
    told_surely: dict[type[Row], bool] = {}
    for row, (tells, together) in alike.items():
        sample = kind.on(together[0], session=session, interval=interval, told=tells)
        told_whole[row] = told_by_rows(kind, sample, selection)
        told_surely[row] = told_whole[row] and sure(kind, together, selection, irregular)
        if len(together) >= BREATH:
            await asyncio.sleep(0)
    connections: list[Any] = []
    waiting: list[Entity] = []
    built = lists = 0
    for rows, tells, opened in zip(found, told, pages, strict=True):
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
            if told_surely[row] or (told_whole[row] and sure(kind, here, selection, rows.irregular)):
                nodes = Listed(kind, here, session, interval, tells, rows)
                edges = Edges(cursors, nodes, _edge) if with_edges else []
            else:
                here = list(rows.need().whole(here))
                built += len(here)
                nodes = [
                    kind.on(row, session=session, interval=interval, told=dict(tells) if tells else None)
                    for row in here
                ]
                waiting += nodes
                edges = list(map(_edge, cursors, nodes)) if with_edges else []
        about = _NOT_ASKED
        if with_info:
            about = PageInfo(
                has_next_page=stop < len(rows),
                has_previous_page=start > 0,
                start_cursor=cursors[0] if cursors else None,
                end_cursor=cursors[-1] if cursors else None,
            )
        connections.append(
            Connection(edges=edges, nodes=nodes, total_count=len(rows), page_info=about)  # type: ignore[arg-type]
        )
    if waiting:
        await complete(waiting, selection)
    if len(pages) == 1 and not isinstance(pages[0], Exception):
        # Lists that are ready at once are completed in turns.
        await session.nodes.turn(len(pages[0][3]))
    return connections


ITEMS = ("nodes", "edges.node")
_NOT_ASKED: Any = None  # in place of a field that nobody selected
_CURSORS = frozenset({"startCursor", "endCursor"})


def _times(info: Info[Session, Any]) -> int:
    """Return how many times the items are written: once for each name under which they are selected."""
    names = {(node.alias or node.name).value for name in ("nodes", "edges") for node in nodes_of(info, name)}
    return len(names)


def _edge(cursor: str, node: Any) -> Any:
    return Edge(cursor=cursor, node=node)


def _page(page: ConnectionPage, size: int, rows: KeyRows, with_cursors: bool) -> tuple[int, int, list[Key], list[Row]]:
    """Where a page starts and ends among the rows in their order, and their keys if those are needed."""
    if page.after is None and not with_cursors:
        return 0, min(size, len(rows)), [], page.order.sorted(rows)
    keys, ordered = in_order(rows, page.order)
    start = bisect.bisect_right(keys, page.after) if page.after is not None else 0
    return start, min(start + size, len(keys)), keys, ordered


def in_order(rows: Sequence[Row], order: ListOrder) -> tuple[list[Key], list[Row]]:
    """The rows in the order of their keys, which become unique: rows of one key are told apart by a running number."""
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
    """The cursor of a key in an order."""
    return base64.urlsafe_b64encode(orjson.dumps((order.name, *key))).decode().rstrip("=")


def decode(cursor: str, order: ListOrder) -> Key:
    """The key of a cursor. Raises `BadUserInput` for anything `encode` did not write for a list of this order."""
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
