"""The scalars of the graph, and how ids are read."""

import datetime
import re
from collections.abc import Mapping
from typing import Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from schema.mapping.errors import BadUserInput

_ID = re.compile(r"[0-9]{1,19}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

Decimal = NewType("Decimal", str)
DateTime = NewType("DateTime", datetime.datetime)
Date = NewType("Date", datetime.date)


def is_id(text: str) -> bool:
    """Return whether a text is a GameHub id: a whole number from 1 to 2^63 - 1."""
    return _ID.fullmatch(text) is not None and 0 < int(text) < 1 << 63


def parse_id(value: Any, what: str = "id") -> int:
    """Return a GameHub id as a number. Raise `BadUserInput` for anything but 1 to 2^63 - 1."""
    # Python cannot convert a number of thousands of digits to text.
    text = value if isinstance(value, str) else "" if isinstance(value, int) and abs(value) >> 64 else str(value)
    if not is_id(text):
        raise BadUserInput(f'{what}: "{text[:40]}" is not an id; ids are whole numbers, such as "382".')
    return int(text)


def _parse_decimal(value: Any) -> Decimal:
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**40
    if not (whole or isinstance(value, str)) or not _DECIMAL.fullmatch(str(value)):
        raise BadUserInput(
            'A Decimal is a number in plain digits, such as "12.50": no exponent, no NaN, no infinity, and up to 40 '
            "digits on each side of its point."
        )
    return Decimal(str(value))


def _parse_date_time(value: Any) -> DateTime:
    if not isinstance(value, str) or not _DATE_TIME.fullmatch(value):
        raise BadUserInput('A DateTime is ISO 8601 with an offset, such as "2026-03-01T00:00:00+01:00".')
    try:
        return DateTime(datetime.datetime.fromisoformat(value.upper().replace(" ", "T")))
    except ValueError:
        raise BadUserInput(f'There is no moment "{value}".') from None


def _parse_date(value: Any) -> Date:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise BadUserInput('A Date is written year-month-day, such as "2026-03-01".')
    try:
        return Date(datetime.date.fromisoformat(value))
    except ValueError:
        raise BadUserInput(f'There is no day "{value}".') from None


SCALARS: Mapping[object, ScalarDefinition] = {
    Decimal: strawberry.scalar(
        name="Decimal",
        description="Money and percentages: a decimal number as a string, with at least two decimals and every digit "
        'that the upstream sent, such as "5.00" or "0.125". Never a float.',
        serialize=str,
        parse_value=_parse_decimal,
    ),
    DateTime: strawberry.scalar(
        name="DateTime",
        description="A moment: ISO 8601 with an offset, written in the business time zone.",
        serialize=lambda value: value.isoformat(),
        parse_value=_parse_date_time,
        # A fraction of a second is optional in this specification, and may have nine digits.
        specified_by_url="https://scalars.graphql.org/chillicream/date-time.html",
    ),
    Date: strawberry.scalar(
        name="Date",
        description='A calendar day in the business time zone, such as "2026-03-01".',
        serialize=lambda value: value.isoformat(),
        parse_value=_parse_date,
        specified_by_url="https://scalars.graphql.org/andimarek/local-date.html",
    ),
}
