"""Join the rows of several reports that describe the same object, such as a prize or a winner.

Objects are joined by the values that identify them, never by their position. These functions are pure: they read rows
and call nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from upstream.errors import UpstreamError
from upstream.reports.rows import Row

Key = Callable[[Row], Hashable | None]


@dataclass(slots=True)
class Joined:
    """One object: its rows, and the kinds of row that have it too, but could not be distinguished from others."""

    rows: tuple[Row, ...]
    unjoined: set[type[Row]] = field(default_factory=set)


def joined(lists: Sequence[Sequence[Row]], keys: Sequence[Key]) -> list[Joined]:
    """Join the objects that several reports list. The longest list decides which objects there are, and their order.

    The `keys` are tried one after the other. A key joins two rows if each is the only unjoined row of its list with
    that value of the key. The last key says which rows may be the same object at all. If all rows, or all objects, with
    one value of the last key are equal to each other, they are joined in any order, because the result is the same.
    """
    first, *others = sorted(lists, key=len, reverse=True)
    objects = [Joined((row,)) for row in first]
    for rows in others:
        _join(objects, rows, keys)
    return objects


def _join(objects: Sequence[Joined], rows: Sequence[Row], keys: Sequence[Key]) -> None:
    left, waiting = list(rows), list(objects)
    for key in keys:
        theirs: defaultdict[Hashable, list[Row]] = defaultdict(list)
        for row in left:
            theirs[_known(key, row)].append(row)
        ours: defaultdict[Hashable, list[Joined]] = defaultdict(list)
        for each in waiting:
            ours[_value(each, key)].append(each)
        for value, found in theirs.items():
            if value is not None and len(found) == 1 and len(ours.get(value, ())) == 1:
                ((row,), (each,)) = found, ours[value]
                each.rows = (*each.rows, row)
                left = [other for other in left if other is not row]
                waiting = [other for other in waiting if other is not each]
    *_, last = keys
    left = _alike(waiting, left, last)
    for row in left:
        value = _known(last, row)
        for each in waiting:
            if _value(each, last) == value and all(type(row) is not type(own) for own in each.rows):
                each.unjoined.add(type(row))


def _alike(waiting: Sequence[Joined], left: Sequence[Row], key: Key) -> list[Row]:
    """Join rows with as many objects where all rows or all objects are equal. Return the other rows."""
    rest: list[Row] = []
    groups: defaultdict[Hashable, list[Row]] = defaultdict(list)
    for row in left:
        groups[_known(key, row)].append(row)
    for value, found in groups.items():
        objects = [each for each in waiting if _value(each, key) == value]
        alike = _equal(found) or _equal([each.rows for each in objects])
        if value is None or len(objects) != len(found) or not alike:
            rest += found
            continue
        for each, row in zip(objects, found, strict=True):
            each.rows = (*each.rows, row)
    return rest


def _equal(values: Sequence[Any]) -> bool:
    try:
        return all(value == values[0] for value in values)
    except UpstreamError:  # a bad value, which cannot be compared
        return False


def _known(key: Key, row: Row) -> Hashable | None:
    """Return the value of a key for a row, or None if a part of it is a bad value."""
    try:
        value = key(row)
        hash(value)
    except UpstreamError:
        return None
    return value


def _value(each: Joined, key: Key) -> Hashable | None:
    """Return the first value of a key that one of the object's rows has."""
    return next((value for row in each.rows if (value := _known(key, row)) is not None), None)
