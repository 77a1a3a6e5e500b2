"""SQL over HTTP: the figures of the graph, every format, and every refusal."""

import csv
import io
import os
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.programs import run
from tests.served import served
from tests.server.tables.conftest import settings
from tests.stand import Sandbox

WINDOW = "timestamp >= '2026-03-12' AND timestamp < '2026-03-15'"
TOTAL = f"SELECT count(*) AS n, sum(amount) AS net FROM transactions WHERE group_id = '382' AND {WINDOW}"
PAGES = """query Sums($after: String) { group(id: 382) {
  transactions(during: {dates: {from: "2026-03-12", to: "2026-03-14"}}, first: 1000, after: $after) {
    pageInfo { endCursor hasNextPage } nodes { id type amount user { username } } } } }"""


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, trust_env=False, timeout=120) as client:
        yield client


@pytest.fixture(scope="module")
def truth(client: httpx.Client) -> list[dict[str, Any]]:
    """The movements of the group, from the graph."""
    found: list[dict[str, Any]] = []
    page: dict[str, Any] = {"endCursor": None, "hasNextPage": True}
    while page["hasNextPage"]:
        operation = {"query": PAGES, "variables": {"after": page["endCursor"]}}
        rows = client.post("/graphql", json=operation).json()["data"]["group"]["transactions"]
        found += rows["nodes"]
        page = rows["pageInfo"]
    assert len(found) > 3000
    return found


def post(client: httpx.Client, text: str, form: str = "json", **headers: str) -> httpx.Response:
    return client.post(
        "/sql", params={"format": form}, content=text, headers={"content-type": "application/sql", **headers}
    )


def rows(client: httpx.Client, text: str) -> list[list[Any]]:
    answer = post(client, text)
    assert answer.status_code == 200, answer.text
    return answer.json()["rows"]


def net(found: list[dict[str, Any]]) -> str:
    return str(sum((Decimal(row["amount"]) for row in found), Decimal()))


def test_the_same_figure_from_graph_odata_table_and_sql(client: httpx.Client, truth: list[dict[str, Any]]) -> None:
    answer = post(client, TOTAL)
    assert answer.json() == {
        "columns": [{"name": "n", "type": "BIGINT"}, {"name": "net", "type": "DECIMAL(38,10)"}],
        "rows": [[len(truth), net(truth)]],
    }
    assert rows(client, TOTAL.replace("FROM transactions", "FROM saved.GroupTransactions")) == [
        [len(truth), net(truth)]
    ]
    named = {"group": "382", "since": "2026-03-12", "until": "2026-03-15"}
    table = client.get("/tables/GroupTransactions.ndjson", params=named).text.splitlines()
    assert str(sum((Decimal(httpx.Response(200, text=line).json()["amount"]) for line in table), Decimal())) == net(
        truth
    )
    feed = client.get("/odata/GroupTransactions", params={**named, "$select": "amount"}).text
    assert str(
        sum((Decimal(part.partition("}")[0].partition(",")[0]) for part in feed.split('"amount":')[1:]), Decimal())
    ) == net(truth)


def test_the_top_of_a_day_in_every_way(client: httpx.Client, truth: list[dict[str, Any]]) -> None:
    sums: dict[str, Decimal] = {}
    for row in truth:
        sums[row["user"]["username"]] = sums.get(row["user"]["username"], Decimal()) + Decimal(row["amount"])
    expected = [[name, str(value)] for name, value in sorted(sums.items(), key=lambda one: (-one[1], one[0]))[:5]]
    plain = f"SELECT username, sum(amount) AS net FROM transactions WHERE group_id = '382' AND {WINDOW} GROUP BY 1"
    assert rows(client, f"{plain} ORDER BY net DESC, 1 LIMIT 5") == expected
    joined = (
        f"WITH t AS (SELECT * FROM transactions WHERE {WINDOW}), u AS (SELECT * FROM users WHERE group_id = 382) "
        "SELECT u.username, sum(t.amount) AS net FROM u JOIN t ON t.user_id = u.id AND t.group_id = u.group_id "
        "GROUP BY 1 ORDER BY net DESC, 1 LIMIT 5"
    )
    assert rows(client, joined) == expected


