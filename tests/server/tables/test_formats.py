"""The formats, each read back from the address: every value as it is, nulls, and texts that one may stumble over."""

import csv
import datetime
import io
from decimal import Decimal
from typing import Any

import openpyxl
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.server.tables import library
from tests.server.tables.conftest import Library
from tests.server.tables.library import TITLES, books

READ_AT = datetime.datetime(2026, 1, 1, 0, tzinfo=datetime.UTC)


def rows(count: int = 13) -> list[dict[str, Any]]:
    """Return the rows of the library, as arrow shows them."""
    return [
        {
            "id": book.id,
            "title": book.title,
            "price": book.price,
            "pages": book.pages,
            "lent": book.lent,
            "cover": None if book.cover is None else book.cover.name,
            "printed": book.printed,
            "readAt": None if book.read_at is None else READ_AT,
            "grades": book.grades,
            "author_name": None if book.author is None else book.author.name,
            "byline_id": None if book.author is None else book.author.id,
        }
        for book in books(count)
    ]


def arrow(body: bytes) -> pa.Table:
    return pa.ipc.open_stream(body).read_all()


def test_parquet_and_arrow(open_library: Library) -> None:
    parquet = pq.read_table(io.BytesIO(open_library.get("Books.parquet").content))
    assert parquet.to_pylist() == rows()
    stream = arrow(open_library.get("Books.arrow").content)
    assert stream.to_pylist() == rows()
    assert stream.schema.field("cover").type == pa.dictionary(pa.int32(), pa.string())
    assert stream.column("cover").chunk(0).dictionary.to_pylist() == ["HARD", "SOFT", "NONE"]
    assert parquet.schema.field("price").type == pa.decimal128(38, 10)


