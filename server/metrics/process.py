"""Collect what is known about the process itself: CPU, memory, open files, garbage collection, version."""

import platform
from collections.abc import Callable, Iterable
from importlib.metadata import version

from prometheus_client import GCCollector, Metric, ProcessCollector
from prometheus_client.registry import Collector

from server.metrics.families import Gauge, Merge, gauge


class ProcessFigures(Collector):
    """The collector. The figures of the process have the names that all programs with a client of Prometheus have.

    `ready` returns whether the server takes requests.
    """

    def __init__(self, ready: Callable[[], bool]) -> None:
        self._ready = ready
        self._process = ProcessCollector(registry=None)
        self._garbage = GCCollector(registry=_Ignored())  # type: ignore[arg-type]  # it only registers itself
        self._labels = (version("gamehub-graph"), platform.python_version())

    def collect(self) -> Iterable[Metric]:
        """Return the current figures."""
        for metric in self._process.collect():
            if metric.type == "gauge":
                # A server runs as long as the worker that began first.
                merge = Merge.LEAST if metric.name == "process_start_time_seconds" else Merge.SUM
                yield Gauge(metric.name, metric.documentation, merge, samples=metric.samples)
            else:
                yield metric
        yield from self._garbage.collect()
        yield gauge(
            "ready",
            "1 if the server takes requests, as /readyz says it; 0 if it stops, or cannot read its keys.",
            [],
            {(): float(self._ready())},
            Merge.LARGEST,
        )
        yield gauge(
            "build_info",
            "Always 1. The labels have the versions.",
            ["version", "python"],
            {self._labels: 1},
            Merge.LARGEST,
        )


class _Ignored:
    """A registry for a collector that insists on one."""

    def register(self, collector: Collector) -> None:
        """Do nothing."""
