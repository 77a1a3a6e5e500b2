"""The trace of an operation: every upstream call, why it was chosen, and its outcome."""

from collections.abc import Sequence
from typing import Any

import msgspec

from resolvers.way import Way
from upstream.call import Call, ReadEntry, Reading


class SummedList(msgspec.Struct, frozen=True):
    """Lists of one field that were added up without their pages.

    They have so many `lists` with so many `rows`. Of the `days` of their period, `kept` ones have sums that were kept.
    """

    field: str
    lists: int
    rows: int
    days: int
    kept: int


class Step(msgspec.Struct, eq=False):
    """One call of an operation. Times are in seconds; `started` counts from the start of the operation.

    `waited` is the part of `seconds` in which requests waited for a slot of the upstream or for the vendor's rate.
    `fields` are the fields that it serves, and `rejected` the ways that cost more. `outcome` is the word of the cache
    (hit, miss, partial, stale, off), or "error". `stale` says since when the rows are out of date, if they are.
    `scoped` means that the caller does not see all rows: the trace then reveals nothing that measures the others.
    `readings` say when the rows were read, and `entries` are the entries of the cache that have them; None if there are
    rows that no entry has.
    """

    call: Call
    started: float
    fields: set[str] = msgspec.field(default_factory=set)
    way: str = ""
    price: float = 0.0
    rejected: Sequence[Way] = ()
    keys: int = 1
    seconds: float = 0.0
    waited: float = 0.0
    requests: int = 0
    rows: int = 0
    bytes: int = 0
    outcome: str = "off"
    stale: object = None
    error: str | None = None
    scoped: bool = False
    readings: tuple[Reading, ...] = ()
    entries: tuple[ReadEntry, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the step as `extensions.trace` shows it. Parameters hold ids, never a token (C2)."""
        interval = self.call.interval
        shown: dict[str, Any] = {
            "report": self.call.report.code,
            "type": self.call.report.report_type,
            "parameters": dict(self.call.params),
        }
        if interval is not None:
            shown["from"], shown["until"] = interval.start.isoformat(), interval.end.isoformat()
        if self.call.agent:
            shown["agent"] = self.call.agent
        shown |= {
            "way": self.way,
            "keys": self.keys,
            "fields": sorted(self.fields),
            "start": round(self.started, 6),
            "seconds": round(self.seconds, 6),
            "waited": round(self.waited, 6),
            "requests": self.requests,
            "rows": self.rows,
            "bytes": self.bytes,
            "cache": self.outcome,
            "price": round(self.price, 6),
            "rejected": [way.to_dict() for way in self.rejected],
        }
        if self.scoped:
            shown |= {"requests": min(self.requests, 1), "waited": 0.0, "bytes": 0, "price": 0.0, "rejected": []}
        if self.error is not None:
            shown["error"] = self.error
        return shown
