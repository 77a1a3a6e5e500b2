"""Make the metrics of Prometheus from plain numbers. All names begin with `gamehub_graph_`."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.samples import Sample

from upstream.durations import BOUNDS, Durations

PREFIX = "gamehub_graph_"
# Values by the values of the labels.
Values = Mapping[Any, float]


class Merge(StrEnum):
    """The way in which the values of several workers become one. All metrics but gauges are added up."""

    SUM = "sum"
    LARGEST = "largest"
    LEAST = "least"


class Gauge(Metric):
    """A gauge that states how the values of several workers are merged."""

    def __init__(
        self, name: str, text: str, merge: Merge, labels: Sequence[str] = (), samples: Iterable[Sample] = ()
    ) -> None:
        super().__init__(name, text, "gauge")
        self.merge = merge
        self.samples = list(samples)
        self._labelnames = tuple(labels)  # as the families of the client have them


def merge_of(metric: Metric) -> Merge:
    """Return how the values of several workers are merged."""
    return metric.merge if isinstance(metric, Gauge) else Merge.SUM


_BOUNDS = (*(repr(bound) for bound in BOUNDS), "+Inf")


def counter(name: str, text: str, labels: Sequence[str], values: Values) -> CounterMetricFamily:
    """Return a counter with its value for each combination of labels."""
    family = CounterMetricFamily(PREFIX + name, text, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def gauge(name: str, text: str, labels: Sequence[str], values: Values, merge: Merge) -> Gauge:
    """Return a gauge with its value for each combination of labels, and how the values of workers are merged."""
    family = Gauge(PREFIX + name, text, merge, labels)
    for key, value in sorted(values.items()):
        family.add_sample(family.name, dict(zip(labels, key, strict=True)), value)
    return family


def histogram(
    name: str, text: str, labels: Sequence[str], values: Mapping[tuple[str, ...], Durations]
) -> HistogramMetricFamily:
    """Return a histogram of durations for each combination of labels."""
    family = HistogramMetricFamily(PREFIX + name, text, labels=labels)
    for key, durations in sorted(values.items()):
        total, buckets = 0, []
        for bound, count in zip(_BOUNDS, durations.counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        family.add_metric(key, buckets, durations.seconds)
    return family
