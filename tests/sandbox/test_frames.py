from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.clock import Clock
from sandbox.errors import ReportError
from sandbox.frames import NAMED, resolve


def frame(clock: Clock, **params: str) -> tuple[str, str]:
    start, end = resolve("timestamp", {f"timestamp{name}": value for name, value in params.items()}, clock)
    return clock.local(start), clock.local(end)


def clock(now: str = "2026-03-15T12:00:00", zone: str = "UTC") -> Clock:
    timezone = ZoneInfo(zone)
    return Clock(timezone, int(datetime.fromisoformat(now).replace(tzinfo=timezone).timestamp()))


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("today", "2026-03-15", "2026-03-15"),
        ("yesterday", "2026-03-14", "2026-03-14"),
        ("this_week", "2026-03-09", "2026-03-15"),
        ("last_week", "2026-03-02", "2026-03-08"),
        ("this_month", "2026-03-01", "2026-03-31"),
        ("last_month", "2026-02-01", "2026-02-28"),
        ("this_year", "2026-01-01", "2026-12-31"),
    ],
)
def test_named_frames_cover_whole_days_and_weeks_start_on_monday(name: str, first: str, last: str) -> None:
    assert frame(clock(), **{"": name}) == (f"{first} 00:00:00", f"{last} 23:59:59")


def test_last_month_of_a_leap_year_has_29_days() -> None:
    assert frame(clock("2028-03-31T00:00:00"), **{"": "last_month"})[1] == "2028-02-29 23:59:59"


@pytest.mark.parametrize(
    ("bounds", "first", "last"),
    [
        (("2019-08-23", "2019-11-22"), "2019-08-23 00:00:00", "2019-11-22 23:59:59"),
        (("2019-08-23", "1574467200"), "2019-08-23 00:00:00", "2019-11-23 23:59:59"),
        (("1574467199", "1574467199"), "2019-11-22 00:00:00", "2019-11-22 23:59:59"),
    ],
)
def test_a_range_includes_both_end_days_by_date_or_by_unix_second(
    bounds: tuple[str, str], first: str, last: str
) -> None:
    assert frame(clock(), **{"": "range", "_range_from": bounds[0], "_range_to": bounds[1]}) == (first, last)


def test_a_datetime_range_is_one_interval_to_the_second() -> None:
    found = frame(
        clock(),
        **{
            "": "datetime_range",
            "_range_from": "2019-08-23",
            "_range_to": "2019-08-27",
            "_range_from_time": "09:45:00",
            "_range_to_time": "21:15:30",
        },
    )
    assert found == ("2019-08-23 09:45:00", "2019-08-27 21:15:30")


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-07-01", 24)])
def test_days_of_23_and_25_hours(day: str, hours: int) -> None:
    start, end = resolve("d", {"d": "today"}, clock(f"{day}T12:00:00", "Europe/Madrid"))
    assert end + 1 - start == hours * 3600


@pytest.mark.parametrize(
    "params",
    [
        {"": "tomorrow"},
        {"": "range"},
        {"": "range", "_range_from": "2019-08-23"},
        {"": "range", "_range_from": "2019-02-29", "_range_to": "2019-03-01"},
        {"": "range", "_range_from": "2019-8-1", "_range_to": "2019-09-01"},
        {"": "range", "_range_from": "2019-09-02", "_range_to": "2019-09-01"},
        {"": "range", "_range_from": "-5", "_range_to": "2019-09-01"},
        {"": "range", "_range_from": "2019-09-01", "_range_to": "999999999999"},
        {"": "datetime_range", "_range_from": "2019-09-01", "_range_to": "2019-09-01"},
        {
            "": "datetime_range",
            "_range_from": "2019-09-01",
            "_range_to": "2019-09-01",
            "_range_from_time": "10:00:00",
            "_range_to_time": "24:00:00",
        },
    ],
)
def test_everything_else_is_an_invalid_date(params: dict[str, str]) -> None:
    with pytest.raises(ReportError, match="10012"):
        frame(clock(), **params)


@given(
    st.datetimes(datetime(2001, 1, 1), datetime(2100, 1, 1)),
    st.sampled_from(["UTC", "Europe/Madrid", "America/Sao_Paulo", "Pacific/Apia"]),
)
def test_named_frames_begin_and_end_at_midnight_and_join_up(moment: datetime, zone: str) -> None:
    there = clock(moment.isoformat(), zone)
    frames = {name: resolve("d", {"d": name}, there) for name in NAMED}
    assert frames["yesterday"][1] + 1 == frames["today"][0]
    assert frames["last_week"][1] + 1 == frames["this_week"][0]
    assert frames["last_month"][1] + 1 == frames["this_month"][0]
    for start, end in frames.values():
        assert there.day_of(start) != there.day_of(start - 1)
        assert there.day_of(end) != there.day_of(end + 1)
