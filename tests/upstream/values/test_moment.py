"""Times as the upstreams write them (C15)."""

import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upstream.values.moment import moment, repeated, twice

UTC = ZoneInfo("UTC")
MADRID = ZoneInfo("Europe/Madrid")
NEW_YORK = ZoneInfo("America/New_York")
ZONES = st.sampled_from([ZoneInfo(name) for name in ("UTC", "Europe/Madrid", "America/New_York", "Asia/Kolkata",
                                                     "America/Santiago", "Australia/Lord_Howe")])  # fmt: skip
TIMES = st.datetimes(datetime.datetime(1971, 1, 1), datetime.datetime(2099, 1, 1))


def micros(text: str) -> int:
    return round(datetime.datetime.fromisoformat(text).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("wire", "meant"),
    [
        (1574351555, "2019-11-21T15:52:35+00:00"),
        ("1574351555", "2019-11-21T15:52:35+00:00"),
        ("2022-08-18 15:28:42", "2022-08-18T15:28:42+02:00"),
        ("2022-01-18 15:28:42", "2022-01-18T15:28:42+01:00"),
        ("2021-09-17T12:50:42.000Z", "2021-09-17T12:50:42+00:00"),
        ("2021-09-17T12:50:42Z", "2021-09-17T12:50:42+00:00"),
        ("2021-09-17T12:50:42+05:30", "2021-09-17T12:50:42+05:30"),
        ("2021-09-17T12:50:42-0300", "2021-09-17T12:50:42-03:00"),
        ("2021-09-17T12:50:42", "2021-09-17T12:50:42+02:00"),
        # a time that the clock skipped counts on from before the change
        ("2024-03-31 02:30:00", "2024-03-31T03:30:00+02:00"),
    ],
)
def test_c15_each_way_of_writing_a_time(wire: int | str, meant: str) -> None:
    assert moment(wire, MADRID) == micros(meant)


def test_c15_fractions_of_a_second_are_kept_to_the_microsecond() -> None:
    assert moment("2021-09-17T12:50:42.123Z", UTC) == micros("2021-09-17T12:50:42+00:00") + 123_000
    assert moment("1574351555.25", UTC) == 1574351555_250_000
    assert moment("-1.5", UTC) == -1_500_000


@pytest.mark.parametrize(
    "wire",
    ["yesterday", "2022-08-18", "2022-13-18 00:00:00", "2022-02-30 00:00:00", "2022-08-18 24:00:00", "18/08/2022",
     "2022-08-18 15:28", "2021-W01-1T00:00:00Z", "20210917T125042Z", "1e9", " 1574351555", "1574351555000",
     1574351555000, 10**30, "0001-01-01T00:00:00+14:00x", "2022-08-18 15:28:42 CET"],
)  # fmt: skip
def test_c15_anything_else_is_refused(wire: int | str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        moment(wire, MADRID)


def test_an_hour_shown_twice_is_left_to_the_neighbours() -> None:
    again = datetime.datetime(2024, 10, 27, 2, 30)
    assert twice(again, MADRID)
    assert moment("2024-10-27 02:30:00", MADRID) == again


def test_c29_an_hour_shown_twice_is_one_stretch_of_both_showings() -> None:
    day = [datetime.datetime(2024, 10, 27, tzinfo=MADRID), datetime.datetime(2024, 10, 28, tzinfo=MADRID)]
    both = ((micros("2024-10-27T02:00:00+02:00"), micros("2024-10-27T03:00:00+01:00")),)
    assert repeated(*day, MADRID) == both
    # An interval that touches one of the showings.
    assert repeated(day[0].replace(hour=2, minute=59), day[0].replace(hour=2, minute=59, second=1), MADRID) == both
    assert repeated(day[0], day[0].replace(hour=2), MADRID) == ()
    assert repeated(day[0].replace(hour=3), day[1], MADRID) == ()
    assert repeated(*day, UTC) == ()


@given(TIMES, ZONES)
def test_c29_what_the_clock_shows_twice_lies_in_such_a_stretch(time: datetime.datetime, zone: ZoneInfo) -> None:
    instant = time.replace(microsecond=0, tzinfo=datetime.UTC)
    wall = instant.astimezone(zone).replace(tzinfo=None, fold=0)
    at = int(instant.timestamp()) * 1_000_000
    found = repeated(instant, instant + datetime.timedelta(seconds=1), zone)
    assert any(first <= at < last for first, last in found) == twice(wall, zone)


@given(TIMES, ZONES)
def test_every_way_of_writing_an_instant_is_the_same_instant(time: datetime.datetime, zone: ZoneInfo) -> None:
    instant = time.replace(microsecond=0, tzinfo=datetime.UTC)
    seconds = int(instant.timestamp())
    meant = seconds * 1_000_000
    assert moment(seconds, zone) == moment(str(seconds), zone) == meant
    assert moment(f"{instant:%Y-%m-%dT%H:%M:%S}.000Z", zone) == meant
    assert moment(instant.astimezone(zone).isoformat(), zone) == meant
    naive = moment(f"{instant.astimezone(zone):%Y-%m-%d %H:%M:%S}", zone)
    assert not isinstance(naive, int) or naive == meant
