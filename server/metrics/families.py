"""Make the metrics of Prometheus from plain numbers. All names begin with `gamehub_graph_`."""

from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from upstream.durations import BOUNDS, Durations

PREFIX = "gamehub_graph_"
# Values by the values of the labels.
Values = Mapping[Any, float]


_BOUNDS = (*(repr(bound) for bound in BOUNDS), "+Inf")


def counter(name: str, text: str, labels: Sequence[str], values: Values) -> CounterMetricFamily:
    """Return a counter with its value for each combination of labels."""
    family = CounterMetricFamily(PREFIX + name, text, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def gauge(name: str, text: str, labels: Sequence[str], values: Values) -> GaugeMetricFamily:
    """Return a gauge with its value for each combination of labels."""
    family = GaugeMetricFamily(PREFIX + name, text, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
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
