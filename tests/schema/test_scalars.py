"""The values that a client may send for a scalar: exact, plain and short."""

import datetime
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.mapping.errors import BadUserInput
from schema.scalars import SCALARS, Date, DateTime, Decimal, is_id, parse_id

parse = SCALARS[Decimal].parse_value
assert parse is not None


@pytest.mark.parametrize("value", ["0", "-12.50", "1" * 40 + "." + "1" * 40, 7, -(10**39)])
def test_a_decimal(value: object) -> None:
    assert parse(value) == str(value)


@pytest.mark.parametrize(
    "value",
    [
        "NaN", "nan", "sNaN", "Infinity", "-inf", "1e3", "1E+2", "", " ", " 1", "1 ", "+1", "1.", ".5", "1,5", "0x1",
        "1_0", "٣", "1\n", "1" * 41, "0." + "1" * 41, 10**40, 1.5, float("nan"), float("inf"), True, None, [], {},
    ],
    ids=lambda value: f"{type(value).__name__} {str(value)[:12]}" if not isinstance(value, int) else "a number",
)  # fmt: skip
def test_no_decimal(value: object) -> None:
    with pytest.raises(BadUserInput, match="plain digits"):
        parse(value)


@pytest.mark.parametrize("value", [0, -1, 2**63, "0", "1" * 20, "1.0", 1e18, "", "1\n", "٣", True, None, {}])
def test_no_id(value: object) -> None:
    with pytest.raises(BadUserInput, match="is not an id"):
        parse_id(value)


def test_numbers_that_have_no_text() -> None:
    for read in (parse, parse_id):
        with pytest.raises(BadUserInput):
            read(10**9999)


def test_an_id() -> None:
    assert (parse_id("382"), parse_id(2**63 - 1)) == (382, 2**63 - 1)
    assert is_id("1")


# The texts that the linked specifications allow: RFC 3339 with up to nine digits of a fraction, and YYYY-MM-DD.
WRITTEN = {
    DateTime: r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)",
    Date: r"\d{4}-\d\d-\d\d",
}


def test_linked_specifications() -> None:
    linked = {kind: scalar.specified_by_url for kind, scalar in SCALARS.items() if scalar.specified_by_url}
    # No linked specification of a Decimal writes a text.
    assert linked == {
        DateTime: "https://scalars.graphql.org/chillicream/date-time.html",
        Date: "https://scalars.graphql.org/andimarek/local-date.html",
    }


@given(
    moment=st.datetimes(
        min_value=datetime.datetime(1973, 1, 1),
        max_value=datetime.datetime(9998, 12, 31),
        timezones=st.timezones(),
    )
)
def test_the_moments_that_are_written_fit_the_linked_specification(moment: datetime.datetime) -> None:
    written = SCALARS[DateTime].serialize(moment)
    assert re.fullmatch(WRITTEN[DateTime], written)
    read = SCALARS[DateTime].parse_value
    assert read is not None
    assert read(written).astimezone(datetime.UTC) == moment.astimezone(datetime.UTC)
    assert re.fullmatch(WRITTEN[Date], SCALARS[Date].serialize(moment.date()))
