"""Add the extensions of an answer: the upstream calls, if they are requested, and the age of its rows."""

from collections.abc import Sequence, Set
from functools import partial

from resolvers.session import Session
from resolvers.trace import Step
from server.execution import freshness
from server.execution.execution import Outcome
from server.execution.operation import Operation
from server.execution.stored_answers import CachedRows, WouldRead
from server.http.request_facts import RequestFacts
from server.logs import LOG_CONTEXT
from upstream.caching.cut import shape
from upstream.caching.kept_entries import KeptEntries


def sources(steps: Sequence[Step], compared: Set[str], would_read: WouldRead | None) -> CachedRows | None:
    """Return the cache entries that an answer was made from; None if it may not be used again."""
    if would_read is None:
        return None
    calls = [(shape(step.call), step.entries or ()) for step in steps]
    shown = {key for step in steps if step.readings for key, _, _ in step.entries or ()}
    try:
        return CachedRows(KeptEntries(calls, shown, compared), would_read)
    except ValueError:
        return None


def finish(operation: Operation, session: Session, outcome: Outcome) -> None:
    """Note when the rows of an answer were read and by which calls, and mark stale ones in `extensions.stale`.

    Add `extensions.trace` and `extensions.freshness` if the request wants the trace.
    """
    if session.calls.stale:
        outcome.extensions["stale"] = [
            {"report": step.call.report.code, "since": str(step.stale), "fields": sorted(step.fields)}
            for step in session.steps
            if step.stale
        ]
    outcome.readings, outcome.steps = session.readings, session.steps
    facts = LOG_CONTEXT.get()
    if facts.__class__ is RequestFacts:
        facts.note_calls(session.steps)
    if 0 < session.calls.kept == len(session.steps):
        outcome.sources = partial(sources, session.steps, session.compared, getattr(session.room, "would_read", None))
    if operation.options.trace:
        outcome.extensions["trace"] = [step.to_dict() for step in session.steps]
        outcome.extensions["freshness"] = freshness.described(outcome.readings)
