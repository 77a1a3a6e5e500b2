"""Use a Superset over its REST API as a person does, and compare its figures with those of `/sql`.

It connects the database, lists schemas, tables and columns, runs a statement in SQL Lab, makes a dataset, and asks for
the data of a chart. Run it as the README says.
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
from decimal import Decimal
from typing import Any


class Superset:
    """A Superset, with the token of a user."""

    def __init__(self, address: str, user: str, password: str) -> None:
        self._address = address
        self._token = ""
        said = {"username": user, "password": password, "provider": "db", "refresh": True}
        self._token = self.ask("security/login", said)["access_token"]

    def ask(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
        """Return the answer to a GET, or to a POST with a body."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._address}/api/v1/{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return json.loads(answer.read(), parse_float=Decimal)
        except urllib.error.HTTPError as refusal:
            raise SystemExit(f"{path}: {refusal.code} {refusal.read().decode()[:2000]}") from None


def main() -> int:
    """Run the check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--superset", default="http://127.0.0.1:8088")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password", default="admin")
    parser.add_argument("--graph", default="http://127.0.0.1:8000", help="the server, for its /sql")
    parser.add_argument("--database", default="datafusion://127.0.0.1:31337?insecure=true", help="its Flight SQL")
    parser.add_argument("--group", default="382")
    parser.add_argument("--since", required=True, help="the first day")
    parser.add_argument("--until", required=True, help="the day after the last one")
    said = parser.parse_args()

    where = f"group_id = '{said.group}' AND timestamp >= '{said.since}' AND timestamp < '{said.until}'"
    text = f"SELECT type, sum(amount) AS net FROM transactions WHERE {where} GROUP BY type ORDER BY type"
    request = urllib.request.Request(f"{said.graph}/sql", text.encode(), {"Content-Type": "application/sql"})
    with urllib.request.urlopen(request, timeout=300) as answer:
        expected = {kind: Decimal(net) for kind, net in json.loads(answer.read())["rows"]}
    print("expected:", expected)

    superset = Superset(said.superset, said.user, said.password)
    own = {"sqlalchemy_uri": said.database, "database_name": f"gamehub-{time.time():.0f}"}
    print("connection:", superset.ask("database/test_connection/", own)["message"])
    database = superset.ask("database/", {**own, "expose_in_sqllab": True})["id"]
    print("schemas:", superset.ask(f"database/{database}/schemas/")["result"])
    tables = superset.ask(f"database/{database}/tables/?q=(schema_name:main)")["result"]
    print("tables:", [table["value"] for table in tables])
    columns = superset.ask(f"database/{database}/table_metadata/?name=transactions&schema=main")["columns"]
    print("columns:", {column["name"]: column["type"] for column in columns})

    ran = superset.ask(
        "sqllab/execute/",
        {"database_id": database, "sql": text, "schema": "main", "runAsync": False, "client_id": f"{time.time():.0f}"},
    )
    in_lab = {row["type"]: row["net"] for row in ran["data"]}
    print("SQL Lab:", in_lab)

    dataset = superset.ask("dataset/", {"database": database, "schema": "main", "table_name": "transactions"})["id"]
    days = f"{said.since} : {said.until}"
    query = {
        "columns": ["type"],
        "metrics": [
            {"expressionType": "SIMPLE", "aggregate": "SUM", "column": {"column_name": "amount"}, "label": "net"}
        ],
        "filters": [
            {"col": "group_id", "op": "==", "val": said.group},
            {"col": "timestamp", "op": "TEMPORAL_RANGE", "val": days},
        ],
        "granularity": "timestamp",
        "time_range": days,
        "row_limit": 100,
    }
    drawn = superset.ask(
        "chart/data",
        {
            "datasource": {"id": dataset, "type": "table"},
            "result_format": "json",
            "result_type": "full",
            "force": True,
            "queries": [query],
        },
    )["result"][0]
    in_chart = {row["type"]: row["net"] for row in drawn["data"]}
    print("chart:", in_chart, "by", " ".join(drawn["query"].split()))
    superset.ask(f"dataset/{dataset}", method="DELETE")
    superset.ask(f"database/{database}", method="DELETE")
    same = in_lab == in_chart == expected
    print("The figures are the same." if same else "The figures differ.")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
