"""Each call is made once in an operation, and appears once in its trace."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

from resolvers.prices import Prices
from resolvers.sources.source import NO_REASON, Layer, Reason, Source
from resolvers.sources.waiters import Waiters
from resolvers.trace import Step
from upstream.call import Answer, Call
from upstream.errors import NotFound, UpstreamError
from upstream.reports.request import BadParameter


class OperationCalls(Layer):
    """Makes each call once, however many fields need it, and records it in `steps`.

    `unseen` is the source of rows that decide about other rows and that no caller sees. `restricted` says that the
    caller does not see all rows: the trace then measures nothing of the others.
    """

    def __init__(self, below: Source, unseen: Source, prices: Prices, restricted: bool) -> None:
        super().__init__(below)
        self.unseen = unseen
        self.prices = prices
        self.restricted = restricted
        self.steps: list[Step] = []
        self.kept = 0  # how many of them read nothing but entries of the cache
        self._calls: dict[Hashable, _OperationCall] = {}
        self._began = time.monotonic()
        self._closed = False

    def close(self) -> None:
        """Cancel the calls that still wait. An upstream call goes on while another operation waits for it."""
        self._closed = True
        for call in self._calls.values():
            call.error = None  # its traceback refers to the call
            if call.maker is not None:
                call.maker.cancel()
        self._calls.clear()

    async def fetch(self, call: Call, reason: Reason) -> Answer[Any]:
        """Return the rows of a call. The first task makes the call, the others wait for it."""
        known = self._calls.get(call)
        if known is None:
            step = Step(call, time.monotonic() - self._began, scoped=self.restricted)
            if reason.way is not None:
                step.way, step.price = reason.way.name, reason.way.price
                step.rejected, step.keys = reason.rejected, reason.keys
            self.steps.append(step)
            known = self._calls[call] = _OperationCall(step)
        known.step.fields.update(reason.fields)
        answer = known.answer
        if answer is None:
            answer = await known.made(self._make)
        if call is not known.step.call:
            answer.read(call.columns)
        return answer

    async def fetch_unseen(self, call: Call) -> Answer[Any]:
        """Return the rows of a call, also those that the caller may not see. They decide about other rows only."""
        if not self.restricted:
            return await self.fetch(call, NO_REASON)
        place = ("unseen", call)
        known = self._calls.get(place)
        if known is None:
            step = Step(call, time.monotonic() - self._began, scoped=True, way="everyone")
            self.steps.append(step)
            known = self._calls[place] = _OperationCall(step)
        answer = known.answer
        return await known.made(self._make_unseen) if answer is None else answer

    async def _make(self, step: Step) -> Answer[Any]:
        call = step.call
        answer = await self._recorded(self.below, step)
        step.stale = answer.provenance.stale_since
        step.readings = answer.readings
        step.rows, step.bytes, step.waited = len(answer.rows), answer.bytes, answer.waited
        self.prices.keep(call, answer)
        return answer

    async def _make_unseen(self, step: Step) -> Answer[Any]:
        # The trace says that the call was made, and nothing of its rows.
        return await self._recorded(self.unseen, step)

    async def _recorded(self, source: Source, step: Step) -> Answer[Any]:
        if self._closed:
            # The operation is over: no task needs the answer or the error.
            raise asyncio.CancelledError
        began = time.monotonic()
        try:
            answer = await source.fetch(step.call, NO_REASON)
        except UpstreamError as error:
            step.outcome, step.error, step.requests, step.waited = "error", error.code, error.requests, error.waited
            if isinstance(error, NotFound) and source is self.below:
                self.prices.keep_unknown(step.call, error)
            raise
        except BadParameter:
            self.steps.remove(step)  # it was refused before a request was sent
            raise
        finally:
            step.seconds = time.monotonic() - began
        step.outcome, step.requests = answer.provenance.outcome, answer.requests
        if answer.entries is not None:
            step.entries = answer.entries
            self.kept += 1
        return answer


class _OperationCall:
    """One call of an operation. The first task makes it. If that task is cancelled, the next waiter makes it."""

    __slots__ = ("_waiters", "answer", "error", "maker", "step")

    def __init__(self, step: Step) -> None:
        self.step = step
        self.answer: Answer[Any] | None = None
        self.maker: asyncio.Task[Any] | None = None
        self.error: Exception | None = None
        self._waiters = Waiters()

    async def made(self, make: Callable[[Step], Awaitable[Answer[Any]]]) -> Answer[Any]:
        """Return the answer. Raise what `make` raised."""
        while self.maker is not None:
            await self._waiters.wait()
        if self.answer is None and self.error is None:
            self.maker = asyncio.current_task()
            try:
                self.answer = await make(self.step)
            except Exception as error:
                self.error = error
            finally:
                self.maker = None
                self._waiters.wake()
        if self.answer is None:
            assert self.error is not None
            raise self.error
        return self.answer
