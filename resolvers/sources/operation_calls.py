"""Each call is made once in an operation, and appears once in its trace."""

import asyncio
import time
from collections.abc import Coroutine, Hashable
from typing import Any

import msgspec

from resolvers.kept_sums import KeptSum
from resolvers.prices import Prices
from resolvers.sources.source import NO_REASON, Layer, Reason, Source
from resolvers.sources.waiters import Waiters
from resolvers.trace import Step
from resolvers.way import KEPT
from upstream.call import Answer, Call, Reading
from upstream.errors import NotFound, UpstreamError
from upstream.reports.request import BadParameter
from upstream.values.interval import Interval


class OperationCalls(Layer):
    """Makes each call once, however many fields need it, and records it in `steps`.

    `unseen` is the source of rows that decide about other rows and that no caller sees. `restricted` says that the
    caller does not see all rows: the trace then measures nothing of the others.
    """

    def __init__(self, below: Source, unseen: Source, prices: Prices, restricted: bool) -> None:
        self.below = below
        self.unseen = unseen
        self.prices = prices
        self.restricted = restricted
        self.steps: list[Step] = []
        self.readings: list[Reading] = []  # when their rows were read
        self.kept = 0  # how many of them read nothing but entries of the cache
        self.stale = False  # whether rows of one of them are out of date
        self._calls: dict[Hashable, _OperationCall] = {}
        self.began = time.monotonic()
        self._closed = False

    def close(self) -> None:
        """Cancel the calls that still wait. An upstream call goes on while another operation waits for it."""
        self._closed = True
        for call in self._calls.values():
            call.error = None  # its traceback refers to the call
            if call.maker is not None:
                call.maker.cancel()
        self._calls.clear()

    def release(self, interval: Interval) -> None:
        """Forget the rows of a period. Whoever needs them again reads them again."""
        for key, known in list(self._calls.items()):
            if known.answer is not None and known.step.call.interval == interval:
                del self._calls[key]

    def note_kept(self, kept: KeptSum, field: str) -> None:
        """Record the calls whose rows are not read again, because their sum is kept."""
        oldest, _, until = kept.times
        for each in kept.calls:
            readings = tuple(Reading(each.call.report.code, day, day, oldest, until) for _, day, _ in each.entries)
            began = time.monotonic() - self.began
            step = Step(each.call, began, {field}, way=KEPT, outcome="hit", rows=each.rows)
            step.readings, step.entries = readings, each.entries
            self.steps.append(step)
            self.readings += readings
            self.kept += 1

    def fetch(self, call: Call, reason: Reason) -> Coroutine[Any, Any, Answer[Any]]:
        """Return the rows of a call. The first task makes the call, the others wait for it."""
        known = self._calls.get(call.key)
        if known is not None:
            known.step.fields.update(reason.fields)
            return self._known(known, call)
        step = Step(call, time.monotonic() - self.began, set(reason.fields), scoped=self.restricted)
        if reason.way is not None:
            step.way, step.price = reason.way.name, reason.way.price
            step.rejected, step.keys = reason.rejected, reason.keys
        self.steps.append(step)
        known = self._calls[call.key] = _OperationCall(step)
        return self._made(known, self.below)

    async def _known(self, known: "_OperationCall", call: Call) -> Answer[Any]:
        """Return the answer of a call that another field needed first, with the columns of this one readable."""
        answer = known.answer
        if answer is None:
            answer = await self._made(known, self.below)
        answer.take(call.columns)
        return answer

    async def fetch_unseen(self, call: Call) -> Answer[Any]:
        """Return the rows of a call, also those that the caller may not see. They decide about other rows only."""
        if not self.restricted:
            return await self.fetch(call, NO_REASON)
        place = ("unseen", call.key)
        known = self._calls.get(place)
        if known is None:
            step = Step(call, time.monotonic() - self.began, scoped=True, way="everyone")
            self.steps.append(step)
            known = self._calls[place] = _OperationCall(step)
        return known.answer or await self._made(known, self.unseen)

    async def _made(self, known: "_OperationCall", source: Source) -> Answer[Any]:
        """Return the answer of a call, or raise its error. If the task that makes it is cancelled, the next one does.

        The trace says of an unseen call that it was made, and nothing of its rows.
        """
        while known.maker is not None:
            await known.wait()
        if known.answer is None and known.error is None:
            if self._closed:
                # The operation is over: no task needs the answer or the error.
                raise asyncio.CancelledError
            known.maker, step, began = asyncio.current_task(), known.step, time.monotonic()
            try:
                answer = known.answer = await source.fetch(step.call, NO_REASON)
            except Exception as error:
                known.error = error
                self._note_failure(step, error, source is self.below)
            else:
                step.outcome, step.requests = answer.provenance.outcome, answer.requests
                if answer.entries is not None:
                    step.entries = answer.entries
                    self.kept += 1
                if source is self.below:
                    provenance = answer.provenance
                    step.stale, step.readings = provenance.stale_since, provenance.readings
                    self.stale = self.stale or step.stale is not None
                    self.readings += step.readings
                    step.rows, step.bytes, step.waited = len(answer.rows), answer.bytes, answer.waited
                    self.prices.keep(step.call, answer)
            finally:
                step.seconds = time.monotonic() - began
                known.maker = None
                if known.waiters is not None:
                    known.waiters.wake()
        if known.answer is None:
            assert known.error is not None
            raise known.error
        return known.answer

    def _note_failure(self, step: Step, error: Exception, seen: bool) -> None:
        if isinstance(error, UpstreamError):
            step.outcome, step.error, step.requests, step.waited = "error", error.code, error.requests, error.waited
            if seen and isinstance(error, NotFound):
                self.prices.keep_unknown(step.call, error)
        elif isinstance(error, BadParameter):
            self.steps.remove(step)  # it was refused before a request was sent


class _OperationCall(msgspec.Struct, eq=False):
    """One call of an operation."""

    step: Step
    answer: Answer[Any] | None = None
    maker: asyncio.Task[Any] | None = None
    error: Exception | None = None
    waiters: Waiters | None = None

    async def wait(self) -> None:
        """Wait until the task that makes the call has ended or was cancelled."""
        if self.waiters is None:
            self.waiters = Waiters()
        await self.waiters.wait()
