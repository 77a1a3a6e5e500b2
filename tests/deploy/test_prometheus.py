"""The dashboard and the alerts: promtool's checks, and a real Prometheus that scrapes a real server with a key."""

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from resolvers.caller import Caller
from server.auth.key_file import KeyFile
from tests.requirements import require
from tests.served import served
from tests.stand import Sandbox
from tests.upstream.redis_server import RedisServer

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus"
# The metrics of this program and of its process, in an expression.
OURS = re.compile(r"\b(?:gamehub_graph|process)_\w+")
RECORDED = re.compile(r"\b\w+:\w+:\w+")
PATIENCE = 60.0


def panels() -> list[dict[str, Any]]:
    """Return the panels of the dashboard that show something."""
    dashboard = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def shown() -> list[str]:
    """Return the expressions of the dashboard, for all servers."""
    found = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [each.replace("$job", ".*").replace("$instance", ".*") for each in found]


class Prometheus:
    """A Prometheus that scrapes one server, with the files of `deploy/prometheus`."""

    def __init__(self, folder: Path, target: str, key: str) -> None:
        example = (RULES / "prometheus.yml").read_text()
        changed = example.replace("15s", "250ms").replace("- 127.0.0.1:8001\n", "")
        (folder / "prometheus.yml").write_text(changed.replace("127.0.0.1:8000", target))
        (folder / "key").write_text(key)
        for name in ("rules.yml", "alerts.yml"):
            (folder / name).write_text((RULES / name).read_text())
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        command = [require("prometheus"), f"--config.file={folder / 'prometheus.yml'}", "--log.level=error"]
        command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}"]
        self.process = subprocess.Popen(command, cwd=folder)
        self.client = httpx.Client(base_url=f"http://{address}/api/v1/", trust_env=False, timeout=30)

    def close(self) -> None:
        """End it."""
        self.client.close()
        self.process.kill()
        self.process.wait()

    def get(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer."""
        answer = self.client.get(path, params=parameters).json()
        assert answer["status"] == "success", (answer, parameters)
        return answer["data"]

    def wait(self, query: str) -> list[dict[str, Any]]:
        """Return the result of a query as soon as it has one."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                found: list[dict[str, Any]] = self.get("query", query=query)["result"]
                if found:
                    return found
            except (httpx.TransportError, json.JSONDecodeError):  # it starts
                assert self.process.poll() is None
            time.sleep(0.1)
        raise AssertionError(f"{query} has no result; {self.get('targets')['activeTargets']}")


@pytest.fixture(scope="module")
def prometheus(world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A server that has answered each kind of request, and a Prometheus that has scraped and evaluated it."""
    world.heal()
    folder = tmp_path_factory.mktemp("prometheus")
    keys = KeyFile(folder / "keys.sqlite")
    _, scraper = keys.create(Caller("prometheus", None, frozenset({"metrics"})))
    _, reader = keys.create(Caller("reader", None, frozenset({"explore", "tables"})))
    with RedisServer(folder) as redis:
        settings = {
            "GAMEHUB_URL": world.gamehub_url,
            "GAMEHUB_TOKEN": world.gamehub_token,
            "KEYS_FILE": str(folder / "keys.sqlite"),
            "AUTH": "required",
            "CACHE_URL": redis.url,
            "RECONCILE_EVERY": "24",
            "RECONCILE_DAYS": "1",
        }
        with served(folder, **settings) as address:
            found = Prometheus(folder, address.removeprefix("http://"), scraper)
            try:
                found.wait('up{job="gamehub-graph"} == 1')
                ask(address, reader, world)
                found.wait('rate(gamehub_graph_requests_total{outcome="failed",interface="graphql"}[1m]) > 0')
                # The only error of its kind, so it counts only because the count began with 0.
                found.wait('rate(gamehub_graph_errors_total{code="UPSTREAM_ERROR",interface="graphql"}[1m]) > 0')
                found.wait("interface:gamehub_graph_late:ratio_rate5m")
                found.wait("report:gamehub_graph_upstream_failed:ratio_rate5m > 0")
                found.wait("gamehub_graph_reconcile_differences")
                yield found
            finally:
                found.close()


def ask(address: str, key: str, world: Sandbox) -> None:
    """Ask for the same twice, for a table, and once while an upstream fails."""
    with httpx.Client(base_url=address, headers={"X-Api-Key": key}) as client:
        for _ in range(2):
            assert "data" in client.post("/graphql", json={"query": "{ groups { nodes { id } } }"}).json()
        assert client.get("/tables/Groups.csv").status_code == 200
        world.fault("500")
        assert "errors" in client.post("/graphql", json={"query": "{ rooms { id } }"}).json()
        world.heal()


def test_promtool_accepts_the_rules_and_their_tests() -> None:
    promtool = require("promtool")
    for command in (
        ["check", "rules", "--lint=all", "--lint-fatal", "rules.yml", "alerts.yml"],
        ["test", "rules", "alerts_test.yml"],
    ):
        ran = subprocess.run([promtool, *command], cwd=RULES, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_dashboard_has_a_title_and_a_text_for_each_panel() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
    rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    assert rows == [
        "Is it healthy?",
        "What do callers feel?",
        "Which upstream hurts?",
        "Is the cache working?",
        "Who causes the load?",
        "Is there capacity?",
    ]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    assert all(panel["title"] and panel["description"] and panel["targets"] for panel in panels())


def test_each_metric_of_the_dashboard_and_the_alerts_is_scraped(prometheus: Prometheus) -> None:
    rules = [rule["query"] for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    used = {name for each in (*shown(), *rules) for name in OURS.findall(RECORDED.sub("", each))}
    known = set(prometheus.get("metadata"))
    known |= {f"{name}_{part}" for name in known for part in ("bucket", "count", "sum")}
    assert len(used) > 50
    assert used - known == set()


def test_each_expression_of_the_dashboard_is_evaluated(prometheus: Prometheus) -> None:
    # These have no value while nothing of the kind has happened.
    may_be_empty = ("irregular", "cache_bytes", "cache_limit", "slow", "how!=", "operations_shed", "breaker")
    for each in shown():
        if any(word in each for word in may_be_empty):
            prometheus.get("query", query=each)
        else:
            prometheus.wait(each)  # a rate needs two samples


def test_each_rule_is_evaluated(prometheus: Prometheus) -> None:
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert len(rules) > 25
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] == "err"] == []
