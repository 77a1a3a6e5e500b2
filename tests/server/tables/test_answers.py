"""Answers with rows: files with all that clients want of a file, streams, and what is left of one that fails."""

import gzip
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx
import orjson
import pyarrow as pa
import pytest

from resolvers.caller import EVERYONE, Caller
from server.execution.execution import Outcome
from server.execution.operation import Operation
from server.tables.answers import TableAnswers, TableRequest
from server.tables.config import TablesConfig
from server.tables.formats import FORMATS
from server.tables.table import Tables
from server.tables.window import window_of
from tests.server.tables import library
from tests.server.tables.conftest import NOW, Library, saved

LOANS = "Loans.{}?since=2026-03-04&until=2026-03-07"
PLAIN = {"accept-encoding": "identity"}
BROKEN = "Loans.{}?since=2026-03-01&until=2026-03-05&count=3"


def test_a_file_is_served_as_a_file(shelved: Library) -> None:
    whole = shelved.get(LOANS.format("parquet"))
    head = shelved.client.head("/tables/" + LOANS.format("parquet"))
    assert head.content == b""
    for name in ("etag", "content-length", "accept-ranges", "content-type"):
        assert head.headers[name] == whole.headers[name]
    assert int(head.headers["content-length"]) == len(whole.content)
    size = len(whole.content)
    for span, part in {
        "bytes=0-3": whole.content[:4],
        f"bytes={size - 4}-": whole.content[-4:],
        "bytes=-8": whole.content[-8:],
        f"bytes=4-{size * 2}": whole.content[4:],
    }.items():
        answer = shelved.get(LOANS.format("parquet"), range=span)
        assert (answer.status_code, answer.content) == (206, part)
        assert answer.headers["content-range"].endswith(f"/{size}")
    beyond = shelved.get(LOANS.format("parquet"), range=f"bytes={size}-")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    assert beyond.json()["errors"][0]["extensions"]["code"] == "RANGE_NOT_SATISFIABLE"


def test_conditions(shelved: Library) -> None:
    path = LOANS.format("csv")
    etag = shelved.get(path).headers["etag"]
    assert shelved.get(path, if_none_match=etag).status_code == 304
    assert shelved.get(path, if_none_match='"other"').status_code == 200
    assert shelved.get(path, range="bytes=0-1", if_range=etag).status_code == 206
    assert shelved.get(path, range="bytes=0-1", if_range='"other"').status_code == 200
    assert shelved.get(path, if_match='"other"').status_code == 412


def test_two_readings_are_the_same_to_the_byte_whoever_wrote_them(shelved: Library) -> None:
    for form in ("csv", "parquet", "xlsx", "ndjson", "json", "arrow"):
        first = shelved.get(LOANS.format(form)).content
        for path in shelved.folder.glob("*"):
            path.unlink()
        assert shelved.get(LOANS.format(form)).content == first
        assert len(first) > 50


def test_a_file_is_written_once_for_all_who_wait(shelved: Library) -> None:
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda _: shelved.get(LOANS.format("parquet")).content, range(8)))
    assert len(set(bodies)) == 1
    # One execution a day: three days were requested.
    assert [period.dates.from_.day for period in shelved.periods] == [4, 5, 6]
    shelved.get(LOANS.format("parquet"))
    assert len(shelved.periods) == 3


@pytest.mark.parametrize("form", ["csv", "ndjson", "arrow"])
def test_encodings(shelved: Library, form: str) -> None:
    plain = shelved.get(LOANS.format(form))
    assert plain.headers["vary"] == "Accept-Encoding, Authorization, X-Api-Key"
    with shelved.client.stream(
        "GET", "/tables/" + LOANS.format(form), headers={"accept-encoding": "gzip, zstd;q=0"}
    ) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert gzip.decompress(b"".join(answer.iter_raw())) == plain.content
    with shelved.client.stream("GET", "/tables/" + LOANS.format(form), headers={"accept-encoding": "zstd"}) as answer:
        assert answer.headers["content-encoding"] == "zstd"
        packed = b"".join(answer.iter_raw())
    assert pa.CompressedInputStream(pa.BufferReader(packed), "zstd").read() == plain.content
    # A part is always one of the plain file.
    if form == "csv":
        assert shelved.get(LOANS.format(form), range="bytes=0-4", accept_encoding="gzip").content == b"id,pr"


