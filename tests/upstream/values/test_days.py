import datetime
import itertools
from zoneinfo import ZoneInfo

from upstream.values import days
from upstream.values.interval import Interval, SentFrame, resolve

MADRID = ZoneInfo("Europe/Madrid")
UTC = datetime.UTC


def at(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_an_interval_is_cut_at_the_midnights_of_the_zone() -> None:
    found = days.pieces(Interval(at("2026-03-28T12:00"), at("2026-03-30T12:00")), MADRID)
    assert [(str(piece.day), piece.whole) for piece in found] == [
        ("2026-03-28", False),
        ("2026-03-29", True),
        ("2026-03-30", False),
    ]
    assert found[1].interval == Interval(at("2026-03-28T23:00"), at("2026-03-29T22:00"))


def test_days_of_23_and_25_hours_are_as_long_as_they_are() -> None:
    for now, hours in (("2026-03-29T12:00", 23), ("2026-10-25T12:00", 25), ("2026-06-01T12:00", 24)):
        (piece,) = days.pieces(resolve(SentFrame.TODAY, at(now), MADRID), MADRID)
        assert piece.whole
        assert piece.interval.end - piece.interval.start == datetime.timedelta(hours=hours)


def test_pieces_leave_no_gap_and_a_day_that_never_was_is_none() -> None:
    samoa = ZoneInfo("Pacific/Apia")
    found = days.pieces(Interval(at("2011-12-29T00:00"), at("2012-01-02T00:00")), samoa)
    assert [str(piece.day) for piece in found] == ["2011-12-28", "2011-12-29", "2011-12-31", "2012-01-01", "2012-01-02"]
    assert all(before.interval.end == after.interval.start for before, after in itertools.pairwise(found))


def test_neighbours_run_together() -> None:
    assert days.runs([0, 1, 2, 5, 7, 8]) == [range(3), range(5, 6), range(7, 9)]
    assert days.runs([]) == []


def test_a_day_ends_by_its_own_clock() -> None:
    assert days.end(datetime.date(2026, 3, 29), MADRID) == at("2026-03-29T22:00")


def test_days_as_people_write_them() -> None:
    expected = [
        datetime.date(2026, 2, 28),
        datetime.date(2026, 3, 1),
        datetime.date(2026, 3, 2),
        datetime.date(2026, 3, 9),
    ]
    assert days.spans(tuple(expected)) == ("2026-02-28/2026-03-02", "2026-03-09")
    assert days.spans(()) == ()
