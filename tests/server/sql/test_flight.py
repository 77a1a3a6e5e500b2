"""Flight SQL, as ADBC and the libraries over it use it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import adbc_driver_flightsql.dbapi as adbc
import httpx
import pandas
import polars
import pyarrow as pa
import pyarrow.flight as flight
import pytest
import trustme
from adbc_driver_flightsql import DatabaseOptions
from adbc_driver_manager import Error

from server.sql.flight import messages
from tests.served import launched, served
from tests.server.tables.conftest import settings
from tests.stand import Sandbox

WINDOW = "timestamp >= '2026-03-12' AND timestamp < '2026-03-15'"
ROWS = f"SELECT id, timestamp, amount FROM transactions WHERE group_id = '382' AND {WINDOW}"
TOTAL = f"SELECT count(*) AS n, sum(amount) AS net FROM transactions WHERE group_id = '382' AND {WINDOW}"


def free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def servers(world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The graph over the world, over HTTP and over Flight SQL."""
    port = free_port()
    with served(tmp_path_factory.mktemp("served"), SQL_FLIGHT_PORT=str(port), **settings(world)) as address:
        yield address, f"grpc://127.0.0.1:{port}"


@pytest.fixture
def connection(servers: tuple[str, str]) -> Iterator[Any]:
    with adbc.connect(servers[1], autocommit=True) as connection:
        yield connection


def test_the_same_figure_as_over_http(servers: tuple[str, str], connection: Any) -> None:
    answer = httpx.post(
        f"{servers[0]}/sql", content=TOTAL, headers={"content-type": "application/sql"}, trust_env=False, timeout=120
    )
    ((n, net),) = answer.json()["rows"]
    with connection.cursor() as cursor:
        cursor.execute(TOTAL)
        ((count, total),) = cursor.fetchall()
    assert (count, total) == (n, Decimal(net))
    assert n > 3000


