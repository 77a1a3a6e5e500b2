"""Traces: a real server sends its spans to a collector of the test, which reads OTLP as a collector does."""

import logging
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace.export import SpanExportResult

from server.tracing.spans import Exporter
from server.tracing.switch import sends_traces
from tests.served import launched, served
from tests.stand import Sandbox

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@dataclass
class Collector:
    """A collector of OpenTelemetry that keeps what it gets."""

    bodies: list[bytes] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)

    def spans(self) -> list[Span]:
        """Return all spans."""
        found = []
        for body in self.bodies:
            request = ExportTraceServiceRequest.FromString(body)
            found += [span for each in request.resource_spans for scope in each.scope_spans for span in scope.spans]
        return found

    def resources(self) -> dict[str, str]:
        """Return what the server says about itself."""
        request = ExportTraceServiceRequest.FromString(self.bodies[0])
        return {each.key: each.value.string_value for each in request.resource_spans[0].resource.attributes}


def attributes(span: Span) -> dict[str, Any]:
    """Return the attributes of a span."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


class Answering(BaseHTTPRequestHandler):
    """A collector that takes everything."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *values: object) -> None:
        """Write nothing."""


def listen(handler: type[BaseHTTPRequestHandler], port: int = 0) -> ThreadingHTTPServer:
    """Return a collector that listens."""
    listening = ThreadingHTTPServer(("127.0.0.1", port), handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    return listening


@pytest.fixture(scope="module")
def collected(world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collector, str]]:
    """The spans of a server that has ended, and its log: a query, the same again, a failure, a table, a probe."""
    world.heal()
    collector = Collector()

    class Handler(Answering):
        def do_POST(self) -> None:
            collector.paths.add(self.path)
            collector.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            super().do_POST()

    listening = listen(Handler)
    folder: Path = tmp_path_factory.mktemp("traces")
    settings = {
        "GAMEHUB_URL": world.gamehub_url,
        "GAMEHUB_TOKEN": world.gamehub_token,
        "KEYS_FILE": str(folder / "keys.sqlite"),
        "LOG_LEVEL": "info",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{listening.server_port}",
        "OTEL_SERVICE_NAME": "graph-of-the-test",
    }
    query = "query Rooms($g: ID!) { group(id: $g) { users(first: 2) { nodes { transactions { nodes { id } } } } } }"
    try:
        with served(folder, folder / "log", **settings) as address, httpx.Client(base_url=address) as client:
            headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-Id": "traced"}
            body = {"query": query, "variables": {"g": "382"}}
            assert "errors" not in client.post("/graphql", json=body, headers=headers).json()
            world.fault("500", times=1)
            assert "errors" in client.post("/graphql", json={"query": "{ rooms { id } }"}).json()
            assert client.get("/tables/Groups.csv?secret=of-the-caller").status_code == 400
            assert client.get("/healthz").status_code == 200
        yield collector, (folder / "log").read_text()
    finally:
        listening.shutdown()
        listening.server_close()


def test_a_request_continues_the_trace_of_its_caller(collected: tuple[Collector, str]) -> None:
    collector, log = collected
    assert collector.paths == {"/v1/traces"}
    mine = [span for span in collector.spans() if span.trace_id.hex() == TRACE]
    (request,) = [span for span in mine if span.parent_span_id.hex() == PARENT]
    assert request.name == "POST graphql"
    found = attributes(request)
    assert found["graphql.operation.name"] == "Rooms"
    assert (found["http.response.status_code"], found["gamehub_graph.request"]) == (200, "traced")
    assert f'"trace":"{TRACE}"' in next(line for line in log.splitlines() if '"request":"traced"' in line)
    # A span for the operation, one for each batch, and one for each upstream call.
    inside = sorted(span.name for span in mine if span.parent_span_id == request.span_id)
    assert inside == ["GameHub R7", "GameHub R7", "GameHub R8", "GameHub R9", "Rooms"]
    (operation,) = [span for span in mine if span.name == "Rooms"]
    batches = {span.name: attributes(span) for span in mine if span.parent_span_id == operation.span_id}
    assert set(batches) == {"R7 per_key", "R8 per_key", "R9 per_key"}
    assert batches["R7 per_key"]["gamehub_graph.calls"] == 2
    assert all(request.start_time_unix_nano <= span.end_time_unix_nano <= request.end_time_unix_nano for span in mine)


