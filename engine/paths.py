"""The paths of a level's objects and fields. A path is made only when something reads it, such as an error."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
from graphql.pyutils import Path


class Paths(Protocol):
    """The paths of the objects of a level, or of one of their fields. The path of the root is None."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int, /) -> Any: ...


class FieldPaths(msgspec.Struct, eq=False):
    """The path of one field in each object of a level."""

    _objects: Paths
    _key: str
    _type: str

    def __len__(self) -> int:
        return len(self._objects)

    def __getitem__(self, place: int) -> Path:
        return Path(self._objects[place], self._key, self._type)


class ItemPaths:
    """The paths of the items of several lists, one list after the other."""

    __slots__ = ("_ends", "_lists")

    def __init__(self) -> None:
        self._lists: list[tuple[Paths, int]] = []
        self._ends: list[int] = []

    def add(self, paths: Paths, place: int, items: int) -> None:
        """Add the items of one list, whose own path stands at a place of `paths`."""
        self._lists.append((paths, place))
        self._ends.append(len(self) + items)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, place: int) -> Path:
        number = bisect_right(self._ends, place)
        paths, at = self._lists[number]
        return Path(paths[at], place - (self._ends[number - 1] if number else 0), None)


class SomePaths:
    """Some of the paths of a level, by their places."""

    __slots__ = ("_paths", "_places")

    def __init__(self, paths: Paths, places: Sequence[int]) -> None:
        self._paths = paths
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, place: int) -> Any:
        return self._paths[self._places[place]]
