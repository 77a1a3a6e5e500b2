"""Money: every digit that the upstream sent, and nothing that is not an amount (C14)."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upstream.values.money import amount

DIGITS = st.text("0123456789", min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (1, "1.00"),
        (0, "0.00"),
        (-3, "-3.00"),
        (10**30, "1" + "0" * 30 + ".00"),
        ("1", "1.00"),
        ("5.00", "5.00"),
        ("5.0", "5.00"),
        ("-0.10", "-0.10"),
        ("0.08", "0.08"),
        ("0.125", "0.125"),
        ("1.5000", "1.5000"),
        ("007.5", "7.50"),
        ("-0.00", "0.00"),
        ("-0", "0.00"),
        ("0", "0.00"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
    ],
)
def test_c14_an_amount_keeps_every_digit(wire: int | str, text: str) -> None:
    assert amount(wire) == text


@pytest.mark.parametrize(
    "wire",
    ["", " ", "NaN", "nan", "Infinity", "-inf", "1e3", "1E2", "1,000.00", "1.", ".5", "+1", " 1", "1 ", "--1", "1.2.3",
     "0x10", "١", "1\n", "9" * 101, 10**100, -(10**100)],
)  # fmt: skip
def test_c14_anything_else_is_refused(wire: int | str) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        amount(wire)


@given(st.sampled_from(["", "-"]), DIGITS, st.one_of(st.none(), DIGITS))
def test_the_text_is_the_number_digit_for_digit(sign: str, whole: str, decimals: str | None) -> None:
    wire = sign + whole + (f".{decimals}" if decimals is not None else "")
    text = amount(wire)
    assert Decimal(text) == Decimal(wire)
    before, after = text.lstrip("-").split(".")
    assert before == (whole.lstrip("0") or "0")
    assert after == (decimals or "").ljust(2, "0")
    assert amount(text) == text


@given(st.text(max_size=12))
def test_whatever_is_read_is_a_plain_decimal(wire: str) -> None:
    try:
        text = amount(wire)
    except ValueError:
        return
    assert Decimal(text) == Decimal(wire)
    assert text.isascii()
