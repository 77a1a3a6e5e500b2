"""What counts the windows of callers: this process. Loaded once there is a limit to count for.

Windows are fixed: a minute begins with a caller's first request in it.
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
    """Counts in this process."""

    def __init__(self) -> None:
        self._here = FixedWindowRateLimiter(MemoryStorage())

    async def stand(self, caller: str, limits: Mapping[str, int]) -> RateStatus:
        """Count a request, unless one of the limits, by kind, is used up."""
        return await self.counted(lambda limiter: _stand(limiter, caller, limits))

    async def spend(self, caller: str, most: int, calls: int) -> None:
        """Count upstream calls, of `most` a minute."""
        await self.counted(lambda limiter: limiter.hit(RateLimitItemPerMinute(most), "calls", caller, cost=calls))

    async def counted(self, count: Callable[[FixedWindowRateLimiter], Awaitable[T]]) -> T:
        """What `count` says, of the place where windows are kept."""
        return await count(self._here)

    async def aclose(self) -> None:
        """Let go of what is open."""


async def _stand(limiter: FixedWindowRateLimiter, caller: str, limits: Mapping[str, int]) -> RateStatus:
    # The calls first: whoever has used them up is not charged for a request that is refused.
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
