"""Circuit breakers: an upstream, or one report of it, that keeps failing is left alone for a while, then tried once.

What counts as a failure is no answer, one that is cut off, or one of 500 and above: an upstream that answers wrongly or
refuses is there. A call counts once, however many requests it took.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from upstream.errors import Malformed, Unavailable, UpstreamError, UpstreamFailed
from upstream.reports.table import Report, System

# Of so many of the last calls, at least so many in a row or a half of them.
_WINDOW = 20
_LONGEST = 8  # times as long as the first pause, when one trial after the other fails


@dataclass(slots=True)
class Breaker:
    """One circuit. Closed it lets every call pass, open none; when its pause is over, one at a time to try."""

    name: str
    failures: int
    pause: float
    whole: bool = False  # of a system, which opens only when several of its reports fail
    clock: Callable[[], float] = time.monotonic
    in_a_row: int = 0
    opened: int = 0
    refused: int = 0
    until: float | None = None  # None: closed
    trying: bool = False
    reason: UpstreamError | None = None
    _last: deque[bool] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    _pauses: int = 1
    _failing: set[str] = field(default_factory=set)

    @property
    def state(self) -> str:
        """closed, open or half-open."""
        if self.until is None:
            return "closed"
        return "half-open" if self.clock() >= self.until else "open"

    @property
    def closed_to_us(self) -> bool:
        """Whether a call would be refused now."""
        return self.until is not None and (self.trying or self.clock() < self.until)

    def told(self) -> str:
        """What it says of itself."""
        if self.until is None:
            return f"{self.name}: closed"
        left = max(self.until - self.clock(), 0.0)
        when = f"tries again in {left:.1f} s" if left else "is being tried again"
        return f"{self.name} has failed {self.in_a_row} times in a row: the circuit breaker is open and {when}"

    def succeeded(self) -> None:
        """A call had its answer."""
        self._last.append(True)
        if self.until is not None:
            self._last.clear()
        self.in_a_row, self.until, self.trying, self._pauses = 0, None, False, 1
        self._failing.clear()

    def failed(self, error: UpstreamError, tried: bool) -> None:
        """A call had none; `tried` says that it was the one that tries."""
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
    """The breakers of one system: one of each report, and one of the system, which opens when several reports fail.

    `failures` in a row open one, 0 none ever. A single report that fails while the others answer closes only itself.
    """

    def __init__(
        self, system: System, failures: int, pause: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._failures, self._pause, self._clock = failures, pause, clock
        self._whole = Breaker(system.value, 2 * failures, pause, True, clock)
        self._reports: dict[str, Breaker] = {}

    def admit(self, report: Report) -> "Passage":
        """The right to make a call. Raises Unavailable, with the id of the failure that is to blame."""
        if self._failures == 0:
            return Passage(())
        one = self._reports.get(report.code)
        if one is None:
            name = f"{report.code} of {report.system.value}"
            one = self._reports[report.code] = Breaker(name, self._failures, self._pause, clock=self._clock)
        both = (self._whole, one)
        if self._whole.until is None and one.until is None:
            return Passage(both)
        for breaker in both:
            if breaker.closed_to_us:
                breaker.refused += 1
                blame = breaker.reason.correlation_id if breaker.reason is not None else ""
                raise BreakerOpen(breaker.told(), report=report.code, correlation_id=blame)
        return Passage(both)

    def stats(self) -> list[dict[str, Any]]:
        """Every breaker that was used: its name, state and counts."""
        return [
            {"name": each.name, "state": each.state, "opened": each.opened, "refused": each.refused}
            for each in (self._whole, *self._reports.values())
        ]

    def notes(self) -> list[str]:
        """What there is to tell of those that are not closed."""
        return [
            f"{each.told()}; {each.refused} calls were not made"
            for each in (self._whole, *self._reports.values())
            if each.until is not None
        ]


class BreakerOpen(Unavailable):
    """Not asked at all, since a circuit breaker is open."""


class Passage:
    """One call that was let pass. It must be settled, whatever becomes of it."""

    __slots__ = ("_breakers", "_trying")

    def __init__(self, breakers: tuple[Breaker, ...]) -> None:
        self._breakers = breakers
        self._trying = [breaker for breaker in breakers if breaker.until is not None]
        for breaker in self._trying:
            breaker.trying = True

    def settle(self, error: UpstreamError | None) -> None:
        """How the call ended."""
        for breaker in self._breakers:
            if error is None or not _down(error):
                breaker.succeeded()
            else:
                breaker.failed(error, breaker in self._trying)
        self._trying = []

    def drop(self) -> None:
        """The call was given up before its end, which tells nothing of the upstream."""
        for breaker in self._trying:
            breaker.trying = False
        self._trying = []


def _down(error: UpstreamError) -> bool:
    if isinstance(error, Malformed):
        return error.cut
    return isinstance(error, Unavailable) or (isinstance(error, UpstreamFailed) and (error.status or 0) >= 500)
