"""The day and the hour of a moment, and the part of the calendar that contains a day."""

import datetime
from zoneinfo import ZoneInfo

import pytest

from upstream.values.calendar import CalendarUnit, day_of, hour_of, span

HOUR = 3_600_000_000
MADRID = ZoneInfo("Europe/Madrid")
KATHMANDU = ZoneInfo("Asia/Kathmandu")  # UTC+05:45
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # its summer time is half an hour


def at(text: str) -> int:
    """Return a moment in microseconds."""
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return (datetime.datetime.fromisoformat(text) - epoch) // datetime.timedelta(microseconds=1)


def hours(first: str, last: str, zone: ZoneInfo, step: int = 60_000_000) -> list[tuple[str, int]]:
    """Return the hours between two moments, as clocks show their starts, each with its minutes."""
    found: dict[int, int] = {}
    for moment in range(at(first), at(last), step):
        start = hour_of(zone)(moment)
        found[start] = found.get(start, 0) + 1
    zoned = [datetime.datetime.fromtimestamp(start // 1_000_000, zone).isoformat() for start in found]
    return list(zip(zoned, found.values(), strict=True))


@pytest.mark.parametrize(
    ("first", "last", "day", "count"),
    [
        ("2026-03-28T23:00:00+00:00", "2026-03-29T22:00:00+00:00", datetime.date(2026, 3, 29), 23),
        ("2026-10-24T22:00:00+00:00", "2026-10-25T23:00:00+00:00", datetime.date(2026, 10, 25), 25),
        ("2026-03-14T23:00:00+00:00", "2026-03-15T23:00:00+00:00", datetime.date(2026, 3, 15), 24),
    ],
)
def test_a_day_has_as_many_hours_as_its_clock(first: str, last: str, day: datetime.date, count: int) -> None:
    found = hours(first, last, MADRID)
    assert [minutes for _, minutes in found] == [60] * count
    assert {day_of(MADRID)(moment) for moment in range(at(first), at(last), HOUR // 4)} == {day}
    assert day_of(MADRID)(at(first) - 1) == day - datetime.timedelta(days=1)
    assert day_of(MADRID)(at(last)) == day + datetime.timedelta(days=1)


def test_the_repeated_hour_is_two_hours() -> None:
    found = hours("2026-10-25T00:00:00+00:00", "2026-10-25T02:00:00+00:00", MADRID)
    assert found == [("2026-10-25T02:00:00+02:00", 60), ("2026-10-25T02:00:00+01:00", 60)]


def test_an_offset_may_have_quarters() -> None:
    found = hours("2026-03-15T00:00:00+00:00", "2026-03-15T01:15:00+00:00", KATHMANDU)
    assert found == [("2026-03-15T05:00:00+05:45", 15), ("2026-03-15T06:00:00+05:45", 60)]


def test_a_change_by_half_an_hour_is_in_no_hour_twice() -> None:
    found = hours("2026-04-04T14:00:00+00:00", "2026-04-04T16:30:00+00:00", LORD_HOWE)
    assert found == [
        ("2026-04-05T01:00:00+11:00", 60),
        ("2026-04-05T01:30:00+10:30", 30),
        ("2026-04-05T02:00:00+10:30", 60),
    ]


@pytest.mark.parametrize(
    ("unit", "day", "first", "last"),
    [
        (CalendarUnit.DAY, "2026-02-28", "2026-02-28", "2026-02-28"),
        (CalendarUnit.WEEK, "2026-03-01", "2026-02-23", "2026-03-01"),
        (CalendarUnit.WEEK, "2026-03-02", "2026-03-02", "2026-03-08"),
        (CalendarUnit.MONTH, "2024-02-10", "2024-02-01", "2024-02-29"),
        (CalendarUnit.YEAR, "2026-07-01", "2026-01-01", "2026-12-31"),
    ],
)
def test_a_day_lies_in_a_part_of_the_calendar(unit: CalendarUnit, day: str, first: str, last: str) -> None:
    found = span(datetime.date.fromisoformat(day), unit)
    assert [each.isoformat() for each in found] == [first, last]
