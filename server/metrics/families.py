"""Make the metrics of Prometheus from plain numbers. All names begin with `gamehub_graph_`."""

from collections.abc import Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString

from upstream.durations import BOUNDS, Durations

PREFIX = "gamehub_graph_"
Labels = tuple[str, ...]


def counter(name: str, text: str, labels: Sequence[str], values: Mapping[Labels, float]) -> CounterMetricFamily:
    """Return a counter with its value for each combination of labels."""
    family = CounterMetricFamily(PREFIX + name, text, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def gauge(name: str, text: str, labels: Sequence[str], values: Mapping[Labels, float]) -> GaugeMetricFamily:
    """Return a gauge with its value for each combination of labels."""
    family = GaugeMetricFamily(PREFIX + name, text, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def histogram(name: str, text: str, labels: Sequence[str], values: Mapping[Labels, Durations]) -> HistogramMetricFamily:
    """Return a histogram of durations for each combination of labels."""
    family = HistogramMetricFamily(PREFIX + name, text, labels=labels)
    for key, durations in sorted(values.items()):
        total, buckets = 0, []
        for bound, count in zip((*BOUNDS, float("inf")), durations.counts, strict=True):
            total += count
            buckets.append((floatToGoString(bound), float(total)))
        family.add_metric(key, buckets, durations.seconds)
    return family
