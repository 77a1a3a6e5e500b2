"""`/tables`: what there is, what each table is made of, and what is said of a wrong address."""

import datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from server.tables.config import TablesConfig
from tests.served import launched
from tests.server.application import application
from tests.server.serving import serving
from tests.server.tables import library
from tests.server.tables.conftest import Library, saved


def test_the_list(open_library: Library) -> None:
    tables = open_library.client.get("/tables").json()["tables"]
    assert [table["name"] for table in tables] == ["Books", "Shelves", "OneShelf", "Loans"]
    loans = tables[3]
    assert loans["formats"]["parquet"] == "/tables/Loans.parquet"
    assert (loans["timed"], loans["required"], loans["parameters"]) == (True, [], ["count"])
    assert tables[2]["required"] == ["shelf"]


def test_the_list_says_which_days_are_over(tmp_path: Path) -> None:
    moments = iter(["2026-03-29T04:59:59+00:00", "2026-03-29T05:00:00+00:00", "2026-03-30T04:00:00+00:00"])
    zone, now = ZoneInfo("Europe/Madrid"), lambda: datetime.datetime.fromisoformat(next(moments))
    config = TablesConfig(zone=zone, now=now, spool_dir=tmp_path)
    app = application(library.schema, lambda operation: None, saved=[saved(library.BOOKS)], tables=config)
    with serving(app) as address, httpx.Client(base_url=address, trust_env=False) as client:
        found = [client.get("/tables").json() for _ in range(3)]
    # The 29th begins at 23:00 UTC and has 23 hours. A day is over six hours after its end.
    assert [(one["timezone"], one["today"], one["closedUntil"]) for one in found] == [
        ("Europe/Madrid", "2026-03-29", "2026-03-27"),
        ("Europe/Madrid", "2026-03-29", "2026-03-28"),
        ("Europe/Madrid", "2026-03-30", "2026-03-29"),
    ]
    assert (found[0]["now"], found[0]["version"]) == ("2026-03-29T04:59:59+00:00", version("gamehub-graph"))


def test_a_description(open_library: Library) -> None:
    description = open_library.get("Books/schema").json()
    assert description == open_library.get("Books").json()
    assert description["columns"][2] == {
        "name": "price", "type": "decimal128(38, 10)", "nullable": True, "description": "", "graphql": "Decimal",
    }  # fmt: skip
    assert description["columns"][5]["values"] == ["HARD", "SOFT", "NONE"]
    assert description["parameters"][2] == {
        "name": "ids", "type": "list of string", "required": False, "repeatable": True,
        "default": None, "example": None,
    }  # fmt: skip
    assert description["window"] is None
    assert open_library.get("Loans/schema").json()["window"]["default"] == {"frame": "YESTERDAY"}


def test_variables_are_parameters(open_library: Library) -> None:
    assert open_library.get("Books.csv?ids=1&ids=2").text.count("\r\n") == 3
    assert open_library.get("Books.csv?count=2").text.count("\r\n") == 3
    assert open_library.get("Shelves.csv?cover=soft").status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("Nothing.csv", 404, "There is no table 'Nothing'; there are Books, Shelves, OneShelf, Loans."),
        ("Nothing/schema", 404, "There is no table 'Nothing'; there are Books, Shelves, OneShelf, Loans."),
        ("Books.pdf", 404, "There is no format 'pdf'; there are csv, ndjson, json, parquet, arrow, xlsx."),
        ("Books.csv?size=1", 400, "The table Books has no parameter 'size'; it has count, price, ids, limit."),
        ("Loans.csv?during=x", 400, "it has count, since, until, period, limit. Give its window with since and until"),
        ("Books.csv?count=many", 400, "count is 'many'; it must be a whole number."),
        ("Books.csv?count=1&count=2", 400, "The parameter count is given twice."),
        ("Shelves.csv?cover=gold", 400, "cover is 'gold'; it must be one of HARD, SOFT, NONE."),
        ("OneShelf.csv", 400, "The table OneShelf needs shelf: add shelf=… to the address."),
        ("Books.csv?limit=-1", 400, "limit is '-1'; it must be a whole number from 0."),
        ("Loans.csv?period=ever", 400, "There is no period 'ever'; there are today, yesterday, "),
        ("Books.csv?count=99999999999", 400, "Int cannot represent non 32-bit signed integer value"),
    ],
)
def test_a_wrong_address_is_told_what_there_is(open_library: Library, path: str, status: int, says: str) -> None:
    answer = open_library.get(path)
    assert answer.status_code == status
    (error,) = answer.json()["errors"]
    assert says in error["message"]
    assert error["extensions"]["code"] == {404: "NOT_FOUND", 400: "BAD_USER_INPUT"}[status]


def test_only_reading(open_library: Library) -> None:
    assert open_library.client.post("/tables/Books.csv").status_code == 405


def test_pyarrow_is_imported_when_the_first_table_is_asked_for_and_pandas_never(tmp_path: Path) -> None:
    assert find_spec("pandas") is not None
    # Another test may have imported both in the process whose copy a server usually is.
    with launched(tmp_path, None, True) as (address, process):
        loaded = Path(f"/proc/{process.pid}/maps")
        assert httpx.get(address + "/healthz", trust_env=False).status_code == 200
        assert "/pyarrow/" not in loaded.read_text()
        for form in ("csv", "ndjson", "json", "parquet", "arrow"):
            table = f"{address}/tables/Games.{form}?room=1&period=yesterday"
            assert httpx.get(table, trust_env=False).status_code == 200, form
            assert httpx.get(f"{table}&by=status&sum=paid", trust_env=False).status_code == 200, form
        assert "/pyarrow/" in loaded.read_text()
        assert "/pandas/" not in loaded.read_text()


def test_without_pyarrow_it_says_how_to_install_it(shelved: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.tables.routes.find_spec", lambda name: None if name == "pyarrow" else find_spec(name))
    answer = httpx.get(f"{shelved.address}/tables/Books.csv", trust_env=False)
    assert answer.status_code == 501
    assert "pip install 'gamehub-graph[tables]'" in answer.json()["errors"][0]["message"]