@pytest.mark.parametrize("form", ["csv", "parquet", "xlsx"])
def test_a_failure_midway_leaves_no_file(shelved: Library, form: str) -> None:
    answer = shelved.get(BROKEN.format(form))
    assert answer.status_code == 502
    assert answer.json()["errors"] == [
        {"message": "The library is closed. (on 2026-03-03)", "extensions": {"code": "UPSTREAM_ERROR"}}
    ]
    assert list(shelved.folder.iterdir()) == []


@pytest.mark.parametrize("form", ["ndjson", "json", "arrow"])
def test_a_failure_midway_cuts_a_stream_off(shelved: Library, form: str) -> None:
    received = bytearray()

    def read() -> None:
        with shelved.client.stream("GET", f"/tables/{BROKEN.format(form)}", headers=PLAIN) as answer:
            assert answer.status_code == 200
            for part in answer.iter_raw():
                received.extend(part)

    with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
        read()
    body = bytes(received)
    if form == "ndjson":
        *rows, last = [orjson.loads(line) for line in body.splitlines()]
        assert [row["id"] for row in rows] == ["0", "1", "2"] * 2
        assert last["error"]["extensions"]["code"] == "UPSTREAM_ERROR"
    if form == "json":
        assert not body.rstrip().endswith(b"]")


def test_a_failure_before_the_first_row_is_an_error_of_its_own(shelved: Library) -> None:
    answer = shelved.get("Loans.ndjson?since=2026-03-03&until=2026-03-05")
    assert answer.status_code == 502


def test_the_limit_is_the_callers(shelved: Library) -> None:
    lines = shelved.get(LOANS.format("ndjson") + "&count=3&limit=4").content.splitlines()
    assert [orjson.loads(line)["id"] for line in lines] == ["0", "1", "2", "0"]
    # A third day is not requested for these rows.
    assert [period.dates.from_.day for period in shelved.periods] == [4, 5]
    assert shelved.get(LOANS.format("csv") + "&limit=0").text == "id,price\r\n"


def test_without_a_window_it_is_what_the_document_says(shelved: Library) -> None:
    assert shelved.get("Loans.csv").status_code == 200
    assert [str(period.dates.from_) for period in shelved.periods] == ["2026-03-14"]


def test_a_client_that_goes_away_ends_the_reading(shelved: Library) -> None:
    parts = urlsplit(shelved.address)
    with socket.create_connection((str(parts.hostname), int(parts.port or 0))) as connection:
        connection.sendall(
            b"GET /tables/Loans.ndjson?since=2020-01-01&until=2026-03-01&count=2000 HTTP/1.1\r\nhost: localhost\r\n\r\n"
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    assert shelved.get(LOANS.format("csv")).status_code == 200
    assert len(shelved.periods) < 1000


async def test_a_caller_of_some_groups_has_files_of_its_own(tmp_path: Path) -> None:
    table = Tables([saved(library.LOANS)], library.schema)["Loans"]
    window = window_of(table, {"since": "2026-03-01", "until": "2026-03-02"}, NOW, ZoneInfo("UTC"))
    seen: list[Caller] = []

    async def run(operation: Operation) -> Outcome:
        seen.append(operation.caller)
        return Outcome({"loans": [{"id": operation.caller.name, "price": None}]})

    answers = TableAnswers(run, TablesConfig(now=lambda: NOW, spool_dir=tmp_path))
    callers = [EVERYONE, Caller("a", frozenset({382})), Caller("b", frozenset({383})), Caller("c", frozenset({382}))]
    files = [
        await answers.snapshot(TableRequest(table, {}, window, None, caller), FORMATS["csv"]) for caller in callers
    ]
    assert [file.path.read_text().splitlines()[1] for file in files] == ["open,", "a,", "b,", "a,"]
    assert seen == callers[:3]
