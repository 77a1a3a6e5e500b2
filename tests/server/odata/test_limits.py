"""The limits of `$filter`, `$orderby` and `$select`: what is refused, before what, and that `in` is one comparison."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from server.http.request_error import RequestError
from server.odata import filter as filters
from server.odata import grammar
from server.tables.config import UTC
from server.tables.table import ValueKind
from tests.server.tables.conftest import Library, lending

OPERATIONS = "$filter has more than 250 operators and functions, which is how many are allowed"
WORDS = "$filter has more than 2,500 names, values, operators and signs, which is how many are allowed"
DEEP = "$filter is deeper than 100 levels"
PATH = "a column is named without a path"
HOSTILE = {
    "paths": ("a/" * 3900, PATH),
    "a long path": ("a/" * 3900 + "a eq 1", PATH),
    "a path": ("author/name eq 'Ann'", PATH),
    "a lambda": ("grades/any(g:g eq 1)", PATH),
    "many numbers": (f"length(id) in ({','.join(['1'] * 3900)})", WORDS),
    "parentheses": ("(" * 3900 + "lent" + ")" * 3900, DEEP),
    "open parentheses": ("(" * 7900, DEEP),
    "functions in functions": ("tolower(" * 790 + "id" + ")" * 790 + " eq 'a'", DEEP),
    "not": ("not " * 1990 + "lent", OPERATIONS),
    "deep not": ("not " * 150 + "lent", DEEP),
    "and": (" and ".join(["lent"] * 800), OPERATIONS),
    "or": (" or ".join(["pages eq 1"] * 500), OPERATIONS),
    "contains": (" or ".join(["contains(id,'a')"] * 380), OPERATIONS),
    "lists of columns": (f"pages in ({','.join(['pages'] * 900)})", "250 are allowed"),
    "lists in lists": (f"pages in (1,{'(1,' * 90}1{')' * 90})", "has list, which is not understood"),
    "commas": ("pages in (" + "," * 3000, WORDS),
    "minus": ("pages eq " + "-" * 7900 + "1", OPERATIONS),
    "named parameters": ("concat(a=b,c=d,e=f) eq 'x'", "values are compared with eq"),
    "a long number": ("pages eq " + "9" * 7900, "which is too long"),
    "a long fraction": ("pages eq 1." + "9" * 7900, "which is too long"),
    "a great exponent": ("pages eq 1e999999999", "which is too long"),
    "a text without an end": ("id eq '" + "a" * 7900, "cannot be read from"),
    "quotes": ("'" * 7901, "cannot be read from"),
    "a long name": ("a" * 7900 + " eq 1", "cannot be read from"),
}  # fmt: skip


def read(library: Library, **options: str) -> httpx.Response:
    return library.client.get("/odata/Books", params={f"${name}": text for name, text in options.items()})


@pytest.mark.parametrize("name", HOSTILE)
def test_a_filter_beyond_a_limit(open_library: Library, name: str) -> None:
    text, says = HOSTILE[name]
    answer = read(open_library, filter=text)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] == "BAD_USER_INPUT"
    assert says in answer.json()["error"]["message"]
    assert len(answer.json()["error"]["message"]) < 500


@pytest.mark.parametrize("name", ["paths", "a path", "many numbers", "parentheses", "not", "or", "contains", "minus"])
def test_the_parser_does_not_see_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(self: Any, text: str, option: str) -> Any:
        raise AssertionError("the parser was called")

    monkeypatch.setattr("server.odata.grammar.ODataParser.parse", parse)
    with pytest.raises(RequestError):
        grammar.parsed(HOSTILE[name][0])
    with pytest.raises(AssertionError):
        grammar.parsed("a eq 1")


@pytest.mark.parametrize(
    "text",
    [
        f"length(id) in ({','.join(map(str, range(1, 1200)))})",
        " or ".join(f"id eq '{number}'" for number in range(125)),
        "not (" * 90 + "pages ge 0 or pages eq null" + ")" * 90,
        f"id in ({','.join(map(repr, map(str, range(1000))))})",
        "id in ('1/2', '3') or id eq '/' or id ne null",
    ],
)
def test_what_the_limits_allow(open_library: Library, text: str) -> None:
    answer = read(open_library, filter=text)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["value"]) == 13


def test_orderby_names_a_column_once(open_library: Library) -> None:
    answer = read(open_library, orderby=",".join(["price"] * 2000))
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "$orderby names price twice; name each column once."


def test_select_may_name_a_column_often(open_library: Library) -> None:
    answer = read(open_library, select=",".join(["id"] * 3000), top="1")
    assert answer.json()["value"] == [{"id": "0"}]


def test_comparing_ends_in_time(tmp_path: Path) -> None:
    """The time of all rows together counts, and is looked at before each piece of rows."""
    with lending(tmp_path, filter_seconds=1e-9) as library:
        days = "since=2026-03-01&until=2026-03-10"
        assert library.client.get(f"/odata/Loans?{days}&$top=1&$filter=price ge 0").status_code == 200
        answer = library.client.get(f"/odata/Loans?{days}&$filter=price ge 0")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "DEADLINE_EXCEEDED")
    assert "take a narrower window or a shorter $filter" in answer.json()["error"]["message"]


KINDS = {
    "text": ValueKind("string"),
    "whole": ValueKind("int64"),
    "broken": ValueKind("float64"),
    "price": ValueKind("decimal"),
    "day": ValueKind("date"),
    "at": ValueKind("timestamp"),
    "lent": ValueKind("bool"),
    "cover": ValueKind("enum"),
}
ITEMS = {
    "text": ["'a'", "'b'", "''", "'ä'", "null"],
    "whole": ["0", "1", "-2", "1.5", "1.0", "99999999999999999999", "null", "whole"],
    "broken": ["0", "-0.0", "0.1", "1e3", "0.100000000000000005551115", "null"],
    "price": ["1", "1.10", "1.1", "0.00000000000000001", "99999999999999999999999999999999", "-3", "null", "whole"],
    "day": ["2026-01-01", "2026-01-02", "null"],
    "at": ["2026-01-01T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00.0000005Z", "2026-01-02T01:00:00+01:00", "null"],
    "lent": ["true", "false", "null"],
    "cover": ["'SOFT'", "'HARD'", "null"],
    "length(text)": ["0", "1", "1.5", "-1", "99999999999999999999"],
    "tolower(text)": ["'a'", "'A'", "''"],
    "year(at)": ["2026", "1970"],
    "hour(at)": ["0", "1"],
    "date(at)": ["2026-01-01", "2026-01-02"],
    "floor(price)": ["1", "-3"],
    "1": ["1", "2", "whole"],
    "null": ["null", "whole"],
}  # fmt: skip


def rows() -> pa.Table:
    moments = [1767225600000000, 1767312000000000, None, 0]
    return pa.table(
        {
            "text": pa.array(["a", "A", None, ""]),
            "whole": pa.array([0, 1, None, -2], pa.int64()),
            "broken": pa.array([-0.0, 0.1, None, 1000.0]),
            "price": pa.array(["1.1", "1", None, "-3.0"]),
            "day": pa.array([20454, 20455, None, 0], pa.date32()),
            "at": pa.array(moments, pa.timestamp("us", "UTC")),
            "lent": pa.array([True, False, None, True]),
            "cover": pa.array(["SOFT", "HARD", None, "SOFT"]).dictionary_encode(),
        }
    )


@pytest.mark.parametrize("left", ITEMS)
def test_in_is_a_chain_of_eq(left: str) -> None:
    chance = random.Random(left)
    table = rows()
    for _ in range(60):
        items = [chance.choice(ITEMS[left]) for _ in range(chance.randrange(1, 6))]
        among = filters.read(f"{left} in ({','.join(items)})", KINDS, UTC, "at")
        chain = filters.read(" or ".join(f"{left} eq {item}" for item in items), KINDS, UTC, "at")
        assert among.mask(table).to_pylist() == chain.mask(table).to_pylist(), items
        assert among.days == chain.days


def test_in_reads_its_left_side_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    plain: Callable[..., Any] = filters.FUNCTIONS["length"].call

    def counted(value: Any) -> Any:
        calls.append(value)
        return plain(value)

    monkeypatch.setitem(filters.FUNCTIONS, "length", replace(filters.FUNCTIONS["length"], call=counted))
    found = filters.read(f"length(text) in ({','.join(map(str, range(1000)))})", KINDS, UTC)
    assert found.mask(rows()).to_pylist() == [True, True, False, True]
    assert len(calls) == 1


def test_a_decimal_column_is_converted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = []
    plain = pc.cast

    def counted(values: Any, kind: Any) -> Any:
        kinds.append(kind)
        return plain(values, kind)

    found = filters.read(" or ".join(["price eq 1.1"] * 100), KINDS, UTC)
    monkeypatch.setattr(pc, "cast", counted)
    assert found.mask(rows()).to_pylist() == [True, False, False, False]
    assert len([kind for kind in kinds if pa.types.is_decimal(kind)]) == 1
