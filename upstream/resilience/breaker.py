"""Stop calls of an upstream, or of one of its reports, that fails repeatedly; after a pause, try one call.

A failure is a missing answer, a cut one, or one with a status of 500 and above. An upstream that answers wrongly or
refuses a request is available. A call counts once, however many requests it took.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from upstream.errors import Malformed, Unavailable, UpstreamError, UpstreamFailed
from upstream.reports.table import Report, System

# The breaker looks at so many of the last calls: at least so many in a row failed, or half of them.
_WINDOW = 20
_LONGEST = 8  # the longest pause, in first pauses, if one trial after the other fails


@dataclass(slots=True)
class Breaker:
    """Hold one circuit. A closed one lets every call pass, an open one none. After a pause it lets one call try."""

    name: str
    failures: int
    pause: float
    whole: bool = False  # of a system: it opens only if several of its reports fail
    clock: Callable[[], float] = time.monotonic
    in_a_row: int = 0
    opened: int = 0
    refused: int = 0
    until: float | None = None  # None: closed
    trying: bool = False
    reason: UpstreamError | None = None
    calm: bool = False  # all of the last calls were answered, so that one more changes nothing
    _last: deque[bool] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    _pauses: int = 1
    _failing: set[str] = field(default_factory=set)

    @property
    def state(self) -> str:
        """Return closed, open or half-open."""
        if self.until is None:
            return "closed"
        return "half-open" if self.clock() >= self.until else "open"

    @property
    def closed_to_us(self) -> bool:
        """Return whether a call would be refused now."""
        return self.until is not None and (self.trying or self.clock() < self.until)

    def describe(self) -> str:
        """Return its state for metrics."""
        if self.until is None:
            return f"{self.name}: closed"
        left = max(self.until - self.clock(), 0.0)
        when = f"tries again in {left:.1f} s" if left else "is being tried again"
        return f"{self.name} has failed {self.in_a_row} times in a row: the circuit breaker is open and {when}"

    def succeeded(self) -> None:
        """Note that a call was answered."""
        self._last.append(True)
        if self.until is not None:
            self._last.clear()
        self.in_a_row, self.until, self.trying, self._pauses = 0, None, False, 1
        self._failing.clear()
        self.calm = len(self._last) == _WINDOW and all(self._last)

    def failed(self, error: UpstreamError, tried: bool) -> None:
        """Note that a call was not answered. `tried` says that it was the trial."""
        self.calm = False
        self._last.append(False)
        self._failing.add(error.report)
        self.in_a_row += 1
        lost = self._last.count(False)
        share = lost >= self.failures and 2 * lost >= len(self._last) >= _WINDOW
        if self.whole:
            enough = self.in_a_row >= self.failures and len(self._failing) > 1
        else:
            enough = self.in_a_row >= self.failures or share
        if tried:
            self.trying = False
            self._pauses = min(2 * self._pauses, _LONGEST)
        elif self.until is not None or not enough:
            return
        else:
            self.opened += 1
        self.until, self.reason = self.clock() + self.pause * self._pauses, error


class Breakers:
    """Hold the breakers of one system: one per report, and one of the system, which opens if several reports fail.

    So many `failures` in a row open one; 0 means never. If only one report fails, only its own breaker opens.
    """

    def __init__(
        self, system: System, failures: int, pause: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._failures, self._pause, self._clock = failures, pause, clock
        self._whole = Breaker(system.value, 2 * failures, pause, True, clock)
        self._reports: dict[str, Breaker] = {}
        self._passages: dict[str, Passage] = {}  # while both breakers are closed

    def admit(self, report: Report) -> "Passage":
        """Return the permission to make a call. Raise Unavailable, with the id of the failure that is the cause."""
        one = self._reports.get(report.code)
        if one is not None and one.until is None and self._whole.until is None:
            passage = self._passages.get(report.code)
            if passage is None:
                passage = self._passages[report.code] = Passage((self._whole, one))
            return passage
        if self._failures == 0:
            return Passage(())
        if one is None:
            name = f"{report.code} of {report.system.value}"
            one = self._reports[report.code] = Breaker(name, self._failures, self._pause, clock=self._clock)
        both = (self._whole, one)
        for breaker in both:
            if breaker.closed_to_us:
                breaker.refused += 1
                blame = breaker.reason.correlation_id if breaker.reason is not None else ""
                raise BreakerOpen(breaker.describe(), report=report.code, correlation_id=blame)
        return Passage(both)

    def stats(self) -> list[dict[str, Any]]:
        """Return every breaker that was used: its name, state and counts."""
        return [
            {"name": each.name, "state": each.state, "opened": each.opened, "refused": each.refused}
            for each in (self._whole, *self._reports.values())
        ]

    def notes(self) -> list[str]:
        """Return a line for each breaker that is not closed."""
        return [
            f"{each.describe()}; {each.refused} calls were not made"
            for each in (self._whole, *self._reports.values())
            if each.until is not None
        ]


class BreakerOpen(Unavailable):
    """Say that a call was not made because a circuit breaker is open."""


class Passage:
    """Hold one call that may pass, or all calls of a report while its breakers are closed.

    Each call must be settled, whatever its result.
    """

    __slots__ = ("_breakers", "_trying")

    def __init__(self, breakers: tuple[Breaker, ...]) -> None:
        self._breakers = breakers
        self._trying = [breaker for breaker in breakers if breaker.until is not None]
        for breaker in self._trying:
            breaker.trying = True

    def settle(self, error: UpstreamError | None) -> None:
        """Note how the call ended."""
        answered = error is None or not _down(error)
        for breaker in self._breakers:
            if answered:
                if not breaker.calm:
                    breaker.succeeded()
            elif error is not None:
                breaker.failed(error, breaker in self._trying)
        self._trying = []

    def drop(self) -> None:
        """Note that the call was given up before its end, which shows nothing about the upstream."""
        for breaker in self._trying:
            breaker.trying = False
        self._trying = []


def _down(error: UpstreamError) -> bool:
    if isinstance(error, Malformed):
        return error.cut
    return isinstance(error, Unavailable) or (isinstance(error, UpstreamFailed) and (error.status or 0) >= 500)
