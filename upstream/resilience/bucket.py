"""The calls that a vendor allows in a minute, as a bucket of tokens: each request takes one, which comes back later."""

import time
from collections import deque
from collections.abc import Callable

MINUTE = 60.0


class Bucket:
    """A bucket of `most` tokens. A token comes back one minute after it was taken.

    So no minute, whenever it begins, holds more than `most` requests: a vendor who counts them never counts more. A
    bucket that fills up evenly would let twice as many pass in its first minute. `limits` has no strategy whose waits
    are known beforehand, which the planner's prices and the deadline need.
    """

    __slots__ = ("_clock", "_minute", "_taken", "most")

    def __init__(self, most: int, *, minute: float = MINUTE, clock: Callable[[], float] = time.monotonic) -> None:
        if most < 1:
            raise ValueError("a bucket holds one token at least")
        self.most = most
        self._minute = minute
        self._clock = clock
        self._taken: deque[float] = deque()  # when each token that is away comes back, the earliest first

    @property
    def free(self) -> int:
        """How many tokens are in it now."""
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
        # The tokens come back in the order in which they were taken, those that are taken now after the others.
        rounds, place = divmod(more - 1, self.most)
        first = self._taken[place] - self._clock() if place < len(self._taken) else self._minute
        return first + rounds * self._minute
