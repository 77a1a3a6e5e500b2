"""The days that a filter means: sets of days, and no row lost by them, for random filters over random rows."""

import datetime
import random
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from server.odata import filter as filters
from server.tables.arrow import TIMESTAMP
from server.tables.days import ALL, EARLIER, LATER, between, count, has, runs, since, until
from tests.server.odata.filters import KINDS, MINUTE, ZONES, Filters, Row, rows_of


def test_sets_of_days() -> None:
    first, last = datetime.date(2026, 3, 1), datetime.date(2026, 3, 3)
    found = between(first, last)
    assert count(found) == 3
    assert (found & EARLIER, found & LATER) == (0, 0)
    assert since(first) & until(last) == found
    assert has(found, first)
    assert has(found, last)
    assert not has(found, datetime.date(2026, 3, 4))
    assert list(runs(found | between(datetime.date(2026, 3, 5), datetime.date(2026, 3, 5)))) == [
        (first, last), (datetime.date(2026, 3, 5), datetime.date(2026, 3, 5)),
    ]  # fmt: skip
    assert list(runs(0)) == []
    assert between(last, first) == 0
    assert (since(first) ^ ALL) | since(first) == ALL


def table_of(rows: list[Row]) -> pa.Table:
    types = {"at": TIMESTAMP, "other": TIMESTAMP, "n": pa.int64(), "day": pa.date32()}
    return pa.table({name: pa.array([row[name] for row in rows], types.get(name, pa.string())) for name in KINDS})


