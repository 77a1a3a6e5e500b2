"""Totals by the address of a table: `/tables/NAME?by=day,type&sum=amount`, in every format, for every caller."""

import csv
import datetime
import io
from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import openpyxl
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resolvers.caller import Caller
from server.auth.key_file import KeyFile
from tests.served import served
from tests.server.tables.business import business
from tests.server.tables.conftest import Library, settings
from tests.stand import Sandbox
from tests.strangers.stranger import Stranger
from tests.upstream.caching.test_freshness import R5, World

SECRET = "a-secret-of-more-than-thirty-two-letters"
MADRID = ZoneInfo("Europe/Madrid")
WINDOW = "since=2026-03-11&until=2026-03-14"
TOTALS = "by=day,type&sum=amount&min=amount&max=amount&count=1&countdistinct=user_id"
ROWS: dict[str, Callable[[bytes], list[dict[str, Any]]]] = {
    "csv": lambda body: list(csv.DictReader(io.StringIO(body.decode()))),
    "json": lambda body: list(polars.read_json(body).iter_rows(named=True)),
    "ndjson": lambda body: list(polars.read_ndjson(body).iter_rows(named=True)),
    "parquet": lambda body: list(pq.read_table(io.BytesIO(body)).to_pylist()),
    "arrow": lambda body: list(pa.ipc.open_stream(body).read_all().to_pylist()),
}


