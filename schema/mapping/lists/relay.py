"""The types of a Relay connection."""

from typing import Any, Generic, TypeVar

import strawberry

NodeT = TypeVar("NodeT")


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
    # The tasks that go on to read late columns of the item.
    completing: strawberry.Private[Any] = ()


@strawberry.type
class Connection(Generic[NodeT]):
    """A page of a list."""

    edges: list[Edge[NodeT]] = strawberry.field(description="The items of this page, with their cursors.")
    nodes: list[NodeT] = strawberry.field(description="The items of this page.")
    total_count: int = strawberry.field(description="The number of items in the whole list.")
    page_info: PageInfo = strawberry.field(description="The position of this page in the list.")
    # The whole list (`AddedList`): totals add up all its rows.
    listing: strawberry.Private[Any] = None
    # The tasks that go on to read late columns of the items.
    completing: strawberry.Private[Any] = ()
