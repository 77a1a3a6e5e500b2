"""Sets of days on which a condition can be true or false, and the days of a comparison.

A set is a number with one bit for each day of the calendar, so `&`, `|` and `^ ALL` are intersection, union and
complement. The first bit means all days before the calendar, the last bit all days after it. A set with one of them is
unbounded on that side.

Both sets of a condition may be too large, but never too small. So no row is lost when other days are not read.
"""

import datetime
import operator
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from upstream.values.interval import midnight

FIRST = datetime.date(1970, 1, 1)
LAST = datetime.date(2199, 12, 31)

_BEFORE = FIRST.toordinal() - 1
_AFTER = LAST.toordinal() + 1
SIZE = _AFTER - _BEFORE + 1
NONE = 0
ALL = (1 << SIZE) - 1
EARLIER = 1
LATER = 1 << (SIZE - 1)

_KEY = re.compile(r"\d{4}-\d\d-\d\d\.\d+", re.ASCII)

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
# A comparison whose sides change places.
TURNED = {"eq": "eq", "ne": "ne", "lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}


@dataclass(frozen=True, slots=True)
class ODataDays:
    """The days on which a condition can be true, and those on which it can be false."""

    true: int = ALL
    false: int = ALL

    def __and__(self, other: "ODataDays") -> "ODataDays":
        return ODataDays(self.true & other.true, self.false | other.false)

    def __or__(self, other: "ODataDays") -> "ODataDays":
        return ODataDays(self.true | other.true, self.false & other.false)

    def __invert__(self) -> "ODataDays":
        return ODataDays(self.false, self.true)


ANY = ODataDays()
ALWAYS = ODataDays(ALL, NONE)
NEVER = ODataDays(NONE, ALL)


def place(day: datetime.date) -> int:
    """Return the bit of a day."""
    return min(max(day.toordinal(), _BEFORE), _AFTER) - _BEFORE


def since(day: datetime.date) -> int:
    """Return the set of a day and all days after it."""
    return ALL >> place(day) << place(day)


def until(day: datetime.date) -> int:
    """Return the set of a day and all days before it."""
    return (2 << place(day)) - 1


def between(first: datetime.date, last: datetime.date) -> int:
    """Return the set of the days from the first to the last, both included."""
    return since(first) & until(last) if first <= last else NONE


def has(days: int, day: datetime.date) -> bool:
    """Return whether a set contains a day."""
    return bool(days >> place(day) & 1)


def count(days: int) -> int:
    """Return the number of days in a bounded set."""
    return days.bit_count()


def runs(days: int) -> Iterator[tuple[datetime.date, datetime.date]]:
    """Return the days of a bounded set as ascending pairs of a first and a last day."""
    begin = 0
    while days >> begin:
        begin += _zeros(days >> begin)
        length = _zeros(~(days >> begin))
        yield _day(begin), _day(begin + length - 1)
        begin += length


def when(aspect: str, word: str, value: Any, zone: ZoneInfo) -> ODataDays:
    """Return the days of a comparison of an aspect of the time with a literal.

    The aspects are the `moment` itself, its `day` in the zone, the `year`, `month` and `monthday` of that day, and the
    `key` of a row, which begins with the day.
    """
    match aspect:
        case "moment":
            return _of_moment(word, value, zone)
        case "day":
            return _of_day(word, value)
        case "year":
            return _of_year(word, value)
        case "month" | "monthday":
            return _of_part(aspect, word, value)
    return _of_key(word, value)


def beginning(prefix: str) -> ODataDays:
    """Return the days with keys that can begin with a text."""
    return _keys(prefix, prefix + "\U0010ffff")


def _of_moment(word: str, value: datetime.datetime, zone: ZoneInfo) -> ODataDays:
    try:
        day = value.astimezone(zone).date()
        begins = midnight(day, zone) == value
    except OverflowError:  # at an end of all time
        return ANY
    here, before, after = _around(day, day)
    if word in ("eq", "ne"):
        found = ODataDays(here, ALL)
        return found if word == "eq" else ~found
    # No moment of a day is before its beginning.
    earlier = before if begins and word in ("lt", "ge") else before | here
    found = ODataDays(earlier, here | after)
    return found if word in ("lt", "le") else ~found


def _of_day(word: str, value: datetime.date) -> ODataDays:
    return _whole(word, *_around(value, value))


def _of_year(word: str, value: Decimal) -> ODataDays:
    # Years outside the calendar are all alike.
    bounded = min(max(value, Decimal(FIRST.year - 1)), Decimal(LAST.year + 1))
    year = int(bounded)
    if year != bounded:  # between two years
        if word in ("eq", "ne"):
            return NEVER if word == "eq" else ALWAYS
        word = "le" if word in ("lt", "le") else "gt"
    return _whole(word, *_around(datetime.date(year, 1, 1), datetime.date(year, 12, 31)))


def _whole(word: str, here: int, before: int, after: int) -> ODataDays:
    """Return the days of a comparison that is the same for each moment of a day."""
    match word:
        case "eq" | "ne":
            found = ODataDays(here, before | after)
        case "lt" | "ge":
            found = ODataDays(before, here | after)
        case _:
            found = ODataDays(before | here, after)
    return found if word in ("eq", "lt", "le") else ~found


def _around(first: datetime.date, last: datetime.date) -> tuple[int, int, int]:
    """Return the days from the first to the last, all days before them, and all days after them."""
    here = between(first, last)
    # A bit at the end represents many days: some of them may be here, and some before or after.
    many = here & (EARLIER | LATER)
    return here, until(first) ^ between(first, first) | many, since(last) ^ between(last, last) | many


def _of_part(aspect: str, word: str, value: Decimal) -> ODataDays:
    compare = OPERATORS[word]
    true = false = NONE
    for number, days in _parts(aspect).items():
        if compare(number, value):
            true |= days
        else:
            false |= days
    return ODataDays(true, false)


@lru_cache(maxsize=2)
def _parts(aspect: str) -> dict[int, int]:
    """Return the days of each month, or of each day of the month."""
    digits = {number: bytearray(SIZE // 8 + 1) for number in range(1, 13 if aspect == "month" else 32)}
    for bit in range(1, SIZE - 1):
        day = _day(bit)
        digits[day.month if aspect == "month" else day.day][bit // 8] |= 1 << bit % 8
    return {number: int.from_bytes(bits, "little") | EARLIER | LATER for number, bits in digits.items()}


def _of_key(word: str, value: str) -> ODataDays:
    if word in ("eq", "ne"):
        found = ODataDays(_keys(value, value).true if _KEY.fullmatch(value) else NONE, ALL)
        return found if word == "eq" else ~found
    found = ODataDays(_keys("", value).true, _keys(value, "\U0010ffff").true)
    return found if word in ("lt", "le") else ~found


def _keys(first: str, last: str) -> ODataDays:
    """Return the days that can have a key between two texts."""
    # The keys of a day stand between the day with a point and the day with a colon, which follows the digits.
    begin = bisect_left(range(1, SIZE - 1), first, key=lambda bit: f"{_day(bit)}:") + 1
    end = bisect_left(range(1, SIZE - 1), last, key=lambda bit: f"{_day(bit)}.") + 1
    bits = (1 << end) - (1 << begin) if end > begin else NONE
    if first < f"{FIRST}":
        bits |= EARLIER
    if last > f"{LAST}:":
        bits |= LATER
    return ODataDays(bits, ALL)


def _day(bit: int) -> datetime.date:
    return datetime.date.fromordinal(_BEFORE + bit)


def _zeros(bits: int) -> int:
    """Return the number of zeros at the end of a number."""
    return (bits & -bits).bit_length() - 1
