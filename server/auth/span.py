"""Read a span of time that a person typed: `90d`, `12h`, `30m`."""

import re
from datetime import timedelta

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_SPAN = re.compile(r"([1-9][0-9]{0,5})([mhd])")


def span(text: str) -> timedelta:
    """Return the time of a text. Raises ValueError, which says what is allowed."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f"is {text[:20]!r}; allowed is a number of minutes, hours or days: 30m, 12h, 90d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
