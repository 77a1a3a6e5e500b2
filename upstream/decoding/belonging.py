"""Whether rows are those that were asked for: a row that names another user, group or game, or another time, is a lie.

Only what a row says of itself can be compared; a column that is missing proves nothing.
"""

import datetime
import operator
from collections.abc import Sequence
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


def refuse_strangers(call: Call, rows: Sequence[Row], asked: Span | None, zone: datetime.tzinfo) -> None:
    """Raise Malformed if a row is not of what the call asks for; `asked` is its period as it was sent.

    The columns that are compared hold no bad value: the decoder has refused those.
    """
    if not rows:
        return
    report = call.report
    column = report.moment or report.frame
    for name, value in call.params:
        own = report.echoes.get(name)
        if own is None:
            continue
        for found in set(map(operator.attrgetter(own), rows)):
            # A user code may come back in another spelling than it was asked for (C27).
            if found is not None and found != value and fold(str(found)) != fold(str(value)):
                told = f"{report.code}: a row is of {own} {str(found)[:40]!r}, where {name} {value!r} was asked for"
                raise Malformed(told)
    if asked is None or column is None:
        return
    kind = type(rows[0])
    if form(kind, column) is not None:  # excerpts, whose times sort as they came
        came = list(map(getter(kind, column), rows))
        rows = [rows[came.index(min(came))], rows[came.index(max(came))]]
    times = [time for time in map(operator.attrgetter(column), rows) if time is not None]
    dated = report.moment is None
    first: Any
    last: Any
    first, last = (asked.first.date(), asked.last.date()) if dated else _bounds(asked, zone)
    if times and not (first <= min(times) and max(times) <= last):
        raise Malformed(f"{report.code}: a row's {column} lies outside the period that was asked for")


def _bounds(asked: Span, zone: datetime.tzinfo) -> tuple[int, int]:
    """The first and last microsecond of a period, with the hour to spare by which a clock is changed near a bound."""
    first, last = asked.first, asked.last
    if asked.days:
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
