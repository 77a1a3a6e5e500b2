"""The recipes of docs/how-to/bi-tools.md run as they stand, with the real tools, without and with a key."""

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extension_httpfs
import httpx
import pandas
import polars
import pyarrow as pa
import pytest

from resolvers.caller import Caller
from server.auth.key_file import KeyFile
from tests.served import served
from tests.server.tables.conftest import settings
from tests.stand import Sandbox

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "bi-tools.md"
WINDOW = "since=2026-03-12&until=2026-03-15"
QUERY = """{ group(id: 382) { transactions(during: {dates: {from: "2026-03-12", to: "2026-03-14"}}, first: 1000 AFTER) {
  pageInfo { endCursor hasNextPage } nodes { type amount } } } }"""
Server = tuple[str, str]


def recipes(mark: str) -> list[tuple[str, str]]:
    """Return the language and the text of each block that is marked."""
    found = re.findall(rf"<!-- {mark} -->\n```(python|sql)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return [(str(language), str(text)) for language, text in found]


@pytest.fixture(scope="module")
def keyed(world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The graph for callers with keys: its address and a key."""
    folder = tmp_path_factory.mktemp("keyed")
    _, key = KeyFile(folder / "keys.sqlite").create(Caller("bi", None, frozenset({"tables"})))
    more = {"AUTH": "required", "KEYS_FILE": str(folder / "keys.sqlite"), "SIGNING_SECRET": "s" * 40}
    with served(folder, **settings(world), **more) as address:
        yield address, key


@pytest.fixture(scope="module")
def truth(address: str) -> dict[str, list[Decimal]]:
    """Return the amounts by type: from the graph, page by page."""
    found: dict[str, list[Decimal]] = {}
    after, more = "", True
    while more:
        operation = {"query": QUERY.replace(" AFTER", after)}
        answer = httpx.post(f"{address}/graphql", json=operation, trust_env=False, timeout=60).json()
        page = answer["data"]["group"]["transactions"]
        for node in page["nodes"]:
            found.setdefault(node["type"], []).append(Decimal(node["amount"]))
        after, more = f', after: "{page["pageInfo"]["endCursor"]}"', page["pageInfo"]["hasNextPage"]
    return found


def run(recipe: tuple[str, str], address: str, key: str) -> Any:
    """Run a recipe: only the server, the key, the window and the way to DuckDB's extension differ from the page."""
    language, text = recipe
    text = text.replace("http://HOST", address).replace("KEY", key).replace("period=last_month", WINDOW)
    if language == "python":
        names: dict[str, Any] = {}
        exec(text, names)
        return names["frame"]
    (extension,) = (Path(duckdb_extension_httpfs.__file__).parent / "extensions").rglob("httpfs.duckdb_extension")
    with duckdb.connect() as connection:
        return connection.execute(text.replace("INSTALL httpfs; LOAD httpfs;", f"LOAD '{extension}';")).fetchall()


def compare(found: Any, truth: dict[str, list[Decimal]]) -> None:
    """Compare the rows, or the totals, that a recipe read with the amounts of the graph."""
    sums = {name: sum(amounts) for name, amounts in truth.items()}
    if isinstance(found, list):
        assert dict(found) == sums
        return
    rows: list[dict[str, Any]]
    match found:
        case pandas.DataFrame():
            rows = found.to_dict("records")
        case polars.DataFrame():
            rows = list(found.iter_rows(named=True))
        case pa.Table():
            rows = found.to_pylist()
        case _:
            raise AssertionError(type(found))
    number = sum(map(len, truth.values()))
    totalled = "amount_sum" in rows[0]
    assert sum(row["count"] for row in rows) == number if totalled else len(rows) == number
    added = dict.fromkeys(sums, Decimal())
    for row in rows:
        added[row["type"]] += row["amount_sum" if totalled else "amount"]
    assert added == sums


@pytest.mark.parametrize("place", range(4))
def test_recipes(address: str, truth: dict[str, list[Decimal]], place: int) -> None:
    assert len(recipes("try")) == 4
    compare(run(recipes("try")[place], address, ""), truth)


@pytest.mark.parametrize("place", range(4))
def test_recipes_with_a_key(keyed: Server, truth: dict[str, list[Decimal]], place: int) -> None:
    assert len(recipes("try with a key")) == 4
    compare(run(recipes("try with a key")[place], *keyed), truth)
    with pytest.raises(Exception, match=r"401|HTTP GET error|Unauthorized"):
        run(recipes("try with a key")[place], keyed[0], "ghk_00000000_" + "A" * 43)


@pytest.mark.parametrize("name", ["Authorization", "http_headers", "default_headers"])
def test_polars_sends_no_header(keyed: Server, name: str) -> None:
    """If this fails, polars has learned it: correct the recipe."""
    address, key = keyed
    header = f"Bearer {key}" if name == "Authorization" else str({"Authorization": f"Bearer {key}"})
    with pytest.raises(PermissionError, match="lacked valid authentication credentials"):
        polars.scan_parquet(
            f"{address}/tables/GroupTransactions.parquet?group=382&{WINDOW}", storage_options={name: header}
        ).collect()
