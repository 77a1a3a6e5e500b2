"""The planner: which calls answer these keys, and which reports answer these columns. Pure: it calls nothing.

Exact comes before cheap: a way that is not known to give the same rows is not among those to choose from.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeVar

from upstream.reports.table import Report

SourceT = TypeVar("SourceT")

# A wide call of more rows than this is not made, however many narrow ones it would save.
MOST_ROWS = 500_000
# A way that was taken before is left only for one that is cheaper by this much: figures move, plans should not flap.
STAY = 0.85


@dataclass(frozen=True, slots=True)
class Way:
    """A way to read some keys: so many calls of a report, so many rows in all, and what that costs in seconds."""

    name: str
    report: Report
    calls: int
    rows: float
    price: float

    def told(self) -> dict[str, Any]:
        """As an explanation or a trace has it."""
        return {
            "way": self.name,
            "report": self.report.code,
            "calls": self.calls,
            "rows": round(self.rows),
            "price": round(self.price, 6),
        }


def choose(ways: Sequence[Way], before: str | None = None) -> Way:
    """The cheapest way; of equally cheap ones the first. `before` names the way that was taken last time.

    A wide way of too many rows is left out, unless there is no other.
    """
    allowed = [way for way in ways if way.calls > 1 or way.rows <= MOST_ROWS] or list(ways)
    best = min(allowed, key=lambda way: way.price)
    for way in allowed:
        if way.name == before and best.price > way.price * STAY:
            return way
    return best


def cover(needs: Iterable[Collection[SourceT]], prices: Mapping[SourceT, float]) -> tuple[SourceT, ...]:
    """The cheapest set of sources that serves every need; of equally cheap ones the smallest, then the first listed.

    A need is the collection of sources any one of which serves it; one that no source serves is left out. Sources come
    back in the order of `prices`.
    """
    if len(prices) == 1:
        return tuple(source for source in prices if any(source in need for need in needs))
    wanted = {frozenset(source for source in need if source in prices) for need in needs}
    wanted.discard(frozenset())
    useful = [source for source in prices if any(source in need for need in wanted)]
    best: tuple[float, tuple[SourceT, ...]] | None = None
    for size in range(len(useful) + 1):
        for chosen in combinations(useful, size):
            price = sum(prices[source] for source in chosen)
            if (best is None or price < best[0]) and all(not need.isdisjoint(chosen) for need in wanted):
                best = (price, chosen)
    return best[1] if best else ()
