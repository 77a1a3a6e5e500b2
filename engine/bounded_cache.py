"""The bounded cache of this process: for programs and documents in the engine, and for what the server remembers."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MOST = 1_000
MOST_CHARACTERS = 250_000


class BoundedCache(Generic[K, V]):
    """A mapping that drops the least recently used entries.

    `most` limits the number of entries, `size` the sum of their sizes. The unit of a size is up to the caller; the
    default limit counts the characters of documents.
    """

    def __init__(self, most: int = MOST, size: int = MOST_CHARACTERS) -> None:
        self._most = most
        self._size = size
        self._found: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._found)

    def get(self, key: K) -> V | None:
        """Return the value of a key, and count this as a use. Return None for an unknown key."""
        found = self._found.get(key)
        if found is None:
            return None
        self._found.move_to_end(key)
        return found[0]

    def values(self) -> Iterator[V]:
        """Yield the values, the most recently used last."""
        return (value for value, _ in self._found.values())

    def keep(self, key: K, value: V, size: int = 0) -> None:
        """Store a value under a key. A value larger than the whole cache is not stored."""
        before = self._found.pop(key, None)
        if before is not None:
            self.size -= before[1]
        if size > self._size:
            return
        self._found[key] = value, size
        self.size += size
        while len(self._found) > self._most or self.size > self._size:
            self.size -= self._found.popitem(last=False)[1][1]
