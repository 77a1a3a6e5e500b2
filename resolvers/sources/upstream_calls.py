"""The lowest source of an operation takes a slot and calls the upstream room: the day cache, or the client."""

import asyncio
import datetime
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

from resolvers.prices import Prices
from resolvers.rules.coherence import COMPARED, ReadAnswer
from resolvers.sources.source import Reason
from upstream.call import Answer, Call
from upstream.reports.table import System
from upstream.resilience.queue import Queue


class UpstreamRoom(Protocol):
    """The upstream room: it returns the complete rows of a call, or raises an `UpstreamError`."""

    def fetch(self, call: Call) -> Coroutine[Any, Any, Answer[Any]]:
        """Return the rows of a call. The day cache takes `not_before`, too: it refuses rows that were read earlier."""
        ...


class UpstreamCalls:
    """Makes the calls of one operation. Rows that were read before `not_before` are read again.

    `reads` are the answers of reports that may contradict each other, and `picked` the calls whose keys were picked
    because they are unlike the others.
    """

    def __init__(
        self, room: UpstreamRoom, prices: Prices, now: datetime.datetime, not_before: datetime.datetime | None = None
    ) -> None:
        self.room = room
        self.prices = prices
        self.now = now
        self.options: dict[str, Any] = {} if not_before is None else {"not_before": not_before}
        self.reads: list[ReadAnswer] = []
        self.picked: set[Call] = set()
        self.closed = False
        self._turns: dict[System, Queue] = {}

    async def fetch(self, call: Call, reason: Reason) -> Answer[Any]:
        """Return the rows of a call, and learn what it cost.

        The call is made as soon as fewer calls of this operation are under way than the system has slots. So an
        operation waits for its own calls here. They take no place in the waiting room of the system, and no time of
        their deadlines. A call that is under way waits for none of the others, so each of them has its turn.
        """
        system = call.report.system
        turns = self._turns.get(system)
        if turns is None:
            turns = self._turns[system] = Queue(self.prices.parallel[system])
        if not turns.take_free():
            await turns.take("")
        try:
            if self.closed:
                raise asyncio.CancelledError
            sent = call if system is not System.GAMELOG else call.at(self.now)
            answer = await self.room.fetch(sent, **self.options)
        finally:
            turns.give()
        provenance = answer.provenance
        if provenance.readings and call.report in COMPARED:
            self.reads.append(ReadAnswer(call, answer))
        if provenance.outcome in ("off", "miss"):
            seconds = max(answer.seconds - answer.waited, 0.0)
            typical = not self.picked or call not in self.picked
            self.prices.observe(call, len(answer.rows), seconds, typical)
        return answer

    async def cached_shares(self, calls: Sequence[Call]) -> Sequence[float] | None:
        """Return the share of each call that the day cache holds; None without a day cache."""
        look = getattr(self.room, "cached_shares", None)
        if look is None or not getattr(self.room, "keeps", True):
            return None
        return [each.fraction for each in await look(calls, **self.options)]

    def may_retry(self, system: System) -> bool:
        """Return whether the retry budget of a system allows one more call, and spend it."""
        spare = getattr(self.room, "spare", None)
        return spare is None or bool(spare(system))
