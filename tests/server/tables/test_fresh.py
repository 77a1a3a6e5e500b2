"""The freshness of tables (C25): the age of files and streams, the times of new reads, and their upstream calls."""

import datetime
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from server.http import conditions
from tests.server.tables.business import NOON, Business, business
from tests.strangers.stranger import Stranger
from tests.upstream.caching.test_freshness import DAYS, R1, R5, World

DAILY = "/tables/Totals.{}?group=382&since=2022-10-27&until=2022-10-31"
MOVED = "/tables/Moves.{}?group=382&since=2022-10-27&until=2022-10-31"
R8 = "api_groups_report"
FRESH = {"cache_control": "no-cache"}
LAST_WEEK = 3600


@pytest.fixture(scope="module")
def stranger() -> Iterator[Stranger]:
    with Stranger() as stranger:
        yield stranger


@pytest.fixture
def world(stranger: Stranger) -> World:
    return World(stranger)


@pytest.fixture(params=[True, False], ids=["compiled", "graphql"])
def served(request: pytest.FixtureRequest, world: World, tmp_path: Path) -> Iterator[Business]:
    with business(world, tmp_path / "spool", compiled=request.param) as served:
        yield served


def test_the_age_of_a_file_is_that_of_its_oldest_row(served: Business) -> None:
    path, clock = DAILY.format("csv"), served.world.clock
    first = served.get(path)
    assert (first.headers["age"], first.headers["last-modified"]) == ("0", conditions.date(NOON))
    assert (first.headers["cache-control"], first.headers["vary"]) == (
        "no-cache", "Accept-Encoding, Authorization, X-Api-Key",
    )  # fmt: skip
    assert served.calls() == [R8, *(f"{R1} 10-{day}/10-{day}" for day in (27, 28, 29, 30))]
    clock.move(seconds=59.9)
    again = served.get(path)
    assert (again.headers["age"], again.content) == ("59", first.content)
    assert served.calls() == []
    clock.move(
        seconds=0.1
    )  # groups are rows without a day, so the file is written anew: days that are kept cost no call
    later = served.get(path)
    assert (later.headers["age"], later.headers["etag"]) == ("60", first.headers["etag"])
    assert later.headers["last-modified"] == first.headers["last-modified"]
    assert served.calls() == [R8]
    known = served.get(path, 304, if_none_match=later.headers["etag"])
    assert (known.headers["age"], known.content) == ("60", b"")
    part = served.get(path, 206, range="bytes=0-3")
    assert (part.headers["age"], part.content) == ("60", first.content[:4])
    assert served.client.head(path).headers["age"] == "60"
    private = served.get(path, authorization="Bearer somebody-elses")
    assert private.headers["cache-control"] == "private, no-cache"


def test_a_day_is_read_again_when_the_trust_in_it_ends(served: Business) -> None:
    path, clock = DAILY.format("csv"), served.world.clock
    before = served.get(path).text
    clock.move(seconds=299)
    served.get(path)
    served.calls()
    served.world.book(DAYS[-1], amount="-7.00")
    served.world.book(DAYS[2], amount="-9.00")
    clock.move(seconds=1)
    after = served.get(path)
    assert served.calls() == [f"{R1} 10-30/10-30"]  # yesterday is trusted for minutes, the days before for an hour
    assert [old == new for old, new in zip(before.splitlines(), after.text.splitlines(), strict=True)] == [
        True, True, True, True, False,
    ]  # fmt: skip
    clock.move(seconds=LAST_WEEK - 300)
    assert served.get(path).text.splitlines()[1] != before.splitlines()[1]


def test_no_cache_reads_a_file_again_for_everyone(served: Business) -> None:
    path, clock = DAILY.format("csv"), served.world.clock
    before = served.get(path)
    served.world.book(DAYS[2])
    clock.move(seconds=30)
    served.calls()
    assert served.get(path, cache_control="max-age=30").headers["age"] == "30"
    assert served.calls() == []
    for demand in ({"cache_control": "max-age=29"}, {"cache_control": "no-cache"}, {"pragma": "no-cache"}):
        fresh = served.get(path, **demand)
        assert fresh.headers["age"] == "0"
        # Groups are read once, not once a day.
        assert served.calls() == [R8, *(f"{R1} 10-{day}/10-{day}" for day in (27, 28, 29, 30))]
        assert served.get(path).headers["etag"] == fresh.headers["etag"] != before.headers["etag"]
        assert served.calls() == []
        clock.move(seconds=30)


def test_a_change_that_another_reader_found_reaches_the_file(served: Business) -> None:
    path, clock = DAILY.format("csv"), served.world.clock
    before = served.get(path).text
    served.world.book(DAYS[4])
    clock.move(seconds=20)
    served.calls()
    served.get("/graphql", 400)
    query = '{ group(id: 382) { dailyMovements(during: {dates: {from: "2022-10-29", to: "2022-10-29"}}) { net } } }'
    served.client.get("/graphql", params={"query": query}, headers={"cache-control": "no-cache"})
    served.calls()
    after = served.get(path)
    assert served.calls() == []  # it is read already
    assert [old == new for old, new in zip(before.splitlines(), after.text.splitlines(), strict=True)] == [
        True, True, True, False, True,
    ]  # fmt: skip
    assert after.headers["age"] == "20"


