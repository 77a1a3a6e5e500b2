"""An instant as the upstream writes it: unix seconds, local time without an offset, or ISO 8601 (C15)."""

import datetime
import re
from collections.abc import Iterable
from zoneinfo import ZoneInfo

_SECONDS = re.compile(r"(-?[0-9]{1,12})(?:\.([0-9]{1,9}))?")
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_EPOCH = datetime.datetime(1970, 1, 1)
_MICROSECOND = datetime.timedelta(microseconds=1)
_SECOND = 1_000_000
# 0001-01-01 to 9999-12-31: what a calendar can show. Milliseconds taken for seconds fall outside.
FIRST, LAST = -62_135_596_800, 253_402_300_799
_NONE = ("", "0", "0000-00-00 00:00:00")


def is_none(value: int | str) -> bool:
    """Whether a value stands for "no time": what PHP and MySQL write for a game that is not over."""
    return value == 0 or value in _NONE


def moment(value: int | str, zone: ZoneInfo) -> int | datetime.datetime:
    """Microseconds since 1970-01-01 00:00 UTC; or the local time itself, where the clock showed it twice.

    Whole or fractional unix seconds (a number or its text), `Y-m-d H:i:s` in `zone`, ISO 8601 with `Z` or an offset.
    A local time that the clock skipped counts on from before the change. Raises ValueError for anything else.
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
    """Whether the clocks of `zone` show the local time `time` twice, as when summer time ends."""
    first, second = _offsets(time, zone)
    return first > second


def local(time: datetime.datetime, zone: ZoneInfo, fold: int = 0) -> int:
    """The local time `time` of `zone` in microseconds since 1970-01-01 00:00 UTC; `fold` 1 is its second showing."""
    return (time - _offsets(time, zone)[fold] - _EPOCH) // _MICROSECOND


def unfold(times: Iterable[int | datetime.datetime], zone: ZoneInfo) -> list[int]:
    """The instants of local times given in the order in which they happened.

    In the hour that the clock shows twice, a time is taken for the first showing, unless that would put it before
    its predecessor (by more than a minute, since two writers of a log may overtake one another): then for the second.
    """
    found: list[int] = []
    last = -(2**63)
    for time in times:
        if not isinstance(time, int):
            first = local(time, zone)
            time = first if first >= last - 60 * _SECOND else local(time, zone, fold=1)
        last = max(last, time)
        found.append(time)
    return found


def _offsets(time: datetime.datetime, zone: ZoneInfo) -> tuple[datetime.timedelta, datetime.timedelta]:
    """The offsets from UTC under which `zone` shows a local time: the first is the larger only where it shows twice."""
    first, second = zone.utcoffset(time.replace(tzinfo=zone)), zone.utcoffset(time.replace(tzinfo=zone, fold=1))
    assert first is not None
    assert second is not None
    return first, second


def _unix(seconds: int) -> int:
    if not FIRST <= seconds <= LAST:
        raise ValueError("is not a time in unix seconds")
    return seconds
