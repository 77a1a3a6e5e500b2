"""The room in which requests wait for a slot, counted by asker: one who fills it does not keep the others out."""

from collections import Counter


class WaitingRoom:
    """Room for `most`. When it is full, who has less than a tenth of it still gets in, up to twice as many in all."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._share = max(most // 10, 1)
        self._waiting: Counter[str] = Counter()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def full(self, name: str) -> bool:
        """Whether there is no room for one more of this asker's."""
        if self._count < self._most:
            return False
        return self._waiting[name] >= self._share or self._count >= 2 * self._most

    def of(self, name: str) -> int:
        """Return how many of this asker's wait."""
        return self._waiting[name]

    def enter(self, name: str) -> None:
        """One more of the asker's waits."""
        self._waiting[name] += 1
        self._count += 1

    def leave(self, name: str) -> None:
        """One of the asker's has its turn, or gives up."""
        self._count -= 1
        self._waiting[name] -= 1
        if not self._waiting[name]:
            del self._waiting[name]
