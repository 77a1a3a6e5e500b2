"""Count the requests that wait for a slot, by caller: one caller who fills the room does not keep the others out."""

from collections import Counter


class WaitingRoom:
    """Hold room for `most` requests. If it is full, a caller with less than a tenth still enters, up to 2 × `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._share = max(most // 10, 1)
        self._waiting: Counter[str] = Counter()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def full(self, name: str) -> bool:
        """Return whether there is no room for one more request of this caller."""
        if self._count < self._most:
            return False
        return self._waiting[name] >= self._share or self._count >= 2 * self._most

    def of(self, name: str) -> int:
        """Return how many requests of this caller wait."""
        return self._waiting[name]

    def enter(self, name: str) -> None:
        """Note that one more request of the caller waits."""
        self._waiting[name] += 1
        self._count += 1

    def leave(self, name: str) -> None:
        """Note that a request of the caller has its turn, or gives up."""
        self._count -= 1
        self._waiting[name] -= 1
        if not self._waiting[name]:
            del self._waiting[name]
