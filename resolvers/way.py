"""A way to read the rows of some keys, with its price."""

from typing import Any

import msgspec

from upstream.reports.table import Report

PER_KEY = "per_key"
BULK = "bulk"
# No row is read, because the sum of the rows is kept.
KEPT = "kept"


class Way(msgspec.Struct, frozen=True):
    """A number of calls of a report, the number of rows that they bring in all, and their price in seconds."""

    name: str
    report: Report
    calls: int
    rows: float
    price: float

    def cheaper(self, share: float) -> "Way":
        """Return the way without the price of this share, which is cached."""
        return msgspec.structs.replace(self, price=self.price * (1 - share))

    def to_dict(self) -> dict[str, Any]:
        """Return the way as an explanation or a trace shows it."""
        return {
            "way": self.name,
            "report": self.report.code,
            "calls": self.calls,
            "rows": round(self.rows),
            "price": round(self.price, 6),
        }
