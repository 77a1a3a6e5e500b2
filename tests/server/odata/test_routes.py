"""`/odata`: its documents, its answers, their types and pages, and what is said of a wrong address."""

import gzip
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from server.odata import reading
from tests.server.tables.conftest import Library

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


def get(library: Library, path: str, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return library.client.get(f"/odata/{path}", headers=named)


def pages(library: Library, path: str, size: int) -> Iterator[list[Any]]:
    """The pages that a client gets that follows each nextLink."""
    url = f"{library.address}/odata/{path}"
    while url:
        answer = library.client.get(url, headers={"prefer": f"odata.maxpagesize={size}"})
        assert answer.status_code == 200, answer.text
        assert answer.headers["preference-applied"] == f"odata.maxpagesize={size}"
        yield answer.json()["value"]
        url = answer.json().get("@odata.nextLink")


def test_the_service_document(open_library: Library) -> None:
    answer = get(open_library, "")
    assert answer.headers["odata-version"] == "4.0"
    assert answer.headers["content-type"].startswith("application/json;odata.metadata=minimal")
    body = answer.json()
    assert body["@odata.context"] == f"{open_library.address}/odata/$metadata"
    assert body["value"][0] == {"name": "Books", "kind": "EntitySet", "url": "Books"}
    assert [one["name"] for one in body["value"]] == ["Books", "Shelves", "OneShelf", "Loans"]
    assert open_library.client.get("/odata").json() == body


def test_metadata(open_library: Library) -> None:
    answer = get(open_library, "$metadata?group=382")
    assert answer.headers["content-type"].startswith("application/xml")
    tree = ElementTree.fromstring(answer.text)
    books = next(one for one in tree.iter(f"{EDM}EntityType") if one.get("Name") == "Books")
    assert [one.get("Name") for one in books.iter(f"{EDM}PropertyRef")] == ["rowKey"]
    facets = ("Type", "Precision", "Scale", "Nullable")
    body = {one.get("Name"): tuple(one.get(facet) for facet in facets) for one in books.iter(f"{EDM}Property")}
    assert body == {
        "rowKey": ("Edm.String", None, None, "false"),
        "id": ("Edm.String", None, None, "false"),
        "title": ("Edm.String", None, None, "true"),
        "price": ("Edm.Decimal", "38", "10", "true"),
        "pages": ("Edm.Int64", None, None, "true"),
        "lent": ("Edm.Boolean", None, None, "true"),
        "cover": ("Edm.String", None, None, "true"),
        "printed": ("Edm.Date", None, None, "true"),
        "readAt": ("Edm.DateTimeOffset", "6", None, "true"),
        "grades": ("Collection(Edm.Int64)", None, None, "true"),
        "author_name": ("Edm.String", None, None, "true"),
        "byline_id": ("Edm.String", None, None, "true"),
    }
    sets = {one.get("Name"): one for one in tree.iter(f"{EDM}EntitySet")}
    assert list(sets) == ["Books", "Shelves", "OneShelf", "Loans"]
    options = re.findall('Property="Name" String="(\\w+)"', answer.text.split('<EntitySet Name="Loans"')[1])
    assert options == ["count", "since", "until", "period"]


def test_an_entity_set_has_every_type_to_the_last_digit(open_library: Library) -> None:
    answer = get(open_library, "Books?price=1234567890123456.7890123456&$filter=id in ('2','3','8')")
    text = answer.text
    assert answer.headers["odata-version"] == "4.0"
    assert '"price":3703703670370370.3670370368,' in text  # no float holds it
    assert answer.json() == {
        "@odata.context": f"{open_library.address}/odata/$metadata#Books",
        "value": [
            {"rowKey": "all.0000002", "id": "2", "title": "+2", "price": None, "pages": None, "lent": None,
             "cover": None, "printed": None, "readAt": None, "grades": None, "author_name": None, "byline_id": None},
            {"rowKey": "all.0000003", "id": "3", "title": "-3", "price": 3703703670370370.5, "pages": 3, "lent": False,
             "cover": "SOFT", "printed": "2026-01-04", "readAt": "2026-01-01T00:00:00Z", "grades": [3, 2],
             "author_name": "Ann", "byline_id": "1"},
            {"rowKey": "all.0000008", "id": "8", "title": "com,ma", "price": None, "pages": None, "lent": None,
             "cover": None, "printed": None, "readAt": None, "grades": None, "author_name": None, "byline_id": None},
        ],
    }  # fmt: skip


def test_whoever_asks_gets_decimals_as_text(open_library: Library) -> None:
    path = "Books?$select=price,pages,grades,title&$filter=id in ('3','5','7')"
    answer = get(open_library, path, accept="application/json;IEEE754Compatible=true;odata.metadata=none")
    assert "IEEE754Compatible=true" in answer.headers["content-type"]
    assert answer.json() == {
        "value": [
            {"title": "-3", "price": "15.00", "pages": "3", "grades": ["3", "2"]},
            {"title": "\ttab", "price": None, "pages": None, "grades": None},
            {"title": 'quo"te', "price": "35.00", "pages": "7", "grades": ["7", "2"]},
        ]
    }


@pytest.mark.parametrize("size", [1, 2, 5, 7, 15, 100])
@pytest.mark.parametrize(
    ("path", "rows"),
    [
        ("Loans?since=2026-03-05&until=2026-03-08", 15),
        ("Loans?since=2026-03-05&until=2026-03-08&$skip=4&$top=9", 9),
        ("Loans?since=2026-03-05&until=2026-03-08&$filter=price ne 5&$count=true", 12),
        ("Loans?since=2026-03-05&until=2026-03-08&$orderby=price desc,rowKey", 15),
        ("Loans?since=2026-03-05&until=2026-03-08&$orderby=price&$skip=2&$top=8", 8),
        ("Loans?since=2026-03-05&until=2026-03-08&$filter=price eq 15&$select=id", 3),
        ("Loans?since=2026-03-05&until=2026-03-08&$filter=price eq 1", 0),
    ],
)
def test_pages_bring_every_row_once(open_library: Library, path: str, rows: int, size: int) -> None:
    whole = get(open_library, path).json()
    assert "@odata.nextLink" not in whole
    found = list(pages(open_library, path, size))
    assert [row for page in found for row in page] == whole["value"]
    assert len(whole["value"]) == rows
    assert [len(page) for page in found] == [size] * (rows // size) + ([rows % size] if rows % size or not rows else [])


def test_a_window_of_the_filter_is_all_that_is_read(shelved: Library) -> None:
    """Books are no loans of a day, so the column `printed` is not the window's; a table of days has one."""
    get(shelved, "Loans?since=2026-03-05&until=2026-03-08&$top=2")
    assert [str(one.dates.from_) for one in shelved.periods] == ["2026-03-05"]
    get(shelved, "Loans?since=2026-03-05&until=2026-03-08")
    assert sorted({str(one.dates.from_) for one in shelved.periods}) == ["2026-03-05", "2026-03-06", "2026-03-07"]
    assert len(shelved.periods) == 3  # the day that was read is not read again
    assert get(shelved, "Loans/$count?since=2026-03-05&until=2026-03-08").text == "15"
    assert len(shelved.periods) == 3


def test_counts(open_library: Library) -> None:
    path = "Books?$filter=price gt 10&$top=1&$skip=1&$count=true&$select=id"
    assert get(open_library, path).json()["@odata.count"] == 7
    assert get(open_library, path + "&$orderby=id").json()["@odata.count"] == 7
    assert get(open_library, "Books/$count?$filter=price gt 10").text == "7"
    assert get(open_library, "Books?$top=0&$count=true").json()["@odata.count"] == 13


def test_order_puts_null_first(open_library: Library) -> None:
    def ids(order: str) -> list[str]:
        return [row["id"] for row in get(open_library, f"Books?$select=id&$orderby={order}").json()["value"]]

    assert ids("price") == ["2", "5", "8", "11", "0", "1", "3", "4", "6", "7", "9", "10", "12"]
    assert ids("price desc") == ["12", "10", "9", "7", "6", "4", "3", "1", "0", "2", "5", "8", "11"]
    assert ids("cover desc, pages desc")[:4] == ["9", "7", "3", "1"]


def test_what_cannot_be_sorted_in_memory_is_refused(open_library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_SORTED", 12)
    answer = get(open_library, "Books?$orderby=price")
    assert answer.status_code == 400
    assert "$orderby sorts 12 rows at most" in answer.json()["error"]["message"]
    best = get(open_library, "Books?$orderby=price desc&$top=2&$select=id").json()["value"]
    assert best == [{"id": "12"}, {"id": "10"}]
    assert get(open_library, "Books?$orderby=price&$top=13").status_code == 400


def test_one_entity(open_library: Library) -> None:
    body = get(open_library, "Loans('2026-03-06.0000003')").json()
    assert body == {
        "@odata.context": f"{open_library.address}/odata/$metadata#Loans/$entity",
        "rowKey": "2026-03-06.0000003",
        "id": "3",
        "price": 15.0,
    }
    assert get(open_library, "Loans(rowKey='2026-03-06.0000003')").json() == body
    part = get(open_library, "Loans?since=2026-03-06T10:00&until=2026-03-07&$top=1").json()["value"][0]["rowKey"]
    assert part == "2026-03-06T10:00:00+00:00/2026-03-07T00:00:00+00:00.0000000"
    assert get(open_library, f"Loans('{part.replace('+', '%2B')}')").json()["rowKey"] == part
    for key, code in (("2026-03-06.0000009", 404), ("nonsense", 404), ("9999-12-31.0000000", 404)):
        assert get(open_library, f"Loans('{key}')").status_code == code, key


def test_a_page_after_the_rows_were_read_anew_is_refused(shelved: Library) -> None:
    following = get(shelved, "Loans?since=2026-03-05&until=2026-03-06&$top=4", prefer="odata.maxpagesize=2")
    link = following.json()["@odata.nextLink"]
    assert shelved.client.get(link).status_code == 200
    other = shelved.client.get(link.replace("since=2026-03-05", "since=2026-03-04").replace("06&", "05&"))
    assert (other.status_code, other.json()["error"]["code"]) == (410, "GONE")
    changed = shelved.client.get(link + "&count=7")
    assert changed.status_code == 410
    assert "begin again" in changed.json()["error"]["message"]


def test_answers_are_compressed(open_library: Library) -> None:
    with open_library.client.stream("GET", "/odata/Books", headers={"accept-encoding": "gzip"}) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert gzip.decompress(b"".join(answer.iter_raw())) == get(open_library, "Books").content


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("Nothing", 404, "There is no table 'Nothing'; there are Books, Shelves, OneShelf, Loans."),
        ("Books/title", 404, "There is no 'Books/title' here; there are $metadata, Books,"),
        ("Books?$expand=author", 400, "There is no query option '$expand' here; there are $select, $filter, $orderby,"),
        ("Books?$top=1&$top=2", 400, "The query option $top is given twice."),
        ("Books?$top=-1", 400, "$top is '-1'; it must be a whole number from 0."),
        ("Books?$count=yes", 400, "$count is 'yes'; it must be true or false."),
        ("Books?$format=atom", 406, "$format is 'atom'; the one that there is is json."),
        ("Books?$select=id,size", 400, "$select names 'size'; there are rowKey, id, title,"),
        ("Books?$orderby=size", 400, "$orderby names 'size'; it can be rowKey, id, title,"),
        ("Books?$orderby=grades", 400, "$orderby names 'grades'; it can be rowKey, id, title,"),
        ("Books?$orderby=id up", 400, "$orderby has 'up' after id; it can be asc or desc."),
        ("Books?$skiptoken=abc", 400, "$skiptoken is none of this server's: follow @odata.nextLink as it is."),
        ("Books?limit=1", 400, "OData's word for limit is $top"),
        ("Books?size=1", 400, "The table Books has no parameter 'size'; it has count, price, ids, limit."),
        ("OneShelf", 400, "The table OneShelf needs shelf: add shelf=… to the address."),
        ("OneShelf?shelf=2", 404, "OneShelf: there is no shelf 2. Check the id, and whether your key shows it."),
        ("Loans?since=2026-03-02&until=2026-03-05", 502, "The library is closed. (on 2026-03-03)"),
    ],
)
def test_what_is_said_of_a_wrong_address(open_library: Library, path: str, status: int, says: str) -> None:
    answer = get(open_library, path)
    assert answer.status_code == status, answer.text
    assert answer.headers["odata-version"] == "4.0"
    assert set(answer.json()["error"]) == {"code", "message"}
    assert says in answer.json()["error"]["message"]


def test_an_older_odata_is_refused(open_library: Library) -> None:
    assert get(open_library, "", odata_maxversion="3.0").status_code == 400
    assert get(open_library, "", odata_maxversion="4.01").status_code == 200


def test_parameters_in_the_address_of_the_service(open_library: Library) -> None:
    """They are those of every table that has them, and a table's own address says otherwise."""
    root = "count=7&since=2026-03-05&until=2026-03-06"
    body = get(open_library, f"{root}/").json()
    assert body["@odata.context"] == f"{open_library.address}/odata/{root}/$metadata"
    assert get(open_library, f"{root}/$metadata").text == get(open_library, "$metadata").text
    assert get(open_library, f"{root}/Loans/$count").text == "7"
    assert get(open_library, f"{root}/Loans/$count?since=2026-03-05&until=2026-03-07&count=2").text == "4"
    assert get(open_library, f"{root}/Books/$count").text == "7"
    assert get(open_library, f"{root}/Shelves/$count").text == "6"
    assert len([row for page in pages(open_library, f"{root}/Loans", 3) for row in page]) == 7
    wrong = get(open_library, "size=1/Books")
    assert (wrong.status_code, wrong.json()["error"]["message"]) == (
        404, "No table has a parameter 'size'; there are count, cover, ids, period, price, shelf, since, until.",
    )  # fmt: skip
