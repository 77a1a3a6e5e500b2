"""Refuse rows that a call did not request: rows of another user, group or game, or of another time (C36).

Only the values of a row can be compared. A missing column proves nothing.
"""

import datetime
import operator
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from upstream.call import Call
from upstream.decoding.partial_row import form, getter
from upstream.errors import Malformed
from upstream.reports.request import Span
from upstream.reports.rows import Row
from upstream.reports.spelling import fold

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)
_DAY = datetime.timedelta(days=1)


def refuse_strangers(call: Call, rows: Sequence[Row], span: Span | None, zone: datetime.tzinfo) -> None:
    """Raise Malformed if a row does not belong to the call. `span` is the period as it was sent.

    The compared columns hold no bad value, because the decoder has refused those.
    """
    if not rows:
        return
    report = call.report
    column = report.time_column
    for name, value in call.params:
        own = report.echoes.get(name)
        if own is None:
            continue
        for found in set(map(operator.attrgetter(own), rows)):
            # A user code may come back in another spelling than it was sent (C27).
            if found is not None and found != value and fold(str(found)) != fold(str(value)):
                what = f"a row has {own} {str(found)[:40]!r}, but the request was for {name} {value!r}"
                raise Malformed(f"{report.code}: {what}")
    if span is None or column is None:
        return
    kind = type(rows[0])
    if form(kind, column) is not None:  # partial rows, whose raw times sort like the canonical ones
        came = list(map(getter(kind, column), rows))
        rows = [rows[came.index(min(came))], rows[came.index(max(came))]]
    times = [time for time in map(operator.attrgetter(column), rows) if time is not None]
    dated = report.moment is None
    first: Any
    last: Any
    first, last = (span.first.date(), span.last.date()) if dated else _bounds(span, zone)
    if times and not (first <= min(times) and max(times) <= last):
        raise Malformed(f"{report.code}: a row's {column} lies outside the requested period")


@lru_cache(maxsize=512)
def _bounds(span: Span, zone: datetime.tzinfo) -> tuple[int, int]:
    """Return the first and last microsecond of a period. Allow for a change of the clock nearby."""
    first, last = span.first, span.last
    if span.days:
        first = datetime.datetime.combine(first, datetime.time())
        last = datetime.datetime.combine(last, datetime.time(23, 59, 59))
    bounds = []
    for bound, sign in ((first, -1), (last, 1)):
        at = bound.replace(tzinfo=zone)
        before, after = (at - _DAY).utcoffset(), (at + _DAY).utcoffset()
        assert before is not None
        assert after is not None
        bounds.append((at - _EPOCH) // _MICROSECOND + sign * (abs(after - before) // _MICROSECOND))
    return bounds[0], bounds[1] + 999_999
