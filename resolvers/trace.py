"""What one operation did: every upstream call it made, why this one and not another, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from resolvers.way import Way
from upstream.call import Call, Reading


@dataclass(slots=True)
class Step:
    """A call of an operation. Times are in seconds; `started` counts from the operation's beginning.

    `waited` are those of its `seconds` in which requests waited for a slot of the upstream, or until the vendor allows
    another call.

    `fields` are the fields it served, `rejected` the ways that were weighed and cost more. `outcome` is the cache's
    word (hit, miss, partial, stale, off), or "error"; `stale` says since when the rows are out of date, if they are.
    `scoped`, its caller does not see all that it brought, and is told nothing that measures the rest. `readings` say
    when its rows were read.
    """

    call: Call
    started: float
    fields: set[str] = field(default_factory=set)
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

    def told(self) -> dict[str, Any]:
        """The step as `extensions.trace` has it. Parameters hold ids, never a token (C2)."""
        interval = self.call.interval
        told: dict[str, Any] = {
            "report": self.call.report.code,
            "type": self.call.report.report_type,
            "parameters": dict(self.call.params),
        }
        if interval is not None:
            told["from"], told["until"] = interval.start.isoformat(), interval.end.isoformat()
        if self.call.agent:
            told["agent"] = self.call.agent
        told |= {
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
            told |= {"requests": min(self.requests, 1), "waited": 0.0, "bytes": 0, "price": 0.0, "rejected": []}
        if self.error is not None:
            told["error"] = self.error
        return told
