"""The result of a prediction: the calls that an operation will probably make, with their price."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resolvers.trace import SummedList
from resolvers.way import Way
from upstream.values.interval import Interval

# The items of the largest page of a list.
PAGE = 1_000


@dataclass(frozen=True, slots=True)
class PredictedCalls:
    """Calls of a plan that differ in their keys only. `calls` go to the upstream, `held` are answered by the cache."""

    report: str
    type: str
    parameters: Mapping[str, Any]
    interval: Interval | None
    way: str
    calls: int
    cached: int
    rows: int
    seconds: float
    fields: Sequence[str]
    rejected: Sequence[Way]

    def to_dict(self) -> dict[str, Any]:
        """Return the calls as `extensions.explain` shows them."""
        shown: dict[str, Any] = {"report": self.report, "type": self.type, "parameters": dict(self.parameters)}
        if self.interval is not None:
            shown["from"], shown["until"] = self.interval.start.isoformat(), self.interval.end.isoformat()
        return shown | {
            "calls": self.calls,
            "held": self.cached,
            "rows": self.rows,
            "seconds": round(self.seconds, 6),
            "way": self.way,
            "fields": list(self.fields),
            "rejected": [way.to_dict() for way in self.rejected],
        }


@dataclass(frozen=True, slots=True)
class PredictedTotal:
    """The way of the totals of one field: the reports that they are added up from, and the days with kept sums."""

    added: SummedList
    reports: Sequence[str]
    calls: int

    def to_dict(self) -> dict[str, Any]:
        """Return the way as `extensions.explain` shows it, with the pages of rows that the answer saves."""
        added = self.added
        return {
            "field": added.field,
            "reports": list(self.reports),
            "lists": added.lists,
            "calls": self.calls,
            "rows": added.rows,
            "days": added.days,
            "keptDays": added.kept,
            "saves": {"nodes": added.rows, "pages": max(added.lists, -(-added.rows // PAGE))},
        }


@dataclass(frozen=True, slots=True)
class PredictedPlan:
    """The calls that an operation will probably make.

    `fewest` and `most` differ where later calls depend on rows that are not known. `totals` are the ways of totals
    whose lists need no page.
    """

    parts: Sequence[PredictedCalls]
    fewest: int
    most: int
    totals: Sequence[PredictedTotal] = ()

    @property
    def calls(self) -> int:
        """Return how many upstream calls will probably be made."""
        return sum(part.calls for part in self.parts)

    @property
    def rows(self) -> int:
        """Return how many rows will probably be read, also from the cache."""
        return sum(part.rows for part in self.parts)

    @property
    def depends(self) -> bool:
        """Return whether the number of calls depends on rows that are not known."""
        return self.fewest != self.most

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as `extensions.explain` shows it."""
        shown: dict[str, Any] = {
            "calls": self.calls,
            "fewest": self.fewest,
            "most": self.most,
            "depends": self.depends,
            "held": sum(part.cached for part in self.parts),
            "rows": self.rows,
            "seconds": round(sum(part.seconds for part in self.parts), 6),
            "plan": [part.to_dict() for part in self.parts],
        }
        return shown | ({"totals": [each.to_dict() for each in self.totals]} if self.totals else {})
