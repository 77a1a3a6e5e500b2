"""The one door to both upstreams: a call goes in, its whole answer comes out, or an error of `upstream/errors.py`."""

import asyncio
import time
import uuid
from collections.abc import Callable, Hashable, Sequence
from types import TracebackType
from typing import Any, Self

import structlog

from upstream.call import Answer, Call
from upstream.decode import need
from upstream.errors import Unavailable, UpstreamError
from upstream.gamehub import GameHub, GameHubConfig
from upstream.gamelog import GameLog, GameLogConfig
from upstream.journal import PAYLOAD_LIMIT, Journal
from upstream.reports import System
from upstream.request import checked
from upstream.secret import Redactor, quieten
from upstream.transport import Tally

__all__ = ["GameHubConfig", "GameLogConfig", "Listener", "Upstream"]

_log = structlog.get_logger("upstream")

Listener = Callable[[Call, "Answer[Any] | UpstreamError", float, float], None]
"""Told of every call that has ended: the call, its answer or error, and when it began and ended (`time.monotonic`)."""


class Upstream:
    """Both systems. Either may be None: a call to it is Unavailable, and says which setting is missing.

    Each call runs in a task of its own, with a deadline of its own, and everybody who asks the same while it runs
    waits for that task. Who gives up waiting leaves the task, its connection and the others who wait untouched.
    """

    def __init__(
        self,
        gamehub: GameHubConfig | None,
        gamelog: GameLogConfig | None,
        journal: Journal | None = None,
        listeners: Sequence[Listener] = (),
    ) -> None:
        self._systems: dict[System, GameHub | GameLog] = {}
        if gamehub is not None:
            self._systems[System.GAMEHUB] = GameHub(gamehub)
        if gamelog is not None:
            self._systems[System.GAMELOG] = GameLog(gamelog)

        def known() -> list[str]:
            values = [*gamehub.token.known()] if gamehub is not None else []
            return values + (gamelog.agents.known() if gamelog is not None else [])

        self._redactor = Redactor(known)
        quieten(self._redactor)
        self._journal = journal
        self._listeners = list(listeners)
        self._flights: dict[Hashable, asyncio.Task[Answer[Any] | UpstreamError]] = {}
        self._closed = False

    async def __aenter__(self) -> Self:
        """The upstreams."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close them."""
        await self.aclose()

    async def fetch(self, call: Call, observe: Listener | None = None) -> Answer[Any]:
        """The answer to a call: all rows, in the upstream's order. They are shared: nobody may change them.

        `observe` is told of this call as the listeners are of all. Raises UpstreamError; BadParameter, a ValueError,
        before anything is sent, for a call that no upstream may be asked (C6).
        """
        call = checked(call)
        # Intervals are equal whatever days they were made of, which reports of days go by.
        asked = (call, call.interval.days if call.interval is not None else None)
        task = self._flights.get(asked)
        if task is None:
            if self._closed:
                raise Unavailable("the gateway is stopping")
            task = asyncio.create_task(self._run(call), name=f"upstream {call.report.code}")
            self._flights[asked] = task
            task.add_done_callback(lambda done: self._landed(asked, done))
        started = time.monotonic()
        outcome = self._read(call, await asyncio.shield(task))
        if observe is not None:
            self._tell([observe], call, outcome, started)
        if isinstance(outcome, UpstreamError):
            # One error may be raised in many waiters: each begins a traceback of its own, with no earlier frames.
            raise outcome.with_traceback(None)
        return outcome

    def _read(self, call: Call, outcome: Answer[Any] | UpstreamError) -> Answer[Any] | UpstreamError:
        """What came of a call, with the columns readable that this asker reads, whatever the first one did."""
        if isinstance(outcome, Answer):
            try:
                need(outcome.rows, call.columns)
            except UpstreamError as error:
                self._keep(call, error, Tally())
                return error
        return outcome

    async def aclose(self) -> None:
        """Let the calls under way end, each within its deadline, then close every connection. Later calls fail."""
        self._closed = True
        while self._flights:
            await asyncio.wait(list(self._flights.values()))
            # The tasks are taken out of the table by callbacks, which run a moment after them.
            await asyncio.sleep(0)
        for system in self._systems.values():
            await system.transport.aclose()
        self._systems.clear()

    def _landed(self, asked: Hashable, task: "asyncio.Task[Answer[Any] | UpstreamError]") -> None:
        if self._flights.get(asked) is task:
            del self._flights[asked]
        # What nobody waits for any longer is not to be complained of by the event loop.
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("upstream.defect", task=task.get_name(), defect=self._redactor.text(repr(error)))

    async def _run(self, call: Call) -> Answer[Any] | UpstreamError:
        tally = Tally()
        outcome: Answer[Any] | UpstreamError
        try:
            outcome = await self._answer(call, tally)
        except UpstreamError as error:
            outcome = error
        if isinstance(outcome, UpstreamError):
            self._keep(call, outcome, tally)
        self._tell(self._listeners, call, outcome, tally.started)
        return outcome

    async def _answer(self, call: Call, tally: Tally) -> Answer[Any]:
        system = self._systems.get(call.report.system)
        if system is None:
            raise Unavailable("GAMEHUB_URL is not set" if call.report.system is System.GAMEHUB else _NO_GAMELOG)
        late = asyncio.timeout(None)
        try:
            async with system.transport.deadline() as late:
                rows = await system.read(call, tally)
                return Answer(rows, tally.requests, tally.bytes, time.monotonic() - tally.started)
        except TimeoutError:
            if not late.expired():
                raise
        # Raised out here, where no exception of an HTTP library is its context.
        raise Unavailable(f"{call.report.code}: no whole answer in time")

    def _keep(self, call: Call, error: UpstreamError, tally: Tally) -> None:
        """Complete an error, without tokens; log it and write it down."""
        redact = self._redactor
        error.message = redact.text(error.message)
        error.args = (error.message,)
        error.report = call.report.code
        error.params = redact.value(_params(call))
        error.upstream_code = redact.text(error.upstream_code) if error.upstream_code is not None else None
        error.correlation_id = uuid.uuid4().hex[:12]
        error.payload = redact.payload(error.payload, PAYLOAD_LIMIT) if error.payload is not None else None
        error.__cause__ = error.__context__ = None
        error.with_traceback(None)
        _log.warning(
            "upstream.failed",
            code=error.code,
            report=error.report,
            params=error.params,
            status=error.status,
            upstream_code=error.upstream_code,
            correlation_id=error.correlation_id,
            requests=tally.requests,
            ms=round((time.monotonic() - tally.started) * 1000),
            message=error.message,
        )
        if self._journal is not None:
            self._journal.record(error)

    def _tell(
        self, listeners: Sequence[Listener], call: Call, outcome: Answer[Any] | UpstreamError, started: float
    ) -> None:
        ended = time.monotonic()
        for listener in listeners:
            try:
                listener(call, outcome, started, ended)
            except Exception:
                _log.exception("upstream.listener_failed", report=call.report.code)


_NO_GAMELOG = "GAMELOG_URL is not set"


def _params(call: Call) -> dict[str, object]:
    told: dict[str, object] = dict(call.params)
    if call.interval is not None:
        told["from"] = call.interval.start.isoformat()
        told["until"] = call.interval.end.isoformat()
    if call.agent:
        told["agent_code"] = call.agent
    return told
