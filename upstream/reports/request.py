"""Write a call as a request: check its parameters (C6), and write the interval in the system's own words (C4, C5)."""

import datetime
import itertools
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from upstream.call import Call
from upstream.decoding.envelope import LOG_KEYS
from upstream.decoding.lazy_rows import LazyRows
from upstream.decoding.partial_row import form, getter
from upstream.errors import Malformed
from upstream.reports.rows import Row
from upstream.reports.table import Check, Parameter, Report, System
from upstream.values import moment
from upstream.values.interval import Interval, midnight

_SECOND = datetime.timedelta(seconds=1)
_STEP = datetime.timedelta(minutes=15)
_WHOLE = re.compile(r"[0-9]{1,19}")
# HTTP and JSON cannot carry control characters, except the tab, and halves of surrogate pairs (C33).
_CARRIED = r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]"
_TEXTS = {
    Check.TEXT: re.compile(rf"{_CARRIED}{{1,1000}}"),
    Check.GAME_TYPE: re.compile(r"[\w .:+-]{1,64}"),
}
_CARRIED_TEXT = _TEXTS[Check.TEXT].fullmatch
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)
YEARS = range(1970, 2101)
_NAME = operator.itemgetter(0)


class BadParameter(ValueError):
    """Say that no upstream accepts a parameter. The message says what is allowed."""


@dataclass(frozen=True, slots=True)
class Span:
    """Hold the local times of a request. The last one is included.

    `days` says that both are whole days. `window` is the interval itself if the span is wider, so that rows outside it
    have to be left out; else None.
    """

    first: datetime.datetime
    last: datetime.datetime
    days: bool
    window: Interval | None


def checked(call: Call) -> Call:
    """Return the call with its parameters in one spelling, so that equal calls are equal. Raise BadParameter.

    A call that was checked before is returned as it is.
    """
    if call.checked:
        return call
    report, params = call.report, call.params
    given = dict(params)
    count, known = len(given), 0
    if count != len(params):
        raise BadParameter(f"{report.code}: a parameter is given twice")
    for name, parameter in report.parameters.items():
        if name in given:
            known += 1
            given[name] = _checked(report, name, parameter, given[name])
        elif parameter.required:
            raise BadParameter(f"{report.code}: {name} is required: {parameter.check.value}")
    if known < count:
        unknown = min(given.keys() - report.parameters.keys())
        allowed = ", ".join(report.parameters) or "none"
        raise BadParameter(f"{report.code}: there is no parameter {unknown!r}; allowed: {allowed}")
    if "game_type" in given and given["game_type"] in LOG_KEYS:
        raise BadParameter(f"{report.code}: game_type {given['game_type']!r} is a word of the answer itself")
    if call.agent and report.system is not System.GAMELOG:
        raise BadParameter(f"{report.code}: has no agent")
    if report.frame is not None or call.interval is not None:
        _check_interval(report, call.interval)
    written = tuple(given.items() if count < 2 else sorted(given.items()))
    if written != params:
        call = replace(call, params=written)
    call.checked = True
    return call


def can_carry(text: object) -> bool:
    """Return whether a request can carry a text as a parameter (C33)."""
    return isinstance(text, str) and _CARRIED_TEXT(text) is not None


def can_carry_all(texts: Sequence[Any]) -> bool:
    """Return whether requests can carry all of these as parameters."""
    try:
        return None not in map(_CARRIED_TEXT, texts)
    except TypeError:  # one is no text
        return False


def sendable(name: str, report: str, column: str) -> str:
    """Return a name that an upstream sent, to be sent back. Raises Malformed where no request can carry it (C33)."""
    if can_carry(name):
        return name
    what = f"a {column} is not {Check.TEXT.value}: no request can carry it"
    raise Malformed(f"{report}: {what}", report=report, column=column)


def days(interval: Interval, zone: ZoneInfo) -> Span:
    """Return the days of an interval for a report of dates: those it was made of, or all that it touches in `zone`."""
    first, last = interval.days or (
        interval.start.astimezone(zone).date(),
        (interval.end - _MICROSECOND).astimezone(zone).date(),
    )
    midnight = datetime.time()
    return Span(datetime.datetime.combine(first, midnight), datetime.datetime.combine(last, midnight), True, None)


def span(interval: Interval, zone: ZoneInfo, *, by_days: bool = True, wider: bool = True) -> Span:
    """Return the interval in the local time of `zone`. It fits every way to compare times in a second (C26).

    Whole days are requested as days (`by_days`): a `range` includes both of its days wholly, so no second at their ends
    is compared. All other bounds, and those of a log without days, are sent one second wider than the interval
    (`wider`), and the rows outside are left out here. A bound that the clock shows twice is moved outward to a time
    that it shows once, because the upstream could not know which of the two is meant.
    """
    first = interval.start.astimezone(zone)
    last = (interval.end - _MICROSECOND).astimezone(zone)
    if (
        by_days
        and midnight(first.date(), zone) == interval.start
        and midnight(last.date() + datetime.timedelta(days=1), zone) == interval.end
    ):
        return Span(_wall(first), _wall(last), True, None)
    more = _SECOND if wider else 0 * _SECOND
    start = interval.start.replace(microsecond=0) - more
    # The end is included: one second wider is one second after the last second of the interval.
    end = (interval.end - _MICROSECOND).replace(microsecond=0) + more
    while moment.twice(_wall(start.astimezone(zone)), zone):
        start -= _STEP
    while moment.twice(_wall(end.astimezone(zone)), zone):
        end += _STEP
    return Span(_wall(start.astimezone(zone)), _wall(end.astimezone(zone)), False, interval)