def test_a_user_and_a_group_give_the_same_rows(client: httpx.Client) -> None:
    select = f"SELECT id, timestamp, type, amount, currency, group_id, user_id FROM transactions WHERE {WINDOW}"
    by_user = rows(client, f"{select} AND user_id = '2001' AND group_id = '382' ORDER BY id")
    by_group = rows(
        client, f"SELECT * FROM ({select} AND group_id = '382') AS t WHERE user_id::VARCHAR LIKE '2001' ORDER BY id"
    )
    assert by_user == by_group
    assert len(by_user) > 10


def test_every_table_can_be_read(client: httpx.Client) -> None:
    found = post(client, "SELECT * FROM information_schema.columns ORDER BY table_name, ordinal_position").json()
    place = {column["name"]: number for number, column in enumerate(found["columns"])}
    tables: dict[tuple[str, str], list[str]] = {}
    for row in found["rows"]:
        where = (row[place["table_schema"]], row[place["table_name"]])
        tables.setdefault(where, []).append(row[place["column_name"]])
        assert row[place["COLUMN_COMMENT"]], row
    assert {name for schema, name in tables if schema == "main"} == {
        "daily_movements", "financial_movements", "game_logs", "games", "groups", "rooms", "transactions", "users",
    }  # fmt: skip
    times = {"timestamp", "created_at", "createdAt", "starts_at", "startsAt", "date", "day"}
    keys = {"group_id": "382", "user_id": "2001", "room_id": "1"}
    for (schema, name), columns in tables.items():
        limits = [f"\"{one}\" BETWEEN '2026-03-13' AND '2026-03-14 23:59:59'" for one in columns if one in times]
        limits = [one.replace(" 23:59:59", "") if '"da' in one[:4] else one for one in limits]
        limits += [f"{key} = '{value}'" for key, value in keys.items() if key in columns]
        if name in ("game_logs", "GameLogs", "transactions"):
            limits = [one for one in limits if not one.startswith("user_id")]
        if name in ("UserTransactions", "financial_movements", "FinancialMovements"):
            limits = [one for one in limits if "group_id" not in one and ("user_id" not in one or name[0] == "U")]
        cheap = [f'"{one}"' for one in columns if one not in ("user_id", "room_name", "name")][:14]
        answer = post(
            client, f"SELECT {', '.join(cheap)} FROM {schema}.{name} {'WHERE ' * bool(limits)}{' AND '.join(limits)}"
        )
        assert answer.status_code == 200, (name, answer.text)
        assert answer.json()["rows"] or name == "GamesOnSaleNow", name  # maybe none is on sale


def test_rooms_of_days_and_game_logs_of_types(client: httpx.Client) -> None:
    asked_rooms = '{ rooms(during: {dates: {from: "2026-03-13", to: "2026-03-13"}}) { id name } }'
    known = client.post("/graphql", json={"query": asked_rooms}).json()["data"]["rooms"]
    assert rows(client, "SELECT day, id, name FROM rooms WHERE day = '2026-03-13' ORDER BY id") == [
        ["2026-03-13", room["id"], room["name"]] for room in sorted(known, key=lambda room: room["id"])
    ]
    counted = "SELECT game_type, count(*) FROM game_logs WHERE date(created_at) = '2026-03-13' {} GROUP BY 1 ORDER BY 1"
    (slot,) = rows(client, counted.format(""))
    assert slot[0] == "slot"
    assert rows(client, counted.format("AND game_type = 'slot'")) == [slot]
    both = rows(client, counted.format("AND game_type IN ('slot', 'live')"))
    assert slot in both
    asked = 'query Q($kind: String) { gameLogs(gameType: $kind, during: {dates: {from: "2026-03-13", ' + (
        'to: "2026-03-13"}}) { totalCount } }'
    )
    for kind, count in both:
        answer = client.post("/graphql", json={"query": asked, "variables": {"kind": kind}}).json()
        assert answer["data"]["gameLogs"]["totalCount"] == count


