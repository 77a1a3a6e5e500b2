"""Add the extensions of an answer: the upstream calls, if they are requested, and the age of its rows."""

from resolvers.session import Session
from server.execution import freshness
from server.execution.execution import Outcome
from server.execution.operation import Operation


def finish(operation: Operation, session: Session, outcome: Outcome) -> None:
    """Note when the rows of an answer were read, and mark stale ones in `extensions.stale`.

    Add `extensions.trace` and `extensions.freshness` if the request wants the trace.
    """
    stale = [step for step in session.steps if step.stale]
    if stale:
        outcome.extensions["stale"] = [
            {"report": step.call.report.code, "since": str(step.stale), "fields": sorted(step.fields)} for step in stale
        ]
    outcome.readings = session.readings
    outcome.calls = [step.call for step in session.steps]
    if operation.options.trace:
        outcome.extensions["trace"] = [step.to_dict() for step in session.steps]
        outcome.extensions["freshness"] = freshness.described(outcome.readings)