@pytest.mark.parametrize("zone", ZONES, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_no_row_lies_outside_the_days_of_a_filter(zone: ZoneInfo, seed: int) -> None:
    chance = random.Random(f"{zone} {seed}")
    rows = rows_of(zone, chance)
    table = table_of(rows)
    narrowed = 0
    for _ in range(120):
        text, holds = Filters(zone, chance, rows).any(chance.randrange(4))
        found = filters.read(text, KINDS, zone, "at", "rowKey")
        expected = [row["rowKey"] for row in rows if holds(row)]
        assert table.filter(found.mask(table))["rowKey"].to_pylist() == expected, text
        outside = [key for key in expected if not has(found.days, datetime.date.fromisoformat(key[:10]))]
        assert not outside, text
        narrowed += not found.days & (EARLIER | LATER)
    assert narrowed > 12


BERLIN = ZONES[1]


def spans(days: int) -> str:
    """A set of days as people write it, `…` for all that are before or after."""
    if days == ALL:
        return "all"
    inner = days & ~(EARLIER | LATER)
    parts = [str(first) if first == last else f"{first}/{last}" for first, last in runs(inner)]
    if days & EARLIER:
        parts[:1] = ["…" + parts[0].partition("/")[2]]
    if days & LATER:
        parts[-1:] = [parts[-1].partition("/")[0] + "…"]
    return " ".join(parts)


@pytest.mark.parametrize(
    ("condition", "days"),
    [
        ("at ge 2026-03-01 and at lt 2026-03-03", "2026-03-01/2026-03-02"),
        ("2026-03-01 le at and (n eq 1 and at le 2026-03-03)", "2026-03-01/2026-03-03"),
        ("at gt 2026-03-01 and at ge 2026-03-05 and at lt 2026-03-09 and at le 2026-03-09", "2026-03-05/2026-03-08"),
        ("at eq 2026-03-01", "2026-03-01"),
        ("at eq 2026-03-01 or at eq 2026-03-05", "2026-03-01 2026-03-05"),
        ("at in (2026-03-01T10:00:00Z, 2026-03-01T23:30:00Z)", "2026-03-01/2026-03-02"),
        ("not (at lt 2026-03-01)", "2026-03-01…"),
        ("not (at lt 2026-03-01 or at ge 2026-03-02)", "2026-03-01"),
        ("not (not (at eq 2026-03-01))", "2026-03-01"),
        ("at ne 2026-03-01", "all"),
        ("date(at) ne 2026-03-01", "…2026-02-28 2026-03-02…"),
        ("date(at) eq 2026-03-01", "2026-03-01"),
        ("date(at) ne 2026-03-01 and date(at) ge 2026-02-28 and date(at) le 2026-03-02", "2026-02-28 2026-03-02"),
        ("date(at) in (2026-03-01, 2026-03-02)", "2026-03-01/2026-03-02"),
        ("year(at) eq 2026", "2026-01-01/2026-12-31"),
        ("2026 eq year(at) and month(at) eq 3", "2026-03-01/2026-03-31"),
        ("year(at) eq 2026 and month(at) le 2 and day(at) eq 30", "2026-01-30"),
        ("year(at) eq 2024 and month(at) le 3 and day(at) gt 29", "2024-01-30/2024-01-31 2024-03-30/2024-03-31"),
        ("year(at) ge 2025.5 and year(at) lt 2026.5", "2026-01-01/2026-12-31"),
        ("year(at) eq 2025.5", ""),
        ("rowKey eq '2026-03-01.0000004'", "2026-03-01"),
        ("rowKey in ('2026-03-01.0000004', '2026-03-09.0000000')", "2026-03-01 2026-03-09"),
        ("rowKey ge '2026-03-01.0000004' and rowKey lt '2026-03-03'", "2026-03-01/2026-03-02"),
        ("startswith(rowKey, '2026-03-0')", "2026-03-01/2026-03-09"),
        ("startswith(rowKey, '2026-03-01.00')", "2026-03-01"),
        ("rowKey eq 'nonsense'", ""),
        ("at ge 2026-03-01 and at lt 2026-03-02 or n eq 1", "all"),
        ("at ge 2026-03-01 and (at lt 2026-03-03 or n eq 1)", "2026-03-01…"),
        ("at lt 2026-03-01 and at gt 2026-03-01", ""),
        ("false and at gt 2026-03-01", ""),
        ("true and at eq 2026-03-01", "2026-03-01"),
        ("other eq 2026-03-01", "all"),
        ("at eq null", "all"),
        ("hour(at) eq 3", "all"),
        ("month(at) eq 3 and at ge 2026-02-01 and at lt 2026-04-15", "2026-03-01/2026-03-31"),
        ("at lt 2300-01-01 and at ge 2026-03-01", "2026-03-01…"),
        ("at le 9999-12-31T23:59:59.9999999Z and at ge 2026-03-01", "2026-03-01…"),
        ("at le 2026-03-01T22:59:59.9999999Z and at gt 2026-02-28T22:59:59.9999999Z", "2026-02-28/2026-03-01"),
        ("day eq 2026-03-01", "all"),
    ],
)  # fmt: skip
def test_which_days_a_filter_means(condition: str, days: str) -> None:
    assert spans(filters.read(condition, KINDS, BERLIN, "at", "rowKey").days) == days


@pytest.mark.parametrize(
    ("condition", "days"),
    [
        ("day eq 2026-03-01", "2026-03-01"),
        ("day gt 2026-03-01 and 2026-03-04 ge day", "2026-03-02/2026-03-04"),
        ("year(day) eq 2026 and month(day) eq 2", "2026-02-01/2026-02-28"),
    ],
)
def test_which_days_a_filter_means_of_a_column_of_days(condition: str, days: str) -> None:
    assert spans(filters.read(condition, KINDS, BERLIN, "day", "rowKey").days) == days


@pytest.mark.parametrize(("word", "rows"), [("lt", 2), ("le", 2), ("gt", 1), ("ge", 1), ("eq", 0), ("ne", 3)])
def test_a_time_with_more_digits_than_a_column_has(word: str, rows: int) -> None:
    start = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
    moments = [start + datetime.timedelta(microseconds=number) for number in range(3)]
    table = pa.table({"at": pa.array(moments, TIMESTAMP)})
    found = filters.read(f"at {word} 2026-03-01T00:00:00.0000015Z", KINDS, BERLIN, "at")
    assert table.filter(found.mask(table)).num_rows == rows


def test_an_offset_that_changes_within_the_rows() -> None:
    """Parts of a time are those of the business's clock, on the days on which it is changed, too."""
    moments = [datetime.datetime(2026, month, 1, tzinfo=datetime.UTC) + number * 15 * MINUTE
               for month in (3, 10) for number in range(31 * 96)]  # fmt: skip
    table = pa.table({"at": pa.array([*moments, None], TIMESTAMP)})
    shown = filters.local(table["at"], BERLIN).to_pylist()
    assert shown == [*(one.astimezone(BERLIN).replace(tzinfo=None) for one in moments), None]
