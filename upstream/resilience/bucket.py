"""Limit the requests per minute that a vendor allows: each request takes a token, which comes back a minute later."""

import time
from collections import deque
from collections.abc import Callable

MINUTE = 60.0


class Bucket:
    """Hold a bucket of `most` tokens. A token comes back one minute after it was taken.

    So no minute, whenever it begins, has more than `most` requests, however the vendor counts. A bucket that fills
    evenly would let twice as many pass in its first minute. The library `limits` has no strategy whose waits are known
    beforehand, which the planner's prices and the deadline need.
    """

    __slots__ = ("_clock", "_minute", "_taken", "most")

    def __init__(self, most: int, *, minute: float = MINUTE, clock: Callable[[], float] = time.monotonic) -> None:
        if most < 1:
            raise ValueError("a bucket holds one token at least")
        self.most = most
        self._minute = minute
        self._clock = clock
        self._taken: deque[float] = deque()  # when each used token comes back, the earliest first

    @property
    def free(self) -> int:
        """Return the number of free tokens."""
        now = self._clock()
        while self._taken and self._taken[0] <= now:
            self._taken.popleft()
        return self.most - len(self._taken)

    def take(self) -> bool:
        """Take a token, and return whether there was one."""
        if not self.free:
            return False
        self._taken.append(self._clock() + self._minute)
        return True

    def wait(self, tokens: int = 1) -> float:
        """Return the seconds until so many tokens can have been taken; 0 if they are all there now."""
        more = tokens - self.free
        if more <= 0:
            return 0.0
        # Tokens come back in the order in which they were taken.
        rounds, place = divmod(more - 1, self.most)
        first = self._taken[place] - self._clock() if place < len(self._taken) else self._minute
        return first + rounds * self._minute
