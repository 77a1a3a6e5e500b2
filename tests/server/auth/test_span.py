"""Spans of time as people write them."""

from datetime import timedelta

import pytest

from server.auth.span import span


def test_minutes_hours_and_days() -> None:
    assert [span(text) for text in ("30m", "12h", "90d")] == [
        timedelta(minutes=30),
        timedelta(hours=12),
        timedelta(days=90),
    ]


@pytest.mark.parametrize("text", ["", "1", "d", "0d", "-1d", "1.5h", "1w", "1 d", "1d ", "1D", "9999999d", "١d"])
def test_nothing_else(text: str) -> None:
    with pytest.raises(ValueError, match="allowed is a number of minutes, hours or days"):
        span(text)
