"""Read and write many times of a column with tables of hours and quarters of an hour. `moment.py` reads the others."""

import datetime
import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

from upstream.values import moment

K = TypeVar("K")
V = TypeVar("V")

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_SECOND = 1_000_000
QUARTER = 900 * _SECOND
_LONG = range(2000, 2051)
_MOST = 100_000  # entries of a table: years of quarters
_FEW = 8  # texts of an hour: where there are fewer, each text is looked at
_BEYOND = "\U0010ffff"  # sorts after the rest of every text
_TENS = (14, 17)  # the places of the tens of minutes and seconds
_HOUR = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:")
_REST = re.compile(r"([0-5][0-9]):([0-5][0-9])(?:\.([0-9]{1,6}))?(Z?)")


class MixedForms(ValueError):
    """Say that a time is in no table and has to be read by itself."""


class TimeReader:
    """Read texts of one form: all with `Z`, or all without an offset, in a zone's local time.

    `hours[text[:14]] + rests[text[14:]]` are the microseconds of a text since 1970 UTC. Both raise `MixedForms` for a
    text of another form, and for an hour in which the clock changes.
    """

    def __init__(self, zone: ZoneInfo, suffix: str) -> None:
        self.hours = _Hours(zone, suffix)
        self.rests = _Rests(suffix)

    def read(self, texts: Sequence[str]) -> list[int]:
        """Return the microseconds since 1970 UTC. Raise `MixedForms` if one of the texts has to be read by itself."""
        hours, rests = self.hours, self.rests
        return [hours[text[:14]] + rests[text[14:]] for text in texts]

    def in_line(self, texts: Sequence[str]) -> bool:
        """Return whether all texts, which have one length, are readable, and sort like their times."""
        first, joined = texts[0], "".join(texts)
        try:
            self.rests[first[14:]]
            self._know_hours(sorted(texts))
        except MixedForms:
            return False
        if not joined.isascii():
            return False
        # After the hour all texts are like the first: the same signs in the same places, and digits in the others.
        for place in (10, *range(14, len(first))):
            sign, column = first[place], joined[place :: len(first)]
            if not sign.isdigit():
                if column != sign * len(texts):
                    return False
            elif place in _TENS:
                if column.strip("012345"):
                    return False
            elif not column.isdigit():
                return False
        return True

    def _know_hours(self, texts: Sequence[str]) -> None:
        """Look up the hour of each of some sorted texts. Raise `MixedForms`."""
        # Texts of one hour are neighbours, so most texts need not be looked at.
        start, most = 0, len(texts) // _FEW
        for _ in range(most):
            hour = texts[start][:14]
            self.hours[hour]
            start = bisect_right(texts, hour + _BEYOND, start)
            if start == len(texts):
                return
        for hour in {text[:14] for text in texts[start:]}:
            self.hours[hour]


class _Hours(dict[str, int]):
    def __init__(self, zone: ZoneInfo, suffix: str) -> None:
        super().__init__()
        self._zone = zone
        self._suffix = suffix

    def __missing__(self, text: str) -> int:
        if _HOUR.fullmatch(text) is None:
            raise MixedForms(text)
        first = moment.moment(f"{text}00:00{self._suffix}", self._zone)
        last = moment.moment(f"{text}59:59{self._suffix}", self._zone)
        # An hour that the clock shows twice, or only in part, has no single start.
        if not isinstance(first, int) or not isinstance(last, int) or last - first != 3599 * _SECOND:
            raise MixedForms(text)
        return _stored(self, text, first)


class _Rests(dict[str, int]):
    def __init__(self, suffix: str) -> None:
        super().__init__()
        self._suffix = suffix

    def __missing__(self, text: str) -> int:
        found = _REST.fullmatch(text)
        if found is None or found[4] != self._suffix:
            raise MixedForms(text)
        seconds = int(found[1]) * 60 + int(found[2])
        return _stored(self, text, seconds * _SECOND + int((found[3] or "").ljust(6, "0")))