def test_conditions_by_date_count_from_the_newest_row(served: Business) -> None:
    path, clock = DAILY.format("csv"), served.world.clock
    first = served.get(path)
    modified = first.headers["last-modified"]
    clock.move(seconds=10)
    assert served.get(path, 304, if_modified_since=modified).content == b""
    assert served.get(path, 206, range="bytes=0-1", if_range=modified).content == first.content[:2]
    assert served.get(path, if_unmodified_since=modified).status_code == 200
    # One day is read again: the oldest row is as old as before, and yet the file is another one.
    served.world.book(DAYS[4])
    query = '{ group(id: 382) { dailyMovements(during: {dates: {from: "2022-10-29", to: "2022-10-29"}}) { net } } }'
    served.client.get("/graphql", params={"query": query}, headers={"cache-control": "no-cache"})
    changed = served.get(path, if_modified_since=modified)
    later = conditions.date(NOON + datetime.timedelta(seconds=10))
    assert (changed.headers["last-modified"], changed.headers["age"]) == (later, "10")
    assert changed.content != first.content
    assert served.get(path, range="bytes=0-1", if_range=modified).content == changed.content
    assert served.get(path, 412, if_unmodified_since=modified).json()["errors"]
    served.get(path, 304, if_modified_since=later)
    assert served.get(path, 206, range="bytes=0-1", if_range=later).content == changed.content[:2]
    served.get(path, 200, if_modified_since="yesterday")


def test_who_reads_in_parts_goes_on_with_the_file_that_was_begun(served: Business) -> None:
    path, clock = DAILY.format("parquet"), served.world.clock
    whole = served.get(path)
    tag = whole.headers["etag"]
    served.world.book(DAYS[2])
    clock.move(seconds=100)
    assert served.get(path, 206, range="bytes=4-").content == whole.content[4:]  # while it is not read again
    newer = served.get(path, **FRESH)
    assert newer.headers["etag"] != tag
    for condition in ({"if_range": tag}, {"if_match": tag}, {"if_range": tag, **FRESH}):
        part = served.get(path, 206, range="bytes=4-", **condition)
        assert (part.content, part.headers["etag"], part.headers["age"]) == (whole.content[4:], tag, "100")
    assert served.get(path, 206, range="bytes=4-").content == newer.content[4:]
    assert served.get(path, 412, if_match=tag).json()["errors"]
    clock.move(seconds=601)
    assert served.get(path, range="bytes=4-", if_range=tag).status_code == 200
    served.get(path, 412, range="bytes=4-", if_match=tag)


def test_a_file_that_outlives_the_server_keeps_its_age(world: World, tmp_path: Path) -> None:
    path = DAILY.format("csv")
    with business(world, tmp_path) as served:
        first = served.get(path)
    world.clock.move(seconds=59)
    world.calls()
    with business(world, tmp_path) as served:
        again = served.get(path)
        assert (again.headers["age"], again.headers["last-modified"]) == ("59", first.headers["last-modified"])
        assert served.calls() == []
        world.clock.move(seconds=1)
        assert served.get(path).headers["age"] == "0"


@pytest.mark.parametrize("form", ["ndjson", "json", "arrow"])
def test_the_age_of_a_stream_is_known_before_its_rows(served: Business, form: str) -> None:
    path, clock = DAILY.format(form), served.world.clock
    day = "/tables/Totals.csv?group=382&since=2022-10-29&until=2022-10-30"
    served.get(day)
    clock.move(seconds=50)
    served.get(day.replace("29", "27").replace("10-30", "10-28"))
    clock.move(seconds=5)
    served.calls()
    answer = served.get(path)
    # What is kept of the third day is the oldest, and is not read again; the others are read now.
    assert answer.headers["age"] == "55"
    assert served.calls() == [R8, f"{R1} 10-28/10-28", f"{R1} 10-30/10-30"]
    assert (answer.headers["cache-control"], "etag" in answer.headers) == ("no-cache", False)
    clock.move(seconds=1)
    fresh = served.get(path, **FRESH)
    assert fresh.headers["age"] == "0"
    assert served.calls() == [R8, *(f"{R1} 10-{day}/10-{day}" for day in (27, 28, 29, 30))]


def test_a_stream_reads_rows_again_that_are_older_than_it_says(served: Business) -> None:
    """Days that are kept no longer when their turn comes are read anew; nothing is older than the header says."""
    path, clock = MOVED.format("ndjson"), served.world.clock
    served.get(MOVED.format("csv"))
    clock.move(seconds=7)
    served.calls()
    answer = served.get(path, cache_control="max-age=6")
    assert answer.headers["age"] == "0"
    assert served.calls() == [R8, *(f"{R5} 10-{day}/10-{day}" for day in (27, 28, 29, 30))]