def test_csv_is_rfc_4180_and_harmless(open_library: Library) -> None:
    answer = open_library.get("Books.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    first, second, third = answer.content.split(b"\r\n")[:3]
    assert first == b"id,title,price,pages,lent,cover,printed,readAt,grades,author_name,byline_id"
    assert second == b'0,plain,0.00,0,true,HARD,2026-01-01,2026-01-01T00:00:00Z,"[0,2]",Ann,1'
    assert third == b'1,\'=1+1,5.00,1,false,SOFT,2026-01-02,2026-01-01T00:00:00Z,"[1,2]",Ann,1'
    titles = [row["title"] for row in csv.DictReader(io.StringIO(answer.content.decode(), newline=""), strict=True)]
    risky = ("=", "+", "-", "@", "\t", "\r")
    assert titles == ["'" + title if title and title[0] in risky else title or "" for title in TITLES]
    # A null is nothing at all, an empty text is quoted.
    assert b'\r\n10,"",50.00,' in answer.content
    assert b"\r\n11,,,,,,,,,,\r\n" in answer.content


FORMULAS = [sign + "1+1" for sign in ("=", "+", "-", "@", "\t=", "\r=", "\n=", "＝", "＋", "－", "＠")]


def test_no_sign_of_a_formula_passes_in_csv_or_excel(shelved: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "TITLES", [*FORMULAS, "1=1", "plain\n=1"])
    answer = shelved.get("Books.csv").content.decode()
    titles = [row["title"] for row in csv.DictReader(io.StringIO(answer, newline=""), strict=True)]
    assert titles == [*("'" + title for title in FORMULAS), "1=1", "plain\n=1"]
    sheet = openpyxl.load_workbook(io.BytesIO(shelved.get("Books.xlsx").content))["Books"]
    assert {cell.data_type for cell in sheet["B"]} == {"s"}


def test_json(open_library: Library) -> None:
    lines = [orjson.loads(line) for line in open_library.get("Books.ndjson").content.splitlines()]
    assert orjson.loads(open_library.get("Books.json").content) == lines
    assert [line["title"] for line in lines] == TITLES
    assert lines[4] == {
        "id": "4", "title": "@x", "price": "20.00", "pages": 4, "lent": True, "cover": "HARD", "printed": "2026-01-05",
        "readAt": "2026-01-01T00:00:00Z", "grades": [4, 2], "author_name": "Ann", "byline_id": "1",
    }  # fmt: skip
    assert lines[5] == {name: {"id": "5", "title": "\ttab"}.get(name) for name in lines[4]}


def test_xlsx(open_library: Library) -> None:
    book = openpyxl.load_workbook(io.BytesIO(open_library.get("Books.xlsx", price="5.00").content))
    header, *lines = list(book["Books"].iter_rows(values_only=True))
    assert header[:4] == ("id", "title", "price", "pages")
    assert lines[1][:8] == (
        "1", "=1+1", 5, 1, False, "SOFT", datetime.datetime(2026, 1, 2), datetime.datetime(2026, 1, 1),
    )  # fmt: skip
    # A text stays a text in a cell, so nothing is run.
    assert book["Books"]["B3"].data_type == "s"
    assert lines[2][2:] == (None,) * 9


@pytest.mark.parametrize(
    ("price", "csv_text", "excel"),
    [("0.125", "0.125", 0.125), ("1234567.1234567891", "1234567.1234567891", "1234567.1234567891"), ("7", "7.00", 7)],
)
def test_every_digit_of_money_is_kept(open_library: Library, price: str, csv_text: str, excel: Any) -> None:
    address = f"Books.{{}}?ids=1&price={price}"
    assert open_library.get(address.format("csv")).text.split("\r\n")[1].split(",")[2] == csv_text
    assert orjson.loads(open_library.get(address.format("json")).content)[0]["price"] == csv_text
    assert arrow(open_library.get(address.format("arrow")).content)["price"].to_pylist() == [Decimal(price)]
    sheet = openpyxl.load_workbook(io.BytesIO(open_library.get(address.format("xlsx")).content)).active
    assert sheet is not None
    assert sheet["C2"].value == excel


@pytest.mark.parametrize("price", ["0.00000000001", "12345678901234567890123456789.00"])
def test_money_that_does_not_fit_fails_and_is_not_rounded(open_library: Library, price: str) -> None:
    answer = open_library.get(f"Books.parquet?ids=1&price={price}")
    assert answer.status_code == 502
    assert answer.json()["errors"][0]["message"] == (
        f"Books: row 1: the column price (Decimal) cannot hold {price}: it has 28 digits before its point and 10 after "
        "it; csv, ndjson, json and xlsx hold every digit."
    )
    assert open_library.get(f"Books.csv?ids=1&price={price}&limit=1").text.split("\r\n")[1].split(",")[2] == price


def test_the_schema_of_an_empty_table_is_the_same(open_library: Library) -> None:
    full, empty = (arrow(open_library.get(f"Books.arrow?count={count}").content) for count in (13, 0))
    assert empty.num_rows == 0
    assert empty.schema.equals(full.schema, check_metadata=True)
    parquet = pq.read_table(io.BytesIO(open_library.get("Books.parquet?count=0").content))
    assert parquet.schema.remove_metadata().equals(full.schema.remove_metadata())
    assert open_library.get("Books.csv?count=0").text.count("\r\n") == 1
    assert open_library.get("Books.ndjson?count=0").content == b""
    assert orjson.loads(open_library.get("Books.json?count=0").content) == []


def test_what_stands_above_a_row_is_repeated_with_it(open_library: Library) -> None:
    found = arrow(open_library.get("Shelves.arrow").content).to_pylist()
    assert [(row["shelves_id"], row["place"], row["id"]) for row in found] == [
        ("1", "1", "0"), ("2", "2", "0"), ("2", "2", "1"), ("3", "3", "0"), ("3", "3", "1"), ("3", "3", "2"),
    ]  # fmt: skip
    assert [row["author_name"] for row in found] == ["Ann", "Ann", "Ann", "Ann", "Ann", None]


def test_an_object_that_is_not_there_is_not_an_empty_table(open_library: Library) -> None:
    assert arrow(open_library.get("OneShelf.arrow?shelf=1").content).num_rows == 2
    answer = open_library.get("OneShelf.arrow?shelf=2")
    assert answer.status_code == 404
    message = "OneShelf: there is no shelf 2. Check the id, and whether your key shows it."
    assert answer.json()["errors"][0]["message"] == message
