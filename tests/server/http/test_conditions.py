"""Conditional requests: entity tags in every form, and dates."""

import datetime

import pytest

from server.http import conditions

NOON = datetime.datetime(2026, 3, 15, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("header", "weak", "strong"),
    [
        (None, False, False),
        ("", False, False),
        ('"a"', True, True),
        ('W/"a"', True, False),
        ('"b", "a"', True, True),
        ('"b",W/"a"', True, False),
        ("*", True, True),
        (" * ", True, True),
        ('"A"', False, False),
        ('"b, a"', False, False),
        ("a", False, False),
        ('"a', False, False),
    ],
)
def test_entity_tags(header: str | None, weak: bool, strong: bool) -> None:
    assert conditions.names(header, '"a"') is weak
    assert conditions.names(header, '"a"', strong=True) is strong


def test_dates() -> None:
    assert conditions.date(NOON + datetime.timedelta(milliseconds=999)) == "Sun, 15 Mar 2026 12:00:00 GMT"
    assert conditions.date(NOON.astimezone(datetime.timezone(datetime.timedelta(hours=2)))) == conditions.date(NOON)
    assert conditions.moment(conditions.date(NOON)) == NOON
    for header in (None, "", "yesterday", "Sun, 99 Mar 2026 12:00:00 GMT"):
        assert conditions.moment(header) is None
