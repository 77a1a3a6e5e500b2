"""Time frames and days: no gap, no overlap, whatever the clocks do (C4)."""

import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upstream.values.interval import Interval, SentFrame, dates, midnight, resolve

# The last three change their clocks at midnight, or to it; Apia once left out a whole day.
NAMES = ["UTC", "Europe/Madrid", "America/New_York", "Asia/Beirut", "America/Santiago", "America/Havana",
         "Pacific/Apia", "Australia/Lord_Howe"]  # fmt: skip
ZONES = st.sampled_from([ZoneInfo(name) for name in NAMES])
DAYS = st.dates(datetime.date(1975, 1, 1), datetime.date(2037, 12, 31))
DAY = datetime.timedelta(days=1)


def utc(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)


@pytest.mark.parametrize(
    ("frame", "first", "until"),
    [
        (SentFrame.TODAY, "2024-02-29T00:00+01:00", "2024-03-01T00:00+01:00"),
        (SentFrame.YESTERDAY, "2024-02-28T00:00+01:00", "2024-02-29T00:00+01:00"),
        (SentFrame.THIS_WEEK, "2024-02-26T00:00+01:00", "2024-03-01T00:00+01:00"),
        (SentFrame.LAST_WEEK, "2024-02-19T00:00+01:00", "2024-02-26T00:00+01:00"),
        (SentFrame.THIS_MONTH, "2024-02-01T00:00+01:00", "2024-03-01T00:00+01:00"),
        (SentFrame.LAST_MONTH, "2024-01-01T00:00+01:00", "2024-02-01T00:00+01:00"),
        (SentFrame.THIS_YEAR, "2024-01-01T00:00+01:00", "2024-03-01T00:00+01:00"),
    ],
)
def test_c04_frames_on_the_29th_of_february(frame: SentFrame, first: str, until: str) -> None:
    now = utc("2024-02-29T23:59:59+01:00")
    assert resolve(frame, now, ZoneInfo("Europe/Madrid")) == Interval(utc(first), utc(until))


@pytest.mark.parametrize(
    ("frame", "first", "until"),
    [
        (SentFrame.TODAY, "2025-01-01T00:00-05:00", "2025-01-02T00:00-05:00"),
        (SentFrame.YESTERDAY, "2024-12-31T00:00-05:00", "2025-01-01T00:00-05:00"),
        (SentFrame.THIS_WEEK, "2024-12-30T00:00-05:00", "2025-01-02T00:00-05:00"),
        (SentFrame.LAST_MONTH, "2024-12-01T00:00-05:00", "2025-01-01T00:00-05:00"),
        (SentFrame.THIS_YEAR, "2025-01-01T00:00-05:00", "2025-01-02T00:00-05:00"),
    ],
)
def test_c04_frames_at_the_turn_of_the_year(frame: SentFrame, first: str, until: str) -> None:
    now = utc("2025-01-01T00:00:00-05:00")
    assert resolve(frame, now, ZoneInfo("America/New_York")) == Interval(utc(first), utc(until))


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Madrid", "2024-03-31", 23),
        ("Europe/Madrid", "2024-10-27", 25),
        ("America/New_York", "2024-03-10", 23),
        ("America/New_York", "2024-11-03", 25),
        ("Asia/Beirut", "2024-03-31", 23),
        ("Asia/Beirut", "2024-10-26", 25),
        ("America/Santiago", "2024-09-08", 23),
        ("America/Santiago", "2024-04-06", 25),
        ("America/Havana", "2024-11-03", 25),
        ("Pacific/Apia", "2011-12-30", 0),
        ("UTC", "2024-03-31", 24),
    ],
)
def test_c04_a_day_is_as_long_as_its_clock_says(zone: str, day: str, hours: int) -> None:
    date = datetime.date.fromisoformat(day)
    found = dates(date, date, ZoneInfo(zone))
    assert found.end - found.start == datetime.timedelta(hours=hours)


def test_where_midnight_is_skipped_a_day_begins_at_one() -> None:
    first = midnight(datetime.date(2024, 9, 8), ZoneInfo("America/Santiago"))
    assert first.astimezone(ZoneInfo("America/Santiago")).isoformat() == "2024-09-08T01:00:00-03:00"


def test_a_range_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="is after the last"):
        dates(datetime.date(2024, 1, 2), datetime.date(2024, 1, 1), ZoneInfo("UTC"))


@given(DAYS, ZONES)
def test_days_tile_without_gap_or_overlap(day: datetime.date, zone: ZoneInfo) -> None:
    today, tomorrow = dates(day, day, zone), dates(day + DAY, day + DAY, zone)
    assert today.end == tomorrow.start
    assert today.start.tzinfo is today.end.tzinfo is datetime.UTC
    if today.start < today.end:
        assert today.start.astimezone(zone).date() == day
        assert (today.end - datetime.timedelta(microseconds=1)).astimezone(zone).date() == day
        assert (today.start - datetime.timedelta(microseconds=1)).astimezone(zone).date() < day


@given(st.datetimes(datetime.datetime(1980, 1, 1), datetime.datetime(2037, 1, 1)), ZONES)
def test_frames_meet_and_hold_now(moment: datetime.datetime, zone: ZoneInfo) -> None:
    now = moment.replace(tzinfo=datetime.UTC)
    found = {frame: resolve(frame, now, zone) for frame in SentFrame}
    for frame in (SentFrame.TODAY, SentFrame.THIS_WEEK, SentFrame.THIS_MONTH, SentFrame.THIS_YEAR):
        assert found[frame].start <= now < found[frame].end
        assert found[frame].end == found[SentFrame.TODAY].end
    assert found[SentFrame.YESTERDAY].end == found[SentFrame.TODAY].start
    assert found[SentFrame.LAST_WEEK].end == found[SentFrame.THIS_WEEK].start
    assert found[SentFrame.LAST_MONTH].end == found[SentFrame.THIS_MONTH].start
    assert found[SentFrame.LAST_WEEK].start.astimezone(zone).weekday() == 0
    assert found[SentFrame.LAST_MONTH].start.astimezone(zone).day == 1
