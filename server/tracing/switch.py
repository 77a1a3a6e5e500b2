"""Decide whether a server sends traces, from its setting and the variables that OpenTelemetry has everywhere."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:  # imported with OpenTelemetry
    from server.tracing.spans import Tracing

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
log = structlog.get_logger(__name__)

MISSING = "Traces need OpenTelemetry, which is not installed: pip install 'gamehub-graph[otel]', or set TRACES=off"


def sends_traces(setting: str, environment: Mapping[str, str]) -> bool:
    """Return whether traces are sent: with `on`, or with `auto` if the environment names where to."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    return setting == "on" or (setting == "auto" and any(environment.get(name) for name in ENDPOINTS))


def is_installed() -> bool:
    """Return whether OpenTelemetry is installed."""
    try:
        return find_spec("opentelemetry.sdk") is not None and find_spec("opentelemetry.exporter.otlp") is not None
    except ModuleNotFoundError:
        return False


def start_tracing(setting: str, environment: Mapping[str, str]) -> "Tracing | None":
    """Return what makes the spans of this server; None if it sends no traces."""
    if not sends_traces(setting, environment):
        return None
    if not is_installed():  # the variables may be set for all programs of a platform
        log.warning(MISSING)
        return None
    from server.tracing.spans import Tracing

    return Tracing()
