"""Remove identical copies from the rows of an answer: an id is one row (C37)."""

from collections.abc import Hashable
from operator import attrgetter
from typing import Any

from upstream.decoding.lazy_rows import LazyRows
from upstream.errors import Malformed, UpstreamError
from upstream.reports.rows import Row
from upstream.reports.table import Report
from upstream.values.bad_value import BadValue


def distinct(report: Report, rows: list[Row]) -> list[Row]:
    """Return the rows without identical copies. Raise Malformed for two different rows with one id."""
    if report.id is None or not rows:
        return rows
    read = attrgetter(report.id)
    if len(set(map(read, rows))) == len(rows):
        return rows
    ids: list[Hashable] = list(map(read, rows))
    # All columns are compared, also those that no query reads.
    whole = rows.whole(rows.read()) if isinstance(rows, LazyRows) else rows
    first: dict[Hashable, Row] = {}
    for id, row in zip(ids, whole, strict=True):
        other = first.setdefault(id, row)
        if other is not row and not _same(other, row):
            raise Malformed(f"{report.code}: two different rows have the {report.id} {id}")
    found = list(first.values())
    return rows.like(found) if isinstance(rows, LazyRows) else found


def _same(one: Row, other: Row) -> bool:
    try:
        return one == other
    except UpstreamError:  # a bad value, which cannot be compared
        return bool(_plain(one) == _plain(other))


def _plain(value: Any) -> Any:
    if isinstance(value, BadValue):
        return value.path, value.what
    if isinstance(value, list):
        return list(map(_plain, value))
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, Row):
        return [_plain(getattr(value, name)) for name in value.__struct_fields__]
    return value