def test_rows_come_in_batches_to_pandas_and_polars(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(ROWS)
        reader = cursor.fetch_record_batch()
        batches = list(reader)
        assert max(batch.num_rows for batch in batches) <= 32_768
        count = sum(batch.num_rows for batch in batches)
    frame = pandas.read_sql(ROWS, connection)
    other = polars.read_database(ROWS, connection)
    assert len(frame) == other.height == count > 3000
    assert frame["amount"].sum() == other["amount"].sum()


def test_the_catalogue(connection: Any) -> None:
    (catalog,) = connection.adbc_get_objects(depth="columns", table_name_filter="tra%").read_all().to_pylist()
    assert catalog["catalog_name"] == "gamehub"
    tables = {
        (schema["db_schema_name"], table["table_name"]): [one["column_name"] for one in table["table_columns"]]
        for schema in catalog["catalog_db_schemas"]
        for table in schema["db_schema_tables"]
    }
    assert list(tables) == [("main", "transactions")]
    assert {"id", "timestamp", "amount", "group_id"} <= set(tables["main", "transactions"])
    assert connection.adbc_get_table_types() == ["BASE TABLE"]
    assert connection.adbc_get_info()["vendor_name"] == "gamehub-graph"
    assert connection.adbc_get_table_schema("groups").names == ["id", "external_id", "name", "type", "currency"]


def test_the_calls_of_the_dialect_of_superset(servers: tuple[str, str]) -> None:
    """flightsql-dbapi asks for the quote of names with packed numbers, and for the columns of one table."""

    def read_all(client: Any, command: bytes) -> list[dict[str, Any]]:
        info = client.get_flight_info(flight.FlightDescriptor.for_command(command))
        rows: list[dict[str, Any]] = client.do_get(info.endpoints[0].ticket).read_all().to_pylist()
        return rows

    with flight.connect(servers[1]) as client:
        packed = messages.closed("CommandGetSqlInfo", f1=b"\x00\x03\xf8\x03")
        found = {one["info_name"]: one["value"] for one in read_all(client, packed)}
        assert found == {0: "gamehub-graph", 3: True, 504: '"'}
        wanted = messages.message({2: b"main", 3: b"transactions"}) + b"\x28\x01"
        (table,) = read_all(client, messages.named("CommandGetTables", wanted))
        columns = pa.ipc.open_stream(table["table_schema"]).schema
        assert columns.field("amount").type == pa.decimal128(38, 10)


def test_a_prepared_statement(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.adbc_prepare("SELECT id FROM groups WHERE id = '382'")
        cursor.execute("SELECT id FROM groups WHERE id = '382'")
        assert cursor.fetchall() == [("382",)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT * FROM read_csv('/etc/passwd')", "SQL_INVALID"),
        ("DROP TABLE groups", "SQL_INVALID"),
        ("SELECT id FROM transactions", "SQL_UNBOUNDED"),
    ],
)
def test_refused_statements(connection: Any, text: str, code: str) -> None:
    with pytest.raises(Error, match=code) as refusal:
        read(connection, text)
    assert "Traceback" not in str(refusal.value)


def read(connection: Any, text: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(text)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def test_credentials_and_tls(world: Sandbox, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    (tmp_path / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    keys = {"KEYS_FILE": str(tmp_path / "keys.sqlite")}
    command = [str(Path(sys.executable).with_name("gamehub-graph")), "keys", "create", "outsider"]
    more = ["--groups", "383", "--permissions", "tables"]
    made = subprocess.run([*command, *more], env={**os.environ, **keys}, capture_output=True, text=True, check=True)
    key = made.stdout.strip().splitlines()[-1].split()[-1]
    port = free_port()
    tls = {"TLS_CERT_FILE": str(tmp_path / "cert.pem"), "TLS_KEY_FILE": str(tmp_path / "key.pem")}
    root = {DatabaseOptions.TLS_ROOT_CERTS.value: authority.cert_pem.bytes().decode()}
    address = f"grpc+tls://127.0.0.1:{port}"
    with served(tmp_path, AUTH="required", SQL_FLIGHT_PORT=str(port), **keys, **tls, **settings(world)):
        for given in (
            {"username": "any", "password": key},
            {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {key}"},
        ):
            with adbc.connect(address, {**root, **given}, autocommit=True) as connection:
                assert read(connection, "SELECT id FROM groups") == [("383",)]
        wrong = {DatabaseOptions.AUTHORIZATION_HEADER.value: "Bearer wrong"}
        for given in ({}, wrong):
            with (
                adbc.connect(address, {**root, **given}, autocommit=True) as connection,
                pytest.raises(Error, match="UNAUTHENTICATED"),
            ):
                read(connection, "SELECT id FROM groups")


def test_malformed_messages_are_refused() -> None:
    for data in (b"\xff" * 20, b"\x0a\x7f", b"\x0b", b"\x0a\x02ab", b"\x0a\x04ab\xff\xfe"):
        with pytest.raises(messages.MalformedMessage):
            messages.opened(data)
    statement = messages.closed("TicketStatementQuery", f1=b"SELECT 1")
    assert messages.opened(statement) == ("TicketStatementQuery", messages.message({1: b"SELECT 1"}))


def test_a_statement_that_runs_when_the_server_stops(world: Sandbox, tmp_path: Path) -> None:
    port = free_port()
    with (
        launched(tmp_path, None, SQL_FLIGHT_PORT=str(port), **settings(world)) as (_, process),
        ThreadPoolExecutor(1) as others,
        flight.connect(f"grpc://127.0.0.1:{port}") as client,
    ):
        # ADBC would also say at its end that it no longer needs the statement, and find no server.
        command = messages.named("CommandStatementQuery", messages.message({1: TOTAL.encode()}))
        ticket = client.get_flight_info(flight.FlightDescriptor.for_command(command)).endpoints[0].ticket
        world.reset()
        world.fault("slow", times=1, value=1)
        try:
            running = others.submit(lambda: client.do_get(ticket).read_all().to_pylist())
            end = time.monotonic() + 60
            while not world.calls():
                assert time.monotonic() < end
                time.sleep(0.02)
            process.terminate()
            (row,) = running.result(60)
        finally:
            world.heal()
        assert row["n"] > 3000
        assert process.wait(60) == 0
