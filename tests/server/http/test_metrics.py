"""`/metrics` and the log of a real server: both count and name the same requests."""

import hashlib
import json
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from resolvers.caller import Caller
from server.auth.key_file import KeyFile
from server.cli.command import app
from server.metrics.requests import BEGUN_CODES, INTERFACES, LONGEST_NAME, MOST_CALLERS, OTHERS, CallerCounts
from tests.requirements import require
from tests.served import served
from tests.stand import Sandbox

Figures = dict[tuple[str, ...], float]
GROUPS = "query Groups { groups { totalCount } }"


@dataclass
class Stand:
    """A server with keys and a log. Every request is slow to it, so that each has a plan."""

    sandbox: Sandbox
    client: httpx.Client
    log: Path
    keys: dict[str, str]
    settings: dict[str, str]

    def ask(self, query: str, key: str = "reader", **more: Any) -> httpx.Response:
        """Send a query."""
        headers = {"X-Api-Key": self.keys[key], "X-Request-Id": more.pop("request", "q"), **more.pop("headers", {})}
        return self.client.post("/graphql", json={"query": query, **more}, headers=headers)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Get an address as the reader."""
        return self.client.get(path, headers={"X-Api-Key": self.keys["reader"], **headers})

    def figures(self) -> Figures:
        """Return the figures by name and the values of their labels, in the order of their names."""
        return figures(self.client, Authorization=f"Bearer {self.keys['scraper']}")

    def lines(self, request: str) -> dict[str, dict[str, Any]]:
        """Return the lines of a request by their event."""
        found: dict[str, dict[str, Any]] = {}
        for _ in range(100):
            lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
            found = {line["event"]: line for line in lines if line.get("request") == request}
            if "request" in found:
                return found
            self.figures()  # time for the next batch of lines
        raise AssertionError(f"no line of {request}: {found}")


def figures(client: httpx.Client, **headers: str) -> Figures:
    """Return the figures by name, without the prefix, and the values of their labels, in the order of their names."""
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    found: Figures = {}
    for family in text_string_to_metric_families(answer.text):
        for each in family.samples:
            labels = [each.labels[name] for name in sorted(each.labels)]
            found[(each.name.removeprefix("gamehub_graph_"), *labels)] = each.value
    return found


@pytest.fixture(scope="module")
def stand(world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    world.heal()
    folder = tmp_path_factory.mktemp("metrics")
    file = KeyFile(folder / "keys.sqlite")
    permissions = {"reader": {"explore", "tables"}, "scraper": {"metrics"}}
    keys = {name: file.create(Caller(name, None, frozenset(each)))[1] for name, each in permissions.items()}
    settings = {
        "GAMEHUB_URL": world.gamehub_url,
        "GAMEHUB_TOKEN": world.gamehub_token,
        "KEYS_FILE": str(folder / "keys.sqlite"),
        "AUTH": "required",
        "LOG_LEVEL": "info",
        "SLOW_SECONDS": "0.000001",
    }
    with served(folder, folder / "log", **settings) as address, httpx.Client(base_url=address) as client:
        yield Stand(world, client, folder / "log", keys, {**settings, "ERROR_JOURNAL": str(folder / "errors.sqlite")})


def grown(before: Figures, after: Figures, *prefixes: str) -> Figures:
    """Return the figures that have changed, of the metrics with these names."""
    return {
        key: value - before.get(key, 0)
        for key, value in after.items()
        if key[0].startswith(prefixes) and value != before.get(key, 0)
    }


def test_a_scraper_needs_a_small_permission_only(stand: Stand) -> None:
    for key, status in ((stand.keys["scraper"], 200), (stand.keys["reader"], 403), ("", 401)):
        assert stand.client.get("/metrics", headers={"X-Api-Key": key} if key else {}).status_code == status
    assert stand.ask(GROUPS, "scraper").status_code == 403


def test_requests_are_counted_by_interface_status_and_outcome(stand: Stand) -> None:
    before = stand.figures()
    assert stand.ask(GROUPS).json() == {"data": {"groups": {"totalCount": 8}}}
    assert stand.ask("{ groups { none } }").json()["errors"]
    assert stand.ask("{ user(id: 99999999) { id } }").json() == {"data": {"user": None}}
    assert stand.get("/tables/None.csv").status_code == 404
    assert stand.client.get("/graphql?query={groups{totalCount}}").status_code == 401
    found = grown(before, stand.figures(), "requests_total", "errors_total", "caller_requests")
    assert found == {
        ("requests_total", "graphql", "ok", "200"): 2,
        ("requests_total", "graphql", "refused", "200"): 1,
        ("requests_total", "graphql", "refused", "401"): 1,
        ("requests_total", "tables", "refused", "404"): 1,
        ("requests_total", "metrics", "ok", "200"): 1,
        ("errors_total", "GRAPHQL_VALIDATION_FAILED", "graphql"): 1,
        ("errors_total", "UNAUTHENTICATED", "graphql"): 1,
        ("errors_total", "NOT_FOUND", "tables"): 1,
        ("caller_requests_total", "reader"): 4,
        ("caller_requests_total", "scraper"): 1,
    }


def test_the_counts_of_faults_begin_with_0(tmp_path: Path) -> None:
    """A rate does not see a count that begins with 1."""
    settings = {"GAMEHUB_URL": "http://127.0.0.1:9", "GAMEHUB_TOKEN": "t", "AUTH": "open"}
    with served(tmp_path, **settings) as address, httpx.Client(base_url=address) as client:
        found = figures(client)
    begun = {tuple(labels) for name, *labels in found if name == "errors_total"}
    assert begun == set(product(BEGUN_CODES, INTERFACES))
    assert {"UPSTREAM_ERROR", "UPSTREAM_TLS", "INTERNAL_SERVER_ERROR", "OVERLOADED", "UNAUTHENTICATED"} < set(
        BEGUN_CODES
    )
    for code in ("ok", "breaker_open", "UPSTREAM_MALFORMED", "UPSTREAM_INCOMPLETE"):
        assert found["upstream_calls_total", code, "R5", "GameHub"] == 0
    assert len(found) < 1500


def test_the_codes_that_begin_with_0_exist() -> None:
    documented = Path(__file__).parents[3] / "docs/reference/errors.md"
    assert {code for code in BEGUN_CODES if f"| `{code}` |" not in documented.read_text("utf-8")} == set()


def test_every_answer_is_in_both_histograms(stand: Stand) -> None:
    before = stand.figures()
    stand.ask(GROUPS)
    assert stand.get("/tables/Groups.ndjson", **{"X-Request-Id": "streamed"}).status_code == 200
    stand.lines("streamed")  # a stream is counted a moment after its end
    after = stand.figures()
    for name in ("request_seconds", "request_first_byte_seconds"):
        found = grown(before, after, f"{name}_count")
        del found[f"{name}_count", "metrics"]
        assert found == {(f"{name}_count", each): 1 for each in ("graphql", "tables")}
        assert after[f"{name}_bucket", "tables", "+Inf"] == after[f"{name}_count", "tables"]


def test_calls_are_counted_by_report_and_answers_of_the_cache_by_outcome(stand: Stand) -> None:
    query = (
        "query ($g: ID!) { group(id: $g) { users(first: 3) { nodes { transactions(during: %s) { nodes { id } } } } } }"
    )
    query %= '{ dates: { from: "2026-03-10", to: "2026-03-11" } }'
    before = stand.figures()
    answers = [stand.ask(query, variables={"g": "383"}) for _ in range(2)]
    assert answers[0].json()["data"] == answers[1].json()["data"]
    found = grown(before, stand.figures(), "upstream_calls", "cache_answers", "reused", "upstream_call_seconds_count")
    assert found == {
        ("upstream_calls_total", "ok", "R7", "GameHub"): 3,
        ("upstream_calls_total", "ok", "R8", "GameHub"): 1,
        ("upstream_calls_total", "ok", "R9", "GameHub"): 1,
        ("upstream_call_seconds_count", "R7", "GameHub"): 3,
        ("upstream_call_seconds_count", "R8", "GameHub"): 1,
        ("upstream_call_seconds_count", "R9", "GameHub"): 1,
        ("cache_answers_total", "miss", "R7"): 3,
        ("cache_answers_total", "miss", "R8"): 1,
        ("cache_answers_total", "miss", "R9"): 1,
        ("cache_answers_total", "hit", ""): 5,
        ("reused_answers_total", "graphql"): 1,
    }


def test_a_failure_of_an_upstream_is_followed_from_the_metric_to_the_journal(stand: Stand) -> None:
    before = stand.figures()
    stand.sandbox.fault("500", times=1)
    answer = stand.ask("query Failing { rooms { id } }", request="to-follow")
    found = grown(before, stand.figures(), "requests_total", "errors_total", "upstream_calls_total", "journal")
    assert found == {
        ("requests_total", "graphql", "failed", "200"): 1,
        ("requests_total", "metrics", "ok", "200"): 1,
        ("errors_total", "UPSTREAM_ERROR", "graphql"): 1,
        ("upstream_calls_total", "UPSTREAM_ERROR", "R2", "GameHub"): 1,
        ("journal_entries_total",): 1,
    }
    correlation = answer.json()["errors"][0]["extensions"]["correlationId"]
    lines = stand.lines("to-follow")
    assert lines["upstream.failed"]["correlation_id"] == correlation
    assert lines["request"]["codes"] == {"UPSTREAM_ERROR": 1}
    listed = CliRunner().invoke(app, ["errors", "--request", "to-follow", "--json"], env=stand.settings)
    (entry,) = json.loads(listed.stdout)
    assert (entry["correlation_id"], entry["request"], entry["caller"]) == (correlation, "to-follow", "reader")
    assert json.loads(CliRunner().invoke(app, ["errors", "--request", "x", "--json"], env=stand.settings).stdout) == []


def test_the_line_of_a_request_names_document_client_and_calls(stand: Stand) -> None:
    text = "query ($group: ID!) { group(id: $group) { name } }"
    headers = {"apollographql-client-name": "web\tx", "apollographql-client-version": "1.2"}
    stand.ask(text, variables={"group": "382"}, request="named", headers=headers)
    lines = stand.lines("named")
    line = {name: value for name, value in lines["request"].items() if name not in ("ms", "timestamp")}
    assert line == {
        "event": "request",
        "level": "info",
        "request": "named",
        "method": "POST",
        "path": "/graphql",
        "status": 200,
        "bytes": 56,
        "interface": "graphql",
        "caller": "reader",
        "address": "127.0.0.1",
        "client": "web x",
        "client_version": "1.2",
        "document": hashlib.sha256(text.encode()).hexdigest()[:16],
        "kind": "query",
        "calls": 1,
        "cached": 0,
        "stale": 0,
        "upstream_rows": 1,
    }
    slow = lines["slow request"]
    assert slow["variables"] == ["group"]
    assert "382" not in json.dumps(slow)
    (plan,) = slow["plan"]
    assert {name: plan[name] for name in plan if name != "ms"} == {
        "report": "R8",
        "way": "per_key",
        "cache": "miss",
        "calls": 1,
        "rows": 1,
    }


@pytest.mark.parametrize(
    ("path", "status", "facts"),
    [
        ("/tables/Groups.csv", 200, {"interface": "tables", "table": "Groups", "format": "csv", "rows": 8}),
        ("/tables/Groups.ndjson", 200, {"interface": "tables", "table": "Groups", "format": "ndjson", "rows": 8}),
        ("/odata/Groups?$top=2", 200, {"interface": "odata", "table": "Groups", "format": "odata"}),
        ("/sql?format=json&q=SELECT name FROM groups LIMIT 3", 200, {"interface": "sql", "format": "json", "rows": 3}),
        (
            "/tables/Groups.csv?nope=1",
            400,
            {"interface": "tables", "table": "Groups", "outcome": "refused", "codes": {"BAD_USER_INPUT": 1}},
        ),
        ("/graphql?query={", 400, {"interface": "graphql", "codes": {"GRAPHQL_PARSE_FAILED": 1}}),
        (
            "/graphql?documentId=none",
            422,
            {"interface": "graphql", "document_id": "none", "codes": {"PERSISTED_QUERY_NOT_FOUND": 1}},
        ),
    ],
)
def test_the_line_names_table_format_rows_and_the_reason(
    stand: Stand, path: str, status: int, facts: dict[str, Any]
) -> None:
    request = f"line{abs(hash(path))}"
    answer = stand.get(path, **{"X-Request-Id": request, "Accept": "application/graphql-response+json, */*;q=0.1"})
    assert answer.status_code == status
    line = stand.lines(request)["request"]
    assert {name: line.get(name) for name in facts} == facts
    assert ("reason" in line) == (status >= 400)
    assert line["bytes"] == int(answer.headers.get("content-length", line["bytes"]))


def test_a_connection_that_the_server_closes_is_counted_with_the_reason(stand: Stand) -> None:
    before = stand.figures()
    with socket.create_connection((stand.client.base_url.host, stand.client.base_url.port or 0), 10) as connection:
        connection.sendall(b"this is not HTTP\r\n\r\n")
        assert b" 400 " in connection.recv(100)
    found = grown(before, stand.figures(), "connections_closed")
    assert found == {("connections_closed_total", "not_http"): 1}


def test_no_key_is_in_a_line(stand: Stand) -> None:
    key = stand.keys["reader"]
    stand.client.get(f"/tables/Groups.csv?{key}=1", headers={"X-Api-Key": key, "X-Request-Id": "secret"})
    line = stand.lines("secret")["request"]
    assert "***" in line["reason"]
    assert key not in stand.log.read_text()


def test_every_metric_explains_itself_and_is_well_named(stand: Stand) -> None:
    text = stand.client.get("/metrics", headers={"X-Api-Key": stand.keys["scraper"]}).text
    checked = subprocess.run(
        [require("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    for family in text_string_to_metric_families(text):
        assert len(family.documentation) > 20, family.name


def test_a_scrape_has_no_text_of_a_caller(stand: Stand) -> None:
    stand.ask("query OfSomebody { groups { totalCount } }", headers={"apollographql-client-name": "of-somebody"})
    stand.get("/tables/OfSomebody.csv")
    stand.get("/of-somebody")
    text = stand.client.get("/metrics", headers={"X-Api-Key": stand.keys["scraper"]}).text
    assert "omebody" not in text


def test_callers_after_the_first_hundred_are_counted_together() -> None:
    counts = CallerCounts()
    for number in range(MOST_CALLERS + 20):
        counts[f"{number:03} {'x' * 100}"][0] += 1
    assert len(counts) == MOST_CALLERS + 1
    assert counts[OTHERS] == [20, 0.0]
    assert max(map(len, counts)) == LONGEST_NAME