class Reader:
    """The served graph, for callers with keys."""

    def __init__(self, address: str, keys: dict[str, str]) -> None:
        self.client = httpx.Client(base_url=address, trust_env=False, timeout=60)
        self.keys = keys

    def get(self, path: str, caller: str = "all", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        key = {"x-api-key": self.keys[caller]} if caller in self.keys else {}
        return self.client.get(path, headers={"accept-encoding": "identity", **key, **named})


@pytest.fixture(scope="module")
def reader(world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("totals")
    file = KeyFile(folder / "keys.sqlite")
    keys = {
        name: file.create(Caller(name, groups, frozenset({"tables", "explore"})))[1]
        for name, groups in {"all": None, "some": frozenset({347, 382, 383})}.items()
    }
    more = {"AUTH": "required", "KEYS_FILE": str(folder / "keys.sqlite"), "SIGNING_SECRET": SECRET}
    with served(folder, **settings(world), **more, BUSINESS_TIMEZONE="Europe/Madrid") as address:
        reader = Reader(address, keys)
        yield reader
        reader.client.close()


def transactions(reader: Reader) -> list[dict[str, str]]:
    answer = reader.get(f"/tables/GroupTransactions.csv?group=382&{WINDOW}")
    rows = ROWS["csv"](answer.content)
    assert len(rows) > 3000
    return rows


def added(rows: list[dict[str, str]]) -> list[tuple[Any, ...]]:
    """Return the totals by day and type: what a loop over the rows adds up."""
    groups: defaultdict[Any, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        day = datetime.datetime.fromisoformat(row["timestamp"]).astimezone(MADRID).date()
        groups[day, row["type"], row["group_currency"] or None].append(row)
    return [
        (
            *key,
            sum(amounts := [Decimal(row["amount"]) for row in found]),
            min(amounts),
            max(amounts),
            len(found),
            len({row["user_id"] for row in found}),
        )
        for key, found in sorted(groups.items())
    ]


@pytest.mark.parametrize("form", ROWS)
def test_every_format_has_the_totals_of_all_rows(reader: Reader, form: str) -> None:
    answer = reader.get(f"/tables/GroupTransactions.{form}?group=382&{WINDOW}&{TOTALS}")
    assert answer.status_code == 200, answer.text
    found = ROWS[form](answer.content)
    assert list(found[0]) == [
        "day", "type", "group_currency", "amount_sum", "amount_min", "amount_max", "count", "user_id_countdistinct"
    ]  # fmt: skip
    as_day = datetime.date.fromisoformat
    assert [
        (
            as_day(str(row["day"])),
            row["type"],
            row["group_currency"] or None,
            *(Decimal(row[f"amount_{name}"]) for name in ("sum", "min", "max")),
            int(row["count"]),
            int(row["user_id_countdistinct"]),
        )
        for row in found
    ] == added(transactions(reader))
    if form in ("parquet", "arrow"):
        assert isinstance(found[0]["amount_sum"], Decimal)


def test_excel_has_them_as_cells(reader: Reader) -> None:
    answer = reader.get(f"/tables/GroupTransactions.xlsx?group=382&{WINDOW}&by=day&sum=amount")
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).active
    names, *rows = sheet.iter_rows(values_only=True)
    assert names == ("day", "group_currency", "amount_sum")
    lines = ROWS["csv"](reader.get(f"/tables/GroupTransactions.csv?group=382&{WINDOW}&by=day&sum=amount").content)
    assert [(str(day.date()), currency, round(Decimal(total), 6)) for day, currency, total in rows] == [
        (row["day"], row["group_currency"] or None, round(Decimal(row["amount_sum"]), 6)) for row in lines
    ]


def test_without_an_ending_the_answer_is_json(reader: Reader) -> None:
    query = f"group=382&{WINDOW}&by=hour&sum=amount"
    plain, json = (reader.get(f"/tables/GroupTransactions{ending}?{query}") for ending in ("", ".json"))
    assert plain.headers["content-type"] == "application/json"
    assert (plain.content, plain.headers["etag"]) == (json.content, json.headers["etag"])
    hours = {
        datetime.datetime.fromisoformat(row["timestamp"]).replace(minute=0, second=0, microsecond=0).isoformat()
        for row in transactions(reader)
    }
    assert [row["hour"] for row in plain.json()] == sorted(hour.replace("+00:00", "Z") for hour in hours)


@pytest.mark.parametrize("form", ["json", "csv", "arrow"])
def test_totals_are_a_file_in_every_format(reader: Reader, form: str) -> None:
    path = f"/tables/GroupTransactions.{form}?group=382&{WINDOW}&by=type&sum=amount"
    whole = reader.get(path)
    assert int(whole.headers["content-length"]) == len(whole.content)
    assert int(whole.headers["age"]) >= 0
    assert reader.get(path, if_none_match=whole.headers["etag"]).status_code == 304
    part = reader.get(path, range="bytes=2-5", if_range=whole.headers["etag"])
    assert (part.status_code, part.content) == (206, whole.content[2:6])
    assert reader.get(path, caller="").status_code == 401


def test_a_restricted_caller_has_the_totals_of_its_rows(reader: Reader) -> None:
    query = f"group=347&{WINDOW}"
    counts = {}
    for caller in ("all", "some"):
        rows = ROWS["csv"](reader.get(f"/tables/FinancialMovements.csv?{query}", caller).content)
        found = reader.get(f"/tables/FinancialMovements.json?{query}&by=group_id&sum=amount&count=1", caller).json()
        expected: defaultdict[Any, list[Decimal]] = defaultdict(list)
        for row in rows:
            expected[row["group_id"], row["currency"] or None].append(Decimal(row["amount"]))
        assert {(row["group_id"], row["currency"]): (Decimal(row["amount_sum"]), row["count"]) for row in found} == {
            key: (sum(amounts), len(amounts)) for key, amounts in expected.items()
        }
        counts[caller] = sum(row["count"] for row in found)
    assert 0 < counts["some"] < counts["all"]
    refused = reader.get(f"/tables/GroupTransactions.json?group=384&{WINDOW}&sum=amount", "some")
    assert refused.json() == reader.get(f"/tables/GroupTransactions.json?group=384&{WINDOW}", "some").json()
    assert refused.status_code == 404


def test_a_signed_link_to_totals(reader: Reader) -> None:
    path, query = "/tables/GroupTransactions.json", f"group=382&{WINDOW}&by=day&sum=amount"
    made = reader.client.post(f"{path}/link?{query}", headers={"x-api-key": reader.keys["all"]}).json()["link"]
    assert reader.get(made, caller="").json() == reader.get(f"{path}?{query}").json()
    assert reader.get(made.replace("by=day", "by=hour"), caller="").status_code == 401


def test_the_limit_is_of_groups(reader: Reader) -> None:
    path = f"/tables/GroupTransactions.json?group=382&{WINDOW}&by=user_id&count=1"
    assert reader.get(f"{path}&limit=3").json() == reader.get(path).json()[:3]
    assert len(reader.get(path).json()) > 3


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (
            "by=kind",
            "The table GroupTransactions has no column 'kind'; it has group_id, group_currency, id, timestamp,",
        ),
        ("sum=amounts", "The table GroupTransactions has no column 'amounts'; it has group_id, group_currency, id,"),
        ("sum=type", "There is no sum of the column type (String!); it can be of amount."),
        ("by=type.day", "The column type is no time, so it has no day."),
        ("by=day,day", "Two columns of the totals are called day."),
        ("count=some", "count is 'some'; it must be true or false."),
        ("count=1&count=1", "The parameter count is given twice."),
        ("by=&count=0", "Totals need a key or a figure."),
        (
            "average=amount",
            "The table GroupTransactions has no parameter 'average'; it has group, since, until, period,",
        ),
    ],
)
def test_a_wrong_name_is_told_what_there_is(reader: Reader, query: str, says: str) -> None:
    answer = reader.get(f"/tables/GroupTransactions.json?group=382&{query}")
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["message"].startswith(says)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
        yield client


