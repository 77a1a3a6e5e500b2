"""A source answers calls. Sources form one stack, in which each source knows only the one below it.

VisibleCalls    (restricted callers) refuse what the caller may not name; split calls for all groups
RepeatedHour    correct R7's times in the hour that clocks show twice
OperationCalls  make each call once in an operation, and write the trace
VisibleRows     (restricted callers) hide the rows of others
UpstreamCalls   wait for a slot of the operation, then ask the upstream room: the day cache, or the client
"""

from collections.abc import Collection, Coroutine, Sequence
from typing import Any, Protocol

import msgspec

from resolvers.way import Way
from upstream.call import Answer, Call
from upstream.reports.table import System


class Reason(msgspec.Struct, frozen=True):
    """Say why a call is made: the fields it serves, and the planner's way, the ways it rejected, and how many keys."""

    fields: Collection[str] = ()
    way: Way | None = None
    rejected: Sequence[Way] = ()
    keys: int = 1


NO_REASON = Reason()


class Source(Protocol):
    """Answer calls of reports."""

    def fetch(self, call: Call, reason: Reason) -> Coroutine[Any, Any, Answer[Any]]:
        """Return the complete rows of a call. Raise the `UpstreamError` that prevents it."""
        ...

    async def cached_shares(self, calls: Sequence[Call]) -> Sequence[float] | None:
        """Return for each call the share, 0 to 1, that needs no upstream request. None: nothing is ever cached."""
        ...

    def may_retry(self, system: System) -> bool:
        """Return whether a system may be called again after a failure, and count that against its retry budget."""
        ...


class Layer:
    """A source that passes on to the source below what it does not change."""

    def __init__(self, below: Source) -> None:
        self.below = below

    def fetch(self, call: Call, reason: Reason) -> Coroutine[Any, Any, Answer[Any]]:
        """Return the answer of the source below."""
        return self.below.fetch(call, reason)

    async def cached_shares(self, calls: Sequence[Call]) -> Sequence[float] | None:
        """Return the cached shares of the source below."""
        return await self.below.cached_shares(calls)

    def may_retry(self, system: System) -> bool:
        """Return whether the source below may retry."""
        return self.below.may_retry(system)