def settled(interval: Interval, now: datetime.datetime) -> Interval:
    """Return the part of an interval in which no more rows appear: until the second before the last whole one (C28).

    The second that the span adds at its end is over by then, too. An interval in the past or in the future stays as it
    is.
    """
    end = now.replace(microsecond=0) - _SECOND
    return Interval(interval.start, end) if interval.start < end < interval.end else interval


def query(call: Call, span: Span | None) -> tuple[tuple[str, str], ...]:
    """Return the query of a GameHub request, without its token (section "Common Parameters")."""
    report, frame = call.report, call.report.frame
    found = [("report_type", report.report_type)]
    found += [(name, str(value)) for name, value in call.params]
    if frame is not None and span is not None:
        found += [
            (frame, "range" if span.days else "datetime_range"),
            (f"{frame}_range_from", f"{span.first:%Y-%m-%d}"),
            (f"{frame}_range_to", f"{span.last:%Y-%m-%d}"),
        ]
        if not span.days:
            found += [
                (f"{frame}_range_from_time", f"{span.first:%H:%M:%S}"),
                (f"{frame}_range_to_time", f"{span.last:%H:%M:%S}"),
            ]
    if report.unpaged:
        found.append(("per_page", "-1"))
    return tuple(found)


def body(call: Call, span: Span, page: int, per_page: int) -> dict[str, Any]:
    """Return the body of a Game History request, without its agent (section "Request Body")."""
    return {
        "method": call.report.report_type,
        **{name: str(value) for name, value in call.params},
        "start": f"{span.first:%Y-%m-%d %H:%M:%S}",
        "end": f"{span.last:%Y-%m-%d %H:%M:%S}",
        "page": page,
        "perPage": per_page,
    }


def within(rows: list[Row], column: str, window: Interval) -> list[Row]:
    """Return the rows whose `column` (a Moment) lies in the window. A row without a time stays."""
    start, end = ((bound - _EPOCH) // _MICROSECOND for bound in (window.start, window.end))
    if not rows:
        return rows
    if form(type(rows[0]), column) is not None:  # partial rows, whose raw times sort like the canonical ones
        came = list(map(getter(type(rows[0]), column), rows))
        ends = [rows[came.index(min(came))], rows[came.index(max(came))]]
        if all(start <= getattr(row, column) < end for row in ends):
            return rows
    times = [getattr(row, column) for row in rows]
    inside = [time is None or start <= time < end for time in times]
    if all(inside):
        return rows
    found = list(itertools.compress(rows, inside))
    return rows.like(found) if isinstance(rows, LazyRows) else found


def needed(call: Call) -> frozenset[str]:
    """Return the columns that are always read: those that identify rows, and those that reveal rows of others."""
    return _needed(call.report, tuple(map(_NAME, call.params)))


@lru_cache(maxsize=512)
def _needed(report: Report, names: tuple[str, ...]) -> frozenset[str]:
    return report.keys.union(report.echoes[name] for name in names if name in report.echoes)


def _wall(time: datetime.datetime) -> datetime.datetime:
    return time.replace(tzinfo=None, fold=0)


def _checked(report: Report, name: str, parameter: Parameter, value: str | int) -> str | int:
    pattern = _TEXTS.get(parameter.check)
    if pattern is not None:
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
    else:
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        highest = 8 if parameter.check is Check.STATUS else 2**63 - 1
        if type(value) is int and 1 <= value <= highest:
            return value
    raise BadParameter(f"{report.code}: {name} must be {parameter.check.value}")


def in_years(interval: Interval) -> bool:
    """Return whether an interval lies in the years that the upstreams can be span about."""
    return interval.start.year in YEARS and interval.end.year in YEARS


def _check_interval(report: Report, interval: Interval | None) -> None:
    if report.frame is None:
        if interval is not None:
            raise BadParameter(f"{report.code}: takes no period")
        return
    if interval is None:
        raise BadParameter(f"{report.code}: a period is required")
    if interval.start.tzinfo is None or interval.end.tzinfo is None:
        raise BadParameter(f"{report.code}: a period's bounds need an offset from UTC")
    if interval.start >= interval.end:
        raise BadParameter(f"{report.code}: a period must end after it starts")
    if not in_years(interval):
        raise BadParameter(f"{report.code}: a period must lie between {YEARS[0]} and {YEARS[-1]}")
