"""No format loses a part of a value in silence: long texts, odd characters, long numbers, early days, fine times."""

import csv
import datetime
import io
import random
import re
import zipfile
from enum import Enum
from typing import Any

import openpyxl
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import strawberry

from schema.graph import ROWS
from server.tables.arrow import record_batch, slices
from server.tables.formats import FORMATS
from server.tables.table import Tables
from server.tables.writers.workbook import FormatLimit
from tests.server.tables.conftest import saved

UTC = datetime.UTC


@strawberry.enum
class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


@strawberry.type
class Oddity:
    text: str | None
    number: int | None
    real: float | None
    truth: bool | None
    day: datetime.date | None
    at: datetime.datetime | None
    mood: Mood | None
    moods: list[Mood | None] | None
    texts: list[str | None] | None
    times: list[datetime.datetime | None] | None


@strawberry.type
class Query:
    @strawberry.field
    def oddities(self) -> list[Oddity]:
        return []


SCHEMA = strawberry.Schema(Query)
SCHEMA._schema.directives = (*SCHEMA._schema.directives, ROWS)
NAMES = ("text", "number", "real", "truth", "day", "at", "mood", "moods", "texts", "times")
TABLE = Tables([saved(f"# Odd.\nquery Oddities {{ oddities @rows {{ {' '.join(NAMES)} }} }}")], SCHEMA)["Oddities"]

TEXTS = [
    "=1+1", "+1", "-1", "@x", "http://example.com", "mailto:a@b.c", "internal:Sheet!A1", "1234", "0012", "1E5", "TRUE",
    "<r>rich</r>", "<r><t>x</t></r>", "_x0041_", "_x005F_", "a\rb", "a\r\nb", "a\nb", "\ttab", " blank ", "a\u00a0b",
    "\x01\x1f\x00", "\ufffe\uffff", "😀" * 16_383, "x" * 32_767, "&<>\"'", "Jean\u00a0Paul", "e\u0301", "{=1}",
    "#N/A", "",
]  # fmt: skip


def answers(**columns: list[Any]) -> dict[str, Any]:
    """An answer of the graph with these columns, and nulls in the others."""
    count = len(next(iter(columns.values())))
    rows = [{name: columns[name][number] if name in columns else None for name in NAMES} for number in range(count)]
    return {"oddities": rows}


def written(name: str, data: dict[str, Any], size: int = 1000) -> bytes:
    sink = io.BytesIO()
    form = FORMATS[name]
    writer = form.open(TABLE, sink, lambda: "[]")
    try:
        for batch in slices(form.shape(TABLE, record_batch(TABLE, data)), size):
            writer.write(batch)
    finally:
        writer.close()
    return sink.getvalue()


def cells(data: dict[str, Any], name: str) -> list[Any]:
    """A column of the workbook, as openpyxl reads it."""
    sheet = openpyxl.load_workbook(io.BytesIO(written("xlsx", data)))["Oddities"]
    return [row[NAMES.index(name)] for row in sheet.iter_rows(min_row=2)]


def unescaped(text: str | None) -> str:
    """A text as Excel reads it."""
    return re.sub("_x([0-9A-F]{4})_", lambda found: chr(int(found[1], 16)), text or "")


def test_a_workbook_has_every_text_as_a_text() -> None:
    found = cells(answers(text=TEXTS), "text")
    assert [unescaped(cell.value) for cell in found] == TEXTS
    assert {cell.data_type for cell in found if cell.value is not None} == {"s"}
    assert all(cell.hyperlink is None for cell in found)


@pytest.mark.parametrize("text", ["x" * 32_768, "😀" * 16_384])
def test_a_workbook_cuts_no_text(text: str) -> None:
    message = "Row 3: the column text has a text that is longer than the 32,767 characters of a cell in Excel"
    with pytest.raises(FormatLimit, match=message):
        written("xlsx", answers(text=["a", "b", text]))
    with pytest.raises(FormatLimit, match=r"Row 1: the column texts has a text that is longer"):
        written("xlsx", answers(texts=[[text[:20_000], text[:20_000]]]))
    for name in ("csv", "ndjson", "json", "parquet", "arrow"):
        assert written(name, answers(text=["a", "b", text]))


def test_a_workbook_rounds_no_number() -> None:
    numbers = [0, -1, 999_999_999_999_999, 10**15, -(10**15), 9_007_199_254_740_993, 2**63 - 1]
    found = [cell.value for cell in cells(answers(number=numbers), "number")]
    assert found == [*numbers[:3], *(str(one) for one in numbers[3:])]
    reals = [0.1, 1 / 3, 0.1 + 0.2, 1e300, -2.5]
    sheet = zipfile.ZipFile(io.BytesIO(written("xlsx", answers(real=reals)))).read("xl/worksheets/sheet1.xml").decode()
    assert [float(one) for one in re.findall(r"<v>([^<]+)</v>", sheet)] == reals


def test_a_workbook_has_every_day_and_time() -> None:
    days = ["1899-12-31", "1900-01-01", "1900-02-28", "1900-03-01", "2026-03-01", "9999-12-31"]
    found = [cell.value for cell in cells(answers(day=days), "day")]
    assert found[:3] == days[:3]
    assert [one.date().isoformat() for one in found[3:]] == days[3:]
    times = [
        "1899-12-31T10:00:00Z",
        "2026-03-01T00:00:00+01:00",
        "2026-03-01T10:00:00.125Z",
        "2026-03-01T10:00:00.000001Z",
    ]
    column = cells(answers(at=times), "at")
    assert [cell.value for cell in column] == [
        "1899-12-31T10:00:00Z",
        datetime.datetime(2026, 2, 28, 23),
        datetime.datetime(2026, 3, 1, 10, 0, 0, 125_000),
        "2026-03-01T10:00:00.000001Z",
    ]
    assert [cell.number_format for cell in column[1:3]] == ["yyyy-mm-dd hh:mm:ss", "yyyy-mm-dd hh:mm:ss.000"]


