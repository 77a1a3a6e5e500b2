"""What an answer tells of how it was found: the upstream calls, if they were asked for, and what is out of date."""

from resolvers.session import Session
from server.execution import Outcome
from server.operation import Operation


def finish(operation: Operation, session: Session, outcome: Outcome) -> None:
    """Add `extensions.trace` to an answer whose request asked for it, and `extensions.stale` where rows are stale."""
    stale = [step for step in session.steps if step.stale]
    if stale:
        outcome.extensions["stale"] = [
            {"report": step.call.report.code, "since": str(step.stale), "fields": sorted(step.fields)} for step in stale
        ]
    outcome.readings = session.readings
    if operation.asked.trace:
        outcome.extensions["trace"] = [step.told() for step in session.steps]
