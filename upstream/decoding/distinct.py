"""The rows of an answer, each once: an id is one row (C37)."""

from collections.abc import Hashable
from operator import attrgetter
from typing import Any

from upstream.decoding.bad_value import BadValue
from upstream.decoding.decode import LazyRows, need, whole
from upstream.errors import Malformed, UpstreamError
from upstream.reports.rows import Row
from upstream.reports.table import Report


def distinct(report: Report, rows: list[Row]) -> list[Row]:
    """The rows without identical copies of others. Raises Malformed for two different rows of one id."""
    if report.id is None or not rows:
        return rows
    ids: list[Hashable] = list(map(attrgetter(report.id), rows))
    if len(set(ids)) == len(ids):
        return rows
    # Two rows that differ do so whatever is read of them.
    need(rows, None)
    first: dict[Hashable, Row] = {}
    for id, row in zip(ids, whole(rows, rows), strict=True):
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
