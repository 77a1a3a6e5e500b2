"""Times read and written by tables of hours and quarters of an hour, for columns of many: the rest is `moment.py`'s."""

import datetime
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

from upstream import moment

K = TypeVar("K")
V = TypeVar("V")

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_SECOND = 1_000_000
QUARTER = 900 * _SECOND
_MOST = 100_000  # entries of a table: years of quarters
_HOUR = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:")
_MINUTE = re.compile(r"([0-5][0-9]):([0-5][0-9])")
_REST = re.compile(r"(?:\.([0-9]{1,6}))?(Z?)")


class Uneven(ValueError):
    """A time that no table tells: it is to be looked at by itself."""


class Reader:
    """Reads texts of one shape: all with `Z`, or all without an offset, in a zone's local time."""

    def __init__(self, zone: ZoneInfo, suffix: str) -> None:
        self._hours = _Hours(zone, suffix)
        self._rests = _Rests(suffix)

    def read(self, texts: Sequence[str]) -> list[int]:
        """Microseconds since 1970 UTC. Raises `Uneven` if one of the texts has to be looked at by itself."""
        hours, minutes, rests = self._hours, _MINUTES, self._rests
        return [hours[text[:14]] + minutes[text[14:19]] + rests[text[19:]] for text in texts]


class _Hours(dict[str, int]):
    def __init__(self, zone: ZoneInfo, suffix: str) -> None:
        super().__init__()
        self._zone = zone
        self._suffix = suffix

    def __missing__(self, text: str) -> int:
        if _HOUR.fullmatch(text) is None:
            raise Uneven(text)
        first = moment.moment(f"{text}00:00{self._suffix}", self._zone)
        last = moment.moment(f"{text}59:59{self._suffix}", self._zone)
        # An hour that the clock shows twice, or not as a whole, is none to count on from.
        if not isinstance(first, int) or not isinstance(last, int) or last - first != 3599 * _SECOND:
            raise Uneven(text)
        return _kept(self, text, first)


class _Minutes(dict[str, int]):
    def __missing__(self, text: str) -> int:
        found = _MINUTE.fullmatch(text)
        if found is None:
            raise Uneven(text)
        return _kept(self, text, (int(found[1]) * 60 + int(found[2])) * _SECOND)


class _Rests(dict[str, int]):
    def __init__(self, suffix: str) -> None:
        super().__init__()
        self._suffix = suffix

    def __missing__(self, text: str) -> int:
        found = _REST.fullmatch(text)
        if found is None or found[2] != self._suffix:
            raise Uneven(text)
        return _kept(self, text, int((found[1] or "").ljust(6, "0")))


_MINUTES = _Minutes()


class Writer:
    """Writes moments on the wall clock of a zone: `hours[m // QUARTER] + minutes[m // QUARTER][m % QUARTER]`."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.hours = _Written(zone)
        self.minutes = _Quarters(self.hours)


class _Written(dict[int, str]):
    """The day and the hour of each quarter."""

    def __init__(self, zone: ZoneInfo) -> None:
        super().__init__()
        self._zone = zone
        self._tables: dict[tuple[int, str], _Rest] = {}

    def told(self, quarter: int) -> tuple[str, "_Rest"]:
        """How the texts of a quarter begin, and a table of how they go on. Raises `Uneven`."""
        try:
            first = (_EPOCH + datetime.timedelta(microseconds=quarter * QUARTER)).astimezone(self._zone)
            last = (_EPOCH + datetime.timedelta(microseconds=(quarter + 1) * QUARTER - 1)).astimezone(self._zone)
        except OverflowError:
            raise Uneven(str(quarter)) from None
        if first.utcoffset() != last.utcoffset() or first.minute % 15 or first.second:
            raise Uneven(str(quarter))
        text = first.isoformat()
        place = (first.minute, text[19:])
        if place not in self._tables:
            self._tables[place] = _Rest(*place)
        return text[:14], self._tables[place]

    def __missing__(self, quarter: int) -> str:
        return _kept(self, quarter, self.told(quarter)[0])


class _Quarters(dict[int, "_Rest"]):
    def __init__(self, hours: _Written) -> None:
        super().__init__()
        self._hours = hours

    def __missing__(self, quarter: int) -> "_Rest":
        return _kept(self, quarter, self._hours.told(quarter)[1])


class _Rest(dict[int, str]):
    """What follows the hour, for each moment of a quarter that begins at `minute`."""

    def __init__(self, minute: int, offset: str) -> None:
        super().__init__()
        self._minute = minute
        self._offset = offset

    def __missing__(self, rest: int) -> str:
        seconds, fraction = divmod(rest, _SECOND)
        text = f"{self._minute + seconds // 60:02}:{seconds % 60:02}"
        if fraction:
            return f"{text}.{fraction:06}{self._offset}"
        text = self[rest] = f"{text}{self._offset}"
        return text


def _kept(table: dict[K, V], key: K, value: V) -> V:
    if len(table) >= _MOST:
        table.clear()
    table[key] = value
    return value


@lru_cache(maxsize=64)
def reader(zone: ZoneInfo, zulu: bool) -> Reader:
    """The reader of texts with `Z`, or of those in a zone's local time."""
    return Reader(zone, "Z" if zulu else "")


@lru_cache(maxsize=64)
def writer(zone: ZoneInfo) -> Writer:
    """The writer of a zone."""
    return Writer(zone)