class TimeWriter:
    """Write moments on the wall clock of a zone: `hours[m // QUARTER] + minutes[m // QUARTER][m % QUARTER]`.

    For whole seconds: `hours[s // 900] + seconds[s // 900][s % 900]`.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self.hours = _WrittenTimes(zone)
        self.minutes = _Quarters(self.hours)
        self.seconds = _Seconds(self.minutes)


class _WrittenTimes(dict[int, str]):
    """Hold the day and the hour of each quarter."""

    def __init__(self, zone: ZoneInfo) -> None:
        super().__init__()
        self._zone = zone
        self._tables: dict[tuple[int, str], _Rest] = {}

    def texts_of(self, quarter: int) -> tuple[str, "_Rest"]:
        """Return how the texts of a quarter begin, and a table of how they continue. Raise `MixedForms`."""
        try:
            first = (_EPOCH + datetime.timedelta(microseconds=quarter * QUARTER)).astimezone(self._zone)
            last = (_EPOCH + datetime.timedelta(microseconds=(quarter + 1) * QUARTER - 1)).astimezone(self._zone)
        except OverflowError:
            raise MixedForms(str(quarter)) from None
        if first.utcoffset() != last.utcoffset() or first.minute % 15 or first.second:
            raise MixedForms(str(quarter))
        text = first.isoformat()
        place = (first.minute, text[19:])
        if place not in self._tables:
            self._tables[place] = _Rest(*place)
        return text[:14], self._tables[place]

    def __missing__(self, quarter: int) -> str:
        return _stored(self, quarter, self.texts_of(quarter)[0])


class _Quarters(dict[int, "_Rest"]):
    def __init__(self, hours: _WrittenTimes) -> None:
        super().__init__()
        self._hours = hours

    def __missing__(self, quarter: int) -> "_Rest":
        return _stored(self, quarter, self._hours.texts_of(quarter)[1])


class _Rest(dict[int, str]):
    """Hold the text after the hour, for each moment of a quarter that begins at `minute`."""

    def __init__(self, minute: int, offset: str) -> None:
        super().__init__()
        self.minute = minute
        self.offset = offset
        self.seconds: dict[int, str] = {}  # the same by whole seconds, made when it is first needed

    def __missing__(self, rest: int) -> str:
        seconds, fraction = divmod(rest, _SECOND)
        text = f"{self.minute + seconds // 60:02}:{seconds % 60:02}"
        if fraction:
            return f"{text}.{fraction:06}{self.offset}"
        text = self[rest] = f"{text}{self.offset}"
        return text


class _Seconds(dict[int, dict[int, str]]):
    def __init__(self, minutes: _Quarters) -> None:
        super().__init__()
        self._minutes = minutes

    def __missing__(self, quarter: int) -> dict[int, str]:
        rest = self._minutes[quarter]
        # Quarters that continue in the same way share one table.
        found = rest.seconds
        if not found:
            found.update({second: rest[second * _SECOND] for second in range(900)})
        return _stored(self, quarter, found)


class Rewriter:
    """Write times of a `TimeReader` on the wall clock of a zone: `hours[text[:14]] + rests[text[:14]][text[14:]]`.

    Raises `MixedForms` for an hour that is not a whole one there.
    """

    def __init__(self, reader: TimeReader, writer: TimeWriter) -> None:
        self.hours = _HoursRewritten(reader, writer)
        self.rests = _RestsRewritten(self.hours)


class _HoursRewritten(dict[str, str]):
    def __init__(self, reader: TimeReader, writer: TimeWriter) -> None:
        super().__init__()
        self._reader = reader
        self._writer = writer
        self._tables: dict[str, _RestRewritten] = {}

    def texts_of(self, hour: str) -> tuple[str, "_RestRewritten"]:
        """Return how the texts of an hour begin, and a table of how they continue. Raise `MixedForms`."""
        first = self._reader.hours[hour] // QUARTER
        begins = {self._writer.hours[quarter] for quarter in range(first, first + 4)}
        offsets = {self._writer.minutes[quarter].offset for quarter in range(first, first + 4)}
        if len(begins) > 1 or len(offsets) > 1 or self._writer.minutes[first].minute:
            raise MixedForms(hour)
        (begin,), (offset,) = begins, offsets
        if offset not in self._tables:
            self._tables[offset] = _RestRewritten(self._reader.rests, offset)
        return begin, self._tables[offset]

    def __missing__(self, hour: str) -> str:
        return _stored(self, hour, self.texts_of(hour)[0])


class _RestsRewritten(dict[str, "_RestRewritten"]):
    def __init__(self, hours: _HoursRewritten) -> None:
        super().__init__()
        self._hours = hours

    def __missing__(self, hour: str) -> "_RestRewritten":
        return _stored(self, hour, self._hours.texts_of(hour)[1])


class _RestRewritten(dict[str, str]):
    """Hold the text after the hour, for each rest of a text."""

    def __init__(self, rests: _Rests, offset: str) -> None:
        super().__init__()
        self._rests = rests
        self._offset = offset

    def __missing__(self, rest: str) -> str:
        seconds, fraction = divmod(self._rests[rest], _SECOND)
        text = f"{seconds // 60:02}:{seconds % 60:02}"
        return _stored(self, rest, f"{text}.{fraction:06}{self._offset}" if fraction else f"{text}{self._offset}")


def _stored(table: dict[K, V], key: K, value: V) -> V:
    if len(table) >= _MOST:
        table.clear()
    table[key] = value
    return value


@lru_cache(maxsize=64)
def reader(zone: ZoneInfo, zulu: bool) -> TimeReader:
    """Return the reader of texts with `Z`, or of texts in a zone's local time."""
    return TimeReader(zone, "Z" if zulu else "")


@lru_cache(maxsize=64)
def writer(zone: ZoneInfo) -> TimeWriter:
    """Return the writer of a zone."""
    return TimeWriter(zone)


@lru_cache(maxsize=64)
def whole_hours(zone: ZoneInfo) -> bool:
    """Return whether a zone has been whole hours from UTC for long, so that its hours are those of the texts."""
    offsets = {datetime.datetime(year, month, 1, tzinfo=zone).utcoffset() for year in _LONG for month in (1, 7)}
    return all(offset is not None and offset.seconds % 3600 == 0 for offset in offsets)


@lru_cache(maxsize=64)
def rewriter(zone: ZoneInfo, zulu: bool, onto: ZoneInfo) -> Rewriter:
    """Return a writer that reads like `reader` and writes like the writer of `onto`."""
    return Rewriter(reader(zone, zulu), writer(onto))
