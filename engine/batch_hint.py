"""Hints that a schema can give the engine, so that the engine need not resolve fields object by object.

All hints are optional. A schema without hints runs through its resolvers and gives the same answers.
"""

import re
from abc import abstractmethod
from asyncio import Future
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, overload

# The key of a hint in the metadata of a Strawberry field.
BATCH_HINT = "engine"


class ReadAttribute(Protocol):
    """A function that reads a field from one object. It does not depend on the path of the object."""

    def __call__(self, source: Any, info: Any, /) -> Any:
        """Return the field's value, or an awaitable of it. An exception is the field's error."""


# A function that resolves a field for all objects of a level at once: `many(sources, info, **arguments)` returns one
# value for each object, in their order. An exception instead of a value is that object's error.
Many = Callable[..., Awaitable[Sequence[Any]]]


@dataclass(frozen=True, slots=True)
class BatchHint:
    """A better way to resolve a field: `read` or `many`. If `waits` is false, `read` never returns an awaitable."""

    read: ReadAttribute | None = None
    waits: bool = True
    many: Many | None = None


class Growing(Protocol):
    """An object that is made before all that is selected of it is there. Late fields wait for these tasks."""

    completing: Sequence[Future[Any]]


class Parallel(Protocol):
    """A context that wants to know whether fields run at the same time. `parallel` is 0 while one field runs alone.

    Before the engine runs, `parallel` must not be 0: other executions do not count.
    """

    parallel: int


@dataclass(frozen=True, slots=True)
class Expression:
    """A field's value as a Python expression over `row`.

    `names` has the objects that the expression refers to. `proves` is the type that the value certainly has where it is
    not None. `serialized` says that the value already has the form of the answer. If the expression raises, the engine
    reads the object itself.
    """

    code: str
    proves: type | None = None
    nullable: bool = True
    serialized: bool = False
    names: Mapping[str, Any] = field(default_factory=dict)

    def over(self, row: str) -> "Expression":
        """Return the same expression, with `row` replaced by another expression."""
        return replace(self, code=_over(self.code, row))


_ROW = re.compile(r"\brow\b")


def _over(code: str, row: str) -> str:
    return _ROW.sub(row, code)


@dataclass(frozen=True, slots=True)
class Nested:
    """An object that a row knows completely: its fields, as expressions over the same `row`.

    The object is null where the expression `null` is true. Otherwise every field must have a value, unless the row is
    `complete`. If a field of a row that is not complete is None, the engine reads the object itself.
    """

    fields: Mapping[str, "RowField"]
    null: str = ""
    complete: bool = False

    def over(self, row: str) -> "Nested":
        """Return the same object, read from another expression for the row."""
        fields = {name: each.over(row) for name, each in self.fields.items()}
        return Nested(fields, _over(self.null, row), self.complete)


@dataclass(frozen=True, slots=True)
class Items:
    """A list of objects that a row contains.

    `rows` is the expression of their own rows. `field` returns how a field of an item is read from its own row.
    """

    rows: str
    field: Callable[[str], "RowField | None"]

    def over(self, row: str) -> "Items":
        """Return the same list, read from another expression for the row that contains it."""
        return Items(_over(self.rows, row), self.field)


# How a field is read from a row.
RowField = Expression | Nested | Items


class RowList(Sequence[Any]):
    """A sequence of objects of one type that so far exist only as rows. Reading an item makes its object, once.

    It is the value of a field that is a list, or the values of a field for all objects of a level. The expressions
    depend on `shape` alone: two lists of the same shape have the same expressions.
    """

    __slots__ = ("_objects", "rows", "shape")
    rows: list[Any]
    shape: Hashable

    def __init__(self, rows: list[Any], shape: Hashable) -> None:
        self.rows = rows
        self.shape = shape
        self._objects: dict[int, Any] = {}

    @abstractmethod
    def object(self, row: Any) -> Any:
        """Return the object that reads a row."""

    @abstractmethod
    def expression(self, name: str) -> RowField | None:
        """Return how a field (by its name in the graph) is read from a row, or None if that needs the object."""

    def weights(self) -> list[int]:
        """Return how many rows are written for each row: more than one if it contains items."""
        return [1] * len(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self.rows)))]
        if index < 0:
            index += len(self.rows)
        found = self._objects.get(index)
        if found is None:
            found = self._objects[index] = self.object(self.rows[index])
        return found

    def __iter__(self) -> Iterator[Any]:
        return map(self.__getitem__, range(len(self.rows)))