def test_the_formats(client: httpx.Client) -> None:
    text = (
        "SELECT 1 AS n, 1.50::DECIMAL(10,4) AS d, 'a,\"b' AS t, NULL::VARCHAR AS nothing, "
        "TIMESTAMPTZ '2026-03-01 00:00:00.5+01:00' AS at, TIMESTAMP '2026-03-01 00:00:00' AS local, "
        "DATE '2026-03-01' AS day, true AS yes, [1.25::DECIMAL(9,3)] AS many, 0.0000000001::DECIMAL(38,10) AS small, "
        "{'a': 1} AS pair, 'NaN'::DOUBLE AS odd, INTERVAL 36 HOUR AS span, {'of': INTERVAL '1 month 2 days'} AS inner"
    )
    assert post(client, text).json()["rows"] == [
        [1, "1.50", 'a,"b', None, "2026-02-28T23:00:00.500000Z", "2026-03-01T00:00:00", "2026-03-01", True, ["1.25"],
         "0.0000000001", '{"a":1}', None, "PT129600S", '{"of":"P1M2D"}']
    ]  # fmt: skip
    refused = post(client, text, "parquet")
    assert refused.json()["errors"][0]["message"].endswith("cast intervals to VARCHAR.")
    text = text.replace("INTERVAL 36 HOUR", "''").replace("INTERVAL '1 month 2 days'", "''")
    lines = post(client, text, "ndjson")
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert lines.json()["d"] == "1.50"
    (line,) = csv.DictReader(io.StringIO(post(client, text, "csv").text))
    assert (line["n"], line["d"], line["t"], line["nothing"], line["at"]) == (
        "1", "1.50", 'a,"b', "", "2026-02-28T23:00:00.500000Z",
    )  # fmt: skip
    stream = pa.ipc.open_stream(post(client, text, "arrow").content).read_all()
    parquet = pq.read_table(io.BytesIO(post(client, text, "parquet").content))
    assert stream.to_pylist()[0]["d"] == parquet.to_pylist()[0]["d"] == Decimal("1.5000")
    assert stream.schema.field("d").type == pa.decimal128(10, 4)


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "arrow", "parquet"])
def test_a_result_without_rows(client: httpx.Client, form: str) -> None:
    answer = post(client, f"SELECT id, amount FROM transactions WHERE group_id = '382' AND {WINDOW} AND 1 = 0", form)
    assert answer.status_code == 200
    match form:
        case "json":
            assert answer.json() == {
                "columns": [{"name": "id", "type": "VARCHAR"}, {"name": "amount", "type": "DECIMAL(38,10)"}],
                "rows": [],
            }
        case "csv":
            assert answer.text == "id,amount\r\n"
        case "ndjson":
            assert answer.text == ""
        case "arrow":
            assert pa.ipc.open_stream(answer.content).read_all().num_rows == 0
        case _:
            assert pq.read_table(io.BytesIO(answer.content)).schema.names == ["id", "amount"]


def test_the_format_follows_accept(client: httpx.Client) -> None:
    for accept, found in {
        "*/*": "application/json",
        "text/csv": "text/csv; charset=utf-8; header=present",
        "application/vnd.apache.arrow.stream, application/json;q=0.5": "application/vnd.apache.arrow.stream",
    }.items():
        assert client.get("/sql", params={"q": "SELECT 1"}, headers={"accept": accept}).headers["content-type"] == found
    refused = client.get("/sql", params={"q": "SELECT 1"}, headers={"accept": "image/png"})
    assert (refused.status_code, code(refused)) == (406, "NOT_ACCEPTABLE")
    assert client.head("/sql", params={"q": "SELECT 1"}).status_code == 200


