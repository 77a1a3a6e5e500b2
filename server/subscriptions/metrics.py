"""The figures of subscriptions, for `/metrics`."""

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.registry import Collector

from server.metrics.families import Merge, gauge
from server.subscriptions.subscriptions import Subscriptions


class SubscriptionFigures(Collector):
    """The collector of the subscriptions of one server."""

    def __init__(self, subscriptions: Subscriptions) -> None:
        self._subscriptions = subscriptions

    def collect(self) -> Iterable[Metric]:
        """Return the current figures."""
        figures = self._subscriptions
        yield gauge(
            "subscriptions",
            "Subscriptions that are open, over all transports.",
            [],
            {(): figures.count},
            Merge.SUM,
        )
        yield gauge(
            "subscription_topics",
            "Topics that are polled for subscriptions: one poll serves all subscribers of a topic.",
            [],
            {(): figures.topics},
            Merge.SUM,
        )