def test_parts_of_the_calendar(client: httpx.Client) -> None:
    path = "/tables/DailyMovements.json?group=382&since=2026-02-23&until=2026-03-14&by={}&sum=net,paidTickets"
    days = client.get(path.format("date").partition("&by")[0]).json()
    assert [row["date"] for row in client.get(path.format("date")).json()] == [row["date"] for row in days]
    firsts: dict[str, Callable[[datetime.date], datetime.date]] = {
        "week": lambda day: day - datetime.timedelta(days=day.weekday()),
        "MONTH": lambda day: day.replace(day=1),
        "date.year": lambda day: day.replace(month=1, day=1),
    }
    for part, first in firsts.items():
        expected: defaultdict[str, Decimal] = defaultdict(Decimal)
        for row in days:
            expected[first(datetime.date.fromisoformat(row["date"])).isoformat()] += Decimal(row["net"])
        found = client.get(path.format(part)).json()
        name = part.lower().replace(".", "_")
        assert {row[name]: Decimal(row["net_sum"]) for row in found} == expected
        assert sum(row["paidTickets_sum"] for row in found) == sum(row["paidTickets"] for row in days)
    assert "so it has no hour" in client.get(path.format("hour")).json()["errors"][0]["message"]
    assert "no time of its own: write by=COLUMN.day" in client.get("/tables/Groups.json?by=day").text


def test_a_variable_of_the_query_goes_first(open_library: Library) -> None:
    """Loans and Books have a variable `count`: totals count with a dot."""
    assert open_library.get("Loans.json?count=2&.count=1&since=2026-03-04&until=2026-03-06").json() == [{"count": 4}]
    assert len(open_library.get("Books.json?count=2").json()) == 2
    books = open_library.get("Books.json?count=4&.by=cover&.sum=price,pages&.count=true").json()
    assert books == [
        {"cover": "HARD", "price_sum": "0.00", "pages_sum": 0, "count": 1},
        {"cover": "SOFT", "price_sum": "20.00", "pages_sum": 4, "count": 2},
        {"cover": None, "price_sum": None, "pages_sum": None, "count": 1},
    ]
    assert open_library.get("Books.json?by=lent&min=pages").json() == [
        {"lent": False, "pages_min": 1}, {"lent": True, "pages_min": 0}, {"lent": None, "pages_min": None},
    ]  # fmt: skip
    assert (
        open_library.get("Books.json?by=grades").json()["errors"][0]["message"].startswith("The column grades is a l")
    )


def test_totals_of_a_broken_day_are_an_error_in_every_format(open_library: Library) -> None:
    for form in ("json", "ndjson", "csv", "arrow"):
        answer = open_library.get(f"Loans.{form}?since=2026-03-02&until=2026-03-05&sum=price")
        assert answer.status_code == 502
        assert answer.json()["errors"][0]["message"] == "The library is closed. (on 2026-03-03)"


def test_a_total_that_typed_formats_cannot_hold(open_library: Library) -> None:
    path = "Books.{}?price=" + "3" * 28 + "&ids=1&ids=3&sum=price&max=price"
    most = {"price_sum": "1" + "3" * 27 + "2.00", "price_max": "9" * 28 + ".00"}
    assert open_library.get(path.format("json")).json() == [most]
    refused = open_library.get(path.format("parquet"))
    assert refused.status_code == 400
    assert f"the column price_sum (Decimal) cannot hold {most['price_sum']}" in refused.json()["errors"][0]["message"]
    assert open_library.get("Shelves.csv?by=place").text == "place,count\r\n1,1\r\n2,2\r\n3,3\r\n"


def test_bom(open_library: Library) -> None:
    plain, marked = open_library.get("Books.csv"), open_library.get("Books.csv?bom=1")
    assert marked.content == b"\xef\xbb\xbf" + plain.content
    assert marked.headers["etag"] != plain.headers["etag"]
    assert open_library.get("Books.csv?.bom=0").content == plain.content
    assert open_library.get("Books.csv?by=cover&bom=1").content.startswith(b"\xef\xbb\xbfcover,count\r\n")
    refused = open_library.get("Books.json?bom=1")
    assert (refused.status_code, "bom=1 is for csv" in refused.text) == (400, True)
    assert open_library.get("Books.csv?bom=yes").status_code == 400
    assert open_library.client.get("/odata/Books?bom=1").status_code == 400


def test_totals_call_the_upstream_once_per_day_and_then_no_more(tmp_path: Path) -> None:
    path = "/tables/Moves.{}?group=382&since=2022-10-27&until=2022-10-31&by=day&countdistinct=amount&count=1"
    with Stranger() as stranger, business(World(stranger), tmp_path) as one:
        first = one.get(path.format("json"))
        days = [f"{R5} 10-{day}/10-{day}" for day in (27, 28, 29, 30)]
        assert [call for call in one.calls() if call.startswith(R5)] == days
        assert one.get(path.format("json")).content == first.content
        assert one.get(path.format("csv")).status_code == 200
        assert [call for call in one.calls() if call.startswith(R5)] == []
        one.world.clock.move(seconds=1)
        again = one.get(path.format("json"), cache_control="no-cache")
        assert (again.content, again.headers["age"]) == (first.content, "0")
        assert [call for call in one.calls() if call.startswith(R5)] == days
