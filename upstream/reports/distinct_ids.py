"""Check that the answers of a report for different periods have different rows (C37)."""

from array import array
from collections import deque

from upstream.errors import Malformed
from upstream.reports.table import Report


class DistinctIds:
    """Check that no id appears in several answers of one report, which have the rows of different periods.

    Ids mostly rise with time. Then the ids of an answer lie between those of others, and nothing has to be compared.
    Not more than so many ids are remembered: those that were added first are forgotten.
    """

    MOST = 1_000_000

    def __init__(self) -> None:
        self._known: deque[tuple[int, int, array[int]]] = deque()
        self._count = 0

    def add(self, report: Report, ids: list[int]) -> None:
        """Add the ids of an answer. Raise Malformed if another answer has one of them."""
        low, high = min(ids), max(ids)
        own: set[int] = set()
        for first, last, others in self._known:
            if first <= high and low <= last:
                own = own or set(ids)
                if twice := own.intersection(others):
                    raise Malformed(f"{report.code}: two different rows have the {report.id} {min(twice)}")
        self._known.append((low, high, array("q", ids)))
        self._count += len(ids)
        while self._count > self.MOST and len(self._known) > 1:
            self._count -= len(self._known.popleft()[2])