def test_files_say_when_their_rows_were_read(served: Business) -> None:
    clock = served.world.clock
    served.get("/tables/Totals.csv?group=382&since=2022-10-28&until=2022-10-29")
    clock.move(seconds=20)
    body = served.get(DAILY.format("parquet")).content
    metadata = pq.read_schema(io.BytesIO(body)).metadata
    later = NOON + datetime.timedelta(seconds=20)

    def day(first: int, last: int, at: datetime.datetime, trusted: int) -> dict[str, Any]:
        reading = {"report": "R1", "from": f"2022-10-{first}", "to": f"2022-10-{last}"}
        return reading | {"readAt": at.isoformat(), "nextCheck": (at + datetime.timedelta(seconds=trusted)).isoformat()}

    expected = [
        day(27, 27, later, LAST_WEEK),
        day(28, 28, NOON, LAST_WEEK),
        day(29, 29, later, LAST_WEEK),
        day(30, 30, later, 300),
        {
            "report": "R8",
            "readAt": later.isoformat(),
            "nextCheck": (later + datetime.timedelta(seconds=5)).isoformat(),
        },
    ]
    assert orjson.loads(metadata[b"freshness"]) == expected
    assert metadata[b"table"] == b"Totals"
    assert pq.read_table(io.BytesIO(body)).num_rows == 4
    stream = pa.ipc.open_stream(served.get(DAILY.format("arrow")).content)
    # The schema goes first: of the days that are read after it, it has the bound.
    assert orjson.loads(stream.schema.metadata[b"freshness"]) == [
        expected[0],
        expected[4],
        {"report": "R1", "from": "2022-10-28", "to": "2022-10-30", "readAt": NOON.isoformat()},
    ]
    assert stream.read_all().num_rows == 4


def test_odata_has_an_age_too(served: Business) -> None:
    clock, entities = served.world.clock, "/odata/Totals?group=382&since=2022-10-27&until=2022-10-31"
    first = served.get(entities)
    assert first.headers["age"] == "0"
    assert (first.headers["cache-control"], first.headers["vary"]) == (
        "no-cache", "Accept, Accept-Encoding, Prefer, Authorization, X-Api-Key",
    )  # fmt: skip
    clock.move(seconds=30)
    served.calls()
    for path in (entities, entities.replace("?", "/$count?"), "/odata/Totals('2022-10-28.0000000')?group=382"):
        assert served.get(path).headers["age"] == "30"
    assert served.calls() == []
    fresh = served.get(entities.replace("?", "/$count?"), **FRESH)
    assert fresh.headers["age"] == "0"
    assert served.calls() == [R8, *(f"{R1} 10-{day}/10-{day}" for day in (27, 28, 29, 30))]
    assert served.get(entities, authorization="Basic eDp5").headers["cache-control"] == "private, no-cache"
    assert "age" not in served.get("/odata").headers
    wrong = served.get("/odata/Totals?group=999999", 404, **FRESH)
    assert set(wrong.json()) == {"error"}


def test_pages_go_on_with_the_rows_of_the_first_one(served: Business) -> None:
    clock, entities = served.world.clock, "/odata/Totals?group=382&since=2022-10-27&until=2022-10-31"
    pages = {"prefer": "odata.maxpagesize=2"}
    first = served.get(entities, **pages, **FRESH).json()
    clock.move(seconds=100)
    served.calls()
    link = first["@odata.nextLink"].partition("/odata")[2]
    # It continues its reading, also where it demands fresh rows and somebody else has read the same rows meanwhile.
    served.get(entities, **FRESH)
    served.calls()
    second = served.get(f"/odata{link}", **pages, **FRESH)
    assert len(second.json()["value"]) == 2
    assert served.calls() == []
    served.world.book(DAYS[3])
    clock.move(seconds=1)
    changed = served.get(entities, **FRESH).json()["value"]
    assert changed[2:] == second.json()["value"]
    assert changed[1] != first["value"][1]


def test_forgotten_days_are_read_again(served: Business) -> None:
    path = DAILY.format("csv")
    before = served.get(path).text
    served.world.book(DAYS[3])
    served.world.clock.move(seconds=10)
    served.calls()
    assert served.get(path).text == before
    served.forget("R1", DAYS[2], DAYS[3])
    after = served.get(path)
    assert served.calls() == [R8, f"{R1} 10-27/10-27", f"{R1} 10-28/10-28"]
    assert [old == new for old, new in zip(before.splitlines(), after.text.splitlines(), strict=True)] == [
        True, True, False, True, True,
    ]  # fmt: skip
    assert served.get("/odata/Totals/$count?group=382&since=2022-10-27&until=2022-10-31").headers["age"] == "10"
