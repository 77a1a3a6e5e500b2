"""Make the spans of requests, operations, batches and upstream calls, and send them by OTLP over HTTP.

The variables `OTEL_*` say where to, how many, and under which name. A request continues the trace of its `traceparent`.
Attributes have no secret: no address with its query, no header, no variable and no parameter.

No header of a trace goes to the upstreams: their documents know none.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

import structlog
from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from starlette.types import ASGIApp, Receive, Scope, Send

from resolvers.session import Session
from resolvers.trace import Step
from server.execution.execution import Outcome
from server.execution.operation import Operation
from server.execution.trace import finish
from server.http.request_facts import FAILED, RequestFacts, bounded, current, facts_of
from server.http.request_headers import RequestHeaders
from server.metrics.requests import interface_of
from upstream.call import Answer, Call
from upstream.errors import UpstreamError

NAME = "gamehub-graph"
# Requests that come every few seconds and lead nowhere.
_QUIET = frozenset({"probes", "metrics"})
# The batches of one operation that have a span.
MOST_BATCHES = 100
_PREFIX = "gamehub_graph."
# At a stop, what is left has so many seconds.
LAST_SECONDS = 3.0
# The library writes lines for every batch that the collector does not take.
_CHATTY = ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.exporter.otlp.common.http")

log = structlog.get_logger(__name__)


class Exporter(OTLPSpanExporter):
    """Send spans to the collector. Report once that it does not take them, and once that it does again."""

    def __init__(self) -> None:
        super().__init__()
        self._failing = False
        for name in _CHATTY:
            logging.getLogger(name).addFilter(self._is_new)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        failing = result is not SpanExportResult.SUCCESS
        if failing is not self._failing:
            self._failing = failing
            if failing:
                log.warning("traces.down")
            else:
                log.info("traces.up")
        return result

    def _is_new(self, record: logging.LogRecord) -> bool:
        """Return whether a line of the library is about the first batch of a failure, and so says why."""
        return not self._failing


class Tracing:
    """The spans of one server, and their way to the collector."""

    def __init__(self) -> None:
        resource = Resource.create({SERVICE_NAME: NAME, SERVICE_VERSION: version(NAME)})
        merged = resource.merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=merged, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(Exporter()))
        self.tracer = self._provider.get_tracer(NAME)

    async def aclose(self) -> None:
        """Send what is left. A collector that does not answer does not delay the stop for long."""
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        await asyncio.to_thread(sending.join, LAST_SECONDS)

    def finish(self, operation: Operation, session: Session, outcome: Outcome) -> None:
        """Finish the outcome of an operation, and make the spans of the operation and of its batches."""
        finish(operation, session, outcome)
        began = session.calls.began
        facts = current()
        name = operation.name or (facts.line.get("operation") if facts is not None else None) or "operation"
        attributes = {
            f"{_PREFIX}calls": len(session.steps),
            f"{_PREFIX}cached": session.calls.kept,
            f"{_PREFIX}errors": len(outcome.errors),
        }
        span = self.tracer.start_span(bounded(name), attributes=attributes, start_time=_nanoseconds(began))
        if span.is_recording():
            inside = trace.set_span_in_context(span)
            for steps in list(_batches(session.steps))[:MOST_BATCHES]:
                self._batch(steps, began, inside)
        span.end()

    def _batch(self, steps: list[Step], began: float, inside: context.Context) -> None:
        first = steps[0]
        attributes: dict[str, Any] = {
            f"{_PREFIX}report": first.call.report.code,
            f"{_PREFIX}way": first.way,
            f"{_PREFIX}fields": sorted(first.fields),
            f"{_PREFIX}calls": len(steps),
            f"{_PREFIX}keys": sum(step.keys for step in steps),
            f"{_PREFIX}rows": sum(step.rows for step in steps),
            f"{_PREFIX}cached": sum(step.outcome == "hit" for step in steps),
            f"{_PREFIX}stale": sum(step.outcome == "stale" for step in steps),
        }
        start = began + min(step.started for step in steps)
        end = began + max(step.started + step.seconds for step in steps)
        name = f"{first.call.report.code} {first.way}".strip()
        span = self.tracer.start_span(name, inside, attributes=attributes, start_time=_nanoseconds(start))
        if any(step.error for step in steps):
            span.set_status(Status(StatusCode.ERROR, next(step.error for step in steps if step.error)))
        span.end(_nanoseconds(end))

    def call(self, call: Call, outcome: Answer[Any] | UpstreamError, started: float, ended: float) -> None:
        """Make the span of an upstream call that has ended. It belongs to the request that made the call."""
        report = call.report
        span = self.tracer.start_span(
            f"{report.system.value} {report.code}", kind=SpanKind.CLIENT, start_time=_nanoseconds(started)
        )
        if span.is_recording():
            span.set_attribute(f"{_PREFIX}report", report.code)
            span.set_attribute(f"{_PREFIX}requests", outcome.requests)
            span.set_attribute(f"{_PREFIX}waited", outcome.waited)
            if isinstance(outcome, Answer):
                span.set_attribute(f"{_PREFIX}rows", len(outcome.rows))
                span.set_attribute(f"{_PREFIX}bytes", outcome.bytes)
            else:
                span.set_attribute("error.type", outcome.code)
                span.set_attribute(f"{_PREFIX}correlation_id", outcome.correlation_id)
                span.set_status(Status(StatusCode.ERROR, outcome.code))
        span.end(_nanoseconds(ended))


class RequestSpans:
    """Pure ASGI middleware: one span for each request."""

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app = app
        self._tracer = tracing.tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or interface_of(scope["path"]) in _QUIET:
            await self._app(scope, receive, send)
            return
        facts = facts_of(scope)
        name = f"{scope['method']} {interface_of(scope['path'])}"
        before = extract(RequestHeaders.of(scope))
        with self._tracer.start_as_current_span(name, before, SpanKind.SERVER, record_exception=False) as span:
            facts["trace"] = facts.line["trace"] = trace.format_trace_id(span.get_span_context().trace_id)
            try:
                await self._app(scope, receive, send)
            finally:
                if span.is_recording():
                    _describe(span, scope, facts)


def _describe(span: Span, scope: Scope, facts: RequestFacts) -> None:
    """Add the facts of a request to its span."""
    found = {
        "http.request.method": scope["method"],
        "url.path": bounded(scope["path"]),
        "http.response.status_code": facts.status,
        "client.address": scope["client"][0] if scope.get("client") else None,
        "graphql.operation.name": facts.line.get("operation"),
        "graphql.operation.type": facts.line.get("kind"),
        f"{_PREFIX}document": facts.line.get("document"),
        f"{_PREFIX}table": facts.line.get("table"),
        f"{_PREFIX}format": facts.line.get("format"),
        f"{_PREFIX}caller": facts.get("caller"),
        f"{_PREFIX}request": facts.get("request"),
        f"{_PREFIX}errors": sorted(facts.codes) if facts.codes else None,
    }
    span.set_attributes({key: value for key, value in found.items() if value is not None})
    if facts.outcome() == FAILED:
        span.set_status(Status(StatusCode.ERROR, ", ".join(sorted(facts.codes or {}))))


def _batches(steps: Iterable[Step]) -> Iterable[list[Step]]:
    """Return the calls of an operation, those together that serve the same fields in the same way."""
    found: dict[tuple[str, str, frozenset[str]], list[Step]] = {}
    for step in steps:
        found.setdefault((step.call.report.code, step.way, frozenset(step.fields)), []).append(step)
    return found.values()


def _nanoseconds(moment: float) -> int:
    """Return a moment of the monotonic clock in nanoseconds since 1970."""
    return time.time_ns() - int((time.monotonic() - moment) * 1e9)
