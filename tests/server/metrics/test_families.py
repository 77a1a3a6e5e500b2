"""The families of metrics: every gauge states how the values of several workers are merged."""

import ast
import runpy
from pathlib import Path

from prometheus_client import Metric

from server.metrics.families import Gauge, Merge

ROOT = Path(__file__).parents[3]
# These classes of the client of Prometheus hold figures that also fall. An export has no workers: it writes a file.
UNSTATED = {"Gauge", "Info", "Enum", "GaugeMetricFamily", "InfoMetricFamily", "StateSetMetricFamily"}
ALONE = {"server/export/summary.py"}


def collected() -> list[Metric]:
    """Return the metrics of a server that has all of them."""
    collectors = runpy.run_path(str(ROOT / "docs/write.py"))["collectors"]()
    return [metric for collector in collectors for metric in collector.collect()]


def test_every_gauge_states_how_workers_are_merged() -> None:
    metrics = collected()
    rising = {"counter", "histogram"}
    assert [metric.name for metric in metrics if metric.type not in rising and not isinstance(metric, Gauge)] == []
    stated = {metric.name: metric.merge for metric in metrics if isinstance(metric, Gauge)}
    assert {name for name, merge in stated.items() if merge is Merge.LEAST} == {
        "gamehub_graph_redis_up", "process_start_time_seconds",
    }  # fmt: skip
    assert stated["gamehub_graph_limit"] is Merge.LARGEST
    assert stated["gamehub_graph_operations_running"] is Merge.SUM


def test_no_module_makes_a_gauge_that_states_nothing() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {name.name}"
        for path in (ROOT / "server").rglob("*.py")
        if str(path.relative_to(ROOT)) not in ALONE
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("prometheus_client")
        for name in node.names
        if name.name in UNSTATED
    }
    assert found == set()
