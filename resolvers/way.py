"""A way to read the rows of some keys, with its price."""

from dataclasses import dataclass
from typing import Any

from upstream.reports.table import Report

PER_KEY = "per_key"
BULK = "bulk"


@dataclass(frozen=True, slots=True)
class Way:
    """A number of calls of a report, the number of rows that they bring in all, and their price in seconds."""

    name: str
    report: Report
    calls: int
    rows: float
    price: float

    def to_dict(self) -> dict[str, Any]:
        """Return the way as an explanation or a trace shows it."""
        return {
            "way": self.name,
            "report": self.report.code,
            "calls": self.calls,
            "rows": round(self.rows),
            "price": round(self.price, 6),
        }
