"""`/metrics`: what is counted of operations and of the upstreams."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.served import served
from tests.stand import Sandbox


@pytest.fixture
def client(sandbox: Sandbox, tmp_path: Path) -> Iterator[httpx.Client]:
    settings = {
        "GAMEHUB_URL": sandbox.gamehub_url,
        "GAMEHUB_TOKEN": sandbox.gamehub_token,
        "CACHE_URL": "off",
        "KEYS_FILE": str(tmp_path / "keys.sqlite"),
    }
    with served(tmp_path, **settings) as address, httpx.Client(base_url=address) as client:
        yield client


def figures(client: httpx.Client) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


def test_operations_and_upstreams_are_counted(client: httpx.Client) -> None:
    for query in ("{ groups { totalCount } }", "{ groups { totalCount } }", "{ __schema { queryType { name } } }"):
        assert "errors" not in client.post("/graphql", json={"query": query}).json()
    found = figures(client)
    assert found["gamehub_graph_operations_total", "compiled"] == 2
    assert found["gamehub_graph_operations_total", "introspection"] == 1
    assert found["gamehub_graph_upstream_busy", "GameHub"] == 0
    assert found["gamehub_graph_breaker_open", "R8 of GameHub", "GameHub"] == 0
