"""Read an instant in the forms of the upstream: unix seconds, local time without an offset, or ISO 8601 (C15)."""

import datetime
import re
from functools import lru_cache
from zoneinfo import ZoneInfo

_SECONDS = re.compile(r"(-?[0-9]{1,12})(?:\.([0-9]{1,9}))?")
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_EPOCH = datetime.datetime(1970, 1, 1)
_MICROSECOND = datetime.timedelta(microseconds=1)
_SECOND = 1_000_000
_DAY = datetime.timedelta(days=1)
# 0001-01-01 to 9999-12-31, the range of the calendar. Milliseconds read as seconds are outside.
FIRST, LAST = -62_135_596_800, 253_402_300_799
_NONE = ("", "0", "0000-00-00 00:00:00")


def is_none(value: int | str) -> bool:
    """Return whether a value means "no time". PHP and MySQL write such values for a game that is not over."""
    return value == 0 or value in _NONE


def moment(value: int | str, zone: ZoneInfo) -> int | datetime.datetime:
    """Return microseconds since 1970-01-01 00:00 UTC, or the local time itself if the clock showed it twice.

    Accept whole or fractional unix seconds (a number or its text), `Y-m-d H:i:s` in `zone`, ISO 8601 with `Z` or an
    offset. A local time that the clock skipped continues the time before the change. Raise ValueError for others.
    """
    if isinstance(value, int):
        return _unix(value) * _SECOND
    if (seconds := _SECONDS.fullmatch(value)) is not None:
        whole, fraction = seconds.groups()
        part = int((fraction or "").ljust(6, "0")[:6])
        return _unix(int(whole)) * _SECOND + (-part if whole.startswith("-") else part)
    shape = _ISO.fullmatch(value)
    if shape is None:
        raise ValueError("is not a time")
    try:
        time = datetime.datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("is not a time") from None
    try:
        if shape[1] is not None:
            offset = time.utcoffset()
            assert offset is not None
            return (time.replace(tzinfo=None) - offset - _EPOCH) // _MICROSECOND
        first, second = _offsets(time, zone)
        return time if first > second else (time - first - _EPOCH) // _MICROSECOND
    except OverflowError:
        raise ValueError("is not a time") from None


def twice(time: datetime.datetime, zone: ZoneInfo) -> bool:
    """Return whether the clocks of `zone` show the local time `time` twice, as at the end of summer time."""
    first, second = _offsets(time, zone)
    return first > second


def local(time: datetime.datetime, zone: ZoneInfo, fold: int = 0) -> int:
    """Return the local time of `zone` in microseconds since 1970-01-01 00:00 UTC. `fold` 1 is its second showing."""
    return (time - _offsets(time, zone)[fold] - _EPOCH) // _MICROSECOND


@lru_cache(maxsize=4096)
def repeated(start: datetime.datetime, end: datetime.datetime, zone: ZoneInfo) -> tuple[tuple[int, int], ...]:
    """Return the periods that the clocks of `zone` show twice and that touch an interval, each with both showings.

    They are half-open, in microseconds since 1970-01-01 00:00 UTC.
    """
    found = []
    first, last = (time.astimezone(datetime.UTC) for time in (start - 2 * _DAY, end + 2 * _DAY))
    for day in range((last - first) // _DAY + 1):
        before, after = first + day * _DAY, first + (day + 1) * _DAY
        gap = _offset(before, zone) - _offset(after, zone)
        if gap <= datetime.timedelta(0):
            continue
        while after - before > datetime.timedelta(seconds=1):
            middle = before + (after - before) // 2
            before, after = (middle, after) if _offset(middle, zone) == _offset(before, zone) else (before, middle)
        change = after.replace(microsecond=0)
        if change - gap < end and change + gap > start:
            found.append((_since_epoch(change - gap), _since_epoch(change + gap)))
    return tuple(found)


def _offset(time: datetime.datetime, zone: ZoneInfo) -> datetime.timedelta:
    offset = time.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def _since_epoch(time: datetime.datetime) -> int:
    return (time.astimezone(datetime.UTC).replace(tzinfo=None) - _EPOCH) // _MICROSECOND


def _offsets(time: datetime.datetime, zone: ZoneInfo) -> tuple[datetime.timedelta, datetime.timedelta]:
    """Return the two offsets from UTC of a local time in `zone`. The first is larger only if the time occurs twice."""
    first, second = zone.utcoffset(time.replace(tzinfo=zone)), zone.utcoffset(time.replace(tzinfo=zone, fold=1))
    assert first is not None
    assert second is not None
    return first, second


def _unix(seconds: int) -> int:
    if not FIRST <= seconds <= LAST:
        raise ValueError("is not a time in unix seconds")
    return seconds
