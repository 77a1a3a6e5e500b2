"""Count the calls of each report: how they ended, how long they took, and what they brought."""

from bisect import bisect_left
from collections import defaultdict
from typing import Any

from upstream.call import Answer
from upstream.durations import BOUNDS, Durations
from upstream.errors import UpstreamError
from upstream.transport.transport import Tally

OK = "ok"
# The outcome of a call that an open circuit breaker refused.
BREAKER_OPEN = "breaker_open"


class ReportCalls:
    """Hold the counts of one report. `outcomes` has `ok`, `breaker_open` and the codes of errors.

    `requests` are HTTP requests: a call has several if it was retried, sent a second time, or has several pages.
    `joined` are calls that were not made, because an equal call was under way. `waited` are the seconds in which
    requests waited for their turn. `durations` has the calls of which a request was sent.
    """

    __slots__ = (
        "bytes", "durations", "hedged", "joined", "outcomes", "requests", "retried", "rows", "waited",
    )  # fmt: skip

    def __init__(self) -> None:
        self.outcomes: defaultdict[str, int] = defaultdict(int)
        self.durations = Durations()
        self.rows = 0
        self.bytes = 0
        self.requests = 0
        self.retried = 0
        self.hedged = 0
        self.joined = 0
        self.waited = 0.0

    def note(self, outcome: Answer[Any] | UpstreamError, tally: Tally, seconds: float) -> None:
        """Count a call that has ended after so many seconds."""
        if outcome.__class__ is Answer:
            self.outcomes[OK] += 1
            self.rows += len(outcome.rows)
        else:
            assert isinstance(outcome, UpstreamError)
            self.outcomes[outcome.code] += 1
        if tally.requests:
            # Inline, because every call does it.
            self.durations.counts[0 if seconds <= BOUNDS[0] else bisect_left(BOUNDS, seconds)] += 1
            self.durations.seconds += seconds
            self.requests += tally.requests
            self.bytes += tally.bytes
            self.retried += tally.retried
            self.hedged += tally.hedged
            self.waited += tally.waited


class CallCounts(dict[str, ReportCalls]):
    """Hold the counts by the codes of the reports (R5)."""

    def __missing__(self, code: str) -> ReportCalls:
        """Return new counts for a report."""
        found = self[code] = ReportCalls()
        return found
