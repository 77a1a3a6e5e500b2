"""The freshness of an answer: when its rows were read and until when they are trusted, in the terms of HTTP."""

import datetime
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Self

import msgspec
import orjson

from upstream.call import Reading

_DAY = datetime.timedelta(days=1)
_SECOND = datetime.timedelta(seconds=1)
_READ_AT = attrgetter("read_at")
_UNTIL = attrgetter("until")


class Freshness(msgspec.Struct, frozen=True):
    """When the oldest and the newest rows of an answer were read, and when the first of them is checked again."""

    oldest: datetime.datetime
    newest: datetime.datetime
    until: datetime.datetime

    @classmethod
    def of(cls, readings: Sequence[Reading]) -> Self | None:
        """Return the freshness of rows with these readings; None if there are none."""
        if not readings:
            return None
        if len(readings) == 1:
            (one,) = readings
            return cls(one.read_at, one.read_at, one.until)
        moments = list(map(_READ_AT, readings))
        return cls(min(moments), max(moments), min(map(_UNTIL, readings)))

    def age(self, now: datetime.datetime) -> int:
        """Return the value of `Age`: whole seconds since the oldest row was read, rounded down."""
        return max((now - self.oldest) // _SECOND, 0)

    def lifetime(self, now: datetime.datetime) -> int:
        """Return the value of `max-age`. A cache subtracts `Age` from it and gets the remaining seconds."""
        return self.age(now) + max((self.until - now) // _SECOND, 0)


def described(readings: Iterable[Reading]) -> list[dict[str, Any]]:
    """Return for each report and range of days when the oldest row was read, and when it is checked next.

    Neighbouring days of one report form a range if both moments are the same. If the rows of a report have no day, its
    range has no days.
    """
    by_report: dict[str, set[Reading]] = {}
    for reading in readings:
        by_report.setdefault(reading.report, set()).add(reading)
    return [
        _describe(one)
        for report in sorted(by_report)
        for one in (*_timeless(by_report[report]), *_ranges(by_report[report]))
    ]


def text(readings: Iterable[Reading]) -> str:
    """Return the same list as JSON, for the metadata of files."""
    return orjson.dumps(described(readings)).decode()


def _timeless(readings: Iterable[Reading]) -> list[Reading]:
    found = [reading for reading in readings if reading.first is None or reading.last is None]
    return [_oldest(found)] if found else []


def _ranges(readings: Iterable[Reading]) -> list[Reading]:
    """Return the oldest readings of the days, in the longest possible ranges."""
    spans = [(one.first, one.last + _DAY, one) for one in readings if one.first is not None and one.last is not None]
    bounds = sorted({bound for first, end, _ in spans for bound in (first, end)})
    places: list[list[Reading]] = [[] for _ in bounds]
    for first, end, reading in spans:
        for place in range(bisect_left(bounds, first), bisect_left(bounds, end)):
            places[place].append(reading)
    found: list[Reading] = []
    for place, here in enumerate(places):
        if not here:
            continue
        one = msgspec.structs.replace(_oldest(here), first=bounds[place], last=bounds[place + 1] - _DAY)
        before = found[-1] if found else None
        if before is not None and before.last == bounds[place] - _DAY and _moments(before) == _moments(one):
            found[-1] = msgspec.structs.replace(before, last=one.last)
        else:
            found.append(one)
    return found


def _oldest(readings: Sequence[Reading]) -> Reading:
    return msgspec.structs.replace(min(readings, key=_READ_AT), until=min(map(_UNTIL, readings)))


def _moments(reading: Reading) -> tuple[datetime.datetime, datetime.datetime]:
    return reading.read_at, reading.until


def _describe(reading: Reading) -> dict[str, Any]:
    found: dict[str, Any] = {"report": reading.report}
    if reading.first is not None and reading.last is not None:
        found |= {"from": reading.first.isoformat(), "to": reading.last.isoformat()}
    return found | {"readAt": reading.read_at.isoformat(), "nextCheck": reading.until.isoformat()}
