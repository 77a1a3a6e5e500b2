"""Clients that cancel, leave, or do not read: their statement ends, and its place is free for the next one.

All places of the server are taken. So a statement that is answered proves that a place is free.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import adbc_driver_flightsql.dbapi as adbc
import httpx
import pyarrow.flight as flight
import pytest
from adbc_driver_manager import Error

from server.sql.flight import messages
from tests.served import launched
from tests.server.sql.test_flight import free_port

ENDLESS = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 - 1 FROM r) SELECT count(*) FROM r"
LONG = (
    "SELECT a.i, repeat('x', 1000) AS t FROM (SELECT unnest(range(5000)) AS i) AS a, (SELECT unnest(range(5000))) AS b"
)
# No table is read, so no upstream is needed.
SETTINGS = {"GAMEHUB_URL": "http://127.0.0.1:9", "GAMEHUB_TOKEN": "t"}
# What keeps a broken test from hanging.
LIMIT = 60.0


class Server:
    """A server: its addresses, and its process."""

    def __init__(self, address: str, flight: str, pid: int) -> None:
        self.address = address
        self.flight = flight
        self.pid = pid

    def workers(self) -> dict[int, float]:
        """Return the processes for statements, with the seconds of the processor that each has used."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                command = (entry / "cmdline").read_text()
            except (OSError, IndexError):
                continue
            if int(fields[1]) == self.pid and "server.sql.worker" in command:
                found[int(entry.name)] = (int(fields[11]) + int(fields[12])) / 100
        return found

    def busy(self) -> int:
        """Wait until a process computes. Return it."""
        return until(lambda: next((one for one, used in self.workers().items() if used > 1.5), None))

    def sending(self) -> int:
        """Return the process that sends rows: the only one, as the next one starts at its end."""
        (found,) = self.workers()
        return found

    def check_free(self, worker: int) -> None:
        """Check that a process ends, and that another statement is answered."""
        until(lambda: worker not in self.workers() or None)
        self.check_answers()

    def check_answers(self) -> None:
        """Check that a statement is answered."""
        answer = httpx.get(f"{self.address}/sql", params={"q": "SELECT 42"}, trust_env=False, timeout=LIMIT)
        assert answer.json()["rows"] == [[42]]


def until(found: Any) -> Any:
    """Wait until a function returns something. Return it."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        value = found()
        if value is not None:
            return value
        time.sleep(0.05)
    raise AssertionError("it did not happen")


@contextmanager
def running(folder: Path, seconds: str, statements: str) -> Iterator[Server]:
    port = free_port()
    more = {"SQL_FLIGHT_PORT": str(port), "SQL_SECONDS": seconds, "SQL_STATEMENTS": statements}
    with launched(folder, **SETTINGS, **more) as (address, process):
        yield Server(address, f"grpc://127.0.0.1:{port}", process.pid)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that never ends a statement by itself."""
    with running(tmp_path_factory.mktemp("patient"), "3600", "1") as server:
        yield server


def test_cancelling_a_cursor_ends_a_statement_that_computes(patient: Server) -> None:
    failed: list[str] = []
    with adbc.connect(patient.flight, autocommit=True) as connection, connection.cursor() as cursor:

        def ask() -> None:
            try:
                cursor.execute(ENDLESS)
                cursor.fetchall()
            except Error as error:
                failed.append(str(error))

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        worker = patient.busy()
        cursor.adbc_cancel()
        asking.join(LIMIT)
        assert not asking.is_alive()
        assert "CANCELLED" in failed[0].upper()
        patient.check_free(worker)


