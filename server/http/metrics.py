"""`/metrics`: the counts of the server, for Prometheus.

The collectors in `server/metrics` make the figures. They all are in one registry, so that it can be read as a whole.
"""

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
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


def metrics_route(registry: CollectorRegistry) -> Route:
    """Return the route. `server/auth/permissions.py` says which permission it needs."""

    async def metrics(request: Request) -> Response:
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return Route(PATH, metrics)
