"""Read an amount of money as text: all digits, at least two decimals, never a binary float (C14)."""

import re
from decimal import Decimal

# Only ASCII digits: `\d` would accept the digits of other scripts.
_AMOUNT = re.compile(r"(-?)0*([0-9]+)(?:\.([0-9]+))?")
_LENGTH = 100


def amount(value: int | str) -> str:
    """Return the canonical text of an amount: "1.00" for `1`, "5.00" for "5.0"; "0.125" stays, "-0.00" is "0.00".

    Keep all decimals, zeros too. Raise ValueError for anything else: exponents, thousands separators, a plus sign,
    blanks, NaN, infinities, empty text, more than 100 characters.
    """
    if isinstance(value, int):
        # Above this length the interpreter refuses to write an int as text.
        if abs(value) >= 10**_LENGTH:
            raise ValueError("is not an amount")
        return f"{value}.00"
    found = _AMOUNT.fullmatch(value) if len(value) <= _LENGTH else None
    if found is None:
        raise ValueError("is not an amount")
    sign, whole, decimals = found.groups()
    decimals = (decimals or "").ljust(2, "0")
    if whole == "0" and not decimals.strip("0"):
        sign = ""
    return f"{sign}{whole}.{decimals}"


def written(value: Decimal) -> str:
    """Return a sum as text: all digits, at least two decimals, no more zeros than that, no minus before zero."""
    whole, _, decimals = f"{value:f}".partition(".")
    decimals = decimals.rstrip("0").ljust(2, "0")
    found = f"{whole}.{decimals}"
    return found if value else found.removeprefix("-")


class _Amounts(dict[int | str, str]):
    def __missing__(self, value: int | str) -> str:
        found = amount(value)
        if len(self) >= _MOST_AMOUNTS:
            self.clear()
        self[value] = found
        return found


_MOST_AMOUNTS = 100_000
# `AMOUNTS[value]` is `amount(value)`, for columns of many values: most of these are a few amounts.
AMOUNTS = _Amounts()
