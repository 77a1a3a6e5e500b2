"""One figure from every entry: graph, tables, OData, SQL over HTTP and Flight SQL agree on it, digit for digit."""

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import adbc_driver_flightsql.dbapi as adbc
import httpx
import pytest

from tests.served import served
from tests.server.tables.conftest import settings
from tests.stand import Sandbox

GRAPH = """{ group(id: 382) { transactions(during: {dates: {from: "2026-03-12", to: "2026-03-14"}}) {
  totals { count sums { net smallest largest } }
  buckets(by: [TYPE]) { key { type } totals { count sums { net smallest largest } } } } } }"""
ADDRESS = "group=382&since=2026-03-12&until=2026-03-15"
SQL = (
    "SELECT {} count(*), sum(amount), min(amount), max(amount) FROM transactions WHERE group_id = '382' "
    "AND timestamp >= '2026-03-12' AND timestamp < '2026-03-15' {}"
)
# The number of rows, the sum, the least and the greatest amount, as the graph writes them.
Figures = tuple[int, str, str, str]


@dataclass
class Entries:
    """A server, over HTTP and over Flight SQL."""

    client: httpx.Client
    flight: str

    def json(self, path: str, **headers: str) -> Any:
        answer = self.client.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def sql(self, text: str) -> list[list[Any]]:
        rows: list[list[Any]] = self.json(str(httpx.URL("/sql", params={"q": text, "format": "json"})))["rows"]
        return rows

    def flight_sql(self, text: str) -> list[tuple[Any, ...]]:
        with adbc.connect(self.flight, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(text)
            return list(cursor.fetchall())


@pytest.fixture(scope="module")
def entries(world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entries]:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    with (
        served(tmp_path_factory.mktemp("served"), SQL_FLIGHT_PORT=str(port), **settings(world)) as address,
        httpx.Client(base_url=address, trust_env=False, timeout=120) as client,
    ):
        yield Entries(client, f"grpc://127.0.0.1:{port}")


@pytest.fixture(scope="module")
def graph(entries: Entries) -> dict[str | None, Figures]:
    """Return the figures by type, and of all types under None: what the graph says."""
    answer = entries.client.post("/graphql", json={"query": GRAPH}).json()
    assert "errors" not in answer
    transactions = answer["data"]["group"]["transactions"]
    found: dict[str | None, Figures] = {}
    for name, totals in [
        (None, transactions["totals"]),
        *((bucket["key"]["type"], bucket["totals"]) for bucket in transactions["buckets"]),
    ]:
        (sums,) = totals["sums"]
        found[name] = totals["count"], sums["net"], sums["smallest"], sums["largest"]
    assert len(found) > 4
    return found


def written(count: int, *amounts: Decimal | str) -> Figures:
    """Return figures whose decimals have the digits of their column: only zeros after the second may go."""
    texts = []
    for amount in amounts:
        whole, _, decimals = str(amount).partition(".")
        texts.append(f"{whole}.{decimals.rstrip('0').ljust(2, '0')}")
    net, smallest, largest = texts
    return count, net, smallest, largest


def test_tables(entries: Entries, graph: dict[str | None, Figures]) -> None:
    path = f"/tables/GroupTransactions.json?{ADDRESS}&count=1&sum=amount&min=amount&max=amount"
    found = {
        row.get("type"): (row["count"], row["amount_sum"], row["amount_min"], row["amount_max"])
        for row in [*entries.json(path), *entries.json(f"{path}&by=type")]
    }
    assert found == graph


def test_odata(entries: Entries, graph: dict[str | None, Figures]) -> None:
    figures = "$count as rows,amount with sum as net,amount with min as least,amount with max as most"
    found = {}
    for keys in ("group_currency", "type,group_currency"):
        apply = f"groupby(({keys}),aggregate({figures}))"
        path = httpx.URL(f"/odata/GroupTransactions?{ADDRESS}").copy_add_param("$apply", apply)
        for row in entries.json(str(path), accept="application/json;IEEE754Compatible=true")["value"]:
            found[row.get("type")] = (int(row["rows"]), row["net"], row["least"], row["most"])
    assert found == graph


@pytest.mark.parametrize("way", ["sql", "flight_sql"])
def test_sql(entries: Entries, graph: dict[str | None, Figures], way: str) -> None:
    ask = getattr(entries, way)
    found = {None: written(*ask(SQL.format("", ""))[0])}
    found |= {name: written(*figures) for name, *figures in ask(SQL.format("type,", "GROUP BY type"))}
    assert found == graph
