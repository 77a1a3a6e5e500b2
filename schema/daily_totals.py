"""Daily totals of a group, added up by the calendar."""

import datetime
from collections.abc import Sequence
from enum import Enum
from typing import Any

import strawberry
from strawberry import Info

from resolvers.key_rows import KeyRows
from resolvers.session import Session
from resolvers.totals import Shape, add_up
from schema.daily_movement import DailyMovement
from schema.mapping.lists.column_values import column_values
from schema.mapping.selection import select
from schema.mapping.totals.figures import TotalsObject, number, sure_amount
from schema.scalars import Date, Decimal
from upstream.values.calendar import CalendarUnit, span

_DATE, _PERIOD = "date", "period"


@strawberry.enum
class Calendar(Enum):
    """A part of the calendar that days are added up by."""

    DAY = strawberry.enum_value(CalendarUnit.DAY.value, description="Each day.")
    WEEK = strawberry.enum_value(CalendarUnit.WEEK.value, description="Weeks from Monday to Sunday.")
    MONTH = strawberry.enum_value(CalendarUnit.MONTH.value, description="Calendar months.")
    YEAR = strawberry.enum_value(CalendarUnit.YEAR.value, description="Calendar years.")


@strawberry.type
class DailyTotals(TotalsObject):
    """The totals of a group's days, as the report has them (Bingo Financial Report Daily Movements, R1), added up."""

    # Both are named after words of Python.
    from_: Date = strawberry.field(name="from", description="The first of these days.")
    to: Date = strawberry.field(description="The last of these days, included.")
    total_wagers: Decimal = sure_amount("totalWagers", "Wagers of these days.")
    total_wins: Decimal = sure_amount("totalWins", "Prizes won on these days.")
    total_refunds: Decimal = sure_amount("totalRefunds", "Refunds of these days.")
    total_paid: Decimal = sure_amount("totalPaid", "Prizes paid out on these days, negative.")
    paid_tickets: int = number("paidTickets", "The number of tickets that were paid out.")
    net: Decimal = sure_amount("net", "The sum of wagers, refunds and payments, as the report adds them up.")


async def by_calendar(
    info: Info[Session, Any],
    found: Sequence[Any],
    unit: Calendar,
    days: tuple[datetime.date, datetime.date],
) -> list[Any]:
    """Return the totals of each list of daily rows, one for each part of the calendar that has a row.

    A part of the calendar begins and ends with the requested days.
    """
    session = info.context
    figures = [figure for name, figure in DailyTotals.figures.items() if name in select(info)]
    aggregates = tuple(each for figure in figures for each in figure.aggregates)
    lists = [rows if isinstance(rows, Exception) else KeyRows.of_list(rows) for rows in found]
    names = [_DATE, *(name for each in aggregates for name in each.columns)]
    totals: list[Any] = []
    for values in await column_values(DailyMovement, lists, names, session):
        if isinstance(values, Exception):
            totals.append(values)
            continue
        columns = dict(values) | {_PERIOD: [span(day, CalendarUnit(unit.value)) for day in values[_DATE]]}
        sums = await add_up(Shape((_PERIOD,), aggregates), columns, len(values[_DATE]))
        session.nodes.take(len(sums))
        here = []
        for (period,), each in sorted(sums.items()):
            one = DailyTotals.on(each, {}, session)
            one.from_, one.to = Date(max(period[0], days[0])), Date(min(period[1], days[1]))  # type: ignore[index]
            here.append(one)
        totals.append(here)
    return totals