def test_a_failed_call_is_an_error_of_its_span_and_of_the_request(collected: tuple[Collector, str]) -> None:
    collector, _ = collected
    failed = {span.name: span for span in collector.spans() if span.status.code == 2}
    assert set(failed) == {"POST graphql", "GameHub R2", "R2"}
    assert failed["GameHub R2"].trace_id == failed["POST graphql"].trace_id
    assert attributes(failed["GameHub R2"])["error.type"] == "UPSTREAM_ERROR"


def test_the_server_has_a_name_and_probes_have_no_spans(collected: tuple[Collector, str]) -> None:
    collector, _ = collected
    assert collector.resources()["service.name"] == "graph-of-the-test"
    names = [span.name for span in collector.spans() if not span.parent_span_id or span.parent_span_id.hex() == PARENT]
    assert sorted(names) == ["GET tables", "POST graphql", "POST graphql"]


def test_no_span_has_a_secret_or_a_variable(collected: tuple[Collector, str], world: Sandbox) -> None:
    collector, _ = collected
    sent = b"".join(collector.bodies)
    for secret in (world.gamehub_token, "of-the-caller"):
        assert secret.encode() not in sent
    assert "382" not in [str(value) for span in collector.spans() for value in attributes(span).values()]


@pytest.mark.parametrize(
    ("setting", "environment", "sent"),
    [
        ("auto", {}, False),
        ("auto", {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ("auto", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ("auto", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ("on", {}, True),
        ("on", {"OTEL_SDK_DISABLED": "true"}, False),
        ("off", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, False),
    ],
)
def test_the_switch(setting: str, environment: dict[str, str], sent: bool) -> None:
    assert sends_traces(setting, environment) is sent


def test_a_collector_that_is_away_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")
    exporter = Exporter()
    of_library: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: of_library.append(record.getMessage())  # type: ignore[method-assign]
    monkeypatch.setattr(logging.getLogger("opentelemetry"), "handlers", [handler])
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            assert exporter.export([]) is SpanExportResult.FAILURE
        (first,) = of_library
        listening = listen(Answering, port)
        try:
            for _ in range(2):
                assert exporter.export([]) is SpanExportResult.SUCCESS
        finally:
            listening.shutdown()
            listening.server_close()
    assert "Failed to export spans batch" in first
    assert [line["event"] for line in lines] == ["traces.down", "traces.up"]


def test_a_collector_that_does_not_answer_does_not_hold_up_the_stop(world: Sandbox, tmp_path: Path) -> None:
    asked, over = threading.Event(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.set()
            over.wait()

    listening = listen(Handler)
    settings = {
        "GAMEHUB_URL": world.gamehub_url,
        "GAMEHUB_TOKEN": world.gamehub_token,
        "KEYS_FILE": str(tmp_path / "keys.sqlite"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{listening.server_port}",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "3600",
        "OTEL_BSP_SCHEDULE_DELAY": "10",
    }
    try:
        with launched(tmp_path, tmp_path / "log", **settings) as (address, process):
            assert (
                httpx.post(f"{address}/graphql", json={"query": "{ __typename }"}, trust_env=False).status_code == 200
            )
            assert asked.wait(60)
            process.send_signal(signal.SIGTERM)
            # The library itself waits for half a minute.
            assert process.wait(25) == 0
    finally:
        over.set()
        listening.shutdown()
        listening.server_close()
