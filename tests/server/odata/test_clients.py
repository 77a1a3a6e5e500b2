"""A real OData client reads entity sets, and plain HTTP every page: the same sums as the graph, to the last cent."""

import datetime
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import requests
from odata import ODataService

from schema.graph import schema
from server.execution.saved import saved_queries
from server.odata.edm import time_of
from server.tables.table import Tables
from tests.programs import run
from tests.served import served
from tests.server.tables.conftest import settings
from tests.stand import Sandbox

SUMS = """query Sums($after: String) { group(id: 382) {
  transactions(during: {dates: {from: "2026-03-12", to: "2026-03-14"}}, first: 1000, after: $after) {
    totalCount pageInfo { endCursor hasNextPage } nodes { id amount } } } }"""
WINDOW = "timestamp ge 2026-03-12T00:00:00Z and timestamp lt 2026-03-15T00:00:00Z"


@pytest.fixture(scope="module")
def truth(address: str) -> dict[str, Decimal]:
    """Every transaction's amount, from the graph, page by page."""
    found: dict[str, Decimal] = {}
    page: dict[str, Any] = {"endCursor": None, "hasNextPage": True}
    while page["hasNextPage"]:
        operation = {"query": SUMS, "variables": {"after": page["endCursor"]}}
        answer = httpx.post(f"{address}/graphql", json=operation, trust_env=False, timeout=60).json()
        rows = answer["data"]["group"]["transactions"]
        found |= {node["id"]: Decimal(node["amount"]) for node in rows["nodes"]}
        page = rows["pageInfo"]
    assert len(found) == rows["totalCount"] > 3000
    return found


def read(url: str, **params: str) -> list[dict[str, Any]]:
    """Every page; decimals by their text."""
    headers = {"accept": "application/json;IEEE754Compatible=true", "prefer": "odata.maxpagesize=1000"}
    rows: list[dict[str, Any]] = []
    with httpx.Client(trust_env=False, timeout=60, headers=headers) as client:
        answer = client.get(url, params=params)
        while True:
            assert answer.status_code == 200, answer.text
            body = orjson.loads(answer.content)
            rows += body["value"]
            if "@odata.nextLink" not in body:
                return rows
            answer = client.get(body["@odata.nextLink"])


def test_pages_sum_up_to_what_the_graph_says(address: str, truth: dict[str, Decimal]) -> None:
    rows = read(f"{address}/odata/GroupTransactions", group="382", since="2026-03-12", until="2026-03-15")
    assert {row["id"]: Decimal(row["amount"]) for row in rows} == truth
    assert len({row["rowKey"] for row in rows}) == len(rows) == len(truth)


def test_the_filter_is_the_window(address: str, sandbox: Sandbox, truth: dict[str, Decimal]) -> None:
    """Only the days that it leaves are requested, and the rows are cut to the moment."""
    path = f"{address}/odata/GroupTransactions"
    read(path, group="382", since="2026-03-05", until="2026-03-06")  # the first table looks for the currency
    sandbox.reset()
    part = "timestamp ge 2026-03-01T06:00:00Z and timestamp lt 2026-03-02T18:00:00Z"
    rows = read(path, group="382", **{"$filter": part})
    starts = {call["params"].get("timestamp_range_from") for call in sandbox.calls()}
    # The group itself, whose report has no days, is read again when it is no longer trusted.
    assert starts - {None} == {"2026-03-01", "2026-03-02"}
    assert min(row["timestamp"] for row in rows) >= "2026-03-01T06:00:00Z"
    assert max(row["timestamp"] for row in rows) < "2026-03-02T18:00:00Z"
    whole = read(path, group="382", since="2026-03-01", until="2026-03-03")
    assert rows == [row for row in whole if "2026-03-01T06:00:00Z" <= row["timestamp"] < "2026-03-02T18:00:00Z"]
    assert {row["id"] for row in read(path, group="382", **{"$filter": WINDOW})} == set(truth)
    late = httpx.get(path, params={"group": "382", "$filter": "timestamp lt 2026-03-15"}, trust_env=False)
    assert late.status_code == 400
    assert "bounds timestamp from above only" in late.json()["error"]["message"]


