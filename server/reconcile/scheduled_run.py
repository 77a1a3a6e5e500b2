"""One comparison of the schedule: when it began, its days, how long it took, and what it found."""

import datetime
from dataclasses import dataclass, field
from typing import Any

from resolvers.reconcile.figures import Difference
from server.reconcile.reconciliation import ReconciliationResult

# The number of differences, notes and failures that a run stores for the page. It counts all of them.
MOST_SHOWN = 1000


@dataclass(slots=True)
class ScheduledRun:
    """One comparison: when it began, its days, how long it took, and what it found."""

    started: datetime.datetime
    days: list[str]
    seconds: float = 0.0
    result: ReconciliationResult = field(default_factory=ReconciliationResult)
    differences: list[tuple[datetime.date, Difference]] = field(default_factory=list)

    def add(self, day: datetime.date, difference: Difference) -> None:
        """Store a difference, if there is room."""
        if len(self.differences) < MOST_SHOWN:
            self.differences.append((day, difference))

    def to_dict(self) -> dict[str, Any]:
        """Return the run for its JSON."""
        result = self.result
        return {
            "started": self.started,
            "seconds": round(self.seconds, 3),
            "days": self.days,
            "daysCompared": result.days,
            "compared": dict(result.compared),
            "found": dict(result.differences),
            "differences": [{"day": day, **one.to_dict()} for day, one in self.differences],
            "differencesLeftOut": result.differences.total() - len(self.differences),
            "notes": result.notes[:MOST_SHOWN],
            "failures": result.failures[:MOST_SHOWN],
        }
