"""Make calls of both upstreams: return the whole answer of a call, or raise an error of `upstream/errors.py`."""

import asyncio
import math
import time
import uuid
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

import structlog

from upstream.call import Answer, Call
from upstream.call_counts import BREAKER_OPEN, CallCounts
from upstream.errors import NotFound, Overloaded, Unavailable, UpstreamError
from upstream.gamehub import GameHubClient, GameHubConfig
from upstream.gamelog import GameLogClient, GameLogConfig
from upstream.journal import PAYLOAD_LIMIT, Journal
from upstream.reports.absence import absence
from upstream.reports.request import checked
from upstream.reports.table import System
from upstream.resilience.breaker import BreakerOpen, Breakers
from upstream.resilience.single_flight import SingleFlights
from upstream.transport.secret import Redactor, quieten
from upstream.transport.transport import Tally
from upstream.values.bad_value import BadValues

__all__ = ["GameHubConfig", "GameLogConfig", "Listener", "Upstream"]

_log = structlog.get_logger("upstream")

Listener = Callable[[Call, "Answer[Any] | UpstreamError", float, float], None]
"""Called when a call has ended: with the call, its answer or error, and its start and end (`time.monotonic`)."""


class Upstream:
    """Call both systems. Either may be None: a call to it is Unavailable, and says which setting is missing.

    Each call runs in the task of its first caller, and all callers that make an equal call meanwhile wait for it. A
    caller that gives up leaves the call, its connection and the other callers untouched: the call goes on where it
    stands, in a task of its own. When the last caller has left, the call is stopped, and its slot is free. A call ends
    at its own deadline, or at the latest deadline of its callers.

    `facts` returns the `request` and the `caller` that this task works for, for the journal.
    """

    def __init__(
        self,
        gamehub: GameHubConfig | None,
        gamelog: GameLogConfig | None,
        journal: Journal | None = None,
        listeners: Sequence[Listener] = (),
        facts: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._systems: dict[System, GameHubClient | GameLogClient] = {}
        self._breakers: dict[System, Breakers] = {}
        if gamehub is not None:
            self._systems[System.GAMEHUB] = GameHubClient(gamehub)
            self._breakers[System.GAMEHUB] = _breakers(System.GAMEHUB, gamehub)
        if gamelog is not None:
            self._systems[System.GAMELOG] = GameLogClient(gamelog)
            self._breakers[System.GAMELOG] = _breakers(System.GAMELOG, gamelog)

        def known() -> list[str]:
            values = [*gamehub.token.known()] if gamehub is not None else []
            values += gamelog.agents.known() if gamelog is not None else []
            proxies = [config.secure.proxy for config in (gamehub, gamelog) if config is not None]
            return values + [secret for proxy in proxies if proxy is not None for secret in proxy.secrets()]

        self._redactor = Redactor(known)
        quieten(self._redactor)
        self._journal = journal
        self._listeners = list(listeners)
        self._facts = facts
        self._flights: SingleFlights[Hashable, Answer[Any] | UpstreamError] = SingleFlights(self._failed)
        self.calls = CallCounts()
        self._irregular: dict[System, Counter[tuple[str, str]]] = {system: Counter() for system in System}
        # When each system last answered a call (`time.monotonic`).
        self._answered: dict[System, float] = {}
        self._closed = False

    async def __aenter__(self) -> Self:
        """Return the upstreams."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close them."""
        await self.aclose()

    async def fetch(self, call: Call, observe: Listener | None = None) -> Answer[Any]:
        """Return the answer to a call: all rows, in the upstream's order. They are shared: never change them.

        `observe` is a listener for this call alone. Raise UpstreamError; raise BadParameter, a ValueError, before
        anything is sent, for parameters that no upstream accepts (C6).
        """
        if not call.checked:
            call = checked(call)
        # Intervals are equal whatever dates they were made of, but reports of dates depend on these.
        key = (call.key, call.interval.days if call.interval is not None else None)
        flight = self._flights.get(key)
        own = flight is None
        if flight is None:
            if self._closed:
                raise Unavailable("the gateway is stopping")
            system = self._systems.get(call.report.system)
            tally = Tally(call.report.code, math.inf if system is None else system.transport.timeout)
            flight = self._flights.open(partial(self._run, call, tally), call.report.code, (key,), tally)
        started = time.monotonic() if observe is not None else 0.0
        outcome = await flight.wait()
        if not own:
            self.calls[call.report.code].joined += 1
            outcome = self._read(call, outcome)
        if observe is not None:
            self._notify([observe], call, outcome, started)
        if outcome.__class__ is Answer:
            return outcome
        assert isinstance(outcome, UpstreamError)
        # One error may be raised in many waiters: each begins a traceback of its own, with no earlier frames.
        raise outcome.with_traceback(None)

    def _read(self, call: Call, outcome: Answer[Any] | UpstreamError) -> Answer[Any] | UpstreamError:
        """Return the outcome of a call with the columns of this caller readable: the first caller may read others."""
        if isinstance(outcome, Answer):
            try:
                outcome.take(call.columns)
            except UpstreamError as error:
                self._record(call, error, Tally())
                return error
        return outcome

    async def aclose(self) -> None:
        """Let running calls end, each within its deadline, then close every connection. Later calls fail."""
        self._closed = True
        await self._flights.ended()
        for system in self._systems.values():
            await system.transport.aclose()
        self._systems.clear()

    def spare(self, system: System) -> bool:
        """Return whether a system may be called once more after a failure, and count it against its retry budget."""
        found = self._systems.get(system)
        return found is not None and found.transport.budget.spend()

    def answered(self, system: System) -> float | None:
        """Return when a system last answered a call (`time.monotonic`); None if it never did."""
        return self._answered.get(system)

    def sandbox(self, system: System) -> bool | None:
        """Return whether a sandbox takes the place of a system; None before its first answer."""
        found = self._systems.get(system)
        return None if found is None else found.transport.sandbox

    def notes(self) -> list[str]:
        """Return which circuit breakers are open, in words."""
        return [note for breakers in self._breakers.values() for note in breakers.notes()]

    def stats(self) -> dict[str, dict[str, Any]]:
        """Return the metrics of each system: breakers, slots, retry budget, and bad values by report and column."""
        return {
            system.value: {
                "breakers": self._breakers[system].stats(),
                "irregular": dict(self._irregular[system]),
                **found.transport.stats(),
            }
            for system, found in self._systems.items()
        }

    def _failed(self, what: str, error: BaseException) -> None:
        _log.error("upstream.defect", task=what, defect=self._redactor.text(repr(error)))

    async def _run(self, call: Call, tally: Tally) -> Answer[Any] | UpstreamError:
        """Make a call. Its failure is a result, so that it does not refer to its cause."""
        system = call.report.system
        client, breakers = self._systems.get(system), self._breakers.get(system)
        try:
            passage = breakers.admit(call.report) if breakers is not None else None
        except BreakerOpen as refused:
            # The failures that opened it are logged and recorded. Calls that are not made are only counted.
            self.calls[call.report.code].outcomes[BREAKER_OPEN] += 1
            self._notify(self._listeners, call, refused, tally.started)
            return refused
        outcome: Answer[Any] | UpstreamError
        failed: UpstreamError | None = None
        settled = late = False
        seconds = 0.0
        bad = BadValues(call.report.code)
        bad.redact = self._redactor.text
        try:
            try:
                if client is None:
                    raise Unavailable("GAMEHUB_URL is not set" if system is System.GAMEHUB else _NO_GAMELOG)
                rows, total = await client.read(call, tally, bad)
                bad.on_new = partial(self._note, call)
                if bad.columns:
                    bad.report_new()
                self._answered[system] = now = time.monotonic()
                seconds = now - tally.started
                outcome = Answer(rows, tally.requests, tally.bytes, seconds, total=total, waited=tally.waited)
            except UpstreamError as error:
                outcome = failed = error
            except asyncio.CancelledError:
                if not tally.expired:
                    raise
                late = True
            if late:
                outcome = failed = self._late(self._systems[system], tally)
            if failed is not None:
                seconds = time.monotonic() - tally.started
                self._record(call, failed, tally)
            # A call that was not sent, or sent with no time left, shows nothing about the upstream.
            shows = failed is None or not isinstance(failed, Overloaded)
            if passage is not None and tally.requests and not tally.hurried and shows:
                passage.settle(failed)
                settled = True
        finally:
            if passage is not None and not settled:
                passage.drop()
        self.calls[call.report.code].note(outcome, tally, seconds)
        if self._listeners:
            self._notify(self._listeners, call, outcome, tally.started)
        return outcome

    def _late(self, system: GameHubClient | GameLogClient, tally: Tally) -> UpstreamError:
        """Return the error of a call that was stopped at its deadline."""
        tally.hurried = system.transport.hurried(tally)
        return system.transport.late(tally)

    def _record(self, call: Call, error: UpstreamError, tally: Tally) -> None:
        """Complete an error, redact it, log it, and record it in the journal."""
        redact = self._redactor
        error.message = redact.text(error.message)
        error.args = (error.message,)
        error.report = call.report.code
        error.requests, error.waited = tally.requests, tally.waited
        error.params = redact.value(_params(call))
        error.upstream_code = redact.text(error.upstream_code) if error.upstream_code is not None else None
        error.correlation_id = error.correlation_id or uuid.uuid4().hex[:12]
        self._name_request(error)
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
        if isinstance(error, NotFound):
            # The log and the journal have the upstream's own words. All callers get the same words.
            error.message = redact.text(absence(call.report, call.params))
            error.args = (error.message,)

    def _name_request(self, error: UpstreamError) -> None:
        """Note for which request and caller the call was made."""
        facts = self._facts()
        error.request, error.caller = facts.get("request", ""), facts.get("caller", "")

    def _note(self, call: Call, bad: BadValues, new: Counter[str], first: bool) -> None:
        """Count bad values of an answer (C34). Log the first ones and record them in the journal."""
        counted = self._irregular[call.report.system]
        for column, count in new.items():
            counted[bad.report, column] += count
        if not first or bad.first is None:
            return
        error = bad.first.error
        error.params = self._redactor.value(_params(call))
        self._name_request(error)
        error.payload = self._redactor.payload(bad.payload, PAYLOAD_LIMIT) if bad.payload is not None else None
        _log.warning(
            "upstream.irregular",
            report=bad.report,
            params=error.params,
            columns=dict(new),
            correlation_id=bad.correlation_id,
            message=error.message,
        )
        if self._journal is not None:
            self._journal.record(error)

    def _notify(
        self, listeners: Sequence[Listener], call: Call, outcome: Answer[Any] | UpstreamError, started: float
    ) -> None:
        ended = time.monotonic()
        for listener in listeners:
            try:
                listener(call, outcome, started, ended)
            except Exception:
                _log.exception("upstream.listener_failed", report=call.report.code)


_NO_GAMELOG = "GAMELOG_URL is not set"


def _breakers(system: System, config: GameHubConfig | GameLogConfig) -> Breakers:
    return Breakers(system, config.breaker_failures, config.breaker_seconds)


def _params(call: Call) -> dict[str, object]:
    found: dict[str, object] = dict(call.params)
    if call.interval is not None:
        found["from"] = call.interval.start.isoformat()
        found["until"] = call.interval.end.isoformat()
    if call.agent:
        found["agent_code"] = call.agent
    return found
