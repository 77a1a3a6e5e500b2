"""Money: stored as whole cents of the base currency, written as the reports write it.

A group may keep its books in another currency, at a fixed rate that gives at most three decimals.
"""

from sandbox.people import BASE_CURRENCY, CURRENCIES


def money(cents: int) -> str:
    """Return cents as a decimal string: 10 is "0.10", -2000 is "-20.00"."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def short_money(cents: int) -> str:
    """Return cents as R6 writes its prizes: "0", "11", "0.42"."""
    return money(cents).rstrip("0").rstrip(".")


def local_money(cents: int, currency: str) -> str:
    """Return cents of the base currency as a decimal string in another currency:

    two decimals, or three where needed.
    """
    thousandths = cents * CURRENCIES[currency] // 10
    text = f"{'-' if thousandths < 0 else ''}{abs(thousandths) // 1000}.{abs(thousandths) % 1000:03d}"
    return text[:-1] if text.endswith("0") else text


# SQL that writes {0} (cents, not negative) as a decimal string.
SQL_MONEY = "printf('%d.%02d', {0} / 100, {0} % 100)"
# The same in currency {1}. The connection must know the function `local_money`.
SQL_LOCAL_MONEY = f"CASE {{1}} WHEN '{BASE_CURRENCY}' THEN {SQL_MONEY} ELSE local_money({{0}}, {{1}}) END"
# SQL that divides {0} by {1}: a whole number if it is one, else a double, as JSON writes numbers.
SQL_NUMBER = "CASE WHEN {0} % {1} = 0 THEN {0} / {1} ELSE {0} / {1}.0 END"