def test_python_odata(address: str, truth: dict[str, Decimal]) -> None:
    """A client that adds no query options of its own: the parameters stand in the address of the service."""
    with requests.Session() as session:
        session.trust_env = False
        service = ODataService(
            f"{address}/odata/group=382/", session=session, reflect_entities=True, quiet_progress=True
        )
        transactions = service.entities["GroupTransactions"]
        at = transactions.timestamp
        first, last = (datetime.datetime(2026, 3, day, tzinfo=datetime.UTC) for day in (12, 15))
        window = service.query(transactions).filter(at >= first).filter(at < last)
        assert {row.id: Decimal(str(row.amount)) for row in window.all()} == truth
        best = window.order_by(transactions.amount.desc()).limit(1).first()
        assert Decimal(str(best.amount)) == max(truth.values())


def test_totals_are_those_of_the_graph(address: str, truth: dict[str, Decimal]) -> None:
    """To the last cent: over HTTP, in a batch, and by python-odata."""
    apply = "aggregate(amount with sum as total,$count as rows)"
    window = {"group": "382", "since": "2026-03-12", "until": "2026-03-15"}
    (row,) = read(f"{address}/odata/GroupTransactions", **window, **{"$apply": apply})
    assert (Decimal(row["total"]), int(row["rows"])) == (sum(truth.values()), len(truth))
    by_type = "groupby((type),aggregate(amount with sum as s))"
    types = read(f"{address}/odata/GroupTransactions", **window, **{"$apply": by_type})
    assert len(types) > 2
    assert sum(Decimal(each["s"]) for each in types) == sum(truth.values())
    best = "filter(amount gt 0)/groupby((user_id),aggregate(amount with sum as won))/aggregate(won with max as best)"
    requests_ = [
        {"id": name, "method": "GET", "url": f"GroupTransactions?$apply={text}"}
        for name, text in (("all", apply), ("best", best))
    ]
    root = f"{address}/odata/{'&'.join(f'{name}={value}' for name, value in window.items())}"
    answer = httpx.post(f"{root}/$batch", json={"requests": requests_}, trust_env=False, timeout=60)
    assert [one["status"] for one in answer.json()["responses"]] == [200, 200]
    assert f'"total":{row["total"]},' in answer.text
    with requests.Session() as session:
        session.trust_env = False
        service = ODataService(f"{root}/", session=session, reflect_entities=True, quiet_progress=True)
        transactions = service.entities["GroupTransactions"]
        groups = service.query(transactions).apply(by_type)
        assert len(list(groups.all())) == len(types)


def test_the_rows_of_a_day_stand_in_it(address: str) -> None:
    """The column that a filter bounds is the one that the window is about, in every table there is."""
    tables = [table for table in Tables(saved_queries(), schema).values() if table.timed]
    given = {"group": "382", "room": "1", "user": "2001"}
    for table in tables:
        column = time_of(table)
        assert column is not None
        parameters = {one.name: given[one.name] for one in table.variables if one.name in given}
        rows = read(f"{address}/odata/{table.name}", **parameters, since="2026-03-11", until="2026-03-14")
        assert rows, table.name
        for row in rows:
            assert row[column.name][:10] == row["rowKey"][:10], table.name


def test_callers_see_their_own_groups(world: Sandbox, tmp_path: Path) -> None:
    """Files that are kept for one caller are not another's, and whoever says nothing is let in nowhere."""
    keys = {"KEYS_FILE": str(tmp_path / "keys.sqlite")}

    def key(groups: str) -> str:
        words = ("keys", "create", f"of-{groups}", "--groups", groups, "--permissions", "tables")
        made = run(*words, folder=tmp_path, environment={**os.environ, **keys})
        made.check_returncode()
        return made.stdout.strip().splitlines()[-1].split()[-1]

    path = "/odata/GroupTransactions/$count?group=382&since=2026-03-12&until=2026-03-13"
    with served(tmp_path, AUTH="required", **keys, **settings(world)) as address:
        insider, outsider = key("382"), key("383")
        with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
            assert client.get("/odata").status_code == client.get(path).status_code == 401
            assert int(client.get(path, auth=("any", insider)).text) > 1000
            refused = client.get(path, auth=("any", outsider))
            assert (refused.status_code, refused.json()["error"]["code"]) == (404, "NOT_FOUND")
            assert client.get("/odata", headers={"x-api-key": outsider}).status_code == 200
