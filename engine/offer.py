"""What a schema may offer the engine beyond its resolvers, so that it need not ask object by object.

Everything here is optional: a schema that offers nothing runs through its resolvers, with the same answers.
"""

import re
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, overload

# Where an offer stands in the metadata of a Strawberry field.
OFFER = "engine"


class ReadAttribute(Protocol):
    """A field that is read off one object at a time, and cares about no path."""

    def __call__(self, source: Any, info: Any, /) -> Any:
        """The field's value, or an awaitable of it. What it raises is the field's error."""


# A field that is resolved for all objects of a level at once: `many(sources, info, **arguments)` gives its value for
# each object, in their order; an exception in a value's place is that object's error.
Many = Callable[..., Awaitable[Sequence[Any]]]


@dataclass(frozen=True, slots=True)
class BatchHint:
    """How a field would rather be resolved: one of the two. What a `read` that `waits` not gives is never awaitable."""

    read: ReadAttribute | None = None
    waits: bool = True
    many: Many | None = None


@dataclass(frozen=True, slots=True)
class Expression:
    """A field's value as a Python expression over `row`.

    `names` are what the expression refers to. `proves` is the type that the value is certain to have where it is not
    None. `serialized` says that the value is already what the answer holds. What the expression raises makes the engine
    read the object itself.
    """

    code: str
    proves: type | None = None
    nullable: bool = True
    serialized: bool = False
    names: Mapping[str, Any] = field(default_factory=dict)

    def over(self, row: str) -> "Expression":
        """The same, read off another expression for `row`."""
        return replace(self, code=_ROW.sub(row, self.code))


_ROW = re.compile(r"\brow\b")


@dataclass(frozen=True, slots=True)
class Nested:
    """An object that a row tells all of: its fields, as expressions over the same `row`.

    The object is null where the expression `null` is true. Where it is not, every field must have a value, unless the
    row is `complete`: else an expression that gives None makes the engine read the object itself.
    """

    fields: Mapping[str, "Expression | Nested"]
    null: str = ""
    complete: bool = False


class RowList(Sequence[Any]):
    """Objects of one type of which only the rows exist so far: as a sequence, it makes each object when it is read.

    `shape` is what the expressions depend on: two `RowList` of one shape have the same.
    """

    __slots__ = ("rows", "shape")
    rows: list[Any]
    shape: Hashable

    @abstractmethod
    def object(self, row: Any) -> Any:
        """The object that stands on a row."""

    @abstractmethod
    def expression(self, name: str) -> Expression | Nested | None:
        """How a field (by its name in the graph) is read off a row; None if that takes the object."""

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self.object(row) for row in self.rows[index]]
        return self.object(self.rows[index])

    def __iter__(self) -> Iterator[Any]:
        return map(self.object, self.rows)
