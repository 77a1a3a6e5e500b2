"""Collect how operations ran, and which answers were sent again without being made."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import Metric
from prometheus_client.registry import Collector

from server.metrics.families import counter

Counts = Callable[[], Mapping[str, int]]


class OperationFigures(Collector):
    """The collector: `operations` by how they ran, and the answers that were `reused`, by their kind."""

    def __init__(self, operations: Counts, reused: Counts) -> None:
        self._operations = operations
        self._reused = reused

    def collect(self) -> Iterable[Metric]:
        """Return the current figures."""
        yield counter(
            "operations",
            "Operations by how they ran: `compiled`, or the reason why not.",
            ["how"],
            {(how,): count for how, count in self._operations().items()},
        )
        yield counter(
            "reused_answers",
            "Answers that were sent again without being made, because exactly the same rows would be read, by kind.",
            ["kind"],
            {(kind,): count for kind, count in self._reused().items()},
        )
