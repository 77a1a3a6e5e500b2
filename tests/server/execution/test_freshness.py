"""The freshness of an answer: the figures of HTTP, and the list of reports and days."""

import datetime

from server.execution.freshness import Freshness, described
from upstream.call import Reading

NOON = datetime.datetime(2026, 3, 15, 12, tzinfo=datetime.UTC)


def second(number: float) -> datetime.datetime:
    return NOON + datetime.timedelta(seconds=number)


def day(number: int) -> datetime.date:
    return datetime.date(2026, 3, number)


def reading(report: str, first: int | None, last: int | None, read_at: float, until: float) -> Reading:
    days = (None if first is None else day(first), None if last is None else day(last))
    return Reading(report, *days, second(read_at), second(until))


def test_the_oldest_row_is_the_age_and_the_first_check_ends_the_trust() -> None:
    fresh = Freshness.of([reading("R5", 1, 2, -9.5, 30.2), reading("R8", None, None, -2, 5.9)])
    assert fresh == Freshness(second(-9.5), second(-2), second(5.9))
    assert (fresh.age(NOON), fresh.lifetime(NOON)) == (9, 9 + 5)
    assert (fresh.age(second(6)), fresh.lifetime(second(6))) == (15, 15)  # there is no trust left
    assert fresh.age(second(-20)) == 0  # a clock that was set back
    assert Freshness.of([]) is None


def test_each_report_and_range_of_days_is_listed_once() -> None:
    readings = [
        reading("R5", 1, 2, 0, 60),
        reading("R5", 3, 3, 0, 60),  # a neighbour, read together
        reading("R5", 4, 5, 1, 60),  # a neighbour, read later
        reading("R5", 5, 5, 9, 50),  # the same day again: the older row and the earlier check count
        reading("R5", 8, 8, 0, 60),
        reading("R5", 8, 8, 0, 60),
        reading("R8", None, None, 2, 7),
        reading("R8", None, None, 1, 9),
    ]
    expected = [
        {"report": "R5", "from": "2026-03-01", "to": "2026-03-03", "readAt": second(0), "nextCheck": second(60)},
        {"report": "R5", "from": "2026-03-04", "to": "2026-03-04", "readAt": second(1), "nextCheck": second(60)},
        {"report": "R5", "from": "2026-03-05", "to": "2026-03-05", "readAt": second(1), "nextCheck": second(50)},
        {"report": "R5", "from": "2026-03-08", "to": "2026-03-08", "readAt": second(0), "nextCheck": second(60)},
        {"report": "R8", "readAt": second(1), "nextCheck": second(7)},
    ]
    written = [
        {key: value.isoformat() if isinstance(value, datetime.datetime) else value for key, value in one.items()}
        for one in expected
    ]
    for some in (readings, readings[::-1], readings[3:] + readings[:3]):
        assert described(some) == written
    assert described([]) == []
