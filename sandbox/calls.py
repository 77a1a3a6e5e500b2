"""The log of upstream calls, for the expectations of tests. It never contains tokens."""

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

KEPT = 10_000
LEFT_OUT = {"api_token", "report_type", "agent_token", "method"}


@dataclass
class RecordedCall:
    """One call. `status` is None until the call is answered; `rows` counts the rows of a good answer."""

    system: str
    report: str
    params: dict[str, Any]
    status: int | None = None
    rows: int = 0


class Calls:
    """The last KEPT calls in the order of their arrival."""

    def __init__(self) -> None:
        self.kept: deque[RecordedCall] = deque(maxlen=KEPT)

    def arrive(self, system: str, report: str, params: dict[str, Any]) -> RecordedCall:
        """Record a call that arrived. The caller fills in its answer later."""
        call = RecordedCall(system, report, {name: value for name, value in params.items() if name not in LEFT_OUT})
        self.kept.append(call)
        return call

    def to_list(self) -> list[dict[str, Any]]:
        """Return all calls as plain data."""
        return [asdict(call) for call in self.kept]
