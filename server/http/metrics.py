"""`/metrics`: what the server counts, as Prometheus reads it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Stats = Callable[[], Mapping[str, Mapping[str, Any]]]

# Figures of a system that go up and down; the others only rise.
_NOW = frozenset({"busy", "waiting"})


class Counted(Collector):
    """`operations` by how they ran, and `stats` of each upstream system: its slots, its retries, its breakers."""

    def __init__(self, operations: Callable[[], Mapping[str, int]], stats: Stats) -> None:
        self._operations = operations
        self._stats = stats

    def collect(self) -> Iterable[Metric]:
        """The figures as they stand."""
        ran = CounterMetricFamily(
            "gamehub_graph_operations", "Operations by how they ran: compiled, or why not.", labels=["how"]
        )
        for how, count in sorted(self._operations().items()):
            ran.add_metric([how], count)
        yield ran
        by_name: dict[str, Any] = {}
        for system, figures in sorted(self._stats().items()):
            for name, value in sorted(figures.items()):
                if not isinstance(value, int | float):
                    continue
                kind = GaugeMetricFamily if name in _NOW else CounterMetricFamily
                metric = by_name.setdefault(
                    name, kind(f"gamehub_graph_upstream_{name}", f"Upstream requests: {name}.", labels=["system"])
                )
                metric.add_metric([system], value)
        yield from by_name.values()
        irregular = CounterMetricFamily(
            "gamehub_graph_upstream_irregular_values",
            "Values that the upstream sent in a form that its document does not allow.",
            labels=["system", "report", "column"],
        )
        for system, figures in sorted(self._stats().items()):
            for (report, column), count in sorted(figures.get("irregular", {}).items()):
                irregular.add_metric([system, report, column], count)
        yield irregular
        open_ones = GaugeMetricFamily(
            "gamehub_graph_breaker_open", "Whether a circuit breaker is open.", labels=["system", "breaker"]
        )
        for system, figures in sorted(self._stats().items()):
            for breaker in figures.get("breakers", ()):
                open_ones.add_metric([system, breaker["name"]], float(breaker["state"] != "closed"))
        yield open_ones


def metrics_route(*collectors: Collector) -> Route:
    """The route; its path takes the power `admin`, as all that no other power is named for."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)

    async def metrics(request: Request) -> Response:
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return Route("/metrics", metrics)
