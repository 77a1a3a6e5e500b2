"""An amount of money as text: every digit the upstream sent, at least two decimals, never a binary float (C14)."""

import re

# ASCII digits alone: `\d` would let other scripts' digits through.
_AMOUNT = re.compile(r"(-?)0*([0-9]+)(?:\.([0-9]+))?")
_LENGTH = 100


def amount(value: int | str) -> str:
    """The canonical text of an amount: `1` is "1.00", "5.0" is "5.00", "-0.10" and "0.125" stay, "-0.00" is "0.00".

    Decimals beyond the second are kept, zeros too. Raises ValueError for anything else: exponents, thousands
    separators, a plus sign, blanks, NaN, infinities, empty text, more than 100 characters.
    """
    if isinstance(value, int):
        # Past this the interpreter itself refuses to write an int as text.
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


class _Amounts(dict[int | str, str]):
    def __missing__(self, value: int | str) -> str:
        found = amount(value)
        if len(self) >= _MOST_AMOUNTS:
            self.clear()
        self[value] = found
        return found


_MOST_AMOUNTS = 100_000
# `AMOUNTS[value]` is `amount(value)`, for columns of many: few amounts make up most of the money that moves.
AMOUNTS = _Amounts()
