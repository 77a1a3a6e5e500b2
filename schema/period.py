"""A period of time as a client writes it. Each operation converts it once to one half-open interval."""

import datetime
from enum import Enum
from typing import Any

import strawberry
from strawberry import Info

from resolvers.session import Session
from schema.mapping.errors import BadUserInput
from schema.scalars import Date, DateTime
from upstream.reports.request import YEARS, in_years
from upstream.values import interval
from upstream.values.interval import Interval, SentFrame


@strawberry.enum(
    description="A named period in the business time zone. Weeks start on Monday; `THIS_…` ends with today."
)
class TimeFrame(Enum):
    """A named period in the business time zone."""

    TODAY = strawberry.enum_value(SentFrame.TODAY.value, description="The current day, from midnight to midnight.")
    YESTERDAY = strawberry.enum_value(SentFrame.YESTERDAY.value, description="The day before today.")
    THIS_WEEK = strawberry.enum_value(SentFrame.THIS_WEEK.value, description="From Monday up to and including today.")
    LAST_WEEK = strawberry.enum_value(SentFrame.LAST_WEEK.value, description="The Monday to Sunday before this week.")
    THIS_MONTH = strawberry.enum_value(
        SentFrame.THIS_MONTH.value, description="From the 1st up to and including today."
    )
    LAST_MONTH = strawberry.enum_value(
        SentFrame.LAST_MONTH.value, description="The whole calendar month before this one."
    )
    THIS_YEAR = strawberry.enum_value(
        SentFrame.THIS_YEAR.value, description="From 1 January up to and including today."
    )


@strawberry.input
class DateRange:
    """Whole days in the business time zone, both included."""

    from_: Date = strawberry.field(name="from", description="The first day.")
    to: Date = strawberry.field(description="The last day, included.")


@strawberry.input
class DateTimeRange:
    """An interval between two moments."""

    from_: DateTime = strawberry.field(name="from", description="The first moment, included.")
    until: DateTime = strawberry.field(description="The end, not included.")


@strawberry.input(one_of=True)
class Period:
    """A period of time: exactly one of a named frame, whole days, or an interval."""

    frame: TimeFrame | None = strawberry.field(default=strawberry.UNSET, description="A named period.")
    dates: DateRange | None = strawberry.field(default=strawberry.UNSET, description="Whole days, both included.")
    between: DateTimeRange | None = strawberry.field(
        default=strawberry.UNSET, description="From a moment (included) until another (not)."
    )


TODAY = Period(frame=TimeFrame.TODAY)
THIS_MONTH = Period(frame=TimeFrame.THIS_MONTH)


def resolve(info: Info[Session, Any], period: Period | None, default: Period = TODAY) -> Interval:
    """Return the interval of a period, as of the operation's start. Raise `BadUserInput` if the period is not valid."""
    found = _resolve(info.context, period or default)
    if not in_years(found):
        raise BadUserInput(f"during: a period must lie between {YEARS[0]} and {YEARS[-1]}.")
    return found


def _resolve(session: Session, period: Period) -> Interval:
    if period.dates:
        first, last = period.dates.from_, period.dates.to
        if first > last:
            raise BadUserInput(f"during.dates: from {first} is after to {last}; both days are included.")
        try:
            return interval.dates(first, last, session.zone)
        except (OverflowError, ValueError):
            raise BadUserInput("during.dates: that lies outside the calendar, which has the years 1 to 9999.") from None
    if period.between:
        start, end = period.between.from_, period.between.until
        if start >= end:
            raise BadUserInput(f"during.between: from {start.isoformat()} must be before until {end.isoformat()}.")
        try:
            return Interval(start.astimezone(datetime.UTC), end.astimezone(datetime.UTC))
        except OverflowError:
            raise BadUserInput("during.between: that lies outside the calendar.") from None
    assert period.frame
    return interval.resolve(SentFrame(period.frame.value), session.now, session.zone)
