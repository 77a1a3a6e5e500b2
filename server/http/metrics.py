"""`/metrics`: the counts of the server, for Prometheus."""

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

# Figures that rise and fall. All others only rise.
_NOW = frozenset({"busy", "waiting"})


class Counted(Collector):
    """The collector: `operations` by how they ran, and the slots, retries and breakers of each upstream (`stats`).

    `reused` are the answers that were sent again without being made, by their kind.
    """

    def __init__(
        self,
        operations: Callable[[], Mapping[str, int]],
        stats: Stats,
        reused: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self._operations = operations
        self._stats = stats
        self._reused = reused

    def collect(self) -> Iterable[Metric]:
        """Return the current figures."""
        ran = CounterMetricFamily(
            "gamehub_graph_operations", "Operations by how they ran: compiled, or why not.", labels=["how"]
        )
        for how, count in sorted(self._operations().items()):
            ran.add_metric([how], count)
        yield ran
        reused = CounterMetricFamily(
            "gamehub_graph_reused_answers",
            "Answers that were sent again without being made, because exactly the same rows would be read.",
            labels=["kind"],
        )
        for which, count in sorted(self._reused().items()):
            reused.add_metric([which], count)
        yield reused
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
    """Return the route. Its path needs the permission `admin`, like every path without another permission."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)

    async def metrics(request: Request) -> Response:
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return Route("/metrics", metrics)
