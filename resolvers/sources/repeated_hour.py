"""The source that corrects R7 in the hour that clocks show twice (C29).

R7 has local times, which mean two moments in that hour. R5 has the same movements with unix seconds.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from resolvers.sources.repeated import groups_of, settled, stretches, widened
from resolvers.sources.source import NO_REASON, Layer, Reason, Source
from upstream.call import Answer, Call
from upstream.errors import NotFound
from upstream.reports.table import GROUP_MOVEMENTS, USER_TRANSACTIONS
from upstream.values.interval import Interval


class RepeatedHour(Layer):
    """Reads R7 for both showings of the hour, and takes the moments of its rows from R5. `zone` is GameHub's clock."""

    def __init__(self, below: Source, zone: ZoneInfo) -> None:
        self.below = below
        self.zone = zone

    def fetch(self, call: Call, reason: Reason) -> Coroutine[Any, Any, Answer[Any]]:
        """Return the rows of a call; those of R7 with the moments of R5."""
        if call.report is not USER_TRANSACTIONS or call.interval is None:
            return self.below.fetch(call, reason)
        twice = stretches(call.interval, self.zone)
        return self._corrected(call, reason, twice) if twice else self.below.fetch(call, reason)

    async def _corrected(self, call: Call, reason: Reason, twice: Sequence[Interval]) -> Answer[Any]:
        assert call.interval is not None
        wider = replace(call, interval=widened(call.interval, twice), columns=None)
        return await self._settled(call.interval, await self.below.fetch(wider, reason), twice)

    async def _settled(self, interval: Interval, answer: Answer[Any], twice: Sequence[Interval]) -> Answer[Any]:
        calls = [
            Call.of(GROUP_MOVEMENTS, stretch, group_id=group)
            for stretch in twice
            for group in sorted(groups_of(answer.rows, stretch))
        ]
        moments: dict[int, int] = {}
        fetched = (self.below.fetch(call, NO_REASON) for call in calls)
        for found in await asyncio.gather(*fetched, return_exceptions=True):
            if isinstance(found, NotFound):
                continue
            if isinstance(found, BaseException):
                raise found
            rows = found.read({"movement_id", "timestamp"})
            moments.update((row.movement_id, row.timestamp) for row in rows)
        rows = settled(answer.rows, moments, twice, interval)
        # The entries of R7 alone do not say which rows these are.
        return msgspec.structs.replace(answer.like(rows), entries=None)
