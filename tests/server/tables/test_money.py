"""Money in every format: the graph's text, digit by digit, whatever the other rows and the borders of batches are."""

import csv
import io
import random
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import orjson
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import strawberry
from strawberry import ID
from strawberry.schema.config import StrawberryConfig

from schema.graph import schema as graph
from schema.mapping.columns import DECIMALS
from schema.scalars import SCALARS
from schema.scalars import Decimal as Money
from server.execution.saved import saved_queries
from server.odata import rows as odata
from server.tables.arrow import Shape, Unfit, as_read, checked, record_batch, slices, typed
from server.tables.formats import FORMATS, ROWS_FORMAT, Format
from server.tables.table import Table, Tables, ValueKind
from tests.server.tables.conftest import saved
from upstream.values.money import amount


@strawberry.type
class Payment:
    id: ID
    amount: Money
    maybe: Money | None
    double: Money = strawberry.field(metadata={DECIMALS: 22})
    many: list[Money | None]


@strawberry.type
class Query:
    @strawberry.field
    def payments(self) -> list[Payment]:
        return []


PAYMENTS = """# All payments.
query Payments { payments @rows { id amount maybe double many } }"""
SCHEMA = strawberry.Schema(Query, config=StrawberryConfig(scalar_map=SCALARS))
SCHEMA._schema.directives = graph._schema.directives
TABLE = Tables([saved(PAYMENTS)], SCHEMA)["Payments"]

SPECIAL = [
    "0",
    "0.125",
    "0.00000012",
    "-0.10",
    "0.000",
    "10.0000",
    "1.000000000000",
    "-0.00",
    "1",
    "123456789.12345678",
    "0.1000000001",
]
DOUBLES = [0.1 + 0.2, 1e-6 * 1.1, 0.1 * 3, 4503599627370497.5, 9007199254740991.0, -0.1, 0.0]
HUGE = ["123456789012345678901234567890", "-" + "9" * 30 + ".123456789", "7" * 60 + ".25", "0." + "0" * 40 + "1"]


def text_of(double: float) -> str:
    """A double as JSON writes it, without an exponent."""
    return f"{Decimal(repr(double)):f}"


def payments(seed: int, count: int, *, huge: bool) -> list[dict[str, Any]]:
    """Random payments as the graph answers them; `huge` amounts fit no typed column."""
    chance = random.Random(seed)

    def money() -> str:
        kind = chance.randrange(4 if huge else 3)
        if kind == 0:
            return amount(chance.choice(SPECIAL))
        if kind == 3:
            return amount(chance.choice(HUGE))
        whole, decimals = chance.randrange(10 ** chance.randrange(1, 28)), chance.randrange(11)
        digits = f".{chance.randrange(10**decimals):0{decimals}}" if decimals else ""
        return amount(f"{chance.choice(('', '-'))}{whole}{digits}")

    return [
        {
            "id": str(number),
            "amount": money(),
            "maybe": chance.choice((None, money())),
            "double": amount(text_of(chance.choice((*DOUBLES, chance.random())))),
            "many": [chance.choice((None, money())) for _ in range(chance.randrange(3))],
        }
        for number in range(count)
    ]


def written(form: Format, rows: list[dict[str, Any]], size: int, shape: Shape | None = None) -> bytes:
    """The rows in a format, in batches of a size."""
    sink = io.BytesIO()
    writer = form.open(TABLE, sink, lambda: "[]")
    for batch in slices((shape or form.shape)(TABLE, record_batch(TABLE, {"payments": rows})), size):
        writer.write(batch)
    writer.close()
    return sink.getvalue()


def as_csv(row: dict[str, Any]) -> dict[str, str]:
    many = orjson.dumps(row["many"]).decode()
    return {**row, "maybe": row["maybe"] or "", "many": many}


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("seed", range(6))
def test_formats_of_text_have_the_graphs_text(seed: int, size: int) -> None:
    rows = payments(seed, 60, huge=True)
    assert orjson.loads(written(FORMATS["json"], rows, size)) == rows
    assert [orjson.loads(line) for line in written(FORMATS["ndjson"], rows, size).splitlines()] == rows
    text = written(FORMATS["csv"], rows, size).decode()
    assert list(csv.DictReader(io.StringIO(text, newline=""), strict=True)) == [as_csv(row) for row in rows]


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("seed", range(6))
def test_odata_has_the_graphs_text(seed: int, size: int, tmp_path: Path) -> None:
    rows = payments(seed, 60, huge=False)
    path = tmp_path / "rows"
    path.write_bytes(written(ROWS_FORMAT, rows, size))
    kept = pq.read_table(path)
    kinds = {column.name: column.kind for column in TABLE.columns}
    assert [orjson.loads(one) for one in odata.objects(kept, kinds, quoted=True)] == rows
    bare = odata.objects(kept.select(["amount"]), kinds, quoted=False)
    assert bare == [f'{{"amount":{row["amount"]}}}' for row in rows]


