"""Rows that a page sends come back as a file, with the types and the digits that the page said."""

import io
import json
from collections.abc import Sequence
from typing import Any

import httpx
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from server.pages.answers import MOST_BYTES
from tests.server.tables.conftest import Library

COLUMNS = [
    ("id", "string"), ("net", "decimal"), ("players", "int64"), ("rate", "float64"), ("lent", "bool"),
    ("at", "timestamp"), ("day", "date"), ("tags", "list"),
]  # fmt: skip
ROWS: list[list[Any]] = [
    ["00123456789012345678", "-12345678901234567.10", 3, 0.25, True, "2026-03-12T01:00:00+01:00", "2026-03-12", ["a"]],
    ["=1+1", "0.125", None, None, False, None, None, []],
    [None] * 8,
]


def body(rows: Sequence[Sequence[Any]], columns: Sequence[tuple[str, str]] = tuple(COLUMNS), name: str = "Net") -> str:
    head = {"name": name, "columns": [{"name": name, "kind": kind} for name, kind in columns]}
    return "\n".join(json.dumps(line) for line in (head, *rows))


def post(library: Library, form: str, content: str, kind: str = "application/x-ndjson") -> httpx.Response:
    return library.client.post(f"/explorer/answer/{form}", content=content, headers={"content-type": kind})


def test_files(open_library: Library) -> None:
    answer = post(open_library, "parquet", body(ROWS))
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    assert answer.headers["content-disposition"] == 'attachment; filename="Net.parquet"'
    assert answer.headers["cache-control"] == "no-store"
    table = pq.read_table(io.BytesIO(answer.content))
    assert table.schema.field("net").type == pa.decimal128(38, 10)
    assert table.schema.field("at").type == pa.timestamp("us", "UTC")
    rows = table.to_pylist()
    assert [str(row["net"]) for row in rows] == ["-12345678901234567.1000000000", "0.1250000000", "None"]
    assert [row["id"] for row in rows] == ["00123456789012345678", "=1+1", None]
    assert rows[0]["at"].isoformat() == "2026-03-12T00:00:00+00:00"
    assert [row["tags"] for row in rows] == [["a"], [], None]

    answer = post(open_library, "xlsx", body(ROWS))
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).active
    assert sheet.title == "Net"
    cells = [list(line) for line in sheet.iter_rows(values_only=True)]
    assert cells[0] == [name for name, _ in COLUMNS]
    # Excel has 15 digits, so a number with more is a text.
    assert cells[1][:5] == ["00123456789012345678", "-12345678901234567.10", 3, 0.25, True]
    assert cells[2][:2] == ["=1+1", 0.125]
    assert sheet["A3"].data_type == "s"


def test_many_rows(open_library: Library) -> None:
    """They are written in batches, and none is lost at a border."""
    rows = [[str(number), f"{number}.50"] for number in range(40_001)]
    answer = post(open_library, "parquet", body(rows, COLUMNS[:2]))
    table = pq.read_table(io.BytesIO(answer.content))
    assert table.column("id").to_pylist() == [id for id, _ in rows]
    answer = post(open_library, "parquet", body([*rows, ["x", "no number"]], COLUMNS[:2]))
    assert answer.status_code == 400
    assert "the column net" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("form", "content", "kind", "status", "message"),
    [
        ("csv", body(ROWS), "application/x-ndjson", 404, "there are xlsx, parquet"),
        ("xlsx", body(ROWS), "text/plain", 415, "application/x-ndjson"),
        ("xlsx", "", "application/x-ndjson", 400, "first line"),
        ("xlsx", "[]", "application/x-ndjson", 400, "first line names the columns"),
        ("xlsx", body([], [("a", "money")]), "application/x-ndjson", 400, "string, int64"),
        ("xlsx", body([], []), "application/x-ndjson", 400, "from 1 to 1000 columns"),
        ("xlsx", body([], [("a", "string"), ("A", "string")]), "application/x-ndjson", 400, "a name of its own"),
        ("xlsx", body([], name="a/b"), "application/x-ndjson", 400, "name of an operation"),
        ("xlsx", body([["1"]]), "application/x-ndjson", 400, "A line after row 0 is not the cells"),
        ("xlsx", body([["x"] * 32_768], [("a", "string")]), "application/x-ndjson", 400, "after row 0"),
        ("xlsx", body([["x" * 32_768]], [("a", "string")]), "application/x-ndjson", 400, "a cell in Excel"),
        ("xlsx", "x" * (MOST_BYTES + 1), "application/x-ndjson", 413, "64 MiB"),
    ],
    ids=[
        "format", "media type", "empty", "no object", "kind", "no columns", "names", "name", "short row", "long row",
        "long text", "size",
    ],
)  # fmt: skip
def test_refusals(open_library: Library, form: str, content: str, kind: str, status: int, message: str) -> None:
    answer = post(open_library, form, content, kind)
    assert answer.status_code == status
    assert message in answer.json()["errors"][0]["message"]