def code(answer: httpx.Response) -> str:
    return answer.json()["errors"][0]["extensions"]["code"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SELEC 1", "SQL_INVALID"),
        ("SELECT 1; SELECT 2", "SQL_INVALID"),
        ("", "SQL_INVALID"),
        ("SELECT nothing FROM groups", "SQL_INVALID"),
        ("SELECT * FROM nothing", "SQL_INVALID"),
        ("SELECT * FROM read_csv('/etc/passwd')", "SQL_INVALID"),
        ("SELECT * FROM '/etc/passwd'", "SQL_INVALID"),
        ("SELECT * FROM range(10)", "SQL_INVALID"),
        ("COPY groups TO 'groups.csv'", "SQL_INVALID"),
        ("ATTACH 'x.db'", "SQL_INVALID"),
        ("INSTALL httpfs", "SQL_INVALID"),
        ("LOAD httpfs", "SQL_INVALID"),
        ("SET memory_limit = '100GB'", "SQL_INVALID"),
        ("PRAGMA database_list", "SQL_INVALID"),
        ("CALL pragma_version()", "SQL_INVALID"),
        ("DROP TABLE groups", "SQL_INVALID"),
        ("SELECT * FROM transactions AS a ASOF JOIN groups AS b ON a.id > b.id", "SQL_INVALID"),
        ("SELECT ?", "SQL_INVALID"),
        ("SELECT '101'::BIT AS bits", "SQL_INVALID"),
        ("SELECT [1::BIGNUM] AS large", "SQL_INVALID"),
        ("WITH __SCAN_0 AS (SELECT 1 AS id) SELECT id FROM groups", "SQL_INVALID"),
        ("SELECT " + "(" * 100 + "1" + ")" * 100, "SQL_INVALID"),
        ("SELECT " + "1 + " * 6000 + "1", "SQL_INVALID"),
        ("SELECT * FROM transactions", "SQL_UNBOUNDED"),
        ("SELECT repeat('x', 3000000000)", "SQL_LIMIT"),
    ],
)
def test_refused_statements(client: httpx.Client, text: str, found: str) -> None:
    answer = post(client, text)
    assert (answer.status_code, code(answer)) == (400, found), answer.text
    assert answer.headers["content-type"].startswith("application/json")


def test_refused_requests(client: httpx.Client) -> None:
    assert client.post("/sql", content="SELECT 1", headers={"content-type": "text/plain"}).status_code == 415
    assert client.get("/sql").status_code == 400
    assert client.get("/sql", params={"q": "SELECT 1", "format": "xml"}).status_code == 404
    assert client.put("/sql", content="SELECT 1").status_code == 405
    foreign = client.get("/sql", params={"q": "SELECT 1"}, headers={"sec-fetch-site": "cross-site"})
    assert (foreign.status_code, code(foreign)) == (403, "CROSS_SITE")
    unknown = post(client, f"SELECT * FROM transactions WHERE group_id = '999999' AND {WINDOW}")
    assert (unknown.status_code, code(unknown)) == (404, "NOT_FOUND")


def key(keys: Mapping[str, str], name: str, *more: str) -> str:
    """Create a key in the file of these settings."""
    made = run("keys", "create", name, *more, folder=Path.cwd(), environment={**os.environ, **keys})
    made.check_returncode()
    return made.stdout.strip().splitlines()[-1].split()[-1]


def test_callers_see_their_own_groups(world: Sandbox, tmp_path: Path) -> None:
    keys = {"KEYS_FILE": str(tmp_path / "keys.sqlite")}

    more = {"AUTH": "required", "INTROSPECTION": "off", "DOCUMENTS": "saved"}
    with (
        served(tmp_path, **more, **keys, **settings(world)) as address,
        httpx.Client(base_url=address, trust_env=False, timeout=120) as client,
    ):
        insider = {"x-api-key": key(keys, "insider", "--groups", "382", "--permissions", "tables")}
        outsider = {"x-api-key": key(keys, "outsider", "--groups", "383", "--permissions", "tables")}
        explorer = {"x-api-key": key(keys, "explorer", "--groups", "all", "--permissions", "explore")}
        text = TOTAL.replace("FROM transactions", "FROM GroupTransactions")
        assert post(client, text).status_code == 401
        assert post(client, text, **explorer).status_code == 403
        assert post(client, text, **insider).json()["rows"][0][0] > 1000
        # The files of the insider are not read for others.
        assert (post(client, text, **outsider).status_code, code(post(client, text, **outsider))) == (404, "NOT_FOUND")
        assert [row[0] for row in post(client, "SELECT id FROM Groups", **outsider).json()["rows"]] == ["383"]
        # Only the saved queries are tables, and no message says which there are.
        hidden = post(client, TOTAL, **insider)
        assert hidden.json()["errors"][0]["message"] == "There is no table 'transactions'."
        unknown = post(client, "SELECT nothing FROM Groups", **insider).json()["errors"][0]["message"]
        assert "externalId" not in unknown
        assert post(client, "SELECT * FROM information_schema.tables", **insider).status_code == 403