def moment(chance: random.Random) -> datetime.datetime:
    microsecond = chance.choice((0, 0, 500_000, 1, chance.randrange(10**6)))
    return datetime.datetime.fromtimestamp(chance.randrange(-(10**9), 4 * 10**9), UTC).replace(microsecond=microsecond)


def random_rows(seed: int, count: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    texts = [text for text in TEXTS if len(text) < 100]

    def maybe(value: Any) -> Any:
        return chance.choice((None, value, value))

    return [
        {
            "text": maybe(chance.choice(texts)),
            "number": maybe(chance.randrange(-(2**63), 2**63)),
            "real": maybe(chance.choice((chance.random(), -1e-7, 5.0, 1e21))),
            "truth": maybe(chance.random() < 0.5),
            "day": maybe(moment(chance).date().isoformat()),
            "at": maybe(moment(chance).isoformat()),
            "mood": maybe(chance.choice(("GOOD", "BAD"))),
            "moods": maybe([maybe("BAD") for _ in range(chance.randrange(3))]),
            "texts": maybe([maybe(chance.choice(texts)) for _ in range(chance.randrange(3))]),
            "times": maybe([maybe(moment(chance).isoformat()) for _ in range(chance.randrange(3))]),
        }
        for _ in range(count)
    ]


def zulu(text: str | None) -> str | None:
    return None if text is None else text.replace("+00:00", "Z")


def as_json(row: dict[str, Any]) -> dict[str, Any]:
    times = None if row["times"] is None else [zulu(one) for one in row["times"]]
    return {**row, "at": zulu(row["at"]), "times": times}


def as_csv(row: dict[str, Any]) -> list[str]:
    """A row as CSV writes it: a null is nothing, a list is JSON, a text that looks like a formula is made harmless."""

    def cell(value: Any) -> str:
        if isinstance(value, str):
            return value
        return "" if value is None else orjson.dumps(value).decode()

    text = row["text"]
    harmless = f"'{text}" if text and text[0] in "=+-@\t\r" else text
    return [cell(value) for name, value in {**as_json(row), "text": harmless}.items() if name != "real"]


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("seed", range(6))
def test_a_value_is_written_alike_whatever_stands_beside_it(seed: int, size: int) -> None:
    rows = random_rows(seed, 40)
    data = {"oddities": rows}
    expected = [as_json(row) for row in rows]
    assert orjson.loads(written("json", data, size)) == expected
    assert [orjson.loads(line) for line in written("ndjson", data, size).splitlines()] == expected
    lines = list(csv.reader(io.StringIO(written("csv", data, size).decode(), newline=""), strict=True))
    place = NAMES.index("real")
    assert [line[:place] + line[place + 1 :] for line in lines[1:]] == [as_csv(row) for row in rows]
    assert [line[place] and float(line[place]) for line in lines[1:]] == [
        "" if row["real"] is None else row["real"] for row in rows
    ]
    # A row alone is written as it is among others.
    assert b"".join(written("ndjson", {"oddities": [row]}) for row in rows) == written("ndjson", data, size)
    header = written("csv", {"oddities": []})
    alone = [written("csv", {"oddities": [row]}).removeprefix(header) for row in rows]
    assert header + b"".join(alone) == written("csv", data, size)


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("seed", range(6))
def test_typed_formats_have_every_value(seed: int, size: int) -> None:
    rows = random_rows(seed, 40)
    data = {"oddities": rows}

    def time(text: str | None) -> datetime.datetime | None:
        return None if text is None else datetime.datetime.fromisoformat(text)

    expected = [
        {
            **row,
            "day": None if row["day"] is None else datetime.date.fromisoformat(row["day"]),
            "at": time(row["at"]),
            "times": None if row["times"] is None else [time(one) for one in row["times"]],
        }
        for row in rows
    ]
    assert pq.read_table(io.BytesIO(written("parquet", data, size))).to_pylist() == expected
    assert pa.ipc.open_stream(written("arrow", data, size)).read_all().to_pylist() == expected


@pytest.mark.parametrize(
    ("name", "bad", "says"),
    [
        ("at", "2026-13-01T00:00:00Z", "row 3: the column at (DateTime) cannot hold 2026-13-01T00:00:00Z: "),
        ("day", "yesterday", "row 3: the column day (Date) cannot hold yesterday: "),
        ("number", 2**63, f"row 3: the column number (Int) cannot hold {2**63}: "),
        ("mood", "AWFUL", "row 3: the column mood (Mood) cannot hold AWFUL: a value that the enum does not have"),
        ("moods", ["BAD", "AWFUL"], "row 3: the column moods ([Mood]) cannot hold ['BAD', 'AWFUL']: a value that"),
    ],
)
def test_a_value_that_no_column_holds_is_named(name: str, bad: Any, says: str) -> None:
    good = {"at": "2026-03-01T00:00:00Z", "day": "2026-03-01", "number": 1, "mood": "BAD", "moods": ["GOOD"]}[name]
    with pytest.raises(ValueError, match=re.escape(says)):
        record_batch(TABLE, answers(**{name: [good, None, bad, good]}))
