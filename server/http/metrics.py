"""`/metrics`: the counts of the server, for Prometheus.

The collectors in `server/metrics` make the figures. They all are in one registry, so that it can be read as a whole.
"""

from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PATH = "/metrics"


def metrics_registry(*collectors: Collector) -> CollectorRegistry:
    """Return the registry of these collectors."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return registry


def metrics_route(registry: CollectorRegistry, exposition: Callable[[CollectorRegistry], Awaitable[bytes]]) -> Route:
    """Return the route. `exposition` writes the figures of the registry. The path needs the permission `admin`."""

    async def metrics(request: Request) -> Response:
        return Response(await exposition(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return Route(PATH, metrics)
