"""`$filter` over the library's books: what each operator and function takes, and what is said of a wrong one."""

import httpx
import pyarrow as pa
import pytest

from server.http.request_error import RequestError
from server.odata import filter as filters
from server.tables.config import UTC
from server.tables.table import ValueKind
from tests.server.tables.conftest import Library


def filtered(library: Library, condition: str, **options: str) -> httpx.Response:
    params = {"$select": "id", "$filter": condition, **{f"${name}": text for name, text in options.items()}}
    return library.client.get("/odata/Books", params=params)


# Of 13 books, 2, 5, 8 and 11 have nothing but an id and a title; the others cost 5.00 times their number.
@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("price eq 15", "3"),
        ("price eq 15.0000000000", "3"),
        ("price gt 44.9999999999999", "9 10 12"),
        ("price ge 45 and price lt 60.00", "9 10"),
        ("45 le price and not (price eq 60)", "9 10"),
        ("price eq null", "2 5 8 11"),
        ("price ne null and pages le 1", "0 1"),
        ("price ne 5 and price ne 0 and pages ne 3 and id ne '4' and pages gt 5 or id eq '2'", "2 6 7 9 10 12"),
        ("not (pages gt 1)", "0 1 2 5 8 11"),
        ("pages ne 3 and pages lt 5", "0 1 4"),
        ("lent eq true and pages gt 5", "6 10 12"),
        ("lent and pages gt 5", "6 10 12"),
        ("lent eq null", "2 5 8 11"),
        ("cover eq 'SOFT'", "1 3 7 9"),
        ("cover in ('SOFT', 'NONE') and id in ('1')", "1"),
        ("printed eq 2026-01-04", "3"),
        ("printed gt 2026-01-10", "10 12"),
        ("readAt eq 2026-01-01T01:00:00+01:00 and pages lt 2", "0 1"),
        ("readAt ge 2026-01-01 and pages lt 2", "0 1"),
        ("readAt gt 2026-01-01T00:00:00Z", ""),
        ("year(printed) eq 2026 and day(printed) eq 5", "4"),
        ("date(readAt) eq 2026-01-01 and hour(readAt) eq 0 and pages eq 4", "4"),
        ("title eq 'plain'", "0"),
        ("title eq 'com,ma' or title eq 'ñ√😀'", "8 12"),
        ("contains(title, 'e')", "6 7 9"),
        ("startswith(title,'quo') or endswith(title,',ma')", "7 8"),
        ("toupper(title) eq 'PLAIN' and length(title) eq 5 and indexof(title,'a') eq 2", "0"),
        ("substring(title,1,2) eq 'la' and concat(title, 'x') eq 'plainx'", "0"),
        ("indexof(title,'√') eq 1 and indexof(title,'😀') eq 2 and indexof(title,'') eq 0", "12"),
        ("indexof(title,'ZZ') eq -1 and id in ('7', '11')", "7"),
        ("readAt eq 2026-01-01T01:00:00 01:00 and pages eq 4", "4"),
        ("title eq ''", "10"),
        ("title eq null", "11"),
        ("floor(price) eq 15 and round(price) eq 15 and ceiling(price) eq 15", "3"),
        ("author_name eq 'Ann' and pages eq 12", "12"),
        ("price eq -5 or price eq 5", "1"),
        ("pages eq 3.5", ""),
        ("pages lt 0.5", "0"),
        ("rowKey eq 'all.0000007'", "7"),
        ("price gt pages and pages gt 9", "10 12"),
        ("true and id eq '3'", "3"),
    ],
)  # fmt: skip
def test_what_a_filter_takes(open_library: Library, condition: str, ids: str) -> None:
    answer = filtered(open_library, condition)
    assert answer.status_code == 200, answer.text
    assert [row["id"] for row in answer.json()["value"]] == ids.split()


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("size eq 1", "$filter names 'size'; there are rowKey, id, title, price,"),
        ("price eq 'a'", "$filter compares a number with a string."),
        ("readAt eq 5", "$filter compares a timestamp with a number."),
        ("price", "$filter has a number where a condition must stand."),
        ("price add 1 eq 2", "there are eq, ne, lt, le, gt, ge, in, and, or, not, and contains,"),
        ("soundex(title) eq 'x'", "$filter has no function 'soundex'; it has contains, startswith,"),
        ("now() eq readAt", "$filter has no function 'now'; it has contains,"),
        ("contains(title) ", "$filter gives contains 1 arguments."),
        ("contains(price, 'a')", "$filter gives contains a number; it takes string and string."),
        ("contains(title, cover)", "$filter gives contains a column where a literal must stand."),
        ("price eq", "$filter cannot be read from"),
        ("(price eq 1", "$filter ends too early."),
        ("price eq 1 %% 2", "$filter cannot be read from '%% 2' on."),
        ("grades eq null or grades eq grades", "$filter compares a list with a list."),
        ("printed eq 2026-02-30", "$filter has the time 2026-02-30, which does not exist."),
        ("not " * 200 + "lent", "$filter is deeper than 100 levels."),
        ("price eq 1" + "0" * 90, "is too long."),
        ("id eq '" + "x" * 8000 + "'", "$filter has 8,008 characters; 8,000 are allowed."),
        ("", "$filter is empty."),
    ],
)
def test_what_is_said_of_a_wrong_filter(open_library: Library, condition: str, says: str) -> None:
    answer = filtered(open_library, condition)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "BAD_USER_INPUT"
    assert says in answer.json()["error"]["message"]


def test_a_text_that_looks_like_a_time_stays_as_it_is() -> None:
    kinds = {"name": ValueKind("string")}
    table = pa.table({"name": ["T10:00 02:00", "T10:00+02:00"]})
    found = filters.read("name eq 'T10:00 02:00' and name ne 'it''s T10:00 02:00'", kinds, UTC)
    assert table.filter(found.mask(table))["name"].to_pylist() == ["T10:00 02:00"]


def test_a_time_without_an_offset_is_one_of_the_business(open_library: Library) -> None:
    with pytest.raises(RequestError):
        filters.read("at ge 2026-13-01T00:00:00", {"at": ValueKind("timestamp")}, UTC, "at")
    rows = filtered(open_library, "readAt le 2026-01-01T00:00:00 and pages lt 2").json()["value"]
    assert [row["id"] for row in rows] == ["0", "1"]
