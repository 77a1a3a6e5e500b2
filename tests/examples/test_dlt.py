"""The dlt source loads two tables into DuckDB, goes on where it stopped, and comes to the sums of the graph."""

import datetime
import importlib.util
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import dlt
import duckdb
import httpx
import pytest

from tests.served import served
from tests.server.tables.conftest import settings
from tests.stand import Sandbox

FILE = Path(__file__).parents[2] / "examples/dlt/gamehub_graph.py"
SUMS = """query Sums($after: String) { group(id: 382) {
  dailyMovements(during: {dates: {from: "2026-03-12", to: "2026-03-14"}}) { net }
  transactions(during: {dates: {from: "2026-03-12", to: "2026-03-14"}}, first: 1000, after: $after) {
    pageInfo { endCursor hasNextPage } nodes { amount } } } }"""


@pytest.fixture(scope="module")
def address(world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The graph over the world."""
    with served(tmp_path_factory.mktemp("served"), **settings(world)) as address:
        yield address


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The example, as a module."""
    spec = importlib.util.spec_from_file_location("gamehub_graph", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # where dlt looks for it
    spec.loader.exec_module(module)
    return module


def truth(address: str) -> tuple[int, Decimal, Decimal]:
    """Return the number and the sum of transactions, and the net of the days: from the graph, page by page."""
    amounts: list[Decimal] = []
    page: dict[str, Any] = {"endCursor": None, "hasNextPage": True}
    while page["hasNextPage"]:
        body = {"query": SUMS, "variables": {"after": page["endCursor"]}}
        group = httpx.post(f"{address}/graphql", json=body, trust_env=False, timeout=60).json()["data"]["group"]
        amounts += [Decimal(node["amount"]) for node in group["transactions"]["nodes"]]
        page = group["transactions"]["pageInfo"]
    net = sum((Decimal(day["net"]) for day in group["dailyMovements"]), Decimal())
    return len(amounts), sum(amounts, Decimal()), net


@pytest.mark.filterwarnings("ignore")  # dlt's own, and those of what it imports
def test_the_last_days_are_loaded_again_and_those_before_are_not(
    address: str, source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    file = tmp_path / "loaded.duckdb"
    pipeline = dlt.pipeline(
        "gamehub_graph",
        pipelines_dir=str(tmp_path / "pipelines"),
        destination=dlt.destinations.duckdb(str(file)),
        dataset_name="bingo",
    )

    days: set[str] = set()
    read = source.read

    def noted(url: str, variables: dict[str, str], day: datetime.date, key: str | None) -> Any:
        days.add(day.isoformat())
        return read(url, variables, day, key)

    monkeypatch.setattr(source, "read", noted)

    def load(now: str, **options: int) -> set[str]:
        """Load as of a moment, and return the requested days."""
        days.clear()
        moment = datetime.datetime.fromisoformat(now)
        pipeline.run(source.gamehub_graph(address, "382", "2026-03-12", now=moment, **options)).raise_on_failed_jobs()
        return set(days)

    def loaded() -> tuple[Any, ...]:
        with duckdb.connect(str(file)) as connection:
            rows = connection.execute("SELECT count(*), sum(amount) FROM bingo.group_transactions").fetchone()
            net = connection.execute("SELECT sum(net), count(*) FROM bingo.daily_movements").fetchone()
        assert rows is not None
        assert net is not None
        return (*rows, *net)

    assert load("2026-03-13T15:00:00+00:00") == {"2026-03-12", "2026-03-13"}
    assert load("2026-03-14T08:00:00+00:00", lookback_days=0) == {"2026-03-13", "2026-03-14"}  # the 12th was over
    assert loaded() == (*truth(address), 3)
    assert load("2026-03-14T09:00:00+00:00", lookback_days=0) == {"2026-03-14"}
    assert load("2026-03-14T09:00:00+00:00", lookback_days=1) == {"2026-03-13", "2026-03-14"}
    # Days before the first one are never loaded, and what is loaded again does not set the cursor back.
    assert load("2026-03-14T09:00:00+00:00") == {"2026-03-12", "2026-03-13", "2026-03-14"}
    assert load("2026-03-14T09:00:00+00:00", lookback_days=0) == {"2026-03-14"}
    assert loaded() == (*truth(address), 3)  # replaced, and not doubled
