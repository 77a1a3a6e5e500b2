"""An entity set answers what Python finds in all rows, or refuses, whichever way the filter speaks of time."""

import datetime
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import strawberry
from strawberry import Info
from strawberry.schema.config import StrawberryConfig

from schema.graph import ROWS
from schema.mapping.columns import SELECTED_BY
from schema.scalars import SCALARS, Decimal
from server.tables.config import TablesConfig
from tests.effort import tries
from tests.server.application import application
from tests.server.odata.filters import FIRST, Filters, Row, rows_of
from tests.server.serving import serving
from tests.server.tables.conftest import saved
from tests.server.tables.library import Period

ZONE = ZoneInfo("Europe/Berlin")
DAYS = 25
NOW = datetime.datetime(2025, 1, 13, 22, tzinfo=datetime.UTC)
AHEAD = datetime.datetime(2025, 1, 20, 12, tzinfo=datetime.UTC)


@strawberry.type
class Visit:
    at: datetime.datetime = strawberry.field(metadata={SELECTED_BY: "past"})
    other: datetime.datetime | None
    n: int | None
    price: Decimal | None
    day: datetime.date | None


@strawberry.type
class Plan:
    starts: datetime.datetime = strawberry.field(metadata={SELECTED_BY: "any"})
    ends: datetime.datetime


@strawberry.type
class Query:
    @strawberry.field
    def visits(self, info: Info, during: Period) -> list[Visit]:
        info.context.days.append(during)
        return [
            Visit(**{name: value for name, value in row.items() if name != "rowKey"})
            for row in info.context.rows
            if within(row["at"], during)
        ]

    @strawberry.field
    def plans(self, info: Info, during: Period) -> list[Plan]:
        info.context.days.append(during)
        starts = [NOW - datetime.timedelta(days=1), AHEAD]
        return [Plan(starts=one, ends=one + datetime.timedelta(hours=30)) for one in starts if within(one, during)]


def within(at: datetime.datetime, during: Period) -> bool:
    if during.dates is not None:
        return during.dates.from_ <= at.astimezone(ZONE).date() <= during.dates.to
    assert during.between is not None
    return during.between.from_ <= at < during.between.until