def test_cancelling_a_cursor_ends_a_statement_that_sends_rows(patient: Server) -> None:
    with adbc.connect(patient.flight, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(LONG)
        reader = cursor.fetch_record_batch()
        assert reader.read_next_batch().num_rows > 0
        worker = patient.sending()
        cursor.adbc_cancel()
        patient.check_free(worker)


def test_dropping_a_stream_ends_its_statement(patient: Server) -> None:
    with flight.connect(patient.flight) as client:
        reader = client.do_get(ticket(client, LONG))
        assert reader.read_chunk().data.num_rows > 0
        worker = patient.sending()
        del reader
        patient.check_free(worker)


def test_closing_a_connection_of_http_ends_its_statement(patient: Server) -> None:
    with asking(patient, ENDLESS):
        worker = patient.busy()
    patient.check_free(worker)
    with asking(patient, LONG) as connection:
        assert connection.recv(1)
        worker = patient.sending()
    patient.check_free(worker)


@pytest.mark.parametrize("action", ["CancelFlightInfo", "CancelQuery"])
def test_the_actions_cancel_a_statement(patient: Server, action: str) -> None:
    with flight.connect(patient.flight) as client:
        # Each needs the place of a statement for its columns.
        info, other = (client.get_flight_info(flight.FlightDescriptor.for_command(command(ENDLESS))) for _ in range(2))
        assert cancelled(client, action, info) == 3, "it does not run yet"
        failed: list[str] = []

        def ask() -> None:
            try:
                client.do_get(info.endpoints[0].ticket).read_all()
            except flight.FlightCancelledError as error:
                failed.append(str(error))

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        worker = patient.busy()
        assert cancelled(client, action, other) == 3, "the same statement, but not this one"
        stranger = flight.FlightCallOptions(headers=[(b"authorization", b"Bearer other")])
        assert cancelled(client, action, info, stranger) == 3
        assert cancelled(client, action, info) == 1
        asking.join(LIMIT)
        assert failed
        assert "The statement was cancelled." in failed[0]
        patient.check_free(worker)
        assert cancelled(client, action, info) == 3


def test_malformed_cancellations(patient: Server) -> None:
    with flight.connect(patient.flight) as client:
        for body in (b"", b"\xff" * 9, b"\x0a\x01\x08", b"\x08\x01"):
            with pytest.raises(flight.FlightServerError, match="malformed"):
                list(client.do_action(flight.Action("CancelFlightInfo", body)))


def test_clients_that_do_not_read_give_their_places_back(tmp_path: Path) -> None:
    with (
        running(tmp_path, "20", "3") as server,
        flight.connect(server.flight) as client,
    ):
        its_ticket = ticket(client, LONG)
        with asking(server, LONG) as silent:
            assert silent.recv(1, socket.MSG_PEEK)
            with asking(server, LONG) as slow:
                stop = threading.Event()

                def read() -> None:
                    # Fast enough for the limits of a connection: 16 KiB in ten seconds.
                    with suppress(ConnectionError):
                        while not stop.wait(0.1) and slow.recv(4096):
                            pass

                assert slow.recv(1)
                reading = threading.Thread(target=read, daemon=True)
                reading.start()
                reader = client.do_get(its_ticket)
                try:
                    # All connections are open. One process may be left: the one for the next statement.
                    until(lambda: len(server.workers()) <= 1 or None)
                    server.check_answers()
                finally:
                    stop.set()
                    reading.join(LIMIT)
                # The client is told that the result is not whole.
                with pytest.raises(flight.FlightInternalError, match="ended before its end"):
                    reader.read_all()
        # A client that reads gets everything.
        with adbc.connect(server.flight, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(LONG.replace("5000", "500"))
            assert cursor.fetch_arrow_table().num_rows == 250_000


@contextmanager
def asking(server: Server, text: str) -> Iterator[socket.socket]:
    """A connection that has sent a statement and reads nothing."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        where = urlsplit(server.address)
        connection.connect((where.hostname, where.port))
        query = urlencode({"q": text, "format": "csv"})
        connection.sendall(f"GET /sql?{query} HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n".encode())
        yield connection


def command(text: str) -> bytes:
    return messages.closed("CommandStatementQuery", f1=text.encode())


def ticket(client: Any, text: str) -> Any:
    return client.get_flight_info(flight.FlightDescriptor.for_command(command(text))).endpoints[0].ticket


def cancelled(client: Any, action: str, info: Any, options: Any = None) -> int:
    """Cancel the statement of an info. Return the number of the result."""
    body = messages.message({1: info.serialize()})
    if action == "CancelQuery":
        body = messages.named("ActionCancelQueryRequest", body)
    (result,) = client.do_action(flight.Action(action, body), options)
    content = result.body.to_pybytes()
    if action == "CancelQuery":
        name, content = messages.opened(content)
        assert name == "ActionCancelQueryResult"
    number = messages.fields(content)[1][-1]
    assert isinstance(number, int)
    return number
