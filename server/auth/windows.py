"""Count the requests and calls of callers in this process. Imported when there is a limit.

A window is fixed: its minute begins with the first request of the caller.
"""

import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from server.auth.standing import RateStatus, RateWindow

T = TypeVar("T")


class RateWindows:
    """The counts in this process."""

    def __init__(self) -> None:
        self._here = FixedWindowRateLimiter(MemoryStorage())

    async def stand(self, caller: str, limits: Mapping[str, int]) -> RateStatus:
        """Count a request, unless one of the limits is exhausted."""
        return await self.counted(lambda limiter: _stand(limiter, caller, limits))

    async def spend(self, caller: str, most: int, calls: int) -> None:
        """Count upstream calls. `most` is the limit per minute."""
        await self.counted(lambda limiter: limiter.hit(RateLimitItemPerMinute(most), "calls", caller, cost=calls))

    async def counted(self, count: Callable[[FixedWindowRateLimiter], Awaitable[T]]) -> T:
        """Return what `count` returns for the storage of the windows."""
        return await count(self._here)


async def _stand(limiter: FixedWindowRateLimiter, caller: str, limits: Mapping[str, int]) -> RateStatus:
    # The calls first: a caller without calls left is not charged for the refused request.
    windows = []
    refused = False
    for kind in sorted(limits):
        item = RateLimitItemPerMinute(limits[kind])
        over = False
        if kind == "calls":
            over = refused = not await limiter.test(item, kind, caller)
        elif not refused:
            over = not await limiter.hit(item, kind, caller)
        stats = await limiter.get_window_stats(item, kind, caller)
        seconds = math.ceil(max(stats.reset_time - time.time(), 0))
        windows.append(RateWindow(kind, item.amount, int(stats.remaining), seconds, over))
    return RateStatus(tuple(reversed(windows)))