class Diary:
    """The rows of the visits, and the periods that were read."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.days: list[Any] = []

    def read(self) -> list[str]:
        """The days that were read since, ascending."""
        days = sorted(str(one.dates.from_) for one in self.days if one.dates is not None)
        self.days.clear()
        return days


SCHEMA = strawberry.Schema(Query, config=StrawberryConfig(scalar_map={Decimal: SCALARS[Decimal]}))
SCHEMA._schema.directives = (*SCHEMA._schema.directives, ROWS)
VISITS = """# Visits.
query Visits($during: Period = { frame: "TODAY" }) { visits(during: $during) @rows { at other n price day } }"""
PLANS = """# Plans, some of which lie ahead.
query Plans($during: Period = { frame: "TODAY" }) { plans(during: $during) @rows { ends starts } }"""
NAMELESS = """# Visits without their time.
query Nameless($during: Period = { frame: "TODAY" }) { visits(during: $during) @rows { n other } }"""


@contextmanager
def diary(folder: Path, seed: int = 1) -> Iterator[tuple[httpx.Client, Diary]]:
    kept = Diary(rows_of(ZONE, random.Random(seed), 250, DAYS))
    app = application(
        SCHEMA,
        lambda operation: kept,
        saved=[saved(text) for text in (VISITS, PLANS, NAMELESS)],
        tables=TablesConfig(now=lambda: NOW, zone=ZONE, spool_dir=folder),
    )
    with serving(app) as address, httpx.Client(base_url=f"{address}/odata", trust_env=False, timeout=60) as client:
        yield client, kept


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Diary]]:
    with diary(tmp_path_factory.mktemp("spool")) as found:
        yield found


def every(client: httpx.Client, path: str, params: dict[str, str], size: int) -> list[str]:
    """The keys of all pages."""
    found = []
    answer = client.get(path, params=params, headers={"prefer": f"odata.maxpagesize={size}"})
    while True:
        assert answer.status_code == 200, answer.text
        found += [row["rowKey"] for row in answer.json()["value"]]
        if "@odata.nextLink" not in answer.json():
            return found
        answer = client.get(answer.json()["@odata.nextLink"])


@pytest.mark.parametrize("seed", range(4))
def test_every_answer_is_what_python_finds_in_all_rows(written: tuple[httpx.Client, Diary], seed: int) -> None:
    client, kept = written
    chance = random.Random(seed)
    bounded = 0
    for _ in range(tries(20)):
        text, holds = Filters(ZONE, chance, kept.rows).any(chance.randrange(1, 4))
        expected = [row["rowKey"] for row in kept.rows if holds(row)]
        params = {"$filter": text, "$select": "rowKey"}
        answer = client.get("/Visits", params=params)
        timed = "at" in text or "rowKey" in text
        if answer.status_code == 200 and timed:
            bounded += 1
            assert [row["rowKey"] for row in answer.json()["value"]] == expected, text
            assert client.get("/Visits/$count", params={"$filter": text}).text == str(len(expected)), text
            # Pages of any size, of one row too, and at most nine of them: each is a request.
            assert every(client, "/Visits", params, 1 + len(expected) // chance.randrange(1, 9)) == expected, text
            size = 1 + len(expected) // chance.randrange(1, 9)
            down = every(client, "/Visits", {**params, "$orderby": "rowKey desc"}, size)
            assert down == expected[::-1], text
            first = client.get("/Visits", params={**params, "$top": "3", "$skip": "1"}).json()["value"]
            assert [row["rowKey"] for row in first] == expected[1:4], text
        elif timed:
            assert answer.status_code == 400, text
            assert "say from when on" in answer.json()["error"]["message"]
        # A window that the request names is only narrowed.
        begin, end = FIRST + datetime.timedelta(days=3), FIRST + datetime.timedelta(days=20)
        window = {"since": str(begin), "until": str(end)}
        inside = [key for key in expected if str(begin) <= key[:10] < str(end)]
        assert every(client, "/Visits", {**params, **window}, 1000) == inside, text
    assert bounded > 5


@pytest.mark.parametrize(
    ("condition", "days"),
    [
        ("at eq 2025-01-02T10:00:00Z or at eq 2025-01-05T10:00:00Z", "2025-01-02 2025-01-05"),
        ("at in (2025-01-02T10:00:00Z,2025-01-05T23:30:00Z)", "2025-01-02 2025-01-06"),
        ("not (at lt 2025-01-02 or 2025-01-03 le at)", "2025-01-02"),
        ("not (at lt 2025-01-12)", "2025-01-12 2025-01-13"),
        ("date(at) eq 2025-01-02", "2025-01-02"),
        ("year(at) eq 2025 and month(at) eq 1 and day(at) le 2", "2025-01-01 2025-01-02"),
        ("rowKey eq '2025-01-02.0000000'", "2025-01-02"),
        ("at ge 2025-01-12 and at le 9999-12-31T23:59:59.9999999Z", "2025-01-12 2025-01-13"),
        ("at gt 2025-01-13 and at lt 2025-01-01", ""),
        ("at ge 2025-02-01", ""),
        ("n eq 1", "2025-01-13"),
    ],
)
def test_only_the_days_that_a_filter_means_are_read(tmp_path: Path, condition: str, days: str) -> None:
    with diary(tmp_path) as (client, kept):
        assert client.get("/Visits", params={"$filter": condition}).status_code == 200
        assert kept.read() == days.split()


TO_SAY = "say from when on (at ge …, or since=…)."


@pytest.mark.parametrize(
    ("table", "condition", "says"),
    [
        ("Visits", "at lt 2025-01-02", "$filter bounds at from above only: say from when on, too (at ge …"),
        ("Visits", "at ne 2025-01-02", f"$filter speaks of at, but does not say which days are meant: {TO_SAY}"),
        ("Visits", "month(at) eq 3", TO_SAY),
        ("Visits", "hour(at) eq 3 or at eq 2025-01-02", TO_SAY),
        ("Visits", "at eq null", TO_SAY),
        ("Visits", "at eq other", "$filter speaks of at, other, but does not say which days are meant:"),
        ("Visits", "other ge 2025-01-02", "$filter speaks of other, but does not say which days are meant:"),
        ("Visits", "day eq 2025-01-02", "$filter speaks of day, but does not say which days are meant:"),
        ("Visits", "at ge 2025-01-02 or n eq 1", TO_SAY),
        ("Visits", "contains(rowKey, '2025')", "$filter speaks of rowKey, but does not say which days are meant:"),
        ("Visits", "not (at ge 2025-01-02)", "$filter bounds at from above only:"),
        ("Visits", "at ge 1980-01-01", "$filter leaves 16,450 days, and 3,700 are allowed: bound at closer."),
        (
            "Visits", "rowKey eq '2025-01-02T00:00:00+00:00/2025-01-02T05:00:00+00:00.0000000'",
            "the key of a part of a day: add the since=… and until=… of the window that it was read in.",
        ),
        ("Plans", "starts ge 2025-01-02", "$filter bounds starts from below only, and rows may lie ahead: say until"),
        ("Plans", "ends ge 2025-01-02", "$filter speaks of ends, but does not say which days are meant: say from when"),
        ("Nameless", "other ge 2025-01-02", "say from when on (since=… and until=…)."),
        ("Visits", "at ge 9999-12-31T23:59:59-05:00", "which does not exist."),
    ],
)  # fmt: skip
def test_a_filter_that_does_not_say_which_days_is_refused(
    written: tuple[httpx.Client, Diary], table: str, condition: str, says: str
) -> None:
    client, kept = written
    kept.days.clear()
    for path in (f"/{table}", f"/{table}/$count"):
        answer = client.get(path, params={"$filter": condition})
        assert answer.status_code == 400, answer.text
        assert says in answer.json()["error"]["message"]
    assert not kept.days


def test_a_window_beside_such_a_filter_is_all_it_needs(written: tuple[httpx.Client, Diary]) -> None:
    client, _ = written
    window = {"since": "2025-01-01", "until": "2025-01-11"}
    for condition in ("other ge 2025-01-05", "month(at) eq 1", "at ne 2025-01-05"):
        answer = client.get("/Visits", params={"$filter": condition, **window, "$select": "at,other"})
        assert answer.status_code == 200, answer.text
    part = {"since": "2025-01-05T10:00", "until": "2025-01-06T03:00"}
    (key, *_) = every(client, "/Visits", part, 100)
    assert key.startswith("2025-01-05T09:00:00+00:00/")
    assert every(client, "/Visits", {**part, "$filter": f"rowKey eq '{key}'"}, 100) == [key]


def test_rows_that_lie_ahead_are_not_lost(written: tuple[httpx.Client, Diary]) -> None:
    """The window is about when a plan starts, though its end stands before it."""
    client, _ = written
    answer = client.get("/Plans", params={"$filter": "starts ge 2025-01-12 and starts lt 2025-02-01"})
    assert [row["starts"] for row in answer.json()["value"]] == ["2025-01-12T22:00:00Z", "2025-01-20T12:00:00Z"]
    late = client.get("/Plans", params={"$filter": "starts ge 2025-01-20 and starts lt 2025-01-21", "$count": "true"})
    assert late.json()["@odata.count"] == 1


def test_functions_go_by_the_clock_of_the_business(written: tuple[httpx.Client, Diary]) -> None:
    client, kept = written
    for row in kept.rows:
        local = row["at"].astimezone(ZONE)
        if local.date() != row["at"].date():
            break
    date = f"date(at) eq {local.date()} and hour(at) eq {local.hour} and day(at) eq {local.day}"
    found = client.get("/Visits", params={"$filter": date, "$select": "rowKey"}).json()["value"]
    assert {"rowKey": row["rowKey"]} in found
    applied = client.get("/Visits", params={"$apply": f"filter({date})/aggregate($count as visits)"}).json()["value"]
    assert [one["visits"] for one in applied] == [len(found)]
    late = {"$apply": "groupby((at))", "$filter": date, "since": str(local.date() - datetime.timedelta(days=2))}
    groups = client.get("/Visits", params=late).json()["value"]
    rows = client.get("/Visits", params={"$filter": date, "$select": "at"}).json()["value"]
    assert sorted(one["at"] for one in groups) == sorted({row["at"] for row in rows})


@pytest.mark.parametrize("order", ["", "n,rowKey desc"])
@pytest.mark.parametrize("size", [17, 40])
def test_pages_bring_every_row_once_or_say_that_the_rows_changed(tmp_path: Path, order: str, size: int) -> None:
    """Between two pages all files are removed, so the days are read anew. Then a row of a day changes."""
    params = {"$filter": "at ge 2024-12-22 and n ne 3", "$select": "rowKey,n", **({"$orderby": order} if order else {})}
    with diary(tmp_path) as (client, kept):
        whole = client.get("/Visits", params=params).json()["value"]
        assert len(whole) > 100
        found: list[Any] = []
        answer = client.get("/Visits", params=params, headers={"prefer": f"odata.maxpagesize={size}"})
        links = []
        while True:
            found += answer.json()["value"]
            if "@odata.nextLink" not in answer.json():
                break
            links.append(answer.json()["@odata.nextLink"])
            for path in tmp_path.glob("[!.]*"):  # not those that are being written ahead
                path.unlink()
            answer = client.get(links[-1])
            assert answer.status_code == 200, answer.text
        assert found == whole
        # The day on which the second page begins is another one now.
        key = found[size]["rowKey"]
        for path in tmp_path.iterdir():
            path.unlink()
        for row in kept.rows:
            if row["rowKey"][:10] == key[:10]:
                row["price"] = "7.00" if row["price"] is None else None
                row["n"] = 3
        gone = client.get(links[0])
        assert (gone.status_code, gone.json()["error"]["code"]) == (410, "GONE")


def test_a_page_of_a_day_that_is_no_longer_meant_is_refused(tmp_path: Path) -> None:
    params = {"$filter": "at ge 2025-01-01 and at lt 2025-01-08"}
    with diary(tmp_path) as (client, _):
        link = client.get("/Visits", params=params, headers={"prefer": "odata.maxpagesize=5"}).json()["@odata.nextLink"]
        other = client.get(link.replace("2025-01-01", "2025-01-06"))
        assert (other.status_code, other.json()["error"]["code"]) == (410, "GONE")