def equal(row: dict[str, Any], found: dict[str, Any]) -> bool:
    """Return whether the numbers of a row are those of the graph's text, to the last digit."""

    def number(text: str | None) -> Decimal | None:
        return None if text is None else Decimal(text)

    return found == {
        **{name: number(row[name]) for name in ("amount", "maybe", "double")},
        "id": row["id"],
        "many": [number(one) for one in row["many"]],
    }


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("seed", range(6))
def test_typed_formats_have_the_same_numbers(seed: int, size: int) -> None:
    rows = payments(seed, 60, huge=False)
    parquet = pq.read_table(io.BytesIO(written(FORMATS["parquet"], rows, size)))
    stream = pa.ipc.open_stream(written(FORMATS["arrow"], rows, size)).read_all()
    for table in (parquet, stream):
        kinds = [table.schema.field(name).type for name in ("amount", "double", "many")]
        assert kinds[:2] == [pa.decimal128(38, 10), pa.decimal128(38, 22)]
        assert kinds[2].value_type == kinds[0]
        assert all(equal(row, found) for row, found in zip(rows, table.to_pylist(), strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_a_workbook_has_each_number_or_its_text(seed: int) -> None:
    rows = payments(seed, 60, huge=True)
    book = openpyxl.load_workbook(io.BytesIO(written(FORMATS["xlsx"], rows, 1000)))
    _, *lines = list(book["Payments"].iter_rows(values_only=True))
    for row, line in zip(rows, lines, strict=True):
        for text, cell in zip((row["amount"], row["maybe"], row["double"]), line[1:4], strict=True):
            if isinstance(cell, str):
                assert cell == text
                assert len(text.replace(".", "").strip("-0")) > 15
            else:
                assert cell is None if text is None else float(text) == cell
                assert text is None or Decimal(repr(cell)) == Decimal(text)
        assert orjson.loads(line[4]) == row["many"]


@pytest.mark.parametrize("shape", [typed, checked])
@pytest.mark.parametrize(
    ("name", "text", "digits"),
    [
        ("amount", "0.00000000001", (28, 10)),
        ("maybe", "1" + "0" * 28 + ".00", (28, 10)),
        ("double", "0." + "0" * 22 + "1", (16, 22)),
        ("double", "1" + "0" * 16 + ".00", (16, 22)),
        ("many", "0.00000000001", (28, 10)),
    ],
)
def test_what_does_not_fit_names_its_row_and_column(
    shape: Shape, name: str, text: str, digits: tuple[int, int]
) -> None:
    rows = payments(1, 20, huge=False)
    rows[12][name] = [text] if name == "many" else text
    with pytest.raises(Unfit, match=f"row 13: the column {name} ") as failed:
        shape(TABLE, record_batch(TABLE, {"payments": rows}))
    assert text in str(failed.value)
    assert f"it has {digits[0]} digits before its point and {digits[1]} after it" in str(failed.value)
    assert as_read(TABLE, record_batch(TABLE, {"payments": rows})).column(name)[12].as_py() in (text, [text])


def test_readers_of_parquet_have_all_digits_of_a_double(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "1", "amount": "1.00", "maybe": None, "double": amount(text_of(one)), "many": []} for one in DOUBLES
    ]
    path = tmp_path / "payments.parquet"
    path.write_bytes(written(FORMATS["parquet"], rows, 1000))
    expected = [Decimal(row["double"]) for row in rows]
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT double, typeof(double) FROM read_parquet('{path}')").fetchall()
        (total,) = connection.execute(f"SELECT sum(double) FROM read_parquet('{path}')").fetchall()[0]
    assert [one for one, _ in found] == expected
    assert {kind for _, kind in found} == {"DECIMAL(38,22)"}
    with localcontext(prec=60):
        assert total == sum(expected, Decimal(0))
    frame = polars.read_parquet(path)
    assert frame["double"].dtype == polars.Decimal(38, 22)
    assert frame["double"].to_list() == expected
    assert pq.read_table(path)["double"].to_pandas().tolist() == expected


def scales(table: Table) -> dict[str, int]:
    return {column.name: column.kind.scale for column in table.columns if column.kind.name == "decimal"}


def test_the_columns_of_game_history_have_the_decimals_of_a_double() -> None:
    """The field declares them, so each query that selects the field has them, under any name."""
    tables = Tables(saved_queries(), graph)
    assert scales(tables["GameLogs"]) == dict.fromkeys(("bet", "win", "userStartBalance", "userEndBalance"), 22)
    assert scales(tables["GroupTransactions"]) == {"amount": 10}
    renamed = "# Logs.\nquery Logs { gameLogs { nodes @rows { stake: bet } } }"
    (column,) = Tables([saved(renamed)], graph)["Logs"].columns
    assert column.kind == ValueKind("decimal", scale=22)


def test_one_double_leaves_every_format_whole() -> None:
    rows = [{"id": "1", "amount": "1.00", "maybe": "0.00", "double": "0.30000000000000004", "many": []}]
    for form in (*FORMATS.values(), ROWS_FORMAT):
        assert written(form, rows, 10)
