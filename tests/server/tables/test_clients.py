"""Real clients read tables by their address, and come to the same sums as the graph, to the last cent."""

import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import duckdb_extension_httpfs
import httpx
import pandas
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.stand import Sandbox

WINDOW = "since=2026-03-12&until=2026-03-15"
SUMS = """query Sums($after: String) { group(id: 382) {
  transactions(during: {dates: {from: "2026-03-12", to: "2026-03-14"}}, first: 1000, after: $after) {
    totalCount pageInfo { endCursor hasNextPage } nodes { amount } } } }"""


@pytest.fixture(scope="module")
def truth(address: str) -> tuple[int, Decimal]:
    """Return the number and the sum of transactions: from the graph, page by page."""
    amounts: list[Decimal] = []
    page = {"endCursor": None, "hasNextPage": True}
    while page["hasNextPage"]:
        operation = {"query": SUMS, "variables": {"after": page["endCursor"]}}
        answer = httpx.post(f"{address}/graphql", json=operation, trust_env=False, timeout=60).json()
        found = answer["data"]["group"]["transactions"]
        amounts += [Decimal(node["amount"]) for node in found["nodes"]]
        page = found["pageInfo"]
    assert len(amounts) == found["totalCount"] > 3000
    return len(amounts), sum(amounts, Decimal())


def url(address: str, form: str) -> str:
    return f"{address}/tables/GroupTransactions.{form}?group=382&{WINDOW}"


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB with httpfs, from a package: nothing is downloaded."""
    folder = Path(duckdb_extension_httpfs.__file__).parent / "extensions"
    (extension,) = folder.rglob("httpfs.duckdb_extension")
    with duckdb.connect() as connection:
        connection.execute(f"LOAD '{extension}'")
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def test_pyarrow(address: str, truth: tuple[int, Decimal]) -> None:
    parquet = pq.read_table(io.BytesIO(httpx.get(url(address, "parquet"), trust_env=False, timeout=60).content))
    with httpx.stream("GET", url(address, "arrow"), trust_env=False, timeout=60) as answer:
        stream = pa.ipc.open_stream(answer.read()).read_all()
    assert stream.to_pylist() == parquet.to_pylist()
    assert (parquet.num_rows, pa.compute.sum(parquet["amount"]).as_py()) == truth


def test_pandas(address: str, truth: tuple[int, Decimal]) -> None:
    typed = {"amount": Decimal, "id": str}
    frame = pandas.read_csv(url(address, "csv"), converters=typed, parse_dates=["timestamp"])
    assert (len(frame), frame["amount"].sum()) == truth
    assert str(frame["timestamp"].dt.tz) == "UTC"
    parquet = pandas.read_parquet(url(address, "parquet"))
    assert (len(parquet), parquet["amount"].sum()) == truth
    lines = pandas.read_json(url(address, "ndjson"), lines=True, dtype=False)
    assert sum(map(Decimal, lines["amount"])) == truth[1]


def test_polars(address: str, truth: tuple[int, Decimal]) -> None:
    for frame in (
        polars.read_parquet(url(address, "parquet")),
        polars.scan_parquet(url(address, "parquet")).filter(polars.col("id").is_not_null()).collect(),
        polars.read_csv(url(address, "csv"), schema_overrides={"amount": polars.Decimal(38, 10)}),
    ):
        assert (frame.height, frame["amount"].sum()) == truth


def test_duckdb(address: str, truth: tuple[int, Decimal], duck: duckdb.DuckDBPyConnection) -> None:
    query = f"SELECT count(*), sum(amount) FROM read_parquet('{url(address, 'parquet')}')"
    assert duck.execute(query).fetchone() == truth
    described = duck.execute(f"DESCRIBE SELECT amount, timestamp FROM read_parquet('{url(address, 'parquet')}')")
    assert [row[1] for row in described.fetchall()] == ["DECIMAL(38,10)", "TIMESTAMP WITH TIME ZONE"]
    csv = f"SELECT count(*), sum(amount) FROM read_csv('{url(address, 'csv')}', types={{'amount': 'DECIMAL(38,10)'}})"
    assert duck.execute(csv).fetchone() == truth


def test_the_parents_of_a_ledger_stand_in_every_row(address: str) -> None:
    path = f"{address}/tables/GroupLedger.parquet?group=383&{WINDOW}"
    table = pq.read_table(io.BytesIO(httpx.get(path, trust_env=False, timeout=60).content))
    query = """{ group(id: 383) { users(first: 1000) { nodes { id username
        transactions(during: {dates: {from: "2026-03-12", to: "2026-03-14"}}, first: 1000) { nodes { amount } }
    } } } }"""
    answer = httpx.post(f"{address}/graphql", json={"query": query}, trust_env=False, timeout=60).json()
    users = answer["data"]["group"]["users"]["nodes"]
    sums = {
        (user["id"], user["username"]): sum(Decimal(one["amount"]) for one in user["transactions"]["nodes"])
        for user in users
        if user["transactions"]["nodes"]
    }
    grouped = table.group_by(["userId", "username"]).aggregate([("amount", "sum")]).to_pylist()
    assert {(row["userId"], row["username"]): row["amount_sum"] for row in grouped} == sums
    assert len(sums) > 1


def test_a_failing_upstream_is_told(address: str, sandbox: Sandbox) -> None:
    sandbox.fault("400", "api_retail_movements")
    answer = httpx.get(
        f"{address}/tables/GroupTransactions.parquet?group=382&since=2026-02-25&until=2026-02-27",
        trust_env=False,
        timeout=60,
    )
    assert answer.status_code == 502
    assert answer.json()["errors"][0]["extensions"]["code"] == "UPSTREAM_ERROR"
