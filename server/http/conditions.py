"""Conditional requests (RFC 9110, section 13): compare a header with the representation that would be sent."""

import datetime
import re
from email.utils import format_datetime, parsedate_to_datetime

_TAG = re.compile(r'(W/)?("[^"]*")')


def names(header: str | None, tag: str, *, strong: bool = False) -> bool:
    """Return whether a list of entity tags, or `*`, contains this tag. A `strong` comparison ignores weak tags."""
    if header is None:
        return False
    if header.strip() == "*":
        return True
    return any(found == tag and not (strong and weak) for weak, found in _TAG.findall(header))


def moment(header: str | None) -> datetime.datetime | None:
    """Return the moment of an HTTP date; None if it is missing or cannot be read."""
    try:
        found = parsedate_to_datetime(header) if header else None
    except (ValueError, OverflowError):
        return None
    if found is None:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=datetime.UTC)


def date(moment: datetime.datetime) -> str:
    """Return a moment as an HTTP date, in whole seconds."""
    return format_datetime(moment.astimezone(datetime.UTC), usegmt=True)
